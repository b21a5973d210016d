# SPDX-License-Identifier: MIT
about="However little room the disk has, the old pair stays whole and in use, and the next renewal comes when there is enough"
needs="veth"
deadline=600

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

# One small disk for both folders of certd.
disk_up()
{
	local part disk=$postern_at/host1/disk
	mkdir "$disk"
	mount -t tmpfs -o size=256k,nr_inodes=64,mode=755 lab-disk "$disk"
	for part in sia certd; do
		mkdir "$disk/$part" "$postern_at/host1/$part"
		chown "$postern_uid_certd:$postern_uid_host" "$disk/$part"
		mount --bind "$disk/$part" "$postern_at/host1/$part"
	done
	mkdir "$disk/ballast"
}

disk_down()
{
	local part
	for part in sia certd disk; do
		umount -l "$postern_at/host1/$part" 2>/dev/null || :
	done
}

# room KIND N: so many blocks (or inodes) are left of the disk.
room()
{
	local ballast=$postern_at/host1/disk/ballast free i
	rm -f "$ballast"/*
	case $1 in
	blocks)
		: >"$ballast/0"
		free=$(($(stat -f -c %a "$ballast") - $2))
		fallocate -l $((free * $(stat -f -c %S "$ballast"))) "$ballast/0"
		;;
	inodes)
		free=$(($(stat -f -c %d "$ballast") - $2))
		for ((i = 0; i < free; i++)); do
			: >"$ballast/$i"
		done
		;;
	esac
}

ended()
{
	identity_changed host1 "$1" || identity_said_more host1 2016 "$2"
}

# renewed_with KIND N: one renewal with that much room; whether it came to its end. Whatever it did, the pair
# is whole and certd is ready.
renewed_with()
{
	local serial said
	serial=$(certd_serial host1)
	said=$(identity_said host1 2016)
	room "$@"
	certd_urge host1
	until_ok 40 "$2 $1 left: a renewal ends" ended "$serial" "$said"
	expect "$2 $1 left: the pair is whole" identity_pair host1
	expect "$2 $1 left: certd is ready with it" certd_is_ready host1
	identity_changed host1 "$serial"
}

# each_step KIND LEAST: with more and more room, until a renewal succeeds; it failed at LEAST steps before.
each_step()
{
	local n=0
	until renewed_with "$1" "$n"; do
		n=$((n + 1))
		[ "$n" -lt 40 ] || fail "40 $1 are not enough"
	done
	expect_ge "$1 that were not enough" "$2" "$n"
}

knows_serial()
{
	[ "$(certd_serial host1)" = "$(zts_field host1 current)" ]
}

trap disk_down EXIT
identity_up host1
disk_up
identity_boot host1
identity_watch host1
each_step blocks 3
each_step inodes 4
rm -f "$postern_at/host1/disk/ballast"/*
identity_renew host1
identity_watched
refute "anything was revoked" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
until_ok 30 "the issuer's record has the last serial" knows_serial
