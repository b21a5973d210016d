# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For tests that run daemons: a network namespace of their own, where it may be had, in which every port is free;
# a folder of their own, waiting for what can be seen, and an end that leaves nothing behind. Sourced. Who sources
# it may say with evidence() what is shown when the test fails; $DAEMONS_INSIDE is empty where there is no namespace.

if [ -z "${DAEMONS_INSIDE:-}" ] && unshare --net true 2>/dev/null; then
	DAEMONS_INSIDE=yes exec unshare --net "$0" "$@"
fi
[ -z "${DAEMONS_INSIDE:-}" ] || ip link set lo up

umask 022
dir=$(mktemp -d)
others=() # to be killed at the end beside the jobs of this shell; -PID is a group

finish()
{
	local one
	for one in $(jobs -p) "${others[@]}"; do
		kill -KILL -- "$one" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap finish EXIT

evidence()
{
	tail -n 40 "$dir/log"
}

fail()
{
	echo "${0##*/}: $*" >&2
	evidence >&2 || true
	exit 1
}

# until_ok WHAT COMMAND…: repeats it for at most 100 s.
until_ok()
{
	local what=$1 end=$((SECONDS + 100))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "not within 100 s: $what"
		read -rt 0.05 <> <(:) || true
	done
}

# manager: plays the service manager for what is started from now on. What it is told stands in $dir/told, one line
# for each message. Who wants signs of life sets WATCHDOG_USEC.
manager()
{
	export NOTIFY_SOCKET=$dir/notify
	python3 -c 'import os, socket, sys
os.umask(0)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
while True:
	print(manager.recv(4096).decode().replace("\n", " "), flush=True)' "$NOTIFY_SOCKET" >>"$dir/told" &
	until_ok "the manager listens" test -S "$NOTIFY_SOCKET"
}

beats()
{
	grep -cx 'WATCHDOG=1' "$dir/told" || true
}

# alive: two more signs of life came since it was asked last; one may have been on its way.
beats_seen=0
alive()
{
	[ "$(beats)" -ge $((beats_seen + 2)) ] || return 1
	beats_seen=$(beats)
}

# silent: for 2 s no sign of life comes. True also of one that is too slow for a time, so it cannot fail for that.
silent()
{
	beats_seen=$(beats)
	read -rt 2 <> <(:) || true
	[ "$(beats)" = "$beats_seen" ]
}
