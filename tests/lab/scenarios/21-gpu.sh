#!/bin/bash
# A graphics card and its sound go to a guest with one command, behind one root port, and come back to the drivers
# that they had.
. tests/lab/lib.sh
. tests/lab/devices.sh

host_driver $card aty128fb
host_driver $sound snd_hda_intel
before=$(touched)
echo "$before"
profile passed <<END
[pci "01:00.0"]
force = yes
[pci "01:00.1"]
END
wait_for "a plan" plans passed
cat "$SCRATCH/plan"
start passed
expect "while it runs" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
# The bus behind a port has a number, and so can be looked at, once the guest's firmware has given it one.
behind_one_port() {
	vfiorun qmp passed '{"execute": "query-pci"}' | jq -c '[.. | objects | select(.pci_bridge?) |
		.pci_bridge.devices // [] | map([.class_info.class, .id.vendor, .id.device]) |
		select(length == 2)] | .[0]' | grep -qF '[[768,4098,20550],[1027,32902,9832]]'
}
wait_until "QEMU has both behind one root port" behind_one_port
stop passed
expect "afterwards" "$(touched)" "$before"
