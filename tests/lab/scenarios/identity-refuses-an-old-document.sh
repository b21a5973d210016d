# SPDX-License-Identifier: MIT
about="An instance that started long ago cannot register; a stop and a start let it"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

identity_up host1
identity_refused 2010 '[instance host1]' 'pending = start-301'
