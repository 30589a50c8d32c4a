#!/bin/bash
# Interrupts leave the vCPUs' CPUs while the guest runs, and come back; those that their driver keeps to itself are
# named. What somebody else does to a mask meanwhile stays.
. tests/lab/lib.sh
. tests/lab/devices.sh

host_driver $drive nvme
wait_for "the drive's queues have interrupts" bash -c 'grep -qs nvme0q1 /sys/kernel/irq/*/actions'
masks() {
	grep . /proc/irq/*/smp_affinity_list /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask
}
# Interrupts that somebody listens to and that may go to CPU 2 or 3, by their listeners; the timer's can go nowhere else
# on any machine, and is not spoken of
intruders() {
	local irq

	for irq in /sys/kernel/irq/*; do
		[[ -s $irq/actions && -n $(<"$irq/actions") ]] || continue
		grep -q '[23]' "/proc/irq/${irq##*/}/smp_affinity_list" 2>/dev/null || continue
		echo "$(<"$irq/actions")"
	done | grep -vx timer | sort | xargs || true
}

before=$(masks)
profile quiet </dev/null
vfiorun plan "$SCRATCH/quiet.conf" | grep -A 3 mask || fail "the plan says nothing of masks"
start quiet
cat "$SCRATCH/quiet.out"
expect "interrupts set up from now on" "$(</proc/irq/default_smp_affinity)" 3
expect "workqueues" "$(</sys/devices/virtual/workqueue/cpumask)" 3
left=$(intruders)
echo "still there: $left"
[[ -n $left ]] || fail "the drive's queues were moved, which they can't be"
[[ -z $(tr ' ' '\n' <<<"$left" | grep -v '^nvme0q' || true) ]] || fail "others than the drive's queues stayed"
grep -q "interrupts .* can't be moved" "$SCRATCH/quiet.out" || fail "what stayed was not named"
echo 1 >/proc/irq/default_smp_affinity
stop quiet
expect "somebody else's bits stay, ours come back" "$(</proc/irq/default_smp_affinity)" d
echo f >/proc/irq/default_smp_affinity
expect "masks" "$(masks | diff <(echo "$before") - || true)" ""
