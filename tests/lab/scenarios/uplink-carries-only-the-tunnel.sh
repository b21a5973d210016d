# SPDX-License-Identifier: MIT
about="On the uplink only UDP 51820 and TCP 4443 go to configuration servers"
needs="wireguard nft veth rules"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

claims_zone host1
claim_uplink_only_tunnel
