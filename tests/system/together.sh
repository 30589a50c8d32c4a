#!/bin/bash
# Guests at the same instant, names that are none, and a run directory that is full, foreign or damaged.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need_root
name=$(guest_name one)
file=$(profile "$name" '[vm]' "qemu = $(fake '')")
other=$(guest_name two)
profile "$other" '[vm]' "qemu = $(fake '')" >/dev/null
run=/run/vfiorun
expect 0 "$VFIORUN" plan "$file"
remember_host

note "the same guest three times at once: one runs, two are told"
for i in 1 2 3; do
	"$VFIORUN" run "$file" >/dev/null 2>"$SCRATCH/$i.err" </dev/null &
	eval "pid$i=$!"
done
within 10 state_is "$name" running || fail "none of three gets to run"
within 5 [ "$(jobs -rp | wc -l)" = 1 ] || true
expect 0 "$VFIORUN" stop "$name"
got=
for i in 1 2 3; do
	pid=pid$i
	status=0
	wait "${!pid}" || status=$?
	got+="$status "
done
same "0 5 5" "$(tr ' ' '\n' <<<"$got" | sort | xargs)" "the three statuses"
nothing_left "after three starts at once"

note "different guests at once"
start "$name"
first=$keeper
start "$other"
expect 0 "$VFIORUN" list
expect_out "$name +running"
expect_out "$other +running"
expect 0 "$VFIORUN" stop "$other"
ends 0 "$keeper"
state_is "$name" running || fail "one guest's end is the other's"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$first"
nothing_left "after two guests"

# with_one_vcpu NAME: pins it where it likes best
with_one_vcpu() {
	profile "$1" '[vm]' "qemu = $(fake '')" '[cpu]' 'vcpus = 1' 'isolate = none' >/dev/null
}

note "two that look for a CPU at the same instant find two"
if [[ $(nproc) -ge 2 ]]; then
	with_one_vcpu "$name"
	with_one_vcpu "$other"
	for i in {1..8}; do
		for one in "$name" "$other"; do
			"$VFIORUN" run "$SCRATCH/$one.conf" >/dev/null 2>"$SCRATCH/$one.err" </dev/null &
		done
		for one in "$name" "$other"; do
			within 20 state_is "$one" running || fail "$one does not get to run: $(cat "$SCRATCH/$one.err")"
		done
		got=$(for one in "$name" "$other"; do
			"$VFIORUN" status "$one" --json | jq -r '.threads[] | select(.thread == "vcpu0").cpus'
		done | sort -u | wc -l)
		same 2 "$got" "CPUs that two guests have in start $i"
		expect 0 "$VFIORUN" stop "$name"
		expect 0 "$VFIORUN" stop "$other"
		wait
	done
	nothing_left "after guests that began together"
	profile "$name" '[vm]' "qemu = $(fake '')" >/dev/null
	profile "$other" '[vm]' "qemu = $(fake '')" >/dev/null
fi

note "names that are none"
for bad in ../x /etc/passwd .hidden -dash '' 'a b' "$(printf 'x%.0s' {1..64})" 'a/b' $'a\nb' 'ä' ..; do
	for command in status stop revert adopt console log wait pause; do
		expect 2 "$VFIORUN" $command -- "$bad"
	done
	[[ ! $bad || $bad == *$'\n'* ]] || # nothing is the file's name, a newline another line
		expect 2 "$VFIORUN" plan "$(profile plain '[vm]' "name = $bad")"
done
expect 0 "$VFIORUN" plan "$(profile plain '[vm]' "name = $(printf 'x%.0s' {1..63})")"

note "a name that never was leaves no file behind"
ls -A $run >"$SCRATCH/before"
expect 0 "$VFIORUN" revert nobody-here
expect 1 "$VFIORUN" stop nobody-here
expect 1 "$VFIORUN" adopt nobody-here
expect 1 "$VFIORUN" status nobody-here
expect 1 "$VFIORUN" wait nobody-here
expect 1 "$VFIORUN" console nobody-here
expect 1 "$VFIORUN" qmp nobody-here query-status
diff "$SCRATCH/before" <(ls -A $run) || fail "a file was left"

note "a state file that is damaged, or gone"
for damage in 'truncate -s 0' 'truncate -s 100' 'truncate -s 1M' rm 'cp /bin/true'; do
	start "$name"
	kill -KILL "$keeper" "$qemu"
	wait "$keeper" 2>/dev/null
	within 5 gone "$qemu"
	$damage "$run/$name/state"
	expect 0 "$VFIORUN" list
	expect 0 "$VFIORUN" revert "$name"
	nothing_left "after $damage state"
done

note "a damaged state of a guest that still runs"
start "$name"
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null
truncate -s 0 "$run/$name/state"
expect 0 "$VFIORUN" list
try "$VFIORUN" revert "$name"
[[ $status == [45] ]] || fail "revert of a running guest without state: $status"
kill -KILL "$qemu"
within 5 gone "$qemu"
expect 0 "$VFIORUN" revert "$name"
nothing_left "after the state was lost"

note "a journal that was cut short"
start "$name"
kill -KILL "$keeper" "$qemu"
wait "$keeper" 2>/dev/null
within 5 gone "$qemu"
printf 'do\t99\t1\tse' >>"$run/$name/journal"
expect 0 "$VFIORUN" revert "$name"
nothing_left "after a cut journal"

note "a run directory that is full, at every point"
full=0
for limit in size=4k size=8k nr_inodes={2..14}; do
	mount -t tmpfs -o "$limit,mode=0755" vfiorun-test $run
	"$VFIORUN" run "$file" >/dev/null 2>"$SCRATCH/err" </dev/null &
	keeper=$!
	within 10 runs_or_ended "$name" || fail "with $limit it neither runs nor ends"
	if gone "$keeper"; then
		ends 3 "$keeper"
		expect_err 'No space left'
		full=$((full + 1))
		expect 0 "$VFIORUN" revert "$name"
	else
		expect 0 "$VFIORUN" stop "$name"
		ends 0 "$keeper"
	fi
	same "" "$(find $run -mindepth 1 ! -name '.*')" "what is left with $limit"
	umount $run
done
[[ $full -ge 6 ]] || fail "only $full starts met a full directory"

note "a run directory that can't be written"
mount -t tmpfs -o size=1m,mode=0755,ro vfiorun-test $run
expect 3 "$VFIORUN" run "$file"
expect_err 'Read-only'
expect 0 "$VFIORUN" list
umount $run

note "a run directory of somebody else"
mount -t tmpfs -o size=1m,mode=0777 vfiorun-test $run
expect 3 "$VFIORUN" run "$file"
expect_err "$run"
chown nobody $run
chmod 755 $run
expect 3 "$VFIORUN" run "$file"
expect_err "$run"
umount $run
nothing_left "after foreign directories"
