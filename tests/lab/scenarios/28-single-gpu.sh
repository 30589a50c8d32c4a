#!/bin/bash
# lab: full boot=lab.systemd limit=600
# The only graphics card that the host draws on goes to a guest that is started from inside the desktop on it: the
# desktop is stopped, the text console leaves the card, its driver is unloaded, vfiorun outlives all that; and
# afterwards driver, console and desktop are there again. So they are when the keeper is killed instead.
. tests/lab/lib.sh
. tests/lab/devices.sh
[[ $(</proc/1/comm) == systemd ]] || skip "systemd is not process 1"
screen=0000:00:02.0 node=/dev/dri/card0

host_driver $screen bochs
wait_for "the card has a node" test -e $node
# the kernel moves the text console there when something is written on it
echo >/dev/tty1
wait_for "the text console moved" grep -qs "frame buffer" /sys/class/vtconsole/*/name
console=$(grep -l "frame buffer" /sys/class/vtconsole/*/name)
console=${console%/name}
wait_for "the text console is on it" grep -qx 1 "$console/bind"

profile single <<END
[vm]
shutdown_timeout = 2
[cpu]
isolate = none
[host]
irq_affinity = none
display_manager = desktop.service
unload = bochs
[pci "00:02.0"]
force = yes
END

# It holds the card as a display server does; what lies in \$SCRATCH/started is what its user starts from it.
cat >/run/systemd/system/desktop.service <<END
[Unit]
DefaultDependencies=no
[Service]
Environment=VFIORUN=$VFIORUN SCRATCH=$SCRATCH
ExecStart=/bin/bash -c 'exec 3<>$node; [[ ! -e $SCRATCH/user ]] || { bash $SCRATCH/user & }; sleep infinity'
ExecStopPost=/bin/touch $SCRATCH/stopped
END
systemctl daemon-reload
systemctl start desktop.service

holds_screen() {
	[[ $(systemctl is-active desktop.service) == active ]] &&
		[[ $(readlink "/proc/$(systemctl show --property=MainPID --value desktop.service)/fd/3") == "$node" ]]
}

# look: what the host shows of itself
look() {
	echo "$(systemctl is-active desktop.service), $(binding $screen)console $(cat "$console/bind" 2>/dev/null || echo gone)," \
		"$(grep -c '^bochs ' /proc/modules) bochs, vfio: $(grep -oE '^vfio[a-z0-9_]*' /proc/modules | xargs || true)"
}

wait_until "the desktop holds the card" holds_screen
before=$(look)
echo "$before"
plan=$(plan single '.changes[] | select(.kind | IN("unit", "console", "module", "bind")) |
	"\(.kind) \(.path): \(.was) \(.want)"')
echo "$plan"
expect "the plan's order" "$(awk '{ print $1 }' <<<"$plan" | xargs)" "unit console module module bind"

# start_inside: from the desktop, by its user
start_inside() {
	rm -f "$SCRATCH/stopped"
	cat >"$SCRATCH/user" <<-'END'
		rm "$SCRATCH/user"
		"$VFIORUN" run -v "$SCRATCH/single.conf" --headless </dev/null >"$SCRATCH/single.out" 2>&1
		echo "$?" >"$SCRATCH/status"
	END
	systemctl restart desktop.service
	wait_state single running
	cat "$SCRATCH/single.out"
	[[ -e $SCRATCH/stopped ]] || fail "the desktop was not stopped"
	keeper=$(pgrep -x vfiorun)
	grep . "/proc/$keeper/cgroup"
	expect "while it runs" "$(look)" \
		"inactive, vfio-pci vfio-pci, console gone, 0 bochs, vfio: vfio_pci vfio_pci_core vfio_virqfd vfio_iommu_type1 vfio"
}

echo "Started from inside:"
start_inside
vfiorun stop single
wait_until "the keeper is gone" bash -c "! kill -0 $keeper 2>/dev/null"
wait_until "the desktop holds the card again" holds_screen
expect "afterwards" "$(look)" "$before"

echo "The keeper and QEMU are killed:"
start_inside
kill -KILL "$keeper" "$(qemu_pid single)"
wait_until "the keeper is gone" bash -c "! kill -0 $keeper 2>/dev/null"
vfiorun revert single
wait_until "the desktop holds the card again" holds_screen
expect "afterwards" "$(look)" "$before"
systemctl stop desktop.service
rm /run/systemd/system/desktop.service
systemctl daemon-reload
modprobe -r bochs
