#!/bin/bash
# Two guests want the same of the host: it is put back when the last of them ends, whichever that is and
# however the other did.
. tests/lab/lib.sh
value=/sys/module/kvm/parameters/ignore_msrs

for name in first second; do
	profile $name <<-END
		[cpu]
		vcpus = 1
		[host]
		ignore_msrs = yes
	END
done

start_both() {
	echo "$*:"
	expect "  before" "$(<$value)" N
	start first
	start second
	expect "  both run" "$(<$value)" Y
}

start_both "The first ends first"
stop first
expect "  one runs" "$(<$value)" Y
stop second
expect "  none runs" "$(<$value)" N

start_both "The second ends first"
stop second
expect "  one runs" "$(<$value)" Y
stop first
expect "  none runs" "$(<$value)" N

for victim in first second; do
	other=first
	[[ $victim == second ]] || other=second
	start_both "The $victim is killed, QEMU and all"
	qemu=$(qemu_pid $victim)
	kill_keeper $victim
	kill -KILL "$qemu"
	expect "  one runs" "$(<$value)" Y
	vfiorun revert $victim
	expect "  one runs, the other is settled" "$(<$value)" Y
	stop $other
	expect "  none runs" "$(<$value)" N
done
