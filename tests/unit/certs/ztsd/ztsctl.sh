#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ztsctl.sh ZTSCTL MKRECORD: runs ztsctl through every command and every refusal: exit status, words, and
# that a refusal changes nothing. MKRECORD registers instances in the store, as ztsd does.

set -euo pipefail

ztsctl=$1 mkrecord=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail()
{
	echo "ztsctl.sh: $*" >&2
	cat "$dir/out" "$dir/log" >&2
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

# says WORD: also in the last output.
says()
{
	grep -qF -- "$1" "$dir/out" "$dir/log" || fail "no '$1'"
}

# has N: so many lines were printed.
has()
{
	[ "$(wc -l <"$dir/out")" = "$1" ] || fail "not $1 lines"
}

cat >"$dir/ztsd.conf" <<-E
	[ztsd]
	cert = $dir/server.cert.pem
	key = $dir/server.key.pem
	ca_cert = $dir/ca.cert.pem
	ca_key = $dir/ca.key.pem
	[provider lab.token]
	kind = token
	suffixes = lab.example
	token_key = $dir/secret
E
state=$dir/state
with=("$ztsctl" --config "$dir/ztsd.conf" --state-dir "$state")

# Usage.
ends 64 "say one" "$ztsctl"
ends 64 "frobnicate: no such command" "$ztsctl" frobnicate
ends 64 "lsit: no such command; is it list?" "$ztsctl" lsit
ends 64 "domain: say add, remove or list" "$ztsctl" domain
ends 64 "domain: only add, remove or list" "$ztsctl" domain frobnicate
ends 64 "unrecognized option '--frobnicate'" "$ztsctl" --frobnicate
ends 64 "domain add: say NAME behind it" "${with[@]}" domain add
ends 64 "token: say DOMAIN.SERVICE ID behind it" "${with[@]}" token a.b
ends 64 "two: one word too many" "${with[@]}" show one two
ends 64 "ztsctl: --account: not an option of this command" "${with[@]}" list --account 1
ends 64 "takes one --service" "${with[@]}" list --service a --service b
ends 64 "say one instance id, or --all" "${with[@]}" reset
ends 64 "say one instance id, or --all" "${with[@]}" reset i-1 --all
ends 64 "say --yes" "${with[@]}" reset --all
ends 64 "remove: say one instance id, or --idle" "${with[@]}" remove
ends 64 "remove: say one instance id, or --idle" "${with[@]}" remove i-1 --idle 1
ends 64 "--idle 0: allowed are 1...3660 days" "${with[@]}" remove --idle 0
ends 64 "--idle 3661: allowed" "${with[@]}" remove --idle 3661
ends 64 "--max-lifetime 1x: allowed are 0...31622400" "${with[@]}" domain add a --max-lifetime 1x
ends 64 "--max-lifetime 31622401: allowed" "${with[@]}" domain add a --max-lifetime 31622401
ends 64 "--valid 0: allowed are 1...31622400" "${with[@]}" token a.b i --valid 0
ends 0 "usage: ztsctl" "$ztsctl" --help
ends 0 "ztsctl " "$ztsctl" --version
many=()
for i in {1..17}; do many+=(--provider "p$i"); done
ends 64 "--provider: too many" "${with[@]}" domain add a --service s "${many[@]}"

# Names.
ends 64 "a domain is labels" "${with[@]}" domain add A.b
ends 64 "a domain is labels" "${with[@]}" domain add a..b
ends 64 "a domain is labels" "${with[@]}" domain add "$(printf 'a%.0s' {1..254})"
ends 64 "a service is one label" "${with[@]}" domain add a.b --service x.y
ends 64 "--service: an empty word" "${with[@]}" domain add a.b --service ''
ends 64 "a provider's name" "${with[@]}" domain add a.b --service x --provider 'p;q'
ends 64 "say which --service" "${with[@]}" domain add a.b --provider p
ends 64 "an account is" "${with[@]}" domain add a.b --account "1 2"
[ ! -e "$state" ] || fail "a refusal made the store"

# Without a store.
ends 1 "there is none yet" "${with[@]}" list
ends 1 "there is none yet" "${with[@]}" domain list
ends 1 "there is none yet" "${with[@]}" domain remove a.b
[ ! -e "$state" ] || fail "a question made the store"

# Domains.
ends 0 "domain vespa.tenant: added" "${with[@]}" domain add vespa.tenant --account 123456789012 \
	--max-lifetime 3600 --service host --service node --provider lab.token --provider other
says "service vespa.tenant.node: provider other may launch it"
says "has no section [provider other]"
! grep -q "section \[provider lab.token\]" "$dir/log" || fail "lab.token is there"
[ "$(stat -c %a "$state" "$state/ztsd.db" | tr '\n' ' ')" = "700 600 " ] || fail "modes"
ends 0 "domain empty.one: added" "${with[@]}" domain add empty.one
ends 0 "vespa.tenant: there, changed" "${with[@]}" domain add vespa.tenant --service third
ends 0 "" "${with[@]}" domain list
cat >"$dir/want" <<-E
	DOMAIN        ACCOUNT       MAX LIFETIME S  SERVICE  PROVIDER
	empty.one     -             -               -        -
	vespa.tenant  123456789012  3600            host     lab.token
	vespa.tenant  123456789012  3600            host     other
	vespa.tenant  123456789012  3600            node     lab.token
	vespa.tenant  123456789012  3600            node     other
	vespa.tenant  123456789012  3600            third    -
E
diff "$dir/want" "$dir/out" || fail "another list of domains"
ends 0 '"services": [{"service": "host", "provider": "lab.token"}' "${with[@]}" domain list --json
ends 0 "" "${with[@]}" domain list empty.one
has 2
ends 1 "nowhere: no such domain" "${with[@]}" domain list nowhere
ends 0 "domain vespa.tenant" "${with[@]}" domain add vespa.tenant --account 1 --max-lifetime 0
ends 0 "vespa.tenant  1        -" "${with[@]}" domain list
ends 1 "no such service or right" "${with[@]}" domain remove vespa.tenant --service host --service no
ends 0 "host     other" "${with[@]}" domain list
ends 0 "provider other may no longer launch it" "${with[@]}" domain remove vespa.tenant --service host \
	--provider other
ends 0 "service vespa.tenant.node: removed" "${with[@]}" domain remove vespa.tenant --service node
ends 1 "empty.two: no such domain" "${with[@]}" domain remove empty.two
ends 0 "domain empty.one: removed" "${with[@]}" domain remove empty.one
ends 0 "" "${with[@]}" domain list
cat >"$dir/want" <<-E
	DOMAIN        ACCOUNT  MAX LIFETIME S  SERVICE  PROVIDER
	vespa.tenant  1        -               host     lab.token
	vespa.tenant  1        -               third    -
E
diff "$dir/want" "$dir/out" || fail "another list of domains"

# Instances.
ends 0 "INSTANCE  SERVICE" "${with[@]}" list
ends 0 "[]" "${with[@]}" list --json
"$mkrecord" "$state/ztsd.db" lab.token vespa.tenant host i-1 a1
"$mkrecord" "$state/ztsd.db" lab.token vespa.tenant host i-2 b1
"$mkrecord" "$state/ztsd.db" lab.token vespa.tenant third i-2 c1
ends 0 "" "${with[@]}" list
says "i-1       vespa.tenant.host   lab.token  live   a1      2023-11-14T22:13:20Z  2023-11-14T23:13:20Z"
has 4
ends 0 "i-2" "${with[@]}" list --service third --provider lab.token --domain vespa.tenant
has 2
ends 0 "" "${with[@]}" list --instance i-2
has 3
ends 0 "" "${with[@]}" list --provider nowhere
has 1
ends 0 '"current": "a1"' "${with[@]}" list --json
ends 0 "state            live" "${with[@]}" show i-1
says "serial           a1"
ends 0 '"instance_id": "i-1"' "${with[@]}" show i-1 --json
ends 1 "i-9: no record" "${with[@]}" show i-9
ends 1 "i-2: more than one record" "${with[@]}" show i-2
ends 0 "serial           c1" "${with[@]}" show i-2 --service third

# Whoever reads a long list in a pager does not keep SQLite's log from being shortened.
"$mkrecord" "$state/ztsd.db" lab.token vespa.tenant host p a1 2000
mkfifo "$dir/pager"
for json in "" --json; do
	"${with[@]}" list $json >"$dir/pager" &
	list=$!
	exec {pager}<"$dir/pager"
	read -rN1 -u "$pager" _ || fail "no list"
	[ -d "/proc/$list" ] || fail "the list is too short for this test"
	"$mkrecord" "$state/ztsd.db" lab.token vespa.tenant host p "b$json" 2000
	"$mkrecord" "$state/ztsd.db" || fail "a list that nobody reads to its end holds the store"
	cat <&"$pager" >"$dir/out"
	exec {pager}<&-
	wait "$list" || fail "exit status $?"
	says p-2000
done

# Changes.
ends 1 "more than one record" "${with[@]}" revoke i-2
ends 1 "i-9: no record" "${with[@]}" revoke i-9
ends 0 "blocked, neither refresh nor registration" "${with[@]}" revoke i-1
says "instance i-1"
ends 0 "i-1 of vespa.tenant.host" "${with[@]}" revoke i-1 # also twice
says "instance i-1"
ends 0 "state            blocked" "${with[@]}" show i-1
! "$mkrecord" "$state/ztsd.db" lab.token vespa.tenant host i-1 a2 2>/dev/null ||
	fail "a blocked one registered"
ends 0 "reset (was blocked)" "${with[@]}" reset i-1
ends 0 "state            live" "${with[@]}" show i-1
! grep -q "^reset  *-" "$dir/out" || fail "no time of the reset"
# A variable that is not set does not name the only one there is.
mkdir "$dir/one"
"${with[@]}" --state-dir "$dir/one" domain add a >"$dir/out"
"$mkrecord" "$dir/one/ztsd.db" lab.token a s i-1 a1
for command in show revoke reset remove; do
	ends 64 "$command: an empty word" "${with[@]}" --state-dir "$dir/one" $command ''
done
for option in --instance --domain --service --provider; do
	ends 64 "$option: an empty word" "${with[@]}" --state-dir "$dir/one" list $option ''
done
ends 0 "live" "${with[@]}" --state-dir "$dir/one" list

ends 0 "record removed" "${with[@]}" remove i-1
ends 1 "no record" "${with[@]}" show i-1
ends 1 "no record" "${with[@]}" reset i-1
ends 0 "all instances that are not blocked: reset" "${with[@]}" reset --all --yes

# Records of no use: those of mkrecord are of 2023.
ends 0 "blocked" "${with[@]}" revoke p-1000
ends 0 "records removed: 0" "${with[@]}" remove --idle 3660
ends 0 "records removed: 0" "${with[@]}" remove --idle 1 --domain nowhere
ends 0 "records removed: 1" "${with[@]}" remove --idle 1 --service third
ends 0 "records removed: 2000" "${with[@]}" remove --idle 1 # i-2 and 1999 of p
ends 0 "p-1000" "${with[@]}" list
has 2

# Secrets and tokens.
ends 2 "secret: No such file" "${with[@]}" token vespa.tenant.host h1
ends 0 "a new secret" "${with[@]}" key "$dir/secret"
[ "$(stat -c '%a %s' "$dir/secret")" = "600 44" ] || fail "mode and size of the secret"
cp "$dir/secret" "$dir/kept"
ends 1 "exists and stays" "${with[@]}" key "$dir/secret"
cmp "$dir/secret" "$dir/kept" || fail "the secret was changed"
ends 1 "No such file" "${with[@]}" key "$dir/nowhere/secret"
before=$(date +%s)
ends 0 "registers instance h1 of vespa.tenant.host with provider lab.token until 2" \
	"${with[@]}" token vespa.tenant.host h1 --valid 100
has 1
token=$(<"$dir/out")
expires=$(sed -n 's/^v=P1;p=lab.token;d=vespa.tenant;s=host;i=h1;e=\([0-9]*\);h=.*$/\1/p' "$dir/out")
[ "${expires:-0}" -ge $((before + 100)) ] || fail "ends too early"
[ "$expires" -le $((before + 160)) ] || fail "ends too late"
code=$(printf %s "${token%;h=*}" | openssl dgst -sha256 -mac hmac -macopt "key:$(<"$dir/secret")" -binary |
	base64 -w0 | tr '+/' '-_' | tr -d =)
[ "$code" = "${token##*;h=}" ] || fail "openssl computes another code"
ends 0 "v=P1;p=p;d=a;s=b;i=h1" "${with[@]}" --config /nowhere token a.b h1 --provider p --key "$dir/secret"
ends 64 "say --provider, too" "${with[@]}" token a.b h1 --key "$dir/secret"
ends 64 "not of the form" "${with[@]}" token host h1
ends 64 "an instance id has only" "${with[@]}" token a.b 'h 1'
ends 64 "127 bytes at most" "${with[@]}" token a.b "$(printf 'a%.0s' {1..128})"
ends 2 "other: no such provider of kind token" "${with[@]}" token a.b h1 --provider other
ends 2 "configuration: " "${with[@]}" --config "$dir/nowhere.conf" token a.b h1
chmod 604 "$dir/secret"
ends 2 "chmod o=" "${with[@]}" token a.b h1
chmod 600 "$dir/secret"
printf '[provider lab.two]\nkind = token\nsuffixes = lab.example\ntoken_key = %s\n' "$dir/secret" \
	>>"$dir/ztsd.conf"
ends 64 "more than one provider of kind token" "${with[@]}" token a.b h1
ends 0 "p=lab.two" "${with[@]}" token a.b h1 --provider lab.two

# A full disk is not silence.
# shellcheck disable=SC2016  # expanded by the inner shell
ends 1 "cannot print the answer: No space left" bash -c '"$@" >/dev/full' - "${with[@]}" list

# A file that is no store.
mkdir "$dir/damaged"
printf '%4096s' nonsense >"$dir/damaged/ztsd.db"
ends 1 "ztsd.db: damaged; put a copy back" "${with[@]}" --state-dir "$dir/damaged" list

# As root, in the directory of another user: what is made there is that user's.
if [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1; then
	chmod 711 "$dir"
	mkdir -m 700 "$dir/other"
	chown nobody "$dir/other"
	ends 0 "domain a: added" "${with[@]}" --state-dir "$dir/other" domain add a
	[ "$(stat -c %U "$dir/other/ztsd.db")" = nobody ] || fail "the store is root's"
fi
echo "ztsctl: all commands"
