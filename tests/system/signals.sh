#!/bin/bash
# Ctrl-C, TERM and HUP in each phase; the console on a real terminal, whose settings come back whoever dies.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name signals)
remember_host

with() {
	profile "$name" '[vm]' "qemu = $(fake "$1")" 'shutdown_timeout = 60' "${@:2}" >/dev/null
}

note "once: powerdown"
for signal in INT TERM HUP; do
	with ''
	start "$name"
	kill -$signal "$keeper"
	ends 0 "$keeper"
	grep -q 'shutdown (guest-shutdown)' "/var/log/vfiorun/$name.log" || fail "no powerdown after $signal"
	nothing_left "after $signal"
done

note "twice: quit; thrice: kill"
with ignore=powerdown
start "$name"
kill -INT "$keeper"
within 5 grep -q 'once more: quit' "$SCRATCH/$name.err" || fail "it is not said what a second one does"
kill -INT "$keeper"
ends 0 "$keeper"
grep -q 'shutdown (host-qmp-quit)' "/var/log/vfiorun/$name.log" || fail "no quit after a second INT"
with ignore=powerdown+ignore=quit+ignore=term
start "$name"
for _ in 1 2 3; do
	kill -INT "$keeper"
	sleep 0.2
done
ends 0 "$keeper"
nothing_left "after three INTs"

note "before the guest runs"
with hang@query
"$VFIORUN" run "$SCRATCH/$name.conf" >/dev/null 2>"$SCRATCH/err" </dev/null &
keeper=$!
within 5 state_is "$name" starting || fail "not starting"
kill -TERM $keeper
ends 0 $keeper
nothing_left "after TERM while starting"
with '' '[hooks]' 'before = /bin/sleep 0.5'
"$VFIORUN" run "$SCRATCH/$name.conf" >/dev/null 2>"$SCRATCH/err" </dev/null &
keeper=$!
within 5 state_is "$name" applying || fail "not applying"
kill -TERM $keeper
ends 0 $keeper
nothing_left "after TERM while applying"

# --- a terminal

# shell_with LINE...: what a person's shell does before, with and after vfiorun.
shell_with() {
	script on-terminal <<-END
		#!/bin/bash
		set -m
		stty -g >"$SCRATCH/before"
		echo "\$\$" >"$SCRATCH/shell"
		run() {
			echo "\$BASHPID" >"$SCRATCH/keeper"
			exec "$VFIORUN" run --headless "$SCRATCH/$name.conf"
		}
		$1
		echo "status \$?"
		read -r
		stty -g >"$SCRATCH/after"
	END
}

# Types on the terminal.
type_keys() {
	printf '%b' "$1" >&7
}

screen_says() {
	grep -aq "$1" "$SCRATCH/screen"
}

# on_terminal COMMANDS: a shell on a terminal does this until the guest runs.
on_terminal() {
	local shell

	shell=$(shell_with "$1")
	rm -f "$SCRATCH"/{keys,screen,keeper,after}
	mkfifo "$SCRATCH/keys"
	"$TOOLS/terminal" "$shell" <"$SCRATCH/keys" >"$SCRATCH/screen" &
	terminal=$!
	exec 7>"$SCRATCH/keys"
	within 10 state_is "$name" running || fail "no guest on a terminal: $(cat "$SCRATCH/screen")"
	within 5 [ -s "$SCRATCH/keeper" ]
	keeper=$(cat "$SCRATCH/keeper")
	find_processes "$name"
}

in_foreground() {
	on_terminal '(run)'
	within 5 is_raw || fail "the terminal is not raw: $(settings)"
}

settings() {
	stty -a <"/proc/$(cat "$SCRATCH/shell")/fd/0"
}

is_raw() {
	settings | grep -q -e '-isig.* -icanon' -e '-icanon.*-isig'
}

is_cooked() {
	[[ $(stty -g <"/proc/$(cat "$SCRATCH/shell")/fd/0") == "$(cat "$SCRATCH/before")" ]]
}

off_terminal() {
	within 10 screen_says "status $1" || fail "no status $1 on the terminal: $(cat "$SCRATCH/screen")"
	within 5 is_cooked || fail "the terminal stays raw"
	type_keys '\n'
	wait $terminal
	exec 7>&-
	diff "$SCRATCH/before" "$SCRATCH/after" || fail "the terminal's settings differ"
	nothing_left "after a run on a terminal"
}

note "Ctrl-C goes to the guest, Ctrl-] leaves, then Ctrl-C asks for powerdown"
with ''
in_foreground
type_keys '\003'
sleep 0.3
state_is "$name" running || fail "Ctrl-C ended a guest that has the console"
type_keys '\035'
within 5 screen_says 'left the console' || fail "Ctrl-] does not leave"
within 5 is_cooked || fail "the terminal stays raw after Ctrl-]"
type_keys '\003'
off_terminal 0

note "the monitor dies: settings come back, then the console does"
in_foreground
old=$monitor
kill -KILL "$monitor"
within 5 gone "$old"
within 5 state_is "$name" running
within 5 is_raw || fail "no console after the monitor died"
expect 0 "$VFIORUN" stop "$name"
off_terminal 0

note "the keeper dies: settings come back"
in_foreground
kill -KILL "$keeper"
within 5 is_cooked || fail "the terminal stays raw after its keeper died"
within 5 screen_says 'status 137' || fail "no status after a kill"
expect 0 "$VFIORUN" stop "$name"
off_terminal 137

note "in the background of a terminal"
on_terminal 'run & wait $!'
is_cooked || fail "a background job changes the terminal"
for pid in $keeper $monitor $qemu; do
	[[ $(awk '{print $3}' "/proc/$pid/stat") != T ]] || fail "process $pid was stopped"
done
expect 0 "$VFIORUN" stop "$name"
off_terminal 0
