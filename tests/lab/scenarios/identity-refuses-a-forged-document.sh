# SPDX-License-Identifier: MIT
about="A document signed by somebody else who claims to be the cloud gives no identity"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

identity_up host1
identity_refused 2008 '[instance host1]' 'document = forged'
