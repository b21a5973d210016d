# SPDX-License-Identifier: MIT
about="A host that is put on the deny-list loses the tunnel that it has within seconds, also when gatewayd was down, and gets one again when it is taken off"
needs="wireguard nft veth rules"
deadline=300

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"

# deny FILE LINES…: a new list in one step, as an operator should do it.
deny()
{
	printf '%s\n' "${@:2}" >"$1.new"
	mv "$1.new" "$1"
}

key_of()
{
	on "$1" wg show postern0 public-key
}

# peer NS KEY: there is such a peer; no_peer: there is none.
peer()
{
	on "$1" wg show postern0 peers | grep -F "$2" >/dev/null
}

no_peer()
{
	! peer "$@"
}

# says HOST CODE: its status, which then is not good, gives that code.
says()
{
	{ host_status "$1" --no-policy || :; } | grep "$2" >/dev/null
}

postern_identities=pki
postern_servers=1
postern_renew_s=6
zone_up
postern_prepare host1 host2
denied=$postern_at/cfg1/deny
hosts_own=$postern_at/host2/deny
: >"$denied"
: >"$hosts_own"
chmod 644 "$denied" "$hosts_own"
gateway_config 1 "deny_file = $denied"
host_config host2 "" "deny_file = $hosts_own"
gateway_start 1
gateway_wait 1
host_start host1
host_start host2
host_wait host1
host_wait host2
key1=$(key_of host1)
key2=$(key_of host2)
expect "host1 has a peer" peer cfg1 "$key1"

on host2 ping -c 100 -i 0.1 -W 5 fd12:3456:789a::1 >"$LAB_OUT/ping.txt" 2>&1 &
ping=$!
deny "$denied" "instance $(postern_instance host1)"
until_ok 20 "host1's peer is gone" no_peer cfg1 "$key1"
refute "host1's tunnel carries something" on host1 ping -c 2 -W 1 fd12:3456:789a::1
expect "gatewayd says whom it cut off" grep -q \
	"PST-4007.*instance $(postern_instance host1), .*its instance is on the deny-list" "$LAB_OUT/cfg1-gatewayd.log"
until_ok 40 "host1's status says why" says host1 PST-2113
wait $ping || fail "host2 lost packets" ping "$(tail -n 3 "$LAB_OUT/ping.txt")"
expect_eq "what host2 received meanwhile" "100 received" "$(grep -o '100 received' "$LAB_OUT/ping.txt")"

spawn_kill cfg1 gatewayd KILL
expect "host2 has a peer without gatewayd" peer cfg1 "$key2"
deny "$denied" "principal a.b" "instance $(postern_instance host2)"
gateway_start 1
until_ok 20 "host2's peer, which gatewayd found, is gone" no_peer cfg1 "$key2"
host_wait host1 90
expect "host1 has a peer again" peer cfg1 "$(key_of host1)"

deny "$denied" "# nobody"
host_wait host2 90
expect "host2 has a peer again" peer cfg1 "$(key_of host2)"
server=$(on cfg1 wg show postern0 public-key)
expect "and host2 one for cfg1" peer host2 "$server"
deny "$hosts_own" "principal vespa.vespa.cfg"
until_ok 40 "host2 ends the tunnel to a server that it denies" no_peer host2 "$server"
expect "and says why" says host2 PST-2113
expect "host1 has its tunnel still" host_is_up host1
