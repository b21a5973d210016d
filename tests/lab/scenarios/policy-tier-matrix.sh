# SPDX-License-Identifier: MIT
about="Hosts of the three tiers with the example pages: who reaches what is as the table of docs/policy.md says, cell by cell"
needs="nft veth"
deadline=120

# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"

# The users of the pages, by number.
declare -A uids=([postern-certd]=4304 [app]=4401 [archive]=4402)
tiers="public compute storage"
declare -A net_of=([public]=10 [compute]=20 [storage]=30)

# The rest of the world is the router itself, which has all the addresses that are not of a host.
world_addresses="2001:db8:bad::2 203.0.113.2 2001:db8:100:1::2 10.128.32.2 2001:db8:5::2 2001:db8:53::2
	fd00:ec2::254 169.254.169.254 fd00:ec2::253 fd00:ec2::123"

# A cable stands in for the tunnel: the policy knows it by its name. As in WireGuard nobody asks for
# neighbours there; with one hardware address at both ends everything arrives.
declare_tunnel()
{
	local n=${net_of[$1]} end
	link "zone:t-$1" "$1:postern0" - "fd12:0:0:1::$n/128"
	for end in "zone t-$1" "$1 postern0"; do
		lab_net_script[${end% *}]+="link set ${end#* } address 02:00:00:00:00:99 arp off"$'\n'
	done
	route zone "fd12:0:0:1::$n/128" dev "t-$1"
}

# Fails before both ends are seen to be up: until then an address is none to send from.
route_tunnel()
{
	on "$1" ip -6 -batch - <<-E
	route replace 2001:db8:c0::/48 dev postern0 table 20559 src fd12:0:0:1::${net_of[$1]}
	route replace fd12::/64 dev postern0 table 20559 src fd12:0:0:1::${net_of[$1]}
	E
}

declare_world()
{
	local tier n address
	router world
	# shellcheck disable=SC2086
	ns zone $tiers
	for address in $world_addresses; do
		lab_net_script[world]+="address add $address dev lo"$'\n'
	done
	link world:zone zone:eth0 2001:db8:c0::ffff/64 2001:db8:c0::1/64
	lab_net_script[zone]+="address add fd12::1/128 dev lo"$'\n'
	route zone default via 2001:db8:c0::ffff
	for tier in $tiers; do
		n=${net_of[$tier]}
		link "world:$tier" "$tier:eth0" "2001:db8:$n::1/64,10.$n.0.1/24" "2001:db8:$n::2/64,10.$n.0.2/24"
		route "$tier" default via "2001:db8:$n::1"
		route "$tier" default via "10.$n.0.1"
		declare_tunnel "$tier"
	done
}

write_conf()
{
	cat >"$LAB_OUT/postern.conf" <<-E
	[zone]
	name = lab
	hosts_prefix = fd12:0:0:1::/64
	gateways_prefix = fd12::/64
	config_nets = 2001:db8:c0::/48
	E
}

# load TIER: the example page, with the users by number.
load()
{
	local user script=''
	for user in "${!uids[@]}"; do
		script+="s/user $user\\b/user ${uids[$user]}/g;"
	done
	sed "$script" "$LAB_TREE/docs/examples/$1.conf" >"$LAB_OUT/$1.conf"
	on "$1" netpolicy apply --config "$LAB_OUT/postern.conf" --policy "$LAB_OUT/$1.conf" \
		--state-dir "$LAB_OUT/$1-state"
}

# The lines of the table without remarks.
cells()
{
	sed '/^#/d;/^to /d' "$LAB_TREE/tests/lab/tiers.txt"
}

# Sets $address, $device and $mark for the place TO that FROM asks, as AS.
aim()
{
	device=- mark=-
	case $1 in
	public | compute | storage)
		address=2001:db8:${net_of[$1]}::2
		[ "$2" != zone ] || address=fd12:0:0:1::${net_of[$1]} ;;
	compute4) address=10.20.0.2 ;;
	internet) address=2001:db8:bad::2 ;;
	internet4) address=203.0.113.2 ;;
	balancer4) address=10.128.32.2 ;;
	identity) address=2001:db8:5::2 ;;
	vault) address=2001:db8:53::2 ;;
	imds) address=fd00:ec2::254 ;;
	imds4) address=169.254.169.254 ;;
	dns) address=fd00:ec2::253 ;;
	ntp) address=fd00:ec2::123 ;;
	zone) address=2001:db8:c0::1 ;;
	gateways) address=fd12::1 ;;
	outside)
		address=2001:db8:c0::1
		if [ "$3" = mark ]; then mark=0x504f; else device=eth0; fi ;;
	*) fail "no place is called $1" ;;
	esac
}

# The namespace and the own address of a place that asks: of IPv4 where what is asked is.
declare -A home_of=([internet]=world [balancer]=world [zone]=zone [outside]=zone [public]=public
	[compute]=compute [storage]=storage)
source_of()
{
	case $1$2 in
	internet*.*) echo 203.0.113.2 ;;
	balancer*.*) echo 10.128.32.2 ;;
	internet*) echo 2001:db8:bad::2 ;;
	balancer*) echo 2001:db8:100:1::2 ;;
	zone*) echo fd12::1 ;;
	outside*) echo 2001:db8:c0::1 ;;
	*) echo - ;;
	esac
}

# Writes the questions of each namespace to ask-NAMESPACE, and what the table says to wanted.
write_questions()
{
	local to port as from verdict address device mark uid
	local -a row places=(internet balancer public compute storage zone outside)
	while read -ra row; do
		to=${row[0]} port=${row[1]} as=${row[2]}
		for i in "${!places[@]}"; do
			from=${places[i]} verdict=${row[i + 3]}
			[ "$verdict" != . ] || continue
			aim "$to" "$from" "$as"
			uid=${uids[$as]:--}
			echo "$from:$to:$port:$as" "${port%/*}" "$address" "${port#*/}" \
				"$(source_of "$from" "$address")" "$device" "$mark" "$uid" \
				>>"$LAB_OUT/ask-${home_of[$from]}"
			echo "$from:$to:$port:$as $verdict" >>"$LAB_OUT/wanted"
		done
	done < <(cells)
}

# ask NAMESPACE: the answers go to got-NAMESPACE.
ask()
{
	on "$1" "$LAB_TREE/tests/lab/reach.py" ask <"$LAB_OUT/ask-$1" >"$LAB_OUT/got-$1"
}

ask_all()
{
	local name pids=()
	for name in world zone $tiers; do
		ask "$name" &
		pids+=($!)
	done
	for name in "${pids[@]}"; do
		wait "$name"
	done
	cat "$LAB_OUT"/got-* | sort >"$LAB_OUT/got"
}

declare_world
build_net
for tier in $tiers; do
	until_ok 60 "the tunnel of $tier is up" route_tunnel "$tier"
	on "$tier" ip -6 rule add not fwmark 0x504f lookup 20559 pref 20559
done
postern_dir
write_conf
write_questions
sort -o "$LAB_OUT/wanted" "$LAB_OUT/wanted"
mapfile -t ports < <(cells | awk '{ print $2 }' | sort -u)
for name in world zone $tiers; do
	spawn "$name" serve "$LAB_TREE/tests/lab/reach.py" serve "${ports[@]}"
done
for name in world zone $tiers; do
	wait_log 60 "$name" serve ready
done

# Without a policy everything is reached that the table asks for: what is refused later, the policy refuses.
ask_all
expect_eq "cells that are not reached even without a policy" "" "$(grep -v ' yes$' "$LAB_OUT/got" || :)"
for tier in $tiers; do
	load "$tier"
done
ask_all
expect_ge "cells of the table" 100 "$(wc -l <"$LAB_OUT/wanted")"
expect_eq "cells that are not as the table says (< wanted, > got)" "" \
	"$(diff "$LAB_OUT/wanted" "$LAB_OUT/got" | grep '^[<>]' || :)"
for tier in $tiers; do
	expect "$tier: the kernel holds the policy" on "$tier" netpolicy check --config "$LAB_OUT/postern.conf" \
		--policy "$LAB_OUT/$tier.conf" --state-dir "$LAB_OUT/$tier-state"
done
