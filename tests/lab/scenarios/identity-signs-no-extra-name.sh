# SPDX-License-Identifier: MIT
about="A request with one name more than it may have is refused whole, whatever the name"
needs="veth"
deadline=180

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# An independent client: curl and openssl from host1, with true evidence of that instance.
imds()
{
	on host1 curl -sgf -m 5 -H "X-aws-ec2-metadata-token: $token" "http://[fd00:ec2::254]/latest/$1"
}

json_member()
{
	sed -n "s/.*\"$1\" : \"\([^\"]*\)\".*/\1/p"
}

xml_member()
{
	sed -n "s/.*<$1>\([^<]*\)<.*/\1/p"
}

# Fills $LAB_OUT/evidence.
take_evidence()
{
	local json xml
	token=$(on host1 curl -sgf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' \
		'http://[fd00:ec2::254]/latest/api/token')
	imds dynamic/instance-identity/document >"$LAB_OUT/document"
	imds dynamic/instance-identity/pkcs7 >"$LAB_OUT/signature"
	json=$(imds "meta-data/iam/security-credentials/$postern_tenant-service")
	xml=$(on host1 curl -sg -m 10 --cacert "$postern_at/pki/ca.pem" \
		--connect-to '::[2001:db8:6::2]:' --aws-sigv4 "aws:amz:$postern_region:sts" \
		--user "$(json_member AccessKeyId <<<"$json"):$(json_member SecretAccessKey <<<"$json")" \
		-H "X-Amz-Security-Token: $(json_member Token <<<"$json")" \
		-d "Action=AssumeRole&Version=2011-06-15&RoleSessionName=by-hand&RoleArn=arn:aws:iam::$postern_account:role/$postern_tenant" \
		"https://sts.$postern_region.api.aws/")
	python3 - "$LAB_OUT" "$postern_tenant" "$(xml_member AccessKeyId <<<"$xml")" \
		"$(xml_member SecretAccessKey <<<"$xml")" "$(xml_member SessionToken <<<"$xml")" <<-'E'
	import json, sys
	at, role, access, secret, token = sys.argv[1:]
	read = lambda name: open(f"{at}/{name}", newline="").read()
	json.dump({"role": role, "commonName": role, "document": read("document"), "signature": read("signature"),
	           "access": access, "secret": secret, "token": token}, open(f"{at}/evidence", "w"))
	E
}

# ask NAME…: registers with the right names and those; prints the status, the answer is in $LAB_OUT/answer.
ask()
{
	local names="DNS:$dns,URI:athenz://instanceid/$postern_provider/$instance" name
	for name; do
		names+=,$name
	done
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$LAB_OUT/key" \
		-out "$LAB_OUT/csr" -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') \
		-subj "/OU=$postern_provider/CN=$postern_tenant" -addext "subjectAltName=$names" 2>/dev/null
	python3 - "$LAB_OUT" "$postern_provider" "${postern_tenant%.*}" "${postern_tenant##*.}" <<-'E'
	import json, sys
	at, provider, domain, service = sys.argv[1:]
	json.dump({"provider": provider, "domain": domain, "service": service,
	           "attestationData": open(f"{at}/evidence").read(), "csr": open(f"{at}/csr").read()},
	          open(f"{at}/body", "w"))
	E
	on host1 curl -sg -m 20 --cacert "$postern_at/pki/ca.pem" --connect-to '::[2001:db8:5::2]:' \
		-H 'Content-Type: application/json' -d "@$LAB_OUT/body" -o "$LAB_OUT/answer" \
		-w '%{http_code}' https://zts.example:4443/zts/v1/instance
}

# refused NAME: no certificate with that name, nor any other, comes back. 400 by the rules for requests, 403
# by the provider, whose affair names below its suffixes and addresses are.
refused()
{
	local status
	status=$(ask "$1")
	expect "status $status with $1" grep -qE '^40[03]$' <<<"$status"
	say "$(cat "$LAB_OUT/answer")"
	refute "there is a certificate in the answer" grep -q 'BEGIN CERTIFICATE' "$LAB_OUT/answer"
	expect "the answer says why" grep -q '"message"' "$LAB_OUT/answer"
}

domain=${postern_tenant%.*}
dns=${postern_tenant##*.}.${domain//./-}.$postern_suffix
instance=$(postern_instance host1)
identity_up host1
take_evidence
refused DNS:evil.example
refused "DNS:vespa.vespa.$postern_suffix"
refused "DNS:$dns.evil.example"
refused "DNS:*.$postern_suffix"
refused URI:spiffe://vespa.vespa/sa/cfg
refused URI:athenz://principal/vespa.vespa.cfg
refused URI:athenz://role/admin
refused URI:https://evil.example/
refused IP:2001:db8:bad::2
refused IP:203.0.113.2
refused email:root@evil.example
refused "URI:athenz://instanceid/$postern_provider/i-0ffffffffffffffff"
expect_eq "what came of it in the issuer's records" "" "$(zts_record host1 || :)"
# The request was right but for those names.
expect_eq "status with none of them" 201 "$(ask)"
expect "a certificate comes" grep -q 'BEGIN CERTIFICATE' "$LAB_OUT/answer"
