#!/bin/bash
# lab: full limit=900
# Other sets of devices: three functions in one group, of which two have no driver and are kept from any; ids that several
# devices have; a virtual function whose physical one stays the host's; and a card that is pulled out while a guest has
# it.
. tests/lab/lib.sh
. tests/lab/devices.sh
first=0000:04:00.0 second=0000:04:00.1 third=0000:04:00.2

plugged=
put_back() {
	[[ ! $plugged ]] || hand device_del '{"id": "first"}' >/dev/null
	wait_for "the slot is empty" test ! -e $devices/$first
	[[ ! -e $devices/$drive/sriov_numvfs ]] || echo 0 >$devices/$drive/sriov_numvfs
	let_go
}
trap put_back EXIT

# The slot is told of all with the first function.
for i in 1 2; do
	hand device_add '{"driver": "intel-hda", "bus": "spare", "addr": "0.'$i'", "multifunction": true, "id": "function'$i'"}' >/dev/null
done
hand device_add '{"driver": "intel-hda", "bus": "spare", "addr": "0.0", "multifunction": true, "id": "first"}' >/dev/null
plugged=1
wait_for "they are plugged in" test -e $devices/$third
wait_for "they have a group" test -e $devices/$third/iommu_group
expect "they share a group" "$(readlink $devices/$first/iommu_group)" "$(readlink $devices/$third/iommu_group)"
before=$(binding $first $second $third)

common() {
	cat - <<-END
		[cpu]
		isolate = none
		[host]
		irq_affinity = none
	END
}

echo "By ids that several have:"
profile many < <(common; echo '[pci "8086:2668"]')
status=0
vfiorun plan "$SCRATCH/many.conf" >"$SCRATCH/said" 2>&1 || status=$?
expect "status" $status 3
for i in $sound $first $second $third; do
	grep -q "$i" "$SCRATCH/said" || fail "$i is not named: $(<"$SCRATCH/said")"
done

echo "One of three:"
profile one < <(common; echo '[pci "04:00.0"]')
start one
expect "while it runs" "$(binding $first $second $third)" "vfio-pci vfio-pci, none vfio-pci, none vfio-pci, "
stop one
expect "afterwards" "$(binding $first $second $third)" "$before"

echo "A virtual function:"
host_driver $drive nvme
echo 0 >$devices/$drive/sriov_drivers_autoprobe
echo 1 >$devices/$drive/sriov_numvfs
virtual=$(readlink $devices/$drive/virtfn0)
virtual=${virtual##*/}
profile virtual < <(common; echo "[pci \"$virtual\"]")
start virtual
expect "while it runs" "$(binding "$virtual" $drive)" "vfio-pci vfio-pci, nvme (null), "
stop virtual
expect "afterwards" "$(binding "$virtual" $drive)" "none (null), nvme (null), "
echo 0 >$devices/$drive/sriov_numvfs
echo 1 >$devices/$drive/sriov_drivers_autoprobe

echo "Pulled out while a guest has all three:"
profile pulled < <(common; printf '[pci "04:00.0"]\ngroup = auto\n')
start pulled
expect "while it runs" "$(binding $first $second $third)" "vfio-pci vfio-pci, vfio-pci vfio-pci, vfio-pci vfio-pci, "
hand device_del '{"id": "first"}' >/dev/null
plugged=
# the slot's light blinks for five seconds, in which one may think better of it
sleep 10
started=$SECONDS
vfiorun host >"$SCRATCH/said"
vfiorun status pulled
[[ $((SECONDS - started)) -le 60 ]] || fail "that took $((SECONDS - started)) s"
vfiorun stop pulled --force
ended pulled
cat "$SCRATCH/pulled.out"
expect "status" $status 0
grep -q "gone from the bus" "$SCRATCH/pulled.out" || fail "it does not say that the card is gone"
wait_for "the slot is empty" test ! -e $devices/$first
