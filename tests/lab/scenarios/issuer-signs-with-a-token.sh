# SPDX-License-Identifier: MIT
about="The CA's key stays in a token, a TPM or behind PKCS#11: it signs, says why it does not, goes away and comes back"
needs="veth"
deadline=120

ns issuer
build_net
rc=0
on issuer env DAEMONS_INSIDE=yes "$LAB_TREE/tests/unit/certs/ztsd/token.sh" "$LAB_BUILD/certs/ztsd/ztsd" "$LAB_BUILD/certs/ztsd/ztsctl" \
	"$LAB_BUILD/tests/unit/issueload" >"$LAB_OUT/token.log" 2>&1 || rc=$?
[ $rc != 77 ] || skip "$(cat "$LAB_OUT/token.log")"
expect_eq "exit status" 0 "$rc"
expect "a token was tried" grep -E '^# (pkcs11|tpm2)' "$LAB_OUT/token.log"
