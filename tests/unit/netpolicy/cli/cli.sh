#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli.sh NETPOLICY LIBEXECDIR: runs netpolicy in a network namespace of its own, through every command
# and every refusal: exit status, message code, and that a refusal changes nothing.

set -euo pipefail

if [ "${CLI_INSIDE:-}" != yes ]; then
	unshare --net true 2>/dev/null || {
		echo "skipped: needs the right to make a network namespace"
		exit 77
	}
	CLI_INSIDE=yes exec unshare --net "$0" "$@"
fi

netpolicy=$1
export POSTERN_LIBEXECDIR=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unprivileged=(setpriv --bounding-set=-all --inh-caps=-all)

fail()
{
	echo "cli.sh: $*" >&2
	cat "$dir/out" "$dir/log" >&2
	exit 1
}

# ends STATUS WORD COMMAND…: the command ends so and says WORD, "" for anything.
ends()
{
	local want=$1 word=$2 code=0
	shift 2
	"$@" >"$dir/out" 2>"$dir/log" || code=$?
	[ $code = "$want" ] || fail "exit status $code, not $want: $*"
	[ -z "$word" ] || grep -qF -- "$word" "$dir/out" "$dir/log" || fail "no '$word' from: $*"
}

cat >"$dir/postern.conf" <<-E
	[zone]
	name = lab
	hosts_prefix = fd12:0:0:1::/64
	gateways_prefix = fd12::/64
	config_nets = 2001:db8:c::/48
	[server cfg1]
	address = [2001:db8:c::1]:4443
	principal = vespa.vespa.cfg
	[policy]
	uplinks = eth0
	certd_user = 998
E
sed '/^uplinks/d' "$dir/postern.conf" >"$dir/no-uplink.conf"
sed 's,eth0,eth/0,' "$dir/postern.conf" >"$dir/bad-uplink.conf"
mkdir "$dir/state"
with=(--config "$dir/postern.conf" --state-dir "$dir/state")

ends 64 "say one command" "$netpolicy"
ends 64 "unknown command" "$netpolicy" frobnicate
ends 64 "compile needs -o" "$netpolicy" compile
ends 64 "--yes" "$netpolicy" unload "${with[@]}"

ends 2 PST-3001 "$netpolicy" show --config "$dir/absent"
ends 2 PST-3001 "$netpolicy" show --config "$dir/no-uplink.conf"
ends 2 PST-3001 "$netpolicy" apply --config "$dir/bad-uplink.conf" --state-dir "$dir/state"
ends 0 "table inet postern" "$netpolicy" show "${with[@]}"
ends 0 '"' "$netpolicy" show --json "${with[@]}"
python3 -m json.tool "$dir/out" >/dev/null || fail "show --json is not JSON"

ends 2 PST-3002 env POSTERN_LIBEXECDIR=/nonexistent "$netpolicy" compile -o "$dir/batch" "${with[@]}"
[ ! -e "$dir/batch" ] || fail "a batch without a compiler"
echo 'table inet postern { chain' >"$dir/text"
ends 2 PST-3002 "$netpolicy" compile -o "$dir/batch" --text "$dir/text"
[ ! -e "$dir/batch" ] || fail "a batch of a text that is none"
ends 0 "" "$netpolicy" compile -o "$dir/batch" "${with[@]}"
[ -s "$dir/batch" ] || fail "no batch"

ends 1 PST-3006 "$netpolicy" check "${with[@]}"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"
ends 0 "already loaded" "$netpolicy" apply "${with[@]}"

nft insert rule inet postern "$(nft list table inet postern | awk '$1 == "chain" { print $2; exit }')" accept
ends 1 PST-3005 "$netpolicy" check "${with[@]}"
ends 1 '"' "$netpolicy" check --json "${with[@]}"
python3 -m json.tool "$dir/out" >/dev/null || fail "check --json is not JSON"
ends 0 "loaded" "$netpolicy" apply "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"

# What it may not do, it does not do by halves.
ends 1 PST-3004 "${unprivileged[@]}" "$netpolicy" unload --yes "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"
ends 0 "this host is open" "$netpolicy" unload --yes "${with[@]}"
[ -z "$(nft list tables)" ] || fail "tables are left: $(nft list tables)"
ends 1 PST-3006 "$netpolicy" check "${with[@]}"
echo "ok"
