# SPDX-License-Identifier: MIT
about="An issuer that is down for half a certificate's life costs nothing: the host renews in time"
needs="veth"
deadline=150

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

postern_lifetime_s=40
identity_up host1
identity_boot host1
serial=$(certd_serial host1)
identity_watch host1
# Ten seconds of life are over, thirty are left: before a renewal can be due.
until_ok 20 "a quarter of the life is over" bash -c "! openssl x509 -noout -checkend 30 \
	-in '$postern_at/host1/sia/current/cert.pem'"
expect_eq "it was not renewed yet" "$serial" "$(certd_serial host1)"
spawn_kill zts ztsd
until_ok 40 "three quarters are over" bash -c "! openssl x509 -noout -checkend 10 \
	-in '$postern_at/host1/sia/current/cert.pem'"
expect "certd says that the issuer is away" certd_said host1 2006
expect_eq "the pair in use is still the old one" "$serial" "$(certd_serial host1)"
expect "and certd is ready with it" certd_is_ready host1
zts_start
zts_wait
until_ok 60 "the certificate is renewed" identity_changed host1 "$serial"
identity_watched
