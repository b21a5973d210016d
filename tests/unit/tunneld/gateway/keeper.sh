#!/bin/bash
# SPDX-License-Identifier: MIT
#
# keeper.sh GATEWAYD WORKER-DIR PKI EXCHANGES: runs gatewayd on a kernel in memory with real workers. A
# worker that is killed is replaced and counted, SIGHUP replaces workers without counting; new
# certificates and deny-lists are taken while exchanges run, bad ones are not; who is denied loses his
# tunnel; SIGTERM ends it all.

set -euo pipefail

gatewayd=$1 pki=$3 exchanges=$4
export POSTERN_LIBEXECDIR=$2
export ASAN_OPTIONS=detect_leaks=0 # a worker's sandbox does not let it work
if [ "$(id -u)" != 0 ]; then
	echo "skipped: needs root, to give it away"
	exit 77
fi

# shellcheck source=tests/unit/daemons.sh
. "${0%/*}/../../daemons.sh"
pid='' load=''

evidence()
{
	grep -v ': granted ' "$dir/log"
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

# Those that gatewayd wants are there, none is left of before, and each gave away what it does not need.
powerless()
{
	local all worker status
	all=$(workers) && [ "$(wc -w <<<"$all")" = 2 ] || return
	for worker in $all; do
		status=$(tr -d '\t' 2>/dev/null <"/proc/$worker/status") || return
		grep -qx 'CapEff:0000000000000000' <<<"$status" && grep -q '^Uid:65534' <<<"$status" &&
			grep -qx 'Seccomp:2' <<<"$status" || return
	done
}

# deny LINE…: the deny-list, in one step.
deny()
{
	printf '%s' "${@/%/$'\n'}" >"$dir/deny.new"
	mv "$dir/deny.new" "$dir/deny"
}

# switch_to PAIR: as certd does it, in one step.
switch_to()
{
	ln -s "$1" "$dir/current.new"
	mv -T "$dir/current.new" "$dir/current"
}

# serves PAIR: the last exchange was with a worker that has this certificate.
serves()
{
	[ "$(tail -n 1 "$dir/exchanges" 2>/dev/null)" = "ok $(serial "$1")" ]
}

serial()
{
	openssl x509 -in "$dir/$1/cert.pem" -noout -serial | sed 's/^serial=//'
}

# event CODE: it was counted.
event()
{
	grep -qs "^postern_gateway_events_total{code=\"$1\"}" "$dir/run/gatewayd.prom"
}

port=$((20000 + $$ % 10000))
bash "$pki" init "$dir"
bash "$pki" host "$dir" h1
for i in 1 2 3 4; do
	bash "$pki" server "$dir" "cfg$i"
	mkdir "$dir/pair$i"
	cp "$dir/cfg$i.cert.pem" "$dir/pair$i/cert.pem"
	cp "$dir/cfg$i.key.pem" "$dir/pair$i/key.pem"
	cp "$dir/ca.pem" "$dir/pair$i/ca.pem"
done
cp "$dir/cfg4.key.pem" "$dir/pair3/key.pem" # of another certificate
: >"$dir/deny"
switch_to pair1
cat >"$dir/gateway.conf" <<-E
	[gateway]
	name = cfg1
	zone = prod
	listen = [::1]:$port
	endpoints = [2001:db8:c::1]:51820
	address = fd12:3456:789a::1
	hosts_prefix = fd12:3456:789a:1::/64
	providers = athenz.aws.us-east-1
	user = 65533
	[identity]
	cert = $dir/current/cert.pem
	key = $dir/current/key.pem
	ca = $dir/current/ca.pem
	deny_file = $dir/deny
	[tenants]
	allow = vespa.tenant.acme.aws-123456789012.tenant-host
E

chmod 711 "$dir"
start()
{
	"$gatewayd" --config "$dir/gateway.conf" --state-dir "$dir/state" --run-dir "$dir/run" 2>"$dir/log" &
	pid=$!
}

stop()
{
	kill -TERM "$pid"
	wait "$pid" || fail "exit status $?"
	pid=
}

start
until_ok "two workers" counter workers 2
counter worker_starts_total 2 || fail "more than two starts"
until_ok "they run" powerless

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
until_ok "the workers are nobody, without capabilities, with a seccomp filter" powerless

mkfifo "$dir/stop"
exec 7<>"$dir/stop"
"$exchanges" $port "$dir" h1 "$dir/exchanges" <"$dir/stop" &
load=$!
until_ok "exchanges succeed" serves pair1

switch_to pair2
until_ok "each worker is replaced for the new certificate" counter worker_starts_total 7
until_ok "the new certificate is served" serves pair2

switch_to pair3
until_ok "a pair that does not fit is counted" event PST-2001
grep -q "new files are not used" "$dir/log" || fail "the bad pair is not in the log"
counter worker_starts_total 7 || fail "a worker was given up for a bad pair"
counter workers 2 || fail "not two workers"
switch_to pair4
until_ok "each worker is replaced after the bad pair" counter worker_starts_total 9
until_ok "the newest certificate is served" serves pair4

deny everybody
until_ok "a bad deny-list is counted" event PST-2114
grep -q "deny:1: a line is" "$dir/log" || fail "the bad line is not in the log"
counter worker_starts_total 9 || fail "a worker was given up for a bad deny-list"
until_ok "two workers" counter workers 2
until_ok "exchanges succeed still" serves pair4

counter leases 1 || fail "not one lease"
counter deny_entries 0 || fail "a list that is no good is in force"
echo >&7
wait "$load" || fail "$(grep -c failed "$dir/exchanges") exchanges of $(grep -c . "$dir/exchanges") failed"
load=
[ "$(sort -u "$dir/exchanges" | grep -c .)" = 3 ] || fail "not three certificates were served"

deny "serial 12ab"
"$POSTERN_LIBEXECDIR/gatewayctl" revoke instance i-0123456789abcdef0 --config "$dir/gateway.conf" >"$dir/said"
grep "i-0123456789abcdef0 is now on $dir/deny" "$dir/said" >/dev/null || fail "gatewayctl said $(cat "$dir/said")"
until_ok "the denied host is cut off" counter cut_total 1
until_ok "its lease is gone" counter leases 0
counter deny_entries 2 || fail "not two entries in force"
grep "PST-4007.*tenant-host, instance i-0123456789abcdef0.*its instance is on the deny-list" "$dir/log" \
	>/dev/null || fail "who was cut off is not in the log"
until_ok "each worker is replaced for the deny-list" counter worker_starts_total 11
until_ok "two workers with the deny-list" counter workers 2
read -rt 0.2 <&7 || true # what ended the first run
"$exchanges" $port "$dir" h1 "$dir/denied" <"$dir/stop" &
load=$!
until_ok "the denied host is refused" grep -sqx "failed 403" "$dir/denied"
echo >&7
wait "$load" && fail "a denied host was served"
load=
! grep -q ok "$dir/denied" || fail "a denied host was served once"
grep -q "PST-2113.*tenant-host: the peer is on the deny-list" "$dir/log" ||
	fail "who was denied is not in the log"

# What gatewayctl cannot do it says, and leaves the list alone.
gatewayctl()
{
	local status=0
	"$POSTERN_LIBEXECDIR/gatewayctl" "$@" --config "$dir/gateway.conf" >"$dir/said" 2>&1 || status=$?
	echo $status
}
cp "$dir/deny" "$dir/before"
[ "$(gatewayctl revoke serial 0012AB)" = 0 ] || fail "gatewayctl: an entry that is there"
grep "is already on" "$dir/said" >/dev/null || fail "gatewayctl said $(cat "$dir/said")"
code=0
"$POSTERN_LIBEXECDIR/gatewayctl" revoke serial 0012AB --config "$dir/gateway.conf" >/dev/full 2>"$dir/said" || code=$?
{ [ $code = 1 ] && grep "cannot print the answer" "$dir/said" >/dev/null; } || fail "gatewayctl, a full disk: $code"
[ "$(gatewayctl revoke instance i-1,i-2)" = 1 ] || fail "gatewayctl: two in one"
grep "nothing was changed" "$dir/said" >/dev/null || fail "gatewayctl said $(cat "$dir/said")"
[ "$(gatewayctl revoke)" = 64 ] || fail "gatewayctl: nothing to do"
sed -i 's/^deny_file/#&/' "$dir/gateway.conf"
[ "$(gatewayctl revoke serial 1)" = 2 ] || fail "gatewayctl: no list"
sed -i 's/^#deny_file/deny_file/' "$dir/gateway.conf"
cmp -s "$dir/deny" "$dir/before" || fail "gatewayctl changed the list"

# Taken off the list it is served; it is cut off although the certificates are no good at that time.
deny
until_ok "each worker is replaced for the empty deny-list" counter worker_starts_total 13
counter deny_entries 0 || fail "an entry that is gone is in force"
read -rt 0.2 <&7 || true
"$exchanges" $port "$dir" h1 "$dir/exchanges" <"$dir/stop" &
load=$!
until_ok "the host is served again" counter leases 1
echo >&7
wait "$load" || true # the last may have found a worker that ends
load=
switch_to pair3
deny "principal vespa.tenant.acme.aws-123456789012.tenant-host"
until_ok "the host is cut off again" counter cut_total 2
until_ok "the bad pair is tried" counter 'events_total{code="PST-2001"}' 2
counter worker_starts_total 13 || fail "a worker was given up for a bad pair"
switch_to pair4

last=$(workers)
stop
for worker in $last; do
	until_ok "worker $worker ends" test ! -e "/proc/$worker"
done

# Without the deny-list nobody is let in; workers come as soon as it does.
rm "$dir/deny" "$dir/run/gatewayd.prom"
start
until_ok "workers end without the list" event PST-4005
grep -q "PST-2114.*deny: No such file" "$dir/log" || fail "the missing list is not in the log"
deny
read -rt 0.2 <&7 || true
"$exchanges" $port "$dir" h1 "$dir/exchanges" <"$dir/stop" &
load=$!
until_ok "exchanges succeed with the list" serves pair4
echo >&7
wait "$load" || true # the first may have found nobody
load=
stop

# A worker that hangs does not keep the others from being replaced.
sed -i 's/^user = 65533$/&\nrequest_timeout_ms = 1000/' "$dir/gateway.conf"
deny "serial 12ab"
rm "$dir/run/gatewayd.prom"
start
until_ok "two workers" counter workers 2
until_ok "the list is in force from the start" counter deny_entries 1
until_ok "they run" powerless
read -r first _ <<<"$(workers)"
kill -STOP "$first"
kill -HUP "$pid"
until_ok "each worker is replaced, and the one that hangs" counter worker_starts_total 4
until_ok "two workers" counter workers 2
until_ok "the one that hangs is gone" test ! -e "/proc/$first"
grep -q "PST-4005.*does not end; it is killed" "$dir/log" || fail "the hanging worker is not in the log"
stop
echo "ok"
