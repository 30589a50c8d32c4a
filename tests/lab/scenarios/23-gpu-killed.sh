#!/bin/bash
# lab: full limit=900
# The keeper of a guest with a graphics card and its sound is killed behind one line of the journal after the other,
# on the way there and on the way back; what a person then does puts drivers, overrides and nodes back each time.
. tests/lab/lib.sh
. tests/lab/devices.sh
journal=/run/vfiorun/killed/journal

host_driver $card aty128fb
host_driver $sound snd_hda_intel
profile killed <<END
[cpu]
isolate = none
[host]
irq_affinity = none
[pci "01:00.0"]
force = yes
[pci "01:00.1"]
END
wait_for "a plan" plans killed
before=$(touched)

count_lines() {
	local text=()

	mapfile -t text 2>/dev/null <$journal || true
	lines=${#text[@]}
}

# die_at LINES WHEN: once the journal has that many; fails if the keeper ended before
die_at() {
	local deadline=$((SECONDS + 180))

	for ((lines = 0; lines < $1; )); do
		count_lines
		kill -0 "${keepers[killed]}" 2>/dev/null || return
		[[ $SECONDS -lt $deadline ]] || fail "no line $1 of the journal within three minutes"
	done
	keeper_dies killed touched "$2 $1, found $lines"
}

start killed
count_lines
there=$lines
records=$(grep -c '^do' $journal)
cat $journal
stop killed
[[ $records -ge 4 ]] || fail "$records records: the driver, two bindings and a node were expected"

for ((n = 1; n <= there; n++)); do
	begin killed
	die_at $n "line" || fail "it ended by itself: $(cat "$SCRATCH/killed.out")"
done
echo "And back:"
died=0
for ((n = 1; n <= 2 * records; n++)); do
	start killed
	vfiorun stop killed --force &
	stopping=$!
	if die_at $((there + n)) "line"; then
		died=$((died + 1))
	else
		ended killed
		expect "it was faster, and ended with" $status 0
		expect "  then" "$(touched)" "$before"
	fi
	wait $stopping || true
done
[[ $died -ge $records ]] || fail "it died only $died times on the way back"
