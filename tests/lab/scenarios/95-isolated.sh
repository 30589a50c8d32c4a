#!/bin/bash
# lab: full boot=isolcpus=2,3
# CPUs that the kernel was told to keep free are known to be isolated, and the guest gets them.
. tests/lab/lib.sh

vfiorun host --json >"$SCRATCH/host"
expect "isolated" "$(jq -r '[.cpus[] | select(.isolated) | .cpu] | join(",")' "$SCRATCH/host")" 2,3
expect "as the kernel says" "$(</sys/devices/system/cpu/isolated)" 2-3

profile isolated </dev/null
vfiorun plan "$SCRATCH/isolated.conf"
start isolated
threads isolated
expect "vCPUs" "$(threads isolated | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
expect "emulator" "$(threads isolated | awk '/^emulator/ {print $3}')" 0-1
stop isolated
