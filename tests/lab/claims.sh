#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What Postern promises, one function a claim, each tried with real packets. The scenarios run one
# each, the demo runs all of them. Sourced behind postern.sh, in a zone where host1 and host2 are up
# with their policy and "uplink" captures host1's eth0. A claim ends the scenario when it does not
# hold (fail) and leaves one line of what was seen (evidence).

# shellcheck source=tests/lab/postern.sh
[ -n "${postern_zone:-}" ] || . "$LAB_TREE/tests/lab/postern.sh"

claims_config6=2001:db8:c::/48
claims_public=2001:db8:c::
claims_inside=fd12:3456:789a::

evidence()
{
	echo "$*" >"$LAB_OUT/evidence"
	say "evidence: $*"
}

# The newest number that counts in a table of ours: claims_counter NAMESPACE NAME
claims_counter()
{
	on "$1" nft list counter inet postern "$2" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# Sends one line over TCP and prints what arrived: claims_tcp FROM ADDRESS TO PORT
claims_tcp()
{
	local got=$LAB_OUT/tcp-$3-$4.txt
	rm -f "$got"
	on "$3" timeout 20 nc -6 -l -p "$4" -N >"$got" </dev/null &
	until_ok 10 "$3 listens on TCP $4" claims_listens "$3" "$4"
	on "$1" timeout 10 nc -6 -N -w 5 "$2" "$4" <<<"hello from $1" || :
	wait $! || :
	cat "$got"
}

claims_listens()
{
	on "$1" ss -Hltn "sport = $2" | grep . >/dev/null
}

# The certificate in use says who the host is, and nobody but the issuer can have signed it; before, the
# host had nothing but what the cloud says of it.
claim_identity_by_attestation()
{
	local at=$postern_at/host1/sia/current id
	id=$(postern_instance host1)
	expect "certd is ready" certd_is_ready host1
	expect "the issuer's CA signed the certificate" openssl verify -purpose sslclient \
		-CAfile "$postern_at/pki/ca.pem" "$(readlink -f "$at")/cert.pem"
	expect_eq "its common name" "$postern_tenant" "$(openssl x509 -in "$at/cert.pem" -noout -subject \
		-nameopt multiline | sed -n 's/ *commonName *= //p')"
	expect "it names the instance" grep -qF "URI:athenz://instanceid/$postern_provider/$id" \
		<(openssl x509 -in "$at/cert.pem" -noout -ext subjectAltName)
	expect_eq "the serial that the issuer has on record" "$(certd_serial host1)" "$(zts_field host1 current)"
	expect_eq "mode of the key" 440 "$(stat -Lc %a "$at/key.pem")"
	evidence "IMDSv2, STS, ZTS: $id is $postern_tenant, serial $(certd_serial host1 | cut -c1-8)…; key 0440, made on the host"
}

# A renewal at once: another key, another serial, and the tunnel does not notice.
claim_identity_renewed()
{
	local serial key
	serial=$(certd_serial host1)
	key=$(openssl x509 -in "$postern_at/host1/sia/current/cert.pem" -noout -pubkey | sha256sum)
	certd_urge host1
	until_ok 60 "another certificate is in use" claims_serial_differs host1 "$serial"
	[ "$key" != "$(openssl x509 -in "$postern_at/host1/sia/current/cert.pem" -noout -pubkey | sha256sum)" ] ||
		fail "the key is still the same"
	expect_eq "the issuer's record: the one before" "$serial" "$(zts_field host1 previous)"
	expect "the tunnels are still up" host_is_up host1
	evidence "serial ${serial:0:8}… → $(certd_serial host1 | cut -c1-8)…, another key, 3 of 3 tunnels up"
}

claims_serial_differs()
{
	[ "$(certd_serial "$1")" != "$2" ]
}

# A host whose instance document somebody else signed: the namespace "peer" plays it.
claim_forged_document_refused()
{
	cloud_set '[instance peer]' 'document = forged'
	host_config peer certd
	certd_start peer
	until_ok 60 "the issuer refuses it with PST-2008" certd_said peer 2008
	expect_eq "pairs on that host" "" "$(ls "$postern_at/peer/sia/current" 2>/dev/null)"
	expect_eq "records of it at the issuer" "" "$(zts_record peer)"
	spawn_kill peer certd
	evidence "host: PST-2008, no certificate, no record: the signature is not that of the cloud"
}

claim_tunnels_up()
{
	local n fresh
	expect "postern status says OK" host_is_up host1
	fresh=$(on host1 wg show postern0 latest-handshakes | awk '$2 > 0' | wc -l)
	expect_eq "peers with a handshake" 3 "$fresh"
	for n in 1 2 3; do
		expect_eq "handshakes that cfg$n sees" 2 \
			"$(on "cfg$n" wg show postern0 latest-handshakes | awk '$2 > 0' | wc -l)"
	done
	evidence "wg show: 3 peers with a handshake here, 2 hosts with one on each of cfg1-3"
}

claim_ping_and_tcp()
{
	local n
	for n in 1 2 3; do
		expect "cfg$n answers ping in the tunnel" on host1 ping -c 2 -i 0.2 -W 5 "$claims_inside$n"
		expect_eq "what cfg$n received over TCP" "hello from host1" \
			"$(claims_tcp host1 "$claims_inside$n" "cfg$n" 8080 | tail -n 1)"
	done
	evidence "2 of 2 echo replies and one line over TCP through each of the 3 tunnels"
}

claim_public_address_captured()
{
	local n before after
	before=$(on host1 wg show postern0 transfer | awk '{ n += $3 } END { print n }')
	for n in 1 2 3; do
		expect "the public address of cfg$n answers" on host1 ping -c 2 -i 0.2 -W 5 "$claims_public$n"
	done
	after=$(on host1 wg show postern0 transfer | awk '{ n += $3 } END { print n }')
	expect_eq "echo requests to public addresses on the uplink" 0 \
		"$(count_packets uplink "dst net $claims_config6 and icmp6")"
	expect_ge "bytes that went through WireGuard meanwhile" 600 $((after - before))
	evidence "6 of 6 answered; 0 on the uplink, $((after - before)) bytes more through WireGuard"
}

claim_uplink_only_tunnel()
{
	local wg exchange
	wg=$(count_packets uplink "dst net $claims_config6 and udp dst port 51820")
	exchange=$(count_packets uplink "dst net $claims_config6 and tcp dst port 4443")
	expect_ge "WireGuard packets on the uplink" 3 "$wg"
	expect_ge "exchange packets on the uplink" 3 "$exchange"
	expect_eq "anything else to configuration servers since the start" 0 "$(count_packets uplink \
		"dst net $claims_config6 and not udp dst port 51820 and not tcp dst port 4443")"
	evidence "capture since boot: $wg UDP 51820, $exchange TCP 4443, 0 others"
}

# Tries to reach an address that has no way now; prints "No route to host" for each refusal by the kernel.
claims_try_without_interface()
{
	local n
	for n in 1 2 3; do
		on host1 ping -c 1 -W 1 "$claims_public$n" 2>&1 || :
		on host1 ping -c 1 -W 1 "$claims_inside$n" 2>&1 || :
	done
}

claim_deleted_interface_leaks_nothing()
{
	local refused
	# held still, or it would put the interface back at once
	kill -STOP "$(spawn_pid host1 tunneld)"
	on host1 ip link delete postern0
	refused=$(claims_try_without_interface | grep -c 'No route to host')
	kill -CONT "$(spawn_pid host1 tunneld)"
	expect_eq "tries that the unreachable routes refused" 6 "$refused"
	expect_eq "packets that went out instead" 0 "$(count_packets uplink \
		"(dst net $claims_config6 or dst net fd12::/16) and not udp dst port 51820 and not tcp dst port 4443")"
	host_wait host1 60
	evidence "6 of 6 tries refused by 'unreachable' at once, 0 on the uplink; tunneld came back by itself"
}

# A service on every address of the host that only the policy hides: TCP and UDP, IPv4 and IPv6.
claims_serve()
{
	spawn host1 tcp6 nc -6 -k -l -p 22
	spawn host1 udp6 nc -6 -u -k -l -p 53
	spawn host1 tcp4 nc -4 -k -l -p 8080
	until_ok 10 "the host listens on TCP 22" claims_listens host1 22
	until_ok 10 "the host listens on TCP 8080" claims_listens host1 8080
}

claims_end_serve()
{
	spawn_kill host1 tcp6 KILL
	spawn_kill host1 udp6 KILL
	spawn_kill host1 tcp4 KILL
}

# claims_closed KIND ADDRESS: outside finds no port there, and gets no refusal either.
claims_closed()
{
	local out rc=0
	out=$(on outside "$LAB_BUILD/tests/lab/lab-probe" "$1" "$2" "1-${claims_ports:-1024}" 2>&1) || rc=$?
	expect_eq "exit status of the port scan of $1 $2" 1 "$rc"
	expect_eq "what a scan of $1 $2 sees" "${claims_ports:-1024} tried, 0 open, 0 refused" \
		"$(tail -n 1 <<<"$out")"
}

claim_outside_reaches_nothing()
{
	local before denied
	claims_serve
	before=$(claims_counter host1 in_denied)
	claims_closed tcp 2001:db8:1:1::2
	claims_closed udp 2001:db8:1:1::2
	claims_closed tcp 10.1.1.2
	claims_closed udp 10.1.1.2
	denied=$(($(claims_counter host1 in_denied) - before))
	expect_ge "packets counted as denied by the policy" $((4 * ${claims_ports:-1024})) "$denied"
	claims_end_serve
	evidence "TCP and UDP 1-${claims_ports:-1024}, IPv6 and IPv4: 0 open, 0 refused; $denied counted in in_denied"
}

claim_ipv4_is_dead()
{
	refute "IPv4 leaves the host" on host1 ping -c 2 -i 0.2 -W 1 203.0.113.2
	refute "TCP over IPv4 leaves the host" on host1 nc -4 -z -w 2 203.0.113.2 443
	expect_eq "IPv4 packets that left on the uplink" 0 "$(count_packets uplink 'ip and src host 10.1.1.2')"
	evidence "ping and TCP to 203.0.113.2 refused; 0 IPv4 packets left since boot"
}

claims_address()
{
	on "$1" ip -6 -o address show dev postern0 scope global | awk '{ sub("/.*", "", $4); print $4; exit }'
}

claim_hosts_are_apart()
{
	local inside
	inside=$(claims_address host2)
	[ -n "$inside" ] || fail "host2 has no tunnel address"
	refute "host1 reaches host2 on its uplink" on host1 ping -c 2 -i 0.2 -W 1 2001:db8:1:2::2
	refute "host1 reaches host2 in the tunnel" on host1 ping -c 2 -i 0.2 -W 1 "$inside"
	refute "TCP 22 from host1 to host2" on host1 nc -6 -z -w 2 2001:db8:1:2::2 22
	evidence "ping and TCP to 2001:db8:1:2::2 and $inside: nothing answers"
}

# ---- certificates that must be refused ------------------------------------------------------------

# claims_stranger NAME TABLE PKI-OPTION…: a tunneld with a bad identity, in the namespace peer.
claims_stranger()
{
	# shellcheck disable=SC2154
	local at=$postern_at/$1 uid=$postern_uid_host
	postern_pki host "$1" "${@:3}"
	postern_own "$1" "$uid"
	postern_servers=1 host_config "$1" "$1" '[tunnel]' "interface = x$2" "spare_interface = y$2" \
		"table = $2" "priority = $2"
	spawn peer "$1" tunneld --config "$at/postern.conf" --foreground --state-dir "$at/state" \
		--run-dir "$at/run"
}

# All four at once, each with an interface and a table of its own; the first claim that needs them waits.
claims_strangers()
{
	[ ! -e "$LAB_OUT/peer-twonames.pid" ] || return 0
	claims_stranger stranger 21001 --tenant evil
	claims_stranger expired 21002 --expired
	claims_stranger foreign 21003 --ca other
	claims_stranger twonames 21004 --two-cn
}

claims_last_code()
{
	on peer postern status --json --no-policy --run-dir "$postern_at/$1/run" |
		grep -A1 '"last_exchange": {' | sed -n 's/.*"code": "\([^"]*\)".*/\1/p'
}

claims_has_code()
{
	[ "$(claims_last_code "$1")" = "PST-$2" ]
}

claims_counted()
{
	[ "$(gateway_count "$1" "$2")" -gt 0 ]
}

# claims_refused NAME CODE-OF-HOST CODE-OF-SERVER WHY: nobody else in the zone causes that code.
claims_refused()
{
	claims_strangers
	until_ok 40 "$4 is refused with PST-$2 here" claims_has_code "$1" "$2"
	until_ok 10 "cfg1 counts PST-$3" claims_counted 1 "$3"
	spawn_kill peer "$1"
	expect_eq "peers that cfg1 made beside the two hosts" 2 "$(on cfg1 wg show postern0 peers | wc -l)"
	evidence "host: PST-$2, cfg1: PST-$3; no peer made"
}

claim_wrong_tenant_refused()
{
	claims_refused stranger 1201 1201 "a tenant that is not listed"
}

claim_expired_certificate_refused()
{
	claims_refused expired 1004 2108 "an expired certificate"
}

claim_wrong_ca_refused()
{
	claims_refused foreign 1004 2109 "a certificate of another CA"
}

claim_two_names_refused()
{
	claims_refused twonames 2101 2101 "a certificate with two common names"
}

# ---- accidents ------------------------------------------------------------------------------------

# claims_lossless WHAT COMMAND…: runs the command while 60 echo requests go by, all of them answered.
claims_lossless()
{
	local log=$LAB_OUT/ping-$1.txt pid
	on host1 ping -c 60 -i 0.1 -W 5 "${claims_inside}1" >"$log" 2>&1 &
	pid=$!
	until_ok 10 "echo replies come" grep -q 'icmp_seq=5 ' "$log"
	"${@:2}"
	wait "$pid" || fail "packets were lost while $1" ping "$(tail -n 3 "$log")"
	expect_eq "echo replies while $1" "60 received" "$(grep -o '60 received' "$log")"
}

claims_kill_gatewayd()
{
	spawn_kill cfg1 gatewayd KILL
	gateway_start 1
	gateway_wait 1
}

claims_kill_tunneld()
{
	spawn_kill host1 tunneld KILL
	host_start host1
	host_wait host1
}

claim_kill_loses_nothing()
{
	claims_lossless gatewayd-dies claims_kill_gatewayd
	claims_lossless tunneld-dies claims_kill_tunneld
	expect "the tunnel was adopted, not made anew" grep -q 'adopting the tunnel' "$LAB_OUT/host1-tunneld.log"
	evidence "60 of 60 echo replies while gatewayd, and 60 of 60 while tunneld, was killed and restarted"
}

# The worker of gatewayd on cfg1: the only one in that network namespace.
claims_worker()
{
	local pid
	for pid in $(ip netns pids "${LAB_PREFIX}cfg1"); do
		if grep -q '^gatewayd-worke' "/proc/$pid/comm"; then
			echo "$pid"
			return
		fi
	done
}

claims_exchanges_begun()
{
	grep -c 'cfg1: .*-> exchange' "$LAB_OUT/host1-tunneld.log"
}

claims_exchanges_more()
{
	[ "$(claims_exchanges_begun)" -gt "$1" ]
}

claims_has_another_key()
{
	[ "$(on host1 wg show postern0 public-key 2>/dev/null)" != "$1" ]
}

# An exchange hangs at the server while the interface, and its key with it, goes away twice.
claim_stale_key_is_not_used()
{
	local pid key begun
	pid=$(claims_worker)
	[ -n "$pid" ] || fail "no worker of gatewayd on cfg1"
	begun=$(claims_exchanges_begun)
	kill -STOP "$pid"
	on host1 ip link delete postern0
	until_ok 20 "an exchange with cfg1 hangs" claims_exchanges_more "$begun"
	key=$(on host1 wg show postern0 public-key)
	on host1 ip link delete postern0
	until_ok 20 "the interface has yet another key" claims_has_another_key "$key"
	kill -CONT "$pid"
	wait_log 20 host1 tunneld 'got a new key meanwhile'
	# WireGuard's patience for a first handshake is 15 s; this must not need it.
	until_ok 10 "host1 reaches every configuration server" host_is_up host1
	evidence "the grant for the old key was thrown away; up again with the new one within 10 s"
}

# The last line of netpolicyd about a stranger.
claims_stranger_seen()
{
	grep 'PST-3010' "$LAB_OUT/$1-netpolicyd.log" | tail -n 1
}

# Since Linux 6.9 netpolicyd can own the tables, and a flush by others passes them by. Then it is started
# again as it is on an older one.
claims_disown()
{
	host_policy host1 status | grep -q ', owner of the tables' || return 0
	on host1 nft flush ruleset
	expect "owned: a foreign flush changes nothing" host_policy host1 check
	spawn_kill host1 netpolicyd
	host_keep host1 --no-owner
}

# Noticed by check and status while netpolicyd is held still; named and repaired by it when it is not.
claim_foreign_flush_repaired()
{
	local rc=0 out pid
	claims_disown
	pid=$(spawn_pid host1 netpolicyd)
	expect "the policy is as configured" host_policy host1 check
	kill -STOP "$pid"
	on host1 nft flush ruleset
	out=$(host_policy host1 check 2>&1) || rc=$?
	expect_eq "exit status of netpolicy check after a foreign flush" 1 "$rc"
	expect "it names the code" grep -q PST-3006 <<<"$out"
	refute "postern status says OK" host_status host1
	kill -CONT "$pid"
	until_ok 10 "repaired, nobody did anything" host_policy host1 check
	on host1 nft flush ruleset
	until_ok 10 "repaired again, at once" host_policy host1 check
	expect "postern status says OK" host_status host1
	out=$(claims_stranger_seen host1)
	expect "netpolicyd names who did it" grep -qw nft <<<"$out"
	evidence "check: 0; flushed while netpolicyd was held: 1 with PST-3006; then repaired: ${out#*PST-3010 }"
}

# Every claim of host1's page holds over all packets, the kernel agrees at every border, and the host is as
# the proof takes it to be. A packet that goes round the tunnel is denied by model and kernel alike.
claim_policy_proved()
{
	local out rc=0 claims packets answer
	out=$(host_policy host1 prove 2>&1) || rc=$?
	say "$out"
	expect_eq "exit status of netpolicy prove" 0 "$rc"
	claims=$(grep -c '^HOLDS' <<<"$out")
	packets=$(sed -n 's/^kernel: [0-9]* packets at all borders, \([0-9]*\) agree.*/\1/p' <<<"$out")
	expect_eq "lines of claims that hold" 3 "$claims"
	expect_ge "packets on which the kernel agrees" 100 "${packets:-0}"
	rc=0
	answer=$(host_policy host1 explain out eth0 tcp '[2001:db8:c::1]:80' 2>&1) || rc=$?
	say "$answer"
	expect_eq "exit status of netpolicy explain" 1 "$rc"
	expect "the model denies, outside the tunnel" grep -q '^model .*outside the tunnel' <<<"$answer"
	expect "the kernel denies by the same rule" grep -q '^kernel .*zone_outside' <<<"$answer"
	evidence "netpolicy prove: $claims of $claims hold over all packets, the kernel agrees on $packets at the borders"
}

# ---- the zone in which claims are tried -----------------------------------------------------------

# Records host1's uplink under the name "uplink", the judge of every leak; without what the scan of a
# hostile network sends in, which would only drown it.
claims_capture()
{
	capture host1 eth0 uplink 'not src host 2001:db8:bad::2 and not src host 203.0.113.2'
}

# claims_zone HOST…: everything runs, the policy is loaded before tunneld starts, and "uplink" has
# captured host1's eth0 since then.
claims_zone()
{
	local host
	postern_up "$@"
	for host; do
		host_policy "$host" apply
		host_keep "$host"
	done
	claims_capture
	[ "$postern_identities" = pki ] || identity_boot "$@"
	for host; do
		host_start "$host"
	done
	for host; do
		host_wait "$host" 60
	done
}
