# SPDX-License-Identifier: MIT
about="The host policy loads in place, every change by a stranger is named, and applying again heals it"
needs="nft veth"
deadline=180

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"

conf=$LAB_OUT/postern.conf
state=$LAB_OUT/policy

write_conf()
{
	cat >"$conf" <<-E
	[zone]
	name = lab
	hosts_prefix = fd12:0:0:1::/64
	gateways_prefix = fd12::/64
	config_nets = 2001:db8:c::/48
	E
}

# write_page LINES: the page with these lines more.
write_page()
{
	cat >"$LAB_OUT/policy.conf" <<-E
	policy lab 1
	host tier compute
	link up eth0
	link tun postern0 postern1
	net config 2001:db8:c::/48
	net gateways fd12::/64
	net archive 2001:db8:53::/48
	tier public 2001:db8:100:1::/64 10.128.32.0/20
	dns allow
	ntp allow
	imds allow user 12345
	from public allow tcp 4443
	from config via tun allow tcp 8080
	to archive allow tcp 443
	to config via tun allow any
	to gateways via tun allow any
	to config via up allow udp 51820 mark 0x504f "tunnel"
	to config via up allow tcp 4443 mark 0x504f "exchange"
	$1
	E
}

policy()
{
	on host1 netpolicy "$1" --config "$conf" --policy "$LAB_OUT/policy.conf" \
		--state-dir "$state" "${@:2}"
}

nft_on_host()
{
	on host1 nft "$@"
}

# drift NAME PATTERN NFT-WORDS…: the change is seen and named, and healed.
drift()
{
	local out rc=0
	nft_on_host "${@:3}"
	out=$(policy check 2>&1) || rc=$?
	expect_eq "$1: exit status of check" 1 "$rc"
	expect "$1: it is named" grep -qE -e "$2" <<<"$out"
	policy apply
	expect "$1: healed" policy check
}

postern_dir
zone_up
write_conf
write_page ""
policy apply --verbose
expect "the kernel holds the policy" policy check
expect "the saved batch is there" test -s "$state/policy.batch"
policy compile -o "$LAB_OUT/a.batch"
policy compile -o "$LAB_OUT/b.batch"
expect "two compiles give the same bytes" cmp "$LAB_OUT/a.batch" "$LAB_OUT/b.batch"

nft_on_host add table ip stranger
nft_on_host add chain ip stranger out '{ type filter hook output priority 3; }'
expect "a foreign chain is a note, not drift" policy check

drift "rule added" "a rule that is not ours stands at place 1" \
	insert rule inet postern input tcp dport 22 accept
drift "chain emptied" "chain output: rule 1 is missing" flush chain inet postern output
drift "element added" "set config6: an element was added \\(2001:db8:bad::" \
	add element inet postern config6 '{ 2001:db8:bad::/64 }'
drift "element removed" "set public6: element is missing" flush set inet postern public6
drift "policy changed" "should be \"hook 3 priority -10 policy drop\"" \
	'chain inet postern output { policy accept; }'
drift "chain added" "chain evil is not ours" \
	'add chain inet postern evil { type filter hook input priority 5; }'
drift "guard deleted" "netdev postern_guard: the table is missing" \
	delete table netdev postern_guard
drift "table deleted" "inet postern: the table is missing" delete table inet postern
expect "the stranger's table is untouched" nft_on_host list chain ip stranger out
drift "all flushed" "inet postern: the table is missing" flush ruleset

# Another policy in place: what vanished goes, what is new comes, and counters with a name stay.
write_page "net peers 2001:db8:1:9::2
from peers allow tcp 9000
to peers allow tcp 9000"
policy apply
expect "the new policy is loaded" policy check
expect "the new set is there" nft_on_host list set inet postern peers6
write_page ""
policy apply
expect "the old policy is back" policy check
refute "the set that vanished is there" nft_on_host list set inet postern peers6

# Boot: the last good batch without a parser, and the closed one when there is none.
nft_on_host flush ruleset
on host1 netpolicy-boot --state-dir "$state"
expect "boot loaded what was saved" policy check
nft_on_host flush ruleset
rc=0
on host1 netpolicy-boot --state-dir "$LAB_OUT/nothing" || rc=$?
expect_eq "exit status of boot without a batch" 1 "$rc"
expect "the closed policy is there" grep -q "closed policy" \
	<<<"$(nft_on_host list chain inet postern about)"
refute "the closed host reaches anything" on host1 ping -c 1 -W 1 2001:db8:bad::2
policy apply
expect "the full policy replaces the closed one in place" policy check

# An uplink that does not exist yet: the host is closed all the same.
policy unload --yes
on host1 ip link set eth0 down
on host1 ip link set eth0 name later0
refute "a page is loaded that names no interface of this host" policy apply
policy apply --force
expect "without the uplink the rules are there" nft_on_host list chain inet postern input
expect "and check says so" policy check
on host1 ip link set later0 name eth0
policy apply
expect "with the uplink the guard is there" nft_on_host list chain netdev postern_guard egress_eth0
expect "all is as configured" policy check
