#!/bin/bash
# What vfiorun plans for each thread is what the kernel says of it: CPUs, class, and whose it is.
. tests/lab/lib.sh

profile pinned <<END
[cpu]
pin = 3,1
emulator = 0
iothreads = 1
iothread_pin = 2
scheduler = rr:1
END
start pinned
qemu=$(qemu_pid pinned)
expect "QEMU's user" "$(stat -c %U "/proc/$qemu")" nobody

threads pinned >"$SCRATCH/threads"
cat "$SCRATCH/threads"
mask() {
	taskset -cp "$(awk -v thread="$1" '$1 == thread {print $2}' "$SCRATCH/threads")" | sed 's/.*: //'
}
class() {
	chrt -p "$(awk -v thread="$1" '$1 == thread {print $2}' "$SCRATCH/threads")" | sed 's/.*: //' | xargs
}
expect "vcpu0" "$(mask vcpu0)" 3
expect "vcpu1" "$(mask vcpu1)" 1
expect "iothread0" "$(mask iothread0)" 2
expect "emulator" "$(mask emulator)" 0
expect "vcpu0's class" "$(class vcpu0)" "SCHED_RR|SCHED_RESET_ON_FORK 1"
expect "vcpu1's class" "$(class vcpu1)" "SCHED_RR|SCHED_RESET_ON_FORK 1"
expect "emulator's class" "$(class emulator)" "SCHED_OTHER 0"
for task in "/proc/$qemu/task"/*; do
	grep -qx "${task##*/}" <(awk '{print $2}' "$SCRATCH/threads") ||
		expect "$(<"$task/comm")" "$(taskset -cp "${task##*/}" | sed 's/.*: //')" 0
done

echo "As vfiorun says itself:"
expect "status" "$(awk '{print $1, $3, $4}' "$SCRATCH/threads" | sort | xargs)" \
	"emulator 0 other iothread0 2 other vcpu0 3 rr:1 vcpu1 1 rr:1"
stop pinned
