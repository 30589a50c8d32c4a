#!/bin/bash
# `host --root` on captured machines that lie beside the checkout (CAPTURED, else any folder hosts/ of a sibling of it):
# their PCI devices, drivers and groups are what the tree's own links and files say.
. "$(dirname "$0")/lib.sh" shared
shopt -s nullglob

archives=("${CAPTURED:-/nonexistent}"/*.tar.*)
[[ ${#archives[@]} -gt 0 ]] || archives=("$here"/../../../*/hosts/*.tar.*)
[[ ${#archives[@]} -gt 0 ]] || skip "there are no captured machines"

link_name() {
	local target

	target=$(readlink "$1") && echo "${target##*/}" || echo -
}

# ADDRESS VENDOR DEVICE CLASS DRIVER GROUP, a line each, by the tree alone
list_devices() {
	local device

	for device in "$1"/sys/bus/pci/devices/*; do
		device=$(find "$1/sys/devices" -type d -name "${device##*/}" | head -n 1)
		printf '%s %s %s %s %s %s\n' "${device##*/}" "$(<"$device/vendor")" "$(<"$device/device")" \
			"$(<"$device/class")" "$(link_name "$device/driver")" "$(link_name "$device/iommu_group")"
	done | sed 's/ 0x/ /g'
}

for archive in "${archives[@]}"; do
	name=${archive##*/}
	note "$name"
	mkdir "$SCRATCH/$name"
	tar -C "$SCRATCH/$name" -xf "$archive" || fail "can't unpack $archive"
	tree=$(find "$SCRATCH/$name" -type d -path '*/sys/devices/system' | head -n 1)
	tree=${tree%/sys/devices/system}
	expect 0 "$VFIORUN" host --root "$tree"
	[[ $(awk 'length > 80 && !/[^ ]{60}/' "$SCRATCH/out") == "" ]] || fail "lines over 80 columns"
	expect 0 "$VFIORUN" host --root "$tree" --json
	list_devices "$tree" | sort >"$SCRATCH/theirs"
	jq -r '.pci[] | [.address, .vendor, .device, .class, .driver // "-", .group // "-"] | join(" ")' "$SCRATCH/out" |
		sort >"$SCRATCH/ours"
	diff -u "$SCRATCH/theirs" "$SCRATCH/ours" >&2 || fail "$name is otherwise"
	same "$(awk '$6 != "-" { print $6 }' "$SCRATCH/theirs" | sort -u | wc -l)" "$(jq '.iommu.groups | length' "$SCRATCH/out")" \
		"groups of $name"
done
