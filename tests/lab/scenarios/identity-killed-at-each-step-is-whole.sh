# SPDX-License-Identifier: MIT
about="Killed with -9 at each step of writing a new pair, the host has the old one or the new one"
needs="veth"
deadline=600

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# strace kills certd when it begins the Nth call of one kind, for each kind that changes files and each N
# that a start and one renewal reach.
command -v strace >/dev/null || skip "strace is not installed"
kinds="mkdirat write ftruncate fchmod fsync fdatasync rename renameat renameat2 symlinkat unlinkat"
killed=0 left_old=0 left_new=0

killed_or_renewed()
{
	! spawn_alive host1 certd || identity_changed host1 "$1"
}

# Sends a signal to the child of strace, once it runs and takes signals.
signal_traced()
{
	local pid
	pid=$(spawn_pid host1 certd)
	pid=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || return 0
	[ -z "$pid" ] || ! certd_answers || kill -s "$1" "${pid%% *}" 2>/dev/null || :
}

# Ready or not, but not "it cannot be asked".
certd_answers()
{
	local rc=0
	certd_status host1 >/dev/null 2>&1 || rc=$?
	[ $rc -le 1 ]
}

gone()
{
	! spawn_alive host1 certd
}

# attempt KIND N: one start and one renewal, killed at the Nth call of that kind; whether it was killed.
attempt()
{
	local serial
	serial=$(certd_serial host1)
	certd_start host1 strace -qq -o "$LAB_OUT/strace-$1-$2.txt" -e "trace=$1" -e "inject=$1:signal=KILL:when=$2"
	until killed_or_renewed "$serial"; do
		signal_traced USR1
		lab_nap 0.1
	done
	if spawn_alive host1 certd; then
		signal_traced TERM
		until_ok 10 "nothing killed at $1 $2" gone
		return 1
	fi
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
for kind in $kinds; do
	n=1
	while attempt "$kind" "$n"; do
		n=$((n + 1))
		[ "$n" -lt 100 ] || fail "certd makes more than 100 calls of $kind"
	done
done
expect_ge "steps at which it was killed" 20 "$killed"
expect_ge "of them with the old pair left" 5 "$left_old"
expect_ge "of them with the new pair left" 1 "$left_new"
refute "an older pair was used again" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
identity_boot host1
identity_renew host1
