#!/bin/bash
# SPDX-License-Identifier: MIT
#
# keeper.sh GATEWAYD WORKER-DIR PKI: runs gatewayd on a kernel in memory with real workers. A worker that
# is killed is replaced and counted, SIGHUP replaces workers without counting, SIGTERM ends it all.

set -euo pipefail

gatewayd=$1 pki=$3
export POSTERN_LIBEXECDIR=$2
export ASAN_OPTIONS=detect_leaks=0 # a worker's sandbox does not let it work
if [ "$(id -u)" != 0 ]; then
	echo "skipped: needs root, to give it away"
	exit 77
fi

dir=$(mktemp -d)
pid=
finish()
{
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

fail()
{
	echo "keeper.sh: $*" >&2
	cat "$dir/log" >&2
	exit 1
}

# until_ok WHAT COMMAND…: repeats it for at most 20 s.
until_ok()
{
	local what=$1 end=$((SECONDS + 20))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not within 20 s: $what"
		read -rt 0.05 <> <(:) || true
	done
}

# counter NAME VALUE: the counter has that value.
counter()
{
	grep -qxF "postern_gateway_$1 $2" "$dir/run/gatewayd.prom" 2>/dev/null
}

workers()
{
	local starter
	starter=$(cat "/proc/$pid/task/$pid/children")
	cat "/proc/${starter// /}/task/${starter// /}/children"
}

bash "$pki" init "$dir"
bash "$pki" server "$dir" cfg1
cat >"$dir/gateway.conf" <<-E
	[gateway]
	name = cfg1
	zone = prod
	listen = [::1]:$((20000 + $$ % 10000))
	endpoints = [2001:db8:c::1]:51820
	address = fd12:3456:789a::1
	hosts_prefix = fd12:3456:789a:1::/64
	providers = athenz.aws.us-east-1
	user = 65533
	[identity]
	cert = $dir/cfg1.cert.pem
	key = $dir/cfg1.key.pem
	ca = $dir/ca.pem
	[tenants]
	allow = a.b
E

chmod 711 "$dir"
"$gatewayd" --config "$dir/gateway.conf" --state-dir "$dir/state" --run-dir "$dir/run" 2>"$dir/log" &
pid=$!
until_ok "two workers" counter workers 2
counter worker_starts_total 2 || fail "more than two starts"

read -r first _ <<<"$(workers)"
kill -KILL "$first"
until_ok "the death is counted" counter 'events_total{code="PST-4005"}' 1
until_ok "a third start" counter worker_starts_total 3
until_ok "two workers again" counter workers 2
grep -q "was killed by signal 9" "$dir/log" || fail "the signal is not in the log"

kill -HUP "$pid"
until_ok "each worker is replaced" counter worker_starts_total 5
until_ok "two workers after SIGHUP" counter workers 2
counter 'events_total{code="PST-4005"}' 1 || fail "a drained worker was counted as dead"

grep -q '^Uid:[[:space:]]*65533' "/proc/$pid/status" || fail "the keeper is still root"
grep -q '^CapEff:[[:space:]]*0000000000001000' "/proc/$pid/status" || fail "not CAP_NET_ADMIN alone"
for worker in $(workers); do
	grep -q '^CapEff:[[:space:]]*0000000000000000' "/proc/$worker/status" || fail "a worker has power"
	grep -q '^Uid:[[:space:]]*65534' "/proc/$worker/status" || fail "a worker is not nobody"
	grep -q '^Seccomp:[[:space:]]*2' "/proc/$worker/status" || fail "a worker has no seccomp filter"
done

last=$(workers)
kill -TERM "$pid"
wait "$pid" || fail "exit status $?"
pid=
for worker in $last; do
	until_ok "worker $worker ends" test ! -e "/proc/$worker"
done
echo "ok"
