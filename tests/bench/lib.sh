# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the benchmarks share. Sourced, with the arguments of the program: help is the head of its file.

# Sets $bench_tree, $build, and $bench_args to what is left. bench_options LETTERS "$@": LETTERS are the options
# with a value, each sets bench_LETTER; -q alone sets bench_q=yes. With "-:" among them --json sets bench_json=yes.
bench_options()
{
	local letters=$1 option
	shift
	case ${1:-} in
	-h | --help)
		sed -n '3,/^$/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	esac
	bench_tree=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
	build=$bench_tree/build
	OPTIND=1
	while getopts "b:$letters" option; do
		case $option in
		b) build=$(readlink -f "$OPTARG") ;;
		-)
			[ "$OPTARG" = json ] || bench_misuse
			# shellcheck disable=SC2034 # for who sources this
			bench_json=yes
			;;
		\?) bench_misuse ;;
		*) printf -v "bench_$option" %s "${OPTARG:-yes}" ;;
		esac
	done
	shift $((OPTIND - 1))
	# shellcheck disable=SC2034 # for who sources this
	bench_args=("$@")
}

bench_misuse()
{
	echo "$0 --help tells the usage" >&2
	exit 64
}

bench_root()
{
	[ "$(id -u)" = 0 ] || { echo "$0: needs root" >&2 && exit 2; }
}

# Makes $bench_at, which is gone at the end.
bench_folder()
{
	bench_at=$(mktemp -d /tmp/postern-bench.XXXXXX) || exit 2
	trap 'rm -rf "$bench_at"' EXIT
	export POSTERN_LIBEXECDIR=$build/netpolicy
}

# bench_page PREFIXES: writes $bench_at/PREFIXES.conf, 60 lines that become rules, one of them for a
# list of that many prefixes, and .nft and .batch of it. One grant, two claims.
bench_page()
{
	local page=$bench_at/$1 i
	{
		cat <<-'E'
		policy bench 1
		host tier compute
		link up eth0
		link tun postern0 postern1
		net config 2001:db8:c0::/48
		net gateways fd12::/64
		tier public 2001:db8:100:1::/64
		dns allow
		ntp allow
		imds allow user 998
		to config via tun allow any
		to gateways via tun allow any
		to config via up allow udp 51820 mark 0x504f
		to config via up allow tcp 4443 mark 0x504f
		grant ssh tcp 22 from config via tun max 4h
		claim "the zone" { never out via up to config except mark 0x504f, icmpv6 nd, implied }
		claim "the Internet" { never in via up new except from public, implied }
		E
		for ((i = 0; i < 26; i++)); do
			echo "from public allow tcp $((1000 + 10 * i))"
			printf 'net net%d 2001:db8:%x::/48\nto net%d allow tcp %d user %d\n' "$i" $((0x1000 + i)) "$i" \
				$((4000 + i)) $((1000 + i % 6))
		done
		if [ "$1" -gt 0 ]; then
			for ((i = 0; i < $1; i++)); do
				printf '2001:%x:%x::/48\n' $((0x1000 + i / 30000)) $((2 * (i % 30000)))
			done >"$page.list"
			printf 'net many file %s\nto many allow tcp 8443\n' "$page.list"
		fi
	} >"$page.conf"
	"$build/netpolicy/netpolicy" compile --policy "$page.conf" --config /nonexistent >"$page.nft" &&
		"$build/netpolicy/netpolicy" compile --policy "$page.conf" --config /nonexistent -o "$page.batch"
}
