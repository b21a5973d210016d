#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The part of throughput that runs in the lab. plain|tunnel PAIRS SECONDS

# shellcheck source=tests/lab/lib.sh
. "$LAB_TREE/tests/lab/lib.sh"
# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
postern_identities=pki

bench_what=$1 bench_pairs=$2 bench_seconds=$3
bench_pump=$LAB_BUILD/tests/bench/bench-pump
bench_log=$LAB_OUT/bench.log

# bench_once udp|tcp SIZE: prints what arrived per second, and ns of the sender for each datagram or write.
bench_once()
{
	local got
	on "$bench_peer" taskset -c 1 "$bench_pump" receive "$1" 7000 >"$LAB_OUT/got" &
	until_ok 10 "the receiver listens" grep -q ready "$LAB_OUT/got" >>"$bench_log"
	on host1 taskset -c 0 "$bench_pump" send "$1" "$bench_address" 7000 "$bench_seconds" "$2" >"$LAB_OUT/sent"
	wait $!
	got=$(tail -n 1 "$LAB_OUT/got")
	echo $((got / bench_seconds)) "$(cut -d" " -f2 "$LAB_OUT/sent")"
}

# bench_ratio udp|tcp SIZE UNIT: pairs of runs without and with the policy.
bench_ratio()
{
	local n
	for ((n = 0; n < bench_pairs; n++)); do
		host_policy host1 unload --yes >>"$bench_log" 2>&1
		printf '%s ' "$(bench_once "$1" "$2")"
		host_policy host1 apply >>"$bench_log" 2>&1
		bench_once "$1" "$2"
	done >"$LAB_OUT/pairs"
	awk -v what="$bench_what $1 $2" -v unit="$3" '
		function median(list, n,    i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
					t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
				}
			return (list[int((n + 1) / 2)] + list[int(n / 2) + 1]) / 2
		}
		$1 > 0 { n++; open[n] = $1; with[n] = $3; ratio[n] = $3 / $1; ns[n] = $2; ns_with[n] = $4; cost[n] = $4 ? $2 / $4 : 0
			if (n == 1 || ratio[n] < worst) worst = ratio[n] }
		END { printf "%-16s %2d pairs   without %12.0f %s   with %12.0f %s   ratio median %.3f   worst %.3f\n",
			what, n, median(open, n), unit, median(with, n), unit, median(ratio, n), worst
			printf "%-16s    CPU of the sender   without %6.0f ns   with %6.0f ns each   ratio median %.3f\n",
				"", median(ns, n), median(ns_with, n), median(cost, n) }' "$LAB_OUT/pairs"
}

{
	postern_servers=1
	if [ "$bench_what" = tunnel ]; then
		postern_up host1
		host_policy host1 apply
		host_start host1
		host_wait host1 60
		bench_peer=cfg1 bench_address=fd12:3456:789a::1
	else
		postern_dir
		# shellcheck disable=SC2119
		zone_up
		host_config host1
		bench_peer=peer bench_address=2001:db8:1:9::2
		printf 'net bench 2001:db8:1:9::2\nto bench allow udp 7000 tcp 7000\n' >>"$postern_at/host1/policy.conf"
	fi
} >>"$bench_log" 2>&1 || { tail -n 20 "$bench_log" && exit 1; }

echo "throughput: $bench_what, Linux $(uname -r), $bench_seconds s a run"
bench_ratio tcp 65536 bytes/s
bench_ratio udp 1200 packets/s
bench_ratio udp 64 packets/s
