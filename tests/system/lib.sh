# shellcheck shell=bash
# What the system tests share; each sources it first. Run by tests/run-system, or by hand.
#
# As root a test gets namespaces of its own: processes that it leaves end with it, other guests of the
# machine are out of sight, and /run/vfiorun, the logs, the kept state and the network are private. Two of
# KVM's parameters are then attributes of that network: as real to whoever writes them, and nobody else's.
set -uo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath -m "${BUILD:-$here/../../build}")
test_name=$(basename "$0" .sh)
export VFIORUN=${VFIORUN:-$build/vfiorun} TOOLS=${TOOLS:-$build/tools} GUEST=${GUEST:-}
unset NOTIFY_SOCKET XDG_RUNTIME_DIR
if [[ -z ${SCRATCH:-} ]]; then
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/vfiorun-$test_name.XXXXXX")
	chmod 755 "$SCRATCH" # QEMU's user passes through
	export VFIORUN_TEST_SCRATCH=$SCRATCH
fi
export SCRATCH

# Files that nobody else removes; after a failure they stay.
remove_scratch() {
	[[ $? != 1 && ${VFIORUN_TEST_SCRATCH:-} == "$SCRATCH" ]] && rm -rf "$SCRATCH"
}
trap remove_scratch EXIT

skip() {
	echo "$*"
	exit 77
}

# What was expected and what came, with the line of the test that asked.
fail() {
	local at=1

	while [[ ${BASH_SOURCE[$at]} == */lib.sh ]]; do at=$((at + 1)); done
	echo "$test_name.sh:${BASH_LINENO[$((at - 1))]}: $*" >&2
	exit 1
}

note() {
	echo "- $* ($SECONDS s)"
}

[[ -x $VFIORUN ]] || fail "no $VFIORUN: run make"
[[ -x $TOOLS/fake-qmp ]] || fail "no $TOOLS/fake-qmp: run make tools"
command -v jq >/dev/null || skip "there is no jq: scripts/install-packages test"
[[ -r /usr/bin/qemu-system-x86_64 ]] || skip "there is no /usr/bin/qemu-system-x86_64"

# --- namespaces

private_dirs=(/run/vfiorun /var/log/vfiorun /var/lib/vfiorun)
kvm_parameters=/sys/module/kvm/parameters

make_private() {
	local dir

	for dir in "${private_dirs[@]}"; do
		mount -t tmpfs -o mode=0755,size=16m vfiorun-test "$dir" || fail "no tmpfs on $dir"
	done
	[[ -d $kvm_parameters ]] || return 0
	mount --bind /proc/sys/net/ipv4/tcp_notsent_lowat "$kvm_parameters/halt_poll_ns" || fail "no bind mount"
	mount --bind /proc/sys/net/ipv4/tcp_sack "$kvm_parameters/ignore_msrs" || fail "no bind mount"
}

if [[ $EUID == 0 ]]; then
	if [[ -z ${VFIORUN_TEST_INSIDE:-} ]]; then
		mkdir -p "${private_dirs[@]}"
		if unshare --mount --net --pid --fork --mount-proc true 2>/dev/null; then
			export VFIORUN_TEST_INSIDE=1
			exec unshare --mount --net --pid --fork --kill-child --mount-proc "$0"
		fi
		note "no namespaces here: among the machine's other guests"
	else
		unset VFIORUN_TEST_INSIDE
		make_private
	fi
fi

need_root() {
	[[ $EUID == 0 ]] || skip "needs root"
}

# --- profiles

# The name of a guest of this test: nobody else's.
guest_name() {
	echo "t$$-$1"
}

# profile NAME [LINE...]: writes a small profile for the guest NAME, with these lines behind, and says where.
profile() {
	local name=$1 file=$SCRATCH/$1.conf

	shift
	cat >"$file" <<-END
		[vm]
		name = $name
		memory = 64M
		accel = tcg
		shutdown_timeout = 5
		[cpu]
		vcpus = 2
		[firmware]
		type = seabios
		[display]
		type = none
	END
	[[ $# -eq 0 ]] || printf '%s\n' "$@" >>"$file"
	echo "$file"
}

# The path of a fake QEMU that behaves as WORDS say (tests/tools/fake-qmp.c).
fake() {
	local path=$SCRATCH/fake-qmp${1:+.$1}

	ln -sf "$TOOLS/fake-qmp" "$path"
	echo "$path"
}

# script NAME: a program with the text of stdin, and its path.
script() {
	local path=$SCRATCH/$1

	cat >"$path.new"
	chmod 755 "$path.new"
	mv "$path.new" "$path"
	echo "$path"
}

# --- running and judging

# A command's stdout is in $SCRATCH/out, its stderr in $SCRATCH/err, its status in $status.
try() {
	status=0
	"$@" >"$SCRATCH/out" 2>"$SCRATCH/err" </dev/null || status=$?
}

show() {
	sed 's/^/    | /' "$SCRATCH/out" "$SCRATCH/err" >&2
}

# expect STATUS COMMAND...
expect() {
	local wanted=$1

	shift
	try "$@"
	[[ $status == "$wanted" ]] && return
	show
	fail "status $status instead of $wanted: ${*##*/}"
}

says() {
	grep -Eq -- "$2" "$SCRATCH/$1" && return
	show
	fail "std$1 does not say /$2/"
}

# expect_out REGEX, expect_err REGEX: the last command said so.
expect_out() { says out "$1"; }
expect_err() { says err "$1"; }

same() {
	[[ $1 == "$2" ]] || fail "$3: expected \`$1\`, came \`$2\`"
}

# within SECONDS COMMAND...: true as soon as it succeeds.
within() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))

	shift
	until "$@"; do
		[[ ${EPOCHREALTIME/[.,]/} -lt $end ]] || return 1
		sleep 0.02
	done
}

# --- guests

# One value of `status --json`.
ask() {
	"$VFIORUN" status --json "$1" 2>/dev/null | jq -r "$2"
}

state_is() {
	[[ $(ask "$1" .state) == "$2" ]]
}

# Not gone, and not a zombie.
alive() {
	local stat

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	[[ ${stat##*) } != Z* ]]
}

gone() {
	! alive "$1"
}

runs_or_ended() {
	state_is "$1" running || gone "$keeper"
}

# start NAME [ARGUMENT...]: runs NAME's profile in the background until its guest runs; $keeper, $monitor
# and $qemu are its processes, its output is in $SCRATCH/NAME.out and NAME.err.
start() {
	local name=$1

	shift
	"$VFIORUN" run "$SCRATCH/$name.conf" "$@" >"$SCRATCH/$name.out" 2>"$SCRATCH/$name.err" </dev/null &
	keeper=$!
	within 20 runs_or_ended "$name"
	state_is "$name" running || {
		sed 's/^/    | /' "$SCRATCH/$name.err" >&2
		fail "$name does not get to run"
	}
	find_processes "$name"
}

find_processes() {
	local pid children

	# shellcheck disable=SC2034 # tests use it
	qemu=$(ask "$1" .pid)
	monitor=
	read -ra children <"/proc/$keeper/task/$keeper/children"
	for pid in "${children[@]}"; do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) == vfiorun-monitor ]] && monitor=$pid
	done
	[[ $monitor ]] || fail "keeper $keeper of $1 has no monitor"
}

# `vfiorun wait`, process $1, has found its guest: it holds a socket to it or a process descriptor.
waits() {
	readlink "/proc/$1"/fd/* 2>/dev/null | grep -qE 'socket:|pidfd'
}

# ends STATUS PID: waits for a child of ours.
ends() {
	local got=0

	wait "$2" || got=$?
	[[ $got == "$1" ]] || fail "process $2 ended with $got instead of $1"
}

# --- the host as it was

# Everything that a guest may change here and must put back.
host_state() {
	find /run/vfiorun -mindepth 1 ! -name '.lock-*' ! -name '.alive-*' ! -name .host ! -name .turn 2>/dev/null | sort
	grep -r . "$kvm_parameters" 2>/dev/null | sort
}

# Processes that a guest left: in a namespace of our own all but this shell, else those that name the test.
leftovers() {
	local pid arguments

	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		[[ $pid != "$$" && $pid != "$BASHPID" ]] || continue
		alive "$pid" || continue
		arguments=$(tr '\0' ' ' <"/proc/$pid/cmdline")
		[[ $$ == 1 || $arguments == *"$SCRATCH"* || $arguments == *t$$-* ]] || continue
		echo "$pid $(cat "/proc/$pid/comm") $arguments"
	done 2>/dev/null
}

remember_host() {
	host_state >"$SCRATCH/host-before"
}

# nothing_left WHEN: no process, no run directory, every attribute as remembered.
nothing_left() {
	within 5 no_process || {
		leftovers >&2
		fail "processes are left $1"
	}
	host_state >"$SCRATCH/host-after"
	diff -u "$SCRATCH/host-before" "$SCRATCH/host-after" >&2 || fail "the host differs $1"
}

no_process() {
	[[ -z $(leftovers) ]]
}
