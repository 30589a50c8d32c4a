#!/bin/bash
# Raw arguments, from [qemu] and behind --, reach QEMU as they are; --set is one more line of the profile.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name raw)
file=$(profile "$name" '[qemu]' 'arg = -device' 'arg = qemu-xhci,id=fromprofile' 'arg = -name' \
	"arg = guest=$name,debug-threads=on")
remember_host

start "$name" --set memory.prealloc=on --set cpu.vcpus=1 -- -device qemu-xhci,id=fromline
tr '\0' '\n' <"/proc/$qemu/cmdline" >"$SCRATCH/cmdline"
grep -qx 'qemu-xhci,id=fromprofile' "$SCRATCH/cmdline" || fail "the profile's argument is missing"
same 'qemu-xhci,id=fromline' "$(tail -n 1 "$SCRATCH/cmdline")" "the last argument"
same 1 "$(ask "$name" '[.threads[] | select(.thread | startswith("vcpu"))] | length')" "vCPUs after --set"
expect 0 "$VFIORUN" qmp "$name" '{"execute":"qom-list","arguments":{"path":"/machine/peripheral"}}'
expect_out fromprofile
expect_out fromline
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"

odd=$SCRATCH/'odd, =ü "disk".raw'
truncate -s 1M "$odd"
chmod 666 "$odd"
profile "$name" '[disk "odd"]' "file = $odd" 'format = raw' >/dev/null
start "$name"
expect 0 "$VFIORUN" qmp "$name" query-block
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"

expect 1 "$VFIORUN" run "$file" -- -nonsense
expect_err 'QEMU: .*-nonsense'
expect 1 "$VFIORUN" run "$file" -- -device nonsense
expect_err "QEMU: .*'nonsense' is not a valid device"
expect 2 "$VFIORUN" stop "$name" -- -x
nothing_left "after raw arguments"
