#!/bin/bash
# The keeper is killed at one moment after the other of a guest's start; revert (or stop, once the guest runs)
# puts the host back each time.
. tests/lab/lib.sh
parameters=/sys/module/kvm/parameters
moments=${MOMENTS:-8}

values() {
	echo "$(<$parameters/halt_poll_ns) $(<$parameters/ignore_msrs)" \
		"$(od -An -t d4 /dev/cpu_dma_latency | xargs)"
}

profile killed <<END
[host]
halt_poll_ns = 12345
ignore_msrs = yes
latency = 7
END
before=$(values)
begun=${EPOCHREALTIME/./}
start killed
whole=$((${EPOCHREALTIME/./} - begun))
stop killed
echo "a start takes $((whole / 1000)) ms"

for ((i = 1; i <= moments; i++)); do
	begin killed
	sleep "$(printf '%d.%06d' $((whole * i / moments / 1000000)) $((whole * i / moments % 1000000)))"
	kill_keeper killed
	found="$(state killed || true), $(values)"
	status=0
	vfiorun revert killed || status=$?
	[[ $status -ne 5 ]] || { status=0 && vfiorun stop killed --force || status=$?; }
	echo "moment $i: $found"
	[[ $status -eq 0 ]] || fail "status $status: $(cat "$SCRATCH/killed.out")"
	expect "  then" "$(values)" "$before"
	[[ ! -e /run/vfiorun/killed ]] || fail "its run directory is still there"
done
