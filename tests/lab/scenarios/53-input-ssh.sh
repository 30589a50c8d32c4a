#!/bin/bash
# From inside a guest, by SSH: a key whose command is forced switches the input, or plugs a device, as a user who is
# neither root nor has a password, whatever the other side asks for; and nothing else is had for it. By a chord, too.
# lab: full limit=400
. tests/lab/lib.sh
. tests/lab/input.sh

for tool in dropbear dropbearkey dbclient; do
	command -v $tool >/dev/null || skip "no $tool: run scripts/install-packages lab"
done
input_modules
home=$SCRATCH/visitor
install -d -m 755 "$home" "$home/.ssh"
# an account for as long as this lasts
{ cat /etc/passwd && echo "visitor:x:4711:4711::$home:/bin/sh"; } >"$SCRATCH/passwd"
{ cat /etc/group && echo "visitor:x:4711:"; } >"$SCRATCH/group"
mount --bind "$SCRATCH/passwd" /etc/passwd
mount --bind "$SCRATCH/group" /etc/group
keys=$home/.ssh/authorized_keys
: >"$keys"
chown -R visitor: "$home"

# may_run KEY COMMAND: a key that does that, and only that
may_run() {
	dropbearkey -t ed25519 -f "$SCRATCH/$1" >"$SCRATCH/$1.pub" 2>&1
	echo "restrict,command=\"$2\" $(grep ^ssh- "$SCRATCH/$1.pub")" >>"$keys"
}

# by_ssh KEY COMMAND...: as a guest would
by_ssh() {
	local key=$1
	shift

	dbclient -T -y -y -p 2222 -i "$SCRATCH/$key" visitor@127.0.0.1 "$@" </dev/null 2>&1
}

may_run toggle "$VFIORUN switch reached"
may_run host "$VFIORUN switch reached host"
may_run attach "$VFIORUN usb reached attach 1-3"
may_run detach "$VFIORUN usb reached detach 1-3"
dropbearkey -t ed25519 -f "$SCRATCH/hostkey" >/dev/null 2>&1
dropbearkey -t ed25519 -f "$SCRATCH/stranger" >/dev/null 2>&1
dropbear -F -E -s -w -r "$SCRATCH/hostkey" -p 127.0.0.1:2222 -P "$SCRATCH/dropbear.pid" 2>"$SCRATCH/dropbear.log" &
server=$!
traced reached <<-END
	mouse = none
	hotkey = leftctrl+rightctrl
	hotkey = leftctrl+f11 usb attach 1-3
	hotkey = leftctrl+f12 usb detach 1-3
	[usb "1-7"]
	hotplug = yes
	[vm]
	operators = visitor
END
start reached
wait_until "the host has it" has_input reached host
wait_until "the server listens" test -s "$SCRATCH/dropbear.pid"

owner() {
	vfiorun status reached --json | jq -r .input
}

echo "A switch:"
by_ssh toggle
expect "who has it" "$(owner)" guest
by_ssh toggle vfiorun stop reached --force
expect "who has it, whatever was asked for" "$(owner)" host
by_ssh toggle
by_ssh host
by_ssh host
expect "who has it" "$(owner)" host

echo "A device:"
guest_has() {
	vfiorun qmp reached '{"execute": "qom-list", "arguments": {"path": "/machine/peripheral"}}' | grep -q '"host-1-3"'
}
hand device_add '{"driver": "usb-tablet", "bus": "xhci.0", "port": "3", "id": "tablet"}' >/dev/null
wait_until "it is there" test -e /sys/bus/usb/devices/1-3
by_ssh attach rm -rf /
guest_has || fail "the guest has not got it"
by_ssh detach
if guest_has; then
	fail "the guest still has it"
fi

echo "A device by a chord:"
press ctrl f11
wait_until "the guest has it" guest_has
release f11 ctrl
has_not() {
	! guest_has
}
press ctrl f12
wait_until "the host has it" has_not
release f12 ctrl

echo "Nothing else:"
if by_ssh stranger true; then
	fail "an unknown key gets in"
fi
expect "the guest" "$(state reached)" running
stop reached
kill $server
wait $server || true
umount /etc/passwd /etc/group
hand device_del '{"id": "tablet"}' >/dev/null
no_input_modules
