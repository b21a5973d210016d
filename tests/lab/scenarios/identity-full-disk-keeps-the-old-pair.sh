# SPDX-License-Identifier: MIT
about="On a full disk the old pair stays whole and in use, and the next renewal comes when there is room"
needs="veth"
deadline=120

# shellcheck source=tests/lab/identity.sh
. "$LAB_TREE/tests/lab/identity.sh"

trap 'umount -l "$postern_at/host1/sia" 2>/dev/null' EXIT

identity_up host1
mkdir "$postern_at/host1/sia"
mount -t tmpfs -o "size=128k,mode=755,uid=$postern_uid_certd,gid=$postern_uid_host" lab-sia \
	"$postern_at/host1/sia"
identity_boot host1
serial=$(certd_serial host1)
identity_watch host1
dd if=/dev/zero of="$postern_at/host1/sia/ballast" bs=1k 2>/dev/null || :
refute "there is room" bash -c "echo x >>'$postern_at/host1/sia/more'"
certd_urge host1
until_ok 30 "certd says that it cannot write" certd_said host1 2016
expect_eq "the old certificate is in use" "$serial" "$(certd_serial host1)"
expect "certd is ready with it" certd_is_ready host1
rm -f "$postern_at/host1/sia/ballast" "$postern_at/host1/sia/more"
certd_urge host1
until_ok 30 "the certificate is renewed" identity_changed host1 "$serial"
identity_watched
refute "anything was revoked" grep -q 'PST-5005' "$LAB_OUT/zts-ztsd.log"
