# SPDX-License-Identifier: MIT
about="While the policy is loaded 2,000 times under a flood, nothing forbidden passes and nothing allowed is lost"
needs="nft veth"
deadline=180

# A hundred thousand times is tests/bench/flood.
# shellcheck source=tests/lab/flood.sh
. "$LAB_TREE/tests/lab/flood.sh"

flood_run 2000
