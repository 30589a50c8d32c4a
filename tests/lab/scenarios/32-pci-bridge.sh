#!/bin/bash
# lab: full boot=lab.bridge limit=400
# Two cards on a conventional bus, in one group with the bridge that leads to it: the bridge is nobody's to name, stays
# and is not bound; whoever names one card is told of the other. That nothing can reset one of them is said, and it runs.
. tests/lab/lib.sh
. tests/lab/devices.sh
bridge=0000:05:00.0 first=0000:06:01.0 second=0000:06:02.0

host_driver $first e1000
host_driver $second e1000
group() {
	basename "$(readlink "$devices/$1/iommu_group")"
}
expect "a group with a bridge" "$(group $bridge) $(group $second)" "$(group $first) $(group $first)"
expect "that is one" "$(<$devices/$bridge/class)" 0x060400
# of two on a bus the kernel asks the first before it finds the second
[[ ! -e $devices/$second/reset_method ]] || fail "it can be reset: $(<$devices/$second/reset_method)"
before=$(binding $bridge $first $second)
echo "$before"

common() {
	cat - <<-END
		[cpu]
		isolate = none
		[host]
		irq_affinity = none
		[pci "06:01.0"]
	END
}

echo "One card:"
profile one < <(common)
status=0
vfiorun run "$SCRATCH/one.conf" --headless >"$SCRATCH/said" 2>&1 </dev/null || status=$?
cat "$SCRATCH/said"
expect "status" $status 3
grep -q "$second" "$SCRATCH/said" || fail "the other card is not named"
! grep -q "$bridge" "$SCRATCH/said" || fail "the bridge is asked for"
expect "untouched" "$(binding $bridge $first $second)" "$before"

echo "The group:"
profile whole < <(common; echo 'group = auto')
wait_for "a plan" plans whole
vfiorun plan "$SCRATCH/whole.conf" --json | jq -r '.warnings[]? | .text' | grep "$second .* has no way to be reset" ||
	fail "it does not say that nothing resets $second: $(<"$SCRATCH/plan")"
start whole
expect "while it runs" "$(binding $bridge $first $second)" \
	"none (null), vfio-pci vfio-pci, vfio-pci vfio-pci, "
in_guest() {
	vfiorun qmp whole '{"execute": "query-pci"}' | jq -c '[.. | objects | select(.id?.vendor? == 32902) |
		.id.device | select(. == 4110)] | length'
}
seen() {
	[[ $(in_guest) == 2 ]]
}
wait_until "QEMU has both cards" seen
stop whole
expect "afterwards" "$(binding $bridge $first $second)" "$before"
