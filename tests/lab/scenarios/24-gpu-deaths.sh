#!/bin/bash
# lab: full limit=900
# However a guest with a graphics card ends, the card comes back: QEMU is killed; the guest does not hear that it shall
# power down; QEMU hears nothing at all; the monitor dies; the keeper dies and another takes over; both die at once.
. tests/lab/lib.sh
. tests/lab/devices.sh

host_driver $card aty128fb
host_driver $sound snd_hda_intel
profile mortal <<END
[vm]
shutdown_timeout = 2
[cpu]
isolate = none
[host]
irq_affinity = none
[pci "01:00.0"]
force = yes
[pci "01:00.1"]
END
wait_for "a plan" plans mortal
before=$(touched)

with_card() {
	start mortal
	expect "while it runs" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
}

# over STATUS: its keeper ends with it
over() {
	ended mortal
	[[ $status -eq $1 ]] || cat "$SCRATCH/mortal.out"
	expect "status" $status "$1"
	expect "afterwards" "$(touched)" "$before"
}

echo "QEMU is killed:"
with_card
kill -KILL "$(qemu_pid mortal)"
over 137

echo "The guest does not power down, for it is a BIOS without a system:"
with_card
vfiorun stop mortal
grep -q "did not shut down within 2 s" "$SCRATCH/mortal.out" || fail "that is not said"
over 0

echo "QEMU is stopped and hears nothing:"
with_card
kill -STOP "$(qemu_pid mortal)"
vfiorun stop mortal &
stopping=$!
over 0
wait $stopping

echo "The monitor is killed:"
with_card
monitor=$(pgrep -P "${keepers[mortal]}" -x vfiorun-monitor)
kill -KILL "$monitor"
another() {
	local now

	now=$(pgrep -P "${keepers[mortal]}" -x vfiorun-monitor) && [[ $now != "$monitor" ]]
}
wait_until "there is another one" another
wait_state mortal running
expect "the devices" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
vfiorun stop mortal --force
over 0

echo "The keeper is killed, and another takes over:"
with_card
qemu=$(qemu_pid mortal)
kill_keeper mortal
wait_state mortal orphan
status=0
vfiorun revert mortal || status=$?
expect "revert is refused with" $status 5
begin mortal adopt mortal
wait_state mortal running
expect "it is the same QEMU" "$(qemu_pid mortal)" "$qemu"
expect "the devices" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
vfiorun stop mortal --force
over 0

echo "Both are killed:"
with_card
qemu=$(qemu_pid mortal)
kill -KILL "${keepers[mortal]}" "$qemu"
ended mortal 2>/dev/null
vfiorun revert mortal
expect "afterwards" "$(touched)" "$before"
[[ ! -e /run/vfiorun/mortal ]] || fail "its run directory is still there"
