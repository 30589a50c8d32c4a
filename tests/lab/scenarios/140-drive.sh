#!/bin/bash
# An NVMe drive whose file system is mounted is refused, and by name. Unmounted it goes to a guest, comes back to
# its driver, and holds what was on it.
. tests/lab/lib.sh
. tests/lab/devices.sh
device=$devices/$drive
mountpoint=$SCRATCH/mounted

driver() {
	basename "$(readlink "$device/driver" || echo none)"
}

# The drive's block device: it comes a moment after its driver.
find_disk() {
	local deadline=$((SECONDS + 60)) names=

	until names=$(lsblk --nodeps --noheadings --output NAME | grep -m 1 '^nvme'); do
		[[ $SECONDS -lt $deadline ]] || fail "the drive has no block device"
		sleep 0.2
	done
	echo "/dev/$names"
}

host_driver $drive nvme
profile drive <<END
[pci "02:00.0"]
END
disk=$(find_disk)
expect "its driver" "$(driver)" nvme
mkfs.ext4 -q "$disk"
mkdir "$mountpoint"
mount "$disk" "$mountpoint"
echo "what was on it" >"$mountpoint/file"
sync

echo "Mounted:"
status=0
vfiorun run "$SCRATCH/drive.conf" --headless >"$SCRATCH/refused" 2>&1 </dev/null || status=$?
cat "$SCRATCH/refused"
expect "status" $status 3
grep -q "is mounted on $mountpoint" "$SCRATCH/refused" || fail "it does not say what is mounted"
expect "its driver" "$(driver)" nvme
expect "the file" "$(<"$mountpoint/file")" "what was on it"

echo "Unmounted:"
umount "$mountpoint"
start drive
vfiorun status drive
expect "its driver" "$(driver)" vfio-pci
[[ -z $(lsblk --nodeps --noheadings --output NAME | grep '^nvme') ]] || fail "the host still has the disk"
vfiorun qmp drive query-pci | grep -q '"vendor": *6966' || fail "the guest has no NVMe drive of QEMU's (1b36)"
stop drive
expect "its driver" "$(driver)" nvme
mount "$(find_disk)" "$mountpoint"
expect "the file" "$(<"$mountpoint/file")" "what was on it"
umount "$mountpoint"
