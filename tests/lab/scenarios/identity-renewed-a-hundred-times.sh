# SPDX-License-Identifier: MIT
about="A hundred renewals of 60 s certificates, one behind the other: no moment without a good pair, no exchange with gatewayd that fails"
needs="veth"
deadline=900

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# certd acts once a second at most: three hosts at the same time.
hosts="host1 host2 peer"
rotations=${LAB_ROTATIONS:-102}
rotations_each=$(((rotations + 2) / 3))

# gatewayd itself, with its real workers, on a kernel that it has in memory: whether WireGuard is there or
# not, what renewals could break is before it. The same with tunnels is renewals-are-not-noticed.
server_start()
{
	gateway_config 1
	spawn cfg1 gatewayd "$LAB_BUILD/tests/unit/gatewayd_fake" --config "$postern_at/cfg1/gateway.conf" \
		--state-dir "$postern_at/cfg1/state" --run-dir "$postern_at/cfg1/run" --foreground
	gateway_wait 1
}

# exchanges HOST: one behind the other, by tunneld's worker with the pair in use, until .enough is there.
exchanges()
{
	local sia=$postern_at/$1/sia/current
	while [ ! -e "$LAB_OUT/.enough-$1" ]; do
		on "$1" "$LAB_BUILD/tests/tools/byhand" '[2001:db8:c::1]:4443' "$postern_zone" \
			"$postern_hosts_prefix" vespa.vespa.cfg "$sia/cert.pem" "$sia/key.pem" "$sia/ca.cert.pem" \
			"$postern_at/bin/tunneld-exchange" >>"$LAB_OUT/exchanges-$1" 2>&1 ||
			echo "exit status $?" >>"$LAB_OUT/exchanges-$1"
	done
}

# met HOST: gatewayd granted something to the certificate that is in use there.
met()
{
	grep "granted .*, serial 0*$(certd_serial "$1")," "$LAB_OUT/cfg1-gatewayd.log" >/dev/null
}

# renewed HOST: its share of the renewals, one behind the other.
renewed()
{
	local i pid
	exchanges "$1" &
	pid=$!
	identity_watch "$1"
	for ((i = 0; i < rotations_each; i++)); do
		identity_renew "$1"
		until_ok 60 "$1 exchanges with it" met "$1"
	done
	identity_watched
	: >"$LAB_OUT/.enough-$1"
	wait $pid
}

postern_lifetime_s=60
postern_servers=1
# shellcheck disable=SC2086
{
	identity_up $hosts
	postern_own cfg1 "$postern_uid_worker"
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
for host in $hosts; do
	expect_ge "$host: exchanges meanwhile" "$rotations_each" \
		"$(grep -c '^granted by cfg1' "$LAB_OUT/exchanges-$host")"
	expect_eq "$host: exchanges that failed" "" "$(grep -vE '^(granted by cfg1|tcp)' "$LAB_OUT/exchanges-$host" || :)"
	expect_ge "$host: renewals" "$rotations_each" "$(grep -c refreshed "$LAB_OUT/$host-certd.log")"
	refute "$host: a renewal failed" certd_said "$host" 20
	expect_eq "$host: the issuer's record has the last serial" "$(certd_serial "$host")" \
		"$(zts_field "$host" current)"
done
refute "gatewayd refused an exchange" grep -E '_events_total.code="PST-' "$postern_at/cfg1/run/gatewayd.prom"
