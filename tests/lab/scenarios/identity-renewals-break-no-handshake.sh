# SPDX-License-Identifier: MIT
about="A hundred renewals of 60 s certificates, one behind the other: no moment without a good pair, no handshake that fails"
needs="veth"
deadline=240

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

rotations=${LAB_ROTATIONS:-102}

# A server that wants a certificate of the zone's CA, as gatewayd does.
server_start()
{
	local pki=$postern_at/pki
	spawn cfg1 server openssl s_server -6 -accept '[2001:db8:c::1]:4443' -tls1_3 -quiet -naccept 100000 \
		-cert "$pki/cfg1.cert.pem" -key "$pki/cfg1.key.pem" -CAfile "$pki/ca.pem" -Verify 1 \
		-verify_return_error
	until_ok 10 "a server listens" server_listens
}

server_listens()
{
	on cfg1 ss -Hltn "sport = 4443" | grep LISTEN >/dev/null
}

# handshakes HOST: with the pair in use, read through one directory, as tunneld does, until .enough is there.
handshakes()
{
	local at out
	: >"$LAB_OUT/handshakes-failed-$1"
	while [ ! -e "$LAB_OUT/.enough-$1" ]; do
		at=$(readlink -f "$postern_at/$1/sia/current")
		out=$(on "$1" timeout 10 openssl s_client -connect '[2001:db8:c::1]:4443' -tls1_3 \
			-cert "$at/cert.pem" -key "$at/key.pem" -CAfile "$postern_at/pki/ca.pem" \
			-verify_return_error </dev/null 2>&1) || out+=" alert: exit status $?"
		# that directory may be of the pair before the last by now, which is gone
		[ -e "$at/key.pem" ] || continue
		! grep -q 'alert' <<<"$out" || echo "with $at: $out" >>"$LAB_OUT/handshakes-failed-$1"
		echo . >>"$LAB_OUT/handshakes-$1"
		lab_nap 0.05
	done
}

# renewed HOST: its share of the renewals, one behind the other.
renewed()
{
	local i pid
	handshakes "$1" &
	pid=$!
	identity_watch "$1"
	for ((i = 0; i < rotations / 3; i++)); do
		identity_renew "$1"
	done
	identity_watched
	: >"$LAB_OUT/.enough-$1"
	wait $pid
}

# certd acts once a second at most: three hosts at the same time.
hosts="host1 host2 peer"
postern_lifetime_s=60
# shellcheck disable=SC2086
{
	identity_up $hosts
	server_start
	identity_boot $hosts
}
pids=()
for host in $hosts; do
	renewed "$host" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
refute "the server refused a certificate" grep -E 'verify error|error:' "$LAB_OUT/cfg1-server.log"
for host in $hosts; do
	expect_ge "$host: handshakes meanwhile" $((rotations / 3)) "$(wc -l <"$LAB_OUT/handshakes-$host")"
	expect_eq "$host: of them failed" "" "$(cat "$LAB_OUT/handshakes-failed-$host")"
	expect_ge "$host: renewals" $((rotations / 3)) "$(grep -c refreshed "$LAB_OUT/$host-certd.log")"
	refute "$host: a renewal failed" grep -q 'PST-20' "$LAB_OUT/$host-certd.log"
	expect_eq "$host: the issuer's record has the last serial" "$(certd_serial "$host")" \
		"$(zts_field "$host" current)"
done
