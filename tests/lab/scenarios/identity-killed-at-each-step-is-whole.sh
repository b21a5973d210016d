# SPDX-License-Identifier: MIT
about="Killed with -9 at each step of writing a new pair, the host has the old one or the new one"
needs="veth"
deadline=600

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# strace kills certd when it begins the Nth call of those that change files, counted from its start.
# A start with a pair makes some, a renewal the rest; beyond the last one nothing is killed.
command -v strace >/dev/null || skip "strace is not installed"
calls=openat,mkdirat,write,fsync,fdatasync,rename,renameat,renameat2,symlinkat,unlinkat,fchmod,fchmodat,fchown,ftruncate

killed_or_renewed()
{
	! spawn_alive host1 certd || identity_changed host1 "$1"
}

# attempt N: one start and one renewal, killed at call N; whether it was killed.
attempt()
{
	local dirs serial
	serial=$(certd_serial host1)
	read -ra dirs <<<"$(certd_dirs host1)"
	spawn host1 certd strace -qq -o "$LAB_OUT/strace-$1.txt" -e "trace=$calls" \
		-e "inject=$calls:signal=KILL:when=$1" certd "${dirs[@]}" --foreground
	until killed_or_renewed "$serial"; do
		certd_urge_traced
		lab_nap 0.2
	done
	expect "killed at call $1: the pair is whole" identity_pair host1
	! spawn_alive host1 certd
}

# The child of strace, once it runs.
certd_urge_traced()
{
	local pid
	pid=$(spawn_pid host1 certd)
	pid=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || return 0
	[ -z "$pid" ] || kill -USR1 "${pid%% *}" 2>/dev/null || :
}

identity_up host1
identity_boot host1
spawn_kill host1 certd
n=${LAB_FIRST_CALL:-1}
while attempt "$n"; do
	n=$((n + 1))
	[ "$n" -lt 400 ] || fail "certd makes more than 400 such calls"
done
spawn_kill host1 certd
expect_ge "steps at which it was killed" 10 $((n - 1))
refute "an older pair was used again" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
rm -f "$LAB_OUT/host1-certd.pid"
identity_boot host1
identity_renew host1
