# SPDX-License-Identifier: MIT
about="A renewed lease brings a new PSK without losing a packet, and the next handshake works with it"
needs="wireguard nft veth rules"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

# A number of cfg1 out of the status.
status_number()
{
	host_status host1 --json --no-policy | grep -m 1 "\"$1\"" | tr -dc 0-9
}

renewed_often()
{
	[ "$(status_number exchanges)" -ge 4 ]
}

has_new_handshake()
{
	[ "$(on host1 wg show postern0 latest-handshakes | awk '{ if ($2 > n) n = $2 } END { print n + 0 }')" -ge "$1" ]
}

postern_renew_s=6
claims_zone host1
first=$(status_number psk_epoch)
on host1 ping -c 250 -i 0.1 -W 5 fd12:3456:789a::1 >"$LAB_OUT/ping.txt" 2>&1 &
ping=$!
until_ok 60 "the lease of cfg1 is renewed three times" renewed_often
wait $ping || fail "packets were lost" ping "$(tail -n 3 "$LAB_OUT/ping.txt")"
expect_eq "echo replies while leases were renewed" "250 received" "$(grep -o '250 received' "$LAB_OUT/ping.txt")"
expect_ge "PSK epoch" $((first + 12)) "$(status_number psk_epoch)"

# Down and up again WireGuard has forgotten its sessions, but not its keys: only both ends' newest PSK
# can make the next handshake. tunneld puts back what else went away with the link.
before=$(date +%s) # long after the first handshake, long before one by age
on host1 ip link set postern0 down
until_ok 30 "a handshake with the newest PSK" has_new_handshake "$before"
until_ok 30 "cfg1 answers in the tunnel again" on host1 ping -c 1 -W 1 fd12:3456:789a::1
expect "tunneld says what it put back" grep -q 'PST-1404.*put back' "$LAB_OUT/host1-tunneld.log"
