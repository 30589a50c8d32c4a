# shellcheck shell=bash
# What the scenarios with keyboard and mouse share, beside tests/lab/lib.sh.

# In the background it is called by its own name: what kills a function's shell leaves what that called.
evdev() {
	"$TOOLS/evdev" "$@"
}

usb_keyboard="QEMU QEMU USB Keyboard"

input_modules() {
	modprobe -a xhci_pci usbhid hid_generic evdev uinput
	wait_until "the USB keyboard's node" node_of "$usb_keyboard"
}

no_input_modules() {
	wait_until "usbhid is free" modprobe -r hid_generic usbhid
	modprobe -r xhci_pci uinput
}

# node_of NAME [PHYS]: sets `node` to the event node of that device
node_of() {
	# shellcheck disable=SC2034 # whoever asked looks there
	node=$(evdev node "$@")
}

# guest_node NAME PART: of a guest's device
guest_node() {
	evdev node "vfiorun $2 of $1" vfiorun/guest/
}

# press|release KEY...: on the USB keyboard, from outside
press() {
	keys true "$@"
}

release() {
	keys false "$@"
}

# All in one go: a chord whose keys come one by one is slow on a slow machine.
keys() {
	local down=$1 key events=
	shift

	for key; do
		events+=${events:+, }$(key_event "$down" "$key")
	done
	hand input-send-event '{"events": ['"$events"']}' >/dev/null
}

# type_key KEY: down and up
type_key() {
	hand input-send-event '{"events": ['"$(key_event true "$1"), $(key_event false "$1")"']}' >/dev/null
}

key_event() {
	echo '{"type": "key", "data": {"down": '"$1"', "key": {"type": "qcode", "data": "'"$2"'"}}}'
}

# watch NODE FILE: what it sends goes to the file, until `unwatch`
declare -A watchers=()
watch() {
	"$TOOLS/evdev" watch "$1" >"$2" 2>&1 &
	watchers[$2]=$!
	wait_until "somebody listens to $1" grep -qx ready "$2"
}

unwatch() {
	kill "${watchers[$1]}" 2>/dev/null || true
	wait "${watchers[$1]}" 2>/dev/null || true
}

# host_says: the keys that the host saw, as CODE:VALUE; needs watch CLONE host.events
host_says() {
	sed -n 's/^1 \([0-9]*\) \([01]\)$/\1:\2/p' "$SCRATCH/host.events" | xargs
}

# guest_says NAME: the keys that its QEMU took since `guest_forget`, as QCODE:DOWN; a key that repeats is said once
guest_says() {
	tail -c "+$((guest_mark + 1))" "/var/log/vfiorun/$1.log" |
		sed -n 's/.*input_event_key_\(qcode\|number\) .*\(qcode\|code\) \([^,]*\), down \([01]\)$/\3:\4/p' | uniq | xargs
}

guest_mark=0 # bytes of its log that are of no interest
guest_forget() {
	guest_mark=$(stat -c %s "/var/log/vfiorun/$1.log")
}

has_input() {
	[[ $(vfiorun status "$1" --json | jq -r .input) == "$2" ]]
}

is_held() {
	[[ $(evdev held "$1" | xargs) == "$2" ]]
}

input_pid() {
	pgrep -x vfiorun-input
}

# traced NAME: a profile whose QEMU says what it is given
traced() {
	profile "$1" <<-END
		[qemu]
		arg = -trace
		arg = enable=input_event_*
		[input]
		$(cat)
	END
	# the first question to QEMU has a time limit that a busy machine may miss
	wait_until "a plan" planned "$1"
}

planned() {
	vfiorun plan "$SCRATCH/$1.conf" >/dev/null 2>&1
}

# What a scenario that failed leaves to read
show_logs() {
	local status=$?

	[[ $status -eq 0 || $status -eq 77 ]] || tail -n 40 /var/log/vfiorun/*.log
}
trap show_logs EXIT
