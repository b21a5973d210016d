# SPDX-License-Identifier: MIT
about="WireGuard, an egress chain on a real uplink, rules, netem and user namespaces are there"
needs="wireguard nft veth netem rules"
deadline=60

for need in $needs; do
	expect_eq "the kernel has $need" "" "$(needs_missing "$need")"
done
expect "an unprivileged process can make namespaces" \
	setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn true
expect "Landlock is there" grep -qw landlock /sys/kernel/security/lsm

ns a b
link a:eth0 b:eth0 2001:db8:1::1/64 2001:db8:1::2/64
build_net
on a nft -f - <<'E'
table netdev guard {
	chain egress {
		type filter hook egress device "eth0" priority 0; policy accept;
		ip6 daddr 2001:db8:1::2 meta mark 0x504f counter accept
		ip6 daddr 2001:db8:1::2 icmpv6 type echo-request counter drop
	}
}
E
capture b eth0 seen
refute "an unmarked echo passes the guard" on a ping -c 1 -W 1 2001:db8:1::2
expect "a marked echo passes the guard" on a ping -c 1 -W 5 -m 20559 2001:db8:1::2
expect_eq "echo requests on the wire" 1 "$(count_packets seen 'icmp6 and ip6[40] == 128')"
