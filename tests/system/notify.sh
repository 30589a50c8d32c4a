#!/bin/bash
# Under systemd: READY once the guest runs, STATUS, STOPPING.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name notify)
profile "$name" '[vm]' "qemu = $(fake '')" >/dev/null
remember_host
socket=$SCRATCH/notify
"$TOOLS/talk" "$socket" receive >"$SCRATCH/told" &
receiver=$!
within 5 [ -S "$socket" ] || fail "no receiver"
export NOTIFY_SOCKET=$socket
start "$name"
within 5 grep -qx READY=1 "$SCRATCH/told" || fail "READY is not told"
grep -qx "STATUS=guest $name runs" "$SCRATCH/told" || fail "STATUS is not told"
grep -qx "MAINPID=$keeper" "$SCRATCH/told" || fail "MAINPID is not told"
grep -q STOPPING "$SCRATCH/told" && fail "STOPPING is told before the end"
tr '\0' '\n' <"/proc/$qemu/environ" | grep -q NOTIFY && fail "QEMU inherits NOTIFY_SOCKET"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
grep -qx STOPPING=1 "$SCRATCH/told" || fail "STOPPING is not told"
kill $receiver
wait $receiver 2>/dev/null
export NOTIFY_SOCKET=$SCRATCH/nobody
start "$name"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
nothing_left "after notifying"
