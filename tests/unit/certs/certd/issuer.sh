#!/bin/bash
# SPDX-License-Identifier: MIT
#
# issuer.sh CERTD CERTD-FETCH ZTSD ZTSCTL: certd and its real worker against a real issuer, in a network
# namespace of their own: registration with a token, renewals, an issuer that is away, one that revokes
# and forgives. With instances of a cloud and their metadata it is tried in tests/lab.

set -euo pipefail

certd=$1 ztsd=$3 ztsctl=$4
# shellcheck source=tests/unit/daemons.sh
. "${0%/*}/../../daemons.sh"
if [ -z "${DAEMONS_INSIDE:-}" ]; then
	echo "skipped: needs the right to make a network namespace"
	exit 77
fi
chmod 755 "$dir"
mkdir -m 755 "$dir/libexec" "$dir/zts-state" "$dir/zts-run"
cp "$2" "$dir/libexec/certd-fetch"
chmod 755 "$dir/libexec/certd-fetch"
export POSTERN_LIBEXECDIR=$dir/libexec
certd_pid='' ztsd_pid=''

evidence()
{
	cat "$dir/certd.log" "$dir/ztsd.log"
}

ctl()
{
	"$ztsctl" --config "$dir/ztsd.conf" --state-dir "$dir/zts-state" "$@"
}

issuer_start()
{
	"$ztsd" --config "$dir/ztsd.conf" --state-dir "$dir/zts-state" --run-dir "$dir/zts-run" \
		2>>"$dir/ztsd.log" &
	ztsd_pid=$!
}

issuer_stop()
{
	kill "$ztsd_pid"
	wait "$ztsd_pid" 2>/dev/null || true
	ztsd_pid=
}

ready()
{
	"$certd" status --run-dir "$dir/run" >/dev/null 2>&1
}

logged()
{
	grep -qF -- "$1" "$dir/certd.log"
}

serial()
{
	openssl x509 -in "$dir/sia/certs/acme.host.cert.pem" -noout -serial
}

is_new()
{
	[ "$(serial)" != "$1" ]
}

urged()
{
	kill -HUP "$certd_pid"
	is_new "$1"
}

# Judged by stock tools; on a slow machine one of a short life may be over by then.
good()
{
	local at
	at=$(readlink -f "$dir/sia/current")
	[ "$(openssl pkey -in "$at/key.pem" -pubout)" = "$(openssl x509 -in "$at/cert.pem" -noout -pubkey)" ] ||
		fail "key and certificate differ"
	openssl verify -CAfile "$dir/pki/ca.cert.pem" -purpose sslclient -no_check_time "$at/cert.pem" >/dev/null ||
		fail "the certificate does not verify"
}

cat >"$dir/ztsd.conf" <<-E
	[ztsd]
	listen = [::1]:8443
	cert = $dir/pki/server.cert.pem
	key = $dir/pki/server.key.pem
	ca_cert = $dir/pki/ca.cert.pem
	ca_key = $dir/pki/ca.key.pem
	default_lifetime_s = 24
	min_lifetime_s = 5
	requests_per_minute = 600
	[provider lab.static]
	kind = token
	suffixes = lab.example
	token_key = $dir/token.key
	E
cat >"$dir/postern.conf" <<-E
	[certd]
	user = nobody
	zts_url = https://zts.test:8443/zts/v1
	zts_address = [::1]:8443
	zts_ca = $dir/ca.pem
	domain = acme
	service = host
	provider = lab.static
	instance_id = h1
	attestation = token
	token_file = $dir/token
	sia_dir = $dir/sia
	retry_min_s = 1
	retry_max_s = 2
	[csr]
	suffixes = lab.example
	E
: >"$dir/ztsd.log"
: >"$dir/certd.log"
"$ztsd" init --dir "$dir/pki" --server-name zts.test >/dev/null
cp "$dir/pki/ca.cert.pem" "$dir/ca.pem"
chmod 644 "$dir/ca.pem"
{
	ctl key "$dir/token.key"
	ctl domain add acme --service host --provider lab.static
} >/dev/null
ctl token acme.host h1 --provider lab.static >"$dir/token" 2>/dev/null
chmod 644 "$dir/token"

echo "# an issuer that is not there yet"
"$certd" --config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run" 2>>"$dir/certd.log" &
certd_pid=$!
until_ok "told" logged "PST-2006: register"
issuer_start
until_ok "registered" ready
good

echo "# a renewal when it is due"
old=$(serial)
until_ok "renewed" is_new "$old"
good
until_ok "ready" ready
[ "$(grep -c ': registered acme' "$dir/ztsd.log")" = 1 ] || logged "the certificate has ended" || fail "registered again"
rss=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$certd_pid/status")
echo "# resident: $rss kB"
ldd "$certd" | grep asan >/dev/null || [ "$rss" -le 4096 ] || fail "resident $rss kB"

echo "# an issuer that is away for a while; from here on a certificate lives for longer than any machine takes"
issuer_stop
sed -i 's/^default_lifetime_s.*/default_lifetime_s = 3600/' "$dir/ztsd.conf"
issuer_start
until_ok "such a one" openssl x509 -in "$dir/sia/current/cert.pem" -noout -checkend 1000 >/dev/null
: >"$dir/certd.log"
issuer_stop
old=$(serial)
kill -HUP "$certd_pid"
until_ok "told" logged "PST-2006: refresh"
issuer_start
until_ok "renewed" urged "$old"
good
logged "not ready any more" && fail "the certificate ended"
ready || fail "not ready"

echo "# revoked, and forgiven"
ctl revoke h1 >/dev/null
kill -HUP "$certd_pid"
until_ok "one try to heal" logged "PST-2009: refresh"
until_ok "no more" logged "PST-2009: register"
old=$(serial)
ctl reset h1 >/dev/null
kill -HUP "$certd_pid"
until_ok "healed" is_new "$old"
good

echo "issuer.sh: ok"
