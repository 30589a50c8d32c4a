#!/bin/bash
# lab: full boot=lab.kvm
# A bridge's packets are moved by threads of the kernel's, which run where QEMU's other threads do.
. tests/lab/lib.sh

modprobe vhost_net
ip link add br-lab type bridge
trap 'ip link del br-lab; modprobe -r vhost_net vhost' EXIT
ip link set br-lab up
profile bridged <<END
[net "lan"]
type = bridge
bridge = br-lab
END
emulator=$(plan bridged '.pins[] | select(.thread == "emulator") | .cpus')
expect "planned for vhost" "$(plan bridged '.pins[] | select(.thread == "vhost") | .cpus')" "$emulator"
start bridged
threads=$(pgrep "^vhost-$(qemu_pid bridged)\$" | xargs)
[[ $threads ]] || fail "there are no vhost threads"
for tid in $threads; do
	expect "$(<"/proc/$tid/comm")" "$(taskset -cp "$tid" | sed 's/.*: //')" "$emulator"
done
stop bridged
