#!/bin/bash
# A card's ROM is read into a file: whole or not at all, and afterwards the kernel lets nobody read it, as before.
# That of the graphics card is a copy in memory, since the firmware showed its screen on it: refused.
. tests/lab/lib.sh
vga=/sys/bus/pci/devices/0000:01:00.0
file=$SCRATCH/card.rom
given=/usr/lib/ipxe/qemu/efi-e1000e.rom

# The kernel answers EINVAL where reading was not allowed (drivers/pci/pci-sysfs.c, pci_read_rom).
is_forbidden() {
	! head -c 1 $card/rom >/dev/null 2>"$SCRATCH/read" && grep -q 'Invalid argument' "$SCRATCH/read"
}

# refused WORDS COMMAND...: with status 1, saying so
refused() {
	local words=$1
	shift

	status=0
	"$@" >"$SCRATCH/said" 2>&1 || status=$?
	cat "$SCRATCH/said"
	expect "status" $status 1
	grep -q "$words" "$SCRATCH/said" || fail "it does not say '$words'"
}

echo "The boot card:"
expect "boot_vga" "$(<$vga/boot_vga)" 1
refused "the copy in memory" vfiorun rom dump 01:00.0 "$file"
[[ ! -e $file ]] || fail "a file was left"
vfiorun rom dump 01:00.0 "$file" --force
vfiorun rom info "$file"
expect "its ids" "$(vfiorun rom info "$file" --json | jq -r '.images[] | .type, .vendor, .device' | xargs)" \
	"legacy 1002 5046"

echo "Another card:"
hand device_add '{"driver": "e1000e", "id": "card", "bus": "spare"}'
wait_until "the card is there" test -e /sys/bus/pci/devices/0000:04:00.0/rom
card=/sys/bus/pci/devices/0000:04:00.0
is_forbidden || fail "it may be read before"
rm "$file"
vfiorun rom dump 04:00.0 "$file"
is_forbidden || fail "it may be read afterwards"
expect "switched on" "$(<$card/enable)" 0
vfiorun rom info "$file"
expect "images" "$(vfiorun rom info "$file" --json |
	jq -r '.images[] | [.type, .vendor, .device, .class, .machine, .last] | join(" ")' | xargs)" \
	"legacy 8086 10d3 020000 false EFI 8086 10d3 020000 x86_64 true"
cmp "$file" <(head -c "$(stat -c %s "$file")" $given)

echo "What is there is not overwritten:"
echo mine >"$SCRATCH/mine"
refused "is there already" vfiorun rom dump 04:00.0 "$SCRATCH/mine"
expect "content" "$(<"$SCRATCH/mine")" mine
vfiorun rom dump 0000:04:00.0 "$SCRATCH/mine" --force
cmp "$SCRATCH/mine" "$file"

echo "What can't be done:"
refused "no expansion ROM" vfiorun rom dump 02:00.0 "$SCRATCH/none.rom"
refused "no PCI device 0000:77:00.0" vfiorun rom dump 77:00.0 "$SCRATCH/none.rom"
refused "only root may" setpriv --reuid=nobody --regid=nogroup --clear-groups "$VFIORUN" rom dump 04:00.0 "$SCRATCH/none.rom"
refused "/nonexistent" vfiorun rom dump 04:00.0 /nonexistent/none.rom
[[ ! -e $SCRATCH/none.rom ]] || fail "a file was left"
is_forbidden || fail "it may be read afterwards"

echo "Interrupted at any moment:"
cut_off=0
for delay in 0.04 0.08 0.1 0.12 0.14 0.18; do
	rm -f "$SCRATCH/cut.rom"
	timeout --signal=INT $delay "$VFIORUN" rom dump 04:00.0 "$SCRATCH/cut.rom" 2>/dev/null || cut_off=$((cut_off + 1))
	is_forbidden || fail "it may be read after Ctrl-C at $delay s"
	[[ ! -e $SCRATCH/cut.rom ]] || cmp "$SCRATCH/cut.rom" "$file"
done
echo "$cut_off of 6 were cut off"

# asleep for good only once its port does not see it any more
hand device_del '{"id": "card"}'
wait_until "the card is gone" test ! -e $card
