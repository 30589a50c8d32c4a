#!/bin/bash
# A partition: the vCPUs have their CPUs alone, and no other task of the host runs there. Before Linux 6.7 it lies in
# another one, for the rest of QEMU; later ones leave that with the host. What had an affinity of its own has it again
# afterwards, although kernels forget some.
. tests/lab/lib.sh
vm=/sys/fs/cgroup/vfiorun-apart

cpus_of() {
	taskset -cp "$1" | sed 's/.*: //'
}

# The kernel threads that memory reclaim has on each node, and those of ours that were given CPUs
affinities() {
	local task

	for task in $bystanders $(pgrep 'kswapd|kcompactd'); do
		echo "$(<"/proc/$task/comm") $(cpus_of "$task")"
	done | sort
}

# The tasks that may be moved and could run on one of CPUs $taken. One process for all: each costs its time here.
intruders() {
	awk -v taken="[$taken]" 'FILENAME ~ /stat$/ { sub(/.*\) /, ""); split($0, field, " "); flags[FILENAME "us"] = field[7] }
		/^Name:/ { name = $2 }
		/^Cpus_allowed_list:/ && $2 ~ taken && int(flags[FILENAME] / 67108864) % 2 == 0 { print name, $2 }' \
		/proc/[0-9]*/stat /proc/[0-9]*/status 2>/dev/null | grep -v '^qemu-system' || true
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
before=$(affinities)
profile apart </dev/null
expect "method" "$(plan apart .isolation.method)" partition
start apart
threads apart
taken=123 host=0 rest=1 partition=root moved="0 0 0"
[[ ! -e $vm/cpuset.cpus.exclusive ]] || taken=23 host=0-1 rest=0,1 partition=member moved="0 0,1 1"
expect "QEMU's partition" "$(<$vm/cpuset.cpus.partition)" $partition
expect "the vCPUs' in it" "$(<$vm/vcpus/cpuset.cpus.partition)" isolated
expect "the host has" "$(</sys/fs/cgroup/cpuset.cpus.effective)" $host
expect "vCPUs" "$(threads apart | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
expect "vCPUs' cgroup" "$(sort -n $vm/vcpus/cgroup.threads | xargs)" \
	"$(threads apart | awk '/^vcpu/ {print $2}' | sort -n | xargs)"
expect "the rest of QEMU" "$(cpus_of "$(qemu_pid apart)")" $rest
! taskset -c 2,3 true 2>/dev/null || fail "another task can run on the vCPUs' CPUs"
expect "tasks that could intrude" "$(intruders)" ""
# shellcheck disable=SC2086 # several
expect "bystanders on 0,2, on 3 and on 1-3" "$(for task in $bystanders; do cpus_of $task; done | xargs)" "$moved"
stop apart
expect "affinities" "$(affinities)" "$before"

echo "The profile insists on what cannot be had:"
status=0
vfiorun run "$SCRATCH/apart.conf" --headless --set cpu.isolate=partition --set cpu.pin=0-3 --set cpu.vcpus=4 \
	>"$SCRATCH/refused" 2>&1 || status=$?
cat "$SCRATCH/refused"
expect "status" $status 3
