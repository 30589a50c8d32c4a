#!/bin/bash
# What is asked of USB goes from the command to the monitor, the keeper, QEMU and back, and each says what it can't
# do. That devices are passed and come back is the lab's to show (36-usb).
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name usb)
plain=$(guest_name plain)
remember_host

note "a device that is not there yet"
profile "$name" '[usb "1-255"]' 'hotplug = yes' >/dev/null
expect 0 "$VFIORUN" plan "$SCRATCH/$name.conf"
expect_out '1-255: not there; plugged in when it comes'
expect_out 'qemu-xhci,id=usb'
expect 3 "$VFIORUN" plan "$SCRATCH/$name.conf" --set usb:1-255.hotplug=no
expect_err 'there is no USB device 1-255'
expect 2 "$VFIORUN" plan "$SCRATCH/$name.conf" --set usb:nonsense.hotplug=yes
start "$name"

note "asked by command"
expect 1 "$VFIORUN" usb "$name" attach 1-255
expect_err 'there is no USB device 1-255'
expect 1 "$VFIORUN" usb "$name" attach fffe:fffe --force
expect_err 'there is no USB device fffe:fffe'
expect 1 "$VFIORUN" usb "$name" attach ../../../x
expect_err '046d:c52b or 1-2.3'
expect 1 "$VFIORUN" usb "$name" detach 1-255
expect_err 'the guest has no USB device 1-255'
expect 2 "$VFIORUN" usb "$name" attach
expect 2 "$VFIORUN" usb "$name" plug 1-2
expect 1 "$VFIORUN" usb "$name" attach "$(printf 'x%.0s' {1..200})"

note "by whoever talks to the control socket"
run_dir=$("$VFIORUN" plan --json "$SCRATCH/$name.conf" 2>/dev/null | jq -r .supervise.run_dir)
for args in '{}' '{"action":"attach"}' '{"action":7,"device":"1-2"}' '{"action":"attach","device":7}' \
	'{"action":"attach","device":"1-255","force":"yes"}' '{"action":"detach","device":""}'; do
	echo "{\"id\":1,\"do\":\"usb\",\"args\":$args}" | "$TOOLS/talk" "$run_dir/control.sock" 1 >"$SCRATCH/answer"
	grep -q '"error"' "$SCRATCH/answer" || fail "$args: $(<"$SCRATCH/answer")"
done
expect 0 "$VFIORUN" status "$name"

note "a new monitor"
kill -KILL "$monitor"
within 20 state_is "$name" running || fail "no new monitor"
expect 1 "$VFIORUN" usb "$name" attach 1-255
expect_err 'there is no USB device'
"$VFIORUN" stop "$name" --force || fail "stop"
ends 0 "$keeper"

note "a guest without a controller"
profile "$plain" >/dev/null
start "$plain"
expect 1 "$VFIORUN" usb "$plain" attach 1-255
expect_err 'no USB controller'
"$VFIORUN" stop "$plain" --force || fail "stop"
ends 0 "$keeper"
nothing_left "after the guests"
