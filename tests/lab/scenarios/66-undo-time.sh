#!/bin/bash
# lab: full
# How long undoing a partition takes, with masks and governors, against the same writes alone. It asserts no time, but
# that each round gives all back (the runner's look at the machine), and prints the writes' own ratio (A/A) beside.
. tests/lab/lib.sh
vm=/sys/fs/cgroup/vfiorun-timed

changes() {
	local irq

	printf 'set\t%s\tpowersave\n' /sys/devices/system/cpu/cpufreq/policy*/scaling_governor
	printf 'mask\t/proc/irq/default_smp_affinity\twithout 2-3\n'
	for irq in /proc/irq/2[0-9]; do
		printf 'mask\t%s/smp_affinity_list\twithout 2-3 else 0-1\n' "$irq"
	done
	printf 'token\t/sys/fs/cgroup/cgroup.subtree_control\tcpuset\n'
	printf 'cgroup\t%s\tdomain\n' $vm
	printf 'cpuset\t%s/cpuset.cpus\t1-3\n' $vm
	printf 'cpuset\t%s/cpuset.cpus.partition\troot\n' $vm
	printf 'token\t%s/cgroup.subtree_control\tcpuset\n' $vm
	printf 'cgroup\t%s/vcpus\tthreaded\n' $vm
	printf 'cpuset\t%s/vcpus/cpuset.cpus\t2-3\n' $vm
	printf 'cpuset\t%s/vcpus/cpuset.cpus.partition\tisolated\n' $vm
}

changes >"$SCRATCH/changes"
for ((i = 0; i < 10; i++)); do
	mkdir "$SCRATCH/$i"
	"$TOOLS/time-undo" "$SCRATCH/$i" <"$SCRATCH/changes"
done >"$SCRATCH/times"

# median WHAT FIRST STEP: of every STEP-th of them, from the FIRST on
median() {
	awk -v what="$1" '$1 == what { print $2 }' "$SCRATCH/times" | awk "NR % $3 == $2 % $3" | sort -n |
		awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}
undo=$(median undo 1 1) bare=$(median bare 1 1)
echo "medians of 10: undo $undo µs, the same writes alone $bare µs: $((undo * 100 / bare)) %," \
	"A/A $(($(median bare 1 2) * 100 / $(median bare 2 2))) %"
