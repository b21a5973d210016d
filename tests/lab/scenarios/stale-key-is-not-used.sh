# SPDX-License-Identifier: MIT
about="An exchange that was made for a key the interface no longer has is thrown away and made again at once"
needs="wireguard nft veth rules"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

# The worker of gatewayd on cfg1: the only one in that network namespace.
worker_pid()
{
	local pid
	for pid in $(ip netns pids "${LAB_PREFIX}cfg1"); do
		if grep -q '^gatewayd-worke' "/proc/$pid/comm"; then
			echo "$pid"
			return
		fi
	done
}

# exchanges_begun N: cfg1 has begun an exchange at least N times.
exchanges_begun()
{
	[ "$(grep -c 'cfg1: .*-> exchange' "$LAB_OUT/host1-tunneld.log")" -ge "$1" ]
}

has_another_key()
{
	[ "$(on host1 wg show postern0 public-key 2>/dev/null)" != "$1" ]
}

# identities are not the point here, and certificates by openssl are quicker
postern_identities=pki
claims_zone host1
pid=$(worker_pid)
[ -n "$pid" ] || fail "no worker of gatewayd on cfg1"
kill -STOP "$pid"
on host1 ip link delete postern0
until_ok 20 "an exchange with cfg1 hangs" exchanges_begun 2
key=$(on host1 wg show postern0 public-key)
on host1 ip link delete postern0
until_ok 20 "the interface has yet another key" has_another_key "$key"
kill -CONT "$pid"
wait_log 20 host1 tunneld 'got a new key meanwhile'
# WireGuard's patience for a first handshake is 15 s; this must not need it.
until_ok 10 "host1 reaches every configuration server" host_is_up host1
