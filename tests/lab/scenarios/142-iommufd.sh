#!/bin/bash
# lab: full kernel=iommufd limit=900
# Devices reached by iommufd: each by a node of its own, which the kernel names when it is bound, and all by /dev/iommu,
# which comes with the driver. QEMU's user gets these and not the group's node; two guests share /dev/iommu; and
# whoever ends first, or dies, leaves nothing.
. tests/lab/lib.sh
. tests/lab/devices.sh
qemu=$PWD/build/qemu-backports/qemu-system-x86_64

[[ -x $qemu ]] || skip "no QEMU that knows iommufd: run tests/fetch-qemu-backports build/qemu-backports"
setpriv --reuid 65534 --clear-groups test -x "$qemu" || skip "QEMU's user can't reach $qemu"

# by_iommufd NAME: a guest on that QEMU, which leaves the CPUs to others
by_iommufd() {
	profile "$1"
	sed -i "s|^memory = .*|&\nqemu = $qemu|; s|^vcpus = .*|&\nisolate = none|" "$SCRATCH/$1.conf"
}

# start_patiently NAME: read from afar for the first time, and on a busy machine, this QEMU takes longer to say what it
# can do than vfiorun waits
start_patiently() {
	local try

	for try in 1 2 3 4 5 6; do
		begin "$1"
		until [[ $(<"$SCRATCH/$1.out") == *" runs, QEMU is process "* ]]; do
			kill -0 "${keepers[$1]}" 2>/dev/null || continue 2
			sleep 0.2
		done
		echo "$1 runs at try $try"
		return
	done
	fail "$1 does not start: $(<"$SCRATCH/$1.out")"
}

# node_of ADDRESS: in /dev, the one that the kernel gave it
node_of() {
	echo "/dev/vfio/devices/$(ls "$devices/$1/vfio-dev")"
}

owner_of() {
	stat --format='%U %a' "$1"
}

# opened NAME: what QEMU has open of VFIO
opened() {
	find "/proc/$(qemu_pid "$1")/fd" \( -lname '/dev/vfio/*' -o -lname /dev/iommu \) -printf '%l\n' | sort | xargs
}

look() {
	touched
	find /dev/vfio/devices /dev/iommu 2>/dev/null || true
}

host_driver $drive nvme
before=$(look)
by_iommufd drive <<END
[pci "02:00.0"]
iommufd = yes
END
by_iommufd card <<END
[pci "01:00.0"]
iommufd = yes
group = auto
END
[[ ! -e /dev/iommu ]] || fail "there is no need of it before the driver"
start_patiently drive
vfiorun status drive
node=$(node_of $drive)
expect "its node" "$(owner_of "$node")" "nobody 600"
expect "/dev/iommu" "$(owner_of /dev/iommu)" "nobody 600"
group=/dev/vfio/$(basename "$(readlink $devices/$drive/iommu_group)")
[[ ! -e $group ]] || expect "its group's node" "$(owner_of "$group")" "root 600"
expect "QEMU has open" "$(opened drive)" "/dev/iommu $node"
vfiorun qmp drive query-pci | grep -q '"vendor": *6966' || fail "the guest has no NVMe drive of QEMU's (1b36)"
vfiorun host >"$SCRATCH/host" || true
grep -F "$node" "$SCRATCH/host" || fail "vfiorun host does not say that QEMU has it open"

echo "Another guest beside it:"
start_patiently card
expect "QEMU has open" "$(opened card)" "/dev/iommu $(node_of $card) $(node_of $sound)"
vfiorun qmp card query-pci | grep -q '"vendor": *4098' || fail "the guest has no card of ATI's (1002)"
stop drive
expect "/dev/iommu is still the other's" "$(owner_of /dev/iommu)" "nobody 600"
stop card
expect "afterwards" "$(look)" "$before"

echo "Its keeper is killed:"
start_patiently drive
keeper_dies drive look "while it runs"

echo "Half of a group:"
by_iommufd half <<END
[pci "01:00.0"]
iommufd = yes
[pci "01:00.1"]
END
status=0
plans half || status=$?
cat "$SCRATCH/plan"
expect "status" $status 2
grep -q 'gives a group out in one way only' "$SCRATCH/plan" || fail "it does not say why"
