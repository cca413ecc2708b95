# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154 # tests/guest's
#
# Of tests/guest: the guest's lines until its end, the commands it gives the host, and
# what speaks against it.

# host_command ceph ARGS...                      the ceph program
#              osd|mds|mon stop|cont|kill|start ID
#              client COMMAND ARGS...            tests/clients/client.c
#              model COUNT                       tests/clients/model.c, on port 7777;
#                                                by $SEED, or $SEQUENCE if it is set
#              net cut|join                      the cluster's network: daemons and
#                                                guest reach nobody, both ways
#              second COMMAND ARGS...            the same of the second cluster
# Runs in a subshell of its own (exec).  With OSDs stopped some commands never
# return: they have a limit.
host_command() {
	local bin limit=$((20 * scale))
	case $1 in
	ceph)	exec timeout "$limit" "$here/cluster" exec "$cluster" "$@" ;;
	osd | mds | mon)
		case $2 in
		stop | cont | kill) "$here/cluster" signal "$cluster" "$1.$3" "${2^^}" ;;
		start) "$here/cluster" restart "$cluster" "$1.$3" ;;
		*)     echo "unknown: $*"; return 2 ;;
		esac ;;
	client)	bin=$(client_program client) || return
		exec timeout "$limit" "$here/cluster" exec "$cluster" "$bin" "${@:2}" ;;
	model)	bin=$(client_program model) || return
		set -- "$sequence" "$SEED" "$2"
		[ ! "${SEQUENCE-}" ] || set -- "$SEQUENCE"
		exec timeout $((timeout * scale)) \
			"$here/cluster" exec "$cluster" "$bin" 7777 "$@" ;;
	net)	case $2 in
		cut)  "$here/cluster" net "$cluster" ip link set lo down ;;
		join) "$here/cluster" net "$cluster" ip link set lo up ;;
		*)    echo "unknown: $*"; return 2 ;;
		esac ;;
	second)	cluster=$work/second
		host_command "${@:2}" ;;
	*)	echo "no host command $1"; return 127 ;;
	esac
}

# --- its lines ----------------------------------------------------------------

# scale_limits SECONDS: the boot, which took them, is the trial of how busy the machine
# is. Where it took longer than on one at rest, all limits from now on are as much
# longer, up to eight times.
scale_limits() {
	local seconds=$1
	[ "$seconds" -le $((8 * usual_boot)) ] || seconds=$((8 * usual_boot))
	[ "$seconds" -le "$usual_boot" ] ||
		scale=$(((base_scale * seconds + usual_boot - 1) / usual_boot))
	[ "$run" ] || tap_out "    # booted in $1 s: seconds are multiplied with $scale"
}

# Runs the guest to its end; $why says what went wrong
supervise() {
	local began=$SECONDS
	local limit=$((SECONDS + boot_timeout * scale)) state=boot line pending='' status
	local points=0 planned='' words

	while :; do
		next_line "$limit"
		case $?,$state in
		1,off)	break ;;
		1,*)	why+=("the guest died while in state '$state' (see the end of its console log)")
			break ;;
		2,boot)	why+=("the guest has not booted after $((boot_timeout * scale)) s")
			dump_blocked
			break ;;
		2,*)	why+=("timeout in state '$state'; blocked tasks are in the console log")
			dump_blocked
			break ;;
		esac
		case $line in
		'C '*)	printf '%s\n' "${line#C }" >>"$counters" ;;
		'B '*)	scale_limits $((SECONDS - began))
			echo "$scale" >&"$to"
			state=run limit=$((SECONDS + timeout * scale)) ;;
		'T '*)	line=${line#T }
			if [ "$run" ]; then
				printf '%s\n' "$line"
				continue
			fi
			tap_out "    $line"
			case $line in
			'not ok '*) why+=("failed: ${line#not ok }"); points=$((points + 1)) ;;
			'ok '*)	points=$((points + 1)) ;;
			1..*)	planned=${line#1..} ;;
			esac ;;
		'H '*)	read -ra words <<<"${line#H }"
			in_wait host_command "${words[@]}" >"$work/answer" 2>&1 </dev/null
			status=$?
			head -c 32768 "$work/answer" | sed 's/^/O /' >&"$to"
			printf '\nR %s\n' "$status" >&"$to" ;;
		'E '*)	guest_status=${line#E }
			state=off limit=$((SECONDS + 20 * scale))
			echo 'R 0' >&"$to" ;;
		esac
	done
	end_guest
	exec {to}>&- {from}>&- {mon}>&- {tick}>&-
	[ ! "$out" ] || exec {out}>&-
	[ "$run" ] && return
	if [ "$state" = off ]; then
		[ "$guest_status" = 0 ] || [ ${#why[@]} -gt 0 ] ||
			why+=("the scenario ended with status $guest_status")
		[ "$planned" ] || why+=("the scenario ended without a plan")
		[ "$points" -gt 0 ] || why+=("no test was run")
		[ "${planned:-$points}" = "$points" ] ||
			why+=("$points test points, but $planned planned")
	fi
}

# --- what speaks against it ---------------------------------------------------

declare -A kinds=(	# what makes a kernel log bad, by the names for expects=
	[blocked]='INFO: task .* blocked for more than'
	[warning]='WARNING: |refcount_t:|suspicious RCU|possible (circular|recursive) lock|inconsistent lock'
	[bug]='BUG|Oops|general protection fault|Kernel panic|Objects remaining|still has objects'
	[busy]='Busy inodes after unmount'
	[stall]='rcu.*(stall|starved)|soft lockup|hard LOCKUP'
)

scan_log() {
	local kind lines
	for kind in "${!kinds[@]}"; do
		[[ " $expects ${EXPECTS-} " == *" $kind "* ]] && continue
		# a soft lockup is a BUG in the log: judged by one kind only
		lines=$(grep -aE "${kinds[$kind]}" "$console" |
			if [ "$kind" = bug ]; then grep -av lockup; else cat; fi | head -n 5)
		[ "$lines" ] && why+=("kernel log: $kind: ${lines//$'\r'/}")
	done
}

# emulator_failed: QEMU's emulation of a CPU can lose its state: seen once in many
# hundred boots, an exception with flags that no CPU has (bits 22 and up).
# Nothing else is ever tried again.
emulator_failed() {
	[ "$accel" = tcg ] && emulator_failure=$(grep -aEm1 \
		'RSP: .* EFLAGS: (00[4-9a-f]|0[1-9a-f].|[1-9a-f]..)[0-9a-f]{5}\>' "$console")
}

# judge_cluster LINES: $unfit is why the cluster allows no verdict; LINES of its log
# are older than the run
judge_cluster() {
	[[ " $expects " == *' full '* ]] && return
	# until the monitors know of the last second, too
	if [ ${#why[@]} -gt 0 ] || [ "$guest_status" != 0 ]; then in_wait sleep 3; fi
	unfit=$("$here/cluster" health "$cluster" "$1" 2>&1) && return
	[[ $unfit != *_*FULL* && $unfit != *NEAR_FULL* ]] || unfit="the cluster is full: $unfit"
	[ ! "$run" ] || unfit+=$'\n'"a larger one: --daemons --memstore=8G, or --bluestore=50G"
}

# What the daemons have to say: the end of their logs; on a failure all of them,
# and what the daemons are at
keep_cluster_logs() {
	local daemon f
	mkdir -p "$cluster_logs"
	if [ ${#why[@]} -eq 0 ] && [ ! "$unfit" ]; then
		for f in "$cluster"/log/*; do
			tail -n 50 "$f" >"$cluster_logs/${f##*/}"
		done
		return
	fi
	for daemon in osd.0 osd.1 mds.a; do
		in_wait timeout 10 "$here/cluster" exec "$cluster" \
			ceph daemon "$daemon" ops >"$cluster_logs/$daemon.ops" 2>&1
	done
	cp "$cluster"/log/* "$cluster_logs/"
}
