#!/bin/bash
# What an event costs on its way through the switcher, beside a bare loop: figures to look at, and nothing lost.
# lab: full limit=900
. tests/lab/lib.sh

modprobe -a evdev uinput
BUILD=$(dirname "$VFIORUN") scripts/bench input
BUILD=$(dirname "$VFIORUN") scripts/bench --json input >"$SCRATCH/figures"
expect "lost of a fast mouse" "$(jq .input.flood_switcher_lost "$SCRATCH/figures")" 0
modprobe -r uinput
