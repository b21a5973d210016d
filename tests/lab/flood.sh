#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A host under a flood in both directions while its policy is loaded again and again. Sourced by the
# scenario policy-flood-leaks-nothing and by tests/bench/flood. What counts is what arrived: on the
# other end of the cable for what left, behind our chains for what came in.

# shellcheck source=tests/lab/postern.sh
[ -n "${postern_zone:-}" ] || . "$LAB_TREE/tests/lab/postern.sh"

flood_names="out-allowed out-forbidden out-config in-allowed in-forbidden packet-config"

# flood_page VERSION PORT
flood_page()
{
	cat <<-E
	policy flood $1
	host tier compute
	link up eth0
	link tun postern0 postern1
	net config 2001:db8:c::/48
	net gateways fd12::/64
	net peer 2001:db8:1:9::2
	tier public 2001:db8:100:1::/64
	from public allow udp 5000
	from config via tun allow tcp $2
	to peer allow udp 7000
	to config via tun allow any
	to gateways via tun allow any
	to config via up allow udp 51820 mark 0x504f
	to config via up allow tcp 4443 mark 0x504f
	E
}

# Permanent neighbours, so that nothing but the flood is on the cable.
flood_network()
{
	local end
	ns host world
	link host:eth0 world:cable 2001:db8:1:1::2/64 \
		2001:db8:1:1::1/64,2001:db8:100:1::2/128,2001:db8:bad::2/128
	route host default via 2001:db8:1:1::1
	build_net
	for end in "host eth0 world cable 2001:db8:1:1::2" "world cable host eth0 2001:db8:1:1::1"; do
		# shellcheck disable=SC2086
		set -- $end
		on "$3" ip neigh replace "$5" lladdr "$(on "$1" cat "/sys/class/net/$2/address")" dev "$4" nud permanent
	done
}

# Counts every packet that arrives on the cable before anything else sees it, and ends it there; and in
# the host what our chains let through.
flood_count()
{
	on world nft -f - <<-'E'
	table netdev lab_count {
		counter allowed { }
		counter config { }
		counter other { }
		chain arrives {
			type filter hook ingress device "cable" priority -500; policy accept;
			ip6 daddr 2001:db8:1:9::2 udp dport 7000 counter name allowed drop
			ip6 daddr 2001:db8:c::/48 counter name config drop
			icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept
			counter name other drop
		}
	}
	E
	on host nft -f - <<-'E'
	table inet lab_count {
		counter allowed { }
		counter other { }
		chain arrives {
			type filter hook input priority 100; policy accept;
			udp dport 5000 counter name allowed drop
			meta l4proto udp counter name other drop
		}
	}
	E
}

# flood_counted NAMESPACE FAMILY COUNTER
flood_counted()
{
	on "$1" nft list counter "$2" lab_count "$3" | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

flood_start()
{
	local flood=$LAB_BUILD/tests/lab/lab-flood
	spawn host out-allowed "$flood" udp 2001:db8:1:9::2 7000
	spawn host out-forbidden "$flood" udp 2001:db8:1:9::2 7001
	spawn host out-config "$flood" udp 2001:db8:c::1 7000
	spawn host packet-config "$flood" packet eth0 2001:db8:c::1
	spawn world in-allowed "$flood" udp 2001:db8:1:1::2 5000 2001:db8:100:1::2
	spawn world in-forbidden "$flood" udp 2001:db8:1:1::2 5001 2001:db8:bad::2
}

# flood_result NAME: "TAKEN REFUSED", of what that one sent.
flood_result()
{
	sed -n 's/^taken \([0-9]*\), refused \([0-9]*\),.*/\1 \2/p' "$LAB_OUT"/*-"$1".log
}

flood_stop()
{
	local name
	for name in $flood_names; do
		case $name in
		in-*) spawn_kill world "$name" ;;
		*) spawn_kill host "$name" ;;
		esac
		expect "$name flooded until the end" grep -q '^taken' "$LAB_OUT"/*-"$name".log
	done
}

# flood_run TIMES: the policy is loaded that often meanwhile.
flood_run()
{
	local n name taken refused all=0 from us
	postern_dir
	flood_network
	for n in 1 2; do
		flood_page "$n" "800$n" >"$LAB_OUT/policy.conf"
		netpolicy compile --policy "$LAB_OUT/policy.conf" --config /nonexistent -o "$LAB_OUT/$n.batch"
	done
	on host "$LAB_BUILD/tests/lab/lab-reapply" "$LAB_OUT"/{1,2}.batch 2
	flood_count
	flood_start
	from=${EPOCHREALTIME/[.,]/}
	expect "the policy is loaded $1 times, in place" on host "$LAB_BUILD/tests/lab/lab-reapply" \
		"$LAB_OUT"/{1,2}.batch "$1"
	flood_stop
	us=$((${EPOCHREALTIME/[.,]/} - from))
	for name in $flood_names; do
		read -r taken refused < <(flood_result "$name")
		say "$name: $taken taken by the kernel, $refused refused"
		all=$((all + taken + refused))
	done
	flood_rate=$((all * 1000 / (us / 1000)))
	say "in all $all packets, $flood_rate a second"
	flood_judge
}

flood_judge()
{
	local taken refused
	read -r taken refused < <(flood_result out-allowed)
	expect_ge "allowed packets sent" 10000 "$taken"
	expect_eq "of them refused here" 0 "$refused"
	expect_eq "of them arrived" "$taken" "$(flood_counted world netdev allowed)"
	read -r taken refused < <(flood_result in-allowed)
	expect_ge "allowed packets sent in" 10000 "$taken"
	expect_eq "of them refused there" 0 "$refused"
	expect_eq "of them let in" "$taken" "$(flood_counted host inet allowed)"
	read -r taken refused < <(flood_result out-forbidden)
	expect_ge "forbidden packets tried" 10000 "$refused"
	expect_eq "of them taken" 0 "$taken"
	read -r taken refused < <(flood_result out-config)
	expect_ge "packets past the tunnel tried" 10000 "$refused"
	expect_eq "of them taken" 0 "$taken"
	read -r taken refused < <(flood_result in-forbidden)
	expect_ge "forbidden packets sent in" 10000 "$taken"
	expect_eq "of them let in" 0 "$(flood_counted host inet other)"
	read -r taken refused < <(flood_result packet-config)
	expect_ge "frames from a packet socket tried" 10000 $((taken + refused))
	expect_eq "anything to the zone on the cable" 0 "$(flood_counted world netdev config)"
	expect_eq "anything else on the cable" 0 "$(flood_counted world netdev other)"
}
