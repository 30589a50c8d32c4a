#!/bin/bash
# Keys typed on the USB keyboard, from outside, arrive in a guest's Linux once and in order, also across switches, and
# so does what a mouse does, with virtio-host, by PS/2, and by QEMU's virtio and USB devices; and with virtio-host the
# guest's LEDs are the keyboard's, and fine wheels turn.
# lab: full limit=3000
. tests/lab/lib.sh
. tests/lab/input.sh

[[ -e $GUEST/initrd.img ]] || skip "no guest to boot: run scripts/make-guest"
unpack_kernel
# The guest's own, and who tells what its devices send. An archive may stand before another (Linux's initramfs).
mkdir -p "$SCRATCH/more/bin"
gcc -O2 -static -o "$SCRATCH/more/bin/events" tests/guest/events.c
(cd "$SCRATCH/more" && find . | cpio --create --quiet -H newc -R 0:0) | cat - "$GUEST/initrd.img" >"$SCRATCH/initrd"
input_modules
real=$node
# A key that is held meanwhile would fill the queues of a guest that is as slow as this one.
evdev calm "$real"
mkfifo "$SCRATCH/moves"
"$TOOLS/evdev" make "fine mouse" mouse <"$SCRATCH/moves" >"$SCRATCH/made" &
mouse=$!
exec {moves}>"$SCRATCH/moves"

# listens KEYBOARD: its Linux has booted, and has it
listens() {
	local deadline=$((SECONDS + 1500))

	until grep -q "guest: event[0-9]* is $1" "$console"; do
		[[ $SECONDS -lt $deadline ]] || fail "the guest has no $1: $(tail -n 20 "$console")"
		sleep 2
	done
}

# linux NAME KEYBOARD WORDS: a guest whose Linux has that keyboard, by this line of [input], and tells what it gets
linux() {
	profile "$1" <<-END
		[vm]
		memory = 144M
		os = linux
		[cpu]
		vcpus = 1
		isolate = none
		model = qemu64
		[boot]
		kernel = $SCRATCH/vmlinux
		initrd = $SCRATCH/initrd
		cmdline = console=ttyS0 quiet mitigations=off nowatchdog no_timer_check cryptomgr.notests guest.do=events
		[input]
		mouse = name:fine mouse
		$3
	END
	wait_until "a plan" planned "$1"
	start "$1"
	console=$SCRATCH/$1.out
	listens "$2"
	# shellcheck disable=SC2119
	wait_until "a copy for the host" node_of "$usb_keyboard" vfiorun/clone/
	clone=$node
	watch "$clone" "$SCRATCH/host.events"
}

# told: the keys that the guest got, but for a hotkey's first, which a slow hand lets through as a whole press
told() {
	sed -n 's/.*guest: event[0-9]* 1 \([0-9]*\) \([01]\)\r*$/\1:\2/p' "$console" | xargs |
		sed -E 's/(29:1 29:0|97:1 97:0) ?//g; s/ $//'
}

guest_got() {
	[[ $(told) == "$1" ]]
}

heard() {
	host_says | sed -E 's/(29:1 29:0|97:1 97:0) ?//g; s/ $//'
}

# both GUEST HOST: what each has by now
both() {
	local deadline=$((SECONDS + 180))

	until guest_got "$1" && [[ $(heard) == "$2" ]]; do
		[[ $SECONDS -lt $deadline ]] || fail "the guest got '$(told)' instead of '$1', the host '$(heard)'" \
			"instead of '$2'; $(grep -c dropped "$console" || true) times who looks could not follow"
		sleep 0.2
	done
}

by_chord() {
	press ctrl ctrl_r
	wait_until "$2 has it" has_input "$1" "$2"
	release ctrl_r ctrl
}

# type_alphabet: as fast as it goes. Sets `alphabet` to what shall come of it.
type_alphabet() {
	local row code i

	alphabet=
	for row in 16qwertyuiop 30asdfghjkl 44zxcvbnm; do
		for ((i = 2, code = ${row:0:2}; i < ${#row}; i++, code++)); do
			type_key "${row:i:1}"
			alphabet+=" $code:1 $code:0"
		done
	done
}

# typed NAME: on both sides, over command and chord, and with a key held. Sets `got`, what the guest has by now.
typed() {
	got=
	type_key h
	both "" "35:1 35:0"
	vfiorun switch "$1" guest
	type_key a
	press shift b
	release b shift
	got="30:1 30:0 42:1 48:1 48:0 42:0"
	both "$got" "35:1 35:0"
	by_chord "$1" host
	type_key x
	both "$got" "35:1 35:0 45:1 45:0"
	by_chord "$1" guest
	press f
	both "$got 33:1" "35:1 35:0 45:1 45:0"
	vfiorun switch "$1" host
	got+=" 33:1 33:0"
	both "$got" "35:1 35:0 45:1 45:0"
	release f
	type_key y
	both "$got" "35:1 35:0 45:1 45:0 21:1 21:0"
	vfiorun switch "$1" guest
	for key in q w e r t; do
		type_key $key
	done
	got+=" 16:1 16:0 17:1 17:0 18:1 18:0 19:1 19:0 20:1 20:0"
	both "$got" "35:1 35:0 45:1 45:0 21:1 21:0"
}

# typed_fast: and more than queues hold
typed_fast() {
	type_alphabet
	both "$got$alphabet" "35:1 35:0 45:1 45:0 21:1 21:0"
}

# moved WHAT...: the guest's mouse said so
moved() {
	local what

	for what; do
		wait_until "the mouse says $what" grep -qE "guest: event[0-9]* $what\b" "$console"
	done
}

# sums AXIS VALUE: so far it was moved by so much in all
sums() {
	local sum

	sum=$(tr -d '\r' <"$console" |
		awk -v axis="$1" '/guest: event[0-9]+ 2 / && $(NF - 1) == axis { n += $NF } END { print n + 0 }')
	[[ $sum == "$2" ]]
}

# clicked TIMES
clicked() {
	[[ $(grep -cE 'guest: event[0-9]* 1 272 1\b' "$console") -eq $1 ]]
}

# move_mouse: to the right, a click with each of five buttons, seven steps of the wheel, six of them in one report, and
# all at once more than a guest as slow as this one takes, with a button that stays down
move_mouse() {
	local button i

	echo 2:0:5 >&"$moves"
	for button in 272 273 274 275 276; do
		echo 1:$button:1 >&"$moves"
		moved "1 $button 1"
		echo 1:$button:0 >&"$moves"
		moved "1 $button 0"
	done
	wait_until "it has moved" sums 0 5
	echo 2:8:1 2:11:120 >&"$moves"
	echo 2:8:6 2:11:720 >&"$moves"
	wait_until "the wheel has turned" sums 8 7
	for ((i = 0; i < 20; i++)); do
		echo 2:0:1
	done >&"$moves"
	echo 1:272:1 >&"$moves"
	wait_until "it has moved all the way" sums 0 25
	wait_until "its button is down" clicked 2
	echo 1:272:0 >&"$moves"
}

# ends NAME: and nothing was lost by who looks
ends() {
	if grep dropped "$console"; then
		fail "this machine is too slow to look"
	fi
	unwatch "$SCRATCH/host.events"
	stop "$1"
}

# lit LED...: exactly these of the real keyboard
lit() {
	[[ $(evdev leds "$real" | xargs) == "$*" ]]
}

has_led() {
	[[ " $(evdev leds "$real" | xargs) " == *" $1 "* ]]
}

echo "With virtio-host:"
linux whole "vfiorun keyboard of whole" "transport = virtio-host"
typed whole
typed_fast
move_mouse
echo "The wheel by a third of a step, and to the side:"
echo 2:11:40 >&"$moves"
echo 2:6:1 2:12:120 >&"$moves"
moved "2 11 40" "2 6 1" "2 12 120"
echo "Caps Lock is lit while the guest has the keyboard, and what the host had lit when the host has it:"
vfiorun switch whole host
wait_until "nothing is lit" lit
evdev light "$clone" 2 1
wait_until "the host's Scroll Lock is lit" lit 2
vfiorun switch whole guest
type_key caps_lock
wait_until "Caps Lock is lit" has_led 1
vfiorun switch whole host
wait_until "only Scroll Lock is lit" lit 2
vfiorun switch whole guest
wait_until "Caps Lock is lit again" has_led 1
# at QEMU's end the kernel lights on all keyboards what its console has
ends whole
echo "With QEMU's PS/2 keyboard and mouse:"
linux old "AT Translated" "sink = ps2"
typed old
typed_fast
move_mouse
ends old
# a guest as slow as this one loses what is typed faster than it looks: QEMU keeps eight keys, or 64 events
echo "With QEMU's virtio keyboard and mouse:"
linux virtual "QEMU Virtio Keyboard" "sink = virtio"
typed virtual
move_mouse
ends virtual
echo "With QEMU's USB keyboard and mouse:"
linux usb "QEMU QEMU USB Keyboard" "sink = usb"
typed usb
move_mouse
ends usb
exec {moves}>&-
wait $mouse
no_input_modules
