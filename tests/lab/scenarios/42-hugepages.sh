#!/bin/bash
# Huge pages are made for a guest on its node, are the kernel's to free once it has them, and none is left whoever
# ends first, is killed, or asked for more than there is.
. tests/lab/lib.sh

pool() {
	echo "/sys/devices/system/node/node$1/hugepages/hugepages-2048kB"
}

# "TOTAL SURPLUS FREE" of each node
pages() {
	local node

	for node in 0 1; do
		echo "$(<"$(pool $node)/nr_hugepages") $(<"$(pool $node)/surplus_hugepages")" \
			"$(<"$(pool $node)/free_hugepages")"
	done | paste -sd,
}

# guest NAME NODE [SIZE]
guest() {
	profile "$1" <<-END
		[vm]
		memory = ${3:-32M}
		[memory]
		hugepages = 2M
		nodes = $2
	END
}

none='0 0 0,0 0 0'
expect "pages at first" "$(pages)" "$none"
guest one 1
expect "plan" "$(plan one '.changes[] | select(.kind == "pool") | "\(.kind) \(.was) \(.want)"')" "pool 0 +16"
start one
expect "pages of a guest on node 1" "$(pages)" "0 0 0,16 16 0"
grep -q 'N1=16 kernelpagesize_kB=2048' "/proc/$(qemu_pid one)/numa_maps" || fail "its memory is elsewhere"

echo "A guest on the other node, while the first has surplus pages, and a second one on the same node"
guest zero 0
start zero
expect "pages" "$(pages)" "16 16 0,16 16 0"
guest again 1 48M
start again
expect "pages" "$(pages)" "16 16 0,40 40 0"

echo "The first one ends first, the last one by SIGKILL of all it has, at once"
stop one
expect "pages" "$(pages)" "16 16 0,24 24 0"
pid=$(qemu_pid again)
kill -KILL "${keepers[again]}" "$pid"
ended again 2>/dev/null
while [[ -e /proc/$pid ]]; do sleep 0.1; done
expect "pages before any revert" "$(pages)" "16 16 0,0 0 0"
vfiorun revert again
stop zero
expect "pages afterwards" "$(pages)" "$none"

echo "Pages that the host has of its own stay, and serve first"
echo 10 >"$(pool 0)/nr_hugepages"
expect "plan" "$(plan zero '.changes[] | select(.kind == "pool") | "\(.was) \(.want)"')" "10 +6"
start zero
expect "pages" "$(pages)" "16 6 0,0 0 0"
stop zero
expect "pages afterwards" "$(pages)" "10 0 10,0 0 0"
echo 0 >"$(pool 0)/nr_hugepages"

echo "Two that start at once: neither counts on pages that the other is about to take"
guest left 1
guest right 1 48M
begin left
begin right
wait_state left running
wait_state right running
deadline=$((SECONDS + 60))
until [[ $(pages) == "0 0 0,40 40 0" ]]; do
	[[ $SECONDS -lt $deadline ]] || fail "pages: $(pages)"
	sleep 0.2
done
stop left
stop right
expect "pages afterwards" "$(pages)" "$none"

echo "Pages of 1G, which no node has in one piece: said with numbers, and what to do instead"
profile large <<END
[vm]
memory = 1G
[memory]
hugepages = 1G
nodes = 0-1
leave = 16M
END
status=0
vfiorun run "$SCRATCH/large.conf" --headless >"$SCRATCH/large.out" 2>&1 </dev/null || status=$?
cat "$SCRATCH/large.out"
expect "its status" "$status" 3
grep -q 'huge pages of 1G on node 0: 1 more are needed, 0 came' "$SCRATCH/large.out" || fail "it was not said"
grep -q 'hugepages = 2M, or reserve them at boot' "$SCRATCH/large.out" || fail "what to do was not said"

echo "So many that the host would be left too little: no plan"
guest much 1 700M
status=0
vfiorun plan "$SCRATCH/much.conf" --set memory.leave=1500M >/dev/null 2>"$SCRATCH/much.out" || status=$?
cat "$SCRATCH/much.out"
expect "its status" "$status" 3
expect "pages afterwards" "$(pages)" "$none"

echo "More than the node has at all: no plan either"
status=0
vfiorun plan "$SCRATCH/much.conf" --set vm.memory=1400M --set memory.leave=16M >/dev/null 2>"$SCRATCH/much.out" ||
	status=$?
cat "$SCRATCH/much.out"
expect "its status" "$status" 3
grep -q '1400M in huge pages do not fit on host node 1' "$SCRATCH/much.out" || fail "it was not said"
