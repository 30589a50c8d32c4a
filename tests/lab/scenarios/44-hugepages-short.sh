#!/bin/bash
# lab: full limit=1200
# More pages than a node has memory: what came is told, and given back. The kernel tries very hard first.
. tests/lab/lib.sh
pool=/sys/devices/system/node/node1/hugepages/hugepages-2048kB

profile much <<END
[vm]
memory = 1100M
[memory]
hugepages = 2M
nodes = 1
leave = 16M
END
echo 3 >/proc/sys/vm/drop_caches
status=0
vfiorun run "$SCRATCH/much.conf" --headless >"$SCRATCH/much.out" 2>&1 </dev/null || status=$?
cat "$SCRATCH/much.out"
expect "its status" "$status" 3
grep -qE 'huge pages of 2M on node 1: 550 more are needed, [0-9]+ came' "$SCRATCH/much.out" || fail "it was not said"
expect "pages afterwards" "$(<$pool/nr_hugepages)" 0
