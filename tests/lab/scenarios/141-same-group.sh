#!/bin/bash
# Two guests want the same IOMMU group at the same moment: one runs, the other is refused and is told who has it;
# the card comes back once, when the one that has it ends.
. tests/lab/lib.sh
device=/sys/bus/pci/devices/0000:01:00

drivers() {
	basename -a "$(readlink $device.0/driver || echo none)" "$(readlink $device.1/driver || echo none)" | xargs
}

before=$(drivers)
echo "drivers: $before"
for name in one other; do
	profile $name <<-END
		[pci "01:00.0"]
		group = auto
	END
	begin $name
done

# One of the two ends by itself; which one is chance.
wait -n -p ended_pid "${keepers[one]}" "${keepers[other]}" && status=0 || status=$?
loser=one winner=other
[[ $ended_pid == "${keepers[one]}" ]] || loser=other winner=one
cat "$SCRATCH/$loser.out"
expect "status of the one that came too late" $status 3
grep -qw "$winner" "$SCRATCH/$loser.out" || fail "it does not say who has the card"
wait_state $winner running
expect "drivers" "$(drivers)" "vfio-pci vfio-pci"

echo "And once more, while the other runs:"
status=0
vfiorun run "$SCRATCH/$loser.conf" --headless >"$SCRATCH/refused" 2>&1 </dev/null || status=$?
cat "$SCRATCH/refused"
expect "status" $status 3
grep -qw "$winner" "$SCRATCH/refused" || fail "it does not say who has the card"
expect "drivers" "$(drivers)" "vfio-pci vfio-pci"

stop $winner
expect "drivers" "$(drivers)" "$before"
