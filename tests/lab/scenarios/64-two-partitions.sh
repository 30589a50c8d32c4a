#!/bin/bash
# lab: full boot=lab.cpus=8 limit=600
# Two guests with a partition each, started one after the other and at the same instant, end in both orders: no CPU,
# controller or mask is left.
. tests/lab/lib.sh

values() {
	echo "$(</sys/fs/cgroup/cpuset.cpus.effective) [$(</sys/fs/cgroup/cgroup.subtree_control)]" \
		"$(</proc/irq/default_smp_affinity) $(taskset -cp $bystander | sed 's/.*: //')"
}
taskset -c 2,5 sleep 1000 &
bystander=$!
trap 'kill $bystander' EXIT
wait_until "the bystander" grep -qx sleep /proc/$bystander/comm
before=$(values)
profile one <<<""
profile two <<<""
for order in "one two" "two one"; do
	start one
	expect "one" "$(plan one .isolation.method)" partition
	start two
	threads one
	threads two
	expect "partitions" "$(cat /sys/fs/cgroup/vfiorun-{one,two}/vcpus/cpuset.cpus.partition | xargs)" \
		"isolated isolated"
	for name in $order; do
		stop "$name"
		echo "without $name: $(values)"
	done
	expect "after $order" "$(values)" "$before"
done

for ((i = 1; i <= 4; i++)); do
	begin one
	begin two
	wait_state one running
	wait_state two running
	expect "partitions of start $i" "$(cat /sys/fs/cgroup/vfiorun-{one,two}/vcpus/cpuset.cpus.partition | xargs)" \
		"isolated isolated"
	threads one
	threads two
	stop one
	stop two
	expect "after start $i" "$(values)" "$before"
done
