#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The lab's guest: Debian's own kernel package, unpacked beside the machine (never installed), and a
# QEMU command line that boots it on the machine's root file system. Sourced by tests/lab/run.

LAB_CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-/var/cache}/postern/lab}

# What the initramfs needs to reach the root file system and the runner.
LAB_BOOT_MODULES=(virtio_pci virtio_console 9pnet_virtio 9p overlay)

# Folders of the kernel package that the lab can use. The rest (media, sound, graphics …) is three
# quarters of it and only costs disk.
LAB_KERNEL_FOLDERS=(arch crypto lib net fs/9p fs/netfs fs/fscache fs/overlayfs fs/fuse
	drivers/net drivers/virtio drivers/char drivers/crypto drivers/block)

# The package that linux-image-amd64 stands for now; fails when the package lists are missing.
kernel_package()
{
	local arch
	arch=$(dpkg --print-architecture)
	[ "$arch" = amd64 ] || { echo "the guest is only made for amd64, not $arch" >&2; return 1; }
	apt-cache depends linux-image-amd64 2>/dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

# Unpacks package $1 into $2, whole or not at all.
kernel_unpack()
{
	local package=$1 dir=$2 tmp
	tmp=$(mktemp -d "$LAB_CACHE/.unpack.XXXXXX") || return
	# _apt cannot write below a private folder: root downloads, which apt mentions as a warning
	(cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download "$package") \
		>"$tmp/log" 2>&1 || {
		echo "cannot fetch $package (apt-get update?): $(tail -n 2 "$tmp/log")" >&2
		rm -rf "$tmp"
		return 1
	}
	mkdir "$tmp/root"
	dpkg-deb --fsys-tarfile "$tmp"/*.deb | tar -x -C "$tmp/root" --wildcards \
		'./boot/vmlinuz-*' '*lib/modules/*/modules.*' \
		"${LAB_KERNEL_FOLDERS[@]/#/*lib/modules/*/kernel/}" 2>/dev/null
	# Debian 13 ships /usr/lib/modules; one place for both
	[ -d "$tmp/root/usr/lib/modules" ] && mv "$tmp/root/usr/lib" "$tmp/root/lib"
	kernel_extract "$tmp"/root/boot/vmlinuz-* "$tmp/root/boot/vmlinux" || :
	kernel_index "$tmp/root" && mv -T "$tmp/root" "$dir"
	local rc=$?
	rm -rf "$tmp"
	return $rc
}

# Prints the $3-byte little-endian number at offset $2 of file $1.
file_number()
{
	od -An -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '
}

# Takes the kernel proper out of the compressed image in $1/boot: an emulated processor needs 3 s to
# unpack it, this one 0.7 s once. Offsets: Linux, Documentation/arch/x86/boot.rst (setup_sects,
# payload_offset, payload_length; the last four bytes of the payload are its unpacked size). QEMU
# starts the result through its PVH note. Without success the image itself is booted.
kernel_extract()
{
	local image=$1 out=$2 start length unpack
	start=$((($(file_number "$image" 497 1) + 1) * 512 + $(file_number "$image" 584 4)))
	length=$(($(file_number "$image" 588 4) - 4))
	case $(od -An -t x1 -j "$start" -N 4 "$image" | tr -d ' ') in
	fd377a58) unpack=(xz -qdc) ;;
	28b52ffd) unpack=(zstd -qdc) ;;
	1f8b*) unpack=(gzip -qdc) ;;
	*) return 1 ;;
	esac
	tail -c "+$((start + 1))" "$image" | head -c "$length" | "${unpack[@]}" >"$out" 2>/dev/null
	[ "$(head -c 4 "$out")" = $'\x7fELF' ] || { rm -f "$out"; return 1; }
}

# Makes modprobe work below $1.
kernel_index()
{
	local version
	version=$(kernel_version "$1") && depmod -b "$1" "$version"
}

# Prints the version of the kernel unpacked in $1.
kernel_version()
{
	local image
	for image in "$1"/boot/vmlinuz-*; do
		[ -s "$image" ] && { echo "${image##*/vmlinuz-}"; return; }
	done
	echo "no kernel in $1" >&2
	return 1
}

# Prints the folder of a ready kernel: $LAB_KERNEL_DIR, the cache, or freshly fetched.
kernel_ready()
{
	[ -z "${LAB_KERNEL_DIR:-}" ] || { echo "$LAB_KERNEL_DIR"; return; }
	local dir lock
	mkdir -p "$LAB_CACHE" || return
	exec {lock}>"$LAB_CACHE/.lock"
	flock "$lock"
	dir=$(kernel_listed) || dir=$(kernel_cached) || {
		# no package lists, or those of another day, which name what is no longer there
		apt-get -q update >&2
		dir=$(kernel_listed) || return
	}
	exec {lock}>&-
	echo "$dir"
}

# Prints the folder of the kernel that the package lists name; fetches it when it is not there.
kernel_listed()
{
	local package dir
	package=$(kernel_package)
	dir=$LAB_CACHE/${package#linux-image-}
	[ -n "$package" ] || { echo "no package lists" >&2; return 1; }
	if [ ! -d "$dir" ]; then
		echo "# fetching $package into $LAB_CACHE" >&2
		kernel_unpack "$package" "$dir" || return
	fi
	echo "$dir"
}

# Prints the newest that was fetched before; fails when there is none.
kernel_cached()
{
	find "$LAB_CACHE" -mindepth 1 -maxdepth 1 -name '[0-9]*' | sort -V | tail -n 1 | grep .
}

# Prints the module files that $2… need, in loading order, each once.
kernel_modules()
{
	local dir=$1 version
	version=$(kernel_version "$dir") || return
	modprobe -d "$dir" -S "$version" -a --show-depends "${@:2}" 2>/dev/null |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# busybox's insmod reads plain modules only.
module_copy()
{
	case $1 in
	*.xz) xz -dc "$1" >"$2" ;;
	*.zst) zstd -qdc "$1" >"$2" ;;
	*.gz) gzip -dc "$1" >"$2" ;;
	*) cp "$1" "$2" ;;
	esac
}

# Prints the path of the initramfs for kernel $1: busybox, boot modules, init. Cached by content.
initramfs_ready()
{
	local dir=$1 init=$2 busybox files hash image tmp file name
	busybox=$(command -v busybox) || { echo "busybox-static is missing" >&2; return 1; }
	files=$(kernel_modules "$dir" "${LAB_BOOT_MODULES[@]}") || return
	[ -n "$files" ] || { echo "no boot modules below $dir" >&2; return 1; }
	hash=$(echo "$files" | cat - "$busybox" "$init" "${BASH_SOURCE[0]}" | sha256sum)
	image=$LAB_CACHE/initramfs-$(kernel_version "$dir")-${hash:0:16}
	[ -s "$image" ] && { echo "$image"; return; }
	mkdir -p "$LAB_CACHE" && tmp=$(mktemp -d "$LAB_CACHE/.initramfs.XXXXXX") || return
	mkdir -p "$tmp"/root/{bin,dev,proc,sys,host,rw,new,modules}
	cp -L "$busybox" "$tmp/root/bin/busybox"
	install -m 755 "$init" "$tmp/root/init"
	for file in $files; do
		name=${file##*/}
		name=${name%%.ko*}.ko
		module_copy "$file" "$tmp/root/modules/$name" || return
		echo "$name" >>"$tmp/root/modules/order"
	done
	# not compressed: the emulated processor would have to unpack it
	(cd "$tmp/root" && find . | cpio -o -H newc --quiet -R 0:0) >"$tmp/image" &&
		mv "$tmp/image" "$image"
	rm -rf "$tmp"
	[ -s "$image" ] && echo "$image"
}

# An emulated processor executes "rep" instructions byte by byte or word by word: without erms and
# rep_good (112) kernel and C library copy and clear with plain moves, and a fork costs a third. Nor
# does anybody attack the guest: pages need not be cleared before they are used, and what guards the
# kernel from user space only costs.
LAB_TCG_CPU=max,erms=off,smap=off,smep=off,la57=off
LAB_TCG_KERNEL='clearcpuid=112 init_on_alloc=0'

# Fills the array qemu_command with what boots kernel $1 and initramfs $2; $3: accelerator,
# $4: MiB of memory, $5: the file for the console, $6: more of the kernel's command line.
qemu_base()
{
	local dir=$1 initramfs=$2 accel=$3 memory=$4 console=$5 kernel=$1/boot/vmlinux
	local cpu=$LAB_TCG_CPU words=$LAB_TCG_KERNEL
	[ "$accel" != kvm ] || { cpu=host; words=; }
	[ -s "$kernel" ] || kernel=$dir/boot/vmlinuz-$(kernel_version "$dir")
	qemu_command=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
		-accel "$accel" -cpu "$cpu"
		-smp 2 -m "$memory" -nic none -serial "file:$console"
		-kernel "$kernel" -initrd "$initramfs"
		-append "console=ttyS0 panic=-1 quiet mitigations=off $words ${6:-}")
}

# Says whether a guest really runs under KVM: /dev/kvm may exist and hang or crash. Asked once per
# boot of the machine.
kvm_works()
{
	local dir=$1 initramfs=$2 verdict tmp
	[ -w /dev/kvm ] || return 1
	verdict=$LAB_CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -s "$verdict" ]; then
		tmp=$(mktemp "$LAB_CACHE/.kvm.XXXXXX") || return
		qemu_base "$dir" "$initramfs" kvm 256 "$tmp" lab.probe
		timeout -k 1 3 "${qemu_command[@]}" </dev/null >/dev/null 2>&1
		rm -f "$LAB_CACHE"/kvm-*
		grep -q '^lab: user space' "$tmp" && echo yes >"$verdict" || echo no >"$verdict"
		rm -f "$tmp"
	fi
	[ "$(cat "$verdict")" = yes ]
}

# Prints the accelerator to use: $LAB_ACCEL, or kvm when it works, or emulation.
accel_pick()
{
	if [ -n "${LAB_ACCEL:-}" ]; then
		echo "$LAB_ACCEL"
	elif kvm_works "$1" "$2"; then
		echo kvm
	else
		echo tcg,thread=multi
	fi
}
