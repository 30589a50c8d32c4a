#!/bin/bash
# What `plan --json` says is what is executed: argument by argument, variable by variable, descriptor by
# descriptor; whatever characters paths have.
. "$(dirname "$0")/lib.sh"

name=$(guest_name exec)
disks="$SCRATCH/ä b,c=d"
mkdir "$disks"
truncate -s 8M "$disks/eins,zwei=3.raw" "$disks/it's.raw" "$disks/\$HOME;\`x\`.raw" "$disks/cd,1.iso" "$disks/direct.raw"
command -v qemu-img >/dev/null || skip "there is no qemu-img"
qemu-img create -q -f qcow2 "$disks/base,=.qcow2" 8M
qemu-img create -q -f qcow2 -F qcow2 -b "$disks/base,=.qcow2" "$disks/über.qcow2" || fail "qemu-img"

lines=(
	'[disk "a"]' "file = $disks/eins,zwei=3.raw" 'serial = S,1=x y' 'iothread = yes'
	'[disk "b"]' "file = $disks/it's.raw" 'bus = scsi' 'discard = yes'
	'[disk "c"]' "file = $disks/\$HOME;\`x\`.raw" 'bus = nvme' 'readonly = yes'
	'[disk "d"]' "file = $disks/über.qcow2" 'bus = sata'
	'[cdrom "e"]' "file = $disks/cd,1.iso"
	'[net "f"]' 'type = user' 'forward = tcp:127.0.0.1:42225:22'
	'[qemu]' 'arg = -fw_cfg' 'arg = name=opt/x,string=a  b'
)

# A QEMU that first writes down what it was given.
script recorder >/dev/null <<'END'
#!/bin/bash
if [[ -w $0.fds && " $* " == *" -S "* && " $* " == *guest=* ]]; then
	ls -l /proc/$$/fd >"$0.fds"
	grep -r flags: /proc/$$/fdinfo >"$0.flags"
fi
exec -a "$0" /usr/bin/qemu-system-x86_64 "$@"
END

planned() {
	jq -r "$1" "$SCRATCH/plan.json"
}

check_memory_of() {
	jq -j '.argv[] + "\u0000"' "$SCRATCH/plan.json" | cmp - "/proc/$qemu/cmdline" >&2 ||
		fail "QEMU's command line is not the plan's"
	planned '.environment | to_entries[] | "\(.key)=\(.value)"' | sort >"$SCRATCH/environment"
	tr '\0' '\n' <"/proc/$qemu/environ" | sort | grep -vE '^(SHLVL|_|PWD|OLDPWD)=' |
		diff -u "$SCRATCH/environment" - >&2 || fail "QEMU's environment is not the plan's"
}

check_user() {
	local uid

	uid=$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$qemu/status")
	same "$(planned .supervise.uid) $(planned .supervise.uid) $(planned .supervise.uid) $(planned .supervise.uid)" \
		"$uid" "QEMU's user ids"
}

check_pins() {
	local thread tid cpus policy wanted

	ask "$name" '.threads[] | "\(.thread) \(.tid) \(.cpus) \(.policy)"' >"$SCRATCH/threads"
	while read -r thread tid cpus policy; do
		wanted=$(planned ".pins[] | select(.thread == \"$thread\") | \"\(.cpus) \(.policy)\"")
		same "$wanted" "$cpus $policy" "CPUs and policy of $thread, $tid"
	done <"$SCRATCH/threads"
}

# Every descriptor that QEMU was given is in the plan, and the other way round.
check_fds() {
	local fd kind path write

	{
		echo "0 2 /dev/null"
		planned '.fds[] | "\(.fd) \(.kind) \(.write) \(.path)"' | while read -r fd kind write path; do
			case $kind in
			listen) echo "$fd 2 socket" ;;
			file) echo "$fd $([[ $write == true ]] && echo 2 || echo 0) $path" ;;
			*) echo "$fd 2 $path" ;;
			esac
		done
	} | sort -n >"$SCRATCH/fds.wanted"
	sed -nE 's/.* ([0-9]+) -> (.*)/\1 \2/p' "$SCRATCH/recorder.fds" |
		grep -vE "^([12] |.* $SCRATCH/recorder\$)" |
		while read -r fd path; do
			got=$(sed -nE "s|.*/fdinfo/$fd:flags:[[:space:]]*||p" "$SCRATCH/recorder.flags")
			echo "$fd $((got & 3)) $([[ $path == socket:* ]] && echo socket || echo "$path")"
		done | sort -n >"$SCRATCH/fds.got"
	diff -u "$SCRATCH/fds.wanted" "$SCRATCH/fds.got" >&2 || fail "QEMU's descriptors are not the plan's"
}

run_once() {
	expect 0 "$VFIORUN" plan --json "$file" "$@"
	cp "$SCRATCH/out" "$SCRATCH/plan.json"
	start "$name" "$@"
	check_memory_of
	check_user
	check_pins
	expect 0 "$VFIORUN" stop --force "$name"
	ends 0 "$keeper"
}

file=$(profile "$name" "${lines[@]}")
note "plain"
run_once
planned '.argv[]' | grep -qFx 'name=opt/x,string=a  b' || fail "a raw argument was changed"
note "with an environment and -- arguments"
export DISPLAY=:99 XAUTHORITY="$SCRATCH/a b" NOT_WANTED=1
run_once --headless
planned '.environment | keys[]' | grep -qx NOT_WANTED && fail "the caller's environment leaks"
unset DISPLAY XAUTHORITY NOT_WANTED
note "descriptors"
: >"$SCRATCH/recorder.fds"
: >"$SCRATCH/recorder.flags"
chmod 666 "$SCRATCH"/recorder.*
run_once --set "vm.qemu=$SCRATCH/recorder"
check_fds

note "argv is what can be pasted"
expect 0 "$VFIORUN" argv "$file"
cp "$SCRATCH/out" "$SCRATCH/pasted"
"$VFIORUN" argv --json "$file" 2>/dev/null | jq -r '.[]' >"$SCRATCH/pasted.json"
(
	# The same words after the shell has read them.
	eval "set -- $(cat "$SCRATCH/pasted")"
	printf '%s\n' "$@"
) | diff -u "$SCRATCH/pasted.json" - >&2 || fail "argv does not survive the shell"
grep -q '/dev/fdset\|fd=1' "$SCRATCH/pasted" && fail "argv names inherited descriptors"

note "paths that are no UTF-8"
odd=$SCRATCH/$(printf 'latin1-\xe4')
mkdir "$odd"
truncate -s 1M "$odd/disk.raw"
mv "$(profile "$name" '[disk "a"]' "file = disk.raw")" "$odd/"
expect 0 "$VFIORUN" plan --json "$odd/$name.conf"
iconv -f UTF-8 -t UTF-8 "$SCRATCH/out" >/dev/null || fail "JSON is not UTF-8"
jq -r '.fds[] | select(.what == "disk a") | .path' "$SCRATCH/out" | grep -q '/latin1-.*/disk.raw$' ||
	fail "where is the disk?"
SCRATCH=$odd start "$name"
kill -KILL "$keeper"
ends 137 "$keeper"
"$VFIORUN" adopt "$name" >"$SCRATCH/adopt" 2>&1 &
keeper=$!
within 10 state_is "$name" running || fail "not adopted: $(cat "$SCRATCH/adopt")"
expect 0 "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
