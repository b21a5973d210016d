# SPDX-License-Identifier: MIT
about="An answer that is lost, or is a 500, after the issuer signed and noted it is asked for again, and nothing is revoked"
needs="nft veth"
deadline=600

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

noted_another()
{
	[ "$(zts_field host1 current)" != "$1" ]
}

# unanswered WHY: certd renews, and hears nothing good of it although the issuer signed and noted it.
unanswered()
{
	local noted said
	noted=$(zts_field host1 current)
	said=$(identity_said host1 2006)
	certd_urge host1
	until_ok 30 "$1: the issuer signed another certificate" noted_another "$noted"
	until_ok 30 "$1: certd says that there was no answer" identity_said_more host1 2006 "$said"
	expect_eq "$1: the host still has the old one" "$serial" "$(certd_serial host1)"
	expect_eq "$1: which the issuer knows as the one before" "$serial" "$(zts_field host1 previous)"
}

# healed WHY: the same certificate is good for another try.
healed()
{
	certd_urge host1
	until_ok 30 "$1: the same certificate is good for another try" identity_changed host1 "$serial"
	serial=$(certd_serial host1)
	expect_eq "$1: the issuer's record has the new serial" "$serial" "$(zts_field host1 current)"
	refute "$1: anything was revoked" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
}

# issuer PRELOAD: the issuer starts again, with that in it.
issuer()
{
	spawn_kill zts ztsd
	[ -z "$1" ] || export LD_PRELOAD=$LAB_BUILD/tests/lab/$1
	zts_start
	unset LD_PRELOAD
	zts_wait
}

postern_timeout_ms=4000
identity_up host1

issuer liblab-fakefail.so
certd_start host1
until_ok 30 "the first of all answers is a 500" identity_said_more host1 2006 0
expect "the issuer registered the host" zts_record host1
refute "there is a pair" test -e "$postern_at/host1/sia/current"
issuer ''
certd_wait host1
expect "the pair is good" identity_pair host1
serial=$(certd_serial host1)
identity_watch host1

issuer liblab-fakefail.so
unanswered 500
unanswered "500 again"
issuer ''
healed 500

# From the moment on at which a client has sent more than a handshake's worth of bytes, nothing
# comes back to it: the request arrives, is served and noted, and the answer dies on the way.
# (A handshake is 2.2 kB, with a post-quantum key share 3.4; with its request it is 5.5 and more.)
on zts sysctl -qw net.netfilter.nf_conntrack_acct=1
on zts nft -f - <<-'E'
table inet lab_lost {
	chain out {
		type filter hook output priority 0;
		tcp sport 4443 ct direction reply ct original bytes > 4200 counter drop
	}
}
E
unanswered lost
expect "answers were dropped" grep 'packets [1-9]' <<<"$(on zts nft list table inet lab_lost)"
on zts nft delete table inet lab_lost
healed lost
identity_watched
identity_renew host1
expect_eq "the issuer's record has its serial" "$(certd_serial host1)" "$(zts_field host1 current)"
