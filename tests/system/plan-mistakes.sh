#!/bin/bash
# What a person gets wrong is said at once, with its place and what to write; nothing is touched.
. "$(dirname "$0")/lib.sh"

remember_host
name=$(guest_name wrong)

note "many mistakes at once"
cat >"$SCRATCH/$name.conf" <<-'END'
	[vm]
	nam = x
	memory = 12 potatoes
	machine = q36
	accel = kvmm
	uuid = nope
	shutdown_timeout = 0
	[cpuu]
	vcpus = 2
	[cpu]
	vcpus = 0
	threads = two
	pin = 2,8,
	features = +x,-
	scheduler = rr:0
	vendor_id = ThisIsFarTooLong
	hyperv = relaxd
	[disk]
	[disk "a"]
	file = /x.raw
	bus = ide
	[disk "b"
	[net "n"]
	type = bridge
	mac = 01:00:00:00:00:00
	forward = tcp:99999:22
	queues = 0
	[display]
	type = window
	[hooks]
	before = sh -c 'unterminated
	no equals sign
	= 3
END
for command in plan argv run; do
	expect 2 "$VFIORUN" $command "$SCRATCH/$name.conf"
	for line in 2 3 4 5 6 7 8 11 12 13 14 15 16 17 18 21 22 24 25 26 27 29 31 32 33; do
		expect_err "^$SCRATCH/$name.conf:$line: error: "
	done
	expect_err 'did you mean .name.'
	expect_err 'did you mean \[cpu\]'
	expect_err 'Allowed: auto, kvm or tcg'
	same "$(grep -c ': error: ' "$SCRATCH/err")" "$(grep -c '    hint: ' "$SCRATCH/err")" "hints"
done

note "wrong values, each alone"
truncate -s 1M "$SCRATCH/a.raw"
wrong() {
	local key=$1 says=$2

	expect 2 "$VFIORUN" plan "$(profile "$name" '[disk "a"]' "file = $SCRATCH/a.raw")" --set "$key"
	expect_err "$says"
}
wrong vm.name=../x 'not a name'
wrong vm.memory=0 'memory'
wrong vm.memory=1K 'memory'
wrong vm.memory=-1G 'not a size'
wrong vm.memory=99999999999999999999G 'memory'
wrong cpu.vcpus=99999 'too big'
wrong cpu.pin=3-1 'pin'
wrong cpu.pin=9000 'pin'
wrong cpu.emulator=a 'emulator'
wrong disk:a.serial=äö 'ASCII'
wrong disk:b.bus=scsi 'file'
wrong disk.bus=scsi 'title'
wrong cpu.cores=3 'vcpus|cores'
wrong nothing 'sets nothing'
wrong memory.hugepages=1G 'whole number of 1G pages'
wrong qemu.arg=-daemonize 'daemonize'

note "files that are no profiles"
printf '\376\377' >"$SCRATCH/bytes.conf"
expect 2 "$VFIORUN" plan "$SCRATCH/bytes.conf"
expect 2 "$VFIORUN" plan "$SCRATCH/nothing.conf"
expect 2 "$VFIORUN" plan "$SCRATCH"
expect 2 "$VFIORUN" plan
: >"$SCRATCH/empty.conf"
expect 2 "$VFIORUN" plan "$SCRATCH/empty.conf"
expect_err 'memory = '
head -c 8M /dev/zero >"$SCRATCH/zeros.conf"
expect 2 "$VFIORUN" plan "$SCRATCH/zeros.conf"

note "what this host cannot do"
cannot() {
	local key=$1 says=$2

	expect 3 "$VFIORUN" plan "$(profile "$name")" --set "$key"
	expect_err "$says"
	expect_err '    hint: '
}
cannot vm.qemu=/nonexistent '/nonexistent'
cannot vm.qemu=/bin/false 'exited with status 1'
cannot vm.qemu=/etc/passwd 'executed'
cannot vm.machine=pc-q35-99.9 'pc-q35-99.9'
cannot vm.memory=64T 'this host has'
cannot vm.user=nobody-at-all 'nobody-at-all'
cannot cpu.pin=8000,8001 'CPU 8000-8001'
cannot boot.kernel=/nonexistent 'does not exist'

note "a standard output that takes nothing"
file=$(profile "$name")
"$VFIORUN" plan "$file" >&- 2>"$SCRATCH/err" && fail "a closed standard output is no error"
expect_err "standard output"
"$VFIORUN" plan "$file" >/dev/full 2>"$SCRATCH/err" && fail "a full standard output is no error"
expect_err "standard output"
nothing_left "after mistakes"
