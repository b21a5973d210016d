#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The part of boot-to-tunnel that runs in the lab. RUNS SERVERS NATIVE-REFERENCE-MS

# shellcheck source=tests/lab/lib.sh
. "$LAB_TREE/tests/lab/lib.sh"
# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"

bench_runs=$1 bench_servers=$2 bench_native=$3
bench_log=$LAB_OUT/bench.log

# What a round trip costs on the way to the first echo: TCP, TLS 1.3, HTTP, WireGuard, the echo itself.
bench_round_trips=5

# The host as if it had never run: no interface, no rule, no route, no lease.
bench_forget()
{
	on host1 ip link delete postern0 || :
	on host1 ip -6 rule delete pref 20559 || :
	on host1 ip -6 route flush table 20559 || :
	rm -rf "$postern_at/host1/state"
}

# bench_delay RTT-MS: half of it in each direction of the uplinks of the configuration servers.
bench_delay()
{
	local n
	for n in 1 2 3; do
		on "cfg$n" tc qdisc replace dev eth0 root netem limit 10000 delay "$(($1 * 500))us"
		on inet tc qdisc replace dev "cfg$n" root netem limit 10000 delay "$(($1 * 500))us"
	done
}

bench_once()
{
	bench_forget >>"$bench_log" 2>&1
	on host1 "$LAB_BUILD/tests/bench/bench-firstecho" fd12:3456:789a::1 \
		tunneld --config "$postern_at/host1/postern.conf" --state-dir "$postern_at/host1/state" \
		--run-dir "$postern_at/host1/run" 2>>"$bench_log"
}

# bench_rtt RTT-MS: prints RTT, runs, median and worst in ms.
bench_rtt()
{
	local n times=''
	bench_delay "$1" >>"$bench_log" 2>&1
	for ((n = 0; n < bench_runs; n++)); do
		times+="$(bench_once)"$'\n'
	done
	sort -n <<<"$times" | awk -v rtt="$1" -v trips=$bench_round_trips 'NF { t[++n] = $1 / 1000 }
		END { m = (t[int((n + 1) / 2)] + t[int(n / 2) + 1]) / 2
		printf "%4d ms %4d runs   median %8.1f ms   worst %8.1f ms   of which round trips %d x %d = %d ms\n",
			rtt, n, m, t[n], trips, rtt, trips * rtt }' | tee -a "$LAB_OUT/rows"
}

postern_servers=$(seq -s ' ' "$bench_servers")
{
	# shellcheck disable=SC2119
	zone_up
	postern_prepare host1
	gateway_start 1
	gateway_start 2
	gateway_start 3
	gateway_wait 1
	gateway_wait 2
	gateway_wait 3
} >>"$bench_log" 2>&1 || { tail -n 20 "$bench_log" && exit 1; }

echo "boot-to-tunnel: exec of tunneld to the first echo reply, $bench_servers configuration server(s), Linux $(uname -r)"
bench_rtt 0
bench_rtt 50
bench_rtt 100
bench_here=$("$LAB_BUILD/tests/bench/bench-handshake")
awk -v here="$bench_here" -v native="$bench_native" '
	{ rtt[NR] = $1; median[NR] = $6 }
	END {
		slope = (median[3] - median[1]) / 100
		printf "round trips by slope (100 ms against 0 ms): %.2f\n", slope
		printf "reference (one P-256 signature, one X25519): here %.3f ms, natively %.3f ms: %.1f times slower\n",
			here, native, here / native
		printf "processing at 0 ms: %.1f ms here, about %.1f ms at native speed by that ratio\n",
			median[1], median[1] * native / here
	}' "$LAB_OUT/rows"
