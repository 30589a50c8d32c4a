#!/bin/bash
# Started in a cgroup that has CPUs 1 and 2 only, vfiorun plans with those, and says why others cannot be had.
. tests/lab/lib.sh
cgroup=/sys/fs/cgroup/lab

leave() {
	rmdir $cgroup
	echo -cpuset >/sys/fs/cgroup/cgroup.subtree_control
}
trap leave EXIT
echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
mkdir $cgroup
echo 1-2 >$cgroup/cpuset.cpus

confined() {
	(echo $BASHPID >$cgroup/cgroup.procs && "$@")
}

profile confined </dev/null
confined plan confined . >"$SCRATCH/plan"
jq -r '.pins[] | "\(.thread) \(.cpus) \(.why)"' "$SCRATCH/plan"
expect "CPUs of the plan" "$(jq -r '[.pins[].cpus] | unique | join(" ")' "$SCRATCH/plan" | tr ' ,-' '\n' |
	sort -u | xargs)" "1 2"

status=0
confined vfiorun plan "$SCRATCH/confined.conf" --set cpu.pin=2,3 >"$SCRATCH/refused" 2>&1 || status=$?
cat "$SCRATCH/refused"
expect "status of a pin outside of them" $status 3
grep -q 'CPU 3' "$SCRATCH/refused" || fail "it does not say which CPU"

echo "And it runs there:"
(echo $BASHPID >$cgroup/cgroup.procs && exec "$VFIORUN" run "$SCRATCH/confined.conf" --detach)
for task in /proc/"$(qemu_pid confined)"/task/*; do
	cpus=$(taskset -cp "${task##*/}" | sed 's/.*: //')
	echo "$(<"$task/comm") $cpus"
	[[ $cpus == [12] || $cpus == 1,2 ]] || fail "a thread on other CPUs"
done
vfiorun stop confined --force
