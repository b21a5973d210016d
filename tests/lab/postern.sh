#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Postern's own programs in the standard zone: identities, configuration, start and stop. Sourced
# behind lib.sh by scenarios and by the demo.

# shellcheck source=tests/lab/lib.sh disable=SC2034
postern_zone=prod.aws-us-east-1c
postern_hosts_prefix=fd12:3456:789a:1::/64
postern_gateways_prefix=fd12:3456:789a::/64
postern_tenant=vespa.tenant.acme.aws-123456789012.tenant-host

# Users without an entry in passwd, so that nothing of the machine under test is needed or changed.
postern_uid_host=4301
postern_uid_gateway=4302
postern_uid_worker=4303

# Programs and state live where an unprivileged user can reach them, wherever the tree is.
postern_dir()
{
	[ -z "${postern_at:-}" ] || return 0
	postern_at=$(mktemp -d /run/postern-lab.XXXXXX)
	chmod 755 "$postern_at"
	mkdir "$postern_at/bin" "$postern_at/pki"
	cp -p "$LAB_BUILD"/tunneld/{host/tunneld,exchange/tunneld-exchange,ctl/postern} \
		"$LAB_BUILD"/tunneld/gateway/{gatewayd,gatewayd-worker} \
		"$LAB_BUILD"/netpolicy/{netpolicy,netpolicy-compile,netpolicy-boot} "$postern_at/bin/"
	chmod 755 "$postern_at/bin" "$postern_at/bin/"*
	export POSTERN_LIBEXECDIR=$postern_at/bin
	PATH=$postern_at/bin:$PATH
}

# ---- identities -----------------------------------------------------------------------------------

# The identity of a configuration server or a host; in the background, so that several are made at once.
postern_pki_init()
{
	"$LAB_TREE/tests/lab/pki" init "$postern_at/pki"
}

postern_pki()
{
	"$LAB_TREE/tests/lab/pki" "$1" "$postern_at/pki" "${@:2}"
}

postern_identity()
{
	local pki=$postern_at/pki
	cat <<-E
	[identity]
	cert = $pki/$1.cert.pem
	key = $pki/$1.key.pem
	ca = $pki/${2:-ca}.pem
	E
}

# postern_own NAME UID: the key belongs to the user of the program that reads it.
postern_own()
{
	chown "$2" "$postern_at/pki/$1.key.pem"
}

# ---- configuration servers ------------------------------------------------------------------------

# gateway_config N: writes the configuration of cfgN.
gateway_config()
{
	mkdir -p "$postern_at/cfg$1"
	{
		cat <<-E
		[gateway]
		name = cfg$1
		zone = $postern_zone
		listen = [2001:db8:c::$1]:4443
		endpoints = [2001:db8:c::$1]:51820
		address = fd12:3456:789a::$1
		routes = 2001:db8:c::$1/128
		hosts_prefix = $postern_hosts_prefix
		renew_after_s = ${postern_renew_s:-3600}
		expires_after_s = ${postern_expires_s:-86400}
		workers = ${postern_workers:-1}
		user = $postern_uid_gateway
		worker_user = $postern_uid_worker
		providers = athenz.aws.us-east-1
		[tenants]
		allow = $postern_tenant
		E
		postern_identity "cfg$1"
	} >"$postern_at/cfg$1/gateway.conf"
}

# gateway_start N: starts gatewayd on cfgN; gateway_wait N returns when it takes exchanges.
gateway_start()
{
	spawn "cfg$1" gatewayd gatewayd --config "$postern_at/cfg$1/gateway.conf" \
		--state-dir "$postern_at/cfg$1/state" --run-dir "$postern_at/cfg$1/run" --foreground
}

gateway_wait()
{
	until_ok 20 "cfg$1 takes exchanges" gateway_listens "$1"
}

gateway_listens()
{
	on "cfg$1" ss -Hltn "sport = 4443" | grep -q LISTEN
}

# gateway_count N CODE: how often cfgN refused with that code.
gateway_count()
{
	awk -v code="PST-$2" 'index($0, "code=\"" code "\"") { n += $NF } END { print n + 0 }' \
		"$postern_at/cfg$1/run/gatewayd.prom" 2>/dev/null || echo 0
}

# ---- hosts ----------------------------------------------------------------------------------------

# host_config HOST [IDENTITY [LINES…]]: writes the configuration of a host; IDENTITY is the name of its
# certificate, the host's own by default.
host_config()
{
	local n
	mkdir -p "$postern_at/$1"
	{
		cat <<-E
		[zone]
		name = $postern_zone
		hosts_prefix = $postern_hosts_prefix
		gateways_prefix = $postern_gateways_prefix
		config_nets = 2001:db8:c::/48
		[tunneld]
		user = $postern_uid_host
		hostname = $1.example
		[policy]
		uplinks = eth0
		certd_user = 4304
		E
		for n in ${postern_servers:-1 2 3}; do
			printf '[server cfg%s]\naddress = [2001:db8:c::%s]:4443\nprincipal = vespa.vespa.cfg\n' \
				"$n" "$n"
		done
		postern_identity "${2:-$1}"
		[ $# -le 2 ] || printf '%s\n' "${@:3}"
	} >"$postern_at/$1/postern.conf"
}

# host_start HOST: starts tunneld there.
host_start()
{
	spawn "$1" tunneld tunneld --config "$postern_at/$1/postern.conf" \
		--state-dir "$postern_at/$1/state" --run-dir "$postern_at/$1/run" --foreground
}

# host_status HOST [OPTION…]: what postern status says there.
host_status()
{
	on "$1" postern status --run-dir "$postern_at/$1/run" --config "$postern_at/$1/postern.conf" \
		--state-dir "$postern_at/$1/policy" "${@:2}"
}

# host_is_up HOST: every configuration server is reached; the policy is not asked.
host_is_up()
{
	host_status "$1" --no-policy | grep -q '^OK'
}

host_wait()
{
	until_ok "${2:-30}" "$1 reaches every configuration server" host_is_up "$1"
}

# host_policy HOST COMMAND…: netpolicy with that host's configuration.
host_policy()
{
	on "$1" netpolicy "$2" --config "$postern_at/$1/postern.conf" --state-dir "$postern_at/$1/policy" \
		"${@:3}"
}

# ---- the whole zone -------------------------------------------------------------------------------

# postern_prepare HOST…: programs, identities and configuration; nothing runs yet.
postern_prepare()
{
	local n host pids=()
	postern_dir
	postern_pki_init
	for n in 1 2 3; do
		postern_pki server "cfg$n" &
		pids+=($!)
	done
	for host; do
		postern_pki host "$host" --instance "i-0$(printf '%s' "$host" | md5sum | cut -c1-16)" &
		pids+=($!)
	done
	for n in "${pids[@]}"; do
		wait "$n"
	done
	for n in 1 2 3; do
		postern_own "cfg$n" "$postern_uid_worker"
		gateway_config "$n"
	done
	for host; do
		postern_own "$host" "$postern_uid_host"
		host_config "$host"
	done
}

# postern_up HOST…: the standard zone with its configuration servers running; hosts are prepared.
postern_up()
{
	zone_up
	postern_prepare "$@"
	gateway_start 1
	gateway_start 2
	gateway_start 3
	gateway_wait 1
	gateway_wait 2
	gateway_wait 3
}
