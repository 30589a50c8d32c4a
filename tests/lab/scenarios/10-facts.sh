#!/bin/bash
# vfiorun sees the machine as lscpu does, and as it was made: also when a CPU goes offline.
. tests/lab/lib.sh

compare() {
	vfiorun host --json >"$SCRATCH/host"
	jq -r '.cpus[] | select(.online) | [.cpu, .core, .socket, .node, .l3] | join(",")' "$SCRATCH/host" \
		>"$SCRATCH/ours"
	lscpu -p=CPU,CORE,SOCKET,NODE,CACHE | awk -F, -v OFS=, '!/^#/ {print $1, $2, $3, $4, $NF}' >"$SCRATCH/theirs"
	diff "$SCRATCH/theirs" "$SCRATCH/ours" || fail "not what lscpu says (<)"
}

host() {
	jq -r "$1" "$SCRATCH/host"
}

echo "all CPUs are online:"
compare
expect "CPU, core, socket, node, L3" "$(xargs <"$SCRATCH/ours")" "0,0,0,0,0 1,0,0,0,0 2,1,1,1,1 3,1,1,1,1"
expect "siblings" "$(host '[.cpus[].siblings] | join(" ")')" "0-1 0-1 2-3 2-3"
expect "distances" "$(host '[.nodes[].distances | join(",")] | join(" ")')" "10,21 21,10"
expect "CPUs of the nodes" "$(host '[.nodes[].cpus] | join(" ")')" "0-1 2-3"
expect "isolated" "$(host 'any(.cpus[]; .isolated)')" false
expect "memory of the nodes, GiB" "$(host '[.nodes[].bytes / 1073741824 | round] | join(" ")')" "1 1"

echo "CPU 3 goes offline:"
trap 'echo 1 >/sys/devices/system/cpu/cpu3/online' EXIT
echo 0 >/sys/devices/system/cpu/cpu3/online
compare
expect "online" "$(host '[.cpus[].online] | join(" ")')" "true true true false"
expect "CPU 2's siblings" "$(host '.cpus[2].siblings')" 2
expect "CPUs of node 1" "$(host '.nodes[1].cpus')" 2
