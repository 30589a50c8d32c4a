#!/bin/bash
# What it costs to bind a graphics card and its sound and to give them back, beside a shell that writes the same files:
# figures to look at, and both leave the drivers as they were.
# lab: full limit=900
. tests/lab/lib.sh
. tests/lab/devices.sh

host_driver $card aty128fb
host_driver $sound snd_hda_intel
modprobe vfio-pci
before=$(binding $card $sound)
BIND_DEVICES="$card $sound" BUILD=$(dirname "$VFIORUN") scripts/bench --rounds "${ROUNDS:-20}" bind
expect "afterwards" "$(binding $card $sound)" "$before"
modprobe -r vfio-pci
modprobe -r vfio_iommu_type1 vfio_virqfd || true
