#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cloud.sh LAB-CLOUD PKI: the rules of instance metadata, what its documents are worth to openssl, STS as
# curl signs for it, and each fault. Prints TAP.

set -u
cloud=$1 pki=$2
dir=$(mktemp -d)
pid=
# shellcheck disable=SC2317
finish()
{
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
export no_proxy='*' NO_PROXY='*' # of curl
number=0 failed=0

same() # NAME GOT WANTED
{
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "'$2' instead of '$3'" | sed 's/^/# /'
		failed=1
	fi
}

# has NAME TEXT PATTERN
has()
{
	number=$((number + 1))
	if grep -qE -e "$3" <<<"$2"; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "no '$3' in '$2'" | sed 's/^/# /'
		failed=1
	fi
}

end()
{
	echo "1..$number"
	exit $failed
}

# fault LINES…: what the configuration says beside the file, from now on.
fault()
{
	printf '%s\n' "$@" >"$dir/new"
	mv "$dir/new" "$dir/cloud.conf.d/fault.conf"
}

acme=vespa.tenant.acme.aws-123456789012.tenant-host
"$cloud" init "$dir/keys" >"$dir/init.txt" || exit 1
"$pki" init "$dir/pki" && "$pki" server "$dir/pki" sts.us-east-1.api.aws || exit 1
mkdir "$dir/cloud.conf.d"
cat >"$dir/cloud.conf" <<-E
	[cloud]
	keys = $dir/keys
	imds = 127.0.0.1:0 [::1]:0
	sts = [::1]:0
	sts_cert = $dir/pki/sts.us-east-1.api.aws.cert.pem
	sts_key = $dir/pki/sts.us-east-1.api.aws.key.pem
	[account 123456789012]
	roles = $acme lonely
	[account 999999999999]
	roles = $acme
	[instance host1]
	from = 127.0.0.1 ::1
	tags = athenz-domain=a.b empty=
	[instance host2]
	from = 127.0.0.2
	id = i-0222222222222222a
	profile = none
E
"$cloud" --config "$dir/cloud.conf" >"$dir/log" 2>&1 &
pid=$!
for _ in {1..2000}; do
	grep -q ready "$dir/log" && break
	kill -0 "$pid" 2>/dev/null || break
	read -rt 0.05 <> <(:)
done
mapfile -t ports < <(sed -n 's/.*listens at port //p' "$dir/log")
same "three listeners" "${#ports[@]}" 3
[ "${#ports[@]}" = 3 ] || { sed 's/^/# /' "$dir/log"; end; }
v4=http://127.0.0.1:${ports[0]} v6="http://[::1]:${ports[1]}"
sts=https://sts.us-east-1.api.aws:${ports[2]}/

# ---- it says what it is ---------------------------------------------------------------------------

has "the first line of its output" "$(head -n 1 "$dir/log")" 'NOT A CLOUD'
has "its help" "$("$cloud" --help)" 'not a cloud'
has "its headers" "$(curl -sig "$v4/")" '^Server: .*not a cloud'
has "its certificates" "$(openssl x509 -in "$dir/keys/aws-dsa.pem" -noout -subject)" 'test lab, not AWS'
"$cloud" --config "$dir/nothing" >"$dir/out" 2>&1
same "exit status without a configuration" $? 1
"$cloud" >"$dir/out" 2>&1
same "exit status without words" $? 64

# ---- rules of metadata ----------------------------------------------------------------------------

# status [option…] URL
status()
{
	curl -sgo "$dir/body" -m 60 -w '%{http_code}' "$@"
}

# token URL SECONDS [option…]
token()
{
	curl -sg -m 60 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: $2" "$1/latest/api/token" "${@:3}"
}

put=(-X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')
with='X-aws-ec2-metadata-token:'
id=/latest/meta-data/instance-id
same "a token for a minute" "$(status "${put[@]}" "$v4/latest/api/token")" 200
for ttl in 1 21600; do
	same "a token for $ttl s" "$(status -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: $ttl" \
		"$v4/latest/api/token")" 200
done
for ttl in 0 21601 -1 x ''; do
	same "a token for '$ttl' s" "$(status -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: $ttl" \
		"$v4/latest/api/token")" 400
done
same "a token by way of a proxy" \
	"$(status "${put[@]}" -H 'X-Forwarded-For: 10.0.0.1' "$v4/latest/api/token")" 403
same "PUT elsewhere" "$(status "${put[@]}" "$v4$id")" 405
same "POST" "$(status -X POST "$v4$id")" 405
same "version 1: no token" "$(status "$v4$id")" 401
same "a made-up token" "$(status -H "$with 99999999999-00" "$v4$id")" 401
t=$(token "$v4" 21600)
same "a good token" "$(status -H "$with $t" "$v4$id")" 200
same "a good token over IPv6" "$(status -H "$with $t" "$v6$id")" 200
same "another instance's token" "$(status --interface 127.0.0.2 -H "$with $t" "$v4$id")" 401
same "a token whose time was changed" "$(status -H "$with 9$t" "$v4$id")" 401
same "an address that is no instance" \
	"$(status --interface 127.0.0.3 "${put[@]}" "$v4/latest/api/token")" 404

# get PATH [option…]: prints it, with a fresh token.
get()
{
	curl -sg -m 60 -H "$with $(token "$v4" 60 "${@:2}")" "${@:2}" "$v4$1"
}

same "an unknown path" "$(status -H "$with $t" "$v4/latest/nothing")" 404
same "the instance id" "$(get $id)" i-0123456789abcdef0
same "another instance's id" "$(get $id --interface 127.0.0.2)" i-0222222222222222a
same "the role" "$(get /latest/meta-data/iam/security-credentials/)" "$acme-service"
has "the profile" "$(get /latest/meta-data/iam/info)" \
	"\"InstanceProfileArn\" : \"arn:aws:iam::123456789012:instance-profile/$acme-service\""
has "no profile" "$(get /latest/meta-data/iam/info --interface 127.0.0.2)" 404
same "a tag" "$(get /latest/meta-data/tags/instance/athenz-domain)" a.b
has "no such tag" "$(get /latest/meta-data/tags/instance/athenz)" 404

short=$(token "$v4" 1)
for _ in {1..100}; do
	last=$(status -H "$with $short" "$v4$id")
	[ "$last" = 200 ] || break
	read -rt 0.05 <> <(:)
done
same "a token that is over" "$last" 401

# ---- documents ------------------------------------------------------------------------------------

identity=/latest/dynamic/instance-identity

# verify WHAT CERTIFICATE: whether openssl takes the signature for the document's.
verify()
{
	get $identity/document >"$dir/document"
	get "$identity/$1" >"$dir/signature"
	{
		echo '-----BEGIN CMS-----'
		cat "$dir/signature"
		printf '\n-----END CMS-----\n'
	} >"$dir/cms.pem"
	sed 's/CMS/PKCS7/' "$dir/cms.pem" >"$dir/p7.pem"
	if openssl cms -verify -inform PEM -in "$dir/cms.pem" -binary -content "$dir/document" -nointern \
		-certfile "$dir/keys/$2" -noverify -out "$dir/verified" 2>"$dir/why" &&
		cmp -s "$dir/document" "$dir/verified"; then
		echo yes
	else
		echo no
	fi
}

same "pkcs7 by the other certificate" "$(verify pkcs7 aws-rsa2048.pem)" no
same "rsa2048 by the RSA certificate" "$(verify rsa2048 aws-rsa2048.pem)" yes
has "its digest" "$(openssl asn1parse -inform PEM -in "$dir/p7.pem")" ':sha256'
same "pkcs7 by the DSA certificate" "$(verify pkcs7 aws-dsa.pem)" yes
has "its digest" "$(openssl asn1parse -inform PEM -in "$dir/p7.pem")" ':sha1'
openssl smime -verify -inform PEM -in "$dir/p7.pem" -binary -nointern -certfile "$dir/keys/aws-dsa.pem" \
	-noverify -out "$dir/attached" 2>"$dir/why"
same "smime takes it, too" $? 0
same "the content inside" "$(cat "$dir/attached")" "$(cat "$dir/document")"
has "indefinite lengths, as AWS has" "$(head -c 3 "$dir/signature")" 'MIA'
same "the longest line" "$(awk '{ if (length > n) n = length } END { print n }' "$dir/signature")" 64
has "the account" "$(cat "$dir/document")" '"accountId" : "123456789012"'
fault '[instance host1]' 'document = altered'
same "an altered document, DSA" "$(verify pkcs7 aws-dsa.pem)" no
same "an altered document, RSA" "$(verify rsa2048 aws-rsa2048.pem)" no
fault '[instance host1]' 'document = forged'
same "a forged signature, DSA" "$(verify pkcs7 aws-dsa.pem)" no
has "for its value, not for an unknown signer" "$(cat "$dir/why")" 'verification failure'
same "a forged signature, RSA" "$(verify rsa2048 aws-rsa2048.pem)" no
fault '[instance host1]' 'pending = 1234567890' 'account = 999999999999' 'region = eu-west-1'
same "an old document is signed well" "$(verify pkcs7 aws-dsa.pem)" yes
has "its time" "$(cat "$dir/document")" '"pendingTime" : "2009-02-13T23:31:30Z"'
has "a foreign account" "$(cat "$dir/document")" '"accountId" : "999999999999"'
has "another region" "$(cat "$dir/document")" '"region" : "eu-west-1"'

pending()
{
	date -d "$(get $identity/document | sed -n 's/.*pendingTime" : "\(.*\)".*/\1/p')" +%s
}

fault '# none'
before=$(pending)
fault '[instance host1]' 'pending = start-400'
same "a document of 400 s before the start" $((before - $(pending))) 400

# ---- STS ------------------------------------------------------------------------------------------

member() # NAME: of the JSON on standard input
{
	sed -n "s/.*\"$1\" : \"\([^\"]*\)\".*/\1/p"
}

element() # NAME: of the XML on standard input
{
	sed -n "s/.*<$1>\([^<]*\)<.*/\1/p"
}

# Takes the credentials that the instance's role has now.
take_role()
{
	local json
	json=$(get "/latest/meta-data/iam/security-credentials/$acme-service")
	access=$(member AccessKeyId <<<"$json")
	secret=$(member SecretAccessKey <<<"$json")
	session=$(member Token <<<"$json")
}

# ask FORM [option…]: what STS says; curl signs for $scope.
scope=us-east-1:sts
ask()
{
	curl -sg -m 60 --cacert "$dir/pki/ca.pem" --connect-to '::[::1]:' --aws-sigv4 "aws:amz:$scope" \
		--user "$access:$secret" -H "X-Amz-Security-Token: $session" -d "$1" "${@:2}" "$sts"
}

form() # ACTION [MEMBER…]
{
	local IFS='&'
	set -- "Action=$1" Version=2011-06-15 "${@:2}"
	echo "$*"
}

assume() # ROLE [ACCOUNT]
{
	form AssumeRole "RoleArn=arn:aws:iam::${2:-123456789012}:role/$1" RoleSessionName=test
}

refused() # NAME CODE FORM [option…]
{
	same "$1" "$(ask "${@:3}" | element Code)" "$2"
}

fault '# none'
take_role
who=$(form GetCallerIdentity)
has "who the instance is" "$(ask "$who" | element Arn)" \
	"^arn:aws:sts::123456789012:assumed-role/$acme-service/i-0123456789abcdef0$"
has "a path before the role's name" "$(ask "$(assume "path/to/$acme")")" "assumed-role/$acme/test"
assumed=$(ask "$(assume "$acme")")
has "the role of the same name is assumed" "$assumed" "assumed-role/$acme/test"
refused "a role that trusts nobody" AccessDenied "$(assume lonely)"
refused "a role that does not exist" AccessDenied "$(assume nothing)"
refused "a role of another account" AccessDenied "$(assume "$acme" 999999999999)"
refused "no role" ValidationError "$(form AssumeRole)"
refused "an unknown action" InvalidAction "$(form DeleteEverything)"
refused "another version" NoSuchVersion 'Action=GetCallerIdentity&Version=1'
refused "GET" InvalidAction "" -X GET
refused "an old signature" SignatureDoesNotMatch "$who" -H 'X-Amz-Date: 20200101T000000Z'
has "in words about the time" "$(ask "$who" -H 'X-Amz-Date: 20200101T000000Z')" 'Signature expired'
has "one of the future, too" "$(ask "$who" -H 'X-Amz-Date: 20990101T000000Z')" 'Signature not yet current'
for scope in eu-west-1:sts us-east:sts us-east-1:iam; do
	refused "a signature for $scope" SignatureDoesNotMatch "$who"
	has "$scope: in words about it" "$(ask "$who")" 'Credential should be scoped to'
done
scope=us-east-1:sts
for seconds in 899 3601; do
	refused "a role for $seconds s" ValidationError "$(assume "$acme")&DurationSeconds=$seconds"
done
for seconds in 900 3600; do
	has "a role for $seconds s" "$(ask "$(assume "$acme")&DurationSeconds=$seconds")" "assumed-role/$acme/test"
done
right=$secret secret=wrong
refused "a wrong secret" SignatureDoesNotMatch "$who"
secret=$right right=$session session=${session/tenant-host/tenant-boss}
refused "a session of somebody else" InvalidClientTokenId "$who"
session=$right
same "no signature" "$(curl -sg -m 60 --cacert "$dir/pki/ca.pem" --connect-to '::[::1]:' -d "$who" "$sts" |
	element Code)" MissingAuthenticationToken

# What was signed is what must arrive: the same headers with another body.
ask "$who" -v -o "$dir/out" 2>"$dir/trace"
signed=()
while read -r line; do
	signed+=(-H "${line%$'\r'}")
done < <(sed -n 's/^> \(Authorization\|X-Amz-[A-Za-z-]*\|[Xx]-[Aa]mz-[Dd]ate\): /\1: /p' "$dir/trace")
replay()
{
	curl -sg -m 60 --cacert "$dir/pki/ca.pem" --connect-to '::[::1]:' "${signed[@]}" -d "$1" "$sts"
}
has "the same headers with the same body" "$(replay "$who")" "assumed-role/$acme-service"
same "the same headers with another body" "$(replay "$who&a=b" | element Code)" SignatureDoesNotMatch

access=$(element AccessKeyId <<<"$assumed")
secret=$(element SecretAccessKey <<<"$assumed")
session=$(element SessionToken <<<"$assumed")
has "who the role is" "$(ask "$who" | element Arn)" \
	"^arn:aws:sts::123456789012:assumed-role/$acme/test$"

unbase64()
{
	local text
	text=$(tr -- '-_' '+/' <<<"$1")
	while [ $((${#text} % 4)) != 0 ]; do
		text+='='
	done
	base64 -d <<<"$text"
}

# take_token ALGORITHM: its three parts into head, claims and sig.
take_token()
{
	local text
	text=$(ask "$(form GetWebIdentityToken Audience.member.1=https://zts.example "SigningAlgorithm=$1")" |
		element WebIdentityToken)
	IFS=. read -r head claims sig <<<"$text"
	printf '%s' "$head.$claims" >"$dir/signed"
}

take_token ES384
has "the head of a token" "$(unbase64 "$head")" '"alg":"ES384","kid":"lab-ES384"'
has "its claims" "$(unbase64 "$claims")" \
	"\"aud\":\"https://zts.example\",\"sub\":\"arn:aws:iam::123456789012:role/$acme\""
hex=$(unbase64 "$sig" | od -An -tx1 -v | tr -d ' \n')
same "its signature is r and s side by side" "${#hex}" 192
printf 'asn1=SEQUENCE:rs\n[rs]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n' "${hex:0:96}" "${hex:96}" >"$dir/rs"
openssl asn1parse -genconf "$dir/rs" -noout -out "$dir/sig"
openssl pkey -in "$dir/keys/jwt-es384.key.pem" -pubout -out "$dir/public"
same "it is good" "$(openssl dgst -sha384 -verify "$dir/public" -signature "$dir/sig" "$dir/signed")" 'Verified OK'
x=$(openssl pkey -pubin -in "$dir/public" -outform DER | tail -c 96 | head -c 48 | base64 -w 0 |
	tr '+/' '-_' | tr -d =)
has "jwks.json has that key" "$(cat "$dir/keys/jwks.json")" "\"crv\":\"P-384\".*\"x\":\"$x\""
take_token RS256
unbase64 "$sig" >"$dir/sig"
openssl x509 -in "$dir/keys/aws-rsa2048.pem" -pubkey -noout >"$dir/public"
same "one by RSA is good" "$(openssl dgst -sha256 -verify "$dir/public" -signature "$dir/sig" "$dir/signed")" 'Verified OK'
web=(GetWebIdentityToken Audience.member.1=x)
refused "a token by another algorithm" ValidationError "$(form "${web[@]}" SigningAlgorithm=none)"
for seconds in 59 3601; do
	refused "a token for $seconds s" ValidationError \
		"$(form "${web[@]}" SigningAlgorithm=ES384 DurationSeconds=$seconds)"
done
refused "a token for nobody" ValidationError "$(form GetWebIdentityToken SigningAlgorithm=ES384)"
fault '[instance host1]' 'credentials_s = 0'
take_role
refused "credentials that are over" ExpiredToken "$who"

# ---- faults ---------------------------------------------------------------------------------------

api=$v4/latest/api/token
fault '[instance host1]' 'fault = slow' 'fault_ms = 300'
has "slow" "$(curl -sgo "$dir/body" "${put[@]}" -w '%{http_code} %{time_total}' "$api")" '^200 (0\.[2-9]|[1-9])'
fault '[instance host1]' 'fault = hang'
same "hang" "$(status -m 0.5 "$v4/")" 000
same "only that instance" "$(status --interface 127.0.0.2 "${put[@]}" "$api")" 200
fault '[instance host1]' 'fault = 503'
same "503" "$(status "${put[@]}" "$api")" 503
fault '[instance host1]' 'fault = token-403'
same "no token" "$(status "${put[@]}" "$api")" 403
same "an older token still holds" "$(status -H "$with $t" "$v4$id")" 200
fault '[instance host1]' 'fault = token-hangs'
same "the token never comes" "$(status -m 0.5 "${put[@]}" "$api")" 000
same "the rest answers" "$(status -H "$with $t" "$v4$id")" 200
fault '[instance host1]' 'fault = token-hop'
same "a hop limit of 1 reaches the next hop" "$(status "${put[@]}" "$api")" 200
fault '[instance host1]' 'fault = garbage'
same "garbage" "$(status "${put[@]}" "$api") $(wc -c <"$dir/body")" "200 40"
fault '[instance host1]' 'fault = oversize'
same "oversize" "$(status "${put[@]}" "$api") $(wc -c <"$dir/body")" "200 4194304"
fault '[instance host1]' 'fault = redirect'
has "redirect" "$(curl -sig -m 60 "${put[@]}" "$api")" '^Location: http://203.0.113.2/'
fault '# none'
take_role
fault '[cloud]' 'sts_fault = denied'
refused "STS: denied" AccessDenied "$who"
fault '[cloud]' 'sts_fault = expired'
refused "STS: expired" ExpiredToken "$who"
fault '[cloud]' 'sts_fault = 503' 'sts_fault_action = GetCallerIdentity'
same "STS: 503" "$(ask "$who" -o "$dir/body" -w '%{http_code}')" 503
has "STS: for that action only" "$(ask "$(assume "$acme")")" "assumed-role/$acme/test"
fault '[cloud]' 'sts_fault = hang'
same "STS: hang" "$(ask "$who" -m 0.5 -o "$dir/body" -w '%{http_code}')" 000
fault '[cloud]' 'sts_fault = nonsense'
same "a wrong configuration changes nothing" "$(ask "$who" -m 0.5 -o "$dir/body" -w '%{http_code}')" 000
has "and is told" "$(cat "$dir/log")" 'stays as it was: .*sts_fault: .nonsense. is not allowed'
fault '# none'
has "all is well again" "$(ask "$who" | element Arn)" "$acme-service"

kill -TERM "$pid"
wait "$pid"
status=$?
same "exit status" $status 0
[ $status = 0 ] || tail -n 60 "$dir/log" | sed 's/^/# /'
pid=
end
