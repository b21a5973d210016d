#!/bin/bash
# SPDX-License-Identifier: MIT
# The units: what their order promises is written in them, and systemd has nothing to say against
# them. units.sh SOURCE BUILD
set -uo pipefail

units=$1/packaging/systemd build=$2
n=0 failed=0
all=(certd netpolicy-boot netpolicy-links-down netpolicyd ztsd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

report() # report STATUS NAME [WHY]
{
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	[ -z "${3:-}" ] || echo "# ${3//$'\n'/$'\n# '}"
	failed=1
}

# has UNIT KEY WORD...: all words of a key that may stand on several lines
has()
{
	local unit=$1 key=$2 word have
	shift 2
	have=" $(sed -n "s/^$key=//p" "$units/$unit.service.in" | tr '\n' ' ') "
	for word; do
		[[ $have == *" $word "* ]]
		report $? "$unit: $key=$word"
	done
}

has netpolicy-boot DefaultDependencies no
has netpolicy-boot Wants network-pre.target
has netpolicy-boot Before network-pre.target cloud-init-local.service systemd-networkd.service \
	networking.service NetworkManager.service shutdown.target
has netpolicy-boot Conflicts shutdown.target
has netpolicy-boot After nftables.service
has netpolicy-boot RequiresMountsFor /var/lib/postern
has netpolicy-boot WantedBy sysinit.target
has netpolicy-boot OnFailure netpolicy-links-down.service
has netpolicy-boot OnFailureJobMode replace-irreversibly
has netpolicy-boot SuccessExitStatus 1 3
has netpolicy-boot StandardOutput journal+console
has netpolicy-boot StandardError journal+console
has netpolicy-boot Type oneshot
has netpolicy-links-down DefaultDependencies no
has netpolicy-links-down Conflicts systemd-networkd.service networking.service cloud-init-local.service
has netpolicy-links-down StandardOutput journal+console
has netpolicyd Type notify
has netpolicyd After netpolicy-boot.service
has netpolicyd Restart always
has netpolicyd WatchdogSec 60s
has netpolicyd CapabilityBoundingSet CAP_NET_ADMIN
has netpolicyd NoNewPrivileges yes
has netpolicyd RestrictAddressFamilies AF_NETLINK AF_UNIX
has netpolicyd WantedBy multi-user.target
# A host that gets no identity finishes its boot: nothing but who needs the identity waits for it.
has certd Type notify
has certd DefaultDependencies no
has certd Requires sysinit.target
has certd After sysinit.target basic.target netpolicy-boot.service network-online.target
has certd Conflicts shutdown.target
has certd Before shutdown.target tunneld.service gatewayd.service
has certd TimeoutStartSec infinity
has certd Restart always
has certd WatchdogSec 60s
has certd RestartPreventExitStatus 2 64
has certd NoNewPrivileges yes
has certd ProtectSystem strict
has certd StateDirectory postern/certd sia
has certd RuntimeDirectory postern/certd
has certd RuntimeDirectoryPreserve yes
has certd WantedBy multi-user.target
has ztsd Type notify
has ztsd After netpolicy-boot.service network-online.target
has ztsd Restart always
has ztsd WatchdogSec 60s
has ztsd RestartPreventExitStatus 2 64
has ztsd NoNewPrivileges yes
has ztsd ProtectSystem strict
has ztsd StateDirectory postern-ztsd
has ztsd RuntimeDirectoryPreserve yes
has ztsd WantedBy multi-user.target

# A watchdog ends who does not know of it: only units whose programs give signs of life have one.
for unit in "$units"/*.in; do
	grep '^WatchdogSec=' "$unit" >/dev/null || continue
	program=$(sed -n 's|^ExecStart=@sbindir@/||p' "$unit")
	program=$(find "$build/certs" "$build/netpolicy" -type f -name "$program")
	[ -n "$program" ] && [ "$(grep -c 'WATCHDOG=1' "$program")" -gt 0 ]
	report $? "${unit##*/}: its program gives signs of life"
done

# Nothing of what could be more than they need: what is listed is all.
caps_are() # caps_are UNIT CAP...
{
	local have want
	have=$(sed -n 's/^CapabilityBoundingSet=//p' "$units/$1.service.in" | tr ' ' '\n' | sort)
	want=$(printf '%s\n' "${@:2}" | sort)
	[ "$have" = "$want" ]
	report $? "$1: capabilities" "$have"
}
caps_are certd CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_CHOWN CAP_DAC_READ_SEARCH
caps_are ztsd CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_CHOWN CAP_DAC_READ_SEARCH CAP_NET_BIND_SERVICE

# What the sandboxes of certd's workers ask the kernel for; @system-service has none of it.
has certd SystemCallFilter @system-service seccomp landlock_create_ruleset landlock_restrict_self

if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$scratch/root/etc"
	out=$(systemd-sysusers --root="$scratch/root" "$units/sysusers.conf" 2>&1)
	status=$?
	for user in postern-certd postern-ztsd; do
		grep "^$user:" "$scratch/root/etc/passwd" >/dev/null || status=1
	done
	grep '^postern-identity:' "$scratch/root/etc/group" >/dev/null || status=1
	report $status "systemd-sysusers makes them" "$out"
else
	n=$((n + 1))
	echo "ok $n - systemd-sysusers makes them # SKIP systemd-sysusers is not there"
fi

# Stopping the unit must not open the host: nothing runs then.
! grep -q '^ExecStop' "$units"/*.in
report $? "nothing is run at a stop"

# What takes the links down does so, in a namespace of its own.
command=$(sed -n "s/^ExecStart=.bin.sh -c '\(.*\)'$/\1/p" "$units/netpolicy-links-down.service.in")
command=${command//\$\$/\$}
if unshare -n true 2>/dev/null; then
	# shellcheck disable=SC2016
	out=$(unshare -nm sh -c 'mount -t sysfs none /sys && ip link set lo up &&
		ip link add va type veth peer name vb && ip link set va up && ip link set vb up &&
		sh -c "$1" && ip -o link show up' sh "$command" 2>&1)
	grep -q 'the links are down' <<<"$out" && grep -q ' lo: ' <<<"$out" && ! grep -q ' va@' <<<"$out" &&
		! grep -q 'STAYS UP' <<<"$out"
	report $? "the links go down, loopback stays" "$out"
else
	n=$((n + 1))
	echo "ok $n - the links go down, loopback stays # SKIP may not make a network namespace"
fi

if command -v systemd-analyze >/dev/null; then
	mkdir "$scratch/sbin"
	ln -s "$build"/netpolicy/netpolicy* "$build"/certs/{certd/certd,ztsd/ztsd} "$scratch/sbin/"
	for unit in "${all[@]}"; do
		sed "s|@sbindir@|$scratch/sbin|" "$units/$unit.service.in" >"$scratch/$unit.service"
	done
	out=$(SYSTEMD_UNIT_PATH=$scratch: systemd-analyze verify --man=no "$scratch"/*.service 2>&1 |
		grep -F -e netpolicy -e certd -e ztsd || :)
	[ -z "$out" ]
	report $? "systemd-analyze verify" "$out"
else
	n=$((n + 1))
	echo "ok $n - systemd-analyze verify # SKIP systemd-analyze is not there"
fi
echo "1..$n"
exit $failed
