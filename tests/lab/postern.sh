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
postern_uid_certd=4304
postern_uid_zts=4305

# Where hosts have their identity from: "certd" registers them with ztsd; "pki" makes certificates with
# openssl, which is quicker where identities are not the point.
postern_identities=${POSTERN_IDENTITIES:-certd}

postern_account=123456789012
postern_region=us-east-1
postern_region2=eu-west-1 # where STS is, and nobody else
postern_provider=athenz.aws.$postern_region
postern_suffix=aws.athenz.example

# Programs and state live where an unprivileged user can reach them, wherever the tree is. The name says
# whose they are: the player removes them.
postern_dir()
{
	[ -z "${postern_at:-}" ] || return 0
	postern_at=$(mktemp -d "/run/${LAB_PREFIX}XXXXXX")
	chmod 755 "$postern_at"
	mkdir "$postern_at/bin" "$postern_at/pki"
	cp -p "$LAB_BUILD"/tunneld/{host/tunneld,exchange/tunneld-exchange,ctl/postern} \
		"$LAB_BUILD"/tunneld/gateway/{gatewayd,gatewayd-worker} \
		"$LAB_BUILD"/netpolicy/{netpolicy,netpolicy-compile,netpolicy-oracle,netpolicy-boot,netpolicyd} \
		"$postern_at/bin/"
	[ "$postern_identities" = pki ] || postern_dir_identity
	chmod 755 "$postern_at/bin" "$postern_at/bin/"*
	export POSTERN_LIBEXECDIR=$postern_at/bin
	PATH=$postern_at/bin:$PATH
}

postern_dir_identity()
{
	cp -p "$LAB_BUILD"/certs/{certd/certd,fetch/certd-fetch,ztsd/ztsd,ztsd/ztsctl} "$postern_at/bin/"
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

# postern_instance HOST: the id of that host's instance.
postern_instance()
{
	printf 'i-0%s' "$(printf '%s' "$1" | md5sum | cut -c1-16)"
}

# postern_own NAME UID: the key belongs to the user of the program that reads it.
postern_own()
{
	chown "$2" "$postern_at/pki/$1.key.pem"
}

# ---- configuration servers ------------------------------------------------------------------------

# gateway_config N [LINES…]: writes the configuration of cfgN.
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
		[ $# = 1 ] || printf '%s\n' "${@:2}"
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
	until_ok 60 "cfg$1 takes exchanges" gateway_listens "$1"
}

gateway_listens()
{
	on "cfg$1" ss -Hltn "sport = 4443" | grep LISTEN >/dev/null
}

# gateway_count N CODE: how often cfgN refused with that code.
gateway_count()
{
	awk -v code="PST-$2" 'index($0, "code=\"" code "\"") { n += $NF } END { print n + 0 }' \
		"$postern_at/cfg$1/run/gatewayd.prom" 2>/dev/null || echo 0
}

# ---- hosts ----------------------------------------------------------------------------------------

# host_config HOST [IDENTITY [LINES…]]: writes the configuration of a host; IDENTITY is the name of its
# certificate, or "certd" for the one that it registers for; by default as $postern_identities says.
host_config()
{
	local n identity=${2:-}
	[ -n "$identity" ] || identity=$([ "$postern_identities" = certd ] && echo certd || echo "$1")
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
		E
		for n in ${postern_servers:-1 2 3}; do
			printf '[server cfg%s]\naddress = [2001:db8:c::%s]:4443\nprincipal = vespa.vespa.cfg\n' \
				"$n" "$n"
		done
		if [ "$identity" = certd ]; then
			certd_config "$1"
		else
			postern_identity "$identity"
		fi
		[ $# -le 2 ] || printf '%s\n' "${@:3}"
	} >"$postern_at/$1/postern.conf"
	host_page "$1" >"$postern_at/$1/policy.conf"
}

# host_page HOST: prints the page of policy of a host in the standard zone: the tunnel, and an identity
# by certd, whose user has no name. DNS and NTP of the cloud are in it although nobody plays them.
host_page()
{
	cat <<-E
	policy $1 1
	host   tier compute
	link   up eth0
	link   tun postern0 postern1
	net    config   2001:db8:c::/48
	net    gateways $postern_gateways_prefix
	net    identity 2001:db8:5::/64 2001:db8:6::/64
	dns    allow
	ntp    allow
	imds   allow user $postern_uid_certd
	to     identity allow tcp 443 4443 user $postern_uid_certd "STS, the issuer"
	to     config   via tun allow any
	to     gateways via tun allow any
	to     config   via up  allow udp 51820 mark 0x504f "tunnel"
	to     config   via up  allow tcp 4443  mark 0x504f "exchange"
	claim "config only inside the tunnel" {
		never out via up to config except mark 0x504f, icmpv6 nd
		never out via up to gateways
	}
	claim "nothing from outside" { never in via up new except implied }
	E
}

# host_start HOST: starts tunneld there, which has its identity before.
host_start()
{
	if [ "$postern_identities" = certd ] && [ ! -e "$LAB_OUT/$1-certd.pid" ]; then
		[ -e "$LAB_OUT/zts-ztsd.pid" ] || identity_start
		identity_boot "$1"
	fi
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
	host_status "$1" --no-policy | grep '^OK' >/dev/null
}

host_wait()
{
	until_ok "${2:-120}" "$1 reaches every configuration server" host_is_up "$1"
}

# host_policy HOST COMMAND…: netpolicy with that host's configuration, and the page beside it.
host_policy()
{
	on "$1" netpolicy "$2" --config "$postern_at/$1/postern.conf" --state-dir "$postern_at/$1/policy" \
		--run-dir "$postern_at/$1/policy-run" "${@:3}"
}

# host_keep HOST [OPTION…]: netpolicyd keeps that host's policy, which was loaded once; from then on it loads
# what host_policy applies.
host_keep()
{
	mkdir -p "$postern_at/$1/policy-run"
	rm -f "$postern_at/$1/policy-run/netpolicyd.sock" # of one that was killed
	spawn "$1" netpolicyd netpolicyd --state-dir "$postern_at/$1/policy" \
		--socket "$postern_at/$1/policy-run/netpolicyd.sock" "${@:2}"
	until_ok 60 "$1: netpolicyd answers" test -S "$postern_at/$1/policy-run/netpolicyd.sock"
}

# ---- the cloud ------------------------------------------------------------------------------------
# lab-cloud plays instance metadata and STS. What it says can be changed while it runs: a file in
# cloud.conf.d, put there by cloud_set.

# cloud_instance HOST N: the section of a host; N is the third word of its addresses.
cloud_instance()
{
	cat <<-E
	[instance $1]
	from = 2001:db8:1:$2::2 10.1.$2.2
	id = $(postern_instance "$1")
	account = $postern_account
	region = $postern_region
	private_ip = 10.1.$2.2
	profile = $postern_tenant-service
	E
}

# cloud_prepare: its keys and configuration. The certificate of STS comes from the zone's CA.
cloud_prepare()
{
	local at=$postern_at/cloud
	mkdir -p "$at/cloud.conf.d"
	"$LAB_BUILD/tests/lab/lab-cloud" init "$at/keys"
	{
		cat <<-E
		[cloud]
		keys = $at/keys
		imds = [fd00:ec2::254]:80 169.254.169.254:80
		sts = [2001:db8:6::2]:443
		sts_cert = $postern_at/pki/sts.$postern_region.api.aws.cert.pem
		sts_key = $postern_at/pki/sts.$postern_region.api.aws.key.pem
		[account $postern_account]
		roles = $postern_tenant
		E
		cloud_instance host1 1
		cloud_instance host2 2
		cloud_instance peer 9
	} >"$at/cloud.conf"
}

# cloud_start: plays the cloud; documents say that every instance started now.
cloud_start()
{
	spawn imds cloud "$LAB_BUILD/tests/lab/lab-cloud" --config "$postern_at/cloud/cloud.conf"
	until_ok 60 "the cloud answers" cloud_listens
}

cloud_listens()
{
	on imds ss -Hltn "sport = 443" | grep LISTEN >/dev/null
}

# cloud_set LINES…: holds from the next request on, in place of what cloud_set said before.
cloud_set()
{
	local at=$postern_at/cloud
	printf '%s\n' "$@" >"$at/new"
	mv "$at/new" "$at/cloud.conf.d/set.conf"
}

# ---- the issuer -----------------------------------------------------------------------------------

# zts_config: the issuer's configuration. It signs with the CA of tests/lab/pki, so that the configuration
# servers' certificates come from the same one.
zts_config()
{
	local pki=$postern_at/pki
	mkdir -p "$postern_at/zts"
	cat >"$postern_at/zts/ztsd.conf" <<-E
	[ztsd]
	listen = [2001:db8:5::2]:4443
	user = $postern_uid_zts
	cert = $pki/zts.example.cert.pem
	key = $pki/zts.example.key.pem
	ca_cert = $pki/ca.pem
	ca_key = $pki/ca.key.pem
	default_lifetime_s = ${postern_lifetime_s:-3600}
	min_lifetime_s = 1
	requests_per_minute = 0
	[provider $postern_provider]
	kind = aws
	suffixes = $postern_suffix
	aws_certs = $postern_at/cloud/keys/aws-dsa.pem
	boot_window_s = ${postern_boot_window_s:-300}
	sts_url = https://sts.$postern_region.api.aws
	sts_address = [2001:db8:6::2]:443
	sts_ca = $pki/ca.pem
	E
}

# zts_ctl COMMAND…: ztsctl on the issuer's store.
zts_ctl()
{
	on zts ztsctl --config "$postern_at/zts/ztsd.conf" --state-dir "$postern_at/zts/state" "$@"
}

# zts_prepare: configuration and registry: one domain with one service, that one provider
# launches.
zts_prepare()
{
	zts_config
	postern_own zts.example "$postern_uid_zts"
	postern_own ca "$postern_uid_zts"
	mkdir -p "$postern_at/zts/state"
	zts_ctl domain add "${postern_tenant%.*}" --account "$postern_account" \
		--service "${postern_tenant##*.}" --provider "$postern_provider"
	chown -R "$postern_uid_zts" "$postern_at/zts/state"
}

# zts_start: starts the issuer; zts_wait returns when it takes requests.
zts_start()
{
	spawn zts ztsd ztsd --config "$postern_at/zts/ztsd.conf" --state-dir "$postern_at/zts/state" \
		--run-dir "$postern_at/zts/run" --foreground
}

zts_wait()
{
	until_ok 60 "the issuer takes requests" zts_listens
}

zts_listens()
{
	on zts ss -Hltn "sport = 4443" | grep LISTEN >/dev/null
}

# zts_record HOST: what the issuer knows of that host's instance, as JSON.
zts_record()
{
	zts_ctl list --json | tr -d '\n' | sed 's/},/},\n/g' | grep -F "\"$(postern_instance "$1")\""
}

# zts_field HOST NAME: one text of that record.
zts_field()
{
	zts_record "$1" | sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p"
}

# ---- certd ----------------------------------------------------------------------------------------

# certd_config HOST: the sections of postern.conf that give it an identity by registration. tunneld's
# user is in the group that may read the key.
certd_config()
{
	local sia=$postern_at/$1/sia
	cat <<-E
	[identity]
	cert = $sia/current/cert.pem
	key = $sia/current/key.pem
	ca = $sia/current/ca.cert.pem
	[certd]
	zts_url = https://zts.example:4443/zts/v1
	zts_address = [2001:db8:5::2]:4443
	zts_ca = $postern_at/pki/ca.pem
	ca_pin = $postern_at/pki/ca.pem
	provider_prefix = ${postern_provider%.*}
	sia_dir = $sia
	user = $postern_uid_certd:$postern_uid_host
	retry_min_s = ${postern_retry_s:-1}
	retry_max_s = ${postern_retry_max_s:-4}
	timeout_ms = ${postern_timeout_ms:-60000}
	[csr]
	suffixes = $postern_suffix
	[aws]
	imds = http://[fd00:ec2::254]
	sts_address = [2001:db8:6::2]:443
	sts_ca = $postern_at/pki/ca.pem
	E
}

# certd_dirs HOST: the options of every call of certd for that host.
certd_dirs()
{
	echo "--config $postern_at/$1/postern.conf --state-dir $postern_at/$1/certd" \
		"--run-dir $postern_at/$1/certd-run"
}

# certd_start HOST [WRAPPER…]: starts certd there; certd_wait returns when it has an identity.
certd_start()
{
	local dirs
	read -ra dirs <<<"$(certd_dirs "$1")"
	spawn "$1" certd "${@:2}" certd "${dirs[@]}" --foreground
}

certd_wait()
{
	until_ok "${2:-60}" "$1 has an identity" certd_is_ready "$1"
}

# certd_status HOST [OPTION…]: what certd status says there; status 0 when it is ready.
certd_status()
{
	local dirs
	read -ra dirs <<<"$(certd_dirs "$1")"
	on "$1" certd status "${dirs[@]}" "${@:2}"
}

certd_is_ready()
{
	certd_status "$1" >/dev/null
}

# certd_urge HOST: it acts now, and not when it would.
certd_urge()
{
	kill -USR1 "$(spawn_pid "$1" certd)"
}

# certd_serial HOST: the serial of the certificate that is in use there, lower-case hex without
# leading zeros; "" for none.
certd_serial()
{
	openssl x509 -in "$postern_at/$1/sia/current/cert.pem" -noout -serial 2>/dev/null |
		sed 's/^serial=0*//' | tr 'A-F' 'a-f'
}

# certd_said HOST CODE: whether its log has that code.
certd_said()
{
	grep -qE "PST-$2" "$LAB_OUT/$1-certd.log"
}

# ---- the whole zone -------------------------------------------------------------------------------

# Certificates that openssl makes, at the same time: servers, and hosts that do not register.
postern_prepare_pki()
{
	local name pids=()
	postern_pki_init
	for name in cfg1 cfg2 cfg3; do
		postern_pki server "$name" &
		pids+=($!)
	done
	if [ "$postern_identities" = certd ]; then
		postern_pki server zts.example &
		pids+=($!)
		postern_pki server "sts.$postern_region.api.aws" --san "DNS:sts.$postern_region2.api.aws" &
		pids+=($!)
		cloud_prepare &
		pids+=($!)
	else
		for name; do
			postern_pki host "$name" --instance "$(postern_instance "$name")" &
			pids+=($!)
		done
	fi
	for name in "${pids[@]}"; do
		wait "$name"
	done
}

# postern_prepare HOST…: programs, identities and configuration; nothing runs yet.
postern_prepare()
{
	local n host
	postern_dir
	postern_prepare_pki "$@"
	for n in 1 2 3; do
		postern_own "cfg$n" "$postern_uid_worker"
		gateway_config "$n"
	done
	[ "$postern_identities" = pki ] || zts_prepare
	for host; do
		[ "$postern_identities" = certd ] || postern_own "$host" "$postern_uid_host"
		host_config "$host"
	done
}

# identity_prepare HOST…: as postern_prepare, for scenarios without configuration servers.
identity_prepare()
{
	local host
	postern_identities=certd
	postern_dir
	postern_prepare_pki
	zts_prepare
	for host; do
		host_config "$host"
	done
}

# identity_up HOST…: the standard zone with the cloud and the issuer running; hosts are prepared.
identity_up()
{
	zone_up
	identity_prepare "$@"
	identity_start
}

# The cloud first: ztsd asks its STS.
identity_start()
{
	cloud_start
	zts_start
	zts_wait
}

# identity_boot HOST…: certd runs there and has an identity.
identity_boot()
{
	local host
	for host; do
		certd_start "$host"
	done
	for host; do
		certd_wait "$host"
	done
}

# postern_up HOST…: the standard zone with its configuration servers running, and with the issuer when
# hosts register; hosts are prepared.
postern_up()
{
	zone_up
	postern_prepare "$@"
	gateway_start 1
	gateway_start 2
	gateway_start 3
	[ "$postern_identities" = pki ] || identity_start
	gateway_wait 1
	gateway_wait 2
	gateway_wait 3
}
