# SPDX-License-Identifier: MIT
about="A document of another region than the provider's gives no identity"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# The host believes its metadata, so it asks a provider of that region, which may launch nothing.
identity_up host1
cloud_set '[instance host1]' 'region = eu-west-1'
certd_start host1
until_ok 60 "host1 is refused" certd_said host1 '20(05|07|08)'
refute "there is a pair" test -e "$postern_at/host1/sia/current"
refute "the issuer has a record of it" zts_record host1
cloud_set '# as it should be'
spawn_kill host1 certd
certd_start host1
certd_wait host1
