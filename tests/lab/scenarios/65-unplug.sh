#!/bin/bash
# A CPU that a vCPU is pinned to goes offline under a running guest: that is said, the vCPU runs on, and is back on
# its CPU with it.
. tests/lab/lib.sh
online=/sys/devices/system/cpu/cpu3/online

vcpus() {
	threads pulled | awk '/^vcpu/ {print $3}' | xargs
}
heard() {
	local deadline=$((SECONDS + 60))

	until grep -q "$1" "$SCRATCH/pulled.out"; do
		[[ $SECONDS -lt $deadline ]] || fail "nothing was said of it: $(<"$SCRATCH/pulled.out")"
		sleep 0.2
	done
	grep "$1" "$SCRATCH/pulled.out"
}
profile pulled </dev/null
start pulled
expect "vCPUs" "$(vcpus)" "2 3"
trap 'echo 1 >$online' EXIT
echo 0 >$online
heard 'vcpu1 has lost CPU 3'
expect "state" "$(state pulled)" running
expect "vCPUs" "$(vcpus)" "2 2"
echo 1 >$online
heard 'vcpu1 is back on CPU 3'
expect "vCPUs" "$(vcpus)" "2 3"
stop pulled
