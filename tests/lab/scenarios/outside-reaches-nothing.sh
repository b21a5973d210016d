# SPDX-License-Identifier: MIT
about="A hostile network finds no port of the host, TCP or UDP, IPv4 or IPv6"
needs="wireguard nft veth rules"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

# identities are not the point here, and certificates by openssl are quicker
postern_identities=pki
claims_zone host1
claim_outside_reaches_nothing
