#!/bin/bash
# lab: full
# Debian's irqbalance is told over its socket that the vCPUs' CPUs are not for interrupts, and told otherwise at the
# end; what it has understood it says itself. Needs what tests/lab/fetch-irqbalance unpacks.
. tests/lab/lib.sh

program=$GUEST/irqbalance/usr/sbin/irqbalance
[[ -x $program ]] || skip "no irqbalance: run tests/lab/fetch-irqbalance"
mkdir /run/irqbalance
masks() {
	grep . /proc/irq/[0-9]*/smp_affinity_list
}
before=$(masks)
stdbuf -oL "$program" --debug --interval=2 >"$SCRATCH/irqbalance" 2>&1 &
daemon=$!
# it moves interrupts, and leaves them where it moved them
put_back() {
	local path cpus

	kill $daemon
	wait $daemon || true
	while IFS=: read -r path cpus; do
		echo "$cpus" >"$path" || true
	done <<<"$before" 2>/dev/null
	rm -rf /run/irqbalance
}
trap put_back EXIT
says() {
	[[ $(sed -n 's/^Banned CPUs: //p' "$SCRATCH/irqbalance" | tail -n 1 | tr -d ,) =~ ^0*$1$ ]]
}

wait_until "its socket" test -S "/run/irqbalance/irqbalance$daemon.sock"
wait_until "it bans no CPU" says 0
profile calm </dev/null
vfiorun plan "$SCRATCH/calm.conf" >"$SCRATCH/plan"
grep -A 2 "mask */run/irqbalance/irqbalance$daemon.sock" "$SCRATCH/plan" || fail "the plan says nothing of irqbalance"
! grep -q "irqbalance (process" "$SCRATCH/plan" || fail "the plan warns of what it tells"
start calm
expect "vCPUs" "$(threads calm | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
wait_until "it bans the vCPUs' CPUs" says c
vfiorun status calm | grep irqbalance || fail "the journal says nothing of irqbalance"
stop calm
wait_until "it bans no CPU again" says 0

echo "Without its socket it is named:"
rm "/run/irqbalance/irqbalance$daemon.sock"
vfiorun plan "$SCRATCH/calm.conf" 2>&1 | grep "irqbalance (process $daemon) has no socket" || fail "it is not"
