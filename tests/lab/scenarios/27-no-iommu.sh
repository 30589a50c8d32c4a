#!/bin/bash
# lab: full boot=intel_iommu=off
# The IOMMU is off on the kernel line: nothing can be passed, and what to do there is said.
. tests/lab/lib.sh
. tests/lab/devices.sh

expect "the IOMMU" "$(vfiorun host --json | jq .iommu.enabled)" false
before=$(binding $card $sound)
profile off <<END
[pci "01:00.0"]
group = auto
force = yes
END
status=0
vfiorun run "$SCRATCH/off.conf" --headless >"$SCRATCH/said" 2>&1 </dev/null || status=$?
cat "$SCRATCH/said"
expect "status" $status 3
grep -q "the IOMMU is off" "$SCRATCH/said" || fail "it does not say so"
grep -q "take intel_iommu=off off the kernel line" "$SCRATCH/said" || fail "it does not say what to do"
expect "untouched" "$(binding $card $sound)" "$before"

status=0
vfiorun check --json >"$SCRATCH/check" || status=$?
expect "check" $status 3
expect "it says" "$(jq -r '.findings[] | select(.code == "iommu-off") | .severity + ": " + .remedy' "$SCRATCH/check")" \
	"error: take intel_iommu=off off the kernel line, and reboot"
