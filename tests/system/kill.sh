#!/bin/bash
# SIGKILL at every step that the keeper makes, of the keeper, of its monitor, of QEMU and of several at
# once: whatever is left then, `revert`, `stop` or `adopt` puts the host back.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need_root
# A traced process cannot look for its leaks, and would die of that.
export ASAN_OPTIONS=detect_leaks=0
[[ -d $kvm_parameters ]] || skip "this kernel has no KVM, whose parameters are what is changed here"

name=$(guest_name kill)
lock=$SCRATCH/hook.lock
# Ends the guest once it runs. What it holds locked tells that it is still there.
hook=$(script hook-quit <<END
#!/bin/sh
exec 9>"$lock"
flock 9
for i in 1 2 3 4 5 6 7 8 9; do
	"$VFIORUN" qmp "$name" quit && exit
	kill -0 \$PPID || exit
	sleep 0.1
done
END
)
file=$(profile "$name" '[vm]' "qemu = $(fake '')" '[host]' 'halt_poll_ns = 12345' 'ignore_msrs = on' \
	'latency = 100' '[hooks]' "started = $hook" '[display]' 'type = spice')
[[ -x /usr/bin/passt ]] || mount -t tmpfs -o mode=0755 vfiorun-test /usr/local/bin && {
	cp "$(script passt <<<$'#!/bin/sh\nexec sleep 300')" /usr/local/bin/
	printf '%s\n' '[net "lan"]' 'type = passt' >>"$file"
}
remember_host
expect 0 "$VFIORUN" plan "$file" # QEMU has been asked from here on

runs_or_ended() {
	state_is "$name" running || gone "$adopter"
}

# Whatever is found, the way out that is named for it is taken.
settle() {
	local when=$1 how=$2

	flock "$lock" true
	try "$VFIORUN" status "$name"
	[[ $status == [01] ]] || fail "status says $status $when"
	try "$VFIORUN" list
	[[ $status == 0 ]] || fail "list says $status $when"
	try "$VFIORUN" revert "$name"
	# a QEMU that was killed with the others may take a moment to die
	for _ in {1..50}; do
		[[ $status == 5 && ${whom:-} == all ]] || break
		sleep 0.1
		try "$VFIORUN" revert "$name"
	done
	if [[ $status == 5 ]]; then
		expect_err "adopt $name"
		expect_err "stop $name"
		running=$((running + 1))
		case $how in
		stop) expect 0 "$VFIORUN" stop --force "$name" ;;
		adopt)
			"$VFIORUN" adopt "$name" >"$SCRATCH/adopt.out" 2>&1 </dev/null &
			adopter=$!
			within 5 runs_or_ended || fail "an adopted guest does not run $when"
			try "$VFIORUN" stop --force "$name"
			# A hook that came late may have ended it before it was adopted, or before
			# the adopter could hear why: then its status is 1. That adopting works
			# is orphan.sh's to prove; here nothing may be left.
			wait "$adopter" || [[ $? == 1 ]] || fail "adopt failed $when"
			;;
		esac
	elif [[ $status != 0 ]]; then
		show
		fail "revert says $status $when"
	fi
	expect 0 "$VFIORUN" revert "$name"
	nothing_left "$when"
}

# Where the keeper lives, it says how the run ended: as if nothing had been, or as QEMU died.
judge() {
	local when=$1 got=$2

	case $whom in
	keeper | both | all) [[ $got == 137 ]] ;;
	monitor) [[ $got == 0 ]] ;;
	qemu) [[ $got == [013] || $got == 137 ]] ;; # 3: the helper died
	esac || {
		cat "$SCRATCH/run.err" >&2
		fail "run ends with $got $when"
	}
}

# matrix WHOM HOW [STRIDE]: what is found running is adopted or stopped; every STRIDEth step is tried.
matrix() {
	local whom=$1 step=1 got when stride=${3:-1} running=0

	while :; do
		got=0
		timeout 30 "$TOOLS/kill-at" $step "$whom" "$VFIORUN" run "$file" >"$SCRATCH/run.out" \
			2>"$SCRATCH/run.err" </dev/null 3>"$SCRATCH/call" || got=$?
		[[ $got == 200 ]] && break
		when="after $whom was killed at step $step ($(cat "$SCRATCH/call"))"
		judge "$when" $got
		settle "$when" "$2"
		step=$((step + stride))
	done
	note "$whom: steps up to $((step - stride)), $running times the guest ran on"
	[[ $step -gt 100 ]] || fail "a run has only $((step - stride)) steps: is anything counted?"
}

note "a fake QEMU"
matrix keeper adopt
matrix both stop 2
matrix all adopt
matrix monitor stop 2
matrix qemu stop 2
note "a real one"
sed -i '/^qemu =/d; s/^type = passt/type = user/' "$file"
expect 0 "$VFIORUN" plan "$file"
matrix keeper adopt 9
matrix all stop 9
