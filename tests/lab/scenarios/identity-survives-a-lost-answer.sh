# SPDX-License-Identifier: MIT
about="An answer that is lost after the issuer signed and noted it is asked for again, and nothing is revoked"
needs="nft veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

noted_another()
{
	[ "$(zts_field host1 current)" != "$1" ]
}

postern_timeout_ms=4000
identity_up host1
identity_boot host1
serial=$(certd_serial host1)
identity_watch host1

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
certd_urge host1
until_ok 20 "the issuer signed another certificate" noted_another "$serial"
until_ok 20 "certd missed the answer" certd_said host1 2006
expect_eq "the host still has the old one" "$serial" "$(certd_serial host1)"
expect_eq "which the issuer knows as the one before" "$serial" "$(zts_field host1 previous)"
expect "answers were dropped" bash -c "ip netns exec ${LAB_PREFIX}zts nft list table inet lab_lost |
	grep -q 'packets [1-9]'"
on zts nft delete table inet lab_lost
certd_urge host1
until_ok 30 "the same certificate is good for another try" identity_changed host1 "$serial"
identity_watched
refute "anything was revoked" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
identity_renew host1
expect_eq "the issuer's record has its serial" "$(certd_serial host1)" "$(zts_field host1 current)"
