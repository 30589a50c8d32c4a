#!/bin/bash
# Governor and least frequency of the guest's CPUs, and of no others; also of CPUs that share one clock, where
# two paths are one value.
. tests/lab/lib.sh

# of CPUs 0 to 3
values() {
	cat /sys/devices/system/cpu/cpu{0,1,2,3}/cpufreq/scaling_governor \
		/sys/devices/system/cpu/cpu{0,1,2,3}/cpufreq/scaling_min_freq | xargs
}

as_ever="schedutil schedutil schedutil schedutil 1000000 1000000 1000000 1000000"
expect "before" "$(values)" "$as_ever"

echo "CPUs 2 and 3, which share a clock:"
profile shared <<END
[cpu]
pin = 2,3
[host]
governor = performance
min_freq = 2GHz
END
start shared
vfiorun status shared
expect "while it runs" "$(values)" "schedutil schedutil performance performance 1000000 1000000 2000000 2000000"
stop shared
expect "afterwards" "$(values)" "$as_ever"

echo "CPU 1 with a clock of its own, and CPU 2, whose clock CPU 3 has too:"
profile apart <<END
[cpu]
pin = 1,2
[host]
governor = powersave
END
start apart
expect "while it runs" "$(values)" "schedutil powersave powersave powersave 1000000 1000000 1000000 1000000"
kill_keeper apart
vfiorun stop apart --force
expect "afterwards" "$(values)" "$as_ever"

echo "Two guests, one on either CPU of the shared clock:"
for cpu in 2 3; do
	profile on$cpu <<-END
		[cpu]
		vcpus = 1
		pin = $cpu
		[host]
		governor = performance
	END
done
start on2
start on3
stop on2
expect "one runs" "$(values)" "schedutil schedutil performance performance 1000000 1000000 1000000 1000000"
stop on3
expect "none runs" "$(values)" "$as_ever"

echo "A governor that the kernel does not have:"
status=0
vfiorun plan "$SCRATCH/shared.conf" --set host.governor=warp >"$SCRATCH/refused" 2>&1 || status=$?
cat "$SCRATCH/refused"
expect "status" $status 3
grep -q performance "$SCRATCH/refused" || fail "it does not say which there are"
