#!/bin/bash
# Who names a card alone is told of the other function in its group, and nothing is touched; `group = auto` takes it.
. tests/lab/lib.sh
. tests/lab/devices.sh

host_driver $card aty128fb
host_driver $sound snd_hda_intel
before=$(touched)
profile alone <<END
[pci "01:00.0"]
force = yes
END
status=0
vfiorun run "$SCRATCH/alone.conf" --headless >"$SCRATCH/said" 2>&1 </dev/null || status=$?
cat "$SCRATCH/said"
expect "status" $status 3
grep -q "01:00.1" "$SCRATCH/said" || fail "the other function was not named"
expect "untouched" "$(touched)" "$before"

profile whole <<END
[pci "01:00.0"]
group = auto
force = yes
END
wait_for "a plan" plans whole
start whole
expect "while it runs" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
stop whole
expect "afterwards" "$(touched)" "$before"
