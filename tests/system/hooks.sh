#!/bin/bash
# Hooks: their order and environment, what their failures mean, and the last one after a crash.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name hooks)
log=$SCRATCH/hooks.log
hook=$(script hook <<END
#!/bin/sh
echo "\$1 \$VFIORUN_EVENT \$VFIORUN_NAME \$("$VFIORUN" list --json | tr -d ' \n' | grep -o '"state":"[a-z]*"')" >>"$log"
cat >/dev/null # its stdin is empty
grep CapEff /proc/self/status >>"$SCRATCH/rights"
grep Cpus_allowed_list /proc/self/status >>"$SCRATCH/cpus"
echo "words of hook \$1"
END
)
hooks=('[hooks]' "before = $hook one" "started = $hook two" "stopped = $hook three")
last=$(sed 's/.*[-,]//' /sys/devices/system/cpu/online)
profile "$name" '[vm]' "qemu = $(fake '')" '[cpu]' 'vcpus = 1' "pin = $last" "${hooks[@]}" >/dev/null
remember_host
own_cpus=$(grep Cpus_allowed_list /proc/self/status)

note "in order, each with its surroundings"
start "$name"
within 5 grep -q two "$log" || fail "no hook started"
if [[ $last != 0 ]]; then
	for process in "$keeper" "$monitor"; do
		[[ $(grep Cpus_allowed_list "/proc/$process/status") != "$own_cpus" ]] ||
			fail "$(cat "/proc/$process/comm") does not leave the vCPU's CPU to it"
	done
fi
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
nothing_left "after hooks"
cat >"$SCRATCH/wanted" <<END
one before $name "state":"applying"
two started $name "state":"running"
three stopped $name "state":"stopping"
END
diff -u "$SCRATCH/wanted" "$log" || fail "the hooks' own account differs"
same "$(grep CapEff /proc/self/status)" "$(sort -u "$SCRATCH/rights")" "the hooks' capabilities"
same "$own_cpus" "$(sort -u "$SCRATCH/cpus")" "the hooks' CPUs"
grep -q 'words of hook one' "$SCRATCH/$name.err" || fail "a hook's output is not on stderr"
[[ ! -s $SCRATCH/$name.out ]] || fail "a hook's output is on stdout, the console's place"

note "the last one after a crash, by revert"
rm "$log"
start "$name"
within 5 grep -q two "$log"
kill -KILL "$keeper" "$qemu"
wait "$keeper" 2>/dev/null
within 5 gone "$qemu"
expect 0 "$VFIORUN" revert "$name"
grep -q "^three stopped $name" "$log" || fail "revert ran no hook: $(cat "$log")"
nothing_left "after a crash"

note "before fails: nothing is started"
expect 3 "$VFIORUN" run "$(profile "$name" '[vm]' "qemu = $(fake '')" '[hooks]' 'before = /bin/false')"
expect_err 'hook .before.*/bin/false.*status 1'
nothing_left "after a hook failed"
expect 3 "$VFIORUN" run "$(profile "$name" '[vm]' "qemu = $(fake '')" '[hooks]' 'before = /nonexistent/x')"
expect_err '/nonexistent/x'
nothing_left "without a hook"
expect 3 timeout 20 "$VFIORUN" run "$(profile "$name" '[vm]' "qemu = $(fake '')" '[hooks]' \
	'before = /bin/sleep 100' 'timeout = 1')"
expect_err 'longer than 1 s'
nothing_left "after a hook that hangs"

note "started fails or hangs: the guest runs on"
profile "$name" '[vm]' "qemu = $(fake '')" '[hooks]' 'started = /bin/sleep 100' 'timeout = 1' >/dev/null
start "$name"
within 5 grep -q 'longer than 1 s' "$SCRATCH/$name.err" || fail "a hook that hangs is not told of"
state_is "$name" running || fail "the guest does not run any more"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
nothing_left "after a started hook that hung"

note "stopped fails: said, and the status is the guest's"
profile "$name" '[vm]' "qemu = $(fake '')" '[hooks]' 'stopped = /bin/false' >/dev/null
start "$name"
expect 0 "$VFIORUN" stop "$name"
ends 0 "$keeper"
grep -q 'hook .stopped' "$SCRATCH/$name.err" || fail "a failed hook is not told of"
nothing_left "after a stopped hook that failed"
