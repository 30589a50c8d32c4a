#!/bin/bash
# lab: full boot=lab.systemd
# Beside systemd the partition is a delegated scope's: what systemd does to its own cgroups leaves it alone, and
# nothing of it stays.
. tests/lab/lib.sh
vm=/sys/fs/cgroup/vfiorun-beside.scope

[[ $(</proc/1/comm) == systemd ]] || skip "systemd is not process 1"
taskset -c 0,2 sleep 1000 &
bystander=$!
trap 'kill $bystander' EXIT
look() {
	echo "$(<$vm/cpuset.cpus.partition) $(<$vm/vcpus/cpuset.cpus.partition)" \
		"$(<$vm/vcpus/cpuset.cpus.effective) $(threads beside | awk '/^vcpu/ {print $3}' | xargs)"
}

before=$(</sys/fs/cgroup/cgroup.subtree_control)
profile beside </dev/null
expect "method" "$(plan beside .isolation.method)" partition
start beside
outer=root
# since Linux 6.7 the vCPUs' lies in what is none
[[ ! -e $vm/cpuset.cpus.exclusive ]] || outer=member
expect "partitions" "$(look)" "$outer isolated 2-3 2 3"
systemctl daemon-reload
expect "after daemon-reload" "$(look)" "$outer isolated 2-3 2 3"
systemctl set-property --runtime lab.service CPUWeight=77
systemctl set-property --runtime vfiorun-beside.scope CPUWeight=88
systemctl daemon-reload
expect "after set-property" "$(look)" "$outer isolated 2-3 2 3"
stop beside
cat "$SCRATCH/beside.out"
[[ ! -e $vm ]] || fail "the scope is still there"
expect "the bystander" "$(taskset -cp $bystander | sed 's/.*: //')" 0,2
expect "controllers" "$(tr ' ' '\n' </sys/fs/cgroup/cgroup.subtree_control | grep -c cpuset || true)" \
	"$(tr ' ' '\n' <<<"$before" | grep -c cpuset || true)"
systemctl revert lab.service
