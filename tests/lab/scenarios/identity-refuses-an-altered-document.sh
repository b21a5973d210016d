# SPDX-License-Identifier: MIT
about="A document changed after it was signed gives no identity"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

identity_up host1
identity_refused 2008 '[instance host1]' 'document = altered'
