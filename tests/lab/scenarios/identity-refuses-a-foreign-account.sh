# SPDX-License-Identifier: MIT
about="An instance of another account gets no identity of this one"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

identity_up host1
identity_refused 2008 '[account 999999999999]' "roles = $postern_tenant" '[instance host1]' \
	'account = 999999999999'
