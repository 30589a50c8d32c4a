#!/bin/bash
# Whoever dies while a key is held in the guest: the key does not stay down there, the host has its own keyboard,
# and things go on. An unplugged device holds nothing either, and is there again when it comes back; how soon is printed.

. tests/lab/lib.sh
. tests/lab/input.sh

input_modules
real=$node
traced mortal <<<""
start mortal
keyboard=$(guest_node mortal keyboard)
has_clone() {
	node_of "$usb_keyboard" vfiorun/clone/
}
wait_until "a copy for the host" has_clone

# hold: x is held in the guest
hold() {
	vfiorun switch mortal guest
	press x
	wait_until "x is down in the guest" is_held "$keyboard" 45
}

# goes_on: a key reaches the guest, once and whole
goes_on() {
	release x
	guest_forget mortal
	vfiorun switch mortal guest
	type_key y
	wait_until "y reaches the guest" guest_has "y:1 y:0"
}
guest_has() {
	[[ $(guest_says mortal) == "$1" ]]
}
real_is_free() {
	evdev free "$real"
}

echo "The input process is killed:"
hold
old=$(input_pid)
kill -KILL "$old"
new_process() {
	[[ $(input_pid) -gt 0 && $(input_pid) != "$old" ]]
}
wait_until "x is up in the guest" is_held "$keyboard" ""
wait_until "there is another" new_process
wait_until "the host has it" has_input mortal host
goes_on

echo "The keyboard is unplugged:"
hold
hand device_del '{"id": "keyboard"}' >/dev/null
wait_until "x is up in the guest" is_held "$keyboard" ""
no_clone() {
	! has_clone
}
wait_until "the copy is gone" no_clone
hand device_add '{"driver": "usb-kbd", "bus": "xhci.0", "id": "keyboard"}' >/dev/null
wait_until "the keyboard is back" node_of "$usb_keyboard"
real=$node
wait_until "and its copy" has_clone
goes_on

echo "More comes than the kernel keeps, while the input process stands still:"
vfiorun switch mortal guest
press x y
wait_until "x and y are down in the guest" is_held "$keyboard" "21 45"
kill -STOP "$(input_pid)"
release y
for key in a b c d e f g h i j k l m n; do
	type_key $key
done
press z
kill -CONT "$(input_pid)"
wait_until "x and z are" is_held "$keyboard" "44 45"
release z
goes_on

echo "A mouse is plugged in and out, and how soon it is shared:"
vfiorun switch mortal host
evdev pickups "nimble mouse" 20 >"$SCRATCH/pickups" || fail "a mouse is not shared: $(tail -n 3 "$SCRATCH/pickups")"
# middle COLUMN, most COLUMN: of what was measured, in ms
middle() {
	sort -n -k "$1,$1" "$SCRATCH/pickups" | awk '{v[NR] = $'"$1"'} END {printf "%.1f ms", v[int((NR + 1) / 2)] / 1000}'
}
most() {
	sort -n -k "$1,$1" "$SCRATCH/pickups" | awk '{v = $'"$1"'} END {printf "%.1f ms", v / 1000}'
}
expect "how often it was" "$(wc -l <"$SCRATCH/pickups")" 20
echo "inotify tells after $(middle 1), at most $(most 1); what it sends arrives after $(middle 2), at most $(most 2)"
# used: by the input process, in ticks of a clock, of which each processor makes a hundred a second
used() {
	cut -d ' ' -f 14,15 "/proc/$(input_pid)/stat" | tr ' ' +
}
before=$(($(used)))
sleep 3
expect "it rests" "$(($(used) - before < 30))" 1

echo "The keeper is killed:"
hold
kill_keeper mortal
wait_until "x is up in the guest" is_held "$keyboard" ""
wait_until "the host has its keyboard" real_is_free
expect "the guest's keyboard is still there" "$(guest_node mortal keyboard)" "$keyboard"
release x
begin mortal adopt -v mortal
wait_state mortal running
wait_until "the host has it" has_input mortal host
wait_until "a copy for the host" has_clone
goes_on

echo "Keeper and input process are killed at once:"
hold
kill -KILL "$(input_pid)" "${keepers[mortal]}"
ended mortal 2>/dev/null
wait_until "the host has its keyboard" real_is_free
expect "x is still down in the guest" "$(evdev held "$keyboard" | xargs)" 45
begin mortal adopt -v mortal
wait_until "x is up in the guest" is_held "$keyboard" ""
wait_state mortal running
wait_until "the host has it" has_input mortal host
wait_until "a copy for the host" has_clone
goes_on

echo "QEMU is killed:"
release y
hold
kill -KILL "$(qemu_pid mortal)"
wait_until "the host has its keyboard" real_is_free
ended mortal
release x
if guest_node mortal keyboard; then
	fail "the guest's keyboard outlived it"
fi
no_input_modules
