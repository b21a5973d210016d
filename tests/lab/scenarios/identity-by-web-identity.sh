# SPDX-License-Identifier: MIT
about="A host registers and renews by a web-identity token, with every name that can be asked for in its certificate"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

trust_domain=postern.example
audience=https://zts.example:4443/zts/v1

# Tokens count, credentials do not: the issuer asks no STS. It believes RSA signatures only.
web_issuer()
{
	sed -i '/^sts_/d; s/aws-dsa/aws-rsa2048/' "$postern_at/zts/ztsd.conf"
	mkdir -p "$postern_at/zts/ztsd.conf.d"
	cat >"$postern_at/zts/ztsd.conf.d/web.conf" <<-E
	[ztsd]
	spiffe_trust_domain = $trust_domain
	[provider $postern_provider]
	jwt_issuer = https://lab-cloud.tokens.sts.global.api.aws
	jwt_keys = $postern_at/cloud/keys/jwks.json
	jwt_audience = $audience
	jwt_orgs = o-labcloud
	E
}

# web_host LINE…: the names that can be asked for, and these lines in section [aws].
web_host()
{
	mkdir -p "$postern_at/host1/postern.conf.d"
	printf '%s\n' '[csr]' 'private_ip = yes' 'instance_dns = yes' 'wildcard_dns = yes' \
		"spiffe_trust_domain = $trust_domain" 'spiffe_namespace = hosts' \
		'[aws]' 'document_signature = rsa2048' "$@" >"$postern_at/host1/postern.conf.d/web.conf"
}

# web_names: every name, and no other, is in the certificate that is in use.
web_names()
{
	local wanted got
	wanted=$(sort <<-E
	DNS:tenant-host.vespa-tenant-acme-aws-123456789012.$postern_suffix
	DNS:*.tenant-host.vespa-tenant-acme-aws-123456789012.$postern_suffix
	DNS:$(postern_instance host1).instanceid.athenz.$postern_suffix
	URI:spiffe://$trust_domain/ns/hosts/sa/$postern_tenant
	URI:athenz://instanceid/$postern_provider/$(postern_instance host1)
	IP Address:10.1.1.2
	E
	)
	got=$(openssl x509 -in "$postern_at/host1/sia/current/cert.pem" -noout -ext subjectAltName |
		sed '1d;s/^ *//;s/, /\n/g' | sort)
	expect_eq "the names in the certificate" "$wanted" "$got"
}

zone_up
identity_prepare host1
web_issuer
identity_start
web_host 'credentials = web-identity'
certd_start host1
certd_wait host1
expect "the pair is good" identity_pair host1
web_names
identity_renew host1
web_names

# without WHY CODE LINES…: with these lines in section [aws] there is no identity.
without()
{
	spawn_kill host1 certd
	rm -rf "$postern_at/host1/sia" "$postern_at/host1/certd" "$LAB_OUT/host1-certd.log"
	web_host "${@:3}"
	certd_start host1
	until_ok 60 "$1: PST-$2" certd_said host1 "$2"
	refute "there is a pair" test -e "$postern_at/host1/sia/current"
}

without "a token for somebody else" 2008 'credentials = web-identity' 'audience = https://other.example/zts/v1'
without "credentials, which this issuer does not take" 2008 'credentials = assume-role'
cloud_set '[cloud]' 'sts_fault = denied' 'sts_fault_action = GetWebIdentityToken'
without "no token from STS" 2005 'credentials = web-identity'
