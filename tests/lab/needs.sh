#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a scenario may need of a kernel, each tried for real in a namespace of its own. Sourced.

need_wireguard()
{
	unshare -n ip link add wg0 type wireguard
}

need_veth()
{
	unshare -n ip link add lab0 type veth peer name lab1
}

# Sets, conntrack and an egress chain: what our two tables are made of.
need_nft()
{
	unshare -n nft -f - <<-'E'
	table inet t {
		set s { type ipv6_addr; flags interval; elements = { 2001:db8::/32 }; }
		chain o {
			type filter hook output priority filter - 10; policy drop;
			ct state established accept
			ip6 daddr @s meta mark 0x504f counter accept
		}
	}
	table netdev g {
		chain e {
			type filter hook egress device "lo" priority 0; policy accept;
			meta mark 0x504f counter accept
		}
	}
	E
}

need_netem()
{
	unshare -n tc qdisc add dev lo root netem delay 1ms
}

need_rules()
{
	unshare -n ip -6 rule add not fwmark 0x504f lookup 20559 pref 20559
}

# A kernel that is the lab's own, for what must not be done to another one, such as setting its clock:
# the port that the runner gives to its guest is there.
need_guest()
{
	grep -qsx lab.ctl /sys/class/virtio-ports/*/name
}

# Prints the needs of $@ that the running kernel lacks (or this user may not try).
needs_missing()
{
	local need
	for need; do
		if ! declare -F "need_$need" >/dev/null; then
			echo "unknown:$need"
		elif ! "need_$need" >/dev/null 2>&1; then
			echo "$need"
		fi
	done
}

# scenario_promises FILE: prints the names of the promises that a scenario tries one by one; none when it is
# one itself.
scenario_promises()
{
	sed -n 's/^promise \([a-z0-9-]*\) .*/\1/p' "$1"
}

# Prints the seconds after which a scenario hangs: several times what it says it needs, since only what never
# ends may fail for its time.
scenario_deadline()
{
	echo $(($(scenario_field "$1" deadline "${LAB_DEADLINE:-120}") * ${LAB_PATIENCE:-5}))
}

# scenario_field FILE NAME DEFAULT: prints the value of a line NAME="value" at the top of a
# scenario.
scenario_field()
{
	local value
	value=$(sed -n "s/^$2=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p;40q" "$1" | head -n 1)
	echo "${value:-$3}"
}
