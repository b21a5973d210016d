# SPDX-License-Identifier: MIT
about="A certificate that has expired while the host was off is not used; in its boot window the host registers, after it says what to do"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

has_expired()
{
	! identity_life host1 0
}

postern_lifetime_s=8
identity_up host1
identity_boot host1
spawn_kill host1 certd
serial=$(certd_serial host1) # no renewal comes any more
until_ok 60 "the certificate has expired" has_expired
# Expired already when noticed: a longer life from here on.
sed -i 's/^default_lifetime_s.*/default_lifetime_s = 3600/' "$postern_at/zts/ztsd.conf"
spawn_kill zts ztsd
zts_start
zts_wait

cloud_set '[instance host1]' 'pending = start-400'
certd_start host1
until_ok 30 "outside of its boot window: certd says what to do" certd_said host1 2010
refute "certd is ready" certd_is_ready host1
expect_eq "the certificate is what it was" "$serial" "$(certd_serial host1)"
cloud_set '# stopped and started'
certd_urge host1
certd_wait host1
expect "the pair is good" identity_pair host1
expect "it is another one" identity_changed host1 "$serial"
