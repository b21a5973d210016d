#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What tests/lab/pki makes is accepted or refused with the right code: pki.sh WHOIS PKI, prints TAP.

set -u
whois=$1 pki=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
number=0 failed=0

result() # OK? NAME
{
	number=$((number + 1))
	if [ "$1" = yes ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=1
	fi
}

same() # NAME GOT WANTED
{
	if [ "$2" = "$3" ]; then
		result yes "$1"
	else
		result no "$1"
		echo "# '$2' instead of '$3'"
	fi
}

# says WANTED host|server [option…]: the answer of WHOIS to a new certificate
says()
{
	local wanted=$1 kind=$2
	shift 2
	"$pki" "$kind" "$dir" it "$@" || echo "# pki failed"
	same "$kind $*" "$("$whois" "$dir/ca.pem" "$kind" "$dir/it.cert.pem")" "$wanted"
	rm -f "$dir"/it.*
}

acme=vespa.tenant.acme.aws-123456789012.tenant-host
aws='athenz.aws.us-east-1 i-0123456789abcdef0'

"$pki" init "$dir" || echo "# pki failed"
says "$acme $aws" host
says "vespa.tenant.evil.gcp-7.web $aws" host --tenant evil --account gcp-7 --service web
says "$acme athenz.aws.us-east-1 i-1" host --instance i-1 --san DNS:i-1.instanceid.athenz.example
says "a.b $aws" host --principal A.b --seconds 60 --san URI:spiffe://a/sa/b
says "vespa.vespa.cfg  " server
says "x.cfg athenz.aws.us-east-1 i-2" server --principal x.cfg --instance i-2
says PST-2101 host --two-cn
says PST-2102 host --principal vespa
says PST-2103 host --role
says PST-2104 host --no-instance
says PST-2104 host --instance i-1,i-2
says PST-2104 host --san URI:athenz://instanceid/athenz.aws.us-east-1/i-1
says PST-2105 host --provider athenz.azure.westeurope
says PST-2106 host --san DNS:i-1.instanceid.athenz.example
says PST-2106 host --san URI:spiffe://a/sa/b
says PST-2107 host --san "URI:x:$(printf '%01023d' 0)"
says PST-2108 host --expired
says PST-2108 host --not-yet
says PST-2108 server --expired
says PST-2109 host --ca other
says PST-2109 server --ca other
says PST-2112 host --san 'DNS:a b'
# The certificate of a host must not pass for a server's.
"$pki" host "$dir" it
same "a host as a server" "$("$whois" "$dir/ca.pem" server "$dir/it.cert.pem")" PST-2109

same "mode of the key" "$(stat -c %a "$dir/it.key.pem")" 600
same "kind of the key" \
	"$(openssl pkey -in "$dir/it.key.pem" -noout -text | grep -c 'NIST CURVE: P-256')" 1
same "key and certificate" "$(openssl pkey -in "$dir/it.key.pem" -pubout)" \
	"$(openssl x509 -in "$dir/it.cert.pem" -noout -pubkey)"
"$pki" host "$dir" it --expired
same "an expired one is signed well" \
	"$(openssl verify -no_check_time -CAfile "$dir/ca.pem" "$dir/it.cert.pem" 2>&1)" \
	"$dir/it.cert.pem: OK"
"$pki" host "$dir" ../it 2>/dev/null
same "a name with a slash" $? 64
"$pki" host "$dir" it --colour blue 2>/dev/null
same "an unknown option" $? 64
same "nothing left behind" "$(ls -A "$dir")" "$(printf '%s\n' ca.key.pem ca.pem it.cert.pem \
	it.key.pem other-ca.key.pem other-ca.pem)"

# Several at once, as the lab does.
pids=()
for i in 1 2 3 4 5 6; do
	"$pki" host "$dir" "h$i" --instance "i-$i" &
	pids+=($!)
done
wait "${pids[@]}"
for i in 1 2 3 4 5 6; do
	same "parallel $i" "$("$whois" "$dir/ca.pem" host "$dir/h$i.cert.pem")" \
		"$acme athenz.aws.us-east-1 i-$i"
done

echo "1..$number"
exit $failed
