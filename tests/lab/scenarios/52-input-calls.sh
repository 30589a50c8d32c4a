#!/bin/bash
# An event costs the switcher at most two system calls, and no memory.
# lab: full
. tests/lab/lib.sh

command -v strace >/dev/null || skip "no strace: run scripts/install-packages test"
modprobe -a evdev uinput
reports=500
coproc bench { "$TOOLS/input-bench" calls $reports; }
read -r switcher <&"${bench[0]}"
strace -f -o "$SCRATCH/calls" -p "$switcher" 2>/dev/null &
tracer=$!
is_traced() {
	grep -q "^TracerPid:.$tracer\$" "/proc/$switcher/status"
}
wait_until "it is watched" is_traced
echo . >&"${bench[1]}"
wait $tracer || true
calls=$(wc -l <"$SCRATCH/calls")
echo "$calls for $reports reports of 3 events: $(sed -E 's/^[0-9]+ +([a-z0-9_]+).*/\1/' "$SCRATCH/calls" | sort | uniq -c | xargs)"
((calls <= 2 * 3 * reports)) || fail "more than two an event"
if grep -E '\b(brk|mmap|munmap|mremap)\(' "$SCRATCH/calls"; then
	fail "memory is allocated on the way"
fi
modprobe -r uinput
