#!/bin/bash
# SPDX-License-Identifier: MIT
#
# operator.sh NETPOLICY LIBEXECDIR NETPOLICYD BOOT: what people are told when something is wrong: disks that
# are full, words that do not fit, rights that lack, answers that nobody reads. In a network namespace of its own.

set -euo pipefail

if [ "${OPERATOR_INSIDE:-}" != yes ]; then
	unshare --net --mount true 2>/dev/null || {
		echo "skipped: needs the right to make network and mount namespaces"
		exit 77
	}
	OPERATOR_INSIDE=yes exec unshare --net --mount "$0" "$@"
fi

dir=$(mktemp -d)
chmod 0755 "$dir"
mkdir "$dir/bin"
cp "$1" "$2/netpolicy-compile" "$3" "$4" "$dir/bin"
export POSTERN_LIBEXECDIR=$dir/bin
netpolicy=$dir/bin/netpolicy
with=(--config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run")
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all)
daemon=

finish()
{
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
	umount "$dir/full" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

fail()
{
	echo "operator.sh: $*" >&2
	head -c 4000 "$dir/out" "$dir/log" >&2
	exit 1
}

# ends STATUS WORD COMMAND…: the command ends so and says WORD.
ends()
{
	local want=$1 word=$2 code=0
	shift 2
	"$@" >"$dir/out" 2>"$dir/log" || code=$?
	[ $code = "$want" ] || fail "exit status $code, not $want: $*"
	grep -qF -- "$word" "$dir/out" "$dir/log" || fail "no '$word' from: $*"
}

# keys WORD…: the JSON that was printed is an object with these members and no others.
keys()
{
	python3 -c 'import json, sys
have = sorted(json.load(open(sys.argv[1])))
assert have == sorted(sys.argv[2:]), have' "$dir/out" "$@" || fail "other members than $*"
}

listen()
{
	"$dir/bin/netpolicyd" --no-owner --state-dir "$dir/state" --socket "$dir/run/netpolicyd.sock" 2>"$dir/daemon.log" &
	daemon=$!
	for ((end = SECONDS + 100; SECONDS < end;)); do
		"$netpolicy" grant list "${with[@]}" >/dev/null 2>&1 && return
		kill -0 "$daemon" 2>/dev/null || break
	done
	fail "netpolicyd does not answer"
}

ip link set lo up
ip link add eth0 type veth peer name far0
mkdir "$dir/state" "$dir/run" "$dir/full"
cat >"$dir/policy.conf" <<-PAGE
	policy demo 7
	host   tier compute
	link   up eth0
	net    archive 2001:db8:53::/48
	tier   public 2001:db8:100:1::/64
	from   public allow tcp 4443
	to     archive allow tcp 443 user 997
	grant  ssh tcp 22 from archive max 4h
	claim "IPv6 keeps working" { always out via up icmpv6 nd }
PAGE
sed 's/demo 7/demo 8/; s/4443/8443/' "$dir/policy.conf" >"$dir/next.conf"

# The answer that nobody can read.
code=0
"$netpolicy" compile "${with[@]}" >/dev/full 2>"$dir/log" || code=$?
[ $code = 2 ] || fail "a full disk: exit status $code"
grep -qF "cannot print the answer: No space left" "$dir/log" || fail "a full disk is not told"

# What can be loaded, but not kept.
mount -t tmpfs -o size=4k tmpfs "$dir/full"
ends 2 "the next boot loads the one before" "$netpolicy" apply --config "$dir/postern.conf" --state-dir "$dir/full"
ends 0 "is already loaded" "$netpolicy" apply "${with[@]}"

# Twice the same is no way back to nowhere.
ends 0 "is loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/next.conf"
ends 0 "is already loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/next.conf"
ends 0 "demo version 7" "$netpolicy" rollback "${with[@]}"

# A page that speaks of other links and other tunnels than this host has.
sed 's/up eth0/up eth0 eth9/' "$dir/policy.conf" >"$dir/links.conf"
ends 0 "no interface eth9 of 'link up'" "$netpolicy" apply "${with[@]}" --boot-only --policy "$dir/links.conf"
cat >"$dir/zone.conf" <<-ZONE
	[zone]
	name = lab
	hosts_prefix = fd12:0:0:1::/64
	gateways_prefix = fd12::/64
	config_nets = 2001:db8:c::/48
	[server cfg1]
	address = [2001:db8:c::1]:4443
	principal = vespa.vespa.cfg
	[certd]
	user = nobody
ZONE
"$netpolicy" init eth0 --tier compute --config "$dir/zone.conf" | sed '/"exchange"/d' >"$dir/cut.conf"
ends 1 "needs 'to config via up allow tcp 4443 mark 0x504f'" "$netpolicy" apply --boot-only --config "$dir/zone.conf" \
	--state-dir "$dir/zone" --policy "$dir/cut.conf"

# Said once, and with what to do.
printf "[zone]\nfoo = 1\n" >"$dir/bad.conf"
ends 2 "PST-3001: $dir/bad.conf:2:" "$netpolicy" init eth0 --tier compute --config "$dir/bad.conf"
ends 64 "a page: --policy FILE" "$netpolicy" apply "$dir/policy.conf"

# A policy of another version is not none.
mkdir "$dir/old"
printf 'x' >"$dir/old/policy.batch"
ends 2 "no policy that can be used is saved" "$netpolicy" status --state-dir "$dir/old" --run-dir "$dir/run"
ends 2 "no policy is saved" "$netpolicy" status --state-dir "$dir/absent" --run-dir "$dir/run"

# Who is not root.
ends 2 "Permission denied" "${nobody[@]}" "$netpolicy" rollback "${with[@]}"
ends 2 "nothing was done" "${nobody[@]}" "$netpolicy" rollback "${with[@]}"
ends 2 "only root can run netpolicyd" "${nobody[@]}" "$dir/bin/netpolicyd" --state-dir "$dir/state"
ends 2 "only root can load" "${nobody[@]}" "$dir/bin/netpolicy-boot" --state-dir "$dir/state"
ends 1 "needs CAP_NET_ADMIN" "${nobody[@]}" "$netpolicy" unload --yes "${with[@]}"

# netpolicyd in words.
listen
ends 2 "another netpolicyd listens" "$dir/bin/netpolicyd" --state-dir "$dir/state" --socket "$dir/run/netpolicyd.sock"
grant=("$netpolicy" grant add ssh 2001:db8:53::9 --for 1h "${with[@]}")
ends 1 "at most 127" "${grant[@]}" --why "$(printf '%0128d' 0)"
ends 1 "control characters" "${grant[@]}" --why $'a\nb'
ends 1 "control characters" "${grant[@]}" --why $'\xff'
ends 0 "is live for" "${grant[@]}" --why "$(printf '%0127d' 0)"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/next.conf"
ends 0 "is back: policy demo version 7" "$netpolicy" rollback "${with[@]}"
ends 0 "is back: policy demo version 8" "$netpolicy" rollback "${with[@]}"

# A grant that the policy of the moment does not offer is not live, and is again with the one that does.
sed 's/^grant .*/net other 2001:db8:54::\/48\ngrant ssh tcp 22 from other max 4h/' "$dir/next.conf" >"$dir/other.conf"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/other.conf"
ends 0 "not live: ends now, or is not offered" "$netpolicy" grant list "${with[@]}"
grep -qF "live: 0" "$dir/out" || fail "it is counted as live"
nft list set inet postern grant_ssh6 >"$dir/out"
! grep -qF 2001:db8:53::9 "$dir/out" || fail "it still lets in"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/next.conf"
ends 0 " left, until " "$netpolicy" grant list "${with[@]}"

# Killed while a policy waits for its confirmation.
ends 0 "unless you say" "$netpolicy" apply "${with[@]}" --policy "$dir/policy.conf" --confirm-within 60s
kill -9 "$daemon"
wait "$daemon" 2>/dev/null || true
listen
grep -qF "a policy that nobody had confirmed is given up" "$dir/daemon.log" || fail "that a policy is given up is not told"
ends 0 "demo version 8" "$netpolicy" status "${with[@]}"
for how in "" --json; do
	code=0
	# shellcheck disable=SC2086 # a word, or none
	"$netpolicy" status $how "${with[@]}" >/dev/full 2>"$dir/log" || code=$?
	{ [ $code = 2 ] && grep -qF "cannot print the answer" "$dir/log"; } || fail "status $how, a full disk: $code"
done

# Members of JSON: programs depend on them, and netpolicy(8) lists them.
ends 0 "" "$netpolicy" status --json "${with[@]}"
keys about boot_about checked drifts generation grants intact netpolicyd overruns owner pending pending_left_s \
	repairs started trial
ends 0 "" "$netpolicy" check --json "${with[@]}" --policy "$dir/next.conf"
keys about code differences equal foreign guards_pending lines
ends 0 "" "$netpolicy" plan --json "${with[@]}" --policy "$dir/next.conf"
keys adds changes from left_out removes same to
ends 0 "" "$netpolicy" explain --json --no-kernel "${with[@]}" in eth0 tcp "[2001:db8:100:1::9]:4000" "[host]:4443"
keys allowed model nearest packet
ends 0 "" "$netpolicy" prove --json --page-only --no-kernel "${with[@]}"
echo "ok"
