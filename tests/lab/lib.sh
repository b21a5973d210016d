#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a scenario is written with: namespaces and links, programs in them, captures, expectations
# with deadlines. README.md in this folder is the guide. Sourced by tests/lab/play before a scenario
# and by a program under tests/lab/run --exec.
#
# Set by the player: LAB_TREE (the source tree), LAB_BUILD (the build folder), LAB_OUT (this
# scenario's folder: logs, captures), LAB_PREFIX (what the names of our namespaces begin with).

declare -A lab_net_script=()	# namespace -> lines for ip -batch, not yet done
declare -A lab_tc_script=()	# namespace -> lines for tc -batch, not yet done
declare -A lab_forward=()	# namespace -> 1 when it forwards
lab_root_script=		# lines for ip -batch that create namespaces and links
lab_checks=0			# expectations that held
lab_failing=			# set while a failure is being recorded
lab_broken=			# promises that were not kept

# A pipe that never has anything to read: waiting on it costs no process (a fork costs milliseconds
# under emulation).
lab_open_nap()
{
	local pipe=$LAB_OUT/.nap
	[ -p "$pipe" ] || mkfifo "$pipe"
	exec {lab_nap_fd}<>"$pipe"
}
lab_open_nap

lab_nap()
{
	read -rt "$1" -u "$lab_nap_fd" _ || :
}

# ---- saying what happens -------------------------------------------------------------------------

# Microseconds since 1970, without a process.
lab_now()
{
	echo "${EPOCHREALTIME/[.,]/}"
}

lab_start=${EPOCHREALTIME/[.,]/}

# Prints a line with the time since the start of the scenario.
say()
{
	local us=$((${EPOCHREALTIME/[.,]/} - lab_start))
	printf '%3d.%02d %s\n' $((us / 1000000)) $((us / 10000 % 100)) "$*"
}

# The nearest line outside of this library, as file:line. (A bare return would give the status from
# before the trap when called in one.)
lab_where()
{
	local i
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		case ${BASH_SOURCE[i]} in
		*/lab/lib.sh | */lab/play) ;;
		*) echo "${BASH_SOURCE[i]#"$LAB_TREE"/}:${BASH_LINENO[i - 1]}"; return 0 ;;
		esac
	done
	echo "at the end"
}

# fail WHAT [COMMAND [OUTPUT]]: ends the scenario. Only the first failure is recorded.
fail()
{
	local text
	lab_failing=1
	text="$(lab_where): $1"
	[ -z "${2:-}" ] || text+=$'\n'"  command: $2"
	[ -z "${3:-}" ] || text+=$'\n'"$(tail -n 20 <<<"$3" | sed 's/^/  | /')"
	[ -e "$LAB_OUT/failed" ] || echo "$text" >"$LAB_OUT/failed"
	say "FAILED $text"
	exit 1
}

# Any command that fails unasked ends the scenario, too. (Resetting the trap inside of itself, which
# would be simpler than $lab_failing, crashes bash 5.2.)
lab_on_error()
{
	[ -n "$lab_failing" ] || fail "a command failed (exit status $1)" "$2"
}

# skip REASON: ends the scenario, which counts as skipped.
skip()
{
	echo "$*" >"$LAB_OUT/skipped"
	exit 0
}

lab_held()
{
	lab_checks=$((lab_checks + 1))
	say "ok: $1"
}

# ---- expectations --------------------------------------------------------------------------------

# expect DESCRIPTION COMMAND…: the command succeeds.
expect()
{
	local out rc=0
	out=$("${@:2}" 2>&1) || rc=$?
	[ $rc = 0 ] || fail "expected: $1 (exit status $rc)" "${*:2}" "$out"
	lab_held "$1"
}

# refute DESCRIPTION COMMAND…: the command runs and fails. A command that cannot be run proves
# nothing.
refute()
{
	local out rc=0
	out=$("${@:2}" 2>&1) || rc=$?
	case $rc in
	0) fail "must not happen: $1" "${*:2}" "$out" ;;
	126 | 127) fail "cannot be run: $1" "${*:2}" "$out" ;;
	255) [ "$2" != on ] || fail "cannot be run: $1" "${*:2}" "$out" ;;
	esac
	# ip netns exec has no exit status of its own for this
	[[ $out != *'exec of "'*'" failed:'* ]] || fail "cannot be run: $1" "${*:2}" "$out"
	lab_held "not: $1"
}

# expect_eq DESCRIPTION WANTED GOT
expect_eq()
{
	[ "$2" = "$3" ] || fail "expected: $1: wanted '$2', got '$3'"
	lab_held "$1 ($3)"
}

# expect_ge DESCRIPTION LEAST GOT: a number that is at least LEAST.
expect_ge()
{
	[ "$3" -ge "$2" ] || fail "expected: $1: at least $2, got $3"
	lab_held "$1 ($3)"
}

# until_ok SECONDS DESCRIPTION COMMAND…: the command succeeds before the deadline; tried every 50
# ms.
until_ok()
{
	local out deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	until out=$("${@:3}" 2>&1); do
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] ||
			fail "not within $1 s: $2" "${*:3}" "$out"
		lab_nap 0.05
	done
	lab_held "$2"
}

# ---- several promises in one network ---------------------------------------------------------------

# promise NAME ABOUT COMMAND…: one of several promises that are tried in one network, which takes longer
# to build than most of them to try. Each has a result of its own, and one that is not kept hides no
# other. The runner reads NAME and ABOUT from the line, which begins at the margin.
promise()
{
	local from=${EPOCHREALTIME/[.,]/} rc=0 verdict=ok
	[[ " ${LAB_PROMISES-$1} " == *" $1 "* ]] || return 0
	say "promise: $2"
	# in the background and not in a condition, where bash would let failing commands pass
	(
		# shellcheck disable=SC2030
		lab_checks=0
		"${@:3}"
		[ "$lab_checks" -gt 0 ] || fail "$1 expects nothing"
	) &
	wait $! || rc=$?
	if [ -e "$LAB_OUT/skipped" ]; then
		verdict=skip
		mv "$LAB_OUT/skipped" "$LAB_OUT/said-$1"
	elif [ $rc != 0 ] || [ -e "$LAB_OUT/failed" ]; then
		verdict=fail
		[ ! -e "$LAB_OUT/failed" ] || mv "$LAB_OUT/failed" "$LAB_OUT/said-$1"
		lab_broken+=" $1"
	fi
	echo "$1 $verdict $(((${EPOCHREALTIME/[.,]/} - from) / 1000))" >>"$LAB_OUT/promises"
	# shellcheck disable=SC2031
	lab_checks=$((lab_checks + 1))
}

# ---- declaring a network -------------------------------------------------------------------------
# ns, router, link and route only take notes; build_net does it all at once, because every process
# costs 30 to 50 ms under emulation.

# ns NAME…: declares namespaces.
ns()
{
	local name
	for name; do
		lab_root_script+="netns add $LAB_PREFIX$name"$'\n'
		lab_net_script[$name]="link set lo up"$'\n'
	done
}

# router NAME…: declares namespaces that forward.
router()
{
	local name
	ns "$@"
	for name; do
		lab_forward[$name]=1
	done
}

# lab_link_end NAMESPACE DEVICE ADDRESSES NETEM…: one end of a link. Addresses are separated by
# commas.
lab_link_end()
{
	local address
	for address in ${3//,/ }; do
		[ "$address" = - ] || lab_net_script[$1]+="address add $address dev $2"$'\n'
	done
	lab_net_script[$1]+="link set $2 up"$'\n'
	[ $# = 3 ] || lab_tc_script[$1]+="qdisc add dev $2 root netem limit 10000 ${*:4}"$'\n'
}

# link A:DEV B:DEV [ADDRESSES-A ADDRESSES-B] [delay TIME] [loss PERCENT] …: declares a cable.
# Addresses are ADDRESS/LENGTH, separated by commas, or -; delay and loss (any netem words) act in
# each direction.
link()
{
	local a=$1 b=$2 at_a=- at_b=-
	shift 2
	if [ $# -ge 2 ] && [[ $1 = - || $1 = */* ]]; then
		at_a=$1 at_b=$2
		shift 2
	fi
	lab_root_script+="link add ${a#*:} netns $LAB_PREFIX${a%%:*} type veth"
	lab_root_script+=" peer name ${b#*:} netns $LAB_PREFIX${b%%:*}"$'\n'
	lab_link_end "${a%%:*}" "${a#*:}" "$at_a" "$@"
	lab_link_end "${b%%:*}" "${b#*:}" "$at_b" "$@"
}

# route NAMESPACE WORDS…: declares a route, in the words of ip route add.
route()
{
	lab_net_script[$1]+="route add ${*:2}"$'\n'
}

# Runs inside one namespace: the settings, then the notes. No duplicate address detection (it would
# cost seconds per address), no router solicitations.
lab_build_one()
{
	local name=$1
	# shellcheck disable=SC2016
	nsenter --net="/run/netns/$LAB_PREFIX$name" bash -c '
		for file in /proc/sys/net/ipv6/conf/*/accept_{dad,ra}; do echo 0 >"$file"; done
		if [ "$1" = 1 ]; then
			echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
			echo 1 >/proc/sys/net/ipv4/ip_forward
		fi
		ip -batch - <<<"$2" && { [ -z "$3" ] || tc -batch - <<<"$3"; }
	' build_net "${lab_forward[$name]:-0}" "${lab_net_script[$name]}" \
		"${lab_tc_script[$name]:-}"
}

# Creates what was declared since the last time.
build_net()
{
	local name pid pids=() out
	out=$(ip -batch - <<<"$lab_root_script" 2>&1) || fail "cannot create the network" "" "$out"
	for name in "${!lab_net_script[@]}"; do
		lab_build_one "$name" >"$LAB_OUT/.net-$name" 2>&1 &
		pids+=("$!:$name")
	done
	for pid in "${pids[@]}"; do
		wait "${pid%%:*}" ||
			fail "cannot set up ${pid#*:}" "" "$(cat "$LAB_OUT/.net-${pid#*:}")"
		rm -f "$LAB_OUT/.net-${pid#*:}"
	done
	lab_root_script='' lab_net_script=() lab_tc_script=() lab_forward=()
}

# ---- the standard zone ---------------------------------------------------------------------------
#
#   cfg1 cfg2 cfg3   2001:db8:c::N      public address, on eth0, next to 2001:db8:c:N::2/64
#   host1 host2      2001:db8:1:N::2    10.1.N.2       two hosts of one tenant
#   peer             2001:db8:1:9::2    10.1.9.2       a third, for host-to-host claims
#   lb               2001:db8:100:1::2  10.128.32.2    load balancer network
#   outside          2001:db8:bad::2    203.0.113.2    the hostile Internet
#   zts              2001:db8:5::2                     the issuer of identities
#   imds             2001:db8:6::2      10.6.0.2       the cloud: STS, and instance metadata at
#                    fd00:ec2::254      169.254.169.254
#   inet             the router between them; its devices are named after the namespace they lead to
#
# Every other namespace has one uplink named eth0 with the default route to inet.

# lab_zone_leaf NAME ADDRESSES-INET ADDRESSES GATEWAY6 [GATEWAY4] -- [NETEM…]
lab_zone_leaf()
{
	local name=$1 inet=$2 own=$3 gateway gateways=()
	ns "$name"
	shift 3
	while [ "$1" != -- ]; do
		gateways+=("$1")
		shift
	done
	link "inet:$name" "$name:eth0" "$inet" "$own" "${@:2}"
	for gateway in "${gateways[@]}"; do
		route "$name" default via "$gateway"
	done
}

# zone_declare [NETEM…]: takes notes for the standard zone; netem words act on the uplinks of the
# configuration servers, in each direction.
zone_declare()
{
	local n
	router inet
	for n in 1 2 3; do
		lab_zone_leaf cfg$n "2001:db8:c:$n::1/64" "2001:db8:c:$n::2/64,2001:db8:c::$n/128" \
			"2001:db8:c:$n::1" -- "$@"
		route inet "2001:db8:c::$n/128" via "2001:db8:c:$n::2"
	done
	lab_zone_leaf host1 2001:db8:1:1::1/64,10.1.1.1/24 2001:db8:1:1::2/64,10.1.1.2/24 \
		2001:db8:1:1::1 10.1.1.1 --
	lab_zone_leaf host2 2001:db8:1:2::1/64,10.1.2.1/24 2001:db8:1:2::2/64,10.1.2.2/24 \
		2001:db8:1:2::1 10.1.2.1 --
	lab_zone_leaf peer 2001:db8:1:9::1/64,10.1.9.1/24 2001:db8:1:9::2/64,10.1.9.2/24 \
		2001:db8:1:9::1 10.1.9.1 --
	lab_zone_leaf lb 2001:db8:100:1::1/64,10.128.32.1/20 2001:db8:100:1::2/64,10.128.32.2/20 \
		2001:db8:100:1::1 10.128.32.1 --
	lab_zone_leaf outside 2001:db8:bad::1/64,203.0.113.1/24 2001:db8:bad::2/64,203.0.113.2/24 \
		2001:db8:bad::1 203.0.113.1 --
	lab_zone_leaf zts 2001:db8:5::1/64 2001:db8:5::2/64 2001:db8:5::1 --
	lab_zone_leaf imds 2001:db8:6::1/64,10.6.0.1/24 \
		2001:db8:6::2/64,10.6.0.2/24,fd00:ec2::254/128,169.254.169.254/32 \
		2001:db8:6::1 10.6.0.1 --
	route inet fd00:ec2::254/128 via 2001:db8:6::2
	route inet 169.254.169.254/32 via 10.6.0.2
}

# zone_up [NETEM…]: builds the standard zone.
zone_up()
{
	local start=${EPOCHREALTIME/[.,]/}
	zone_declare "$@"
	build_net
	say "zone up in $(((${EPOCHREALTIME/[.,]/} - start) / 1000)) ms"
}

# The router swallows ICMPv6 too-big from now on, as bad middle boxes do.
inet_drop_too_big()
{
	on inet nft -f - <<-'E'
	table inet lab_too_big {
		chain forward {
			type filter hook forward priority 0;
			icmpv6 type packet-too-big drop
			icmp type destination-unreachable drop
		}
	}
	E
}

# inet_stateful NAME…: the router admits to these namespaces only what they asked for, as a cloud
# firewall with state does.
inet_stateful()
{
	local name devices=''
	for name; do
		devices+="\"$name\", "
	done
	on inet nft -f - <<-E
	table inet lab_stateful {
		chain forward {
			type filter hook forward priority 10;
			ct state established,related accept
			oifname { $devices } drop
		}
	}
	E
}

# ---- programs ------------------------------------------------------------------------------------

# on NAMESPACE COMMAND…: runs a command there.
on()
{
	ip netns exec "$LAB_PREFIX$1" "${@:2}"
}

# spawn NAMESPACE NAME COMMAND…: starts a program there that runs until the end of the scenario or
# until spawn_kill. Its output goes to $LAB_OUT/NAMESPACE-NAME.log, its pid to
# $LAB_OUT/NAMESPACE-NAME.pid.
spawn()
{
	local base=$LAB_OUT/$1-$2
	rm -f "$base.pid" # of one that ran before
	# BASHPID and exec: the pid is the program's own, not that of a shell in front of it
	(
		echo "$BASHPID" >"$base.pid"
		exec ip netns exec "$LAB_PREFIX$1" "${@:3}"
	) >>"$base.log" 2>&1 </dev/null &
	disown $! # or bash reports on the screen how it ended
	until [ -s "$base.pid" ]; do
		lab_nap 0.01
	done
}

# spawn_pid NAMESPACE NAME: prints the pid.
spawn_pid()
{
	cat "$LAB_OUT/$1-$2.pid"
}

# spawn_alive NAMESPACE NAME: whether it still runs (a zombie does not).
spawn_alive()
{
	local pid state
	pid=$(spawn_pid "$1" "$2")
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
	[ -n "$state" ] && [ "$state" != Z ]
}

# spawn_kill NAMESPACE NAME [SIGNAL]: sends TERM or SIGNAL and waits up to 60 s until it is gone.
spawn_kill()
{
	local pid deadline=$((${EPOCHREALTIME/[.,]/} + 60000000))
	pid=$(spawn_pid "$1" "$2")
	kill -s "${3:-TERM}" "$pid" 2>/dev/null || :
	while spawn_alive "$1" "$2"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] || fail "$1: $2 does not end"
		lab_nap 0.02
	done
	wait "$pid" 2>/dev/null || :
}

# wait_log SECONDS NAMESPACE NAME PATTERN: waits until the program's log has a line that matches.
wait_log()
{
	until_ok "$1" "$2: $3 says '$4'" grep -qE -e "$4" "$LAB_OUT/$2-$3.log"
}

# ---- captures ------------------------------------------------------------------------------------

# capture NAMESPACE DEVICE NAME [FILTER]: records packets in $LAB_OUT/NAME.pcap; returns when it
# listens.
capture()
{
	spawn "$1" "tcpdump-$3" tcpdump -Z root -n -U --immediate-mode -B 8192 -i "$2" \
		-w "$LAB_OUT/$3.pcap" "${@:4}"
	echo "$1" >"$LAB_OUT/.capture-$3"
	until grep -q 'listening on' "$LAB_OUT/$1-tcpdump-$3.log"; do
		spawn_alive "$1" "tcpdump-$3" ||
			fail "cannot capture on $1 $2" "" "$(cat "$LAB_OUT/$1-tcpdump-$3.log")"
		lab_nap 0.02
	done
}

# The newest "N packets captured, N packets received by filter, N packets dropped" of a capture, as
# three numbers after the number of such lines.
lab_capture_counts()
{
	awk '/packets? captured,/ { n++; line = $0 }
		END { gsub(/[^0-9]+/, " ", line); print n + 0, line }' "$1"
}

# capture_sync NAME: returns when every packet that the kernel gave to the capture so far is in the
# file; only then "none was seen" means something. A packet lost by the kernel's buffer is a
# failure.
capture_sync()
{
	local where log pid before n got received dropped deadline
	where=$(cat "$LAB_OUT/.capture-$1")
	log=$LAB_OUT/$where-tcpdump-$1.log
	spawn_alive "$where" "tcpdump-$1" || return 0
	pid=$(spawn_pid "$where" "tcpdump-$1")
	deadline=$((${EPOCHREALTIME/[.,]/} + 60000000))
	read -r before _ < <(lab_capture_counts "$log")
	kill -USR1 "$pid"
	while :; do
		read -r n got received dropped < <(lab_capture_counts "$log")
		if [ "$n" -gt "$before" ]; then
			[ "$dropped" = 0 ] || fail "the capture $1 lost $dropped packets"
			[ "$got" -lt "$received" ] || return 0
			before=$n
			kill -USR1 "$pid"
		fi
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] || fail "the capture $1 does not answer"
		lab_nap 0.02
	done
}

# capture_stop NAME: ends a capture with all its packets written.
capture_stop()
{
	capture_sync "$1"
	spawn_kill "$(cat "$LAB_OUT/.capture-$1")" "tcpdump-$1" INT
}

# count_packets NAME FILTER…: prints how many packets of a capture match so far.
count_packets()
{
	capture_sync "$1"
	tcpdump -n -r "$LAB_OUT/$1.pcap" "${@:2}" 2>/dev/null | grep -c . || :
}

# show_packets NAME FILTER…: prints them.
show_packets()
{
	capture_sync "$1"
	tcpdump -n -r "$LAB_OUT/$1.pcap" "${@:2}" 2>/dev/null
}
