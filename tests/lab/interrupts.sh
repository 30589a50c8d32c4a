# shellcheck shell=bash
# What scenarios about interrupts share, beside tests/lab/lib.sh and tests/lab/devices.sh.

# irqbalance_starts: Debian's, as tests/lab/fetch-irqbalance unpacks it; `irqbalance` is its process
irqbalance_starts() {
	[[ -x $GUEST/irqbalance/usr/sbin/irqbalance ]] || skip "no irqbalance: run tests/lab/fetch-irqbalance"
	masks=$(grep . /proc/irq/[0-9]*/smp_affinity_list)
	trap 'irqbalance_ends; let_go' EXIT
	irqbalance_runs
	wait_until "it bans no CPU" irqbalance_bans 0
}

irqbalance_runs() {
	mkdir /run/irqbalance
	stdbuf -oL "$GUEST/irqbalance/usr/sbin/irqbalance" --debug --interval=2 >"$SCRATCH/irqbalance" 2>&1 &
	irqbalance=$!
	wait_until "irqbalance's socket" test -S "/run/irqbalance/irqbalance$irqbalance.sock"
}

# irqbalance_stops: as a service that systemd ends, with its directory
irqbalance_stops() {
	kill "$irqbalance"
	wait "$irqbalance" || true
	rm -rf /run/irqbalance
}

# It moves interrupts, and leaves them where it moved them.
irqbalance_ends() {
	local path cpus

	irqbalance_stops
	while IFS=: read -r path cpus; do
		echo "$cpus" >"$path" || true
	done <<<"$masks" 2>/dev/null
}

# irqbalance_bans MASK: of CPUs, as of its last scan
irqbalance_bans() {
	[[ $(sed -n 's/^Banned CPUs: //p' "$SCRATCH/irqbalance" | tail -n 1 | tr -d ,) =~ ^0*$1$ ]]
}

irqbalance_scans() {
	grep -c '^-----------------' "$SCRATCH/irqbalance"
}

# ask_irqbalance WORDS: prints what it says to that
ask_irqbalance() {
	printf %s "$1" | "$TOOLS/talk" "/run/irqbalance/irqbalance$irqbalance.sock" 1000
}

# irqbalance_leaves: the interrupts that it was told to leave alone
irqbalance_leaves() {
	ask_irqbalance setup | grep -oE 'IRQ [0-9]+' | sed 's/IRQ //' | xargs
}

# make_msix_guest [WORDS]: a guest in $SCRATCH/msix.elf that makes the drive's interrupts, and says so
make_msix_guest() {
	gcc "$@" -m32 -O2 -ffreestanding -mgeneral-regs-only -fno-pie -no-pie -fno-stack-protector -nostdlib -static \
		-Wl,-Ttext=0x100000 -Wl,-N -Wl,--build-id=none -o "$SCRATCH/msix.elf" tests/guest/msix.c
	chmod 644 "$SCRATCH/msix.elf"
}

interrupts() {
	# shellcheck disable=SC2154 # tests/lab/devices.sh has them
	ls "$devices/$drive/msi_irqs" 2>/dev/null || true
}

has_interrupts() {
	[[ $(interrupts) ]]
}

# where: they may go, each CPU set once; nothing while there are none
where() {
	local irq

	for irq in $(interrupts); do
		cat "/proc/irq/$irq/smp_affinity_list"
	done | sort -u | xargs
}

goes_to() {
	[[ $(where) == "$1" ]]
}

goes_off() {
	[[ $(where) != "$1" ]]
}
