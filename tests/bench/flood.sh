# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034
about="While the policy is loaded 100,000 times under a flood, nothing forbidden passes and nothing allowed is lost"
needs="nft veth"
deadline=7200

# shellcheck source=tests/lab/flood.sh
. "$LAB_TREE/tests/lab/flood.sh"

flood_run "${LAB_FLOOD_TIMES:-100000}"
# the goal; what of it a machine reaches is for whoever runs this to judge
say "packets a second: $flood_rate, wanted 500000"
