#!/bin/bash
# inhibit_sleep against the real systemd-logind, on a bus of its own: the lock is there for as long as the guest is
# kept, ends with a keeper that is killed, is taken again, and a logind that refuses stops only who insists.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need_root
[[ $$ == 1 ]] || skip "needs namespaces of its own"
for program in dbus-daemon systemd-inhibit /lib/systemd/systemd-logind; do
	command -v $program >/dev/null || skip "there is no $program"
done
name=$(guest_name sleep)
mkdir -p /run/dbus /run/systemd
mount -t tmpfs -o mode=755 test /run/dbus && mount -t tmpfs -o mode=755 test /run/systemd || fail "no private /run"
mkdir -p /run/systemd/seats /run/systemd/system

locks() {
	systemd-inhibit --list 2>/dev/null | grep -c '^vfiorun .* sleep .*block'
}
has_locks() {
	[[ $(locks) == "$1" ]]
}
why() {
	systemd-inhibit --list 2>/dev/null | grep '^vfiorun '
}
start_bus() {
	dbus-daemon --system --nofork --nopidfile 2>/dev/null &
	bus=$!
	# logind ends if there is no bus yet.
	within 20 dbus-send --system --dest=org.freedesktop.DBus --print-reply / org.freedesktop.DBus.ListNames \
		>/dev/null 2>&1 || fail "no bus"
	/lib/systemd/systemd-logind 2>/dev/null &
	logind=$!
	within 20 systemd-inhibit --list >/dev/null 2>&1 || fail "no logind"
}
inhibited() {
	ask "$1" '[.journal[] | select(.kind == "inhibit") | "\(.path) \(.want) \(.got)"] | join(",")'
}

note "without logind: auto goes on, yes is refused"
profile "$name" >/dev/null
same 0 "$("$VFIORUN" plan --json "$SCRATCH/$name.conf" 2>/dev/null | jq '.changes | length')" "changes"
profile "$name" '[host]' 'inhibit_sleep = yes' >/dev/null
expect 3 "$VFIORUN" run "$SCRATCH/$name.conf"
expect_err 'no systemd-logind here'

note "held while the guest runs"
start_bus
profile "$name" >/dev/null
start "$name"
has_locks 1 || fail "no lock: $(systemd-inhibit --list)"
[[ $(why) == *"the host stays awake while $name runs"* ]] || fail "logind was told: $(why)"
same "sleep try block" "$(inhibited "$name")" "what is journalled"
same "$keeper" "$(why | awk '{ print $4 }')" "who holds it"

note "killed: the lock ends; adopted: it is taken again; stopped: it ends"
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null
within 10 has_locks 0 || fail "the lock outlives its keeper"
"$VFIORUN" adopt "$name" >"$SCRATCH/adopt.out" 2>&1 </dev/null &
keeper=$!
within 20 state_is "$name" running || fail "not adopted: $(cat "$SCRATCH/adopt.out")"
within 10 has_locks 1 || fail "the adopter does not take the lock"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
within 10 has_locks 0 || fail "the lock outlives the guest"

note "two guests have a lock each"
other=$(guest_name other)
profile "$other" '[host]' 'inhibit_sleep = yes' >/dev/null
start "$name"
first=$keeper
start "$other"
has_locks 2 || fail "$(locks) locks"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$first"
within 10 has_locks 1 || fail "$(locks) locks"
expect 0 "$VFIORUN" stop --force "$other"
ends 0 "$keeper"

note "inhibit_sleep = no"
profile "$name" '[host]' 'inhibit_sleep = no' >/dev/null
start "$name"
has_locks 0 || fail "a lock that nobody wants"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"

note "the bus is there, logind is not: auto goes on and says so, yes is refused and all is undone"
kill "$logind"
wait "$logind" 2>/dev/null
profile "$name" '[host]' 'inhibit_sleep = auto' >/dev/null
start "$name"
same "sleep try none" "$(inhibited "$name")" "what is journalled"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
profile "$name" '[host]' 'inhibit_sleep = yes' >/dev/null
expect 3 "$VFIORUN" run "$SCRATCH/$name.conf"
expect_err 'does not keep the host awake'
expect_err 'inhibit_sleep = no'
[[ ! -e /run/vfiorun/$name ]] || fail "it left $(ls "/run/vfiorun/$name")"
kill "$bus"
wait "$bus" 2>/dev/null
within 5 no_process || fail "processes are left: $(leftovers)"
