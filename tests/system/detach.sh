#!/bin/bash
# --detach: returns once the guest runs, with nothing of the caller's kept open; a failed start is the
# caller's to hear of.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name detached)
file=$(profile "$name" '[vm]' "qemu = $(fake '')")
remember_host

note "output that a script collects ends with the command"
said=$(timeout 20 "$VFIORUN" run --detach "$file" 2>&1) || fail "run --detach in \$(…): $? $said"
state_is "$name" running || fail "the guest does not run after --detach"
keeper=$(awk '{print $4}' "/proc/$(ask "$name" .pid)/stat")
for pid in $keeper $(cat "/proc/$keeper/task/$keeper/children"); do
	for fd in 0 1 2; do
		at=$(readlink "/proc/$pid/fd/$fd")
		[[ $at == /dev/null || $at == /var/log/vfiorun/$name.log ]] ||
			fail "descriptor $fd of process $pid ($(cat "/proc/$pid/comm")) is $at"
	done
	[[ $(awk '{print $6}' "/proc/$pid/stat") != "$$" ]] || fail "process $pid is in our session"
done
expect 5 "$VFIORUN" run --detach "$file"
expect 0 "$VFIORUN" log "$name"
expect_out "$name runs"
"$VFIORUN" wait "$name" &
waiter=$!
within 5 waits $waiter || fail "nobody waits"
expect 0 "$VFIORUN" stop "$name"
ends 0 $waiter
nothing_left "after a detached run"

note "the keeper outlives what started it, and its signals"
setsid timeout 20 "$VFIORUN" run --detach "$file" >/dev/null 2>&1 || fail "run --detach: $?"
state_is "$name" running || fail "the guest does not run"
expect 0 "$VFIORUN" stop --force "$name"
nothing_left "after a detached run"

note "a start that fails"
file=$(profile "$name" '[vm]' "qemu = $(fake exit=3@start)")
expect 1 timeout 20 "$VFIORUN" run --detach "$file"
expect_err 'QEMU ended with status 3'
expect_err 'QEMU: .*exiting with status 3'
nothing_left "after a failed detached start"
file=$(profile "$name" '[vm]' "qemu = $(fake '')" '[hooks]' 'before = /bin/false')
expect 3 timeout 20 "$VFIORUN" run --detach "$file"
expect_err 'hook'
nothing_left "after a failed hook"

note "wait gives what the guest ended with"
file=$(profile "$name" '[vm]' "qemu = $(fake '')")
expect 0 timeout 20 "$VFIORUN" run --detach "$file"
"$VFIORUN" wait "$name" 2>/dev/null &
waiter=$!
within 5 waits $waiter || fail "nobody waits"
sleep 0.2
kill -KILL "$(ask "$name" .pid)"
ends 137 $waiter
nothing_left "after QEMU was killed"
