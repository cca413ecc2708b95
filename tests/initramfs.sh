# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # tests/guest's
#
# Of tests/guest: what is in the guest, and the programs of tests/clients.

pack() { (cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null); }

unpack() {
	case $1 in
	*.xz)  xz -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	*.gz)  gzip -dc "$1" ;;
	*)     cat "$1" ;;
	esac
}

# stripped KO FILE: a module that was built here, as dkms would install it.  Debugging
# information is some 14 MB of ceph.ko, and the memory that it took while it was loaded
# goes back during whatever comes next, a benchmark's workload for one.
stripped() { "${cross}strip" --strip-debug -o "$2" "$1"; }

# make_initrd SCRIPT: SCRIPT is the scenario or what --run runs
make_initrd() {
	local root=$work/root n=10 m f v wanted=(virtio_pci virtio_net) kmod program

	! is_arm64 "$kver" || wanted+=(virtio_input)
	[ "$host_root" ] && wanted+=(9pnet_virtio 9p)
	# what gcm(aes) consists of, as far as this kernel has it as modules
	[ "$ms_mode" != secure ] ||
		wanted+=(gcm ghash_generic ctr cryptd ghash_clmulni_intel aesni_intel)
	# what the kernel asks for by name with keys of aes256k, those of Ceph 20.2
	[ ! "$release" ] || wanted+=(authenc cts krb5enc)
	# shellcheck disable=SC2206 # a list
	wanted+=($modules)
	mkdir -p "$root"/{bin,etc,modules} || return
	cp "$busybox" "$root/bin/busybox" &&
	ln -s busybox "$root/bin/sh" &&
	cp "$here"/{init,api.sh,tap.sh} "$root/" || return

	if [ "$host_root" ] && is_arm64 "$kver"; then
		make_host_root "$root/host" || return
	fi

	# the closure in the order of loading; ceph.ko itself is the one asked for
	while read -r m f _; do
		[ "$m" = insmod ] || continue
		case ${f##*/} in
		ceph.ko*) continue ;;
		esac
		unpack "$f" >"$root/modules/$n-${f##*/}.tmp" || return
		n=$((n + 1))
	done < <(for m in "${wanted[@]}" ceph; do
			modprobe -C /dev/null -d "$modroot" -S "$kver" --show-depends "$m"
		done | awk '!seen[$0]++')
	for f in "$root"/modules/*.tmp; do
		mv "$f" "${f%.ko*}.ko"
	done
	case $ceph in
	fork | fsync | test) stripped "$ceph_ko" "$root/modules/ceph.ko" ;;
	*) unpack "$ceph_ko" >"$root/modules/ceph.ko" ;;
	esac || return
	# for a scenario that compares the two
	unpack "$stock_ko" >"$root/modules/ceph.stock" || return
	# beside the fork it is what a scenario wants to see do nothing
	[ ! -r "$live_ko" ] || stripped "$live_ko" "$root/modules/ceph_iput_live.klp" || return
	for kmod in $kmods; do
		build_kmods &&
			stripped "$cache/kmod/$kver/$kmod.ko" "$root/modules/$kmod.kmod" || return
	done
	for program in $programs; do
		build_program "$program" &&
			cp "$cache/programs/$cross$program" "$root/bin/$program" || return
	done

	cp "$1" "$root/$([ "$run" ] && echo script || echo scenario)" &&
	cat >"$root/etc/guest" <<-EOF || return
		KVER='$kver' CEPH='$ceph' MODULE=$module PARAMS='${params//,/ }'
		FIXED=$fixed CTL=$(is_arm64 "$kver" && echo ttyS0 || echo ttyS1)
		$(for v in "${knobs[@]}"; do printf "%s='%s' " "$v" "${!v-}"; done)
		RUN='${run##*/}' TOP='$top' ICOUNT='$([ "$accel" != tcg ] || echo "$icount")'
		MS_MODE=$ms_mode MON=10.77.0.1:$port SECRET='$(<"$cluster/secret")'
		MON2=10.77.0.1:$((port + 10)) SECRET2='$([ ! "$second_cluster" ] || cat "$work/second/secret")'
	EOF
	pack "$root" >"$work/initrd"
}

# The test modules of KVER, built from a copy: nothing appears in the source
# tree but below tests/.cache.
build_kmods() {
	local dir=$cache/kmod/$kver build

	build=$("$here/kernel" path "$kver" build 2>/dev/null) || build=/lib/modules/$kver/build
	mkdir -p "$dir" || return
	(
		flock 9
		cp -u "$here"/kmod/* "$top/src/module/iput_compat.h" "$dir/" &&
			cp -u "$top/Kbuild" "$dir/compat.mk" || exit
		"$here/kernel" run "$kver" make -s -C "$build" M="$dir" modules >"$dir/log" 2>&1 &&
			exit
		cat "$dir/log"
		exit 1
	) 9>"$dir/lock" >&2
}

# make_host_root DIR: where the programs of the host's root are of another architecture,
# these take their place
make_host_root() {
	mkdir -p "$1"/{bin,usr,proc,sys,dev,tmp,run,mnt} "$1$top/src" "$1$top/tests" &&
		cp "$busybox" "$1/bin/busybox" && cp "${busybox%/*}/bash-static" "$1/bin/bash" &&
		ln -s ../bin "$1/usr/bin" && cp -r "$top/src/host" "$1$top/src/" &&
		cp "$here/init" "$1$top/tests/"
}

# compile BIN SOURCE CCARGS...: by $cc, unless it is newer than that and the header
compile() {
	local bin=$1 src=$2
	shift 2
	[ "$bin" -nt "$src" ] && [ "$bin" -nt "$here/programs/operate.h" ] && return
	mkdir -p "${bin%/*}" &&
		${cc:-cc} -O2 -Wall -Wextra -o "$bin.$$" "$src" "$@" && mv "$bin.$$" "$bin"
}

# build_program NAME: tests/programs/NAME.c, static, as the guest has no libraries
build_program() {
	local cc=${cross}gcc
	compile "$cache/programs/$cross$1" "$here/programs/$1.c" -static -pthread
}

# client_program NAME: the path of tests/clients/NAME.c, compiled if need be, by the
# compiler and the libcephfs that the cluster's release has
client_program() {
	local release='' cc=cc
	[ ! -e "$cluster/pid/release" ] || read -r release <"$cluster/pid/release"
	[ ! "$release" ] || cc="$here/kernel ceph $release cc"
	compile "$cache/$1${release:+.$release}" "$here/clients/$1.c" -lcephfs &&
		echo "$cache/$1${release:+.$release}"
}
