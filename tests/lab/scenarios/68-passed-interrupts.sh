#!/bin/bash
# lab: full
# The interrupts that a passed drive has once the guest uses it go to the vCPUs' CPUs, though all others are kept off
# these; with the guest they are gone.
. tests/lab/lib.sh
. tests/lab/devices.sh
. tests/lab/interrupts.sh

host_driver $drive nvme
before=$(binding $drive)
make_msix_guest
profile steered <<END
[boot]
kernel = $SCRATCH/msix.elf
[pci "02:00.0"]
END

start steered
expect "vCPUs" "$(threads steered | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
wait_until "the guest uses the drive" grep -q 'msix: enabled' "$SCRATCH/steered.out"
wait_until "the drive has interrupts" has_interrupts
expect "interrupts set up from now on" "$(</proc/irq/default_smp_affinity)" 3
wait_until "they go to the vCPUs' CPUs" goes_to 2-3
grep vfio /proc/interrupts
stop steered
expect "its driver" "$(binding $drive)" "$before"
