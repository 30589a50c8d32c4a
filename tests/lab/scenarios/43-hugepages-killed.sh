#!/bin/bash
# lab: full
# The keeper is killed at one moment after the other while a guest with huge pages starts; whatever is left of it
# is ended, and no page is.
. tests/lab/lib.sh
moments=${MOMENTS:-6}

pages() {
	cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages | xargs
}

profile killed <<END
[vm]
memory = 256M
[memory]
hugepages = 2M
END
before=$(pages)
begun=${EPOCHREALTIME/./}
start killed
whole=$((${EPOCHREALTIME/./} - begun))
stop killed
echo "a start takes $((whole / 1000)) ms"

for ((i = 1; i <= moments; i++)); do
	begin killed
	sleep "$(printf '%d.%06d' $((whole * i / moments / 1000000)) $((whole * i / moments % 1000000)))"
	kill_keeper killed
	found="$(state killed || true), pages $(pages)"
	status=0
	vfiorun revert killed || status=$?
	[[ $status -ne 5 ]] || { status=0 && vfiorun stop killed --force || status=$?; }
	echo "moment $i: $found"
	[[ $status -eq 0 ]] || fail "status $status: $(cat "$SCRATCH/killed.out")"
	expect "  then" "$(pages)" "$before"
	[[ ! -e /run/vfiorun/killed ]] || fail "its run directory is still there"
done
