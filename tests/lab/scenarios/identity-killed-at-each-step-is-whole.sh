# SPDX-License-Identifier: MIT
about="Killed with -9 at each step of writing a new pair, the host has the old one or the new one"
needs="veth"
deadline=1800

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# strace kills certd when it begins the Nth call of one kind, for each kind that changes files and each N
# that a start and one renewal reach.
command -v strace >/dev/null || skip "strace is not installed"
killed=0 left_old=0 left_new=0

# ended SERIAL: it was killed, or renewed.
ended()
{
	! spawn_alive host1 certd || identity_changed host1 "$1"
}

# attempt KIND N: one start and one renewal, killed at the Nth call of that kind; whether it was killed.
attempt()
{
	local serial
	serial=$(certd_serial host1)
	identity_traced "$1" "signal=KILL:when=$2" ended "$serial"
	identity_traced_end 'killed by SIGKILL' || return 1
	expect "killed at $1 $2: the pair is whole" identity_pair host1
	killed=$((killed + 1))
	if identity_changed host1 "$serial"; then
		left_new=$((left_new + 1))
	else
		left_old=$((left_old + 1))
	fi
}

identity_up host1
identity_boot host1
spawn_kill host1 certd
identity_each_step attempt
expect_ge "steps at which it was killed" 20 "$killed"
expect_ge "of them with the old pair left" 5 "$left_old"
expect_ge "of them with the new pair left" 1 "$left_new"
refute "an older pair was used again" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
identity_boot host1
identity_renew host1
