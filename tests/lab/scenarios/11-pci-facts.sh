#!/bin/bash
# vfiorun sees PCI devices, IOMMU groups and USB as lspci and sysfs do, and as the machine was made; who has a device
# open; a virtual function; and a driver that blocks in the kernel does not block it.
. tests/lab/lib.sh
. tests/lab/devices.sh

xhci=0000:03:00.0

# Afterwards each device has the driver it had before, most of them none.
finish() {
	exec 8<&- 9<&-
	modprobe -r hid_generic usbhid
	let_go
}
trap finish EXIT

look() {
	vfiorun host --json >"$SCRATCH/host"
}

host() {
	jq -r "$1" "$SCRATCH/host"
}

device() {
	host ".pci[] | select(.address == \"$1\") | $2"
}

host_driver $card aty128fb
host_driver $sound snd_hda_intel
host_driver $drive nvme
host_driver $xhci xhci_pci
modprobe -a usbhid hid_generic evdev
wait_for "the sound card has a node" test -e /dev/snd/controlC0
wait_for "the drive has a node" test -e /dev/nvme0n1
wait_for "keyboard and mouse are there" bash -c '[[ $(grep -c "^H: .*usb\|^P: .*usb" /proc/bus/input/devices) -ge 2 ]]'

echo "what lspci says:"
look
host '.pci[] | [.address, .class[0:4], .vendor, .device, .driver // "-", .group] | join(" ")' >"$SCRATCH/ours"
lspci -Dvmmnk | awk -F'\t' '
	function say() { if (slot) print slot, class, vendor, device, driver ? driver : "-", group; driver = group = slot = "" }
	/^$/ { say() }
	$1 == "Slot:" { slot = $2 } $1 == "Class:" { class = $2 } $1 == "Vendor:" { vendor = $2 }
	$1 == "Device:" { device = $2 } $1 == "Driver:" { driver = $2 } $1 == "IOMMUGroup:" { group = $2 }
	END { say() }' >"$SCRATCH/theirs"
diff "$SCRATCH/theirs" "$SCRATCH/ours" || fail "lspci (<) says otherwise"
expect "devices" "$(wc -l <"$SCRATCH/ours")" "$(find $devices/ -type l | wc -l)"
lspci -Dvmm | awk -F'\t' '
	function say() { if (slot) print slot, class, vendor, device; slot = "" }
	/^$/ { say() }
	$1 == "Slot:" { slot = $2 } $1 == "Class:" { class = $2 } $1 == "Vendor:" { vendor = $2 } $1 == "Device:" { device = $2 }
	END { say() }' >"$SCRATCH/theirs"
host '.pci[] | [.address, .class_name, .name] | join(" ")' >"$SCRATCH/ours"
# what the database lacks
sed -i -E 's/ device ([0-9a-f]{4})$/ Device \1/; s/ device ([0-9a-f]{4}):([0-9a-f]{4})$/ Vendor \1 Device \2/' \
	"$SCRATCH/ours"
diff "$SCRATCH/theirs" "$SCRATCH/ours" || fail "lspci (<) has other names"

# Without a process for each file, which costs here.
contents() {
	local text=$2

	[[ ! -e $1 ]] || read -r text <"$1" || true
	echo -n "$text"
}

echo "what sysfs says:"
for path in "$devices"/*; do
	parent=$(readlink -f "$path")
	parent=${parent%/*}
	parent=${parent##*/}
	[[ $parent != pci* ]] || parent=-
	power=$(contents "$path/power_state" '')
	echo "${path##*/} $(contents "$path/reset_method" '') $(contents "$path/boot_vga" 0) $parent ${power/unknown/}"
done >"$SCRATCH/theirs"
host '.pci[] | [.address, (.reset | join(" ")), if .boot_vga then 1 else 0 end, .parent // "-", .power] | join(" ")' \
	>"$SCRATCH/ours"
diff "$SCRATCH/theirs" "$SCRATCH/ours" || fail "sysfs (<) says otherwise"

echo "how the machine was made:"
mapfile -t facts < <(jq -r --arg card $card --arg sound $sound --arg drive $drive --arg xhci $xhci '
	def of($a): .pci[] | select(.address == $a);
	def members($a): .iommu.groups[] | select(.devices | index($a)) | .devices | join(" ");
	def usb(f): [.usb[] | select(.controller == $xhci) | .devices[] | select(f) | .name] | join(" ");
	.iommu.enabled, members($card), members($drive), members($xhci),
	([of($card, $sound, $drive, $xhci).driver] | join(" ")),
	(of(of($card).parent) | [.bridge, .driver] | join(" ")),
	(of($card).nodes | index("/dev/fb0") != null), (of($drive).nodes | index("/dev/nvme0n1") != null),
	usb(.keyboard), usb(.mouse),
	[of($xhci).group] == ([.usb[] | select(.controller == $xhci) | .group] | unique)' "$SCRATCH/host")
expect "IOMMU" "${facts[0]}" true
expect "the card's group" "${facts[1]}" "$card $sound"
expect "the drive's group" "${facts[2]}" $drive
expect "the USB controller's group" "${facts[3]}" $xhci
expect "drivers" "${facts[4]}" "aty128fb snd_hda_intel nvme xhci_hcd"
expect "the card is behind a port" "${facts[5]}" "true pcieport"
expect "the card's and the drive's nodes" "${facts[6]} ${facts[7]}" "true true"
expect "keyboard and mouse" "${facts[8]}, ${facts[9]}" "QEMU USB Keyboard, QEMU USB Mouse"
expect "their buses are in the controller's group" "${facts[10]}" true

echo "who has what open:"
users() {
	device "$1" '[.users[] | [.pid, .name, .path] | join(" ")] | join(", ")'
}
expect "nobody has the sound card" "$(users $sound)" ""
exec 8<>/dev/snd/controlC0 9<>/dev/fb0
look
expect "the sound card" "$(users $sound)" "$$ $(</proc/$$/comm) /dev/snd/controlC0"
expect "the graphics card" "$(users $card)" "$$ $(</proc/$$/comm) /dev/fb0"
expect "all were looked into" "$(device $sound .users_complete)" true
vfiorun host | grep -F "! $(</proc/$$/comm) ($$) has /dev/snd/controlC0 open" || fail "the text does not say it"
setpriv --reuid 65534 --regid 65534 --clear-groups "$VFIORUN" host --json >"$SCRATCH/host"
expect "to a user" "$(device $sound '[.driver, .users_complete, (.reset | length)] | join(" ")')" \
	"snd_hda_intel false $(device $sound '.reset | length')"
exec 9<&-

echo "a driver that blocks:"
timeout 300 bash -c "exec 8<&-; echo $sound >$devices/$sound/driver/unbind" 8<&- &
unbinding=$!
wait_for "the unbind has begun" bash -c "! test -e $devices/$sound/driver"
for ((i = 0; i < 5; i++)); do
	! kill -0 $unbinding 2>/dev/null || sleep 0.2
done
if kill -0 $unbinding 2>/dev/null; then
	started=$SECONDS
	vfiorun host --json | cat >"$SCRATCH/host"
	expect "it is stuck" "$(device $sound .stuck)" true
	expect "and nothing else is" "$(host '[.pci[] | select(.stuck)] | length')" 1
	expect "others are known" "$(device $drive '.reset | length > 0')" true
	[[ $((SECONDS - started)) -le 30 ]] || fail "it took $((SECONDS - started)) s"
else
	[[ $(uname -r) != 6.1.* ]] || fail "its unbind did not block"
	echo "none: the driver of this kernel (as of Linux 6.12) does not wait for who has the card open"
fi
exec 8<&-
wait $unbinding
wait_for "it can be read again" bash -c "timeout 5 cat $devices/$sound/driver_override >/dev/null"
look
expect "it was let go of" "$(device $sound '[.stuck, .driver] | join(" ")')" "false "

echo "a virtual function:"
echo 0 >$devices/$drive/sriov_drivers_autoprobe
echo 1 >$devices/$drive/sriov_numvfs
look
virtual=$(host ".pci[] | select(.physical_function == \"$drive\") | .address")
expect "its ids" "$(device "$virtual" '[.vendor, .device, .class] | join(" ")')" \
	"$(sed 's/^0x//' $devices/"$virtual"/{vendor,device,class} | xargs)"
expect "it is not dead" "$(device "$virtual" .dead)" false
expect "functions of the drive" "$(device $drive .virtual_functions)" 1
echo 0 >$devices/$drive/sriov_numvfs
echo 1 >$devices/$drive/sriov_drivers_autoprobe
