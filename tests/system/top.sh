#!/bin/bash
# top: run times grow, the table on a terminal and without one, keys, resizing, signals, and the guest's end.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name top)
# A boot sector that is always busy: jmp $.
boot=$SCRATCH/boot.raw
printf '\xeb\xfe' >"$boot"
truncate -s 510 "$boot"
printf '\x55\xaa' >>"$boot"
truncate -s 1M "$boot"
chmod 666 "$boot"
profile "$name" '[disk "boot"]' "file = $boot" 'format = raw' 'bus = sata' >/dev/null
remember_host
start "$name"

note "one sample, for people and for scripts"
expect 0 "$VFIORUN" top "$name" --once
expect_out "^$name: QEMU is process $qemu, threads over the last [0-9.]+ s"
expect_out '^thread +CPU +MHz/max policy +run % wait %'
expect_out '^vcpu0 +[0-9]+ +[0-9?]+/[0-9?]+ other '
expect_out '^vcpu1 '
expect_out '^emulator '
[[ $(awk '{ print length }' "$SCRATCH/out" | sort -n | tail -n 1) -le 80 ]] || fail "wider than 80 columns"

one() {
	"$VFIORUN" top "$name" --once --json --interval 0.3 | jq -r "$1"
}
same "$name $qemu" "$(one '"\(.name) \(.pid)"')" "who is looked at"
same "$(ask "$name" '[.threads[] | "\(.thread) \(.tid)"] | sort | join(",")')" \
	"$(one '[.threads[] | select(.thread | test("^(vcpu|emulator)")) | "\(.thread) \(.tid)"] | sort | join(",")')" \
	"the threads"
is_busy() {
	[[ $(one '[.threads[] | select(.thread == "vcpu0") | .run_ns > 0 and .total.run_ns > .run_ns] | all') == true ]]
}
within 30 is_busy || fail "a busy vCPU's run time does not grow"

note "a line for each interval, until the reader goes"
"$VFIORUN" top "$name" --json --interval 0.2 2>"$SCRATCH/err" | head -n 3 >"$SCRATCH/lines"
same 3 "$(jq -s length "$SCRATCH/lines")" "objects"
same true "$(jq -s '[.[].threads[] | select(.thread == "vcpu0") | .total.run_ns] | . == sort and .[0] < .[2]' \
	"$SCRATCH/lines")" "run times that grow"

note "no vCPU is stopped, QEMU is not asked"
command -v strace >/dev/null && {
	before=$(ask "$name" .state)
	strace -f -o "$SCRATCH/trace" -e trace=sendto,sendmsg,write,recvmsg,read -p "$qemu" 2>/dev/null &
	tracer=$!
	within 10 grep -qs . "$SCRATCH/trace" || true
	"$VFIORUN" top "$name" --once >/dev/null
	kill "$tracer"
	wait "$tracer" 2>/dev/null
	same "" "$(grep -a execute "$SCRATCH/trace")" "what QEMU was told"
	same "$before" "$(ask "$name" .state)" "its state"
}

note "on a terminal: drawn, resized, left with q"
screen() {
	grep -aq -- "$1" "$SCRATCH/screen"
}
# open_terminal COMMAND...: types what comes to descriptor 8, $looker is vfiorun
open_terminal() {
	rm -f "$SCRATCH/keys"
	mkfifo "$SCRATCH/keys"
	TERM=xterm LC_ALL=$1 "$TOOLS/terminal" sh -c "$2" <"$SCRATCH/keys" >"$SCRATCH/screen" 2>&1 &
	terminal=$!
	exec 8>"$SCRATCH/keys"
	within 20 screen 'vcpu0 .*other' || fail "nothing is drawn: $(cat -v "$SCRATCH/screen")"
	looker=
	for pid in /proc/[0-9]*; do
		[[ $(tr '\0' ' ' <"$pid/cmdline") == *"vfiorun top $name"* && $(cat "$pid/comm") == vfiorun ]] &&
			looker=${pid#/proc/}
	done 2>/dev/null
	[[ $looker ]] || fail "no vfiorun on the terminal"
}
top="stty rows 24 cols 80; stty -g >$SCRATCH/before; $VFIORUN top $name --interval 0.2; echo status \$?; stty -g >$SCRATCH/after"
open_terminal C.UTF-8 "$top"
screen $'\e\\[?1049h' || fail "not on the other screen"
screen '[▁▂▃▄▅▆▇█]' || fail "no history in UTF-8"
screen 'q leaves' || fail "how to leave is not said"
tty=$(readlink "/proc/$looker/fd/1")
stty -F "$tty" rows 4 cols 30
within 10 screen 'and [0-9]* more' || fail "it does not notice that the window is smaller: $(cat -v "$SCRATCH/screen")"
printf q >&8
exec 8>&-
ends 0 "$terminal"
screen 'status 0' || fail "q does not leave well"
screen $'\e\\[?1049l' || fail "the other screen stays"
same "$(cat "$SCRATCH/before")" "$(cat "$SCRATCH/after")" "the terminal's settings"

note "Ctrl-C, TERM, without colours and beyond ASCII"
open_terminal C "${top/top $name/top $name --no-color}"
grep -aqP '[\x80-\xff]|\x1b\[3[0-9]m' "$SCRATCH/screen" && fail "more than ASCII without colours"
printf '\003' >&8
ends 0 "$terminal"
exec 8>&-
screen 'status 0' || fail "Ctrl-C does not leave well"
same "$(cat "$SCRATCH/before")" "$(cat "$SCRATCH/after")" "the terminal's settings"
open_terminal C "$top"
kill -TERM "$looker"
exec 8>&-
ends 0 "$terminal"
screen 'status 143' || fail "TERM does not end it as TERM does"
same "$(cat "$SCRATCH/before")" "$(cat "$SCRATCH/after")" "the terminal's settings"

note "Ctrl-Z and back"
open_terminal C "$top"
kill -TSTP "$looker"
stopped() {
	[[ $(ps -o stat= -p "$looker") == T* ]]
}
within 10 stopped || fail "Ctrl-Z does not stop it"
screen $'\e\\[?1049l' || fail "it stops without giving the terminal back"
kill -CONT "$looker"
: >"$SCRATCH/screen"
within 10 screen 'vcpu0' || fail "it does not come back"

note "the keeper dies: the threads are still there; then the guest ends"
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null
expect 0 "$VFIORUN" top "$name" --once
expect_out '^vcpu0 '
expect_out '^vcpu1 '
expect_out '^emulator '
"$VFIORUN" top "$name" --json --interval 0.2 >"$SCRATCH/stream" 2>"$SCRATCH/stream.err" &
stream=$!
within 10 test -s "$SCRATCH/stream" || fail "no stream of a guest without a keeper"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$stream"
grep -q "$name has ended" "$SCRATCH/stream.err" || fail "its end is not told: $(cat "$SCRATCH/stream.err")"
ends 0 "$terminal"
exec 8>&-
screen 'status 0' || fail "top does not leave well when the guest has ended"
screen "$name has ended" || fail "its end is not told on the terminal"
same "$(cat "$SCRATCH/before")" "$(cat "$SCRATCH/after")" "the terminal's settings"

note "no guest, no such interval"
expect 1 "$VFIORUN" top "$name"
expect_err "no guest .$name."
for interval in 0 0.01 -1 x 1x 3601 nan; do
	expect 2 "$VFIORUN" top "$name" --interval=$interval
	expect_err 'from 0.1 to 3600'
done
nothing_left "after top"
