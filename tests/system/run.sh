#!/bin/bash
# The main job with a real QEMU: pinned as planned, seen as the kernel sees it, ended, and the host as before.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

remember_host
name=$(guest_name run)

# The CPUs that the kernel lets a thread run on.
kernel_cpus() {
	sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"
}

check_threads() {
	local thread tid cpus wanted

	ask "$name" '.threads[] | "\(.thread) \(.tid) \(.cpus)"' >"$SCRATCH/threads"
	while read -r thread tid cpus; do
		wanted=$(jq -r --arg t "$thread" '.pins[] | select(.thread == $t) | .cpus' "$SCRATCH/plan.json")
		same "$wanted" "$cpus" "the CPUs of $thread in status"
		same "$wanted" "$(kernel_cpus "$tid")" "the CPUs of $thread ($tid) in the kernel"
	done <"$SCRATCH/threads"
	same "$(jq '.pins | length' "$SCRATCH/plan.json")" "$(wc -l <"$SCRATCH/threads")" "threads in status"
}

check_run() {
	local file

	file=$(profile "$name" "$@")
	expect 0 "$VFIORUN" plan --json "$file"
	cp "$SCRATCH/out" "$SCRATCH/plan.json"
	start "$name"
	check_threads
	same "$(jq -r '.argv | join(" ")' "$SCRATCH/plan.json")" \
		"$(tr '\0' ' ' <"/proc/$qemu/cmdline" | sed 's/ $//')" "QEMU's command line"
	expect 0 "$VFIORUN" list
	expect_out "^$name +running +$qemu "
	expect 5 "$VFIORUN" run "$file"
	expect_err "$name is running"
	expect 5 "$VFIORUN" revert "$name"
	expect 0 "$VFIORUN" revert --if-dead "$name"
	expect 0 "$VFIORUN" revert
	expect 5 "$VFIORUN" adopt "$name"
	expect 0 "$VFIORUN" pause "$name"
	within 5 state_is "$name" paused || fail "a paused guest is not said to be paused"
	expect 0 "$VFIORUN" resume "$name"
	within 5 state_is "$name" running || fail "a resumed guest is not said to run"
	expect 0 "$VFIORUN" reset "$name"
	expect 0 "$VFIORUN" qmp "$name" query-status
	expect_out '"running":true|"running": true'
	expect 0 "$VFIORUN" stop --force "$name"
	ends 0 "$keeper"
	nothing_left "after a run"
	expect 1 "$VFIORUN" status "$name"
	expect_err "no guest"
}

note "TCG"
check_run
note "an iothread and pins by hand"
truncate -s 1M "$SCRATCH/disk.raw"
chmod 666 "$SCRATCH/disk.raw"
check_run '[cpu]' 'pin = 1,0' 'emulator = 0' 'iothreads = 1' 'iothread_pin = 1' \
	'[disk "system"]' "file = $SCRATCH/disk.raw" 'format = raw'

note "all pinned before the guest may run"
file=$(profile "$name" '[vm]' "qemu = $(fake pins@continue)" '[cpu]' 'pin = 1,0' 'emulator = 0' \
	'iothreads = 1' 'iothread_pin = 1' '[disk "system"]' "file = $SCRATCH/disk.raw" 'format = raw')
start "$name"
for wanted in 'vcpu0 on 1' 'vcpu1 on 0' 'iothread0 on 1'; do
	grep -qx "fake-qmp: $wanted" "/var/log/vfiorun/$name.log" ||
		fail "not $wanted when the guest was let run: $(grep fake-qmp "/var/log/vfiorun/$name.log")"
done
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
nothing_left "after a fake run"

if [[ $$ == 1 && -c /dev/net/tun ]]; then
	note "a tap and locked memory, which take rights of their own"
	check_run '[net "lan"]' 'type = tap'
	! prlimit --memlock=unlimited true 2>/dev/null || check_run '[memory]' 'lock = on'
fi
if [[ -r /dev/kvm && -w /dev/kvm && $EUID == 0 ]]; then
	note "KVM"
	check_run '[vm]' 'accel = kvm' '[cpu]' 'model = qemu64'
fi
