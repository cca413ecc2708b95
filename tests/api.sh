# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2034,SC2119,SC2120,SC2154,SC3045 # ash has read -t
#
# What a scenario is, and the functions that it is written in; ok, not_ok, check and
# diag are those of tap.sh.
#
# It is a file that is sourced by the guest's ash and by the host's bash, and defines
#   timeout=N     seconds it may take, before scaling (default 60)
#   expects=KINDS what its kernel log may contain: blocked warning bug busy
#                 stall (default: nothing); and full: the cluster becomes that
#   smp=N         CPUs of the guest (default 1)
#   memory=N      MiB of it (default 1024; half of that for each node of numa=1)
#   numa=1        with smp=2: each CPU, and half of the memory, is a node of its own
#   variants=CEPHS  where tests/check runs it (default "stock fork"): values of
#                 tests/guest --ceph, with parameters if need be
#   more=CEPHS    where make check-all runs it, too
#   kmods=NAMES   modules of tests/kmod that it loads
#   programs=NAMES  programs of tests/programs (C) that it runs
#   modules=NAMES  modules of the kernel to load at boot
#   daemons=WORDS  arguments and environment of tests/cluster start: --bluestore MDS=2
#   icount=N      where the guest is emulated its clock goes on by 2^N ns with each
#                 instruction, and by real time when it is idle; one CPU only
#   second_cluster=1  it mounts a second one, too; host second CMD... steers it
#   host_root=1   the host's root can be mounted, see mount_host_root
#   append=ARGS   additions to the kernel's command line
#   live_mode=manual  the live patch is not loaded before requires()
#   boot_timeout=N  seconds until B, before scaling (default 40)
#   requires()    0 if it can run here; otherwise it says why and it is not ok
#   run()         the test.  At least one test point, or it is a failure.
# Top level code must have no side effects.
#
# What tests/guest has set; * for the top level on the host, too:
# * KVER      the kernel
# * CEPH      which ceph.ko: stock, fork, fsync (with FSYNC_FIX), test (test hooks), live (stock
#             with the live patch), live-test (its test hooks), live-off (it was
#             loaded and unloaded) or path
# * MODULE    whose parameters switch and delay: ceph, or that of the live patch
#   PARAMS    parameters it, or the live patch, is loaded with
# * FIXED     empty if it has to hang: stock, or the fork with async_iput=0
#   SCALE     what the seconds in scenarios are multiplied with: more where the boot took
#             long
# * ROUNDS    how often scenarios that loop should, empty for their own default
# * SEED      what random choices go by
# * ALL, FAULTS, FILES, MINUTES, SEQUENCE, SIZE, SIZES, VARIANTS, WORKLOADS
#             empty, or as the scenarios' headers say
#   MON       address of the monitor, for MS_MODE, the mount option ms_mode;
#   SECRET    key of client.admin
#   MON2, SECRET2  those of the second cluster
#   RUN       name of the script of tests/guest --run, else empty
#   TOP       where this source tree is on the host
#   CTL       the serial port to the host
#   ICOUNT    the scenario's icount=, where the guest is emulated; else empty

# --- the host, and time --------------------------------------------------------

# send_input KIND, send KIND TEXT: lines to the host. By a process that has no children:
# the end of one interrupts a shell's write, and ash then loses the rest of the line.
send_input() { awk -v kind="$1" '{ print kind " " $0; fflush() }' >&7; }
send() { printf '%s\n' "$2" | send_input "$1"; }

# host CMD...: one of tests/guest's host commands; its output and status.
# Words are split at white space there, without quoting.
host()
{
	(
		until mkdir /run/host.lock 2>/dev/null; do
			usleep 20000
		done
		trap 'rmdir /run/host.lock' EXIT
		send H "$*"
		while IFS= read -r host_line <&7; do
			case $host_line in
			"O "*)	printf '%s\n' "${host_line#O }" ;;
			"R "*)	exit "${host_line#R }" ;;
			esac
		done
		exit 127
	)
}

# uptime in 1/100 s; passed TIME: it is that, or later. nap SECONDS. In an emulated guest
# a process takes some 10 ms of the host's CPU, so what loops do is without.
now() { read -r uptime _ </proc/uptime; echo "${uptime%.*}${uptime#*.}"; }
passed() { read -r uptime _ </proc/uptime; [ "${uptime%.*}${uptime#*.}" -ge "$1" ]; }
nap() { read -r -t "$1" _ <>/run/nothing; }	# init's pipe, in which nothing ever comes

# within SECONDS CMD...: CMD's status if it ended in time.  124: it is still
# running, in the background, and its status will appear in the file
# $within_status.
within_n=0
within()
{
	within_limit=$(($1 * SCALE))
	shift
	within_n=$((within_n + 1))
	within_status=/run/within.$$.$within_n
	mkfifo "$within_status.over"
	{
		"$@"
		echo $? >"$within_status.new"
		mv "$within_status.new" "$within_status"
		echo 9<>"$within_status.over" >&9
	} &
	read -r -t "$within_limit" _ <>"$within_status.over"
	[ -e "$within_status" ] || return 124
	return "$(cat "$within_status")"
}

# hangs SECONDS CMD...: true if CMD is still running after that time
hangs()
{
	within "$@"
	hangs_status=$?
	[ $hangs_status -eq 124 ] || echo "ended, status $hangs_status"
	[ $hangs_status -eq 124 ]
}

# still_hung: true if what the last within or hangs left behind is running yet
still_hung() { [ ! -e "$within_status" ]; }

# wait_for SECONDS CMD...: until CMD, which must not block, is true; giving up keeps the
# counters
wait_for()
{
	wait_end=$(($(now) + $1 * SCALE * 100))
	wait_nap=50	# ms; more and more, to 400
	shift
	until "$@"; do
		if passed "$wait_end"; then
			echo "gave up waiting for: $*"
			keep_counters
			return 1
		fi
		nap "0.$((wait_nap / 100))$((wait_nap / 10 % 10))$((wait_nap % 10))"
		[ "$wait_nap" -ge 400 ] || wait_nap=$((wait_nap * 5 / 4 + 1))
	done
}

# says PATTERN: that is in the kernel's log; else what it ends with is shown
says()
{
	dmesg | grep -E "$1" && return
	dmesg | tail -n 5
	return 1
}

# --- who waits for whom --------------------------------------------------------

# hung_trace FUNCTION...: true if a blocked task's stack has these functions,
# callers first, others between them allowed.  Each is an extended regular
# expression for the whole name ('a|b'); suffixes such as .isra.0 are ignored,
# frames marked '?' too.  The stack that was found is shown as diagnostics.
hung_trace()
{
	echo w >/proc/sysrq-trigger
	if dmesg | hung_stack "$@" >/run/stack; then
		diag "$(cat /run/stack)"
	else
		echo "no blocked task has this in its stack: $*"
		return 1
	fi
}

hung_stack()
{
	awk -v want="$*" '
	function judge(   i, w) {
		w = nwant		# stacks are printed callees first
		for (i = 1; i <= n && w; i++)
			if (name[i] ~ "^(" wanted[w] ")$")
				w--
		if (n && !w && !found) {
			found = 1
			print task
			for (i = 1; i <= n; i++)
				print "  " name[i]
		}
		n = 0
	}
	BEGIN { nwant = split(want, wanted, " ") }
	{ sub(/^(<[0-9]+>)?\[ *[0-9.]+\] ?/, "") }
	/sysrq: Show Blocked State/ { found = n = 0; next }
	/^task:/ { judge(); task = $0; next }
	/^ [A-Za-z_].*\+0x[0-9a-f]+\/0x/ {
		f = $1
		sub(/\+0x.*/, "", f)
		sub(/\.(isra|constprop|part|cold).*/, "", f)
		name[++n] = f
	}
	END { judge(); exit !found }'
}

# --- modules -------------------------------------------------------------------

# load_ceph: done at boot
load_ceph()
{
	case $CEPH in
	live*)	insmod /modules/ceph.ko ;;
	*)	# shellcheck disable=SC2086 # a list
		insmod /modules/ceph.ko $PARAMS ;;
	esac
}

# load_live [PARAM=VALUE...]: and until the patch is in force; done before
# requires() unless live_mode=manual
live=/sys/kernel/livepatch/ceph_iput_live
load_live()
{
	# shellcheck disable=SC2086 # a list
	insmod /modules/ceph_iput_live.klp $PARAMS "$@" && wait_for 30 grep -q 0 $live/transition
}

# unload_live: as it is done by hand; waits for what is pending
live_is_off() { [ ! -e $live/enabled ]; }
unload_live()
{
	echo 0 >$live/enabled && wait_for 30 live_is_off && rmmod ceph_iput_live
}

# load_variant stock|live|fork|off: in place of the ceph.ko that is loaded; off is the
# fork with async_iput=0. For benchmarks: $CEPH has to be the fork.
load_variant()
{
	[ ! -e $live ] || unload_live || return
	rmmod ceph || return
	# shellcheck disable=SC2086 # a list
	case $1 in
	stock)	insmod /modules/ceph.stock ;;
	live)	insmod /modules/ceph.stock && PARAMS='' load_live ;;
	fork)	insmod /modules/ceph.ko $PARAMS ;;
	off)	insmod /modules/ceph.ko $PARAMS async_iput=0 ;;
	esac
}

# load_kmod NAME [PARAM=VALUE...]: a module of tests/kmod, named in kmods=
load_kmod()
{
	load_name=$1
	shift
	insmod "/modules/$load_name.kmod" "$@"
}

# --- mounts --------------------------------------------------------------------

# ceph_options [OPTIONS [SECRET]]: what a mount is given with -o
# The timeout is also how long 7.x's umount waits, in vain, for pages that were dirty
# and have been dropped.
ceph_options()
{
	echo "name=admin,secret=${2:-$SECRET},ms_mode=$MS_MODE,mount_timeout=$((10 * SCALE))${1:+,$1}"
}

# mount_ceph [OPTIONS [DIR]], umount_ceph [DIR]
mount_ceph()
{
	mkdir -p "${2:-/mnt}"
	mount -t ceph "$MON:/" "${2:-/mnt}" -o "$(ceph_options "${1-}")"
}
umount_ceph()
{
	keep_counters
	umount "${1:-/mnt}"
}

# keep_counters: of all mounts, into the results
keep_counters()
{
	for f in /proc/fs/ceph/*; do
		[ ! -e "$f" ] || send C "$(cut -d' ' -f1 /proc/uptime) ${f##*/}: $(tr '\n' ' ' <"$f")"
	done
}

# --- the host's root -----------------------------------------------------------

# mount_host_root: the host's root, read-only, on /host, with tmpfs where programs
# write.  in_host CMD...: CMD in there, with /mnt of its own (env: else busybox
# would take an applet of its own).
mount_host_root()
{
	if [ -d /host ]; then	# another architecture's
		chroot /host /bin/busybox --install -s /bin || return
	else
		mkdir /host
		mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 \
			root /host || return
	fi
	for d in proc sys dev; do
		mount -o bind /$d /host/$d || return
	done
	mkdir -p /dev/shm /dev/pts /run/top
	ln -s /proc/self/fd /dev/fd
	# it may be below one of these
	mount -o bind "/host$TOP" /run/top || return
	for d in tmp run dev/shm; do
		mount -t tmpfs none /host/$d || return
	done
	[ ! -d /host/var/tmp ] || mount -t tmpfs none /host/var/tmp
	[ -e "/host$TOP/tests/init" ] ||
		{ mkdir -p "/host$TOP" && mount -o bind /run/top "/host$TOP"; }
}
in_host()
{
	HOME=/tmp TMPDIR=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		chroot /host /usr/bin/env "$@" 7>&-
}

# diagnosed STATUS WORDS...: ceph-async-iput diagnose, in the host's root, ends so and
# says each of these
diagnosed()
{
	diagnosed_status=$1
	shift
	in_host "$TOP/src/host/ceph-async-iput" diagnose >/run/diagnosis 2>&1
	set -- $? "$@"
	diag "$(cat /run/diagnosis)"
	[ "$1" -eq "$diagnosed_status" ] || { echo "status $1"; return 1; }
	shift
	for words; do
		grep -qF "$words" /run/diagnosis || { echo "not said: $words"; return 1; }
	done
}

# --- references that are held --------------------------------------------------

# as_last PATH: kmod hold_inode has a reference, soon the only one
as_last()
{
	sync -f /mnt && echo "hold $1" >/sys/module/hold_inode/parameters/command &&
		wait_for 10 grep -qx 1 /sys/module/hold_inode/parameters/last
}

# drop_held N: kmod hold_inode drops the last reference to N inodes
drop_held()
{
	wait_for 10 grep -qx "$1" /sys/module/hold_inode/parameters/last &&
		echo put >/sys/module/hold_inode/parameters/command &&
		wait_for 10 grep -qx 0 /sys/module/hold_inode/parameters/held
}

# flusher_every N: it runs each N/100 s, on what is dirty for as long; 0: never
flusher_every()
{
	[ "$1" -eq 0 ] || echo "$1" >/proc/sys/vm/dirty_expire_centisecs
	echo "$1" >/proc/sys/vm/dirty_writeback_centisecs
}

# kmod hold_writeback is at $flusher. arm_flusher FILE: its next writeback, which is when
# hold_flusher makes it dirty, is held until let_flusher_go.
flusher=/sys/module/hold_writeback/parameters
load_flusher()
{
	flusher_every 0
	load_kmod hold_writeback
}
arm_flusher()
{
	dd if=/dev/zero of="$1" bs=4096 count=1 conv=fsync 2>/dev/null
	exec 5<>"$1"
	echo "$1" >$flusher/file
}
hold_flusher()
{
	printf dirty >&5
	exec 5>&-
	flusher_every 10
	wait_for 10 is $flusher/file held
}
let_flusher_go() { echo 1 >$flusher/go; }
# the_last_one: that of a dentry is not needed any more. looked_up_meanwhile FILE: which
# waits neither for the flusher nor for the worker that has the reference
the_last_one() { drop_caches; is $flusher/count 1; }
looked_up_meanwhile()
{
	check "the worker has that reference yet" is $flusher/count 1
	check "the file itself is looked up" within 4 ls -l "$1"
	check "which takes its inode" is $flusher/count 2
	check "that waits for the flusher" stat_is pending 1
}

# --- what there is to see ------------------------------------------------------

# client_dir: debugfs directory of the one mount; client_id: its session's id
client_dir() { echo /sys/kernel/debug/ceph/*.client*; }
client_id() { client_dir | sed 's/.*\.client//'; }

# has_tracepoints: not a live patch on 6.1, which takes none from a module so tainted
has_tracepoints() { case "$CEPH $KVER" in live*\ 6.1.*) return 1 ;; esac; }

# iput_stat NAME: a counter of the one mount; $donated is the one for what fs/ceph
# itself drops. stat_is NAME VALUE. is FILE VALUE: that is all that is in it.
iput_stat() { sed -n "s/^$1 //p" /proc/fs/ceph/*; }
stat_is() { [ "$(iput_stat "$1")" -eq "$2" ]; }
# Of several mounts: dev_of DIR names one, stat_of DIR NAME is a counter of it.
dev_of() { awk -v d="$1" '$5 == d { print $3 }' /proc/self/mountinfo; }
stat_of() { sed -n "s/^$2 //p" "/proc/fs/ceph/$(dev_of "$1")"; }
is() { { IFS= read -r is_now; ! IFS= read -r _; } <"$1" && [ "$is_now" = "$2" ]; }

# ended PID: it is a zombie, or gone. is_in PID FUNCTION: it waits in that of the kernel's;
# blocked_in FUNCTION: somebody does
ended() { [ ! -e "/proc/$1/exe" ]; }
is_in() { grep -q "$2" "/proc/$1/stack"; }
blocked_in() { grep -qs "$1" /proc/[0-9]*/stack; }
# fails CMD...: it does not succeed. some CMD...: by the fifth time it does; on a busy
# host what is pending may have been put before the look
fails() { ! "$@"; }
some()
{
	for _ in 1 2 3 4 5; do
		"$@" && return
	done
	return 1
}

# nothing_left: after the last umount, no inode of ceph.ko's is left, and it can
# be unloaded (which this does)
nothing_left()
{
	[ -z "$(ls /proc/fs/ceph 2>/dev/null)" ] ||
		{ echo "mounts: $(ls /proc/fs/ceph)"; return 1; }
	[ ! -e /sys/module/ceph ] || rmmod ceph || return
	! grep '^ceph_inode_info ' /proc/slabinfo
}

drop_caches() { echo "${1:-2}" >/proc/sys/vm/drop_caches; }
