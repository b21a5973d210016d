# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For tests that run daemons: a folder of their own, waiting for what can be seen, and an end that leaves nothing
# behind. Sourced. Who sources it may say with evidence() what is shown when the test fails.

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
