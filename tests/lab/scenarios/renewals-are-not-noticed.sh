# SPDX-License-Identifier: MIT
about="Leases and certificates are renewed all the time, and neither packets nor exchanges are lost"
needs="wireguard nft veth rules"
deadline=480

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

# A hundred of them, on a real processor, are in identity-renewed-a-hundred-times.
rotations=${LAB_ROTATIONS:-10}

# A number of cfg1 out of the status.
status_number()
{
	host_status host1 --json --no-policy | grep -m 1 "\"$1\"" | tr -dc 0-9
}

renewed_often()
{
	[ "$(status_number exchanges)" -ge "$1" ]
}

has_new_handshake()
{
	[ "$(on host1 wg show postern0 latest-handshakes | awk '{ if ($2 > n) n = $2 } END { print n + 0 }')" -ge "$1" ]
}

granted()
{
	grep -c ': granted' "$LAB_OUT/host1-tunneld.log"
}

granted_often()
{
	[ "$(granted)" -ge "$1" ]
}

# Every refusal that a configuration server counted.
refused()
{
	awk '/^postern_gateway_events_total\{code="PST-/ { n += $NF } END { print n + 0 }' \
		"$postern_at"/cfg?/run/gatewayd.prom
}

carries_the_tunnel()
{
	local before
	claim_uplink_only_tunnel
	identity_renew host1
	before=$(granted)
	until_ok 60 "exchanges go on with the new certificate" granted_often $((before + 4))
}

lease_loses_nothing()
{
	local first exchanges ping before
	first=$(status_number psk_epoch)
	exchanges=$(status_number exchanges)
	on host1 ping -c 250 -i 0.1 -W 5 fd12:3456:789a::1 >"$LAB_OUT/ping.txt" 2>&1 &
	ping=$!
	until_ok 60 "the lease of cfg1 is renewed three times" renewed_often $((exchanges + 3))
	wait $ping || fail "packets were lost" ping "$(tail -n 3 "$LAB_OUT/ping.txt")"
	expect_eq "echo replies while leases were renewed" "250 received" \
		"$(grep -o '250 received' "$LAB_OUT/ping.txt")"
	expect_ge "PSK epoch" $((first + 12)) "$(status_number psk_epoch)"

	# Down and up again WireGuard has forgotten its sessions, but not its keys: only both ends' newest PSK
	# can make the next handshake. tunneld puts back what else went away with the link.
	before=$(date +%s) # long after the first handshake, long before one by age
	on host1 ip link set postern0 down
	until_ok 30 "a handshake with the newest PSK" has_new_handshake "$before"
	until_ok 30 "cfg1 answers in the tunnel again" on host1 ping -c 1 -W 1 fd12:3456:789a::1
	expect "tunneld says what it put back" grep -q 'PST-1404.*put back' "$LAB_OUT/host1-tunneld.log"
}

# A renewal would be due each 30 to 40 s; certd is urged instead as soon as the last one is done.
certificates_fail_no_exchange()
{
	local before refused_before i
	before=$(granted)
	refused_before=$(refused)
	identity_watch host1
	for ((i = 1; i <= rotations; i++)); do
		identity_renew host1
	done
	identity_watched
	expect_ge "exchanges meanwhile" $((rotations / 5)) $(($(granted) - before))
	expect_eq "exchanges that a configuration server refused" "$refused_before" "$(refused)"
	refute "an exchange failed here" grep -E 'PST-(1[0-9]|21)[0-9]{2}' "$LAB_OUT/host1-tunneld.log"
	refute "a renewal failed" grep -q 'PST-20' "$LAB_OUT/host1-certd.log"
	expect_eq "the issuer's record has the last serial" "$(certd_serial host1)" "$(zts_field host1 current)"
}

# Certificates of 60 s, leases of 6.
postern_identities=certd
postern_lifetime_s=60
postern_renew_s=6
# what judges the pair costs as much as a renewal does under emulation
identity_watch_s=2
claims_zone host1
promise identity-carries-the-tunnel "Tunnels come up with an identity that certd registered, and a changed one needs no restart" carries_the_tunnel
promise identity-renewals-fail-no-exchange "Renewals of 60 s certificates fail no exchange that goes on meanwhile" certificates_fail_no_exchange
promise renewal-loses-nothing "A renewed lease brings a new PSK without losing a packet, and the next handshake works with it" lease_loses_nothing
