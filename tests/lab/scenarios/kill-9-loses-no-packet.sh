# SPDX-License-Identifier: MIT
about="gatewayd and tunneld killed with -9 lose no packet"
needs="wireguard nft veth rules"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

claims_zone host1
claim_kill_loses_nothing
