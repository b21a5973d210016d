# SPDX-License-Identifier: MIT
about="Whatever a stranger does to the loaded rules is undone at once, and who did it is told; where the kernel can, it is refused"
needs="nft veth"
deadline=120

# shellcheck source=tests/lab/grants.sh
. "$LAB_TREE/tests/lab/grants.sh"

repairs()
{
	host_policy host status | sed -n 's/^repairs: \([0-9]*\).*/\1/p'
}

repaired_more()
{
	[ "$(repairs)" -gt "$1" ]
}

# repaired WHAT PATTERN NFT-WORDS…: all is as it was, and netpolicyd says what was wrong, and who did it.
repaired()
{
	local before
	before=$(repairs)
	on host nft "${@:3}"
	until_ok 60 "$1: seen" repaired_more "$before"
	until_ok 60 "$1: repaired" host_policy host check
	host_policy host status >"$LAB_OUT/status"
	expect "$1: named, and who did it" grep -E "nft .*$2" "$LAB_OUT/status"
	grants_refused "$1"
}

chain_named()
{
	on host nft list chain inet postern "$1"
}

grants_up
host_keep host --no-owner
repaired "all flushed" "table is missing" flush ruleset
repaired "our table deleted" "inet postern: the table is missing" delete table inet postern
repaired "the guard deleted" "postern_guard: the table is missing" delete table netdev postern_guard
repaired "a chain emptied" "chain input: rule 1 is missing" flush chain inet postern input
repaired "a rule put in front" "chain input: a rule that is not ours" insert rule inet postern input tcp dport 22 accept
repaired "a policy opened" "policy drop" 'chain inet postern input { policy accept; }'
repaired "a set widened" "set admins6: an element was added" add element inet postern admins6 '{ 2001:db8:bad::/64 }'
repaired "a grant that nobody gave" "grant_shell6" add element inet postern grant_shell6 "{ $grants_admin }"
repaired "a chain renamed" "chain freed is not ours" rename chain inet postern grants freed
expect "the chain has its name again" chain_named grants

# A grant that is live outlives a flush.
grants_open 30
repaired_from=$(grants_now)
on host nft flush ruleset
until_ok 60 "flushed under a session: repaired" host_policy host check
expect "the session talks on" grants_is_talking
say "the last word came $(($(grants_last) - repaired_from)) ms after the flush"
host_policy host grant end "$grant"
until_ok 60 "ended, the session is over" grep -q '^over$' "$LAB_OUT/admin-session.log"
host_policy host status

# What nobody confirms does not stay.
sed -i 's/^policy .*/policy granted 2/; $a from admins allow tcp 23' "$postern_at/host/policy.conf"
host_policy host apply --confirm-within 8s
expect "the new policy is loaded" grep -q 'granted version 2' <<<"$(on host nft list chain inet postern about)"
on host nft flush ruleset
reverted()
{
	on host nft list chain inet postern about | grep -q 'granted version 1'
}
until_ok 60 "nobody confirmed: the policy before is back" reverted
host_policy host apply --confirm-within 30s
host_policy host confirm
expect "confirmed, it is saved" host_policy host check
spawn_kill host netpolicyd

# The kernel refuses others where it knows owners, and the rules stay when netpolicyd is gone.
host_keep host
if host_policy host status | grep -q ', owner of the tables$'; then
	refute "a stranger deletes our table" on host nft delete table inet postern
	refute "a stranger adds a rule" on host nft insert rule inet postern input tcp dport 22 accept
	on host nft flush ruleset || :
	expect "flushed, and ours are there" host_policy host check
fi
spawn_kill host netpolicyd KILL
expect "netpolicyd is killed, the rules are there" host_policy host check
grants_refused "without netpolicyd"
