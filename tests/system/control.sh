#!/bin/bash
# The control socket under hostile clients, and who may ask what.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need_root
name=$(guest_name control)
profile "$name" '[vm]' "qemu = $(fake '')" 'operators = daemon' >/dev/null
remember_host
start "$name"
socket=/run/vfiorun/$name/control.sock
talk=$TOOLS/talk

# answers REGEX LINES REQUEST...: what comes back for these bytes.
answers() {
	local wanted=$1 lines=$2

	shift 2
	status=0
	printf '%s' "$@" | timeout 10 "$talk" "$socket" "$lines" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
	expect_out "$wanted"
}

serves() {
	# `status` would answer from the disk
	timeout 5 "$VFIORUN" qmp "$name" query-status >/dev/null || fail "no answer $1"
}

note "requests that are none"
answers '"code":"parse"' 1 $'garbage\n'
answers '"code":"parse"' 1 $'[1]\n'
answers '"code":"usage"' 1 $'{}\n'
answers '"code":"usage"' 1 $'{"do":7}\n'
answers '"id":7,.*"code":"unknown".*"hint":"status"' 1 $'{"id":7,"do":"statsu"}\n'
answers '"id":\{"a":\[1\]\},"ok"' 1 $'{"id":{"a":[1]},"do":"status"}\n'
answers '"id":2' 2 $'{"id":1,"do":"status"}\n{"id":2,"do":"stat' $'us"}\n'
answers '"code":"usage"' 1 $'{"id":1,"do":"qmp"}\n'
answers '"code":"usage"' 1 $'{"id":1,"do":"qmp","args":{"execute":"stop","arguments":3}}\n'
answers '"code":"qemu"' 1 $'{"id":1,"do":"qmp","args":{"execute":"nonsense"}}\n'
serves "after requests that are none"

note "a line of 2 MiB, random bytes, half a line"
head -c 2097152 /dev/zero | tr '\0' x | timeout 10 "$talk" "$socket" 1 >/dev/null 2>&1
[[ $? != 124 ]] || fail "a line of 2 MiB keeps its connection"
head -c 300000 /dev/urandom | timeout 2 "$talk" "$socket" 100000 >/dev/null 2>&1
printf '{"id":1,' | timeout 0.2 "$talk" "$socket" 1 >/dev/null 2>&1
serves "after garbage"

note "100 connections, and clients that never read"
mkfifo "$SCRATCH/open"
"$talk" "$socket" hold=100 <"$SCRATCH/open" >"$SCRATCH/held" &
holder=$!
exec 5>"$SCRATCH/open"
within 5 grep -q held "$SCRATCH/held" || fail "100 connections are not taken"
exec 5>&-
ends 0 $holder
within 5 state_is "$name" running || fail "no status after 100 connections"
note "strangers that fill the places leave those of root free"
mkfifo "$SCRATCH/open2"
setpriv --reuid bin --regid bin --clear-groups "$talk" "$socket" hold=100 <"$SCRATCH/open2" >"$SCRATCH/held2" &
holder=$!
exec 5>"$SCRATCH/open2"
within 5 grep -q held "$SCRATCH/held2" || fail "100 connections of a stranger are not taken"
serves "while a stranger holds 100 connections"
exec 5>&-
ends 0 $holder
yes '{"id":1,"do":"status"}' | "$talk" "$socket" mute 2>/dev/null &
mute=$!
sleep 1
serves "beside a client that never reads"
within 10 gone $mute || kill $mute
wait $mute 2>/dev/null

note "who may do what"
# as USER REGEX VERB: the answer to VERB, asked by USER.
as() {
	status=0
	printf '{"id":1,"do":"%s","args":{"execute":"query-status"}}\n' "$3" |
		timeout 10 setpriv --reuid "$1" --regid "$1" --clear-groups "$talk" "$socket" 1 \
			>"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
	expect_out "$2"
}
for verb in status stop pause resume reset qmp wait subscribe console; do
	as bin '"code":"denied"' $verb
done
for verb in stop reset qmp console; do
	as daemon '"code":"denied"' $verb
done
for verb in status pause resume subscribe; do
	as daemon '"ok"' $verb
done
within 5 state_is "$name" running || fail "the guest does not run any more"

note "events for who subscribes"
printf '{"id":1,"do":"subscribe"}\n' | timeout 20 "$talk" "$socket" 4 >"$SCRATCH/events" &
subscriber=$!
within 5 grep -q '"ok"' "$SCRATCH/events" || fail "no answer to subscribe"
expect 0 "$VFIORUN" pause "$name"
expect 0 "$VFIORUN" resume "$name"
expect 0 "$VFIORUN" reset "$name"
ends 0 $subscriber
same "STOP RESUME RESET" "$(jq -r '.event // empty' "$SCRATCH/events" | xargs)" "the events"
log_says() {
	[[ $("$VFIORUN" log "$name" | sed -n 's/^.*vfiorun: \(the guest .*\)/\1/p' | tail -n 3 | paste -sd, -) == "$1" ]]
}
within 5 log_says "the guest is paused,the guest goes on,the guest was reset" || fail "the log: $("$VFIORUN" log "$name")"

note "waiters are told"
printf '{"id":"w","do":"wait"}\n' | timeout 20 "$talk" "$socket" 1 >"$SCRATCH/waited" &
waiter=$!
sleep 0.1
expect 0 "$VFIORUN" stop "$name"
ends 0 $waiter
grep -q '"id":"w","ok":{"status":0}' "$SCRATCH/waited" || fail "wait said $(cat "$SCRATCH/waited")"
ends 0 "$keeper"
nothing_left "after hostile clients"
