#!/bin/bash
# Memory shared with programs of the host: made before QEMU starts, which opens it as its own user; what was in the
# way comes back; another guest's is refused; `status` names the client's command.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name shared)
glass=/dev/shm/$name-glass scream=/dev/shm/$name-scream
user=$EUID
[[ $EUID != 0 ]] || user=$(id -u nobody)
lines=('[lookingglass]' 'width = 1280' 'height = 720' "file = $glass" '[scream]' "file = $scream")
profile "$name" "${lines[@]}" >/dev/null
remove_all() {
	rm -f "$glass" "$scream" "$glass.before-vfiorun"
}
trap 'remove_all; remove_scratch' EXIT

# maps FILE: QEMU has it mapped, writable
maps() {
	grep -E ' rw-s .*'"$1\$" "/proc/$qemu/maps" >/dev/null
}

note "made and removed"
start "$name"
same 33554432 "$(stat -c %s "$glass")" "size"
same 2097152 "$(stat -c %s "$scream")" "size"
same "$EUID" "$(stat -c %u "$glass")" "owner"
if [[ $EUID == 0 ]]; then
	same 660 "$(stat -c %a "$glass")" "mode"
	same "$(id -g nobody)" "$(stat -c %g "$glass")" "group"
else
	same 600 "$(stat -c %a "$glass")" "mode"
fi
same "$user" "$(stat -c %u "/proc/$qemu")" "QEMU's user"
maps "$glass" || fail "QEMU has not mapped $glass"
maps "$scream" || fail "QEMU has not mapped $scream"
expect 0 "$VFIORUN" status "$name"
expect_out "looking-glass-client -f $glass -c .*/$name/qemu/spice.sock -p 0"
expect_out "scream -m $scream"
[[ -S $(ask "$name" '.clients[0]' | sed 's/.* -c \(.*\) -p.*/\1/') ]] || fail "the SPICE socket is not there"

note "another guest"
other=$(guest_name other)
expect 3 "$VFIORUN" plan "$(profile "$other" "${lines[@]}")"
expect_err "$glass is guest $name's"
expect_err "$scream is guest $name's"
"$VFIORUN" stop "$name" --force || fail "stop"
ends 0 "$keeper"
[[ ! -e $glass && ! -e $scream ]] || fail "memory was left"

note "one of the wrong size is in the way"
echo mine >"$glass"
chmod 640 "$glass"
before=$(stat -c '%i %s %a %u' "$glass")
start "$name"
same 33554432 "$(stat -c %s "$glass")" "size"
kill -KILL "$keeper" "$qemu"
ends 137 "$keeper"
within 10 gone "$qemu"
expect 0 "$VFIORUN" revert "$name"
same "$before" "$(stat -c '%i %s %a %u' "$glass")" "what was in the way"
same mine "$(<"$glass")" "its content"
[[ ! -e $scream && ! -e $glass.before-vfiorun ]] || fail "memory was left"

note "one that is as it should be stays; Scream's is new"
rm "$glass"
start "$name"
cp -p "$glass" "$SCRATCH/fit"
"$VFIORUN" stop "$name" --force
ends 0 "$keeper"
cp -p "$SCRATCH/fit" "$glass"
before=$(stat -c %i "$glass")
head -c 2097152 /dev/urandom >"$scream"
start "$name"
same "$before" "$(stat -c %i "$glass")" "the file"
maps "$glass" || fail "QEMU has not mapped $glass"
cmp "$scream" <(head -c 2097152 /dev/zero) || fail "Scream's memory is not zero"
"$VFIORUN" stop "$name" --force
ends 0 "$keeper"
same "$before" "$(stat -c %i "$glass")" "the file afterwards"
cmp -s "$scream" <(head -c 2097152 /dev/zero) && fail "what was there is gone"
remove_all

note "mistakes"
expect 2 "$VFIORUN" plan "$SCRATCH/$name.conf" --set scream.size=32M
expect_err "finds its memory by its size"
expect 2 "$VFIORUN" plan "$SCRATCH/$name.conf" --set scream.size=3M
expect 2 "$VFIORUN" plan "$SCRATCH/$name.conf" --set "lookingglass.file=/tmp/glass"
expect_err "no place for shared memory"
mkdir "$SCRATCH/dir"
expect 3 "$VFIORUN" plan "$SCRATCH/$name.conf" --set lookingglass.kvmfr=yes --set lookingglass.file=
expect_err "kvmfr"
