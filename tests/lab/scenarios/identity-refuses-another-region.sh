# SPDX-License-Identifier: MIT
about="A document of another region than the provider's gives no identity"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

identity_up host1
# The host is told its provider, or it would ask one of that other region, which may launch nothing.
sed -i "s,^provider_prefix.*,provider = $postern_provider," "$postern_at/host1/postern.conf"
identity_refused 2008 '[instance host1]' "region = $postern_region2"
