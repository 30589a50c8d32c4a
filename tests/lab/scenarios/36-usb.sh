#!/bin/bash
# lab: full limit=600
# USB devices of the host are plugged into a guest that runs and taken out again, by command and by hand; the host's
# last mouse only by force; and whatever becomes of QEMU, the host's drivers get them back.
. tests/lab/lib.sh
modprobe -a xhci_pci usbhid hid_generic evdev

# driver_of PORT: what drives the device in this socket
driver_of() {
	local link

	link=$(readlink "/sys/bus/usb/devices/$1:1.0/driver") || link=none
	echo "${link##*/}"
}

is_hosts() {
	[[ $(driver_of "$1") == usbhid ]]
}

is_lent() {
	[[ -e /sys/bus/usb/devices/$1:1.0 ]] && ! is_hosts "$1"
}

# guest_has PORT: QEMU has a device of ours from there
guest_has() {
	vfiorun qmp plugged '{"execute": "qom-list", "arguments": {"path": "/machine/peripheral"}}' |
		grep -q "\"host-$1\""
}

guest_has_not() {
	! guest_has "$1"
}

# refused WORDS COMMAND...: with status 1, saying so
refused() {
	local words=$1
	shift

	status=0
	"$@" >"$SCRATCH/said" 2>&1 || status=$?
	cat "$SCRATCH/said"
	expect "status" $status 1
	grep -q "$words" "$SCRATCH/said" || fail "it does not say '$words'"
}

wait_until "the host has its mouse" is_hosts 1-2
profile plugged <<END
[usb "1-3"]
hotplug = yes
END
start plugged
vfiorun host | sed -n '/^USB/,$p'

echo "By command:"
refused "the host's last mouse" vfiorun usb plugged attach 1-2
expect "driver" "$(driver_of 1-2)" usbhid
refused "several devices are 0627:0001" vfiorun usb plugged attach 0627:0001
refused "no USB device 1-7" vfiorun usb plugged attach 1-7
refused "046d:c52b or 1-2.3" vfiorun usb plugged attach ../1-2
refused "the guest has no USB device 1-2" vfiorun usb plugged detach 1-2
expect "driver" "$(driver_of 1-2)" usbhid
vfiorun usb plugged attach 1-2 --force
guest_has 1-2 || fail "QEMU has no such device"
is_lent 1-2 || fail "the host's driver still has it"
expect "QEMU's user" "$(stat -c %U "/proc/$(qemu_pid plugged)")" nobody
refused "has 1-2 already" vfiorun usb plugged attach 1-2 --force
vfiorun usb plugged detach 1-2
guest_has 1-2 && fail "QEMU still has it"
wait_until "the host has its mouse" is_hosts 1-2

echo "While QEMU stands still:"
vfiorun usb plugged attach 1-2 --force
qemu=$(qemu_pid plugged)
kill -STOP "$qemu"
refused "QEMU" vfiorun usb plugged detach 1-2
is_lent 1-2 || fail "the host took what QEMU has"
grep -q "1-2: the guest keeps it" "$SCRATCH/plugged.out" || fail "$(<"$SCRATCH/plugged.out")"
! grep -q "did not take effect" "$SCRATCH/plugged.out" || fail "it tried to take it back"
kill -CONT "$qemu"
# it does late what it was asked for; to ask once more finds that out
wait_until "QEMU gave it up" guest_has_not 1-2
refused "the guest has no USB device 1-2" vfiorun usb plugged detach 1-2
wait_until "the host has its mouse" is_hosts 1-2

echo "By hand, twice:"
for _ in 1 2; do
	hand device_add '{"driver": "usb-tablet", "bus": "xhci.0", "port": "3", "id": "tablet"}' >/dev/null
	wait_until "the guest has what was plugged in" guest_has 1-3
	hand device_del '{"id": "tablet"}' >/dev/null
	wait_until "QEMU gave up what was unplugged" guest_has_not 1-3
done

echo "QEMU is killed with two of them:"
hand device_add '{"driver": "usb-tablet", "bus": "xhci.0", "port": "3", "id": "tablet"}' >/dev/null
wait_until "the guest has what was plugged in" guest_has 1-3
vfiorun usb plugged attach 1-2 --force
kill -KILL "$(qemu_pid plugged)"
ended plugged
expect "status" $status 137
is_hosts 1-2 || fail "the mouse was not given back: $(driver_of 1-2)"
is_hosts 1-3 || fail "the tablet was not given back: $(driver_of 1-3)"
cat "$SCRATCH/plugged.out"

echo "The keeper is killed, and another takes over:"
start plugged
vfiorun usb plugged attach 1-2 --force
kill_keeper plugged
wait_state plugged orphan
begin plugged adopt plugged
wait_state plugged running
refused "has 1-2 already" vfiorun usb plugged attach 1-2 --force
wait_until "QEMU answers, and has it" guest_has 1-2
vfiorun usb plugged detach 1-2
wait_until "the host has its mouse" is_hosts 1-2

echo "The keeper and QEMU are killed with one that was given by command:"
vfiorun usb plugged attach 1-2 --force
qemu=$(qemu_pid plugged)
kill -KILL "${keepers[plugged]}" "$qemu"
ended plugged 2>/dev/null
is_lent 1-2 || fail "it was back already"
vfiorun revert plugged
is_hosts 1-2 || fail "the mouse was not given back: $(driver_of 1-2)"
is_hosts 1-3 || fail "the tablet was not given back: $(driver_of 1-3)"

echo "There at the start:"
sed -i 's/^hotplug.*//' "$SCRATCH/plugged.conf"
start plugged
wait_until "the guest has it" guest_has 1-3
stop plugged
wait_until "the host has it again" is_hosts 1-3
hand device_del '{"id": "tablet"}' >/dev/null
modprobe -r hid_generic usbhid xhci_pci
