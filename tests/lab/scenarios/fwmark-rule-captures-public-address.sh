# SPDX-License-Identifier: MIT
about="A rule sends a gateway's public address into the tunnel; without it nothing leaks"
needs="wireguard nft veth rules"
deadline=120

table=20559
mark=0x504f
host_key=$(wg genkey)
gate_key=$(wg genkey)
psk=$LAB_OUT/psk
umask 077
wg genpsk >"$psk"
echo "$host_key" >"$LAB_OUT/host"
echo "$gate_key" >"$LAB_OUT/gate"

# The host's end: tunnel address and public address of the gateway are both inside.
host_tunnel()
{
	on host1 ip link add postern0 mtu 1280 type wireguard
	on host1 wg set postern0 private-key "$LAB_OUT/host" fwmark $mark \
		peer "$(wg pubkey <<<"$gate_key")" preshared-key "$psk" \
		allowed-ips fd12::1/128,2001:db8:c::1/128 endpoint '[2001:db8:c::1]:51820'
	on host1 ip -batch - <<-E
	address add fd12:0:0:1::2/128 dev postern0
	link set postern0 up
	route add fd12::1/128 dev postern0 table $table
	route add 2001:db8:c::1/128 dev postern0 table $table
	E
}

host_rule()
{
	on host1 ip -batch - <<-E
	route add unreachable fd12::1/128 table $table metric 4000000
	route add unreachable 2001:db8:c::1/128 table $table metric 4000000
	E
	on host1 ip -6 rule add not fwmark $mark lookup $table pref $table
}

gate_tunnel()
{
	on cfg1 ip link add wg0 mtu 1280 type wireguard
	on cfg1 wg set wg0 private-key "$LAB_OUT/gate" listen-port 51820 \
		peer "$(wg pubkey <<<"$host_key")" preshared-key "$psk" \
		allowed-ips fd12:0:0:1::2/128
	on cfg1 ip -batch - <<-E
	address add fd12::1/128 dev wg0
	link set wg0 up
	route add fd12:0:0:1::/64 dev wg0
	E
}

zone_up
expect "the public address answers without a tunnel" on host1 ping -c 1 -W 5 2001:db8:c::1
gate_tunnel
host_tunnel
host_rule
capture host1 eth0 uplink

until_ok 10 "the tunnel address answers" on host1 ping -c 1 -W 1 fd12::1
expect "the public address answers" on host1 ping -c 3 -i 0.2 -W 2 2001:db8:c::1
expect_eq "echo requests to the public address on the uplink" 0 \
	"$(count_packets uplink 'dst host 2001:db8:c::1 and icmp6')"
expect_ge "WireGuard packets on the uplink" 4 \
	"$(count_packets uplink 'dst host 2001:db8:c::1 and udp dst port 51820')"

on host1 ip link delete postern0
refute "the public address answers without the interface" \
	on host1 ping -c 2 -i 0.2 -W 1 2001:db8:c::1
refute "the tunnel address answers without the interface" on host1 ping -c 1 -W 1 fd12::1
expect_eq "anything but WireGuard that went to the public address" 0 \
	"$(count_packets uplink 'dst host 2001:db8:c::1 and not (udp dst port 51820)')"
expect_eq "anything that went to the tunnel address" 0 "$(count_packets uplink 'dst net fd12::/16')"

host_tunnel
until_ok 10 "a new interface works at once" on host1 ping -c 1 -W 1 2001:db8:c::1
