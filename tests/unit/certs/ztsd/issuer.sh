#!/bin/bash
# SPDX-License-Identifier: MIT
#
# issuer.sh ZTSD ZTSCTL ISSUELOAD: the whole issuer as its operator sees it. 'ztsd init', a registry by ztsctl,
# a registration and refreshes with curl, the deny-list, a full disk, and kill -9 while hosts register:
# nothing that was acknowledged is lost.

set -euo pipefail

ztsd=$1 ztsctl=$2 issueload=$3
if [ "$(id -u)" != 0 ]; then
	echo "skipped: needs root, to give it away"
	exit 77
fi

# shellcheck source=tests/unit/certs/ztsd/ownztsd.sh
. "${0%/*}/ownztsd.sh"

"$ztsd" init --dir "$dir/ca" --name "Test CA" --days 2 --server-name localhost >"$dir/said"
grep -q "ztsctl domain add" "$dir/said" || fail "init does not say what comes next"
"$ztsd" init --dir "$dir/ca" 2>/dev/null && fail "init has replaced a CA"
cat >"$dir/ztsd.conf" <<-E
	[ztsd]
	listen = [::1]:$port
	user = 65533
	cert = $dir/ca/server.cert.pem
	key = $dir/ca/server.key.pem
	ca_cert = $dir/ca/ca.cert.pem
	ca_key = $dir/ca/ca.key.pem
	deny_file = $dir/deny
	requests_per_minute = 0
	[provider prov.tok]
	kind = token
	token_key = $dir/token.key
	suffixes = aws.example
	E
: >"$dir/deny"
chmod 711 "$dir"
"$ztsctl" key "$dir/token.key" >"$dir/said"
"$ztsd" --check --config "$dir/ztsd.conf" >"$dir/said" || fail "the configuration is not usable"
start

grep -q '^Uid:[[:space:]]*65533' "/proc/$pid/status" || fail "still root"
grep -q '^CapEff:[[:space:]]*0000000000000000' "/proc/$pid/status" || fail "has a capability"
grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" || fail "may get new privileges"

# A registration and what follows.
openssl ecparam -name prime256v1 -genkey -noout -out "$dir/host.key"
make_body i-01
register
expect 404 "Domain not found: dom.a"
"$ztsctl" --config "$dir/ztsd.conf" --state-dir "$dir/state" domain add dom.a --service svc \
	--provider prov.tok >"$dir/said"
register
expect 201 '"instanceId":"i-01"'
grep -qi '^location: /zts/v1/instance/prov.tok/dom.a/svc/i-01' "$dir/head" || fail "no Location"
member x509Certificate >"$dir/one.pem"
openssl verify -CAfile "$dir/ca/ca.cert.pem" -purpose sslclient "$dir/one.pem" >/dev/null ||
	fail "the certificate does not verify"
call "$url/cacerts/athenz"
expect 200 '"name":"athenz"'
[ "$(member certs)" = "$(cat "$dir/ca/ca.cert.pem")" ] || fail "another CA in the bundle"
refresh one
expect 200 x509Certificate
member x509Certificate >"$dir/two.pem"
refresh two
expect 200 x509Certificate
member x509Certificate >"$dir/three.pem"
refresh one
expect 403 "Certificate revoked"
refresh three
expect 403 "Certificate revoked"
grep -q 'PST-5005.*dom.a.svc, provider prov.tok, instance i-01, presented serial' "$dir/log" ||
	fail "who was revoked is not in the log"
register
expect 201 x509Certificate
member x509Certificate >"$dir/four.pem"
until_ok "registrations are counted" counter registered_total 2
until_ok "records are counted" counter records 1
counter 'refused_total{code="PST-5005"}' 2 || fail "refusals are not counted"

# The deny-list, from one moment to the next; one that is not whole lets nobody in.
served()
{
	refresh "$1"
	[ "$(status)" = 200 ]
}

echo "instance i-01" >"$dir/deny"
kill -HUP "$pid"
until_ok "the deny-list is read" grep -q "deny: 1 entries" "$dir/log"
refresh four
expect 403 "Certificate revoked"
grep -q "PST-2113.*dom.a.svc" "$dir/log" || fail "who is denied is not in the log"
echo "everybody" >"$dir/deny"
kill -HUP "$pid"
until_ok "the bad deny-list is told" grep -q PST-2114 "$dir/log"
register
expect 500 "deny-list"
: >"$dir/deny"
until_ok "the good one is seen without a signal" served four
member x509Certificate >"$dir/five.pem"

# One that cannot be read lets nobody in either, until it can, though nothing was written.
chmod 000 "$dir/deny"
kill -HUP "$pid"
until_ok "the unreadable deny-list is told" grep -q "PST-2114.*[Pp]ermission denied" "$dir/log"
refresh five
expect 500 "deny-list"
chmod 644 "$dir/deny"
until_ok "the readable one is seen without a signal" served five
member x509Certificate >"$dir/five.pem"

# Nor does one that is no good from the start, though everything else runs.
stop
echo "everybody" >"$dir/deny"
"$ztsd" --check --config "$dir/ztsd.conf" >"$dir/said" 2>&1 && fail "--check takes a bad deny-list"
grep "PST-2114.*deny:1: " "$dir/said" >/dev/null || fail "--check said $(cat "$dir/said")"
start
refresh five
expect 500 "deny-list"
register
expect 500 "deny-list"
: >"$dir/deny"
until_ok "the good one is seen after the start" served five
member x509Certificate >"$dir/five.pem"

# A key that all may read is none, be it that of TLS or the CA's.
for key in server ca; do
	chmod 604 "$dir/ca/$key.key.pem"
	"$ztsd" --check --config "$dir/ztsd.conf" >"$dir/said" 2>&1 && fail "everybody's $key key is taken"
	grep "$key.key.pem: everybody may read" "$dir/said" >/dev/null || fail "--check said $(cat "$dir/said")"
	chmod 600 "$dir/ca/$key.key.pem"
done

# What is ztsd's own and ends: told before, and --check does not call it usable afterwards.
ends()
{
	sed "s|^$1 = .*|$1 = $2|; s|^${3:-none} = .*|${3:-none} = ${4:-}|" "$dir/ztsd.conf" >"$dir/ends.conf"
	"$ztsd" --check --config "$dir/ends.conf" >"$dir/said" 2>&1
}

pki=${0%/*}/../../../lab/pki
"$pki" init "$dir/pki" >"$dir/said"
"$pki" host "$dir/pki" late --seconds 600 >"$dir/said"
"$pki" host "$dir/pki" over --expired >"$dir/said"
ends cert "$dir/pki/late.cert.pem" key "$dir/pki/late.key.pem" || fail "--check said $(cat "$dir/said")"
grep "PST-5011.*late.cert.pem: ends at 2.*then no host believes us" "$dir/said" >/dev/null ||
	fail "--check said $(cat "$dir/said")"
ends cert "$dir/pki/over.cert.pem" key "$dir/pki/over.key.pem" && fail "--check takes an expired listener"
grep "PST-5011.*over.cert.pem: ended at 2.*: no host believes us" "$dir/said" >/dev/null ||
	fail "--check said $(cat "$dir/said")"
openssl req -new -key "$dir/ca/ca.key.pem" -subj "/CN=Test CA" -out "$dir/ca.csr"
printf '[ca]\ndefault_ca=a\n[a]\ndatabase=%s/index\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\nrand_serial=yes
x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n' \
	"$dir" "$dir" >"$dir/ca.cnf"
: >"$dir/index"
openssl ca -batch -notext -selfsign -config "$dir/ca.cnf" -keyfile "$dir/ca/ca.key.pem" -in "$dir/ca.csr" \
	-startdate 20200101000000Z -enddate 20200201000000Z -out "$dir/old.cert.pem" 2>"$dir/said"
ends ca_cert "$dir/old.cert.pem" && fail "--check takes an expired CA"
grep "PST-5011.*old.cert.pem: ended at 2020-02-01T00:00:00Z: nothing can be signed" "$dir/said" >/dev/null ||
	fail "--check said $(cat "$dir/said")"
counter server_expires_seconds "$(date -d "$(openssl x509 -in "$dir/ca/server.cert.pem" -noout -enddate |
	cut -d= -f2)" +%s)" || fail "no metric of the listener's end"

# One that ends while ztsd runs is told then, however short its life was.
stop
"$pki" host "$dir/pki" brief --seconds 5 >"$dir/said"
ends cert "$dir/pki/brief.cert.pem" key "$dir/pki/brief.key.pem" || :
"$ztsd" --config "$dir/ends.conf" --state-dir "$dir/state" --run-dir "$dir/run" 2>"$dir/said" &
pid=$!
until_ok "the end is told" grep -q "PST-5011.*brief.cert.pem: ended at 2.*: no host believes us" "$dir/said"
stop

hold_idle()
{
	holds=()
	for _ in {1..64}; do
		exec {hold}<>"/dev/tcp/::1/$port" || fail "a connection is refused"
		holds+=("$hold")
	done
}

leave_idle()
{
	for hold in "${holds[@]}"; do
		exec {hold}>&-
	done
}

# More connections than the soft limit has descriptors are no reason not to serve.
(ulimit -Sn 48 && start_here) &
pid=$!
until_ok "ztsd answers" answers
hold_idle
call -m 5 "$url/status" || fail "64 idle connections keep everybody else out"
grep -q "Too many open files" "$dir/log" && fail "too few descriptors"
leave_idle
stop

# With fewer descriptors than that they wait: nobody is told in a loop, and it goes on by itself.
(ulimit -n 48 && start_here) &
pid=$!
until_ok "ztsd answers" answers
hold_idle
until_ok "the want of descriptors is told" grep -q PST-1113 "$dir/log"
leave_idle
until_ok "ztsd answers again" answers
! grep "Error from accept" "$dir/log" >/dev/null || fail "accept() was tried in a loop"
stop
start

# A disk that gets full: nothing is issued that is not on record; with room it goes on.
stop
(ulimit -Sf 200 && start_here) &
pid=$!
until_ok "ztsd answers" answers
"$issueload" register "$port" "$dir/token.key" full 0 >"$dir/acknowledged" 2>/dev/null ||
	fail "nothing was registered before the disk was full"
# A refresh writes less than a registration: some may still find room.
finds_no_room()
{
	refresh five
	[ "$(status)" != 200 ]
}

until_ok "a refresh finds no room" finds_no_room
expect 500 "unable to update cert db"
grep -q PST-5009 "$dir/log" || fail "the full disk is not in the log"
stop
start
"$issueload" check "$dir/state/ztsd.db" <"$dir/acknowledged" >"$dir/said" 2>&1 ||
	fail "a record is lost: $(cat "$dir/said")"
refresh five
expect 200 x509Certificate

# A new CA of the same name, in three steps: nobody is locked out, and each sees both as long as it matters.
has_cas()
{
	member x509CertificateSigner | cmp - "$1" || fail "other CAs in the answer than in $1"
}

is_of()
{
	openssl verify -CAfile "$dir/$1/ca.cert.pem" "$dir/$2.pem" >/dev/null 2>&1
}

take()
{
	refresh "$1"
	expect 200 x509Certificate
	member x509Certificate >"$dir/$2.pem"
	has_cas "$dir/both.pem"
}

stop
"$ztsd" init --dir "$dir/new" --name "Test CA" --days 2 --server-name localhost >"$dir/said"
cp "$dir/ztsd.conf" "$dir/first.conf"
with_cas()
{
	sed "s|^ca_cert = .*|ca_cert = $dir/both.pem|; $1" "$dir/first.conf" >"$dir/ztsd.conf"
}

cat "$dir/ca/ca.cert.pem" "$dir/new/ca.cert.pem" >"$dir/both.pem"
with_cas ""
start
make_body i-01
take five six
is_of ca six || fail "the second certificate of the file signs"
stop
cat "$dir/new/ca.cert.pem" "$dir/ca/ca.cert.pem" >"$dir/both.pem"
with_cas "s|^ca_key = .*|ca_key = $dir/new/ca.key.pem|"
start
take six seven
is_of new seven || fail "the new CA does not sign"
! is_of ca seven || fail "both CAs are one"
take seven eight
stop
cp "$dir/new/ca.cert.pem" "$dir/both.pem"
start
take eight five
refresh six 2>/dev/null && fail "the old CA is believed for ever"
cp "$dir/first.conf" "$dir/ztsd.conf"
stop
start

# kill -9 while hosts register and refresh, several at a time, so that a transaction has more than one of
# them: no answer that was given is forgotten, and no host is locked out by one that was not.
mkdir "$dir/hosts"
acknowledged()
{
	[ "$(cat "$dir"/acknowledged.* | wc -l)" -gt "$1" ]
}

for round in {1..6}; do
	# what the round before left there must not count
	rm -f "$dir"/acknowledged.*
	others=()
	for i in 1 2 3; do
		"$issueload" register "$port" "$dir/token.key" "r$round-$i" 0 >"$dir/acknowledged.r$i" 2>/dev/null &
		others+=($!)
		"$issueload" refresh "$port" "$dir/token.key" "$dir/hosts" "h$i" 0 >"$dir/acknowledged.h$i" \
			2>"$dir/said.h$i" &
		others+=($!)
	done
	enough=$((RANDOM % 150))
	until_ok "answers" acknowledged $enough
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	for load in "${others[@]}"; do
		wait "$load" || [ $? = 1 ] || fail "a host was refused: $(cat "$dir"/said.h*)"
	done
	others=()
	cat "$dir"/acknowledged.* | "$issueload" check "$dir/state/ztsd.db" >"$dir/said" 2>&1 ||
		fail "after $enough answers a record is lost: $(cat "$dir/said")"
	start
done
for i in 1 2 3; do
	"$issueload" refresh "$port" "$dir/token.key" "$dir/hosts" "h$i" 2 >"$dir/said" 2>&1 ||
		fail "host h$i is locked out: $(cat "$dir/said")"
done

stop
