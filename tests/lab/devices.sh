# shellcheck shell=bash
# What scenarios about passed devices share: the lab's devices with drivers of the host's, and how each stands.
devices=/sys/bus/pci/devices
card=0000:01:00.0 sound=0000:01:00.1 drive=0000:02:00.0

# wait_for WHAT COMMAND...
wait_for() {
	local deadline=$((SECONDS + 60)) what=$1
	shift

	until "$@"; do
		[[ $SECONDS -lt $deadline ]] || fail "not within a minute: $what"
		sleep 0.2
	done
}

# host_driver ADDRESS MODULE: it has one for as long as the scenario runs
bound=() loaded=()
host_driver() {
	grep -q "^$2 " /proc/modules || loaded+=("$2")
	modprobe "$2"
	[[ -e $devices/$1/driver ]] || echo "$1" >/sys/bus/pci/drivers_probe
	wait_for "$1 has a driver" test -e "$devices/$1/driver"
	bound+=("$1")
}

let_go() {
	local i

	for i in "${bound[@]}"; do
		# that driver would wait for the guest, which a failed scenario has left
		[[ $(readlink "$devices/$i/driver") != */vfio-pci ]] || continue
		[[ ! -e $devices/$i/driver ]] || echo "$i" >"$devices/$i/driver/unbind"
	done
	# one that is loaded already takes nothing when the next scenario loads it
	for i in "${loaded[@]}"; do
		modprobe -r "$i" || true
	done
}
trap let_go EXIT

plans() {
	vfiorun plan "$SCRATCH/$1.conf" >"$SCRATCH/plan" 2>&1
}

# binding ADDRESS...: driver and override of each
binding() {
	local i driver override

	for i; do
		driver=$(readlink "$devices/$i/driver") || driver=none
		override=$(<"$devices/$i/driver_override")
		printf '%s %s, ' "${driver##*/}" "$override"
	done
}

# touched: what binding devices for a guest changes on the host
touched() {
	local path

	binding $card $sound $drive
	for path in /dev/vfio/*; do
		# where somebody still undoes something, it may go at any moment
		[[ ! -e $path ]] || stat --format='%n %a %u:%g' "$path" 2>/dev/null || true
	done
	grep -oE '^vfio[a-z0-9_]*' /proc/modules | sort || true
}
