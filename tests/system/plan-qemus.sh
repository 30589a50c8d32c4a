#!/bin/bash
# Every key of a profile, on the installed QEMU and on the one of bookworm-backports: it starts, answers, and
# finds nothing deprecated. Where the other QEMU can't be had only the installed one is tried.
if [[ -z ${VFIORUN_TEST_INSIDE:-} ]]; then
	cd "$(dirname "$0")/../.." || exit 1
	backports=${QEMU_BACKPORTS:-${BUILD:-build}/qemu-backports}
	# QEMU's user does not get into a checkout below /root.
	[[ $EUID != 0 || -z ${SCRATCH:-} ]] || setpriv --reuid 65534 --clear-groups test -x "$PWD" ||
		backports=$SCRATCH/qemu-backports
	BACKPORTS=$(timeout 200 tests/fetch-qemu-backports "$backports") || BACKPORTS=
	export BACKPORTS
	cd "$OLDPWD" || exit 1
fi
. "$(dirname "$0")/lib.sh"

command -v qemu-img >/dev/null || skip "there is no qemu-img"
[[ -z $BACKPORTS ]] || BACKPORTS=$(realpath "$here/../../$BACKPORTS" 2>/dev/null || echo "$BACKPORTS")

dir=$SCRATCH/images
mkdir "$dir"
for i in 1 2 3 4 5 6 7 8; do truncate -s 4M "$dir/$i.raw"; done
qemu-img create -q -f qcow2 "$dir/base.qcow2" 4M
qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 "$dir/top.qcow2" || fail "qemu-img"
# As much of a kernel as QEMU looks at (Linux Documentation/x86/boot.rst): it never gets to run.
truncate -s 64K "$dir/kernel"
put() {
	printf '%b' "$2" | dd of="$dir/kernel" bs=1 seek=$(($1)) conv=notrunc status=none
}
put 0x1f1 '\x01'				# setup_sects
put 0x1fe '\x55\xaaXXHdrS\x0c\x02'	# version 2.12
put 0x211 '\x01'				# loadflags: high
put 0x22c '\xff\xff\xff\x7f'		# initrd_addr_max
truncate -s 4K "$dir/initrd"
kvm_model=kvm64

# The profile's sections behind [vm] name; used_keys() reads them back.
declare -A variants=(
	[plain]=""
	[pc]="machine = pc
		os = linux
		uuid = 8a1f1a5c-1111-4222-8333-444455556666
		operators = daemon
		user = daemon
		shutdown_timeout = 7
		[cpu]
		vcpus = 3
		sockets = 1
		cores = 3
		threads = 1
		pin = none
		emulator = none
		model = qemu64
		features = +rdrand, -svm
		[memory]
		hugepages = none
		prealloc = yes
		lock = no
		share = yes
		nodes = 0
		[disk \"a\"]
		file = $dir/1.raw
		format = raw
		bus = sata
		cache = writethrough
		discard = no
		boot_index = 3
		[cdrom \"b\"]
		boot_index = 1
		[cdrom \"c\"]
		file = $dir/2.raw
		[net \"d\"]
		type = user
		model = e1000
		mac = 52:54:00:12:34:56"
	[disks]="[cpu]
		iothreads = 2
		iothread_pin = 0
		emulator = 0
		pin = 0,0
		[boot]
		order = cdrom, disk, net
		[disk \"a\"]
		file = $dir/1.raw
		iothread = yes
		cache = none
		aio = native
		serial = abc
		[disk \"b\"]
		file = $dir/2.raw
		bus = scsi
		cache = writeback
		aio = threads
		discard = yes
		[disk \"c\"]
		file = $dir/3.raw
		bus = scsi
		iothread = no
		readonly = yes
		[disk \"d\"]
		file = $dir/4.raw
		bus = nvme
		cache = directsync
		[disk \"e\"]
		file = $dir/5.raw
		bus = sata
		cache = unsafe
		[disk \"f\"]
		file = $dir/top.qcow2
		format = qcow2
		force = yes
		[disk \"g\"]
		file = $dir/6.raw
		aio = io_uring
		[net \"h\"]
		type = user
		forward = tcp:127.0.0.1:42226:22
		forward = udp:42226:53
		[net \"i\"]
		type = none
		[net \"j\"]
		model = rtl8139"
	[ovmf]="[firmware]
		type = ovmf
		[cpu]
		vcpus = 2"
	[secureboot]="os = windows
		[firmware]
		type = ovmf-secureboot
		[display]
		type = install"
	[firmware-by-hand]="[firmware]
		type = ovmf
		code = /usr/share/OVMF/OVMF_CODE_4M.fd
		template = /usr/share/OVMF/OVMF_VARS_4M.fd
		vars = $dir/my_VARS.fd"
	[kernel]="[firmware]
		type = none
		[boot]
		kernel = $dir/kernel
		initrd = $dir/initrd
		cmdline = console=ttyS0 a=\"b c\",d"
	[vnc]="os = linux
		[display]
		type = vnc"
	[spice]="[display]
		type = spice"
	[kvm]="accel = kvm
		os = linux
		[cpu]
		model = $kvm_model
		irqchip = on
		hide_kvm = yes
		scheduler = other"
	[kvm-split]="accel = kvm
		machine = pc
		[cpu]
		model = $kvm_model
		irqchip = split
		hyperv = off"
	[kvm-windows]="accel = kvm
		os = windows
		[cpu]
		model = $kvm_model
		hyperv = auto
		irqchip = auto"
	[kvm-vendor]="accel = kvm
		[cpu]
		model = $kvm_model
		hyperv = spinlocks=0x1fff
		vendor_id = vfiorun"
	[bridge]="[net \"a\"]
		type = bridge
		bridge = vf0br
		queues = 2
		[net \"b\"]
		type = tap
		ifname = vf0tap"
	[raw]="[hooks]
		before = true
		started = /bin/true
		stopped = /bin/true
		timeout = 5
		[qemu]
		arg = -device
		arg = virtio-balloon-pci"
)

write_profile() {
	local name=$1 variant=$2

	{
		printf '[vm]\nname = %s\nmemory = 64M\n' "$name"
		[[ ${variants[$variant]} == *"accel = "* ]] || echo "accel = tcg"
		[[ ${variants[$variant]} == [* ]] || printf '%s\n' "${variants[$variant]%%[*}"
		[[ ${variants[$variant]} == *"[firmware]"* ]] || printf '[firmware]\ntype = seabios\n'
		[[ ${variants[$variant]} != *"["* ]] || printf '[%s\n' "${variants[$variant]#*[}"
	} | sed 's/^[[:space:]]*//' >"$SCRATCH/$name.conf"
}

can() {
	case $1 in
	bridge) [[ $EUID == 0 && -c /dev/net/tun && $$ == 1 ]] &&
		{ ip link show vf0br || ip link add vf0br type bridge; } >/dev/null 2>&1 ;;
	kvm*) [[ -w /dev/kvm ]] && "$2" -accel kvm -cpu $kvm_model -display none -monitor none -S -daemonize \
		-pidfile "$SCRATCH/kvm.pid" 2>/dev/null && kill "$(cat "$SCRATCH/kvm.pid")" ;;
	ovmf | firmware-by-hand | secureboot) [[ -r /usr/share/OVMF/OVMF_CODE_4M.ms.fd ]] ;;
	spice) grep -q addr= <<<"$("$2" -spice help 2>&1)" ;;
	*) true ;;
	esac
}

check() {
	local qemu_path=$1 variant=$2 name

	name=$(guest_name "$variant")
	can "$variant" "$qemu_path" || {
		note "$variant: can't be had here"
		return
	}
	note "$variant"
	write_profile "$name" "$variant"
	start "$name" --set "vm.qemu=$qemu_path"
	expect 0 "$VFIORUN" qmp "$name" query-status
	expect_out '"running"'
	expect 0 "$VFIORUN" stop --force "$name"
	ends 0 "$keeper"
	# What a host's KVM lacks of a model is no fault of the command line.
	grep -iE 'deprecat|obsolete|will be removed|qemu[^ ]*: warning' "/var/log/vfiorun/$name.log" |
		grep -v "support requested feature" >"$SCRATCH/complaints"
	[[ ! -s $SCRATCH/complaints ]] || fail "QEMU complains about $variant: $(cat "$SCRATCH/complaints")"
}

for qemu_path in /usr/bin/qemu-system-x86_64 $BACKPORTS; do
	note "$("$qemu_path" --version | head -n 1)"
	for variant in "${!variants[@]}"; do
		check "$qemu_path" "$variant"
	done
done
[[ -n $BACKPORTS ]] || note "QEMU of bookworm-backports can't be had here"
