# SPDX-License-Identifier: MIT
about="A host whose clock is ten minutes wrong says so, uses nothing that is not valid yet, and heals with the clock"
needs="veth"
deadline=240

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# Only one clock is in the kernel: the host's is right, and everybody else's is moved the other way.
others_clock()
{
	spawn_kill zts ztsd
	spawn_kill imds cloud
	if [ "$1" = 0 ]; then
		unset LD_PRELOAD LAB_CLOCK_SHIFT
	else
		export LAB_CLOCK_SHIFT=$1 LD_PRELOAD=$LAB_BUILD/tests/lab/liblab-fakeclock.so
	fi
	cloud_start
	zts_start
	unset LD_PRELOAD LAB_CLOCK_SHIFT
	zts_wait
}

# wrong SECONDS WORD: no identity while the others' clock is off by that much, and one afterwards.
wrong()
{
	others_clock "$1"
	rm -rf "$postern_at/host1/sia" "$postern_at/host1/certd" "$LAB_OUT/host1-certd.log"
	certd_start host1
	until_ok 60 "ten minutes $2: certd says what is wrong" certd_said host1 2015
	refute "it blames STS" certd_said host1 2005
	refute "it is ready" certd_is_ready host1
	refute "there is a pair" test -e "$postern_at/host1/sia/current"
	others_clock 0
	certd_urge host1
	certd_wait host1
	expect "the pair is good" identity_pair host1
	spawn_kill host1 certd
}

identity_up host1
wrong 600 behind
wrong -600 ahead

# Little enough for STS, but an issuer that does not set notBefore back: the new pair waits for its
# time, and the old one stays in use.
echo 'backdate_s = 0' >"$LAB_OUT/backdate"
sed -i "/^min_lifetime_s/r $LAB_OUT/backdate" "$postern_at/zts/ztsd.conf"
certd_start host1
certd_wait host1
serial=$(certd_serial host1)
others_clock 15
identity_watch host1
said=$(identity_said host1 2015) # of before
certd_urge host1
until_ok 30 "certd waits for the new certificate's time" identity_said_more host1 2015 "$said"
until_ok 40 "the new one is in use when its time has come" identity_changed host1 "$serial"
identity_watched
