#!/bin/bash
# A guest whose keeper or monitor died while it ran: found, refused, taken over, ended.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name orphan)
file=$(profile "$name" '[vm]' "qemu = $(fake '')")
remember_host

# The CPUs of every thread, as the kernel has them.
pins() {
	ask "$name" '[.threads[] | "\(.thread)=\(.cpus)"] | join(" ")'
}

orphan() {
	start "$name"
	wanted=$(pins)
	kill -KILL "$keeper"
	wait "$keeper" 2>/dev/null
	within 5 gone "$monitor" || fail "the monitor outlives its keeper"
	alive "$qemu" || fail "QEMU died with its keeper"
}

# adopted COMMAND...: a new keeper takes the same QEMU over, and pins it again.
adopted() {
	local old=$qemu

	taskset -acp 0 "$qemu" >/dev/null
	"$VFIORUN" "$@" >"$SCRATCH/adopt.out" 2>"$SCRATCH/adopt.err" </dev/null &
	keeper=$!
	within 5 state_is "$name" running || fail "$1 does not take over: $(cat "$SCRATCH/adopt.err")"
	grep -q "$name runs without a keeper: taking over" "$SCRATCH/adopt.err" || fail "$1 does not say so"
	find_processes "$name"
	same "$old" "$qemu" "QEMU's pid after $1"
	within 5 pinned_again || fail "$1 does not pin: $(pins) instead of $wanted"
}

pinned_again() {
	[[ $(pins) == "$wanted" ]]
}

note "what is said of an orphan"
orphan
expect 0 "$VFIORUN" list
expect_out "^$name +orphan +$qemu "
expect 0 "$VFIORUN" status "$name"
expect_out "adopt $name"
expect 5 "$VFIORUN" revert "$name"
expect_err "adopt $name.*stop $name"
expect 0 "$VFIORUN" revert --if-dead "$name"
expect 0 "$VFIORUN" revert
for verb in pause resume reset console; do
	expect 1 "$VFIORUN" $verb "$name"
done
alive "$qemu" || fail "one of these ended QEMU"

note "adopt, and the guest's own end"
adopted adopt "$name"
"$VFIORUN" wait "$name" 2>/dev/null &
waiter=$!
within 5 waits $waiter || fail "nobody waits"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
ends 0 $waiter
nothing_left "after adopt and stop"

note "run takes over"
orphan
adopted run "$file"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
nothing_left "after run took over"

note "a second orphan of the same QEMU"
orphan
adopted adopt "$name"
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null
within 5 state_is "$name" orphan || fail "it is not an orphan again"
adopted adopt "$name"
kill -INT "$keeper"
ends 0 "$keeper"
nothing_left "after the second adopt and Ctrl-C"

note "an adopted QEMU that ends without a word"
orphan
adopted adopt "$name"
kill -KILL "$qemu"
ends 1 "$keeper"
nothing_left "after an adopted QEMU was killed"

for force in '' --force; do
	note "stop $force of an orphan"
	orphan
	# shellcheck disable=SC2086
	expect 0 "$VFIORUN" stop $force "$name"
	nothing_left "after stop $force of an orphan"
done

note "wait for an orphan"
orphan
"$VFIORUN" wait "$name" 2>/dev/null &
waiter=$!
within 5 waits $waiter || fail "nobody waits"
kill -KILL "$qemu"
ends 1 $waiter
expect 0 "$VFIORUN" revert "$name"
nothing_left "after an orphan died"

note "a monitor that is killed five times"
start "$name"
for i in 1 2 3 4; do
	old=$monitor
	kill -KILL "$monitor"
	within 5 gone "$old"
	within 5 state_is "$name" running || fail "no status after the monitor died $i times"
	find_processes "$name"
	[[ $monitor != "$old" ]] || fail "the monitor is the old one"
done
kill -KILL "$monitor"
within 5 gone "$monitor"
sleep 0.2
alive "$qemu" || fail "QEMU was ended for its monitor's deaths"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
nothing_left "after five dead monitors"
