# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts here have in common, besides tap.sh. To be sourced before any cd.

self=$(cd "$(dirname "$0")" && pwd)/${0##*/}
me=${self#"$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/"}	# tests/...

# die STATUS LINE...
die() {
	printf "$me: %s\n" "${@:2}" >&2
	exit "$1"
}

# usage: the header of the script, from there on
usage() { sed -n '/^# usage:/,/^$/s/^# \{0,1\}//p' "$self"; }

# at_exit COMMAND...: at the end, however that comes. A signal ends the script with the
# status that a shell gives it, but not COMMAND. A read -t that a signal ends leaves its
# time limit behind. Bash (5.2) crashes if that is over when $(...) is read next; another
# read takes it away.
at_exit() {
	# shellcheck disable=SC2064 # now
	trap "trap '' INT TERM HUP; read -r _ </dev/null; $(printf '%q ' "$@")" EXIT
	signals_exit
}
signals_exit() {
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

# is_arm64 KVER: all others are amd64's, as this system is
is_arm64() { [[ $1 == *-arm64 ]]; }

# in_wait CMD...: so that a signal ends the wait for it at once; then end_child is due
child=
child_signal=TERM
in_wait() {
	"$@" &
	child=$!
	wait "$child"
	set -- $?
	child=
	return "$1"
}
end_child() {
	# A signal's trap can come before child=$!, and so before group=$! below.
	child=${child:-$(jobs -pr)}
	[ "$child" ] || return 0
	# shellcheck disable=SC2086 # ids
	{
		kill "-$child_signal" $child
		wait $child
	} 2>/dev/null
	child=
}

# with_me: begins a command that is started by this shell itself, and ends when this one
# does, be it by SIGKILL; also if that comes before setpriv has said so to the kernel.
# shellcheck disable=SC2016,SC2034 # expanded in there
with_me=(setpriv --pdeathsig KILL sh -c '[ "$PPID" = "$0" ] && exec "$@"' $$)

# in_group CMD...: so that end_group ends CMD and all its children, and waits for them
group=
in_group() {
	set -m
	"$@" </dev/null &
	group=$!
	set +m
	wait "$group"
	set -- $?
	group=
	return "$1"
}
end_group() {
	group=${group:-$(jobs -pr)}
	[ "$group" ] || return 0
	kill -TERM -- "-$group" 2>/dev/null
	while kill -0 -- "-$group" 2>/dev/null; do
		sleep 0.2
	done
}

# as_root CMD...: it can mount, in a namespace of its own. A root needs no user namespace
# for that, and in a chroot there is none to be had.
as_root() {
	local user=--map-root-user
	[ "$(id -u)" != 0 ] || user=
	unshare ${user:+"$user"} --mount "$@"
}
