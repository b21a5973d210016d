# SPDX-License-Identifier: MIT
about="A hundred renewals of 60 s certificates fail no exchange that goes on meanwhile"
needs="wireguard nft veth rules"
deadline=900

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

rotations=${LAB_ROTATIONS:-100}

# Every refusal that a configuration server counted.
refused()
{
	awk '/^postern_gateway_events_total\{code="PST-/ { n += $NF } END { print n + 0 }' \
		"$postern_at"/cfg?/run/gatewayd.prom
}

granted()
{
	grep -c ': granted' "$LAB_OUT/host1-tunneld.log"
}

# Certificates of 60 s. A renewal would be due each 30 to 40 s; certd is urged instead as soon as the
# last one is done, so that a hundred take minutes and not an hour.
postern_identities=certd
postern_lifetime_s=60
postern_renew_s=5
# what judges the pair costs as much as a renewal does under emulation
identity_watch_s=1
claims_zone host1
before=$(granted)
refused_before=$(refused)
identity_watch host1
for ((i = 1; i <= rotations; i++)); do
	identity_renew host1
done
identity_watched
expect_ge "exchanges meanwhile" $((rotations / 5)) $(($(granted) - before))
expect_eq "exchanges that a configuration server refused" "$refused_before" "$(refused)"
refute "an exchange failed here" grep -E 'PST-(1|21)[0-9]{3}' "$LAB_OUT/host1-tunneld.log"
refute "a renewal failed" grep -q 'PST-20' "$LAB_OUT/host1-certd.log"
expect_eq "the issuer's record has the last serial" "$(certd_serial host1)" "$(zts_field host1 current)"
