# SPDX-License-Identifier: MIT
about="Whichever step of writing a new pair finds no room, the host has the old pair or the new one, and renews later"
needs="veth"
deadline=1800

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# strace lets the Nth call of one kind fail, for each kind that changes files and each N that a start and one
# renewal reach. Real disks, with too little room for all of it, are in identity-full-disk-keeps-the-old-pair.
command -v strace >/dev/null || skip "strace is not installed"
failed=0 told=0

# ended SERIAL TOLD: it renewed, said that it could not write, or could not even start.
ended()
{
	! spawn_alive host1 certd || identity_changed host1 "$1" || identity_said_more host1 2016 "$2"
}

# attempt KIND N: one start and one renewal, in which the Nth call of that kind fails; whether there was one.
attempt()
{
	local serial before
	serial=$(certd_serial host1)
	before=$(identity_said host1 2016)
	identity_traced "$1" "error=ENOSPC:when=$2" ended "$serial" "$before"
	expect "no room at $1 $2: the pair is whole" identity_pair host1
	identity_traced_end INJECTED || return 1
	failed=$((failed + 1))
	told=$((told + $(identity_said host1 2016) - before))
}

identity_up host1
identity_boot host1
spawn_kill host1 certd
identity_watch host1
identity_each_step attempt
expect_ge "steps that failed" 20 "$failed"
expect_ge "of them told" 10 "$told"
refute "an older pair was used again" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
identity_boot host1
identity_renew host1
identity_watched
