# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # tests/guest's
#
# Of tests/guest: the machine. Which accelerator, QEMU with its channels, and what it
# takes to hear the guest and to end it.

# /dev/kvm may be there and yet not run a stock kernel: a trial boot decides,
# once per boot of this machine.
choose_accel() {
	local image=$1 boot_id file=$cache/accel dir

	read -r boot_id </proc/sys/kernel/random/boot_id
	if [ -w /dev/kvm ] && [ "$(cat "$file" 2>/dev/null)" != "$boot_id tcg" ]; then
		if [ "$(cat "$file" 2>/dev/null)" = "$boot_id kvm" ]; then
			accel=kvm
			return
		fi
		dir=$work/trial
		mkdir -p "$dir/root/bin"
		cp "$(command -v busybox)" "$dir/root/bin/busybox"
		printf '#!/bin/busybox sh\n/bin/busybox echo trial boot ok\n/bin/busybox poweroff -f\n' \
			>"$dir/root/init"
		chmod +x "$dir/root/init"
		pack "$dir/root" >"$dir/initrd"
		in_wait timeout -k 1 20 "$qemu" -accel kvm -cpu max -m 512 -nodefaults \
			-display none -no-reboot -serial "file:$dir/console" \
			-kernel "$image" -initrd "$dir/initrd" \
			-append 'console=ttyS0 panic=-1' >/dev/null 2>&1
		grep -q '^trial boot ok' "$dir/console" 2>/dev/null && accel=kvm
		echo "$boot_id $accel" >"$file.$$" && mv "$file.$$" "$file"
	fi
}

# The guest must not be able to hang the harness: the channels are FIFOs opened
# for both directions, which never block when QEMU is gone.
start_guest() {
	local smp_mode=single f shift='' cpu=max tty=ttyS0 args='no_timer_check ' ctl
	ctl=(-serial chardev:ctl)
	# An emulated string instruction counts once for each turn, so by words, not bytes.
	[ "$accel" != tcg ] || [ ! "$icount" ] || shift=$icount cpu=max,erms=off,fsrm=off
	# With five levels of page tables KASAN takes memory for none while identify_cpu()
	# has cleared the CPU's features: an interrupt just then is reported (7.3).
	[[ $kver != *-debug ]] || cpu=max,la57=off

	# virt has one serial port, and no keyboard for sysrq.
	! is_arm64 "$kver" || cpu=cortex-a72 tty=ttyAMA0 args='' \
		ctl=(-device "pci-serial,chardev=ctl" -device virtio-keyboard-pci)

	[ "$smp" -gt 1 ] && smp_mode=multi
	local nodes=()
	[ ! "$numa" ] || nodes=(
		-object "memory-backend-ram,id=m0,size=512M" -numa "node,memdev=m0,cpus=0"
		-object "memory-backend-ram,id=m1,size=512M" -numa "node,memdev=m1,cpus=1")
	for f in ctl mon; do
		mkfifo "$work/$f.in" "$work/$f.out" || return
	done
	exec {to}<>"$work/ctl.in" {out}<>"$work/ctl.out" {mon}<>"$work/mon.in"
	# A read with a timeout loses what comes in the moment that it is over, such
	# as the end of a line; one from a file needs none.
	: >"$work/lines"
	"${with_me[@]}" cat "$work/ctl.out" >"$work/lines" {out}>&- &
	reader_pid=$!
	mkfifo "$work/tick" || return
	exec {from}<"$work/lines" {tick}<>"$work/tick"
	: >"$console"
	# All of it is one process, which becomes QEMU.
	"$here/cluster" net "$cluster" "${with_me[@]}" "$qemu" \
		-accel "$([ "$accel" = tcg ] && echo "tcg,thread=$smp_mode" || echo kvm)" \
		${shift:+-icount "shift=$shift"} \
		${machine:+-machine "$machine"} -cpu "$cpu" -smp "$smp${numa:+,sockets=2}" \
		-m "$memory" "${nodes[@]}" -nodefaults -display none -no-reboot \
		-kernel "$image" -initrd "$work/initrd" \
		-append "console=$tty ${args}loglevel=7 panic=-1 oops=panic sysrq_always_enabled log_buf_len=4M $append" \
		-chardev "file,id=con,path=${console//,/,,}" -serial chardev:con \
		-chardev "pipe,id=ctl,path=${work//,/,,}/ctl" "${ctl[@]}" \
		-chardev "pipe,id=mon,path=${work//,/,,}/mon" -mon chardev=mon,mode=readline \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
		${host_root:+-virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"} \
		>"$work/qemu.log" 2>&1 &
	qemu_pid=$!
}

# next_line LIMIT: the guest's next line in $line; 1: the guest is gone, 2: LIMIT
# (of $SECONDS) is over
next_line() {
	local part alive
	line=
	while :; do
		alive=1
		kill -0 "$qemu_pid" 2>/dev/null || alive=
		# QEMU has opened its end by now, or never will
		if [ "$out" ] && { [ ! "$alive" ] || [ -s "$work/lines" ]; }; then
			exec {out}>&-
			out=
		fi
		[ "$alive" ] || wait "$reader_pid" 2>/dev/null
		if IFS= read -r -u "$from" part; then
			line=$pending$part
			pending=
			return 0
		fi
		pending+=$part
		[ "$alive" ] || return 1
		[ "$SECONDS" -lt "$1" ] || return 2
		read -r -t 0.1 -u "$tick"	# which never has anything
	done
}

# Blocked tasks into the console log, from outside: the guest's own processes
# may not be able to any more.
dump_blocked() {
	local size=-1 limit=$((SECONDS + 5 * scale))
	echo 'sendkey alt-sysrq-w' >&"$mon"
	# until the log is quiet
	while [ "$SECONDS" -lt "$limit" ] && [ "$(stat -c %s "$console")" != "$size" ]; do
		size=$(stat -c %s "$console")
		in_wait sleep 1
	done
}

qemu_pid=
reader_pid=		# copies the guest's lines into a file
end_guest() {
	[ "$qemu_pid" ] || return
	kill -KILL "$qemu_pid" 2>/dev/null
	wait "$qemu_pid" 2>/dev/null
	kill -KILL "$reader_pid" 2>/dev/null
	wait "$reader_pid" 2>/dev/null
	qemu_pid=
}
