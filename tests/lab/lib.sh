# shellcheck shell=bash
# What scenarios share. A scenario ends at the first command that fails, and says which.
set -eEuo pipefail
trap 'echo "$0:$LINENO: failed: $BASH_COMMAND" >&2' ERR

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# expect WHAT GOT WANT
expect() {
	[[ $2 == "$3" ]] || fail "$1: '$2' instead of '$3'"
	echo "$1: $2"
}

vfiorun() {
	"$VFIORUN" "$@"
}

# profile NAME: a small guest that gets no further than its firmware, and more lines from stdin
profile() {
	cat - >"$SCRATCH/$1.conf" <<-END
		[vm]
		name = $1
		memory = 32M
		[firmware]
		type = seabios
		[cpu]
		vcpus = 2
		[display]
		type = none
		$(cat)
	END
}

# plan NAME FILTER [WORD...]: what jq makes of the plan
plan() {
	local name=$1 filter=$2
	shift 2

	vfiorun plan "$SCRATCH/$name.conf" --json "$@" | jq -r "$filter"
}

# begin NAME [WORD...]: a keeper of it is a child of ours: run, or what the words say
declare -A keepers=()
begin() {
	local name=$1
	shift

	[[ $# -gt 0 ]] || set -- run -v "$SCRATCH/$name.conf" --headless
	: >"$SCRATCH/$name.out"
	"$VFIORUN" "$@" </dev/null >>"$SCRATCH/$name.out" 2>&1 &
	keepers[$name]=$!
}

# start NAME: and has it running. To ask vfiorun each time would cost more than the start itself.
start() {
	local deadline=$((SECONDS + 180))

	begin "$1"
	until [[ $(<"$SCRATCH/$1.out") == *" runs, QEMU is process "* ]]; do
		if [[ $SECONDS -ge $deadline ]] || ! kill -0 "${keepers[$1]}"; then
			fail "$1 does not start: $(<"$SCRATCH/$1.out")"
		fi
		sleep 0.2
	done
}

# ended NAME: waits for its keeper, whose exit status is left in `status`
ended() {
	status=0
	wait "${keepers[$1]}" || status=$?
}

# kill_keeper NAME: at once
kill_keeper() {
	kill -KILL "${keepers[$1]}"
	ended "$1" 2>/dev/null
}

state() {
	vfiorun status "$1" --json 2>/dev/null | jq -r .state
}

wait_state() {
	local deadline=$((SECONDS + 180)) now=

	until now=$(state "$1" || true) && [[ $now == "$2" ]]; do
		if [[ $SECONDS -ge $deadline ]]; then
			cat "$SCRATCH/$1.out" >&2
			fail "$1 is '$now', not '$2'"
		fi
		sleep 0.1
	done
}

qemu_pid() {
	vfiorun status "$1" --json | jq .pid
}

# threads NAME: "THREAD TID CPUS POLICY", a line each, as vfiorun tells it
threads() {
	vfiorun status "$1" --json | jq -r '.threads[] | [.thread, .tid, .cpus, .policy] | join(" ")'
}

# stop NAME: ends it without asking the guest, and well
stop() {
	vfiorun stop "$1" --force
	ended "$1"
	[[ $status -eq 0 ]] || fail "vfiorun ended with status $status: $(cat "$SCRATCH/$1.out")"
}

# hand COMMAND [ARGUMENTS]: the hand that plugs and presses, which is QMP to the lab's own machine. Prints what it
# answers, and fails if that is an error.
#	hand device_del '{"id": "mouse"}'
#	hand input-send-event '{"events": [...]}'
hand() (
	exec {lock}>/run/lab/hand.lock
	flock "$lock"
	port=$(grep -lx lab.hand /sys/class/virtio-ports/*/name)
	port=${port%/name}
	exec {fd}<>"/dev/${port##*/}"
	# whoever came before may have done this, and may have left events unread
	hand_over "$fd" qmp_capabilities '{}' >/dev/null || true
	hand_over "$fd" "$1" "${2:-{\}}"
)

# hand_over FD COMMAND ARGUMENTS: asks, and reads up to the answer to this question
hand_over() {
	local id=$BASHPID-$SRANDOM line

	printf '{"execute": "%s", "arguments": %s, "id": "%s"}\n' "$2" "$3" "$id" >&"$1"
	while IFS= read -r -t 60 line <&"$1"; do
		[[ $line == *"\"id\": \"$id\""* ]] || continue
		echo "${line%$'\r'}"
		[[ $line != *'"error": {"class"'* ]]
		return
	done
	fail "the machine's monitor does not answer $2"
}

# wait_until WHAT COMMAND...: until the command succeeds
wait_until() {
	local what=$1 deadline=$((SECONDS + 180))
	shift

	until "$@"; do
		[[ $SECONDS -lt $deadline ]] || fail "$what: not within three minutes"
		sleep 0.2
	done
}

# put_back NAME: what a person does about a guest whose keeper died; how that went is left in `status`
put_back() {
	status=0
	vfiorun revert "$1" || status=$?
	[[ $status -ne 5 ]] || { status=0 && vfiorun stop "$1" --force || status=$?; }
}

# keeper_dies NAME LOOK WHEN: now; whatever is left of the guest is ended, and LOOK prints what it did before
keeper_dies() {
	local found

	kill_keeper "$1"
	found="$(state "$1" || true), $("$2" | xargs)"
	put_back "$1"
	echo "$3: $found"
	[[ $status -eq 0 ]] || fail "status $status: $(cat "$SCRATCH/$1.out")"
	expect "  then" "$("$2")" "$before"
	[[ ! -e /run/vfiorun/$1 ]] || fail "its run directory is still there"
}

# keeper_dies_at_moments NAME LOOK MOMENTS: at one after the other of a start, the last when it is complete
keeper_dies_at_moments() {
	local name=$1 moments=$3 begun whole i before

	before=$("$2")
	begun=${EPOCHREALTIME/./}
	start "$name"
	whole=$((${EPOCHREALTIME/./} - begun))
	stop "$name"
	echo "a start takes $((whole / 1000)) ms"
	for ((i = 1; i <= moments; i++)); do
		begin "$name"
		sleep "$(printf '%d.%06d' $((whole * i / moments / 1000000)) $((whole * i / moments % 1000000)))"
		keeper_dies "$name" "$2" "moment $i"
	done
}

# unpack_kernel: to $SCRATCH/vmlinux, the small guest's. Emulated inside of emulation it takes longer to unpack itself
# than for all the rest of its boot: it is handed over unpacked (as scripts/extract-vmlinux of Linux does it), and QEMU
# begins where its PVH note says.
unpack_kernel() {
	local at

	at=$(LC_ALL=C grep -abo -m 1 -P '\xfd7zXZ\x00' "$GUEST/vmlinuz" | cut -d : -f 1 | head -n 1) || true
	[[ $at ]] || skip "the guest's kernel is not packed with xz"
	tail -c "+$((at + 1))" "$GUEST/vmlinuz" >"$SCRATCH/packed"
	# what follows is the part that unpacks
	xz --decompress --stdout --single-stream "$SCRATCH/packed" >"$SCRATCH/vmlinux"
	rm "$SCRATCH/packed"
}
