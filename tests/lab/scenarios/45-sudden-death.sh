#!/bin/bash
# The keeper is killed at one moment after the other of a guest's start; revert (or stop, once the guest runs)
# puts the host back each time.
. tests/lab/lib.sh
parameters=/sys/module/kvm/parameters

values() {
	echo "$(<$parameters/halt_poll_ns) $(<$parameters/ignore_msrs)" \
		"$(od -An -t d4 /dev/cpu_dma_latency | xargs)"
}

profile killed <<END
[host]
halt_poll_ns = 12345
ignore_msrs = yes
latency = 7
END
keeper_dies_at_moments killed values "${MOMENTS:-8}"
