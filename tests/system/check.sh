#!/bin/bash
# `check`: what it says of this machine is so, as root and as somebody who is not; its status follows what it says, and
# nothing is changed by asking.
. "$(dirname "$0")/lib.sh"

keys='["code","evidence","reason","remedy","severity","subject"]'

# The last command's findings are whole, and its status is 3 where one of them is an error.
judge() {
	local wanted=0

	jq -e --argjson keys "$keys" '
		(keys == ["findings"]) and (.findings | length > 0) and all(.findings[];
			keys == $keys and all(.[]; type == "string") and
			(.severity | IN("error", "warning", "info", "unknown", "ok")) and
			(.code | test("^[a-z0-9-]+$")) and .subject != "" and .evidence != "" and
			(.severity != "error" or .remedy != ""))' \
		"$SCRATCH/out" >/dev/null || { show; fail "not what the manual says: $1"; }
	[[ $(jq '[.findings[] | select(.severity == "error")] | length' "$SCRATCH/out") == 0 ]] || wanted=3
	same $wanted "$status" "status of $1"
}

severity() {
	jq -r --arg code "$1" '[.findings[] | select(.code == $code) | .severity] | unique | join(" ")' "$SCRATCH/out"
}

# What everybody can see for themselves.
compare() {
	local groups=(/sys/kernel/iommu_groups/*/) enabled=ok

	[[ -d ${groups[0]} ]] || enabled=error
	same $enabled "$(severity iommu-off)" "the IOMMU"
	same ok "$(severity no-qemu)" "QEMU"
	[[ -e /dev/kvm ]] || [[ $(severity kvm-unsupported)$(severity kvm-not-loaded) == error ]] || fail "KVM without a node"
	[[ -e /dev/uinput ]] || same warning "$(severity no-uinput)" "/dev/uinput"
}

as_user() {
	env HOME="$SCRATCH/home" XDG_RUNTIME_DIR="$SCRATCH/home" XDG_STATE_HOME="$SCRATCH/home" \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

remember_host
small=$(profile "$(guest_name small)")
name=$(basename "$small" .conf)

note "this machine"
try "$VFIORUN" check --json
judge "the host"
compare

note "as text, narrow enough"
cp "$SCRATCH/out" "$SCRATCH/json"
try "$VFIORUN" check
same "$(jq '.findings | length' "$SCRATCH/json")" "$(grep -cE '^(error|warning|info|unknown|ok) +' "$SCRATCH/out")" "findings"
[[ ! $(awk 'length > 100' "$SCRATCH/out") ]] || { show; fail "lines over 100 columns"; }
expect_out '^[0-9]+ errors?, [0-9]+ warnings?'
try "$VFIORUN" check -q
[[ ! $(grep -E '^(info|unknown|ok) ' "$SCRATCH/out") ]] || { show; fail "that is not quiet"; }

note "a profile"
expect 0 "$VFIORUN" check "$small" --json
judge "a guest"
same ok "$(severity refused)" "the guest"
same "" "$(severity iommu-off)" "the IOMMU, of a guest without devices"
expect 3 "$VFIORUN" check "$small" --set cpu.pin=4094,4095 --json
judge "a guest that can't be"
same error "$(severity cpu-absent)" "a CPU that is not there"
text=$(jq -r '[.findings[] | select(.code == "cpu-absent")][0].evidence' "$SCRATCH/out")
try "$VFIORUN" plan "$small" --set cpu.pin=4094,4095
grep -qF "$text" "$SCRATCH/err" || fail "plan does not say: $text"

note "what is wrong with the words"
expect 2 "$VFIORUN" check "$small" --set vm.memroy=1G
expect_err 'memroy'
expect 2 "$VFIORUN" check --set vm.memory=1G
expect 2 "$VFIORUN" check "$SCRATCH/nowhere.conf"

note "a guest that died and left something"
start "$name" --set "vm.qemu=$(fake)"
kill -KILL "$keeper" "$monitor" 2>/dev/null
wait "$keeper" 2>/dev/null
within 10 gone "$keeper" || fail "the keeper stays"
try "$VFIORUN" check --json
judge "an orphan"
same warning "$(severity guest-orphan)" "its guest"
jq -e --arg remedy "vfiorun adopt $name" 'any(.findings[]; .remedy == $remedy)' "$SCRATCH/out" >/dev/null || fail "no adopt"
kill -KILL "$qemu"
within 10 gone "$qemu" || fail "QEMU stays"
try "$VFIORUN" check --json
same warning "$(severity guest-dead)" "what is left"
expect 0 "$VFIORUN" revert "$name"
try "$VFIORUN" check --json
same ok "$(severity guest-dead)" "afterwards"

if [[ $EUID == 0 ]]; then
	note "somebody who is not root"
	mkdir "$SCRATCH/home"
	chown 65534:65534 "$SCRATCH/home"
	chmod 644 "$small"
	try as_user "$VFIORUN" check --json
	judge "the host, for a user"
	compare
	same info "$(severity not-root)" "who is no root"
	same ok "$(severity no-run-dir)" "a place for run state"
	expect 0 as_user "$VFIORUN" check "$small" --json
	judge "a guest of a user"
	try env -u XDG_RUNTIME_DIR HOME="$SCRATCH/home" setpriv --reuid 65533 --regid 65533 --clear-groups \
		"$VFIORUN" check "$small" --json
	judge "a guest of a user without a session"
	same error "$(severity no-run-dir)" "no place for run state"
fi
nothing_left "after having asked"
