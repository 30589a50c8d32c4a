#!/bin/bash
# lab: limit=400
# An ordinary user passes a card that root has bound and given to them. Too little memory may be locked: refused, with
# what mends it; with exactly that the guest runs, and its memory is locked.
. tests/lab/lib.sh
. tests/lab/devices.sh
user=nobody

# take ADDRESS...: for vfio-pci, as a person does at boot
take() {
	modprobe vfio-pci
	for i; do
		echo vfio-pci >"$devices/$i/driver_override"
		echo "$i" >/sys/bus/pci/drivers_probe
		bound+=("$i")
	done
	group=$(readlink $devices/$card/iommu_group)
	group=${group##*/}
}

give_back() {
	stop_for_good
	let_go
	for i in $card $sound; do
		echo >"$devices/$i/driver_override"
	done
	modprobe -r vfio-pci
	modprobe -r vfio_iommu_type1 vfio_virqfd || true
}

stop_for_good() {
	[[ ! ${keeper:-} ]] || kill -KILL "$keeper" 2>/dev/null || true
}

# as_user LIMIT WORD...
as_user() {
	local limit=$1
	shift

	prlimit --memlock="$limit" setpriv --reuid $user --regid nogroup --clear-groups \
		env HOME="$home" XDG_RUNTIME_DIR="$home" XDG_STATE_HOME="$home" "$VFIORUN" "$@"
}

trap give_back EXIT
take $card $sound
home=$SCRATCH/home
install -d -m 700 -o $user "$home"
profile user <<END
[pci "01:00.0"]
[pci "01:00.1"]
END

echo "The group is root's:"
status=0
as_user unlimited plan "$SCRATCH/user.conf" >"$SCRATCH/said" 2>&1 || status=$?
expect "status" $status 3
grep -o "chown .* /dev/vfio/$group" "$SCRATCH/said" || fail "it does not say what to do: $(<"$SCRATCH/said")"
chown $user "/dev/vfio/$group"

echo "Little may be locked:"
status=0
as_user 1048576 run "$SCRATCH/user.conf" --headless >"$SCRATCH/said" 2>&1 </dev/null || status=$?
cat "$SCRATCH/said"
expect "status" $status 3
limit=$(grep -o 'LimitMEMLOCK=[0-9]*' "$SCRATCH/said")
kbytes=$(grep -oE 'memlock [0-9]+' "$SCRATCH/said")
expect "both say the same" $((${kbytes#* } * 1024)) "${limit#*=}"

echo "As much as it asked for:"
can_plan() {
	as_user "${limit#*=}" plan "$SCRATCH/user.conf" >"$SCRATCH/said" 2>&1
}
# the first question to QEMU has a time limit that a busy machine may miss
wait_until "a plan" can_plan
as_user "${limit#*=}" run "$SCRATCH/user.conf" --headless >"$SCRATCH/user.out" 2>&1 </dev/null &
keeper=$!
runs() {
	kill -0 "$keeper" || fail "it does not start: $(<"$SCRATCH/user.out")"
	[[ $(as_user 1048576 status user --json 2>/dev/null | jq -r .state) == running ]]
}
wait_until "the guest runs" runs
qemu=$(as_user 1048576 status user --json | jq .pid)
locked=$(awk '/^Vm(Lck|Pin):/ { kb += $2 } END { print kb }' "/proc/$qemu/status")
echo "locked: $locked kB"
[[ $locked -ge 32768 ]] || fail "the guest has 32 MiB, $locked kB are locked"
expect "its user" "$(stat -c %U "/proc/$qemu")" $user
as_user 1048576 stop user --force
wait $keeper
keeper=
expect "the devices stay with vfio-pci" "$(binding $card $sound)" "vfio-pci vfio-pci, vfio-pci vfio-pci, "
