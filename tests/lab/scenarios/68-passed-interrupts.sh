#!/bin/bash
# lab: full
# The interrupts that a passed drive has once the guest uses it go to the vCPUs' CPUs, though all others are kept off
# these; so do those that the guest has made long after, and nothing is looked for meanwhile. With the guest they are
# gone. Where the kernel does not tell when they are made, they are looked for a few times.
. tests/lab/lib.sh
. tests/lab/devices.sh
. tests/lab/interrupts.sh

host_driver $drive nvme
before=$(binding $drive)
make_msix_guest -DAGAIN_AFTER=90
profile steered <<END
[boot]
kernel = $SCRATCH/msix.elf
[pci "02:00.0"]
END
says() {
	grep -q "$1" "$SCRATCH/steered.out"
}
# how often the keeper has woken up
wakeups() {
	sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/${keepers[steered]}/status"
}
sleeps() {
	local before

	before=$(wakeups)
	sleep 10
	(($(wakeups) == before))
}
moves() {
	grep -c 'moved to the CPUs 2-3' "$SCRATCH/steered.out" || true
}
moved_again() {
	(($(moves) > before_again))
}

mount -t tracefs tracefs /sys/kernel/tracing
start steered
expect "vCPUs" "$(threads steered | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
wait_until "the guest uses the drive" says 'msix: enabled'
wait_until "the drive has interrupts" has_interrupts
expect "interrupts set up from now on" "$(</proc/irq/default_smp_affinity)" 3
wait_until "they go to the vCPUs' CPUs" goes_to 2-3
grep vfio /proc/interrupts
trap 'cat "$SCRATCH/steered.out"; let_go' EXIT
# it looks for late threads for four seconds; were it to look for interrupts as well, then once more after 75 and 155
wait_until "the keeper sleeps for ten seconds" sleeps
before_again=$(moves)
! says 'msix: enabled again' || fail "the guest was too quick for this"
wait_until "the guest's driver begins anew" says 'msix: enabled again'
again=$SECONDS
wait_until "its interrupts are moved, too" moved_again
((SECONDS - again <= 15)) || fail "that took $((SECONDS - again)) s"
trap let_go EXIT
expect "they go to" "$(where)" 2-3
stop steered
expect "its driver" "$(binding $drive)" "$before"

echo "Where the kernel does not tell:"
umount /sys/kernel/tracing
start steered
wait_until "that is said" says 'not when they are made: .*tracefs'
wait_until "the drive has interrupts" has_interrupts
wait_until "they go to the vCPUs' CPUs" goes_to 2-3
stop steered
