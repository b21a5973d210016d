#!/bin/bash
# SPDX-License-Identifier: MIT
#
# certagent.sh CERTD FAKE-WORKER: runs certd with a worker that does what is written down for it
# (fakefetch.c): first boot, renewals, restarts, every kind of refusal, a copied disk, workers that hang,
# lie or die, a name that is taken. Nothing here talks to a network.

set -euo pipefail

certd=$1
page=$POSTERN_TEST_SOURCE/docs/man/certd.8
# shellcheck source=tests/unit/daemons.sh
. "${0%/*}/../../daemons.sh"
chmod 755 "$dir"
mkdir -m 755 "$dir/libexec" "$dir/fake" "$dir/sia"
cp "$2" "$dir/libexec/certd-fetch"
chmod 755 "$dir/libexec/certd-fetch"
export POSTERN_LIBEXECDIR=$dir/libexec FAKEFETCH_DIR=$dir/fake
user=
[ "$(id -u)" != 0 ] || user="user = nobody"
[ "$(id -u)" != 0 ] || chown nobody "$dir/fake"
pid=
timeout_ms=60000 # of a worker; less where one hangs

evidence()
{
	cat "$dir/log"
}

logged()
{
	grep -qF -- "$1" "$dir/log"
}

# conf LINE…: the configuration, with more lines for [certd].
conf()
{
	printf '%s\n' '[certd]' 'zts_url = https://zts.test/zts/v1' 'zts_ca = /dev/null' 'domain = acme' \
		'service = host' 'provider = athenz.test' 'attestation = token' 'token_file = /dev/null' \
		"sia_dir = $dir/sia" 'retry_min_s = 1' 'retry_max_s = 2' "timeout_ms = $timeout_ms" "$user" "$@" \
		>"$dir/postern.conf"
}

# plan KIND WORDS…: what the worker does instead of succeeding; no words: it succeeds.
plan()
{
	printf '%s' "${*:2}" >"$dir/fake/plan.$1.new"
	mv "$dir/fake/plan.$1.new" "$dir/fake/plan.$1"
}

start()
{
	: >"$dir/log"
	umask 077 # some service managers do
	"$certd" --config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run/certd" \
		2>>"$dir/log" &
	pid=$!
	umask 022
}

# stop SIGNAL
stop()
{
	local status=0
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null || status=$?
	pid=
	[ "$1" = KILL ] || [ $status = 0 ] || fail "it ended with status $status"
}

ask()
{
	"$certd" status --run-dir "$dir/run/certd" "$@" 2>/dev/null
}

# field NAME: of the status as JSON
field()
{
	ask --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

ready()
{
	ask >/dev/null
}

# jobs_of KIND: how many the worker got
jobs_of()
{
	grep -c "^$1 " "$dir/fake/log" || true
}

serial()
{
	cut -d ' ' -f 1 <"$dir/sia/certs/acme.host.cert.pem"
}

# Read through one directory: a renewal may come between two looks at what is in use.
whole()
{
	local at key
	at=$(readlink -f "$dir/sia/current")
	key=$(cat "$at/key.pem")
	[ "$key" = "$(cut -d ' ' -f 1 <"$at/cert.pem")" ] || fail "key and certificate differ"
	[ "$(readlink "$dir/sia/keys/acme.host.key.pem")" = ../current/key.pem ] || fail "another key"
}

is_new()
{
	[ "$(serial)" != "$1" ]
}

failed_twice()
{
	[ "$(field failures_in_a_row)" -ge 2 ]
}

begin()
{
	echo "# $*"
	rm -rf "$dir/fake/log" "$dir"/fake/plan.* "$dir/state" "$dir/run" "$dir/sia"
	mkdir -m 755 "$dir/sia"
	echo "acme.host athenz.test i-1" >"$dir/fake/self"
	echo "0 3600" >"$dir/fake/life"
	conf
}

begin "wrong usage, wrong configuration, nobody to ask"
status=0
"$certd" nonsense 2>/dev/null || status=$?
[ $status = 64 ] || fail "wrong usage ends with $status"
conf 'retry_min_s = 0'
status=0
"$certd" --config "$dir/postern.conf" --check 2>"$dir/log" || status=$?
{ [ $status = 2 ] && logged 'retry_min_s'; } || fail "wrong configuration ends with $status"
conf
"$certd" --config "$dir/postern.conf" --check | grep 'OK, issuer https://zts.test' >/dev/null || fail "no OK"
conf "ca_pin = $dir/nowhere.pem"
status=0
"$certd" --config "$dir/postern.conf" --check 2>"$dir/log" || status=$?
{ [ $status = 2 ] && logged 'nowhere.pem: No such file'; } || fail "a missing file ends with $status"
if [ "$(id -u)" = 0 ]; then
	install -m 400 /dev/null "$dir/roots.pem"
	conf "ca_pin = $dir/roots.pem"
	status=0
	"$certd" --config "$dir/postern.conf" --check 2>"$dir/log" || status=$?
	{ [ $status = 2 ] && logged 'roots.pem: Permission denied'; } || fail "a file of root's ends with $status"
fi
user='user = nobody-of-that-name' conf
status=0
"$certd" --config "$dir/postern.conf" --check 2>"$dir/log" || status=$?
{ [ $status = 2 ] && logged "user 'nobody-of-that-name' does not exist"; } || fail "a missing user ends with $status"
status=0
"$certd" status --run-dir "$dir/none" 2>"$dir/log" || status=$?
{ [ $status = 2 ] && logged "certd does not run"; } || fail "status without certd ends with $status"

begin "first boot"
start
until_ok "ready" ready
whole
logged "this host is acme.host, instance i-1 of athenz.test" || fail "does not say who it is"
# a busy machine may have come into the 59th
grep -qE "registered, serial $(serial): valid for another (60|59) min, renewal in" "$dir/log" || fail "not registered"
[ "$(field ready) $(field last_step) $(field next_step) $(field failures_in_a_row)" = \
	"True register refresh 0" ] || fail "status: $(ask --json)"
[ "$(field serial)" = "$(serial)" ] || fail "another serial"
[[ $(ask) == "READY      acme.host, valid for another "[56]?" min"* ]] || fail "text: $(ask)"
[ "$(sed -n '/^\.Ss Status as JSON/,/^\.El/s/^\.It Li //p' "$page" | tr -d ' ' | tr , '\n' | LC_ALL=C sort)" = \
	"$(ask --json | python3 -c 'import json, sys; print(*sorted(json.load(sys.stdin)), sep="\n")')" ] ||
	fail "certd(8) names other members: $(ask --json)"
for how in "" --json; do
	status=0
	# shellcheck disable=SC2086 # a word, or none
	"$certd" status $how --run-dir "$dir/run/certd" >/dev/full 2>"$dir/said" || status=$?
	{ [ $status = 2 ] && grep -q "certd: cannot print the answer" "$dir/said"; } ||
		fail "status $how on a full disk ends with $status"
done
grep -q '^postern_certd_ready 1$' "$dir/run/certd/certd.prom" || fail "no metric of readiness"
grep -q 'renewals_total{result="ok",code=""} 1$' "$dir/run/certd/certd.prom" || fail "not counted"
grep -qE '^postern_certd_certificate_expiry_timestamp_seconds [0-9]{10}$' "$dir/run/certd/certd.prom" ||
	fail "no expiry"
[ "$(stat -c %a "$dir/run/certd/certd.sock")" = 660 ] || fail "mode of the socket"
[ "$(stat -Lc %a "$dir/sia/keys/acme.host.key.pem")" = 440 ] || fail "mode of the key"
[ "$(stat -c %a "$dir/sia/keys" "$dir/sia/certs" "$dir/sia/.pairs" "$dir/run" | sort -u)" = 755 ] ||
	fail "modes of directories"
if [ "$(id -u)" = 0 ]; then
	[ "$(stat -Lc %U "$dir/sia/keys/acme.host.key.pem")" = nobody ] || fail "owner of the key"
	grep -q '^CapPrm:.0000000000000000$' "/proc/$pid/status" || fail "it has capabilities"
	grep -q '^CapBnd:.0000000000000000$' "/proc/$pid/status" || fail "it could get capabilities"
fi
grep -q '^NoNewPrivs:.1$' "/proc/$pid/status" || fail "it could get privileges"
rss=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status")
echo "# resident: $rss kB"
ldd "$certd" | grep asan >/dev/null || [ "$rss" -le 4096 ] || fail "resident $rss kB"

echo "# a second one is refused"
sed "s|^sia_dir = .*|sia_dir = $dir/sia2|" "$dir/postern.conf" >"$dir/postern2.conf"
mkdir -m 755 "$dir/sia2"
second()
{
	local status=0
	timeout 100 "$certd" --config "$1" --state-dir "$dir/state2" --run-dir "$2" 2>"$dir/log2" || status=$?
	{ [ $status = 1 ] && grep -q "$3" "$dir/log2"; } || fail "the second: $status $(cat "$dir/log2")"
	ready || fail "the first cannot be asked any more"
}
second "$dir/postern2.conf" "$dir/run/certd" "another certd listens there"
second "$dir/postern.conf" "$dir/run2" "another certd works there"
second "$dir/postern.conf" "$dir/run/certd" "another certd works there"

echo "# renewal on demand, by command and by signal"
old=$(serial)
until_ok "renewed by command" "$certd" renew --run-dir "$dir/run/certd" >/dev/null
until_ok "a new serial" is_new "$old"
whole
old=$(serial)
kill -HUP "$pid"
until_ok "a new serial by signal" is_new "$old"
whole
[ "$(jobs_of register)" = 1 ] || fail "registered again"

echo "# a restart adopts, kill -9 or not"
old=$(serial)
n=$(jobs_of identify)
stop KILL
start
until_ok "ready again" ready
{ [ "$(serial)" = "$old" ] && [ "$(jobs_of identify)" = "$n" ]; } || fail "not adopted"
logged "stored certificate is good" || fail "does not say that it is good"
stop TERM
[ "$(serial)" = "$old" ] || fail "the files changed at the end"
logged "the files stay as they are" || fail "no farewell"

echo "# an altered file is not believed"
n=$(jobs_of register)
chmod u+w "$dir/sia/current/key.pem"
echo 0123 >"$dir/sia/current/key.pem"
start
until_ok "ready with another" ready
whole
{ logged "PST-2013: stored certificate" && [ "$(jobs_of register)" = $((n + 1)) ]; } || fail "believed"
stop TERM

if [ "$(id -u)" = 0 ]; then
	begin "first as root, then with a user of its own, as it advises"
	user='' conf
	start
	until_ok "ready" ready
	logged "running as root: set user" || fail "no advice"
	old=$(serial)
	stop TERM
	chmod 666 "$dir/fake/log"
	conf
	start
	until_ok "ready again" ready
	{ [ "$(serial)" = "$old" ] && [ "$(jobs_of register)" = 1 ]; } || fail "registered again"
	[ "$(stat -Lc %U "$dir/sia/keys/acme.host.key.pem")" = nobody ] || fail "the key is not its own"
	stop TERM
	# as systemd does it with a StateDirectory
	chown -R root:root "$dir/state" "$dir/sia"
	start
	until_ok "ready with what systemd gave to root" ready
	{ [ "$(serial)" = "$old" ] && [ "$(jobs_of register)" = 1 ]; } || fail "registered again"
	! logged "identifying afresh" || fail "its memory is lost"
	stop TERM

	begin "a group for those who read the key"
	start
	until_ok "ready" ready
	stop TERM
	user='user = nobody:daemon' conf
	start
	until_ok "ready again" ready
	[ "$(stat -Lc %G "$dir/sia/keys/acme.host.key.pem")" = daemon ] || fail "they cannot read it yet"
	[ "$(jobs_of register)" = 1 ] || fail "registered again"
	stop TERM
fi

begin "a link in the place of a directory"
mv "$dir/sia" "$dir/sia.real"
ln -s sia.real "$dir/sia"
status=0
"$certd" --config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run/certd" 2>"$dir/log" || status=$?
{ [ $status = 1 ] && logged "$dir/sia: a symbolic link, which is not followed here"; } || fail "ends with $status"
rm -r "$dir/sia" "$dir/sia.real"
mkdir -m 755 "$dir/sia"
ln -s "$dir" "$dir/sia/keys"
status=0
"$certd" --config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run/certd" 2>"$dir/log" || status=$?
{ [ $status = 1 ] && logged "$dir/sia/keys: a symbolic link, which is not followed here"; } ||
	fail "a link in it: ends with $status"

begin "no worker, a damaged memory"
mkdir -m 755 "$dir/state"
[ "$(id -u)" != 0 ] || chown nobody "$dir/state"
echo junk >"$dir/state/certd.state"
mv "$dir/libexec" "$dir/libexec.away"
start
until_ok "told" logged "$dir/libexec/certd-fetch cannot be started: No such file or directory"
logged "certd.state: damaged, or of another version; identifying afresh" || fail "no word about its memory"
mv "$dir/libexec.away" "$dir/libexec"
until_ok "ready" ready
stop TERM

begin "signs of life, also while the first certificate is waited for"
manager
plan register hang
WATCHDOG_USEC=200000 start
until_ok "a worker hangs" test -s "$dir/fake/log"
until_ok "signs of life" alive
until_ok "more of them" alive
! grep -F 'READY=1' "$dir/told" >/dev/null || fail "ready without a certificate"
stop TERM
until_ok "the end is told" grep -qx 'STOPPING=1' "$dir/told"
: >"$dir/told"
WATCHDOG_USEC=soon start
until_ok "nonsense is told" logged "WATCHDOG_USEC or WATCHDOG_PID: Invalid argument; no sign of life is given"
stop TERM
[ "$(beats)" = 0 ] || fail "signs of life for nobody"
unset NOTIFY_SOCKET

begin "short lives"
echo "0 12" >"$dir/fake/life"
start
for i in 1 2; do
	until_ok "ready" ready
	old=$(serial)
	until_ok "renewal $i" is_new "$old"
	whole
done
# a machine may be so slow that one is over before it is renewed
[ "$(jobs_of register)" = 1 ] || logged "the certificate has ended" || fail "registered again"
stop TERM

begin "an outage: told, and told louder when less than a quarter of the life is left"
start
until_ok "ready" ready
plan refresh code 2006 0 no route
kill -HUP "$pid"
until_ok "told" logged "PST-2006: refresh: the issuer cannot be reached or failed: no route; refresh in"
logged "the present certificate is valid for another" || fail "does not say how long it lasts"
! logged "PST-2020" || fail "louder at once"
stop TERM

echo "# a pair whose life is nearly over: without its memory certd counts from the beginning that is in it"
plan refresh
echo "-3200 4000" >"$dir/fake/life"
start
until_ok "ready" ready
old=$(serial)
kill -HUP "$pid"
until_ok "a new serial" is_new "$old"
stop TERM
rm -r "$dir/state"
plan refresh code 2006 0 no route
start
until_ok "alarm" logged "PST-2020: less than a quarter"
stop TERM

begin "expired, then healed"
echo "0 12" >"$dir/fake/life"
start
until_ok "ready" ready
plan refresh code 2006 0 no route
plan register code 2006 0 no route
until_ok "end" logged "not ready any more: the certificate has ended"
until_ok "registers" logged "PST-2006: register"
status=0
ask >"$dir/text" || status=$?
[ $status = 1 ] || fail "status $status"
grep -q "^NOT READY  the certificate has ended; PST-2006" "$dir/text" || fail "text: $(cat "$dir/text")"
until_ok "failures are counted" failed_twice
plan register
plan refresh
until_ok "ready again" ready
grep -q 'code="PST-2006"} [1-9]' "$dir/run/certd/certd.prom" || fail "failures are not in the metrics"
stop TERM

begin "expired at start"
start
until_ok "ready" ready
stop KILL
over=$(awk '{ $2 -= 7200; $3 -= 7200; print }' "$dir/sia/current/cert.pem")
chmod u+w "$dir/sia/current/cert.pem"
echo "$over" >"$dir/sia/current/cert.pem"
start
until_ok "ready" ready
logged "PST-2108: stored certificate" || fail "does not say why"
stop TERM

begin "revoked: once afresh, then slowly"
start
until_ok "ready" ready
plan refresh code 2009 0 Certificate revoked
plan register code 2009 0 Certificate revoked
old=$(serial)
kill -USR1 "$pid"
until_ok "heals" logged "once afresh with a new key: register"
until_ok "gives up" logged "PST-2009: register"
logged "somebody must act" || fail "no alarm"
until_ok "what to do" logged "what to do: certd registers afresh once"
[ "$(serial)" = "$old" ] || fail "the pair in use was touched"
plan register
until_ok "registers" is_new "$old"
plan refresh
stop TERM

timeout_ms=1000
begin "a copy of another host's disk"
start
until_ok "ready" ready
stop TERM
rm -r "$dir/state"
echo "acme.host athenz.test i-2" >"$dir/fake/self"
plan register hang
start
until_ok "withdrawn" logged "PST-2014"
[ ! -e "$dir/sia/keys/acme.host.key.pem" ] || fail "the other host's key can still be read"
plan register
until_ok "its own" ready
[ "$(field instance_id)" = i-2 ] || fail "another instance"
grep -q i-2 "$dir/sia/certs/acme.host.cert.pem" || fail "another's certificate"

echo "# a machine that was copied while it ran: the boot is the same, the documents are not"
echo "acme.host athenz.test i-3" >"$dir/fake/self"
plan refresh code 2014 0 the document names another instance
kill -HUP "$pid"
until_ok "withdrawn" logged "it is of i-2, this host is i-3; withdrawn"
until_ok "its own" ready
grep -q i-3 "$dir/sia/certs/acme.host.cert.pem" || fail "another's certificate"
stop TERM

begin "workers that hang, die, lie"
plan identify hang
start
until_ok "hangs" logged "PST-2017: identify"
logged "no result in time; worker was stopped" || fail "does not say that it hung"
plan identify die
until_ok "dies" logged "worker ended by signal 9"
plan identify frame
until_ok "lies" logged "PST-2018: identify"
[[ $(ask || true) == "NOT READY  who this host is has not been found out yet; PST-2018"* ]] || fail "another reason"
plan identify
plan register hang
until_ok "hangs at its names" logged "no result in time, worker was stopped; do the name servers answer?"
plan register less
until_ok "brings less" logged "PST-2018: register"
plan register
until_ok "ready" ready

echo "# what the second worker refuses is not used"
old=$(serial)
plan check code 2109 0 unknown CA
kill -HUP "$pid"
until_ok "refused" logged "PST-2012: prove: the certificate that the issuer gave is not what was asked for: PST-2109"
[ "$(serial)" = "$old" ] || fail "it was used all the same"
[ "$(find "$dir/sia/.pairs" -mindepth 1 -maxdepth 1 | wc -l)" -le 2 ] || fail "it was kept"
plan check
kill -HUP "$pid"
until_ok "the next one" is_new "$old"

echo "# a certificate that begins later"
echo "15 3600" >"$dir/fake/life"
old=$(serial)
kill -HUP "$pid"
until_ok "held" logged "PST-2015: the new certificate begins in"
until_ok "used" is_new "$old"
[ "$(cut -d ' ' -f 2 "$dir/sia/current/cert.pem")" -le "$(date +%s)" ] || fail "it was used before its time"
ready || fail "not ready with it"

echo "# a name that cannot be made"
echo "0 3600" >"$dir/fake/life"
rm "$dir/sia/keys/acme.host.key.pem"
mkdir "$dir/sia/keys/acme.host.key.pem"
kill -HUP "$pid"
until_ok "told" logged "PST-2016"
stop TERM

timeout_ms=60000
begin "the directory is taken away while it runs, and another one comes"
start
until_ok "ready" ready
old=$(serial)
n=$(jobs_of refresh)
mv "$dir/sia" "$dir/sia.away"
kill -HUP "$pid"
until_ok "told" logged "PST-2016: refresh: the new certificate cannot be written: $dir/sia: No such file or directory"
mkdir -m 755 "$dir/sia.new"
[ "$(id -u)" != 0 ] || chown nobody "$dir/sia.new"
[ "$(jobs_of refresh)" = "$n" ] || fail "the issuer was asked although nothing could be written"
mv "$dir/sia.new" "$dir/sia"
until_ok "a pair in the new one" test -e "$dir/sia/certs/acme.host.cert.pem"
until_ok "ready" ready
[ "$(serial)" != "$old" ] || fail "the old one"
whole
rm -r "$dir/sia.away"
stop TERM

if unshare --mount true 2>/dev/null; then
	begin "a disk that cannot be written to"
	start
	until_ok "ready" ready
	old=$(serial)
	stop TERM
	: >"$dir/log"
	# shellcheck disable=SC2016
	unshare --mount sh -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"' "$dir/sia" \
		"$certd" --config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run/certd" 2>>"$dir/log" &
	pid=$!
	until_ok "ready with what is there" ready
	n=$(jobs_of refresh)
	kill -HUP "$pid"
	until_ok "told" logged "PST-2016: refresh: the new certificate cannot be written: $dir/sia: Read-only file system"
	{ ready && [ "$(serial)" = "$old" ] && [ "$(jobs_of refresh)" = "$n" ]; } || fail "the issuer was asked"
	stop TERM
else
	echo "# no mount namespace here: a disk that cannot be written to is not tried"
fi

begin "a slow refusal"
plan register code 2007 0 Service not registered in domain
start
until_ok "told" logged "PST-2007: register: the issuer refused the request: Service not registered in domain; somebody must act; identify in 1"
[ "$(jobs_of register)" = 1 ] || fail "asked again at once"
plan register
kill -HUP "$pid"
until_ok "ready after a signal" ready
stop TERM

begin "the instance got another profile while it ran"
echo "acme.hots athenz.test i-1" >"$dir/fake/self"
plan register code 2007 0 provider not authorized to launch acme.hots instances
start
until_ok "told" logged "PST-2007: register"
echo "acme.host athenz.test i-1" >"$dir/fake/self"
plan register
kill -HUP "$pid"
until_ok "ready under the right name" ready
whole
stop TERM

echo "certagent.sh: ok"
