#!/bin/bash
# The lab's hand works: it unplugs the machine's mouse and plugs it in again, and presses a key of its keyboard.
. tests/lab/lib.sh
modprobe -a xhci_pci usbhid hid_generic evdev

# names of what hangs on the USB controller
products() {
	cat /sys/bus/pci/devices/0000:03:00.0/usb*/*-*/product | sort | xargs
}

products_are() {
	[[ $(products) == "$1" ]]
}

all="QEMU USB Keyboard QEMU USB Mouse"
wait_until "keyboard and mouse" products_are "$all"

hand device_del '{"id": "mouse"}'
wait_until "the mouse is unplugged" products_are "QEMU USB Keyboard"
hand device_add '{"driver": "usb-mouse", "bus": "xhci.0", "port": "2", "id": "mouse"}'
wait_until "the mouse is back" products_are "$all"
if hand device_del '{"id": "none such"}'; then
	fail "what can't be done was done"
fi

echo "A key:"
# node_of NAME: the event node of the input device of that name
node_of() {
	local event

	for event in /sys/class/input/event*; do
		[[ $(<"$event/device/name") != "$1" ]] || echo "/dev/input/${event##*/}"
	done
}

keyboard_is_there() {
	keyboard=$(node_of "QEMU QEMU USB Keyboard")
	[[ -c $keyboard ]]
}
wait_until "an event node of the keyboard" keyboard_is_there
dd if="$keyboard" of="$SCRATCH/events" bs=24 count=1 2>/dev/null &
reader=$!
# It hears only what comes once it has opened the device.
is_open() {
	[[ $(readlink "/proc/$reader/fd/0") == "$keyboard" ]]
}
wait_until "somebody listens" is_open
key() {
	hand input-send-event '{"events": [{"type": "key",
		"data": {"down": '"$1"', "key": {"type": "qcode", "data": "a"}}}]}'
}
key true
key false
wait "$reader"
expect "bytes of an event" "$(stat -c %s "$SCRATCH/events")" 24
modprobe -r hid_generic usbhid xhci_pci
