#!/bin/bash
# A thousand switches under a stream of keys, and two hundred unpluggings and pluggings with a key held: each press
# reaches one side, once, and is released there; nothing is left down.
# lab: full limit=2400
. tests/lab/lib.sh
. tests/lab/input.sh

switches=1000 series=100 rounds=200 rate=1000
input_modules
# on all CPUs: what looks here is to be no slower than it must
traced many <<-END
	keyboard = name:storm*
	mouse = none
	[cpu]
	isolate = none
END
start many
keyboard=$(guest_node many keyboard)

# clone_of NAME: there is a copy of that device
clone_of() {
	node_of "$1" vfiorun/clone/
}

finished() {
	[[ $(wc -l <"$SCRATCH/storm") -eq 2 ]]
}

# all_read: nothing more comes on either side
all_read() {
	local now

	now=$(stat -c %s "/var/log/vfiorun/many.log" "$SCRATCH/host.events" | xargs)
	[[ $now == "${before:-}" ]] || {
		before=$now
		sleep 1
		return 1
	}
}

downs() {
	grep -c ':1$' "$1"
}

ups() {
	grep -c ':0$' "$1"
}

# tell_rate SWITCHES PRESSES MICROSECONDS: a report has a press, the release of the last, and its end
tell_rate() {
	local reports=$(($2 * 1000000 / $3))

	echo "$1 switches, $2 presses in $(($3 / 1000)) ms: $((reports * 3)) events a second, $((reports * 2)) of them keys"
}

# switch_often: a storm comes, and the series is switched to and fro. Sets `sent`, its presses, and `took`, their
# microseconds; what came of it is in $SCRATCH/host and $SCRATCH/guest.
switch_often() {
	local i begun storm reins talker answer pid

	rm -f "$SCRATCH/reins"
	mkfifo "$SCRATCH/reins"
	"$TOOLS/evdev" storm storm "$rate" <"$SCRATCH/reins" >"$SCRATCH/storm" &
	storm=$!
	exec {reins}>"$SCRATCH/reins"
	wait_until "a copy of the storm" clone_of storm
	watch "$node" "$SCRATCH/host.events"
	# The kernel keeps 64 events for each who reads the storm and its copy. Where those who read come first on the one
	# CPU that all of them have, they are never late, however busy the machine outside is.
	for pid in "$(input_pid)" "${watchers[$SCRATCH/host.events]}"; do
		taskset --cpu-list --pid 0 "$pid" >/dev/null
		chrt --fifo --pid 20 "$pid"
	done
	taskset --cpu-list --pid 0 $storm >/dev/null
	vfiorun switch many host
	guest_forget many
	begun=${EPOCHREALTIME/./}
	printf . >&"$reins"
	coproc talker { "$TOOLS/talk" /run/vfiorun/many/control.sock "$series"; }
	for ((i = 0; i < series; i++)); do
		echo '{"id":1,"do":"switch"}' >&"${talker[1]}"
		read -r -t 60 answer <&"${talker[0]}"
		[[ $answer == *'"ok"'* ]] || fail "switch $i: $answer"
	done
	printf . >&"$reins" # others hold the other end, too: that it is closed is not enough
	exec {reins}>&-
	wait_until "the storm ends" finished
	sent=$(tail -n 1 "$SCRATCH/storm")
	took=$((${EPOCHREALTIME/./} - begun))
	tell_rate $series "$sent" $took
	wait_until "all is read" all_read
	host_says | tr ' ' '\n' >"$SCRATCH/host"
	guest_says many | tr ' ' '\n' >"$SCRATCH/guest"
	expect "released in the guest" "$(ups "$SCRATCH/guest")" "$(downs "$SCRATCH/guest")"
	expect "down in the guest" "$(evdev held "$keyboard" | xargs)" ""
	unwatch "$SCRATCH/host.events"
	kill $storm
	wait $storm 2>/dev/null || true
	wait_until "the copy is gone" clone_is_gone
}

clone_is_gone() {
	! clone_of storm
}

# Whoever looks at the host's side is no quicker than a busy machine lets it be, and says so: it is made once more then.
failures=0 presses=0 duration=0
for ((counted = 0; counted < switches; )); do
	switch_often
	if grep -q dropped "$SCRATCH/host.events"; then
		((++failures < 30)) || fail "this machine is too slow to look"
		echo "who looked on the host could not follow: once more"
		continue
	fi
	expect "released on the host" "$(ups "$SCRATCH/host")" "$(downs "$SCRATCH/host")"
	expect "presses on both sides" "$(($(downs "$SCRATCH/host") + $(downs "$SCRATCH/guest")))" "$sent"
	((counted += series, presses += sent, duration += took))
done
echo "In all, of $rate keys a second asked for:"
tell_rate $counted $presses $duration
echo "Unplugged and plugged in again:"
vfiorun switch many guest
for ((i = 0; i < rounds; i++)); do
	mkfifo "$SCRATCH/keys"
	"$TOOLS/evdev" make "storm $i" keyboard <"$SCRATCH/keys" >"$SCRATCH/plugged" &
	device=$!
	exec {keys}>"$SCRATCH/keys"
	wait_until "round $i: a copy" clone_of "storm $i"
	echo 1:30:1 >&"$keys"
	wait_until "round $i: down in the guest" is_held "$keyboard" 30
	kill $device
	wait $device 2>/dev/null || true
	exec {keys}>&-
	rm "$SCRATCH/keys"
	wait_until "round $i: up in the guest" is_held "$keyboard" ""
done
expect "descriptors of the input process" "$(find "/proc/$(input_pid)/fd" -type l | wc -l | awk '{print ($1 < 40)}')" 1
stop many
no_input_modules
