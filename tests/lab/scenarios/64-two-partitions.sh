#!/bin/bash
# lab: full boot=lab.cpus=8 limit=600
# Two guests with a partition each end in both orders: no CPU, controller or mask is left.
. tests/lab/lib.sh

values() {
	echo "$(</sys/fs/cgroup/cpuset.cpus.effective) [$(</sys/fs/cgroup/cgroup.subtree_control)]" \
		"$(</proc/irq/default_smp_affinity) $(taskset -cp $bystander | sed 's/.*: //')"
}
taskset -c 2,5 sleep 1000 &
bystander=$!
trap 'kill $bystander' EXIT
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
