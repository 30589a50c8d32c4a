#!/bin/bash
# What [host] asks for is written to the kernel, read back while the guest runs, and put back at its end.
. tests/lab/lib.sh
parameters=/sys/module/kvm/parameters

values() {
	echo "$(<$parameters/halt_poll_ns) $(<$parameters/ignore_msrs) $(latency)"
}

# What the least of all requests is now, in microseconds: a binary number
latency() {
	od -An -t d4 /dev/cpu_dma_latency | xargs
}

before=$(values)
profile changes <<END
[host]
halt_poll_ns = 12345
ignore_msrs = yes
latency = 7
END
expect "before" "$before" "200000 N 2000000000"
expect "plan" "$(plan changes '[.changes[] | select(.path | test("kvm|latency")) | "\(.kind) \(.was) \(.want)"] | sort | join(", ")')" \
	"hold null 7, set 200000 12345, set N 1"
start changes
expect "while it runs" "$(values)" "12345 Y 7"
vfiorun status changes
stop changes
expect "afterwards" "$(values)" "$before"

echo "Somebody else changes one of them meanwhile: that stays, and is said"
start changes
echo 777 >$parameters/halt_poll_ns
vfiorun stop changes --force || true
ended changes
expect "afterwards" "$(values)" "777 N 2000000000"
cat "$SCRATCH/changes.out"
grep -q 'halt_poll_ns.* somebody else changed it' "$SCRATCH/changes.out" || fail "it was not said"
echo 200000 >$parameters/halt_poll_ns
