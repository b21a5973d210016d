# SPDX-License-Identifier: MIT
about="What the policy does not say is stopped in both directions; what it says passes; updates lose nothing"
needs="nft veth"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"

conf=$LAB_OUT/postern.conf
state=$LAB_OUT/policy

write_conf()
{
	cat >"$conf" <<-E
	[zone]
	name = lab
	hosts_prefix = fd12:0:0:1::/64
	gateways_prefix = fd12::/64
	config_nets = 2001:db8:c::/48
	E
}

# write_page LINES: the page with these lines more.
write_page()
{
	cat >"$LAB_OUT/policy.conf" <<-E
	policy lab 1
	host tier compute
	link up eth0
	link tun postern0 postern1
	net config 2001:db8:c::/48
	net gateways fd12::/64
	net peer 2001:db8:1:9::2
	net out 2001:db8:bad::2
	tier public 2001:db8:100:1::/64 10.128.32.0/20
	imds allow user 12345
	from public allow tcp 4443
	to peer allow udp 7000 tcp 7000
	to out allow tcp 7000 user 12345
	to config via tun allow any
	to gateways via tun allow any
	to config via up allow udp 51820 mark 0x504f "tunnel"
	to config via up allow tcp 4443 mark 0x504f "exchange"
	$1
	E
}

policy()
{
	on host1 netpolicy "$1" --config "$conf" --policy "$LAB_OUT/policy.conf" \
		--state-dir "$state" "${@:2}"
}

# Prints the packets of a named counter.
counted()
{
	on host1 nft list counter "$1" "$2" "$3" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

# tcp FROM ADDRESS PORT [UID]: connects.
tcp()
{
	# shellcheck disable=SC2016
	on "$1" setpriv --reuid "${4:-0}" --clear-groups timeout 2 \
		bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3"
}

# Listens on a TCP port of both families and takes everything.
listen()
{
	spawn "$1" "listen-$2" python3 -c '
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True: s.accept()[0].close()' "$2"
	wait_log 60 "$1" "listen-$2" ready
}

# A frame to @2 past every socket layer: protocol as declared to the kernel, type in the frame, mark.
frame()
{
	on host1 python3 - "$@" <<-'E'
	import socket, sys
	address, declared, real, mark, port = sys.argv[1], *[int(x, 0) for x in sys.argv[2:6]]
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
	s.setsockopt(socket.SOL_SOCKET, 36, mark)
	udp = port.to_bytes(2, "big") * 2 + (12).to_bytes(2, "big") + b"\0\0" + b"leak"
	if ":" in address:
	    packet = b"\x60\0\0\0" + len(udp).to_bytes(2, "big") + b"\x11\x40"
	    packet += socket.inet_pton(10, "2001:db8:1:1::2") + socket.inet_pton(10, address) + udp
	else:
	    packet = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + b"\0" * 4 + b"\x40\x11\0\0"
	    packet += socket.inet_aton("10.1.1.2") + socket.inet_aton(address) + udp
	try:
	    s.sendto(b"\x02" + b"\0" * 11 + real.to_bytes(2, "big") + packet, ("eth0", declared))
	except OSError:
	    pass
	E
}

postern_dir
zone_up
write_conf
write_page ""
policy apply
listen host1 4443
listen host1 22
listen peer 7000
listen outside 7000
capture host1 eth0 uplink

expect "the load balancer reaches the application" tcp lb 2001:db8:1:1::2 4443
expect "over IPv4, too" tcp lb 10.1.1.2 4443
refute "the load balancer reaches another port" tcp lb 2001:db8:1:1::2 22
refute "outside reaches the application" tcp outside 2001:db8:1:1::2 4443
refute "outside reaches it over IPv4" tcp outside 10.1.1.2 4443
expect_ge "denials counted" 1 "$(counted inet postern in_denied)"

expect "named egress passes" tcp host1 2001:db8:1:9::2 7000
refute "another port of it passes" tcp host1 2001:db8:1:9::2 7001
expect "egress of a user passes" tcp host1 2001:db8:bad::2 7000 12345
refute "the same by another user passes" tcp host1 2001:db8:bad::2 7000 12346
refute "IPv4 out passes" tcp host1 203.0.113.2 7000
refute "the zone outside the tunnel passes" tcp host1 2001:db8:c::1 80
expect_ge "leaks counted" 1 "$(counted inet postern leak)"
expect_eq "packets to the zone on the uplink" 0 "$(count_packets uplink 'dst net 2001:db8:c::/48')"

# Packet sockets walk past every inet chain; the guard stops them, also those that lie.
frame 2001:db8:c::1 0x86dd 0x86dd 0 9
frame 2001:db8:c::1 0x0806 0x86dd 0 9
frame 2001:db8:c::1 0x88b5 0x86dd 0 9
frame 2001:db8:c::1 0x86dd 0x86dd 0x504f 9
frame 203.0.113.2 0x0800 0x0800 0 9
frame 203.0.113.2 0x86dd 0x0800 0 9
expect_eq "frames to the zone on the uplink" 0 "$(count_packets uplink 'dst net 2001:db8:c::/48')"
expect_eq "IPv4 frames to outside on the uplink" 0 "$(count_packets uplink 'dst host 203.0.113.2')"
expect_ge "the guard counted them" 2 "$(counted netdev postern_guard leak)"
frame 2001:db8:c::1 0x86dd 0x86dd 0x504f 51820
expect_eq "a marked datagram for WireGuard's port passes the guard" 1 \
	"$(count_packets uplink 'dst host 2001:db8:c::1 and udp dst port 51820')"

# Two policies in turn under a flood: no forbidden packet leaves, no allowed one is lost.
flood()
{
	on host1 python3 - "$@" <<-'E'
	import socket, sys, time
	s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
	sent = failed = 0
	end = time.monotonic() + float(sys.argv[3])
	while time.monotonic() < end or sent + failed < 20000:
	    try:
	        s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
	        sent += 1
	    except OSError as e:
	        if e.errno == 105: continue
	        failed += 1
	print(sent, failed)
	E
}
flood 2001:db8:1:9::2 7000 2 >"$LAB_OUT/allowed" &
allowed=$!
flood 2001:db8:1:9::2 7999 2 >"$LAB_OUT/forbidden" &
forbidden=$!
updates=0
while kill -0 $allowed 2>/dev/null || kill -0 $forbidden 2>/dev/null; do
	write_page "from config via tun allow tcp $((8000 + updates % 2))"
	policy apply 2>/dev/null
	updates=$((updates + 1))
done
wait $allowed $forbidden
read -r sent failed <"$LAB_OUT/allowed"
expect_ge "allowed datagrams sent" 20000 "$sent"
expect_eq "allowed datagrams lost in $updates updates" 0 "$failed"
read -r sent failed <"$LAB_OUT/forbidden"
expect_ge "forbidden datagrams tried" 20000 "$failed"
expect_eq "forbidden datagrams that left in $updates updates" 0 "$sent"
expect "the policy is as configured" policy check
