#!/bin/bash
# lab: full
# Debian's irqbalance is told over its socket that the vCPUs' CPUs are not for interrupts, and told otherwise at the
# end; what it has understood it says itself. So is one that is started anew while the guest runs, with a keeper or
# without. Needs what tests/lab/fetch-irqbalance unpacks.
. tests/lab/lib.sh
. tests/lab/devices.sh
. tests/lab/interrupts.sh

irqbalance_starts
profile calm </dev/null
vfiorun plan "$SCRATCH/calm.conf" >"$SCRATCH/plan"
grep -A 2 "mask */run/irqbalance/irqbalance$irqbalance.sock" "$SCRATCH/plan" || fail "the plan says nothing of irqbalance"
! grep -q "irqbalance (process" "$SCRATCH/plan" || fail "the plan warns of what it tells"
start calm
expect "vCPUs" "$(threads calm | awk '/^vcpu/ {print $3}' | xargs)" "2 3"
wait_until "it bans the vCPUs' CPUs" irqbalance_bans c
journal_has_it() {
	vfiorun status calm | grep "irqbalance$irqbalance.sock"
}
journal_has_it || fail "the journal says nothing of irqbalance"

echo "It is ended, and started anew:"
irqbalance_stops
forgotten() {
	! journal_has_it
}
wait_until "the journal forgets it" forgotten
irqbalance_runs
wait_until "it bans the vCPUs' CPUs" irqbalance_bans c
wait_until "the journal has it" journal_has_it

echo "Once more, while nobody keeps the guest:"
kill_keeper calm
irqbalance_stops
irqbalance_runs
begin calm adopt -v calm
wait_until "it bans the vCPUs' CPUs" irqbalance_bans c
wait_until "the journal has it" journal_has_it
stop calm
wait_until "it bans no CPU again" irqbalance_bans 0

echo "Without its socket it is named:"
rm "/run/irqbalance/irqbalance$irqbalance.sock"
vfiorun plan "$SCRATCH/calm.conf" 2>&1 | grep "irqbalance (process $irqbalance) has no socket" || fail "it is not"
