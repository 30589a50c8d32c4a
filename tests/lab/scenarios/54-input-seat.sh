#!/bin/bash
# With udev: what guests read is none of the seat's, the copies that the host reads are what the originals are, and
# a device named by its link is found again in another socket. A tablet tells where it is on both sides.
# lab: full limit=500
. tests/lab/lib.sh
. tests/lab/input.sh

[[ -x /lib/systemd/systemd-udevd ]] || skip "no udev: run scripts/install-packages lab"
mkdir -p /run/udev/rules.d
cp systemd/72-vfiorun.rules /run/udev/rules.d/
/lib/systemd/systemd-udevd &
udevd=$!
wait_until "udev answers" test -S /run/udev/control
input_modules
# plug PORT: the keyboard, with a number of its own that goes with it
plug() {
	hand device_del '{"id": "keyboard"}' >/dev/null
	wait_until "it is unplugged" gone
	hand device_add '{"driver": "usb-kbd", "bus": "xhci.0", "port": "'"$1"'", "serial": "7", "id": "keyboard"}' >/dev/null
	wait_until "it is plugged in" node_of "$usb_keyboard"
}
gone() {
	! node_of "$usb_keyboard" && ! has_clone
}
has_clone() {
	node_of "$usb_keyboard" vfiorun/clone/
}
plug 1
hand device_add '{"driver": "usb-tablet", "bus": "xhci.0", "port": "3", "id": "tablet"}' >/dev/null
wait_until "the tablet's node" node_of "QEMU QEMU USB Tablet"
# for those that were there before
udevadm trigger --action=add --subsystem-match=input
udevadm settle --timeout=120
link=$(echo /dev/input/by-id/usb-QEMU_QEMU_USB_Keyboard*-event-kbd)
[[ -e $link ]] || fail "udev made no link: $(ls /dev/input/by-id)"
traced seated <<-END
	keyboard = $link
	mouse = name:QEMU QEMU USB Tablet
END
expect "planned" "$(plan seated '.inputs[].device' | grep -cx "$link")" 1
start seated
wait_until "a copy for the host" has_clone
udevadm settle --timeout=120

# says NODE: what udev says of it
says() {
	udevadm info --query=property --name="$1"
}
# tags NODE: those of its device, which the seat has, and its own
tags() {
	udevadm info --query=property --path="$(readlink -f "/sys/class/input/${1##*/}/device")" | grep '^CURRENT_TAGS=' || true
	says "$1" | grep '^CURRENT_TAGS=' || true
}
[[ $(tags "$(readlink -f "$link")") == *:seat:* ]] || fail "the keyboard is of no seat"
echo "What the guest reads:"
for part in keyboard mouse tablet toggle; do
	node=$(guest_node seated $part)
	expect "libinput on its $part" "$(says "$node" | sed -n 's/^LIBINPUT_IGNORE_DEVICE=//p')" 1
	if says "$node" | grep -E '^(ID_INPUT|ID_SEAT)=.' || tags "$node" | grep -E '=.*[^:]'; then
		fail "its $part is of the seat"
	fi
	expect "whose it is" "$(stat -c '%U %a' "$node")" "nobody 600"
done
echo "What the host reads:"
has_clone
expect "the copy" "$(says "$node" | grep -E '^(ID_INPUT_KEYBOARD|LIBINPUT_IGNORE_DEVICE)=')" ID_INPUT_KEYBOARD=1
[[ $(tags "$node") == *:seat:* ]] || fail "the copy is not of the seat: $(tags "$node")"

echo "In another socket:"
guest_has() {
	[[ $(guest_says seated) == "$1" ]]
}
plug 4
wait_until "there is a copy again" has_clone
vfiorun switch seated guest
guest_forget seated
type_key a
wait_until "the guest sees a" guest_has "a:1 a:0"

echo "The tablet:"
# point X Y: in the middle is 16384
point() {
	hand input-send-event '{"events": [{"type": "abs", "data": {"axis": "x", "value": '"$1"'}},
		{"type": "abs", "data": {"axis": "y", "value": '"$2"'}}]}' >/dev/null
}
# pointed X Y: QEMU was told so, in hexadecimal
pointed() {
	tail -c "+$((guest_mark + 1))" /var/log/vfiorun/seated.log | grep -q "axis x, value 0x$1\$" &&
		tail -c "+$((guest_mark + 1))" /var/log/vfiorun/seated.log | grep -q "axis y, value 0x$2\$"
}
guest_forget seated
point 16384 8192
wait_until "the guest points there" pointed 4000 2000
vfiorun switch seated host
node_of "QEMU QEMU USB Tablet" vfiorun/clone/
watch "$node" "$SCRATCH/host.events"
guest_forget seated
point 4096 24576
wait_until "the host points there" grep -qx "3 0 4096" "$SCRATCH/host.events"
if pointed 1000 6000; then
	fail "the guest points there as well"
fi
vfiorun switch seated guest
wait_until "the guest, too, where the hand is now" pointed 1000 6000
unwatch "$SCRATCH/host.events"
stop seated

hand device_del '{"id": "tablet"}' >/dev/null
hand device_del '{"id": "keyboard"}' >/dev/null
hand device_add '{"driver": "usb-kbd", "bus": "xhci.0", "port": "1", "id": "keyboard"}' >/dev/null
udevadm settle --timeout=120
no_input_modules
udevadm control --exit
wait $udevd
rm -r /run/udev
