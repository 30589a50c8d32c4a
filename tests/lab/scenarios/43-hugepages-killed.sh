#!/bin/bash
# lab: full
# The keeper is killed at one moment after the other while a guest with huge pages starts; whatever is left of it
# is ended, and no page is.
. tests/lab/lib.sh

pages() {
	cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages | xargs
}

profile killed <<END
[vm]
memory = 256M
[memory]
hugepages = 2M
END
keeper_dies_at_moments killed pages "${MOMENTS:-6}"
