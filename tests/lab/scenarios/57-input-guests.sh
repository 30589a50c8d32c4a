#!/bin/bash
# Several guests and one keyboard: one of them shares it, gives it to another when asked by command or chord, and
# when it dies the next one has it. Commands on a switch run; a clash over a device is told with who holds it.
# lab: full limit=400
. tests/lab/lib.sh
. tests/lab/input.sh

input_modules
for name in anna bert; do
	traced $name <<-END
		hotkey = leftctrl+rightctrl next
		hotkey = f12 run /bin/sh -c "echo \$VFIORUN_NAME >>$SCRATCH/f12"
		on_switch_guest = /bin/sh -c 'echo $name guest >>$SCRATCH/switches'
		on_switch_host = /bin/sh -c 'echo $name host >>$SCRATCH/switches'
	END
done
: >"$SCRATCH/switches"
: >"$SCRATCH/f12"
start anna
wait_until "anna shares" has_input anna host
start bert
wait_until "bert has nothing to share" has_input bert none

guest_has() {
	[[ $(guest_says "$1") == "$2" ]]
}
mark() {
	guest_forget "$1"
}

echo "By command, from one guest to the other:"
vfiorun switch anna guest
wait_until "anna has it" has_input anna guest
vfiorun switch bert guest
expect "anna" "$(vfiorun status anna --json | jq -r .input)" none
wait_until "bert has it" has_input bert guest
shared() {
	node_of "$usb_keyboard" vfiorun/clone/bert
}
wait_until "bert's copy" shared
mark bert
type_key a
wait_until "bert sees a" guest_has bert "a:1 a:0"
mark anna
expect "anna sees" "$(guest_says anna)" ""

echo "By chord: after the last guest comes the host, then the first guest:"
cycle() {
	press ctrl ctrl_r
	release ctrl_r ctrl
}
cycle
wait_until "the host has it" has_input bert host
echo "or by command:"
vfiorun switch bert next
wait_until "anna has it" has_input anna guest
shared_by_anna() {
	node_of "$usb_keyboard" vfiorun/clone/anna
}
wait_until "anna's copy" shared_by_anna
cycle
wait_until "bert has it" has_input bert guest
wait_until "bert's copy" shared

echo "A hotkey that runs something, and the commands of the switches:"
type_key f12
ran() {
	[[ $(xargs <"$SCRATCH/f12") == bert ]]
}
wait_until "the command ran" ran
switched() {
	[[ $(sort -u "$SCRATCH/switches" | xargs) == "anna guest anna host bert guest bert host" ]]
}
wait_until "the commands ran" switched

echo "The one who has it dies:"
kill -KILL "$(qemu_pid bert)"
ended bert
wait_until "anna shares" has_input anna host
wait_until "anna's copy" shared_by_anna
vfiorun switch anna guest
mark anna
type_key b
wait_until "anna sees b" guest_has anna "b:1 b:0"
vfiorun switch anna host

echo "Somebody else holds a device:"
hand device_del '{"id": "keyboard"}' >/dev/null
gone() {
	! node_of "$usb_keyboard"
}
wait_until "it is unplugged" gone
stop anna
hand device_add '{"driver": "usb-kbd", "bus": "xhci.0", "id": "keyboard"}' >/dev/null
wait_until "it is plugged in" node_of "$usb_keyboard"
"$TOOLS/evdev" grab "$node" >"$SCRATCH/grab" &
holder=$!
wait_until "it is held" grep -qx ready "$SCRATCH/grab"
start anna
told() {
	grep -q "$node is held by evdev (process $holder)" "$SCRATCH/anna.out"
}
wait_until "anna's keeper says so" told
kill $holder
wait $holder || true
vfiorun switch anna guest
# what is typed takes its time
taken() {
	local i

	mark anna
	type_key c
	for ((i = 0; i < 25; i++)); do
		! guest_has anna "c:1 c:0" || return 0
		sleep 0.2
	done
	return 1
}
wait_until "it is taken then" taken
stop anna
no_input_modules
