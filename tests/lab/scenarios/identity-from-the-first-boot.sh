# SPDX-License-Identifier: MIT
about="A host that just booted registers through its closed policy and has its files as SIA lays them out"
needs="nft veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

sia=$LAB_OUT # set below, when the zone is up
mode_of()
{
	stat -c '%a %u:%g' "$sia/$1"
}

identity_up host1
sia=$postern_at/host1/sia
host_policy host1 apply
certd_start host1
certd_wait host1
expect "the pair is good" identity_pair host1
expect_eq "the issuer's record has its serial" "$(certd_serial host1)" "$(zts_field host1 current)"

names=$(openssl x509 -in "$sia/current/cert.pem" -noout -subject -ext subjectAltName -nameopt multiline)
expect "the principal" grep -q "commonName *= $postern_tenant\$" <<<"$names"
expect "the instance id" grep -qF "URI:athenz://instanceid/$postern_provider/$(postern_instance host1)" <<<"$names"
expect "the DNS name" grep -qF "DNS:tenant-host.vespa-tenant-acme-aws-123456789012.$postern_suffix" <<<"$names"

expect_eq "mode and owner of the key" "440 $postern_uid_certd:$postern_uid_host" "$(mode_of current/key.pem)"
expect_eq "mode and owner of the certificate" "444 $postern_uid_certd:$postern_uid_host" \
	"$(mode_of current/cert.pem)"
for name in "keys/$postern_tenant.key.pem" "certs/$postern_tenant.cert.pem" certs/ca.cert.pem; do
	expect "$name is there" test -s "$sia/$name"
done
expect_eq "SIA's key is the same" "$(readlink -f "$sia/current/key.pem")" \
	"$(readlink -f "$sia/keys/$postern_tenant.key.pem")"
expect "tunneld may read the key" setpriv --reuid "$postern_uid_host" --regid "$postern_uid_host" \
	--clear-groups cat "$sia/current/key.pem"
refute "others may" setpriv --reuid 65534 --regid 65534 --clear-groups cat "$sia/current/key.pem"

# Started again, with nothing due: the pair is checked and stays.
serial=$(certd_serial host1)
spawn_kill host1 certd
certd_start host1
certd_wait host1
expect_eq "the serial after a restart" "$serial" "$(certd_serial host1)"
refute "the host reaches metadata as another user" on host1 setpriv --reuid 12345 --clear-groups \
	curl -sg -m 2 'http://[fd00:ec2::254]/'
