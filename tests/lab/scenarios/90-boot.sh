#!/bin/bash
# lab: full limit=900
# A guest boots Linux, tells what it finds, and is asked to shut down as with its power button.
. tests/lab/lib.sh

[[ -e $GUEST/initrd.img ]] || skip "no guest to boot: run scripts/make-guest"
profile whole <<END
[vm]
memory = 192M
os = linux
[boot]
kernel = $GUEST/vmlinuz
initrd = $GUEST/initrd.img
cmdline = console=ttyS0 quiet guest.do=wait
END
start whole
for ((i = 0; i < 600; i++)); do
	! grep -q 'guest: ready' "$SCRATCH/whole.out" || break
	sleep 1
done
grep 'guest:' "$SCRATCH/whole.out"
grep -q 'guest: cpus online 0-1' "$SCRATCH/whole.out" || fail "it has not told its CPUs"
vfiorun stop whole
ended whole
expect "status of vfiorun" $status 0
grep -q 'guest: power button' "$SCRATCH/whole.out" || fail "nobody pressed its power button"
