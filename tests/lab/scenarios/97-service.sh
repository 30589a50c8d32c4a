#!/bin/bash
# lab: full boot=lab.systemd
# A guest as a service: systemd knows when it runs, restarts a keeper that died, which takes over the same QEMU,
# and stopping the service puts the host back.
. tests/lab/lib.sh
value=/sys/module/kvm/parameters/ignore_msrs

[[ $(</proc/1/comm) == systemd ]] || skip "systemd is not process 1"
sed "s|@BINDIR@|${VFIORUN%/*}|" systemd/vfiorun@.service.in >/run/systemd/system/vfiorun@.service
# All that an ordinary service waits for would be the outer machine's, and would clean its /tmp.
mkdir /run/systemd/system/vfiorun@.service.d
printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/system/vfiorun@.service.d/lab.conf
profile served <<END
[vm]
shutdown_timeout = 2
[host]
ignore_msrs = yes
END
cp "$SCRATCH/served.conf" /etc/vfiorun/
show() {
	systemctl show vfiorun@served --value --property "$1"
}

systemctl daemon-reload
systemctl start vfiorun@served
expect "state" "$(show ActiveState)" active
expect "what it says of itself" "$(show StatusText)" "guest served runs"
expect "ignore_msrs" "$(<$value)" Y
qemu=$(qemu_pid served)
keeper=$(show MainPID)
expect "its main process" "$(<"/proc/$keeper/comm")" vfiorun

kill -KILL "$keeper"
for ((i = 0; i < 300; i++)); do
	[[ $(show MainPID) == "$keeper" || $(show ActiveState) != active ]] || break
	sleep 0.2
done
expect "restarts" "$(show NRestarts)" 1
expect "state" "$(show ActiveState)" active
expect "it is the same QEMU" "$(qemu_pid served)" "$qemu"
expect "ignore_msrs" "$(<$value)" Y

systemctl stop vfiorun@served
expect "result" "$(show Result)" success
expect "ignore_msrs" "$(<$value)" N
[[ ! -e /proc/$qemu ]] || fail "QEMU is still there"
rm /etc/vfiorun/served.conf
systemctl stop system-vfiorun.slice
