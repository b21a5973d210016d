#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What ./check and ./demo do first, the same for both: look at the machine, install what is missing,
# build. Refuses early and clearly (exit status 2) instead of running half-done. Sourced, with $tree
# set.

: "${tree:?the source tree}"

# Whoever calls: tests give files and folders to other users, who must be able to reach them, compare what
# programs say, and have descriptor 0 for their input.
umask 022
unset TMPDIR
export LC_ALL=C.UTF-8
[ -e /proc/self/fd/0 ] || exec </dev/null

setup_wg_docs=/usr/share/doc/wireguard-tools/examples/embeddable-wg-library
setup_need_mib=2048	# packages 900, kernel for the lab 200, build folders 300, and room

# The one list of packages, and why.
setup_packages()
{
	# compiler, build tool; python3 runs the lints and the fuzz driver
	echo gcc libc6-dev binutils meson ninja-build pkgconf python3
	# libraries (docs/architecture, "Dependencies")
	echo libevent-dev libssl-dev libcurl4-openssl-dev libjansson-dev libsqlite3-dev libexpat1-dev
	echo libmnl-dev libnl-3-dev libnftables-dev
	# the WireGuard library is compiled from its examples; also wg itself
	echo wireguard-tools
	# unit tests, fuzzing
	echo libcunit1-dev clang "libclang-rt-$(setup_clang_version)-dev"
	# lints
	echo clang-format universal-ctags pmccabe shellcheck mandoc
	# the lab: network tools, certificates; curl as a foreign client, strace to kill at each step
	echo iproute2 nftables tcpdump iputils-ping netcat-openbsd procps openssl util-linux curl strace
	# a token for the CA's key, in software (2 MB; on 12 also udev)
	setup_token
	# the lab's guest: emulator, boot image, kernel package
	echo qemu-system-x86 busybox-static kmod cpio xz-utils zstd
}

# What this Debian has for OpenSSL: a TPM, or PKCS#11 with a module that can go away.
setup_token()
{
	case $setup_release in
	12) echo swtpm tpm2-openssl tpm2-tools ;;
	*) echo softhsm2 pkcs11-provider p11-kit p11-kit-modules ;;
	esac
}

# The clang of this Debian; its run-time library carries the version in its name.
setup_clang_version()
{
	case $setup_release in
	12) echo 14 ;;
	13) echo 19 ;;
	*) apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' ;;
	esac
}

setup_refuse()
{
	echo "${0##*/}: cannot run: $*" >&2
	exit 2
}

setup_free_mib()
{
	df -Pm "$1" | awk 'NR == 2 { print $4 }'
}

# The machine must be one on which the rest can work.
setup_check_machine()
{
	local id='' place free
	[ "$(id -u)" = 0 ] ||
		setup_refuse "it needs root for packages and network namespaces: sudo $0"
	# shellcheck disable=SC1091
	id=$(. /etc/os-release 2>/dev/null && echo "${ID:-}")
	# shellcheck disable=SC1091
	setup_release=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
	{ [ "$id" = debian ] && command -v apt-get >/dev/null; } ||
		setup_refuse "it is made for Debian 12 and 13, and this is ${id:-something else}"
	[ -z "$setup_release" ] || [ "${setup_release%%.*}" -ge 12 ] ||
		setup_refuse "it needs Debian 12 or newer, and this is $setup_release"
	for place in "$tree" /var/cache /tmp; do
		free=$(setup_free_mib "$place")
		[ "$free" -ge "${SETUP_NEED_MIB:-$setup_need_mib}" ] ||
			setup_refuse "only $free MiB free on the disk of $place;" \
				"it needs ${SETUP_NEED_MIB:-$setup_need_mib}"
	done
	[ -w "$tree" ] || setup_refuse "$tree cannot be written: the build goes there"
}

# One run at a time in a tree: the second waits. The lock ends with the process that holds it.
setup_lock()
{
	local name
	name=/run/lock/postern-$(sha256sum <<<"$tree" | head -c 16)
	mkdir -p /run/lock
	exec {setup_lock_fd}>"$name" || setup_refuse "cannot write $name"
	flock -n "$setup_lock_fd" && return
	echo "# another ./check or ./demo works in $tree; waiting for it"
	flock "$setup_lock_fd"
}

setup_unlock()
{
	exec {setup_lock_fd}>&-
}

# Prints those of our packages that are not installed.
setup_missing()
{
	local package
	local -A have=()
	# shellcheck disable=SC2046
	while read -r package; do
		have[$package]=1
	done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $(setup_packages) 2>/dev/null |
		sed -n 's/^installed //p')
	for package in $(setup_packages); do
		[ -n "${have[$package]:-}" ] || echo "$package"
	done
}

# Turns apt's status lines into one line that moves (on a terminal) or one line for each tenth.
setup_progress()
{
	local kind _what percent text shown=
	while IFS=: read -r kind _what percent text; do
		case $kind in
		dlstatus) text="fetching: $text" ;;
		pmstatus) text="installing: $text" ;;
		*) continue ;;
		esac
		percent=${percent%%.*}
		if [ -t 1 ]; then
			printf '\r\033[K# %3d %% %.60s' "$percent" "$text"
		elif [ "$kind$((percent / 10))" != "$shown" ]; then
			shown=$kind$((percent / 10))
			echo "# $percent % ${text%%:*}"
		fi
	done
	[ ! -t 1 ] || printf '\r\033[K'
}

# setup_apt WORDS…: apt-get without questions, everything it says in the log. Another one, of a timer right after
# the boot, may hold the lists or the archives, for which apt-get does not wait by itself.
setup_apt()
{
	local end=$((SECONDS + 600))
	until setup_apt_once "$@"; do
		[ $SECONDS -lt $end ] && tail -n 3 "$setup_log" | grep 'Could not get lock' >/dev/null || return
		sleep 1
	done
}

setup_apt_once()
{
	local status
	{
		DEBIAN_FRONTEND=noninteractive apt-get -y -q -o APT::Status-Fd=9 \
			-o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 \
			-o Acquire::Retries=2 "$@" 9>&1 >>"$setup_log" 2>&1 </dev/null
		echo "status $?" >"$setup_log.status"
	} | setup_progress
	read -r _ status <"$setup_log.status"
	rm -f "$setup_log.status"
	return "$status"
}

# Installs what is missing; does not touch apt when nothing is.
setup_install()
{
	local missing
	mapfile -t missing < <(setup_missing)
	[ ${#missing[@]} -gt 0 ] || return 0
	setup_log=$(mktemp /tmp/postern-setup.XXXXXX.log)
	echo "# installing ${#missing[@]} packages: ${missing[*]}"
	# what was interrupted before would be in the way
	DEBIAN_FRONTEND=noninteractive dpkg --force-confold --configure -a >>"$setup_log" 2>&1 </dev/null || :
	setup_apt update || echo "# a package source did not answer; trying with the others"
	setup_apt install --no-install-recommends --download-only "${missing[@]}" ||
		setup_refuse "the packages cannot be fetched; nothing was changed. Is there a network" \
			"and a package source? $(grep -m 1 '^E:' "$setup_log") Log: $setup_log"
	setup_apt install --no-install-recommends "${missing[@]}" ||
		setup_refuse "installing failed: $(grep -m 1 '^E:' "$setup_log") Log: $setup_log"
	rm -f "$setup_log"
}

# Slim images leave out /usr/share/doc, where the WireGuard library lives.
setup_heal_wg()
{
	[ ! -s "$setup_wg_docs/wireguard.c" ] || return 0
	setup_log=$(mktemp /tmp/postern-setup.XXXXXX.log)
	echo "# $setup_wg_docs is missing (an image without documentation); fetching it again"
	[ -n "$(ls /var/lib/apt/lists/*Packages* 2>/dev/null)" ] || setup_apt update
	setup_apt install --reinstall --no-install-recommends \
		-o 'Dpkg::Options::=--path-include=/usr/share/doc/wireguard-tools/*' wireguard-tools
	[ -s "$setup_wg_docs/wireguard.c" ] ||
		setup_refuse "the package wireguard-tools left no $setup_wg_docs/wireguard.c:" \
			"documentation is excluded here (see /etc/dpkg/dpkg.cfg.d). Log: $setup_log"
	rm -f "$setup_log"
}

# setup_build FOLDER OPTION…: configures once, compiles all, or $setup_target; quiet unless it fails. Status
# 1 when it fails.
setup_build()
{
	local dir=$tree/$1 log start=$SECONDS
	log=$(mktemp /tmp/postern-build.XXXXXX.log)
	if [ ! -f "$dir/build.ninja" ]; then
		# a half-configured folder cannot be continued
		rm -rf "$dir"
		meson setup "$dir" "$tree" "${@:2}" >"$log" 2>&1 || {
			tail -n 20 "$log" | sed 's/^/# /'
			echo "# configuring $1 failed; log: $log"
			return 1
		}
	fi
	ninja -C "$dir" "${setup_target:-all}" >>"$log" 2>&1 || {
		grep -E -A 5 'FAILED:|error:' "$log" | head -n 40 | sed 's/^/# /'
		echo "# building $1 failed; log: $log"
		return 1
	}
	rm -f "$log"
	echo "# built $1 ($((SECONDS - start)) s)"
}

# Everything before the first build.
setup_all()
{
	setup_check_machine
	setup_lock
	setup_install
	setup_heal_wg
}
