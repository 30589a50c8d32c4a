#!/bin/bash
# lab: full limit=600
# A device that somebody has open is not taken: who it is, is said. One who can't be seen makes the unbind wait in the
# kernel: the run ends with status 4, nothing else hangs on it, `check` says so, and once that one goes, revert puts all back. A kernel
# without vfio-pci is told so.
. tests/lab/lib.sh
. tests/lab/devices.sh
node=/dev/snd/controlC0

host_driver $card aty128fb
host_driver $sound snd_hda_intel
wait_for "the sound card has a node" test -e $node
profile held <<END
[cpu]
isolate = none
[host]
irq_affinity = none
[pci "01:00.0"]
force = yes
[pci "01:00.1"]
END
wait_for "a plan" plans held
before=$(touched)

# who holds it goes before the drivers do: else that would not end
holder=
go() {
	[[ ! $holder ]] || kill $holder 2>/dev/null || true
	let_go
}
trap go EXIT

# refused STATUS WORDS
refused() {
	status=0
	vfiorun run "$SCRATCH/held.conf" --headless >"$SCRATCH/said" 2>&1 </dev/null || status=$?
	cat "$SCRATCH/said"
	expect "status" $status "$1"
	grep -qE "$2" "$SCRATCH/said" || fail "it does not say '$2'"
}

echo "Somebody has it open:"
bash -c "exec 8<$node; exec sleep 1000" &
holder=$!
wait_for "it sleeps" grep -qx sleep "/proc/$holder/comm"
refused 3 "sleep \(pid $holder\)"
expect "untouched" "$(touched)" "$before"
kill $holder
wait $holder 2>/dev/null || true

echo "There is no vfio-pci:"
modules=/lib/modules/$(uname -r)
sed '/\/vfio-pci\.ko/d' "$modules/modules.dep" >"$SCRATCH/modules.dep"
mount --bind "$SCRATCH/modules.dep" "$modules/modules.dep"
modprobe -r vfio-pci 2>/dev/null || true
refused 3 "has no vfio-pci"
umount "$modules/modules.dep"
expect "untouched" "$(touched)" "$before"

echo "Somebody has it open whom nobody sees:"
"$TOOLS/hold-unseen" $node &
holder=$!
wait_for "it is held" test -e "/proc/$holder/fd/3"
refused 4 "$sound"
[[ -e /run/vfiorun/held/journal ]] || fail "there is no record of it"
started=$SECONDS
vfiorun host --json >"$SCRATCH/host"
expect "it is stuck" "$(jq -r ".pci[] | select(.address == \"$sound\") | .stuck" "$SCRATCH/host")" true
status=0
vfiorun plan "$SCRATCH/held.conf" >"$SCRATCH/said" 2>&1 || status=$?
expect "a plan" $status 3
grep -q "blocks in the kernel" "$SCRATCH/said" || fail "that says something else: $(<"$SCRATCH/said")"
for words in "" "$SCRATCH/held.conf"; do
	status=0
	# shellcheck disable=SC2086 # a word, or none
	vfiorun check $words --json >"$SCRATCH/check" || status=$?
	expect "check ${words##*/}" $status 3
	jq -r '.findings[] | select(.code == "pci-stuck" and .severity == "error") | .subject + ": " + .remedy' "$SCRATCH/check" |
		grep "end what has it open" || fail "check does not say that it is stuck: $(<"$SCRATCH/check")"
done
expect "what is left" "$(jq -r '.findings[] | select(.code == "guest-dead") | .remedy' "$SCRATCH/check")" \
	"vfiorun revert held; \`run\` does it, too"
status=0
vfiorun revert held || status=$?
expect "revert" $status 4
[[ $((SECONDS - started)) -le 120 ]] || fail "that took $((SECONDS - started)) s"

echo "It goes:"
kill $holder
wait $holder 2>/dev/null || true
wait_for "the unbind is over" timeout 5 cat "$devices/$sound/driver_override"
vfiorun revert held
expect "afterwards" "$(touched)" "$before"

echo "Somebody has their group open when they are to go back:"
group=/dev/vfio/$(basename "$(readlink $devices/$sound/iommu_group)")
start held
qemu=$(qemu_pid held)
kill_keeper held
kill -KILL "$qemu"
wait_for "QEMU is gone" test ! -e "/proc/$qemu"
bash -c "exec 8<>$group; exec sleep 1000" &
holder=$!
wait_for "it sleeps" grep -qx sleep "/proc/$holder/comm"
status=0
vfiorun revert held >"$SCRATCH/said" 2>&1 || status=$?
cat "$SCRATCH/said"
expect "revert" $status 4
grep -q "sleep (process $holder) has $group open" "$SCRATCH/said" || fail "it does not say who has it"
expect "meanwhile" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
kill $holder
wait $holder 2>/dev/null || true
vfiorun revert held
expect "afterwards" "$(touched)" "$before"
