# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A ztsd of one's own for a test: a folder, a port, start and stop, and an instance that registers and refreshes
# with curl. Sourced, with $ztsd and $ztsctl set; what is left of it goes with the shell.

: "${ztsd:?}" "${ztsctl:?}"

# shellcheck source=tests/unit/daemons.sh
. "${0%/*}/../../daemons.sh"
pid=		# ztsd
port=$((20000 + $$ % 10000))
url=https://localhost:$port/zts/v1

start_here()
{
	exec "$ztsd" --config "$dir/ztsd.conf" --state-dir "$dir/state" --run-dir "$dir/run" 2>>"$dir/log"
}

start()
{
	start_here &
	pid=$!
	until_ok "ztsd answers" answers
}

stop()
{
	kill -TERM "$pid"
	wait "$pid" || fail "exit status $?"
	pid=
}

answers()
{
	kill -0 "$pid" || fail "ztsd has ended"
	call "$url/status" 2>/dev/null && [ "$(status)" = 200 ]
}

# call ARGUMENTS…: one request; the body goes to $dir/body, the head to $dir/head.
call()
{
	curl -sS -6 --noproxy '*' --cacert "$dir/ca/ca.cert.pem" --connect-to "localhost:$port:[::1]:$port" \
		-D "$dir/head" -o "$dir/body" "$@"
}

status()
{
	awk 'NR == 1 { print $2 }' "$dir/head"
}

# expect STATUS TEXT: the last answer.
expect()
{
	if [ "$(status)" != "$1" ] || ! grep -qF -- "$2" "$dir/body"; then
		fail "expected $1 $2, got $(status) $(cat "$dir/body")"
	fi
}

# member NAME: a text of the last body.
member()
{
	sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/; s/\\\\n/\n/g" "$dir/body"
}

counter()
{
	grep -qxF "postern_ztsd_$1 $2" "$dir/run/ztsd.prom" 2>/dev/null
}

# make_body ID: what registers or refreshes that instance.
make_body()
{
	openssl req -new -key "$dir/host.key" -subj /OU=prov.tok/CN=dom.a.svc \
		-addext "subjectAltName=DNS:svc.dom-a.aws.example,URI:athenz://instanceid/prov.tok/$1" \
		-out "$dir/csr"
	printf '{"provider":"prov.tok","domain":"dom.a","service":"svc","attestationData":"%s","csr":"%s"}' \
		"$("$ztsctl" --config "$dir/ztsd.conf" --state-dir "$dir/state" token dom.a.svc "$1" \
			--provider prov.tok 2>/dev/null)" \
		"$(awk '{ printf "%s\\n", $0 }' "$dir/csr")" >"$dir/request"
}

register()
{
	call -X POST --data-binary "@$dir/request" "$url/instance"
}

# refresh PAIR
refresh()
{
	call -X POST --data-binary "@$dir/request" --cert "$dir/$1.pem" --key "$dir/host.key" \
		"$url/instance/prov.tok/dom.a/svc/i-01"
}
