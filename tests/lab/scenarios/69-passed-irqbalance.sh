#!/bin/bash
# lab: full
# irqbalance, which knows that nothing belongs on the vCPUs' CPUs, leaves a passed drive's interrupts there, because it
# is told of them; once it isn't, it moves them. A keeper's death changes nothing of that, and the end puts it all back.
. tests/lab/lib.sh
. tests/lab/devices.sh
. tests/lab/interrupts.sh

irqbalance_starts
host_driver $drive nvme
before=$(binding $drive)
make_msix_guest
profile steered <<END
[boot]
kernel = $SCRATCH/msix.elf
[pci "02:00.0"]
END
plan steered '.changes[] | select(.path | test("irqbalance")) | .why' | grep "passed devices"
start steered
wait_until "the guest uses the drive" grep -q 'msix: enabled' "$SCRATCH/steered.out"
wait_until "the drive has interrupts" has_interrupts
irqs=$(interrupts | xargs)
wait_until "they go to the vCPUs' CPUs" goes_to 2-3
expect "it leaves alone" "$(irqbalance_leaves)" "$irqs"
vfiorun status steered | grep "irqs: with" || fail "the journal says nothing of them"
scans=$(irqbalance_scans)
has_scanned() {
	((scans + 3 <= $(irqbalance_scans)))
}
wait_until "it has looked at all interrupts" has_scanned
expect "they still go" "$(where)" 2-3

echo "Were it not told:"
kill -STOP "${keepers[steered]}"
ask_irqbalance "settings ban irqs NONE"
wait_until "it moves them" goes_off 2-3
kill -CONT "${keepers[steered]}"
stop steered
expect "its driver" "$(binding $drive)" "$before"

echo "After a keeper's death:"
start steered
wait_until "the drive has interrupts" has_interrupts
irqs=$(interrupts | xargs)
leaves() {
	[[ $(irqbalance_leaves) == "$1" ]]
}
wait_until "it leaves them alone" leaves "$irqs"
kill_keeper steered
put_back steered
expect "how that went" "$status" 0
expect "it leaves alone" "$(irqbalance_leaves)" ""
expect "its driver" "$(binding $drive)" "$before"
