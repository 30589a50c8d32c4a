#!/bin/bash
# An ordinary user, of the group input: a keyboard that is plugged in again is root's until udev has looked at it, which
# here takes three seconds, and is shared as soon as it is the user's to open.
# lab: full limit=500
. tests/lab/lib.sh
. tests/lab/input.sh

[[ -x /lib/systemd/systemd-udevd ]] || skip "no udev: run scripts/install-packages lab"
mkdir -p /run/udev/rules.d
cp systemd/72-vfiorun.rules /run/udev/rules.d/
cat >/run/udev/rules.d/60-slow.rules <<-'END'
	KERNEL=="uinput", GROUP="input", MODE="0660"
	SUBSYSTEM=="input", KERNEL=="event*", ATTRS{name}=="QEMU QEMU USB Keyboard", ATTRS{phys}!="vfiorun/*", PROGRAM="/bin/sleep 3"
END
/lib/systemd/systemd-udevd &
udevd=$!
wait_until "udev answers" test -S /run/udev/control
input_modules
udevadm trigger --action=add --subsystem-match=input --subsystem-match=misc
udevadm settle --timeout=120

home=$SCRATCH/home
install -d -m 700 -o nobody "$home"
# as_user COMMAND...
as_user() {
	setpriv --reuid nobody --regid nogroup --groups input \
		env HOME="$home" XDG_RUNTIME_DIR="$home" XDG_STATE_HOME="$home" "$@"
}
is_theirs() {
	as_user test -w "$node"
}
real=$node
wait_until "the keyboard is theirs" is_theirs

profile user <<-END
	[input]
	mouse = none
END
chmod 644 "$SCRATCH/user.conf"

echo "Who is not of that group is told so:"
status=0
setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$home" XDG_RUNTIME_DIR="$home" XDG_STATE_HOME="$home" \
	"$VFIORUN" check "$SCRATCH/user.conf" --json >"$SCRATCH/check" || status=$?
expect "status" $status 3
jq -r '.findings[] | select(.code | IN("no-uinput", "input-rights")) | "\(.severity) \(.evidence) -> \(.remedy)"' \
	"$SCRATCH/check" >"$SCRATCH/said"
cat "$SCRATCH/said"
grep -q "^error .*Permission denied -> .*GROUP=\"input\".*usermod -aG input nobody" "$SCRATCH/said" || fail "not of /dev/uinput"
grep -q "^warning nobody can't open /dev/input/event.* -> .*usermod -aG input nobody" "$SCRATCH/said" || fail "not of the keyboard"

plans() {
	as_user "$VFIORUN" plan "$SCRATCH/user.conf" >"$SCRATCH/said" 2>&1
}
wait_until "a plan" plans
as_user "$VFIORUN" run -v "$SCRATCH/user.conf" --headless >"$SCRATCH/user.out" 2>&1 </dev/null &
keeper=$!
has_clone() {
	kill -0 $keeper || fail "it ended: $(<"$SCRATCH/user.out")"
	node_of "$usb_keyboard" vfiorun/clone/
}
wait_until "a copy for the host" has_clone
is_taken() {
	! evdev free "$real"
}
wait_until "the keyboard is taken" is_taken

# replug ROUND: at once root's, later the user's
replug() {
	hand device_del '{"id": "keyboard"}' >/dev/null
	wait_until "round $1: it is unplugged" gone
	hand device_add '{"driver": "usb-kbd", "bus": "xhci.0", "id": "keyboard"}' >/dev/null
	wait_until "round $1: its node" node_of "$usb_keyboard"
	real=$node
	if is_theirs; then
		fail "round $1: it is the user's at once: nothing is shown"
	fi
	wait_until "round $1: it is the user's" is_theirs
	theirs=${EPOCHREALTIME/./}
	wait_until "round $1: a copy" has_clone
	echo "round $1: a copy is there $(((${EPOCHREALTIME/./} - theirs) / 1000)) ms after that"
	wait_until "round $1: it is taken" is_taken
}
gone() {
	! node_of "$usb_keyboard" && ! node_of "$usb_keyboard" vfiorun/clone/
}
for round in 1 2 3; do
	replug $round
done

echo "What is typed then:"
wait_until "a copy" has_clone
watch "$node" "$SCRATCH/host.events"
type_key a
says() {
	[[ $(host_says) == "$1" ]]
}
wait_until "the host sees a" says "30:1 30:0"
unwatch "$SCRATCH/host.events"
as_user "$VFIORUN" stop user --force
wait $keeper
wait_until "the real keyboard is free" evdev free "$real"
no_input_modules
udevadm control --exit
wait $udevd
rm -r /run/udev
