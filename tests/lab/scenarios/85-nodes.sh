#!/bin/bash
# A guest's memory is on the node that its profile names, and nowhere else.
. tests/lab/lib.sh

# Pages of the guest's RAM by node, as the kernel counts them: 32M is 8192
pages() {
	sed -n 's/.* bind:\([01]\) .*anon=8192 .*\(N[01]=8192\).*/policy \1, \2/p' "/proc/$(qemu_pid "$1")/numa_maps"
}

for node in 0 1; do
	profile node$node <<-END
		[memory]
		nodes = $node
		prealloc = yes
	END
	start node$node
	expect "memory of a guest on node $node" "$(pages node$node)" "policy $node, N$node=8192"
	expect "status says of it" "$(vfiorun status node$node --json | jq -r \
		'.memory | "\(.present) of \(.bytes), node \(.nodes[0].node): \(.nodes[0].bytes), \(.nodes | length)"')" \
		"33554432 of 33554432, node $node: 33554432, 1"
	vfiorun status node$node | grep -q "^memory .* on node $node\$" || fail "status does not show it"
	stop node$node
done
