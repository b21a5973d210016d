# SPDX-License-Identifier: MIT
about="Whatever is changed in a right ruleset, or beside it so that it no longer means what it says, is caught and named"
needs="nft veth"
deadline=300

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"

policy()
{
	on host1 netpolicy "$1" --config "$LAB_OUT/none.conf" --policy "$LAB_OUT/policy.conf" \
		--state-dir "$LAB_OUT/policy" "${@:2}"
}

prove()
{
	policy prove --no-kernel
}

kinds=0

# table NAME PATTERN COMMAND…: a change of our tables; check names it, and applying, which reads back,
# heals it.
table()
{
	local out rc=0
	on host1 "${@:3}"
	out=$(policy check 2>&1) || rc=$?
	expect_eq "$1: exit status of check" 1 "$rc"
	expect "$1: it is named: $2" grep -qE -e "$2" <<<"$out"
	expect "$1: healed, and read back" policy apply
	kinds=$((kinds + 1))
}

# beside NAME PATTERN UNDO COMMAND…: a change beside them; prove no longer says that the claims hold,
# and names it. UNDO is shell.
beside()
{
	local out rc=0
	on host1 "${@:4}"
	out=$(prove 2>&1) || rc=$?
	expect_eq "$1: exit status of prove" 2 "$rc"
	expect "$1: it is named: $2" grep -qE -e "broken +PST-3019 $2" <<<"$out"
	on host1 bash -c "$3"
	kinds=$((kinds + 1))
}

# harmless NAME PATTERN UNDO COMMAND…: what can only narrow; a note, and the claims hold.
harmless()
{
	local out rc=0
	on host1 "${@:4}"
	out=$(prove 2>&1) || rc=$?
	expect_eq "$1: exit status of prove" 0 "$rc"
	expect "$1: it is noted: $2" grep -qE -e "$2" <<<"$out"
	expect "$1: check" policy check
	on host1 bash -c "$3"
}

# lacks COMMAND…: true when this kernel or these tools cannot do it; said once, with what it was.
lacks()
{
	on host1 bash -c "$1" 2>/dev/null && return 1
	echo "this kernel or its tools cannot: $1"
}

# rule CHAIN PATTERN: the handle of a rule. guard_rule PATTERN: of one of the guard.
rule()
{
	on host1 nft -a list chain inet postern "$1" | sed -nE "/$2/s/.*# handle ([0-9]+)$/\1/p" | head -n 1
}
guard_rule()
{
	on host1 nft -a list chain netdev postern_guard egress_eth0 |
		sed -nE "/$1/s/.*# handle ([0-9]+)$/\1/p" | head -n 1
}

# foreign NAME ID FAMILY HOOK RULE…: a rule of somebody else in a chain of its own.
foreign()
{
	on host1 nft add table "$3" stranger
	on host1 nft "add chain $3 stranger c { $4; }"
	beside "$1" "$2" "nft delete table $3 stranger" nft add rule "$3" stranger c "${@:5}"
}

cat >"$LAB_OUT/policy.conf" <<-E
policy lab 1
host tier compute
link up eth0
link tun postern1
net config 2001:db8:c::/48
net gateways fd12::/64
net archive 2001:db8:53::/48
tier public 2001:db8:100:1::/64 10.128.32.0/20
dns allow
imds allow user 12345
from public allow tcp 4443
from config via tun allow tcp 8080
to archive allow tcp 443 user 1001 1002
to config via tun allow any
to gateways via tun allow any
to config via up allow udp 51820 mark 0x504f "tunnel"
to config via up allow tcp 4443 mark 0x504f "exchange"
grant ssh tcp 22 from config via tun max 4h
claim "config only inside the tunnel" { never out via up to config except mark 0x504f, icmpv6 nd }
claim "nothing from the Internet" { never in via up new except from public, implied }
E
postern_dir
zone_up
policy apply
expect "the policy is loaded" policy check
expect "its claims hold, and nothing is in the way" prove

table "rule removed" "chain from_up: rule [0-9]+ is missing" \
	nft delete rule inet postern from_up handle "$(rule from_up "ip saddr.*policy.conf:11")"
table "rule of a denial removed" "chain input: rule [0-9]+ is missing" \
	nft delete rule inet postern input handle "$(rule input "ct state invalid")"
table "rule widened: its port" "chain from_up: rule" \
	nft replace rule inet postern from_up handle "$(rule from_up "ip6 saddr")" \
	ip6 saddr @public6 tcp dport 4443-4444 counter accept comment '"policy.conf:11"'
table "rule widened: its address" "chain from_up: rule" \
	nft replace rule inet postern from_up handle "$(rule from_up "ip6 saddr")" \
	tcp dport 4443 counter accept comment '"policy.conf:11"'
table "rule widened: its users" "chain to_up: rule" \
	nft replace rule inet postern to_up handle "$(rule to_up "skuid")" \
	ip6 daddr @archive6 tcp dport 443 meta skuid '{ 1001, 1002, 1003 }' counter accept \
	comment '"policy.conf:13"'
table "rule widened: no user at all" "chain to_up: rule" \
	nft replace rule inet postern to_up handle "$(rule to_up "skuid")" \
	ip6 daddr @archive6 tcp dport 443 counter accept comment '"policy.conf:13"'
table "another mark" "chain zone_outside: rule" \
	nft replace rule inet postern zone_outside handle "$(rule zone_outside "51820")" \
	oifname @uplinks meta mark 0x504e ip6 daddr @config6 udp sport 1024-65535 udp dport 51820 \
	counter accept comment '"policy.conf:16 tunnel"'
table "rule moved to the end" "chain input: the order was changed" bash -c "
	nft delete rule inet postern input handle $(rule input "ct state invalid")
	nft add rule inet postern input ct state invalid counter drop \
		comment '\"row 4: belongs to nothing\"'"
table "two rules swapped" "chain input: the order was changed" bash -c "
	nft add rule inet postern input handle $(rule input "ct state established") \
		counter jump grants comment '\"row 3: per packet, so that an ended grant ends\"'
	nft delete rule inet postern input handle $(rule input "jump grants")"
table "drop became accept" "chain input: rule" \
	nft replace rule inet postern input handle "$(rule input "in_denied")" \
	counter name in_denied accept comment '"row 16: not written, so not allowed"'
table "reject became accept" "chain zone_outside: rule" \
	nft replace rule inet postern zone_outside handle "$(rule zone_outside "name .leak")" \
	counter name leak accept comment '"row 11: would have left outside the tunnel"'
table "accept became drop" "chain icmp6_errors: rule" \
	nft replace rule inet postern icmp6_errors handle "$(rule icmp6_errors "packet-too-big")" \
	icmpv6 type packet-too-big counter drop comment '"row 2: packet-too-big"'
table "rule added in front" "rule that is not ours" \
	nft insert rule inet postern input tcp dport 22 accept
table "rule added among the lines" "rule that is not ours" \
	nft add rule inet postern to_up ip6 daddr ::/0 accept
table "jump around the chain" "rule that is not ours" \
	nft insert rule inet postern output goto to_up
table "comment of another line" "chain from_up: rule" \
	nft replace rule inet postern from_up handle "$(rule from_up "ip6 saddr")" \
	ip6 saddr @public6 tcp dport 4443 counter accept comment '"policy.conf:99"'
table "counter taken away" "chain from_up: rule" \
	nft replace rule inet postern from_up handle "$(rule from_up "ip6 saddr")" \
	ip6 saddr @public6 tcp dport 4443 accept comment '"policy.conf:11"'
table "set: element added" "set public6: an element was added" \
	nft add element inet postern public6 '{ 2001:db8:bad::/48 }'
table "set: element removed" "set config6: element is missing" \
	nft delete element inet postern config6 '{ 2001:db8:c::/48 }'
table "set: shorter prefix" "set public6: " bash -c "
	nft delete element inet postern public6 '{ 2001:db8:100:1::/64 }'
	nft add element inet postern public6 '{ 2001:db8:100::/48 }'"
table "set: one more tunnel" "set tunnels: an element was added" \
	nft add element inet postern tunnels '{ eth7 }'
table "map: entry redirected" "in_links: " bash -c "
	nft delete element inet postern in_links '{ eth0 }'
	nft add element inet postern in_links '{ eth0 : jump from_tun }'"
table "map: entry added" "out_links: an element was added" \
	nft add element inet postern out_links '{ eth7 : accept }'
table "map: entry gone" "out_links: element is missing" \
	nft delete element inet postern out_links '{ eth0 }'
table "chain emptied" "chain output: rule 1 is missing" nft flush chain inet postern output
table "policy of output" "policy drop" nft 'chain inet postern output { policy accept; }'
table "policy of forward" "policy drop" nft 'chain inet postern forward { policy accept; }'
table "priority of a chain" "chain forward" bash -c "
	nft flush chain inet postern forward
	nft delete chain inet postern forward
	nft 'add chain inet postern forward { type filter hook forward priority 300; policy drop; }'"
table "base chain renamed" "chain (input|evil)" nft rename chain inet postern input evil
table "chain renamed" "chain (from_up|evil)" nft rename chain inet postern from_up evil
table "chain added" "chain evil is not ours" \
	nft 'add chain inet postern evil { type filter hook input priority 5; }'
table "set added" "set evil is not ours" nft 'add set inet postern evil { type ipv6_addr; }'
table "guard: emptied" "chain egress_eth0: rule 1 is missing" \
	nft flush chain netdev postern_guard egress_eth0
table "guard: rule removed" "chain egress_eth0: rule" \
	nft delete rule netdev postern_guard egress_eth0 handle "$(guard_rule "name .leak")"
table "guard: rule added" "rule that is not ours" \
	nft insert rule netdev postern_guard egress_eth0 accept
table "guard: chain missing" "chain egress_eth0" bash -c "
	nft flush chain netdev postern_guard egress_eth0
	nft delete chain netdev postern_guard egress_eth0"
table "guard: set emptied" "set config6: element is missing" \
	nft flush set netdev postern_guard config6
table "guard: table missing" "netdev postern_guard: the table is missing" \
	nft delete table netdev postern_guard
table "table missing" "inet postern: the table is missing" nft delete table inet postern
table "everything flushed" "the table is missing" nft flush ruleset
lacks "nft 'add table inet postern { flags dormant; }'" || table "table switched off" "flags" true

# Beside our tables.
foreign "foreign nat: masquerade" no-foreign-nat ip6 \
	"type nat hook postrouting priority 100" masquerade
foreign "foreign nat: another target" no-foreign-nat ip6 \
	"type nat hook output priority -100" tcp dport 443 dnat to 2001:db8:bad::1
foreign "foreign nat: another port" no-foreign-nat ip6 \
	"type nat hook prerouting priority -100" tcp dport 4443 redirect to :22
foreign "foreign mark" no-foreign-mark inet \
	"type filter hook output priority -150" meta mark set 0x504f
foreign "foreign notrack" no-foreign-notrack inet \
	"type filter hook output priority -300" notrack
lacks "nft -c -f - <<<'
	add table inet t
	add chain inet t c { type filter hook input priority -20; }
	add rule inet t c queue flags bypass to 0'" ||
	foreign "queue to a program" no-foreign-divert inet \
		"type filter hook input priority -20" queue flags bypass to 0
lacks "nft -c -f - <<<'
	add table ip6 t
	add chain ip6 t c { type filter hook prerouting priority -50; }
	add rule ip6 t c dup to 2001:db8::1'" ||
	foreign "packets duplicated" no-foreign-divert ip6 \
		"type filter hook prerouting priority -50" dup to 2001:db8:bad::1
foreign "sent out elsewhere" no-foreign-divert netdev \
	"type filter hook ingress device eth0 priority 0" fwd to lo
foreign "target address rewritten" no-foreign-divert inet \
	"type filter hook output priority -20" ip6 daddr set 2001:db8:bad::1
lacks "nft -c -f - <<<'
	add table inet t
	add flowtable inet t f { hook ingress priority 0; devices = { eth0 }; }'" || {
	on host1 nft add table inet stranger
	beside "flow table" no-flow-table "nft delete table inet stranger" \
		nft 'add flowtable inet stranger f { hook ingress priority 0; devices = { eth0 }; }'
}
lacks "tc qdisc add dev lo clsact && tc filter add dev lo egress protocol all u32 match u32 0 0;
	r=\$?; tc qdisc del dev lo clsact; exit \$r" || {
	on host1 tc qdisc add dev eth0 clsact
	beside "tc filter" no-tc-on-eth0 "tc qdisc del dev eth0 clsact" \
		tc filter add dev eth0 egress protocol all u32 match u32 0 0
}
beside "forwarding of IPv6" forwarding-off "sysctl -qw net.ipv6.conf.all.forwarding=0" \
	sysctl -qw net.ipv6.conf.all.forwarding=1
beside "forwarding of IPv4" forwarding-off "sysctl -qw net.ipv4.ip_forward=0" \
	sysctl -qw net.ipv4.ip_forward=1
beside "source routes" no-source-routes "sysctl -qw net.ipv4.conf.all.accept_source_route=0" \
	sysctl -qw net.ipv4.conf.all.accept_source_route=1
beside "tunnel that is none" wireguard-on-postern1 "ip link del postern1" \
	ip link add postern1 type veth peer name nowhere1
on host1 nft delete table netdev postern_guard
beside "no guard, seen by the proof" guard-on-eth0 true true
beside "not our rules, seen by the proof" kernel-holds-the-policy true true
policy apply

on host1 nft add table inet stranger
on host1 nft 'add chain inet stranger early { type filter hook input priority -400; }'
harmless "a chain that accepts before us" "foreign-chains: 1 base chain" \
	"nft delete table inet stranger" nft add rule inet stranger early accept

expect "in the end all is as it was" policy check
expect "and the claims hold" prove
expect_ge "kinds of change that were caught and named" 50 "$kinds"
