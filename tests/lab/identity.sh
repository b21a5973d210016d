#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What scenarios about identities share: judging the files of a host without certd's help, and evidence
# that must be refused. Sourced by scenarios.

# shellcheck source=tests/lab/postern.sh
[ -n "${postern_zone:-}" ] || . "$LAB_TREE/tests/lab/postern.sh"

# identity_pair HOST: whether the pair in use belongs together, is valid now, and chains to the CA.
# It is read through one directory, as programs should, while certd may switch to another.
identity_pair()
{
	local at
	at=$(readlink -f "$postern_at/$1/sia/current")
	[ "$(openssl pkey -in "$at/key.pem" -pubout)" = "$(openssl x509 -in "$at/cert.pem" -noout -pubkey)" ] &&
		openssl verify -CAfile "$postern_at/pki/ca.pem" "$at/cert.pem"
}

# identity_life HOST SECONDS: whether the certificate in use is valid for that long.
identity_life()
{
	openssl x509 -in "$postern_at/$1/sia/current/cert.pem" -noout -checkend "$2"
}

identity_changed()
{
	[ "$(certd_serial "$1")" != "$2" ]
}

# identity_moved HOST DIRECTORY: another directory is in use than that one. It costs no process, unlike
# identity_changed, which would slow down what it waits for under emulation.
identity_moved()
{
	[ -e "$postern_at/$1/sia/current" ] && ! [ "$postern_at/$1/sia/current" -ef "$2" ]
}

# identity_renew HOST: one renewal at once; returns when another certificate is in use.
identity_renew()
{
	local serial was
	was=$(readlink -f "$postern_at/$1/sia/current")
	serial=$(certd_serial "$1")
	certd_urge "$1"
	until_ok 90 "$1 has another pair" identity_moved "$1" "$was"
	expect "with another certificate" identity_changed "$1" "$serial"
}

# identity_said HOST CODE: how often its log has that code, an extended regular expression.
identity_said()
{
	grep -cE "PST-$2" "$LAB_OUT/$1-certd.log" || :
}

identity_said_more()
{
	[ "$(identity_said "$1" "$2")" -gt "$3" ]
}

# identity_new_boot HOST: certd starts there as after a boot. All hosts of the lab are on one kernel and
# share its boot id, so this one is shown another.
identity_new_boot()
{
	cat /proc/sys/kernel/random/uuid >"$LAB_OUT/boot-$1"
	# shellcheck disable=SC2016
	certd_start "$1" unshare --mount sh -c \
		'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"' "$LAB_OUT/boot-$1"
}

# The kinds of calls by which certd changes files.
identity_steps="mkdirat write ftruncate fchmod fsync fdatasync rename renameat renameat2 symlinkat unlinkat"

# identity_traced KIND INJECTION UNTIL…: starts certd on host1 under strace, which does INJECTION to its calls of
# that kind, and has it renew until the command succeeds.
identity_traced()
{
	certd_start host1 strace -q -o "$LAB_OUT/strace.txt" -e "trace=$1" -e "inject=$1:$2"
	until "${@:3}"; do
		identity_traced_signal USR1
		lab_nap 0.1
	done
}

# Sends a signal to the child of strace, once it runs and takes signals.
identity_traced_signal()
{
	local pid rc=0
	certd_status host1 >/dev/null 2>&1 || rc=$? # 1: not ready, but it can be asked
	pid=$(spawn_pid host1 certd)
	pid=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || return 0
	[ -z "$pid" ] || [ $rc -gt 1 ] || kill -s "$1" "${pid%% *}" 2>/dev/null || :
}

# identity_traced_end WORD: ends it, if it did not end before; whether strace did what it was told.
identity_traced_end()
{
	while spawn_alive host1 certd; do
		identity_traced_signal TERM
		lab_nap 0.1
	done
	grep "$1" "$LAB_OUT/strace.txt" >/dev/null
}

# identity_each_step ATTEMPT: ATTEMPT KIND N for each kind of calls, and for each N until it fails.
identity_each_step()
{
	local kind n
	for kind in $identity_steps; do
		n=1
		while "$1" "$kind" "$n"; do
			n=$((n + 1))
			[ "$n" -lt 100 ] || fail "certd makes more than 100 calls of $kind"
		done
	done
}

# identity_watch HOST: from now on notes every moment at which the pair is missing, mixed or not valid.
identity_watch()
{
	identity_watching=$1
	# a shell of its own: the player ends it with the scenario
	(
		while [ ! -e "$LAB_OUT/.watch-$1" ]; do
			identity_pair "$1" >"$LAB_OUT/.pair" 2>&1 || {
				date +%T.%N
				cat "$LAB_OUT/.pair"
			}
			lab_nap "${identity_watch_s:-0.1}"
		done
	) >"$LAB_OUT/watch-$1.txt" 2>&1 &
	identity_watcher=$!
}

# identity_watched: ends it; not one such moment was seen.
identity_watched()
{
	: >"$LAB_OUT/.watch-$identity_watching"
	wait "$identity_watcher"
	expect_eq "moments without a good pair" "" "$(cat "$LAB_OUT/watch-$identity_watching.txt")"
}

# identity_stays_out HOST CODE: certd says CODE, the issuer has no record, there is no pair.
identity_stays_out()
{
	until_ok 60 "$1 is refused with PST-$2" certd_said "$1" "$2"
	refute "$1 is ready" certd_is_ready "$1"
	refute "there is a pair" test -e "$postern_at/$1/sia/current"
	refute "the issuer has a record of it" zts_record "$1"
}

# identity_refused CODE LINES…: in a zone that is up, with instance metadata changed by LINES, host1 gets no
# identity, and gets it when they are as they should be.
identity_refused()
{
	cloud_set "${@:2}"
	certd_start host1
	identity_stays_out host1 "$1"
	expect "the issuer says why" grep -q 'PST-5004' "$LAB_OUT/zts-ztsd.log"
	cloud_set '# as it should be'
	certd_urge host1
	certd_wait host1
	expect "the pair is good" identity_pair host1
}
