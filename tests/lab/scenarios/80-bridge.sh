#!/bin/bash
# A guest on a bridge: its tap is on the bridge while it runs, made by root for a QEMU that is not, and gone
# afterwards.
. tests/lab/lib.sh

ip link add br-lab type bridge
trap 'ip link del br-lab' EXIT
ip link set br-lab up
profile bridged <<END
[net "lan"]
type = bridge
bridge = br-lab
END
expect "before" "$(echo /sys/class/net/br-lab/brif/*)" '/sys/class/net/br-lab/brif/*'
start bridged
taps=(/sys/class/net/br-lab/brif/*)
expect "ports of the bridge" ${#taps[@]} 1
tap=${taps[0]##*/}
expect "$tap is a tap" "$(ls "/sys/class/net/$tap/tun_flags")" "/sys/class/net/$tap/tun_flags"
[[ $(<"/sys/class/net/$tap/flags") == 0x1[0-9]03 ]] || fail "$tap is not up: $(<"/sys/class/net/$tap/flags")"
expect "QEMU's user" "$(stat -c %U "/proc/$(qemu_pid bridged)")" nobody
vfiorun status bridged
stop bridged
[[ ! -e /sys/class/net/$tap ]] || fail "$tap is still there"
