#!/bin/bash
# The serial console of a guest that sends back what is typed: relayed, replayed, shared, with a slow reader.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name console)
# A boot sector that polls the UART and sends back what it reads, for ever: 03fdh bit 0, 03f8h, 03fdh bit 5.
boot=$SCRATCH/boot.raw
printf '%b' '\xba\xfd\x03\xec\xa8\x01\x74\xfb\xba\xf8\x03\xec\x50\xba\xfd\x03\xec\xa8\x20\x74\xfb\x58\xba\xf8\x03\xee\xeb\xe4' \
	>"$boot"
truncate -s 510 "$boot"
printf '\x55\xaa' >>"$boot"
truncate -s 1M "$boot"
chmod 666 "$boot"
profile "$name" '[disk "boot"]' "file = $boot" 'format = raw' 'bus = sata' >/dev/null
remember_host

echoes() {
	grep -aq "$2" "$1"
}

note "stdin and stdout of run --headless"
mkfifo "$SCRATCH/in"
"$VFIORUN" run "$SCRATCH/$name.conf" --headless <"$SCRATCH/in" >"$SCRATCH/console" 2>"$SCRATCH/run.err" &
keeper=$!
exec 8>"$SCRATCH/in"
within 20 state_is "$name" running || fail "it does not run: $(cat "$SCRATCH/run.err")"
# typed again until the boot sector listens
type_until() {
	echo "$2" >&8
	sleep 0.1
	echoes "$1" "$2"
}
within 20 type_until "$SCRATCH/console" first || fail "what is typed does not come back"

note "two more consoles: both hear what was said before"
consoles=()
for i in 1 2; do
	mkfifo "$SCRATCH/in$i"
	"$VFIORUN" console "$name" <"$SCRATCH/in$i" >"$SCRATCH/console$i" 2>/dev/null &
	consoles+=($!)
done
exec 5>"$SCRATCH/in1" 6>"$SCRATCH/in2"
for i in 1 2; do
	within 5 echoes "$SCRATCH/console$i" first || fail "console $i does not tell what was said before"
done
echo second >&5
echo third >&6
for file in console console1 console2; do
	within 5 echoes "$SCRATCH/$file" second || fail "$file does not hear what the first typed"
	within 5 echoes "$SCRATCH/$file" third || fail "$file does not hear what the second typed"
done

note "a reader that stops reading holds up neither the others nor QMP"
kill -STOP "${consoles[0]}"
head -c 200000 /dev/zero | tr '\0' z | fold -w 99 >&6 &
writer=$!
sleep 1
state_is "$name" running || fail "no status beside a slow console"
kill $writer 2>/dev/null
wait $writer 2>/dev/null
kill -CONT "${consoles[0]}"
exec 5>&- 6>&- 8>&-
sleep 0.2
state_is "$name" running || fail "the end of stdin ends the guest"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
wait "${consoles[@]}"
nothing_left "after consoles"

note "stdin from a file, stdout to a full device and a closed pipe"
for out in /dev/full '&-'; do
	eval '"$VFIORUN" run "$SCRATCH/$name.conf" --headless </etc/passwd 2>/dev/null >'"$out"' &'
	keeper=$!
	within 20 state_is "$name" running || fail "it does not run with stdout $out"
	expect 0 "$VFIORUN" stop --force "$name"
	ends 0 "$keeper"
done
mkfifo "$SCRATCH/pipe"
head -c 0 "$SCRATCH/pipe" &
"$VFIORUN" run "$SCRATCH/$name.conf" --headless </etc/passwd 2>/dev/null >"$SCRATCH/pipe" &
keeper=$!
within 20 state_is "$name" running || fail "it does not run with a closed pipe"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
nothing_left "after odd standard descriptors"
