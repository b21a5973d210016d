#!/bin/bash
# SPDX-License-Identifier: MIT
#
# token.sh ZTSD ZTSCTL ISSUELOAD: the CA's key in a real token: PKCS#11 by SoftHSM and pkcs11-provider (Debian 13),
# or a TPM 2.0 by swtpm and tpm2-openssl (Debian 12); both where both are. 'ztsd init' for a key that is there,
# registrations from several sides, wrong PINs and keys, a token that hangs, and one that goes away and comes back.
# Address Sanitizer ends a program that loads a module as pkcs11-provider does (RTLD_DEEPBIND): there the lab's
# scenario issuer-signs-with-a-token, which runs this with programs as they are delivered, is the one that tries it.

set -euo pipefail

ztsd=$1 ztsctl=$2 issueload=$3
modules=$(openssl version -m | sed 's/.*"\(.*\)"/\1/')
softhsm=$(find /usr/lib -name libsofthsm2.so -print -quit)
remote=$(find /usr/lib -name p11-kit-client.so -print -quit)
kinds=()
sanitized=$(grep -c __asan_init "$ztsd" || true)
if [ "$sanitized" = 0 ] && [ -e "$modules/pkcs11.so" ] && [ -n "$softhsm" ] && [ -n "$remote" ]; then
	kinds+=(pkcs11)
fi
if [ -e "$modules/tpm2.so" ] && command -v swtpm >/dev/null && command -v tpm2_evictcontrol >/dev/null; then
	kinds+=(tpm2)
fi
if [ ${#kinds[@]} = 0 ]; then
	echo "skipped: no real token: needs softhsm2, pkcs11-provider and p11-kit (and no sanitizer)," \
		"or swtpm, tpm2-openssl and tpm2-tools"
	exit 77
fi
if [ "$(id -u)" != 0 ]; then
	echo "skipped: needs root, to give it away"
	exit 77
fi
# shellcheck source=tests/unit/certs/ztsd/ownztsd.sh
. "${0%/*}/ownztsd.sh"
user=65533
chmod 711 "$dir"
export OPENSSL_CONF=$dir/openssl.cnf SOFTHSM2_CONF=$dir/softhsm2.conf TSS2_LOG=all+none
export P11_KIT_SERVER_ADDRESS=unix:path=$dir/tokens/socket
export TPM2OPENSSL_TCTI=swtpm:host=127.0.0.1,port=$((port + 1))
export TPM2TOOLS_TCTI=$TPM2OPENSSL_TCTI

# A token with the key of the CA, $right, another key, $wrong, and the first one's PIN in $dir/pin; $no_key is
# not there, and $many, where it is said, fits both. $bad_init, $bad_pin and $no_pin are what
# is said about the PIN.

# pkcs11_key NAME ID
pkcs11_key()
{
	OPENSSL_CONF=/dev/null openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$dir/key"
	softhsm2-util --import "$dir/key" --token ca --label "$1" --id "$2" --pin 123456
}

pkcs11_make()
{
	cat >"$SOFTHSM2_CONF" <<-E
		directories.tokendir = $dir/tokens
		objectstore.backend = file
		log.level = ERROR
		E
	# the section needs no "activate": ca_key_provider loads the provider
	cat >"$OPENSSL_CONF" <<-E
		openssl_conf = init
		[init]
		providers = all
		[all]
		default = own
		pkcs11 = pkcs11
		[own]
		activate = 1
		[pkcs11]
		pkcs11-module-path = $remote
		E
	install -d -o $user -m 700 "$dir/tokens"
	softhsm2-util --init-token --free --label ca --pin 123456 --so-pin 12345678
	pkcs11_key right 01
	pkcs11_key wrong 02
	chown -R $user "$dir/tokens" "$SOFTHSM2_CONF"
	pkcs11_return
	right='pkcs11:token=ca;object=right;type=private' wrong='pkcs11:token=ca;object=wrong;type=private'
	no_key='pkcs11:token=ca;object=none;type=private' many='pkcs11:token=ca;type=private'
	in_uri="$right?pin-value=123456"
	bad_init='or the PIN is wrong' bad_pin='or the PIN is wrong' no_pin='its PIN is missing or wrong'
}

# The module is in a process of its own, as that of a token in the network is: it can go away.
pkcs11_return()
{
	rm -f "$dir/tokens/socket"
	setsid setpriv --reuid $user --regid $user --clear-groups \
		p11-kit server --foreground --name "$dir/tokens/socket" --provider "$softhsm" pkcs11: >>"$dir/log" 2>&1 &
	others=("-$!")
	until_ok "the token answers" test -S "$dir/tokens/socket"
}

pkcs11_leave()
{
	kill -KILL -- "${others[0]}"
	others=()
}

tpm2_start()
{
	swtpm socket --tpm2 --tpmstate "dir=$dir/tpm" --flags not-need-init,startup-clear \
		--server "type=tcp,port=$((port + 1)),bindaddr=127.0.0.1" \
		--ctrl "type=tcp,port=$((port + 2)),bindaddr=127.0.0.1" >>"$dir/log" 2>&1 &
	others=("$!")
	until_ok "the TPM answers" tpm2_getcap -Q properties-fixed
}

# tpm2_key HIERARCHY HANDLE: the same template gives another key in each hierarchy.
tpm2_key()
{
	tpm2_createprimary -Q -C "$1" -G ecc256:ecdsa-sha256:null -p 123456 -c "$dir/key" \
		-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign'
	tpm2_flushcontext -t
	tpm2_evictcontrol -Q -c "$dir/key" "$2"
	tpm2_flushcontext -t
}

tpm2_make()
{
	: >"$OPENSSL_CONF"
	mkdir -m 700 "$dir/tpm"
	tpm2_start
	tpm2_key o 0x81000001
	tpm2_key e 0x81000002
	right='handle:0x81000001?pass' wrong='handle:0x81000002?pass'
	no_key='handle:0x81000003?pass' many='' in_uri=''
	bad_init="the key cannot sign the CA's certificate (cannot sign: "
	bad_pin='the key cannot sign (cannot sign: ' no_pin='its PIN is missing or wrong'
}

tpm2_leave()
{
	kill -KILL "${others[0]}"
	wait "${others[0]}" 2>/dev/null || true
	others=()
}

tpm2_return()
{
	tpm2_start
}

# configure KEY [PROVIDER [PIN FILE]]
configure()
{
	cat >"$dir/ztsd.conf" <<-E
		[ztsd]
		listen = [::1]:$port
		user = $user
		cert = $dir/ca/server.cert.pem
		key = $dir/ca/server.key.pem
		ca_cert = $dir/ca/ca.cert.pem
		ca_key = $1
		${2:+ca_key_provider = $2}
		${3:+ca_key_pin_file = $3}
		requests_per_minute = 0
		[provider prov.tok]
		kind = token
		token_key = $dir/token.key
		suffixes = aws.example
		E
}

# refused WORDS KEY [PROVIDER [PIN FILE]]: neither --check nor a start goes on, and both say why. Nobody is asked
# at a terminal, which a start without one shows. $ended is the status of the start.
refused()
{
	local words=$1 how
	shift
	configure "$@"
	for how in --check --foreground; do
		ended=0
		"$ztsd" --config "$dir/ztsd.conf" --state-dir "$dir/state" --run-dir "$dir/run" $how \
			>"$dir/said" 2>&1 </dev/null || ended=$?
		[ $ended != 0 ] || fail "$how goes on with $*"
		grep -F "PST-5008" "$dir/said" | grep -F -- "$words" >/dev/null ||
			fail "$how does not say '$words': $(cat "$dir/said")"
		! grep -F 123456 "$dir/said" >/dev/null || fail "a PIN is said: $(cat "$dir/said")"
	done
}

# ends_with STATUS: what the last start has ended with; only after 1 will it be started again by itself.
ends_with()
{
	[ "$ended" = "$1" ] || fail "status $ended, not $1, after: $(cat "$dir/said")"
}

served()
{
	refresh "$1"
	[ "$(status)" = 200 ]
}

# tries SECONDS N: it was said so often that the key is tried again after so many seconds.
tries()
{
	[ "$(grep -cF "signs again; tried again in $1 s" "$dir/log")" = "$2" ]
}

# try KIND
try()
{
	local kind=$1 load_a load_b
	"${kind}_make" >"$dir/said"
	(umask 077; echo 123456 >"$dir/pin"; echo 654321 >"$dir/badpin")
	if "$ztsd" init --dir "$dir/ca" --ca-key "$right" --ca-key-provider "$kind" --ca-key-pin-file "$dir/badpin" \
		2>"$dir/said"; then
		fail "init takes a wrong PIN"
	fi
	grep -F "$bad_init" "$dir/said" >/dev/null || fail "init does not say '$bad_init': $(cat "$dir/said")"
	"$ztsd" init --dir "$dir/ca" --days 2 --server-name localhost --ca-key "$right" --ca-key-provider "$kind" \
		--ca-key-pin-file "$dir/pin" >"$dir/said"
	[ ! -e "$dir/ca/ca.key.pem" ] || fail "a key outside of the token"
	grep -F "ca_key = $right" "$dir/said" >/dev/null || fail "init does not say what to configure"
	[ -s "$dir/token.key" ] || "$ztsctl" key "$dir/token.key" >"$dir/said"

	refused "provider 'none'; is it installed?" "$right" none "$dir/pin"
	ends_with 1
	refused "$bad_pin" "$right" "$kind" "$dir/badpin"
	ends_with 2
	refused "locks after some wrong ones" "$right" "$kind" "$dir/badpin"
	refused "$no_pin" "$right" "$kind"
	ends_with 1
	refused "no such private key" "$no_key" "$kind" "$dir/pin"
	refused "does not belong to the CA's certificate" "$wrong" "$kind" "$dir/pin"
	refused "no provider can open it" "$right" "" "$dir/pin"
	[ -z "$many" ] || refused "more than one private key fits" "$many" "$kind" "$dir/pin"
	if [ -n "$in_uri" ]; then
		configure "$in_uri" "$kind"
		"$ztsd" --config "$dir/ztsd.conf" --check >"$dir/said" || fail "the PIN in the URI does not do"
		refused "pin-value=...: " "${in_uri/right/none}" "$kind"
	fi

	configure "$right" "$kind" "$dir/pin"
	"$ztsd" --config "$dir/ztsd.conf" --check >"$dir/said" || fail "the key cannot be used"
	grep -F "the CA's key signs" "$dir/said" >/dev/null || fail "--check does not say that it signed"
	WATCHDOG_USEC=400000 start
	"$ztsctl" --config "$dir/ztsd.conf" --state-dir "$dir/state" domain add dom.a --service svc \
		--provider prov.tok >"$dir/said"
	[ -e "$dir/host.key" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$dir/host.key"
	make_body i-01
	register
	expect 201 x509Certificate
	member x509Certificate >"$dir/one.pem"
	openssl verify -CAfile "$dir/ca/ca.cert.pem" -purpose sslclient "$dir/one.pem" >/dev/null ||
		fail "the certificate does not verify"
	refresh one
	expect 200 x509Certificate
	member x509Certificate >"$dir/two.pem"
	"$issueload" register "$port" "$dir/token.key" a 25 >"$dir/a" &
	load_a=$!
	"$issueload" register "$port" "$dir/token.key" b 25 >"$dir/b" &
	load_b=$!
	wait $load_a || fail "registrations from one side"
	wait $load_b || fail "registrations from the other side"
	[ "$(cat "$dir/a" "$dir/b" | wc -l)" = 50 ] || fail "not all were given a certificate"
	until_ok "the key is said to be usable" counter ca_key_usable 1

	# one that hangs holds the loop, and the manager hears it
	until_ok "ztsd gives signs of life" alive
	kill -STOP -- "${others[0]}"
	refresh two &
	load_a=$!
	until_ok "no more signs of life" silent
	kill -CONT -- "${others[0]}"
	wait $load_a || fail "the request that waited for the token"
	until_ok "signs of life again" alive
	until_ok "ztsd goes on" served two

	"${kind}_leave"
	refresh two
	expect 500 "unable to generate identity"
	until_ok "the reason is told" tries 2 1
	until_ok "the key is said not to be usable" counter ca_key_usable 0
	for _ in 1 2 3; do
		refresh two
		expect 500 "unable to generate identity"
	done
	until_ok "it is tried more and more rarely" tries 8 1
	tries 4 1 || fail "not once after 4 s"
	tries 2 1 || fail "not once after 2 s"
	kill -HUP "$pid"
	until_ok "SIGHUP begins anew" tries 2 2
	"${kind}_return"
	until_ok "ztsd heals" served two
	grep -F "the CA's key signs again" "$dir/log" >/dev/null || fail "the return is not told"
	stop
	! grep -F 123456 "$dir/log" >/dev/null || fail "a PIN is in the log"
}

manager
for kind in "${kinds[@]}"; do
	echo "# $kind"
	try "$kind"
	rm -rf "$dir/ca" "$dir/state" "$dir/run" "$dir/log"
done
