#!/bin/bash
# Mistakes of a person: status 2, the place and a hint, all in one go, and nothing touched.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name usage)
remember_host

cat >"$SCRATCH/wrong.conf" <<END
[vm]
name = $name
memroy = 1G
accel = hvf
[cpu]
vcpus = many
pin = 0,banana
[nonsense]
x = 1
[disk]
file = relative
END
expect 2 "$VFIORUN" run "$SCRATCH/wrong.conf"
expect_err 'wrong.conf:3: .*memroy'
expect_err 'memory'
expect_err 'wrong.conf:4: .*hvf'
expect_err 'auto.*kvm.*tcg'
expect_err 'wrong.conf:6: .*many'
expect_err 'wrong.conf:7: .*banana'
expect_err 'wrong.conf:8: .*nonsense'
nothing_left "after a wrong profile"

expect 2 "$VFIORUN" run /nonexistent.conf
expect_err '/nonexistent.conf'
expect 2 "$VFIORUN" run "$SCRATCH"
expect 2 "$VFIORUN" plan /dev/zero
expect 2 "$VFIORUN" plan --set cpu.vcpus=x "$(profile "$name")"
expect_err 'vcpus'
expect 2 "$VFIORUN" plan --set nonsense "$(profile "$name")"
expect 3 "$VFIORUN" plan "$(profile "$name" '[disk "a"]' "file = $SCRATCH/missing")"
expect_err 'missing does not exist'

expect 2 "$VFIORUN"
expect 2 "$VFIORUN" sotp x
expect_err 'stop'
expect 2 "$VFIORUN" --nonsense
expect 2 "$VFIORUN" list --nonsense
expect 2 "$VFIORUN" list --jsn
expect_err '--json'
expect 2 "$VFIORUN" list extra
expect 2 "$VFIORUN" stop
expect 2 "$VFIORUN" stop a b
expect 2 "$VFIORUN" run --root / "$(profile "$name")"
expect 0 "$VFIORUN" --version
expect 0 "$VFIORUN" --help
expect 0 "$VFIORUN" help stop

note "closed and full standard descriptors"
file=$(profile "$name" '[vm]' "qemu = $(fake '')")
for command in "plan $file" "plan --json $file" "argv $file" list "list --json" --help --version host; do
	got=0
	# shellcheck disable=SC2086
	"$VFIORUN" $command >/dev/full 2>/dev/null || got=$?
	same 1 $got "the status of $command > /dev/full"
done
got=0
"$VFIORUN" plan "$file" >&- 2>/dev/null || got=$?
[[ $got == [01] ]] || fail "plan >&- ends with $got"
"$VFIORUN" plan "$file" 2>&- >/dev/null || fail "plan 2>&-: $?"
"$VFIORUN" plan "$file" 2>/dev/full >/dev/null || fail "plan 2>/dev/full: $?"
