#!/bin/bash
# What stays while a guest runs: sleeping processes, little memory, no rights and no descriptor too many.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need_root
name=$(guest_name resident)
truncate -s 1M "$SCRATCH/disk.raw"
chmod 666 "$SCRATCH/disk.raw"
file=$(profile "$name" '[disk "system"]' "file = $SCRATCH/disk.raw" 'format = raw' '[host]' 'latency = 100')
remember_host
expect 0 "$VFIORUN" plan --json "$file"
cp "$SCRATCH/out" "$SCRATCH/plan.json"
start "$name"
started=$SECONDS

status_of() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

note "QEMU's rights"
for field in CapInh CapPrm CapEff CapAmb; do
	same 0000000000000000 "$(status_of "$qemu" $field)" "QEMU's $field"
	same 0000000000000000 "$(status_of "$monitor" $field)" "the monitor's $field"
done
same 1 "$(status_of "$qemu" NoNewPrivs)" "QEMU's NoNewPrivs"
same 1 "$(status_of "$monitor" NoNewPrivs)" "the monitor's NoNewPrivs"
user=$(jq -r .user "$SCRATCH/plan.json")
same "$(id -u "$user")" "$(status_of "$qemu" Uid | cut -f1)" "QEMU's user"
same "$(id -u "$user")" "$(status_of "$monitor" Uid | cut -f1)" "the monitor's user"
same "$qemu" "$(awk '{print $6}' "/proc/$qemu/stat")" "QEMU's session"

descriptors() {
	find "/proc/$1/fd" -type l -exec readlink {} +
}

note "QEMU's descriptors"
# It opens eventfds, sockets and copies of its own; of the machine's files it has only what the plan names.
jq -r '.fds[].path // empty' "$SCRATCH/plan.json" >"$SCRATCH/paths"
for fd in /proc/"$qemu"/fd/*; do
	at=$(readlink "$fd") || continue
	case $at in
	/dev/null | "/var/log/vfiorun/$name.log" | /memfd:* | [!/]*) continue ;;
	esac
	grep -qxF "$at" "$SCRATCH/paths" || fail "QEMU has $at open, which the plan lacks"
done
wanted=$(jq -r '.fds[].fd' "$SCRATCH/plan.json")
for number in $wanted; do
	[[ -e /proc/$qemu/fd/$number ]] || fail "QEMU lacks descriptor $number of the plan"
done
for pid in $monitor $qemu; do
	descriptors "$pid" | grep -E '/\.lock|/\.host|/\.turn|journal|cpu_dma_latency' &&
		fail "process $pid holds what is the keeper's"
done
descriptors "$keeper" | grep -q cpu_dma_latency || fail "the keeper does not hold cpu_dma_latency"
descriptors "$keeper" | grep /.turn && fail "the keeper keeps others from starting"
descriptors "$keeper" | grep disk.raw && fail "the keeper keeps what is QEMU's"

note "the keeper's rights"
# chown, dac_override, kill, setgid, setuid, sys_nice
same 00000000008000e3 "$(status_of "$keeper" CapEff)" "the keeper's capabilities"
same "$(status_of "$keeper" CapEff)" "$(status_of "$keeper" CapPrm)" "what the keeper may take again"
same "$(status_of "$keeper" CapEff)" "$(status_of "$keeper" CapBnd)" "what the keeper can gain"

note "memory"
pss=$(($(awk '/^Pss:/ {print $2}' "/proc/$keeper/smaps_rollup") +
	$(awk '/^Pss:/ {print $2}' "/proc/$monitor/smaps_rollup")))
[[ $pss -le 4096 || $VFIORUN == */build-san/* ]] || fail "keeper and monitor take $pss KiB, more than 4 MiB"

note "$pss KiB; no wake-ups in 10 s of idleness"
switches() {
	status_of "$keeper" voluntary_ctxt_switches
	status_of "$monitor" voluntary_ctxt_switches
}
while [[ $((SECONDS - started)) -lt 7 ]]; do sleep 0.5; done
before=$(switches)
sleep 10
same "$before" "$(switches)" "voluntary context switches of keeper and monitor"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
nothing_left "after all"
