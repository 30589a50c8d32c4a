#!/bin/bash
# lab: full
# The interrupts that a passed drive has once the guest uses it go to the vCPUs' CPUs, though all others are kept off
# these; with the guest they are gone.
. tests/lab/lib.sh
. tests/lab/devices.sh

gcc -m32 -O2 -ffreestanding -mgeneral-regs-only -fno-pie -no-pie -fno-stack-protector -nostdlib -static \
	-Wl,-Ttext=0x100000 -Wl,-N -Wl,--build-id=none -o "$SCRATCH/msix.elf" tests/guest/msix.c
chmod 644 "$SCRATCH/msix.elf"
host_driver $drive nvme
before=$(binding $drive)
profile steered <<END
[boot]
kernel = $SCRATCH/msix.elf
[pci "02:00.0"]
END
interrupts() {
	ls "$devices/$drive/msi_irqs" 2>/dev/null || true
}
has_interrupts() {
	[[ $(interrupts) ]]
}
# Where they may go, each CPU set once; nothing while there are none
where() {
	local irq

	for irq in $(interrupts); do
		cat "/proc/irq/$irq/smp_affinity_list"
	done | sort -u | xargs
}
goes_to() {
	[[ $(where) == "$1" ]]
}

start steered
expect "vCPUs" "$(threads steered | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
wait_until "the guest uses the drive" grep -q 'msix: enabled' "$SCRATCH/steered.out"
wait_until "the drive has interrupts" has_interrupts
expect "interrupts set up from now on" "$(</proc/irq/default_smp_affinity)" 3
wait_until "they go to the vCPUs' CPUs" goes_to 2-3
grep vfio /proc/interrupts
stop steered
expect "its driver" "$(binding $drive)" "$before"
