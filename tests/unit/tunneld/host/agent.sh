#!/bin/bash
# SPDX-License-Identifier: MIT
#
# agent.sh TUNNELD WORKER-DIR POSTERN: runs tunneld in a network namespace of its own, where a stranger's
# interface has the name of ours. tunneld says so (PST-1404) and leaves it alone, answers questions all
# the time, makes its own as soon as the stranger is gone, and ends with its tunnels as they are.
# What tunneld does with interfaces that are WireGuard's is tried in tests/lab.

set -euo pipefail

tunneld=$1 postern=$3
export POSTERN_LIBEXECDIR=$2
# shellcheck source=tests/unit/daemons.sh
. "${0%/*}/../../daemons.sh"
if [ -z "${DAEMONS_INSIDE:-}" ]; then
	echo "skipped: needs the right to make a network namespace"
	exit 77
fi
pid=

logged()
{
	grep -qF "$1" "$dir/log"
}

# What an interface is: "veth", "wireguard"; nothing when there is none.
kind()
{
	ip -details link show dev "$1" 2>/dev/null | grep -oE '^ +(veth|wireguard)' | tr -d ' '
}

# The interface is there, or this kernel has no WireGuard and tunneld has said so.
made_or_told()
{
	[ "$(kind postern0)" = wireguard ] || logged "PST-1405: add interface"
}

status()
{
	local code=0
	"$postern" status --no-policy --json --run-dir "$dir/run" >"$dir/status" || code=$?
	[ $code = 2 ] || fail "postern status: exit status $code"
	grep -qF '"status": "DOWN"' "$dir/status" || fail "not DOWN: $(cat "$dir/status")"
}

cat >"$dir/postern.conf" <<-E
	[zone]
	name = prod
	hosts_prefix = fd12:3456:789a:1::/64
	gateways_prefix = fd12:3456:789a::/64
	config_nets = 2001:db8:c::/48
	[server cfg1]
	address = [2001:db8:c::1]:4443
	principal = vespa.vespa.cfg
	[identity]
	cert = $dir/absent
	key = $dir/absent
	ca = $dir/absent
	[tunneld]
	hostname = h1
E
sed 's/config_nets = .*/config_nets = ::\/0/' "$dir/postern.conf" >"$dir/bad.conf"

options=(--state-dir "$dir/state" --run-dir "$dir/run")

# A configuration that is not usable ends it before anything is touched.
code=0
"$tunneld" --config "$dir/bad.conf" "${options[@]}" 2>"$dir/log" || code=$?
[ $code = 2 ] || fail "a bad configuration: exit status $code"
[ ! -e "$dir/run" ] || fail "a bad configuration made the run directory"

ip link add postern0 type veth peer name stranger
"$tunneld" --config "$dir/postern.conf" "${options[@]}" 2>"$dir/log" &
pid=$!
until_ok "the stranger is named" logged "PST-1404: interface postern0 exists and is not WireGuard"
until_ok "the control socket" test -S "$dir/run/tunneld.sock"
status
[ "$(kind postern0)" = veth ] || fail "the stranger's interface was touched"
! ip -6 rule | grep -v 'lookup \(local\|main\)' >/dev/null || fail "a rule was made all the same"

code=0
"$postern" explain PST-1404 >/dev/full 2>"$dir/said" || code=$?
{ [ $code = 2 ] && grep -q "cannot print the answer" "$dir/said"; } || fail "a full disk: exit status $code"

ip link delete postern0
until_ok "tunneld goes on" made_or_told
status

kill -TERM "$pid"
code=0
wait "$pid" || code=$?
pid=
[ $code = 0 ] || fail "SIGTERM: exit status $code"
[ ! -e "$dir/run/tunneld.sock" ] || fail "the control socket is left"
echo "ok"
