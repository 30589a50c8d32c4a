#!/bin/bash
# Interrupts leave the vCPUs' CPUs while the guest runs, and come back; those that their driver keeps to itself are
# named. What somebody else does to a mask meanwhile stays.
. tests/lab/lib.sh

modprobe nvme
trap 'modprobe -r nvme' EXIT
for ((i = 0; i < 50; i++)); do
	[[ ! -e /sys/class/nvme/nvme0 ]] || break
	sleep 0.2
done
masks() {
	grep . /proc/irq/*/smp_affinity_list /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask
}
# Interrupts that somebody listens to and that may go to CPU 2 or 3, by their listeners
intruders() {
	local irq

	for irq in /sys/kernel/irq/*; do
		[[ -s $irq/actions && -n $(<"$irq/actions") ]] || continue
		grep -q '[23]' "/proc/irq/${irq##*/}/smp_affinity_list" 2>/dev/null || continue
		echo "$(<"$irq/actions")"
	done | sort | xargs
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
[[ -z $(tr ' ' '\n' <<<"$left" | grep -vE '^(nvme0q|timer$)' || true) ]] || fail "others than the drive's queues and the timer stayed"
if [[ -n $left ]]; then
	grep -q "interrupts .* can't be moved" "$SCRATCH/quiet.out" || fail "what stayed was not named"
fi
echo 1 >/proc/irq/default_smp_affinity
stop quiet
expect "somebody else's bits stay, ours come back" "$(</proc/irq/default_smp_affinity)" d
echo f >/proc/irq/default_smp_affinity
expect "masks" "$(masks | diff <(echo "$before") - || true)" ""
