# SPDX-License-Identifier: MIT
about="Tunnels come up with identities that certd registered, and a changed one needs no restart"
needs="wireguard nft veth rules"
deadline=240

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

granted()
{
	[ "$(grep -c ': granted' "$LAB_OUT/host1-tunneld.log")" -gt "$1" ]
}

postern_identities=certd
postern_renew_s=6
claims_zone host1 host2
claim_tunnels_up
claim_uplink_only_tunnel
identity_renew host1
before=$(grep -c ': granted' "$LAB_OUT/host1-tunneld.log")
until_ok 60 "exchanges go on with the new certificate" granted $((before + 3))
