#!/bin/bash
# Without root: a plain guest launches, is pinned and supervised, and its files are its user's own.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need_root # to become nobody
name=$(guest_name user)
home=$SCRATCH/home
mkdir -m 700 "$home" "$home/run"
chown -R nobody "$home"
file=$(profile "$name" '[cpu]' 'pin = 1,0')
[[ $(nproc) -ge 2 ]] || skip "needs two CPUs"
remember_host

as_user() {
	setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all --bounding-set=-all \
		env HOME="$home" XDG_RUNTIME_DIR="$home/run" "$@"
}

user_state() {
	as_user "$VFIORUN" status --json "$name" 2>/dev/null | jq -r "${1:-.state}"
}

runs() {
	[[ $(user_state) == running ]]
}

note "plan, run, status, stop"
expect 0 as_user "$VFIORUN" plan "$file"
as_user "$VFIORUN" run "$file" >"$SCRATCH/run.out" 2>"$SCRATCH/run.err" </dev/null &
keeper=$!
within 20 runs || fail "no guest without root: $(cat "$SCRATCH/run.err")"
same "1 0" "$(user_state '[.threads[] | select(.thread | startswith("vcpu")) | .cpus] | join(" ")')" "the pins"
[[ -e $home/run/vfiorun/$name/state ]] || fail "its state is not in XDG_RUNTIME_DIR"
same nobody "$(stat -c %U "/proc/$(user_state .pid)")" "who QEMU runs as"
expect 0 as_user "$VFIORUN" list
expect_out "$name +running"
expect 5 as_user "$VFIORUN" revert "$name"
expect 1 "$VFIORUN" status "$name" # root's own guests only
expect 0 as_user "$VFIORUN" stop --force "$name"
ends 0 "$keeper"
same "" "$(find "$home/run/vfiorun" -mindepth 1 ! -name '.*')" "what is left"

note "killed, reverted"
as_user "$VFIORUN" run "$file" >"$SCRATCH/run.out" 2>"$SCRATCH/run.err" </dev/null &
keeper=$!
within 20 runs || fail "no guest without root: $(cat "$SCRATCH/run.err")"
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null
expect 5 as_user "$VFIORUN" revert "$name"
expect 0 as_user "$VFIORUN" stop --force "$name"
same "" "$(find "$home/run/vfiorun" -mindepth 1 ! -name '.*')" "what is left"

note "what only root can do"
expect 3 as_user "$VFIORUN" run "$(profile "$name" '[host]' 'latency = 10')"
expect_err 'root'
expect 3 as_user "$VFIORUN" run "$(profile "$name" '[vm]' 'user = root')"
expect_err 'root'
mv "$home/run" "$home/moved"
expect 3 as_user "$VFIORUN" run "$(profile "$name")"
expect_err 'XDG_RUNTIME_DIR|run'
nothing_left "after guests of a user"
