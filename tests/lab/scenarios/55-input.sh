#!/bin/bash
# One keyboard, two machines: keys pressed on the USB keyboard reach the side that has the input, whole; a hotkey
# is seen by neither; the command moves it as well; and the host has its own keyboard when the guest ends.
# lab: full limit=600
. tests/lab/lib.sh
. tests/lab/input.sh

input_modules
real=$node
is_taken() {
	! evdev free "$real"
}
traced typed <<-END
	keep_held = leftshift
	[vm]
	operators = daemon
END
expect "planned" "$(plan typed '.inputs[] | select(.name | test("USB")) | .role' | sort | xargs)" "keyboard mouse"

echo "What there is, and what it sends:"
"$VFIORUN" host --input >"$SCRATCH/heard" 2>&1 &
listener=$!
wait_until "somebody listens" grep -q "listening: press" "$SCRATCH/heard"
type_key a
wait_until "the key is named" grep -qx "${real##*/}  a down" "$SCRATCH/heard"
kill $listener
wait $listener
grep -x "$real  keyboard: $usb_keyboard" "$SCRATCH/heard"

echo "The key that started it is still down, and is released for who saw it go down:"
watch "$real" "$SCRATCH/real.events"
press ret
start typed
has_clone() {
	node_of "$usb_keyboard" vfiorun/clone/
}
wait_until "a copy for the host" has_clone
enter_is_up() {
	[[ $(grep -E '^1 28 [01]$' "$SCRATCH/real.events" | xargs) == "1 28 1 1 28 0" ]]
}
wait_until "Enter is up" enter_is_up
wait_until "somebody has the real keyboard" is_taken
release ret
unwatch "$SCRATCH/real.events"
clone=$node
keyboard=$(guest_node typed keyboard)
expect "whose is the guest's" "$(stat -L -c %U "/run/vfiorun/typed/input-keyboard")" nobody
expect "who has it" "$(vfiorun status typed --json | jq -r .input)" host
watch "$clone" "$SCRATCH/host.events"
guest_forget typed

subscribe() {
	echo '{"id":1,"do":"subscribe"}' | exec "$TOOLS/talk" /run/vfiorun/typed/control.sock 1000
}
subscribe >"$SCRATCH/told" &
subscriber=$!
wait_until "somebody listens" test -s "$SCRATCH/told"

echo "The host has it:"
type_key a
says() {
	[[ $(host_says) == "$1" ]]
}
guest_has() {
	[[ $(guest_says typed) == "$1" ]]
}
# told SIDE...: whoever listens heard of these, one after the other
told() {
	[[ $(jq -r 'select(.event == "input").data.input' "$SCRATCH/told" | xargs) == "$*" ]]
}
wait_until "the host sees a" says "30:1 30:0"
expect "the guest" "$(guest_says typed)" ""

echo "By command:"
vfiorun switch typed guest
expect "who has it" "$(vfiorun status typed --json | jq -r .input)" guest
type_key b
wait_until "the guest sees b" guest_has "b:1 b:0"
expect "the host still" "$(host_says)" "30:1 30:0"

wait_until "the bar shows it" told guest

echo "By hotkey, of which no side sees anything:"
press ctrl ctrl_r
wait_until "the host has it" has_input typed host
release ctrl_r ctrl
type_key c
wait_until "the host sees c" says "30:1 30:0 46:1 46:0"
expect "the guest still" "$(guest_says typed)" "b:1 b:0"
press ctrl_r ctrl
wait_until "the guest has it" has_input typed guest
release ctrl ctrl_r
type_key d
wait_until "the bar shows it" told guest host guest
wait_until "the guest sees d" guest_has "b:1 b:0 d:1 d:0"

echo "A key that is held at a switch is released on the side that is left:"
press e
wait_until "the guest sees e" guest_has "b:1 b:0 d:1 d:0 e:1"
vfiorun switch typed host
wait_until "and e's end" guest_has "b:1 b:0 d:1 d:0 e:1 e:0"
release e
type_key f
wait_until "the host sees f" says "30:1 30:0 46:1 46:0 33:1 33:0"
expect "down in the guest" "$(evdev held "$keyboard" | xargs)" ""

echo "QEMU's own toggle takes no key, and toggles nothing:"
vfiorun switch typed guest
guest_forget typed
press ctrl scroll_lock
release scroll_lock ctrl
type_key h
# Scroll Lock comes by a device of its own: QEMU may read that first
guest_has_seen() {
	[[ $(guest_says typed | tr ' ' '\n' | sort -u | xargs) == "$1" ]]
}
wait_until "the guest sees them all" guest_has_seen "ctrl:0 ctrl:1 h:0 h:1 scroll_lock:0 scroll_lock:1"

echo "What is typed while QEMU stands still, more than the kernel keeps by itself, is not lost:"
guest_forget typed
qemu=$(qemu_pid typed)
kill -STOP "$qemu"
typed_late=
for key in a b c d e f g i j k l m n o p q; do
	type_key $key
	typed_late+="${typed_late:+ }$key:1 $key:0"
done
sleep 1
kill -CONT "$qemu"
wait_until "the guest sees them" guest_has "$typed_late"

echo "The panic chord gives the devices back, also where QEMU stands still:"
kill -STOP "$qemu"
press ctrl alt shift esc
let_go() {
	evdev free "$real"
}
wait_until "the real keyboard is free" let_go
release esc shift alt ctrl
kill -CONT "$qemu"
wait_until "the host has it" has_input typed host
guest_forget typed
vfiorun switch typed guest
type_key g
wait_until "taken again" guest_has "g:1 g:0"
if vfiorun switch typed sideways 2>/dev/null; then
	fail "there is no such side"
fi

echo "By an operator, as ssh runs a forced command, whatever the other side asked for:"
forced() {
	setpriv --reuid=daemon --regid=daemon --clear-groups \
		env -i PATH="$PATH" SSH_ORIGINAL_COMMAND="vfiorun stop typed --force" /bin/sh -c "$1"
}
vfiorun switch typed host
forced "$VFIORUN switch typed guest"
expect "who has it" "$(vfiorun status typed --json | jq -r .input)" guest
forced "$VFIORUN switch typed host"
expect "who has it" "$(vfiorun status typed --json | jq -r .input)" host
if forced "$VFIORUN stop typed" 2>"$SCRATCH/refused"; then
	fail "an operator may not stop it"
fi
grep "you may not" "$SCRATCH/refused"

echo "At the end:"
unwatch "$SCRATCH/host.events"
stop typed
wait $subscriber || true
wait_until "the real keyboard is free" let_go
if has_clone; then
	fail "the copy is still there"
fi
if input_pid; then
	fail "the input process is still there"
fi

echo "For a first try; and a command that hangs holds nothing up:"
begin typed run -v "$SCRATCH/typed.conf" --headless --set input.start=guest --input-timeout 5 \
	--set "input.on_switch_host=/bin/sleep 600" --set hooks.timeout=4
wait_until "its time is over" grep -q "the time of --input-timeout is over" "$SCRATCH/typed.out"
wait_until "the host has it" has_input typed host
wait_until "the real keyboard is free" let_go
wait_until "the command is ended" grep -q "on_switch_host took longer than 4 s and was killed" "$SCRATCH/typed.out"
stop typed
no_input_modules
