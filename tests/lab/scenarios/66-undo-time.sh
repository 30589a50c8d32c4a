#!/bin/bash
# lab: full
# Undoing a partition, with masks and governors, takes no more than half as long again as the same writes alone.
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
for ((i = 0; i < 5; i++)); do
	mkdir "$SCRATCH/$i"
	"$TOOLS/time-undo" "$SCRATCH/$i" <"$SCRATCH/changes"
done >"$SCRATCH/times"
median() {
	awk -v what="$1" '$1 == what { print $2 }' "$SCRATCH/times" | sort -n | sed -n 3p
}
undo=$(median undo) bare=$(median bare)
echo "medians of 5: undo $undo µs, the same writes alone $bare µs: $((undo * 100 / bare)) %"
[[ $((undo * 100)) -le $((bare * 150)) ]] || fail "undo takes too long"
