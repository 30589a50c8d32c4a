#!/bin/bash
# lab: full limit=900
# A guest boots Linux and finds the card and its sound on its own PCI bus, by class and ids and behind one root port. It
# reads registers of both, and so has their memory, not only their names. From a drive that it is given, too, it reads
# what the host wrote, and the host what it wrote: memory and interrupts get through the IOMMU.
. tests/lab/lib.sh
. tests/lab/devices.sh

# The guest's process 1. Where a device's memory lies is told by its line of that number in `resource`.
write_init() {
	cat <<-'END'
		#!/busybox sh
		/busybox mkdir -p /dev /sys
		/busybox mount -t devtmpfs devtmpfs /dev
		/busybox mount -t sysfs sysfs /sys
		while read -r module; do
			/busybox insmod /modules/$module 2>/dev/null
		done </modules/order
		cd /sys/bus/pci/devices

		# word ADDRESS BAR OFFSET
		word() {
			echo 1 >$1/enable
			start=$(/busybox sed -n "$(($2 + 1))s/ .*//p" $1/resource)
			/busybox devmem $((start + $3)) 32
		}

		for i in *; do
			read -r class <$i/class
			read -r vendor <$i/vendor
			read -r device <$i/device
			port=$(/busybox readlink -f $i)
			port=${port%/*}
			word=
			case $class in
			0x030000) word=$(word $i 2 0xf8) ;;
			0x040300) word=$(word $i 0 0) ;;
			esac
			echo "look: $class $vendor:$device behind ${port##*/} $word"
		done
		for _ in $(/busybox seq 100); do
			[ ! -b /dev/nvme0n1 ] || break
			/busybox sleep 1
		done
		echo "look: the drive says $(/busybox head -n 1 /dev/nvme0n1)"
		echo "written by the guest" | /busybox dd of=/dev/nvme0n1 bs=512 seek=8 conv=sync,fsync 2>/dev/null
		echo "look: done"
		/busybox poweroff -f
	END
}

make_initrd() {
	local module

	mkdir -p "$SCRATCH/root/modules"
	for module in $(modprobe --show-depends nvme | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'); do
		cp "$module" "$SCRATCH/root/modules/"
		basename "$module" >>"$SCRATCH/root/modules/order"
	done
	cp "$(command -v busybox)" "$SCRATCH/root/busybox"
	write_init >"$SCRATCH/root/init"
	chmod 755 "$SCRATCH/root/init"
	(cd "$SCRATCH/root" && find . | cpio --create --quiet -H newc -R 0:0) >"$SCRATCH/initrd"
	rm -r "$SCRATCH/root"
}

# found CLASS: the line that the guest wrote about the device of this class
found() {
	tr -d '\r' <"$SCRATCH/linux.out" | sed -n "s/^look: $1 //p"
}

has_looked() {
	kill -0 "${keepers[linux]}" || [[ $(<"$SCRATCH/linux.out") == *"look: done"* ]] ||
		fail "it ended before: $(<"$SCRATCH/linux.out")"
	[[ $(<"$SCRATCH/linux.out") == *"look: done"* ]]
}

# The drive's node comes a moment after its driver.
disk=/dev/nvme0n1
drive_is_there() {
	[[ -b $disk ]]
}

host_driver $card aty128fb
host_driver $sound snd_hda_intel
host_driver $drive nvme
wait_for "the drive has a node" drive_is_there
echo "written by the host" | dd of=$disk bs=512 conv=sync,fsync status=none
before=$(touched)
unpack_kernel
make_initrd
# no more of the kernel's self-tests than must be, and no more memory: all of it is mapped for the devices
profile linux <<END
[vm]
memory = 112M
os = linux
[cpu]
vcpus = 1
model = qemu64
[boot]
kernel = $SCRATCH/vmlinux
initrd = $SCRATCH/initrd
cmdline = console=ttyS0 quiet mitigations=off nowatchdog no_timer_check cryptomgr.notests
[pci "01:00.0"]
force = yes
[pci "01:00.1"]
[pci "02:00.0"]
END
wait_for "a plan" plans linux
begin linux
for ((i = 0; i < 800; i++)); do
	! has_looked || break
	sleep 1
done
has_looked || fail "it found nothing: $(<"$SCRATCH/linux.out")"
echo "$i s until it had looked"
grep '^look:' "$SCRATCH/linux.out"
port=$(found 0x030000)
port=${port#* behind }
port=${port% *}
[[ $port == 0000:00:* ]] || fail "not behind a port: $port"
# Rage 128's CONFIG_MEMSIZE, of which the lab's card has 16 MiB, and High Definition Audio's GCAP
expect "the card" "$(found 0x030000)" "0x1002:0x5046 behind $port 0x01000000"
expect "its sound" "$(found 0x040300)" "0x8086:0x2668 behind $port 0x00004401"
expect "the guest" "$(found the)" "drive says written by the host"
ended linux
expect "status" $status 0
expect "afterwards" "$(touched)" "$before"
wait_for "the drive has a node" drive_is_there
expect "the host" "$(dd if=$disk bs=512 skip=8 count=1 status=none | head -n 1)" "written by the guest"
dd if=/dev/zero of=$disk bs=1M count=1 conv=fsync status=none
rm "$SCRATCH/vmlinux" "$SCRATCH/initrd"
