# SPDX-License-Identifier: MIT
about="A wrong tenant, an expired, a foreign and a two-CN certificate are each refused with their code"
needs="wireguard nft veth rules"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

claims_zone host1 host2
claim_wrong_tenant_refused
claim_expired_certificate_refused
claim_wrong_ca_refused
claim_two_names_refused
