# SPDX-License-Identifier: MIT
about="A host that waits because its clock is wrong acts at once when the kernel's clock is set"
needs="veth guest"
deadline=240

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# The cloud and the issuer keep the right time, whatever the kernel's clock is set to. It was moved by
# $off seconds: the guest's other scenarios want it back.
off=-600
right_time()
{
	local up
	read -r up _ </proc/uptime
	export LD_PRELOAD=$LAB_BUILD/tests/lab/liblab-fakeclock.so
	export LAB_CLOCK_AT_BOOT=$(($(date +%s) - ${up%.*}))
	identity_start
	unset LD_PRELOAD LAB_CLOCK_AT_BOOT
}

clock_back()
{
	[ "$off" = 0 ] || date -s "@$(($(date +%s) - off))" >/dev/null
	off=0
}

# Seconds until certd's next step, by its own word; 0 while one runs.
next_wait()
{
	local at
	at=$(certd_status host1 --json | sed -n 's/.*"next_at": *"\([^"]*\)".*/\1/p')
	[ -z "$at" ] && echo 0 || echo $(($(date -d "$at" +%s) - $(date +%s)))
}

# waits: certd has said what is wrong, and will not try again soon. It is urged until its back-off,
# which doubles, is that long.
waits()
{
	certd_said host1 2015 || return # not before: who has no handler yet dies of the signal
	[ "$(next_wait)" -ge 90 ] && return
	certd_urge host1
	return 1
}

postern_retry_max_s=3600
zone_up
identity_prepare host1
right_time
trap clock_back EXIT
date -s "@$(($(date +%s) + off))" >/dev/null
certd_start host1
until_ok 120 "ten minutes behind: certd says so and waits" waits
refute "it is ready" certd_is_ready host1
refute "it blames STS" certd_said host1 2005
clock_back
# Nobody urges it now.
certd_wait host1 45
expect "it says what it noticed" grep -q 'the clock was set' "$LAB_OUT/host1-certd.log"
expect "the pair is good" identity_pair host1
