#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The demonstration: a zone with three configuration servers, two hosts of one tenant and a hostile
# outside, on a real kernel. Started by ./demo, inside the lab.

usage()
{
	cat <<-'E'
	usage: sudo ./demo [--json] [--brief] [--colour | --no-colour]
	Builds a zone in network namespaces, brings it up with real programs and tries every claim with
	real packets.
	  --json       claims with their evidence as one JSON object, nothing else
	  --brief      without the listings of wg, nft and ip
	Exit status: 0 every claim held, 1 one did not, 2 it cannot run here.
	E
}

json='' brief='' colour=${LAB_STDOUT_TTY:-}
for word; do
	case $word in
	--json) json=1 ;;
	--brief) brief=1 ;;
	--colour) colour=1 ;;
	--no-colour) colour='' ;;
	--help | -h) usage && exit ;;
	*) usage >&2 && exit 2 ;;
	esac
done

[ -z "${NO_COLOR:-}" ] || colour=''
# shellcheck source=tests/lab/lib.sh
. "$LAB_TREE/tests/lab/lib.sh"
# shellcheck source=tests/lab/postern.sh
. "$LAB_TREE/tests/lab/postern.sh"
# shellcheck source=tests/lab/claims.sh
. "$LAB_TREE/tests/lab/claims.sh"

paint()
{
	if [ -n "$colour" ]; then
		printf '\033[%sm%s\033[0m' "$1" "$2"
	else
		printf '%s' "$2"
	fi
}

tell()
{
	[ -n "$json" ] || printf '%s\n' "$*"
}

seconds()
{
	printf '%d.%02d' $(($1 / 1000000)) $(($1 / 10000 % 100))
}

# What the library says goes into a log, kept as evidence; the screen shows stages and claims.
demo_log=$LAB_OUT/demo.log
demo_start=${EPOCHREALTIME/[.,]/}

# What ends a stage may be a failed expectation, which ends the program.
demo_stage=
demo_on_exit()
{
	[ -n "$demo_stage" ] || return 0
	echo "demo: stage failed: $demo_stage" >&2
	cat "$LAB_OUT/failed" >&2 2>/dev/null || tail -n 20 "$demo_log" >&2
}
trap demo_on_exit EXIT

# stage TEXT COMMAND…: runs one stage and shows how long it took.
stage()
{
	local from=${EPOCHREALTIME/[.,]/}
	demo_stage=$1
	"${@:2}" >>"$demo_log" 2>&1 || exit 1
	demo_stage=
	tell "$(paint '1;34' "$(printf '%7s s' "$(seconds $((${EPOCHREALTIME/[.,]/} - from)))")")  $1"
}

# listing TITLE COMMAND…: shows what a stock tool says.
listing()
{
	[ -z "$json$brief" ] || return 0
	printf '\n%s\n' "$(paint '1' "\$ $1")"
	"${@:2}"
}

# ---- stages ---------------------------------------------------------------------------------------

demo_policies()
{
	host_policy host1 apply
	host_policy host2 apply
	host_keep host1
	host_keep host2
}

demo_gateways()
{
	local n
	for n in 1 2 3; do
		gateway_start "$n"
	done
	for n in 1 2 3; do
		gateway_wait "$n"
	done
}

demo_issuer()
{
	identity_start
}

demo_identities()
{
	identity_boot host1 host2
}

demo_tunnels()
{
	host_start host1
	host_start host2
	host_wait host1 60
	host_wait host2 60
}

# A denied packet is what it asks about, so its exit status is 1.
demo_explain()
{
	host_policy host1 explain out eth0 tcp '[2001:db8:c::1]:80' || [ $? = 1 ]
}

# ---- claims ---------------------------------------------------------------------------------------

demo_held=0 demo_failed=0 demo_rows=

json_text()
{
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "${text//[[:cntrl:]]/ }"
}

# try TEXT CLAIM: tries one claim in a subshell, which fail may end.
try()
{
	local from=${EPOCHREALTIME/[.,]/} verdict=holds seen spent
	rm -f "$LAB_OUT/evidence" "$LAB_OUT/failed"
	("$2") >>"$demo_log" 2>&1 || verdict=FAILS
	if [ $verdict = holds ] && [ -s "$LAB_OUT/evidence" ]; then
		demo_held=$((demo_held + 1))
		seen=$(<"$LAB_OUT/evidence")
	else
		verdict=FAILS
		demo_failed=$((demo_failed + 1))
		seen=$(head -n 1 "$LAB_OUT/failed" 2>/dev/null || tail -n 1 "$demo_log")
	fi
	spent=$(seconds $((${EPOCHREALTIME/[.,]/} - from)))
	demo_rows+="${demo_rows:+,}"$'\n'"    {\"claim\": $(json_text "$1"), \"holds\": $([ $verdict = holds ] &&
		echo true || echo false), \"evidence\": $(json_text "$seen"), \"seconds\": $spent}"
	if [ $verdict = holds ]; then
		tell "$(paint '1;32' holds)  $1"
	else
		tell "$(paint '1;31' FAILS)  $1"
	fi
	tell "       $(paint '2' "$seen ($spent s)")"
}

demo_claims()
{
	try "a host has its identity from attestation alone" claim_identity_by_attestation
	try "a tunnel to each configuration server is up" claim_tunnels_up
	try "ping and TCP work through each tunnel" claim_ping_and_tcp
	try "traffic to a server's public address is captured by the tunnel" claim_public_address_captured
	try "on the uplink only UDP 51820 and TCP 4443 go to configuration servers" claim_uplink_only_tunnel
	try "outside reaches no port, TCP or UDP, IPv4 or IPv6" claim_outside_reaches_nothing
	try "IPv4 out is dead" claim_ipv4_is_dead
	try "host to host is closed" claim_hosts_are_apart
	try "a certificate is renewed with a new key, and the tunnels do not notice" claim_identity_renewed
	try "an instance with a forged document gets no identity" claim_forged_document_refused
	try "a host of another tenant is refused" claim_wrong_tenant_refused
	try "an expired certificate is refused" claim_expired_certificate_refused
	try "a certificate of another CA is refused" claim_wrong_ca_refused
	try "a certificate with two common names is refused" claim_two_names_refused
	try "gatewayd and tunneld killed with -9 lose no packet" claim_kill_loses_nothing
	try "with the interface deleted nothing leaks" claim_deleted_interface_leaks_nothing
	try "the page's claims are proved over all packets, and the kernel agrees" claim_policy_proved
	try "'nft flush ruleset' by a stranger is noticed, named and repaired" claim_foreign_flush_repaired
}

# ---- the show -------------------------------------------------------------------------------------

tell "$(paint '1' "Postern: cfg1-3, host1 and host2 of one tenant, and a hostile outside, on Linux $(uname -r)")"
stage "the network: 11 namespaces, a router between them" zone_up
stage "programs, a CA, certificates of the servers, configuration; the hosts have none" postern_prepare host1 host2
stage "a cloud's stand-in (instance metadata, STS) and the issuer ztsd" demo_issuer
stage "the policy, before anything else may talk, and netpolicyd, which keeps it" demo_policies
stage "a capture on host1's uplink, the judge of every leak" claims_capture
stage "gatewayd on cfg1, cfg2, cfg3" demo_gateways
stage "certd on host1 and host2: attestation, key, certificate" demo_identities
stage "tunneld on host1 and host2: exchange over mTLS, kernel WireGuard, handshakes" demo_tunnels
listing "certd status" certd_status host1
listing "openssl x509 -noout -subject -enddate -ext subjectAltName" openssl x509 -noout -subject -enddate \
	-ext subjectAltName -in "$postern_at/host1/sia/current/cert.pem"
listing "postern status" host_status host1
listing "wg show" on host1 wg show
listing "nft list table inet postern" on host1 nft list table inet postern
listing "netpolicy explain out eth0 tcp [2001:db8:c::1]:80" demo_explain
listing "ip -6 rule; ip -6 route show table 20559" on host1 bash -c 'ip -6 rule; ip -6 route show table 20559'
tell ""
demo_claims
demo_spent=$(seconds $((${EPOCHREALTIME/[.,]/} - demo_start)))
if [ -n "$json" ]; then
	printf '{\n  "kernel": %s,\n  "held": %d,\n  "failed": %d,\n  "seconds": %s,\n  "claims": [%s\n  ]\n}\n' \
		"$(json_text "$(uname -r)")" "$demo_held" "$demo_failed" "$demo_spent" "$demo_rows"
else
	tell ""
	tell "$(paint '1' "$demo_held claims hold, $demo_failed do not") ($demo_spent s)"
fi
[ "$demo_failed" = 0 ]
