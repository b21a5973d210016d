# SPDX-License-Identifier: MIT
about="A copied disk gives no identity: the copy registers as the instance it is, and the original keeps its own"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

identity_up host1 host2
identity_boot host1
serial=$(certd_serial host1)
for part in sia certd; do
	cp -a "$postern_at/host1/$part" "$postern_at/host2/$part"
done
expect_eq "the copy has the original's certificate" "$serial" "$(certd_serial host2)"
identity_new_boot host2
until_ok 30 "certd notices whose it is" certd_said host2 2014
until_ok 30 "it has another certificate" identity_changed host2 "$serial"
certd_wait host2
expect "with its own instance id" grep -qF "$(postern_instance host2)" \
	<<<"$(openssl x509 -in "$postern_at/host2/sia/current/cert.pem" -noout -ext subjectAltName)"
expect_eq "the original's record is untouched" "$serial" "$(zts_field host1 current)"
identity_renew host1
refute "anything was revoked" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
