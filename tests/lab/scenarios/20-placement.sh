#!/bin/bash
# Left to itself the planner puts two vCPUs on the threads of one core, its memory beside it, and leaves the
# core that the kernel boots on to the host.
. tests/lab/lib.sh
siblings=/sys/devices/system/cpu/cpu2/topology/thread_siblings_list

profile auto </dev/null
plan auto . >"$SCRATCH/plan"
pins() {
	jq -r '[.pins[] | select(.thread | test("'"$1"'")) | .cpus] | join(",")' "$SCRATCH/plan"
}
expect "vCPUs" "$(pins vcpu)" 2,3
expect "siblings of CPU 2" "$(<$siblings)" 2-3
expect "emulator, in its partition" "$(pins emulator)" 1
expect "memory" "$(jq -r .memory.nodes "$SCRATCH/plan")" 1
expect "the guest's topology" "$(jq -r '.argv | .[index("-smp") + 1]' "$SCRATCH/plan" |
	sed 's/.*\(cores=.*\),maxcpus.*/\1/')" cores=1,threads=2

echo "With one thread of that core gone there is no pair but the host's:"
trap 'echo 1 >/sys/devices/system/cpu/cpu3/online' EXIT
echo 0 >/sys/devices/system/cpu/cpu3/online
plan auto . >"$SCRATCH/plan"
expect "no vCPU is where nothing runs" "$(jq '[.pins[] | select(.cpus | test("3"))] | length' "$SCRATCH/plan")" 0
