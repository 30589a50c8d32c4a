#!/bin/bash
# lab: full boot=lab.kvm
# With KVM: auto takes it, the vCPUs' threads are where they belong with the class that they were given, and what the
# kernel itself does for this guest runs with the emulator, without that class.
. tests/lab/lib.sh

profile pinned <<END
[cpu]
scheduler = rr:1
END
expect "planned" "$(plan pinned '.argv | join(" ")' | grep -oE 'accel=?[ a-z]*kvm|-accel kvm' | head -n 1)" "-accel kvm"
start pinned
qemu=$(qemu_pid pinned)
threads pinned >"$SCRATCH/threads"
cat "$SCRATCH/threads"
emulator=$(awk '$1 == "emulator" {print $3}' "$SCRATCH/threads")
while read -r thread tid cpus policy; do
	[[ $thread == vcpu* ]] || continue
	expect "$thread" "$(<"/proc/$qemu/task/$tid/comm")" "CPU ${thread#vcpu}/KVM"
	expect "  runs on" "$(taskset -cp "$tid" | sed 's/.*: //')" "$cpus"
	expect "  its class" "$(chrt -p "$tid" | sed 's/.*: //' | xargs), $policy" "SCHED_RR|SCHED_RESET_ON_FORK 1, rr:1"
	[[ $cpus != "$emulator" ]] || fail "the emulator runs there, too"
done <"$SCRATCH/threads"
# kept NAME: of this guest's kernel threads
kept() {
	local tid tids

	tids=$(pgrep "^$1" | xargs)
	[[ $tids ]] || fail "the kernel has no $1 for this guest"
	for tid in $tids; do
		expect "the kernel's $1" \
			"$(chrt -p "$tid" | sed 's/.*: //' | xargs) $(taskset -cp "$tid" | sed 's/.*: //')" \
			"SCHED_OTHER 0 $emulator"
	done
}
timer_is_near() {
	[[ $(taskset -cp "$(pgrep ^kvm-pit/)" | sed 's/.*: //') == "$emulator" ]]
}

kept kvm-nx-lpage
wait_until "the timer" timer_is_near # once the guest runs, and not before
kept kvm-pit/
[[ $(plan pinned .isolation.method) != partition ]] ||
	expect "  in" "$(<"/proc/$(pgrep ^kvm-pit/)/cgroup")" "0::/vfiorun-pinned"
stop pinned
