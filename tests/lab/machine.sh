# shellcheck shell=bash
# The lab's machine: a host for VFIO, NUMA and cpusets, under emulation. What scenarios rely on:
#
#	4 CPUs		2 sockets, each one core of two threads: 0-1 and 2-3; with lab.cpus=8 on the kernel line
#			as many, in twice the cores
#	KVM		with lab.kvm on the kernel line: the CPUs are AMD's, whose virtualization QEMU emulates, too, but
#			not its threads: each CPU is a core; and there is no cpufreq
#	2 nodes		a socket and half of the memory each, at a distance of 21
#	IOMMU		Intel's, with interrupt remapping
#	01:00.0, .1	a graphics card and its sound, in one IOMMU group
#	02:00.0		an empty NVMe drive of 64M that has a virtual function to give
#	03:00.0		an xHCI controller with a keyboard and a mouse
#	04:00.0		nothing, until the hand plugs something into the port `spare`
#	05:00.0		with lab.bridge on the kernel line: a bridge to a conventional bus, and on that bus two network cards,
#			06:01.0 and 06:02.0, of which no reset reaches the second; all in one group
#	00:02.0		the host's own graphics card
#	the hand	a serial port that is the machine's own QMP monitor: `hand` in lib.sh
#	cpufreq		1 to 3 GHz; CPUs 2 and 3 share a clock, the others have one each (cpufreq.asl)
#
# make_machine PARTS EXCHANGE WHICH SERIAL WORDS sets `machine` to QEMU's command. PARTS is a folder with kernel,
# initrd and cpufreq.aml, EXCHANGE one that the machine may write to, WHICH tells it from others with that folder,
# SERIAL is QEMU's word for the second serial port, WORDS the kernel line.
make_machine() {
	local parts=$1 exchange=$2 which=$3 serial=$4 words=$5 cpus=4 model=Skylake-Client-v3,+pdpe1gb

	[[ ! $words =~ lab\.kvm ]] || model=EPYC-v1,+svm,+npt
	machine=(qemu-system-x86_64 -name lab -nodefaults -no-user-config -no-reboot -display none)
	machine+=(-machine 'q35,kernel_irqchip=split' -accel 'tcg,thread=multi' -cpu "$model,+acpi")
	[[ ! $words =~ lab\.cpus=([0-9]+) ]] || cpus=${BASH_REMATCH[1]}
	machine+=(-smp "$cpus,sockets=2,cores=$((cpus / 4)),threads=2" -m 2G)
	machine+=(-object 'memory-backend-ram,id=node0,size=1G' -numa "node,nodeid=0,cpus=0-$((cpus / 2 - 1)),memdev=node0")
	machine+=(-object 'memory-backend-ram,id=node1,size=1G' -numa "node,nodeid=1,cpus=$((cpus / 2))-$((cpus - 1)),memdev=node1")
	machine+=(-numa 'dist,src=0,dst=1,val=21')
	# before all devices that it shall serve
	machine+=(-device 'intel-iommu,intremap=on,caching-mode=on')
	machine+=(-acpitable "file=$parts/cpufreq.aml")
	machine+=(-serial "file:$exchange/console.$which" -serial "$serial")
	add_share outer 10 / ',readonly=on'
	add_share exchange 11 "$exchange" ''
	machine+=(-device 'bochs-display,addr=2')
	add_port graphics 1c.0 1
	machine+=(-device 'ati-vga,bus=graphics,addr=0.0,multifunction=on')
	machine+=(-audiodev 'none,id=silence')
	machine+=(-device 'intel-hda,bus=graphics,addr=0.1' -device 'hda-output,audiodev=silence')
	add_port drive 1d.0 2
	machine+=(-blockdev "raw,node-name=disk,file.driver=file,file.filename=$exchange/drive.$which,file.locking=off")
	machine+=(-device 'nvme-subsys,id=subsystem')
	machine+=(-device "nvme,bus=drive,serial=lab,subsys=subsystem,$virtual_function")
	machine+=(-device 'nvme-ns,drive=disk,nsid=1')
	# a port of its own function, so that it comes behind all others and moves no bus number
	add_port usb 1e.0 3 ',multifunction=on'
	add_port spare 1e.1 4
	machine+=(-device 'qemu-xhci,bus=usb,id=xhci')
	machine+=(-device 'usb-kbd,bus=xhci.0,port=1,id=keyboard' -device 'usb-mouse,bus=xhci.0,port=2,id=mouse')
	[[ ! $words =~ lab\.bridge ]] || add_bridge
	add_hand "$exchange/hand.$which"
	machine+=(-kernel "$parts/kernel" -initrd "$parts/initrd" -append "$words")
}

virtual_function=sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1

# QEMU listens and calls itself: a port of the machine on one end, a monitor on the other.
add_hand() {
	machine+=(-chardev "socket,id=hand,path=$1,server=on,wait=off")
	machine+=(-device 'virtio-serial-pci,addr=12' -device 'virtserialport,chardev=hand,name=lab.hand')
	machine+=(-chardev "socket,id=monitor,path=$1" -mon 'chardev=monitor,mode=control')
}

add_share() {
	machine+=(-fsdev "local,id=$1,path=$3,security_model=none,multidevs=remap$4")
	machine+=(-device "virtio-9p-pci,fsdev=$1,mount_tag=$1,addr=$2")
}

add_bridge() {
	add_port bridged 1e.2 5
	machine+=(-device 'pcie-pci-bridge,id=conventional,bus=bridged')
	machine+=(-device 'e1000,bus=conventional,addr=1' -device 'e1000,bus=conventional,addr=2')
}

add_port() {
	machine+=(-device "pcie-root-port,id=$1,addr=$2,chassis=$3,slot=$3${4:-}")
}
