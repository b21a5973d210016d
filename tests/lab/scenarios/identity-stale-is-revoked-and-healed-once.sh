# SPDX-License-Identifier: MIT
about="An old certificate used again revokes the instance; the host registers afresh once, and never in a loop"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# Puts the first pair back, as a restored backup would, and has it used.
use_old()
{
	spawn_kill host1 certd
	rm -rf "$postern_at/host1/sia"
	cp -a "$postern_at/old-sia" "$postern_at/host1/sia"
	certd_start host1
	certd_wait host1
	certd_urge host1
}

revoked_often()
{
	[ "$(grep -c 'PST-5005' "$LAB_OUT/zts-ztsd.log")" -ge "$1" ]
}

postern_retry_max_s=600
identity_up host1
identity_boot host1
cp -a "$postern_at/host1/sia" "$postern_at/old-sia"
first=$(certd_serial host1)
identity_renew host1
identity_renew host1
use_old
until_ok 30 "the issuer revoked the instance" revoked_often 1
expect "certd says so" certd_said host1 2009
until_ok 30 "the host registered afresh" identity_changed host1 "$first"
certd_wait host1
expect_eq "the issuer's record has the new serial" "$(certd_serial host1)" "$(zts_field host1 current)"
expect "the pair is good" identity_pair host1
expect_eq "revocations" 1 "$(grep -c 'PST-5005' "$LAB_OUT/zts-ztsd.log")"

# The same again, before a renewal has shown that the first time was an accident: no second healing.
use_old
until_ok 30 "the instance is revoked again" revoked_often 2
until_ok 10 "certd waits long, and calls for help" grep -qE 'PST-2009.*somebody must act; register in [0-9]+ min' \
	"$LAB_OUT/host1-certd.log"
expect_eq "the host did not register again" "$first" "$(certd_serial host1)"
expect_eq "the record stays revoked" -1 "$(zts_field host1 current)"

# Nor after a restart.
spawn_kill host1 certd
certd_start host1
certd_wait host1
expect_eq "after a restart neither" "$first" "$(certd_serial host1)"
expect_eq "revocations" 2 "$(grep -c 'PST-5005' "$LAB_OUT/zts-ztsd.log")"

# Until people forgive it, and say so on the host: then it goes on with the certificate that it has.
certd_urge host1
until_ok 30 "it is refused again" revoked_often 3
zts_ctl reset "$(zts_field host1 instance_id)" >/dev/null
certd_urge host1
until_ok 30 "the host has a new certificate" identity_changed host1 "$first"
expect "by a refresh" grep -q "refreshed.*serial $(certd_serial host1)" "$LAB_OUT/zts-ztsd.log"
