# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The one TAP emitter, for the host's bash and the guest's ash.  Whoever sources it
# may redefine tap_out, through which all lines go.  The counters live in the sourcing
# shell: never call ok, not_ok or check in a subshell.

tap_n=0			# test points so far
# shellcheck disable=SC2034 # for whoever sources this
tap_bad=0		# those that were not ok

tap_out() { printf '%s\n' "$*"; }

ok()
{
	tap_n=$((tap_n + 1))
	tap_out "ok $tap_n - $*"
}

not_ok()
{
	tap_n=$((tap_n + 1))
	tap_bad=$((tap_bad + 1))
	tap_out "not ok $tap_n - $*"
}

# plan N: first, or at the end with $tap_n
plan() { tap_out "1..$1"; }

# diag TEXT: any number of lines
diag()
{
	tap_out "$(printf '%s\n' "$*" | sed 's/^/# /')"
}

# check DESC CMD...: CMD's status is the verdict; its output is shown if it is
# not 0.  CMD runs in this shell and may leave something behind that holds its
# output open (a hung process), therefore a file and no pipe.
check()
{
	tap_desc=$1 tap_status=0 tap_said=${TMPDIR:-/tmp}/tap.$$
	shift
	if "$@" >"$tap_said" 2>&1; then
		ok "$tap_desc"
	else
		tap_status=$?
		not_ok "$tap_desc"
		diag "status $tap_status: $*"
		[ ! -s "$tap_said" ] || diag "$(tail -n 40 "$tap_said")"
	fi
	rm -f "$tap_said"
	return "$tap_status"
}
