# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A ztsd and a certd for the benchmarks, at [::1]:4443, with all that they need in $at; they end with the shell.
# Sourced behind lib.sh and bench_options(), with $provider, $domain, $service and $suffix set; as root, in a network
# namespace.

: "${build:?}" "${provider:?}" "${domain:?}" "${service:?}" "${suffix:?}"

ip link set lo up
at=$(mktemp -d /tmp/postern-bench.XXXXXX)
pids=()
finish()
{
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || :
	wait
	rm -rf "$at"
}
trap finish EXIT

# bench_until LOG COMMAND…: repeats it for at most 10 s; what then is in the log tells why.
bench_until()
{
	local log=$1 i
	shift
	for ((i = 0; i < 200; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	cat "$log" >&2
	exit 1
}

bench_ztsctl()
{
	"$build/certs/ztsd/ztsctl" --config "$at/ztsd.conf" --state-dir "$at/state" "$@"
}

# A CA, a registry, a configuration.
ztsd_prepare()
{
	"$build/certs/ztsd/ztsd" init --dir "$at/pki" --server-name localhost >/dev/null
	"$build/certs/ztsd/ztsctl" key "$at/token.key" >/dev/null
	cat >"$at/ztsd.conf" <<-E
		[ztsd]
		listen = [::1]:4443
		cert = $at/pki/server.cert.pem
		key = $at/pki/server.key.pem
		ca_cert = $at/pki/ca.cert.pem
		ca_key = $at/pki/ca.key.pem
		min_lifetime_s = 1
		requests_per_minute = 0
		[provider $provider]
		kind = token
		token_key = $at/token.key
		suffixes = $suffix
		E
	mkdir "$at/state" "$at/run"
	bench_ztsctl domain add "$domain" --service "$service" --provider "$provider" >/dev/null
}

ztsd_listens()
{
	ss -Hltn 'sport = 4443' | grep . >/dev/null
}

# ztsd_start COMMAND…: with that in front of it; sets $ztsd.
ztsd_start()
{
	"$@" "$build/certs/ztsd/ztsd" --config "$at/ztsd.conf" --state-dir "$at/state" --run-dir "$at/run" \
		>"$at/ztsd.log" 2>&1 &
	ztsd=$!
	pids+=("$ztsd")
	bench_until "$at/ztsd.log" ztsd_listens
}

# certd_start DOMAIN: a host of that domain that has its certificate; sets $certd.
certd_start()
{
	bench_ztsctl token "$1.$service" bench --provider "$provider" >"$at/token" 2>"$at/ztsctl.log"
	cat >"$at/postern.conf" <<-E
		[certd]
		zts_url = https://localhost:4443/zts/v1
		zts_address = [::1]:4443
		zts_ca = $at/pki/ca.cert.pem
		attestation = token
		token_file = $at/token
		instance_id = bench
		provider = $provider
		domain = $1
		service = $service
		sia_dir = $at/sia
		[csr]
		suffixes = $suffix
		E
	export POSTERN_LIBEXECDIR=$build/certs/fetch
	"$build/certs/certd/certd" --config "$at/postern.conf" --state-dir "$at/certd" --run-dir "$at/certd" \
		>"$at/certd.log" 2>&1 &
	certd=$!
	pids+=("$certd")
	bench_until "$at/certd.log" "$build/certs/certd/certd" status --run-dir "$at/certd"
}
