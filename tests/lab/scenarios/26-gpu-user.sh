#!/bin/bash
# lab: limit=400
# An ordinary user passes a card. `check` says what they lack for that; root grants exactly what it says, and nothing
# else; then it says that nothing stands against it, and the guest runs under that very memlock limit.
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
home=$SCRATCH/home
install -d -m 700 -o $user "$home"
profile user <<END
[pci "01:00.0"]
[pci "01:00.1"]
END

# asked LIMIT: and QEMU has answered, whose first questions have a time limit that a busy machine may miss
asked() {
	status=0
	as_user "$1" check "$SCRATCH/user.conf" --json >"$SCRATCH/check" 2>"$SCRATCH/said" || status=$?
	jq -e 'all(.findings[]; .code != "no-qemu" or .severity == "ok")' "$SCRATCH/check" >/dev/null
}

# ask LIMIT WANTED: what check finds, and with which status
ask() {
	wait_until "QEMU answers" asked "$1"
	jq -r '.findings[] | select(.severity == "error") | "\(.code): \(.evidence)"' "$SCRATCH/check"
	expect "status" $status "$2"
}

# remedies CODE SEVERITY: of these findings, a line each, without repetition
remedies() {
	jq -r --arg code "$1" --arg severity "$2" \
		'.findings[] | select(.code == $code and .severity == $severity) | .remedy' "$SCRATCH/check" | sort -u
}

echo "Nothing is prepared:"
ask 1048576 3
remedies pci-needs-root error | grep -q "options vfio-pci ids=" || fail "it does not say how it is bound at boot"
remedies vfio-rights warning | grep "once it is there: chown $user /dev/vfio/" || fail "it does not say whose node it will be"
limit=$(remedies memlock error | grep -o 'LimitMEMLOCK=[0-9]*')
kbytes=$(remedies memlock error | grep -oE 'memlock [0-9]+')
expect "both say the same" $((${kbytes#* } * 1024)) "${limit#*=}"

echo "Root binds it, as at boot:"
take $card $sound
ask "${limit#*=}" 3
expect "what is left" "$(jq -r '[.findings[] | select(.severity == "error") | .code] | unique | join(" ")' "$SCRATCH/check")" \
	vfio-rights
grant=$(remedies vfio-rights error | cut -d ';' -f 1)
expect "in one command" "$grant" "chown $user /dev/vfio/$group"
$grant

echo "A little less than it asked for may be locked:"
status=0
as_user $((${limit#*=} - 1024)) run "$SCRATCH/user.conf" --headless >"$SCRATCH/said" 2>&1 </dev/null || status=$?
cat "$SCRATCH/said"
expect "status" $status 3
expect "it asks for the same" "$(grep -o 'LimitMEMLOCK=[0-9]*' "$SCRATCH/said")" "$limit"

echo "All was granted:"
ask "${limit#*=}" 0
had() {
	jq -r --arg code "$1" '[.findings[] | select(.code == $code) | .severity] | unique | join(" ")' "$SCRATCH/check"
}
expect "the plan, the node, the memory" "$(had refused), $(had vfio-rights), $(had memlock)" "ok, ok, ok"
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
