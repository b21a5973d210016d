# SPDX-License-Identifier: MIT
about="A configuration server that no cloud vouches for registers with a token; gatewayd takes its renewed certificate while it runs"
needs="wireguard nft veth rules"
deadline=300

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

static=lab.static
life_s=30

# The issuer takes tokens of an operator, too, for the service of the configuration servers.
static_issuer()
{
	local at=$postern_at/zts
	zts_ctl key "$at/static.key"
	chown "$postern_uid_zts" "$at/static.key"
	printf '%s\n' "[provider $static]" 'kind = token' "token_key = $at/static.key" >>"$at/ztsd.conf"
	zts_ctl domain add vespa.vespa --service cfg --provider $static --max-lifetime $life_s
	chown -R "$postern_uid_zts" "$at/state"
}

# certd runs beside gatewayd, whose workers are in the group that may read the key.
static_server()
{
	local at=$postern_at/cfg1
	mkdir -p "$at/gateway.conf.d"
	zts_ctl token vespa.vespa.cfg cfg1 --provider $static --valid 600 >"$at/token"
	chown "$postern_uid_certd" "$at/token"
	chmod 400 "$at/token"
	cat >"$at/postern.conf" <<-E
	[certd]
	attestation = token
	token_file = $at/token
	instance_id = cfg1
	provider = $static
	domain = vespa.vespa
	service = cfg
	zts_url = https://zts.example:4443/zts/v1
	zts_address = [2001:db8:5::2]:4443
	zts_ca = $postern_at/pki/ca.pem
	sia_dir = $at/sia
	user = $postern_uid_certd:$postern_uid_worker
	retry_min_s = 1
	retry_max_s = 4
	timeout_ms = 60000
	E
	cat >"$at/gateway.conf.d/identity.conf" <<-E
	[identity]
	cert = $at/sia/current/cert.pem
	key = $at/sia/current/key.pem
	ca = $at/sia/current/ca.cert.pem
	E
}

# The serial of the certificate that gatewayd shows to whoever connects.
shown()
{
	on host1 timeout 10 openssl s_client -connect '[2001:db8:c::1]:4443' -tls1_3 </dev/null \
		>"$LAB_OUT/shown.pem" 2>/dev/null || : # it has no certificate of its own
	openssl x509 -in "$LAB_OUT/shown.pem" -noout -serial | sed 's/^serial=0*//' | tr 'A-F' 'a-f'
}

shows_new()
{
	local now
	now=$(certd_serial cfg1)
	[ "$now" != "$serial" ] && [ "$(shown)" = "$now" ]
}

granted()
{
	[ "$(grep -c ': granted' "$LAB_OUT/host1-tunneld.log")" -gt "$1" ]
}

postern_identities=certd
postern_servers=1
postern_renew_s=6
zone_up
postern_prepare host1
static_issuer
identity_start
identity_boot host1
static_server
certd_start cfg1
certd_wait cfg1
serial=$(certd_serial cfg1)
cp -L "$postern_at/cfg1/sia/current/cert.pem" "$LAB_OUT/first.pem"
gateway_start 1
gateway_wait 1
gateway_pid=$(spawn_pid cfg1 gatewayd)
host_start host1
host_wait host1 60
expect_eq "gatewayd shows the certificate that was registered" "$serial" "$(shown)"
until_ok 90 "gatewayd shows the renewed one" shows_new
until_ok $((life_s + 10)) "the first one has ended" bash -c \
	"! openssl x509 -noout -checkend 0 -in '$LAB_OUT/first.pem'"
before=$(grep -c ': granted' "$LAB_OUT/host1-tunneld.log")
until_ok 60 "exchanges go on" granted $((before + 1))
expect_eq "gatewayd is still the first" "$gateway_pid" "$(spawn_pid cfg1 gatewayd)"
expect "and runs" spawn_alive cfg1 gatewayd
refute "host1 had a word against its certificate" grep -qE 'PST-(100[34]|21[0-9]{2})' "$LAB_OUT/host1-tunneld.log"
