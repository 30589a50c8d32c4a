#!/bin/bash
# lab: full kernel=bookworm-backports
# Since Linux 6.7 a partition may lie in what is none: only the vCPUs have CPUs of their own, what else QEMU runs shares
# the host's, and the kernel keeps its own work off by itself. Each thing that the kernel says of it is as it was when
# it is over: stopped, or its keeper killed at any step; and also where somebody else's partition came first and goes
# last.
. tests/lab/lib.sh
top=/sys/fs/cgroup vm=$top/vfiorun-remote queues=/sys/devices/virtual/workqueue

cpus_of() {
	taskset -cp "$1" | sed 's/.*: //'
}

# look: what the kernel says
look() {
	grep -s '' $top/cpuset.cpus.{effective,isolated} $top/cgroup.subtree_control $queues/cpumask* \
		/proc/irq/default_smp_affinity | sed "s|^/.*/||"
	find $top -mindepth 1 -type d -name 'vfiorun*'
	# shellcheck disable=SC2086 # several
	for task in $bystanders; do cpus_of $task; done
}

bystanders=
for cpus in 0,2 3 1-3; do
	taskset -c $cpus sleep 1000 &
	bystanders+=" $!"
done
# shellcheck disable=SC2086 # several
trap 'kill $bystanders' EXIT
for task in $bystanders; do
	wait_until "a bystander" grep -qx sleep "/proc/$task/comm"
done
before=$(look)
echo "$before"
profile remote <<<""
vfiorun plan "$SCRATCH/remote.conf" | sed -n '/solation/,/^$/p'
start remote
threads remote
expect "the outer cgroup is no partition" "$(<$vm/cpuset.cpus.partition)" member
expect "the vCPUs' is one" "$(<$vm/vcpus/cpuset.cpus.partition)" isolated
expect "its CPUs" "$(<$vm/vcpus/cpuset.cpus.exclusive.effective) $(<$vm/vcpus/cpuset.cpus.effective)" "2-3 2-3"
expect "isolated, as the machine says" "$(<$top/cpuset.cpus.isolated)" 2-3
expect "the host has" "$(<$top/cpuset.cpus.effective)" 0-1
expect "the rest of QEMU has" "$(<$vm/cpuset.cpus.effective) $(cpus_of "$(qemu_pid remote)")" "0-1 0,1"
expect "workqueues" "$(<$queues/cpumask)" 3
expect "of them was asked" "$(<$queues/cpumask_requested)" f
! taskset -c 2,3 true 2>/dev/null || fail "another task can run on the vCPUs' CPUs"
for task in $bystanders; do
	[[ $(cpus_of "$task") != *[23]* ]] || fail "a bystander is on $(cpus_of "$task")"
done
# the kernel knows what this one wished for, also of its children
taskset -c 0,2 sleep 1000 2>/dev/null &
late=$!
bystanders+=" $late"
sleep 0.5
expect "one that wishes for 0 and 2 meanwhile" "$(cpus_of $late)" 0
stop remote
expect "that one afterwards" "$(cpus_of $late)" 0,2
bystanders=${bystanders% *}
kill $late
expect "afterwards" "$(look)" "$before"

echo "Somebody's own partition is there before and goes after:"
echo +cpuset >$top/cgroup.subtree_control
mkdir $top/lab
leave() {
	# shellcheck disable=SC2086 # several
	kill $bystanders
	rmdir $top/lab && echo -cpuset >$top/cgroup.subtree_control
}
trap leave EXIT
echo 3 >$top/lab/cpuset.cpus
echo isolated >$top/lab/cpuset.cpus.partition
expect "it has" "$(<$top/lab/cpuset.cpus.partition) $(<$queues/cpumask)" "isolated 7"
profile single <<<""
sed -i 's/^vcpus = 2/vcpus = 1\npin = 2/' "$SCRATCH/single.conf"
start single
threads single
expect "both are isolated" "$(<$top/cpuset.cpus.isolated) $(<$queues/cpumask)" "2-3 3"
stop single
expect "it still has" "$(<$top/lab/cpuset.cpus.partition) $(<$queues/cpumask)" "isolated 7"
rmdir $top/lab
echo -cpuset >$top/cgroup.subtree_control
trap 'kill $bystanders' EXIT
expect "once it is gone" "$(look)" "$before"

keeper_dies_at_moments remote look "${MOMENTS:-6}"
