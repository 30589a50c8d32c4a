#!/bin/bash
# What an event costs on its way through the switcher, beside a bare loop: figures to look at. And of a fast mouse nothing
# is lost, at the highest rate at which a bare loop on this machine loses nothing.
# lab: full limit=1800
. tests/lab/lib.sh

# flood RATE: what was lost, of the bare loop and of the switcher
flood() {
	"$(dirname "$VFIORUN")/tools/input-bench" flood 60 "$1" | tee -a "$SCRATCH/floods" |
		sed -n 's/.* lost \([0-9]*\) .*/\1/p' | xargs
}

modprobe -a evdev uinput
BUILD=$(dirname "$VFIORUN") scripts/bench input
tries=0
for ((rate = 8000; rate >= 500;)); do
	read -r bare switcher < <(flood $rate)
	echo "$rate reports a second: a bare loop lost $bare, the switcher $switcher"
	[[ $bare != 0 || $switcher != 0 ]] || break
	# the machine may have stood still for a moment: that is no rule, and so the switcher gets three of them
	if [[ $bare != 0 ]]; then
		rate=$((rate / 2)) tries=0
	elif ((++tries == 3)); then
		fail "the switcher lost $switcher where a bare loop lost nothing: $(<"$SCRATCH/floods")"
	fi
done
modprobe -r uinput
[[ $rate -ge 500 ]] || skip "a bare loop loses events even at 500 a second"
