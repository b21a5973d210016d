#!/bin/bash
# SPDX-License-Identifier: MIT
#
# cli.sh NETPOLICY LIBEXECDIR NETPOLICYD: runs netpolicy in a network namespace of its own, through every
# command and every refusal: exit status, message code, and that a refusal changes nothing.

set -euo pipefail

if [ "${CLI_INSIDE:-}" != yes ]; then
	unshare --net true 2>/dev/null || {
		echo "skipped: needs the right to make a network namespace"
		exit 77
	}
	CLI_INSIDE=yes exec unshare --net "$0" "$@"
fi

netpolicy=$1
export POSTERN_LIBEXECDIR=$2
netpolicyd=$3
dir=$(mktemp -d)
daemon=
# Without any power, from a place that everybody can reach.
unprivileged=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all
	env "POSTERN_LIBEXECDIR=$dir/bin" "$dir/bin/netpolicy")
chmod 0755 "$dir"
mkdir "$dir/bin"
cp "$netpolicy" "$POSTERN_LIBEXECDIR/netpolicy-compile" "$dir/bin"

finish()
{
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

fail()
{
	echo "cli.sh: $*" >&2
	head -c 4000 "$dir/out" "$dir/log" >&2
	[ ! -e "$dir/daemon.log" ] || tail -n 20 "$dir/daemon.log" >&2
	exit 1
}

# ends STATUS WORD COMMAND…: the command ends so and says WORD, "" for anything.
ends()
{
	local want=$1 word=$2 code=0
	shift 2
	"$@" >"$dir/out" 2>"$dir/log" || code=$?
	[ $code = "$want" ] || fail "exit status $code, not $want: $*"
	[ -z "$word" ] || grep -qF -- "$word" "$dir/out" "$dir/log" || fail "no '$word' from: $*"
}

# said WORD: the last command said that too.
said()
{
	grep -qF -- "$1" "$dir/out" "$dir/log" || fail "it did not say '$1'"
}

is_json()
{
	python3 -m json.tool "$dir/out" >/dev/null || fail "not JSON"
}

# member PATH VALUE: of the JSON that was printed.
member()
{
	local have
	have=$(python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."):
    v = v[int(k)] if isinstance(v, list) else v[k]
print(json.dumps(v) if not isinstance(v, str) else v)' "$dir/out" "$1") || fail "no member $1"
	[ "$have" = "$2" ] || fail "$1 is $have, not $2"
}

ip link set lo up
ip link add eth0 type veth peer name far0
ip link set eth0 up

cat >"$dir/policy.conf" <<-PAGE
	policy demo 7
	host   tier compute
	link   up eth0
	net    archive 2001:db8:53::/48
	tier   public 2001:db8:100:1::/64 10.128.32.0/20
	dns    allow
	ntp    allow
	from   public allow tcp 4443
	to     archive allow tcp 443 user 997 "log sync"
	grant  ssh tcp 22 from archive max 4h
	claim "nothing from the Internet" { never in via up new except from public, implied, grant ssh }
	claim "IPv6 keeps working" { always out via up icmpv6 nd }
PAGE
mkdir "$dir/state" "$dir/run"

# variant NAME SED: another page beside it; $page is it.
variant()
{
	sed -E "$2" "$dir/policy.conf" >"$dir/$1.conf"
	page=$dir/$1.conf
}

# No postern.conf here: nothing is said about a tunnel.
with=(--config "$dir/postern.conf" --state-dir "$dir/state" --run-dir "$dir/run")

# Words.
ends 64 "say a command" "$netpolicy"
ends 64 "unknown command 'frobnicate'" "$netpolicy" frobnicate
ends 64 "did you mean 'explain'" "$netpolicy" explian
ends 64 "unknown option" "$netpolicy" check --frobnicate
ends 64 "--why is not for check" "$netpolicy" check --why because
ends 64 "too many words" "$netpolicy" check now
ends 64 "init needs the uplinks" "$netpolicy" init
ends 64 "explain needs a packet" "$netpolicy" explain
ends 64 "grant needs add" "$netpolicy" grant
for time in 0 "" x 8d 604801 1w -1s 1h1m 99999999999999999999; do
	ends 64 "not a time" "$netpolicy" apply "${with[@]}" --confirm-within "$time"
done
ends 0 "usage: netpolicy" "$netpolicy" --help
ends 0 "netpolicy " "$netpolicy" --version

# Pages.
ends 2 PST-3001 "$netpolicy" compile "${with[@]}" --policy "$dir/absent.conf"
said absent.conf
variant typo 's/allow tcp 4443/alow tcp 4443/'
ends 2 PST-3001 "$netpolicy" apply "${with[@]}" --policy "$page"
said "typo.conf:8:"
said "did you mean 'allow'"
ends 0 "table inet postern" "$netpolicy" compile "${with[@]}"
said 'comment "policy.conf:9 log sync"'
ends 0 "table inet postern" "$netpolicy" compile "$dir/policy.conf"
ends 0 "guard" "$netpolicy" compile --effective "${with[@]}"
said "policy.conf:9: log sync"
said "row 1: loopback"
ends 0 "" "$netpolicy" compile --json "${with[@]}"
is_json
cp "$dir/out" "$dir/policy.json"
ends 0 "" "$netpolicy" compile --json "$dir/policy.json"
cmp -s "$dir/out" "$dir/policy.json" || fail "the JSON of the JSON is another"
echo '{"name": 7}' >"$dir/bad.json"
ends 2 "PST-3001: $dir/bad.json: " "$netpolicy" compile "$dir/bad.json"

ends 2 PST-3002 env POSTERN_LIBEXECDIR=/nonexistent "$netpolicy" compile -o "$dir/batch" "${with[@]}"
[ ! -e "$dir/batch" ] || fail "a batch without a compiler"
echo 'table inet postern { chain' >"$dir/text"
ends 64 "-o FILE" "$netpolicy" compile --text "$dir/text"
ends 2 PST-3002 "$netpolicy" compile -o "$dir/batch" --text "$dir/text"
[ ! -e "$dir/batch" ] || fail "a batch of a text that is none"
ends 2 "cannot read" "$netpolicy" compile -o "$dir/batch" --text "$dir/absent"
ends 0 "" "$netpolicy" compile -o "$dir/batch" "${with[@]}"
[ -s "$dir/batch" ] || fail "no batch"
ends 2 "cannot write" "$netpolicy" compile -o "$dir/absent/batch" "${with[@]}"

# One form for all pages.
ends 0 "" "$netpolicy" fmt "${with[@]}"
ends 0 "" "$netpolicy" fmt --check "${with[@]}"
cp "$dir/policy.conf" "$dir/formatted"
variant loose 's/^(dns|ntp) +/\1 /'
cp "$page" "$dir/before"
ends 1 "loose.conf" "$netpolicy" fmt --check "$dir/policy.conf" "$page"
cmp -s "$page" "$dir/before" || fail "fmt --check changed the page"
chmod 0640 "$page"
chown 65534:65534 "$page"
ln -s loose.conf "$dir/link.conf"
ends 0 "formatted" "$netpolicy" fmt "$dir/link.conf"
[ -L "$dir/link.conf" ] || fail "fmt put a file in the place of a link"
[ "$(stat -c %a:%u:%g "$page")" = 640:65534:65534 ] || fail "fmt changed mode or owner"
cmp -s "$page" "$dir/formatted" || fail "fmt gives another form"
code=0
"$netpolicy" fmt - <"$dir/before" >"$dir/out" 2>"$dir/log" || code=$?
[ $code = 0 ] || fail "fmt as a filter: exit status $code"
cmp -s "$dir/out" "$dir/formatted" || fail "fmt as a filter gives another form"
printf 'policy x 1\0\n' >"$dir/nul.conf"
ends 2 "NUL" "$netpolicy" fmt "$dir/nul.conf"
variant unknown 's/^from/fromm/'
ends 2 PST-3001 "$netpolicy" fmt "$page" "$dir/policy.conf"
said "unknown.conf:8:"
ends 2 "cannot read" "$netpolicy" fmt "$dir/absent"
: >"$dir/empty.conf"
ends 0 "" "$netpolicy" fmt "$dir/empty.conf"

# A first page.
cat >"$dir/zone.conf" <<-ZONE
	[zone]
	name = lab
	hosts_prefix = fd12:0:0:1::/64
	gateways_prefix = fd12::/64
	config_nets = 2001:db8:c::/48
	[server cfg1]
	address = [2001:db8:c::1]:4443
	principal = vespa.vespa.cfg
	[certd]
	user = nobody
ZONE
ends 64 "--tier public, compute or storage" "$netpolicy" init eth0 --config "$dir/zone.conf"
ends 64 "not enclave" "$netpolicy" init eth0 --tier enclave --config "$dir/zone.conf"
ends 2 PST-3001 "$netpolicy" init eth0 --tier compute --config "$dir/absent"
zone=(--config "$dir/zone.conf" --state-dir "$dir/first" --run-dir "$dir/run")
for tier in public compute storage; do
	ends 0 "host" "$netpolicy" init eth0 --tier $tier --config "$dir/zone.conf"
	cp "$dir/out" "$dir/first.conf"
	ends 0 "" "$netpolicy" fmt --check "$dir/first.conf"
	ends 0 "all claims hold" "$netpolicy" prove --page-only --no-kernel --policy "$dir/first.conf"
	ends 0 "saved for the next boot" "$netpolicy" apply --boot-only --policy "$dir/first.conf" "${zone[@]}"
done
[ -z "$(nft list tables)" ] || fail "--boot-only loaded something"

# Refusals before anything is loaded.
ends 2 "nothing was loaded here before" "$netpolicy" plan "${with[@]}"
variant violated 's/^from +public .*/&\nfrom archive allow tcp 80/'
ends 1 PST-3009 "$netpolicy" apply "${with[@]}" --policy "$page"
said "violated.conf:9 lets through: in up tcp "
said "[2001:db8:53:"
[ ! -e "$dir/state/policy.batch" ] || fail "a page whose claim is violated was saved"
# What is proved is what is saved: the page is opened once, so nobody can put another one between.
python3 - "$dir/policy.conf" "$netpolicy" apply --boot-only "${with[@]}" --state-dir "$dir/once" 2>"$dir/log" <<-OPENS ||
	import ctypes, os, struct, subprocess, sys
	libc = ctypes.CDLL(None)
	fd = libc.inotify_init1(os.O_NONBLOCK)
	assert libc.inotify_add_watch(fd, sys.argv[1].encode(), 0x30) >= 0  # IN_OPEN, IN_CLOSE_NOWRITE
	subprocess.run(sys.argv[2:], check=True)
	events = len(os.read(fd, 4096)) // struct.calcsize("iIII")
	assert events == 2, f"{events} times opened and closed"
OPENS
	fail "the page is not opened just once"
ends 1 PST-3008 "$netpolicy" apply --policy "$dir/policy.conf" "${zone[@]}"
sed '/exchange/d' "$dir/first.conf" >"$dir/cut.conf"
ends 1 PST-3008 "$netpolicy" apply --policy "$dir/cut.conf" "${zone[@]}"
said "4443"
sed -E 's/^link +up eth0/link up eth8 eth9/' "$dir/first.conf" >"$dir/cut.conf"
ends 1 PST-3008 "$netpolicy" apply --policy "$dir/cut.conf" "${zone[@]}"
said "no interface of 'link up' exists on this host, eth8 for one"
ends 0 "saved for the next boot" "$netpolicy" apply --boot-only --policy "$dir/cut.conf" "${zone[@]}"
[ -z "$(nft list tables)" ] || fail "a page that cuts the tunnel was loaded"
ends 2 PST-3015 "$netpolicy" apply "${with[@]}" --confirm-within 60s
ends 64 "--log-only" "$netpolicy" try "${with[@]}"
ends 2 PST-3015 "$netpolicy" try --log-only "${with[@]}"
ends 2 PST-3015 "$netpolicy" confirm "${with[@]}"
ends 1 "no policy before" "$netpolicy" rollback "${with[@]}"
[ -z "$(nft list tables)" ] || fail "something was loaded: $(nft list tables)"
ends 64 "--yes" "$netpolicy" unload "${with[@]}"
ends 1 PST-3006 "$netpolicy" check "${with[@]}"

# Without netpolicyd.
ends 0 "is loaded" "$netpolicy" apply "${with[@]}"
ends 0 "OK" "$netpolicy" check "${with[@]}"
ends 0 "already loaded" "$netpolicy" apply "${with[@]}"
nft insert rule inet postern "$(nft list table inet postern | awk '$1 == "chain" { print $2; exit }')" accept
ends 1 PST-3005 "$netpolicy" check "${with[@]}"
ends 1 '"' "$netpolicy" check --json "${with[@]}"
is_json
member equal false
member code 3005
ends 0 "loaded" "$netpolicy" apply "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"
ends 2 PST-3015 "$netpolicy" status "${with[@]}"
said "the kernel holds it"
ends 2 PST-3015 "$netpolicy" grant list "${with[@]}"
ends 2 PST-3015 "$netpolicy" grant add ssh 2001:db8:53::9 --for 1h "${with[@]}"
(
	flock 9
	ends 2 "another netpolicy or netpolicyd works here" "$netpolicy" apply "${with[@]}"
) 9>"$dir/state/policy.lock"

# What would change.
ends 0 "nothing changes" "$netpolicy" plan "${with[@]}"
variant more 's/^policy demo 7/policy demo 8/; s/^to +archive .*/&\nto archive allow udp 514/; s/max 4h/max 2h/; /IPv6 keeps/d'
ends 1 "newly allows" "$netpolicy" plan "${with[@]}" --policy "$page"
said "udp 514"
said "more.conf:10"
said "adds     grant ssh from archive via up max 7200 s, tcp 22"
said 'removes  claim "IPv6 keeps working"'
ends 1 "" "$netpolicy" plan --json "${with[@]}" --policy "$page"
is_json
member same false
member to.version 8
# What no packet of the model shows is told all the same.
planned()
{
	variant planned "$1"
	ends 1 "$2" "$netpolicy" plan "${with[@]}" --policy "$page"
	said "$3"
}
planned 's/^link +up eth0/link up eth0 eth1/' "adds     link up eth1" ""
planned 's/^link +up eth0/link up eth1/' "adds     link up eth1" "removes  link up eth0"
planned 's/^host +tier compute/host tier public/' "adds     host tier public" "removes  host tier compute"
planned 's/^ntp.*/&\nlog 7/' "adds     log 7" "removes  log 5"
planned 's/implied, grant ssh/implied, grant ssh, from any tcp/; s/from any tcp/& 80/' \
	'adds     claim "nothing from the Internet": never in via up new except from public, implied, grant ssh, from any tcp 80' \
	'removes  claim "nothing from the Internet": never in via up new except from public, implied, grant ssh'
planned 's/^from +public.*/net other 2001:db8:9::\/48\n&/; s/except from public/&, from other/' "from other" ""
cp "$page" "$dir/other.conf"
ends 0 "saved" "$netpolicy" apply --boot-only "${with[@]}" --state-dir "$dir/other" --policy "$dir/other.conf"
sed 's/2001:db8:9::/2001:db8:8::/' "$dir/other.conf" >"$dir/other2.conf"
ends 1 "adds     net other, of which claims speak: 1 prefix, sha256" "$netpolicy" plan "${with[@]}" --state-dir "$dir/other" \
	--policy "$dir/other2.conf"
variant less '/^ntp/d'
ends 1 "newly denies" "$netpolicy" plan "${with[@]}" --policy "$page"
cp "$dir/state/policy.batch" "$dir/kept"
head -c 100 "$dir/kept" >"$dir/state/policy.batch"
ends 2 PST-3007 "$netpolicy" plan "${with[@]}"
cp "$dir/kept" "$dir/state/policy.batch"

# Back to what was before.
ends 0 "is loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/more.conf"
ends 1 PST-3005 "$netpolicy" check "${with[@]}"
ends 0 "is loaded" "$netpolicy" rollback "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"
ends 0 "is loaded" "$netpolicy" rollback "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}" --policy "$dir/more.conf"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}"

# One packet.
ends 0 ALLOWED "$netpolicy" explain "${with[@]}" in eth0 tcp "[2001:db8:100:1::9]:4000" "[host]:4443"
said "policy.conf:8"
said "chain from_up"
said "live     0 packets"
ends 1 DENIED "$netpolicy" explain "${with[@]}" in eth0 tcp "[2001:db8::9]:4000" "[host]:22"
said "nearest"
ends 1 "" "$netpolicy" explain --json "${with[@]}" out eth0 tcp "[host]:4000" "[2001:db8:53::9]:443" uid 1000
is_json
member allowed false
member kernel.agrees true
ends 0 "" "$netpolicy" explain --no-kernel "${with[@]}" out eth0 tcp "[host]:4000" "[2001:db8:53::9]:443" uid 997
! grep -q "^kernel" "$dir/out" || fail "--no-kernel asks it"
ends 64 "not a packet" "$netpolicy" explain "${with[@]}" in eth7 tcp
mkdir "$dir/only-compile"
ln -s "$POSTERN_LIBEXECDIR/netpolicy-compile" "$dir/only-compile"
ends 0 PST-3017 env POSTERN_LIBEXECDIR="$dir/only-compile" "$netpolicy" explain "${with[@]}" \
	out eth0 tcp "[host]:4000" "[2001:db8:53::9]:443" uid 997

# All packets.
ends 0 "all claims hold" "$netpolicy" prove "${with[@]}"
said "HOLDS     policy.conf:11"
said "guard-on-eth0 (out): our egress chain hangs on it"
ends 1 "VIOLATED" "$netpolicy" prove --no-kernel "${with[@]}" --policy "$dir/violated.conf"
said PST-3009
ends 1 "" "$netpolicy" prove --page-only --no-kernel --json --policy "$dir/violated.conf"
is_json
member result violated
member claims.0.outcome violated
member claims.0.decided_by violated.conf:9
# A claim that says less than it seems to is not just called true.
variant empty 's/^claim "IPv6 keeps.*/claim "none" { never in via up ipv4 icmpv6 nd }/'
cat >>"$page" <<-CLAIM
	to archive allow tcp 443 user 997 998
	claim "by its user" { never out via up new to archive tcp 443 except user 997 998 }
CLAIM
ends 0 "all claims hold" "$netpolicy" prove --page-only --no-kernel --policy "$page"
said 'claim "none": but no packet is what it speaks of'
said 'but for packet sockets, which only the guard stops: out up tcp'
said "empty.conf:9 could go: what it allows is allowed without it by empty.conf:13"
ends 0 'claim "none" holds, but no packet is what it speaks of' \
	"$netpolicy" apply --boot-only "${with[@]}" --state-dir "$dir/once" --policy "$page"
ends 0 "" "$netpolicy" prove --page-only --no-kernel --json --policy "$page"
is_json
member scope page
member claims.1.speaks_of_nothing true
member claims.0.speaks_of_nothing false
member decide_nothing.0.redundant true
said '"but_packet_sockets":"out up tcp'
# The kernel was to be asked, and could not be: nobody knows.
ends 2 PST-3017 env POSTERN_LIBEXECDIR="$dir/only-compile" "$netpolicy" prove --page-only "${with[@]}"
said "the kernel could not be asked"
nft 'table ip6 stranger { chain pre { type nat hook prerouting priority -100; tcp dport 80 redirect to :22; }; }'
ends 2 PST-3019 "$netpolicy" prove --no-kernel "${with[@]}"
said "ip6 stranger, chain pre: redir"
said "UNDECIDED policy.conf:11"
said "HOLDS     policy.conf:12"
ends 0 "note: another program's chain at our hook: ip6 stranger" "$netpolicy" check "${with[@]}"
nft delete table ip6 stranger
nft flush chain netdev postern_guard egress_eth0
ends 2 "guard-on-eth0" "$netpolicy" prove --no-kernel "${with[@]}"
said "PST-3019 kernel-holds-the-policy"
ends 0 "all claims hold" "$netpolicy" prove --page-only "${with[@]}"
ends 2 "unknown" "${unprivileged[@]}" prove --no-kernel "${with[@]}"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}"

# A statement that openssl can check.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$dir/ec.pem" \
	-out "$dir/ec.cert" -subj "/CN=vespa.vespa.host1" -addext "subjectAltName=URI:spiffe://vespa/sa/host1" 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "$dir/rsa.pem" -out "$dir/rsa.cert" -subj "/CN=other" 2>/dev/null
openssl genpkey -algorithm ED25519 -out "$dir/ed.pem"
openssl pkey -in "$dir/ec.pem" -aes128 -passout pass:secret -out "$dir/locked.pem"
sign=(--no-kernel -o "$dir/statement")
refused()
{
	ends "$1" "$2" "$netpolicy" prove "${with[@]}" "${@:3}"
	[ ! -e "$dir/statement" ] || fail "a statement all the same: $*"
}
refused 64 "--cert FILE" "${sign[@]}" --sign "$dir/ec.pem"
refused 64 "--sign KEY" "${sign[@]}" --cert "$dir/ec.cert"
refused 64 "-o FILE" --no-kernel --sign "$dir/ec.pem" --cert "$dir/ec.cert"
refused 2 "not the certificate of that key" "${sign[@]}" --sign "$dir/ec.pem" --cert "$dir/rsa.cert"
refused 2 "EC or RSA" "${sign[@]}" --sign "$dir/ed.pem" --cert "$dir/ec.cert"
refused 2 "without passphrase" "${sign[@]}" --sign "$dir/locked.pem" --cert "$dir/ec.cert"
refused 2 "no certificate" "${sign[@]}" --sign "$dir/ec.pem" --cert "$dir/ec.pem"
refused 2 "No such file" "${sign[@]}" --sign "$dir/absent" --cert "$dir/ec.cert"
for kind in rsa ec; do
	ends 0 "openssl dgst -sha256 -verify" "$netpolicy" prove "${with[@]}" "${sign[@]}" --json \
		--sign "$dir/$kind.pem" --cert "$dir/$kind.cert"
	cmp -s "$dir/out" "$dir/statement" || fail "prints another statement than it writes"
	openssl x509 -in "$dir/$kind.cert" -pubkey -noout >"$dir/pub.pem"
	openssl dgst -sha256 -verify "$dir/pub.pem" -signature "$dir/statement.sig" "$dir/statement" >/dev/null ||
		fail "openssl does not take the signature of $kind"
	sed 's/"result":"holds"/"result":"h0lds"/' "$dir/statement" >"$dir/forged"
	! cmp -s "$dir/forged" "$dir/statement" || fail "nothing was forged"
	! openssl dgst -sha256 -verify "$dir/pub.pem" -signature "$dir/statement.sig" "$dir/forged" >/dev/null 2>&1 ||
		fail "openssl takes a forged statement"
done
is_json
member format postern-policy-statement/1
member host.common_name vespa.vespa.host1
member host.uri spiffe://vespa/sa/host1
member kernel.equal true
member scope host
nft list chain inet postern about | grep -qF "$(python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["policy"]["about"])' "$dir/statement")" ||
	fail "the statement names the policy as the kernel does not"
python3 - "$dir/statement" <<-CANON || fail "the statement is not canonical, or lacks something"
	import json, sys
	text = open(sys.argv[1]).read()
	s = json.loads(text)
	assert text == json.dumps(s, sort_keys=True, separators=(",", ":")) + "\n"
	assert s["kernel"]["dump_sha256"] == s["kernel"]["expected_sha256"] != ""
	assert len(s["policy"]["sha256"]) == len(s["batch"]["sha256"]) == 64
	assert {"assumptions", "claims", "drift_log", "foreign_hooks", "grants", "time", "versions"} <= s.keys()
CANON

# With netpolicyd.
"$netpolicyd" --state-dir "$dir/state" --socket "$dir/run/netpolicyd.sock" 2>"$dir/daemon.log" &
daemon=$!
for ((end = SECONDS + 100; SECONDS < end;)); do
	"$netpolicy" status "${with[@]}" >/dev/null 2>&1 && break
	kill -0 "$daemon" 2>/dev/null || break
done
ends 0 "INTACT: policy demo version 7" "$netpolicy" status "${with[@]}"
ends 0 "" "$netpolicy" status --json "${with[@]}"
is_json
member netpolicyd true
member intact true
ends 0 "is loaded" "$netpolicy" apply "${with[@]}" --policy "$dir/more.conf"
ends 0 "" "$netpolicy" check "${with[@]}" --policy "$dir/more.conf"
ends 0 "" "$netpolicy" rollback "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"
ends 0 "unless you say 'netpolicy confirm'" "$netpolicy" apply "${with[@]}" --policy "$dir/more.conf" --confirm-within 60s
ends 1 PENDING "$netpolicy" status "${with[@]}"
ends 0 "" "$netpolicy" confirm "${with[@]}"
ends 0 INTACT "$netpolicy" status "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}" --policy "$dir/more.conf"
ends 0 "denials are logged" "$netpolicy" try --log-only --for 10m "${with[@]}"
ends 1 TRIAL "$netpolicy" status "${with[@]}"
ends 1 "" "$netpolicy" confirm "${with[@]}"
ends 0 "is loaded" "$netpolicy" apply "${with[@]}"
ends 1 "netpolicyd runs" "$netpolicy" unload --yes "${with[@]}"

ends 64 "for how long" "$netpolicy" grant add ssh 2001:db8:53::9 "${with[@]}"
ends 64 "not understood" "$netpolicy" grant frobnicate "${with[@]}"
ends 64 "not understood" "$netpolicy" grant end "${with[@]}"
ends 64 "--for is not for this" "$netpolicy" grant end 1 --for 1h "${with[@]}"
ends 64 "not the number" "$netpolicy" grant end one "${with[@]}"
ends 1 PST-3014 "$netpolicy" grant add sshd 2001:db8:53::9 --for 1h "${with[@]}"
said "did you mean ssh"
ends 1 PST-3014 "$netpolicy" grant add database 2001:db8:53::9 --for 1h "${with[@]}"
said "it offers ssh"
ends 1 PST-3014 "$netpolicy" grant add ssh 2001:db8::9 --for 1h "${with[@]}"
said "is not in archive"
ends 1 PST-3014 "$netpolicy" grant add ssh 2001:db8:53::9 --for 5h "${with[@]}"
said "at most 4 h"
ends 1 PST-3014 "$netpolicy" grant add ssh 2001:db8:53::/64 --for 1h "${with[@]}"
ends 1 PST-3014 "$netpolicy" grant add SSH 2001:db8:53::9 --for 1h "${with[@]}"
ends 1 "" "$netpolicy" grant end 99 "${with[@]}"
ends 0 "is live for" "$netpolicy" grant add ssh 2001:db8:53::9 --for 1h --why "ticket 17" "${with[@]}"
id=$(cat "$dir/out")
nft list set inet postern grant_ssh6 >"$dir/out"
said 2001:db8:53::9
ends 0 "ticket 17" "$netpolicy" grant list "${with[@]}"
said "offered: ssh from archive"
ends 0 "" "$netpolicy" grant list --json "${with[@]}"
is_json
member 0.address 2001:db8:53::9
ends 0 "" "$netpolicy" check "${with[@]}"
ends 0 "is live for" "$netpolicy" grant renew "$id" --for 2h "${with[@]}"
ends 0 "has ended" "$netpolicy" grant end "$id" "${with[@]}"
nft list set inet postern grant_ssh6 >"$dir/out"
! grep -q 2001:db8:53::9 "$dir/out" || fail "the grant is still in the kernel"
ends 0 "live: 0" "$netpolicy" grant list "${with[@]}"
kill "$daemon"
wait "$daemon" || true
daemon=

# What it may not do, it does not do by halves.
ends 1 PST-3004 "${unprivileged[@]}" unload --yes "${with[@]}"
ends 2 "cannot be used" "${unprivileged[@]}" apply --config "$dir/postern.conf" --state-dir "$dir/theirs"
cp -r "$dir/state" "$dir/theirs"
chown -R 65534:65534 "$dir/theirs"
ends 1 PST-3004 "${unprivileged[@]}" apply --config "$dir/postern.conf" --state-dir "$dir/theirs" --policy "$dir/more.conf"
ends 2 "CAP_NET_ADMIN" "${unprivileged[@]}" check "${with[@]}"
ends 0 "" "$netpolicy" check "${with[@]}"
ends 0 PST-3009 "$netpolicy" apply --force "${with[@]}" --policy "$dir/violated.conf"
said "is loaded"
ends 0 "this host is open" "$netpolicy" unload --yes "${with[@]}"
[ -z "$(nft list tables)" ] || fail "tables are left: $(nft list tables)"
ends 1 PST-3006 "$netpolicy" check "${with[@]}"
echo "ok"
