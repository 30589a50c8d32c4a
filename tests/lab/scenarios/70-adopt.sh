#!/bin/bash
# A guest outlives its keeper; another takes over, with pins and host changes, and ends it properly.
. tests/lab/lib.sh
value=/sys/module/kvm/parameters/ignore_msrs

profile orphan <<END
[cpu]
pin = 1,2
emulator = 3
[host]
ignore_msrs = yes
latency = 7
END
start orphan
qemu=$(qemu_pid orphan)
kill_keeper orphan
wait_state orphan orphan
expect "ignore_msrs" "$(<$value)" Y
status=0
vfiorun revert orphan || status=$?
expect "revert is refused with" $status 5

begin orphan adopt orphan
wait_state orphan running
expect "it is the same QEMU" "$(qemu_pid orphan)" "$qemu"
expect "threads" "$(threads orphan | awk '{print $1, $3}' | sort | xargs)" "emulator 3 vcpu0 1 vcpu1 2"
expect "latency is held again" "$(od -An -t d4 /dev/cpu_dma_latency | xargs)" 7
expect "ignore_msrs" "$(<$value)" Y
stop orphan
expect "ignore_msrs" "$(<$value)" N
[[ ! -e /proc/$qemu ]] || fail "QEMU is still there"
