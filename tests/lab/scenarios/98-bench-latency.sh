#!/bin/bash
# scripts/bench-latency runs to its end where CPUs can be isolated, has a figure for each way of running a guest,
# and leaves nothing. What the figures are is not judged. Only `scripts/bench-latency --lab` asks for it.
# lab: full limit=1800 boot=lab.kvm
. tests/lab/lib.sh

command -v stress-ng >/dev/null || skip "there is no stress-ng: scripts/install-packages bench"
asked=build/latency-lab.words
[[ -e $asked ]] || skip "run scripts/bench-latency --lab"
read -ra words <"$asked"
unset SCRATCH
scripts/bench-latency "${words[@]}" --out /mnt/lab/latency
# behind "--rounds N --seconds S"
for arm in "${words[@]:4}"; do
	[[ $arm != libvirt ]] || command -v libvirtd >/dev/null || continue
	grep -Eq "^$arm +[0-9.]+ +[0-9.]+ \| +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9]+ \| +[1-9]" /mnt/lab/latency/table.txt ||
		fail "no figures of $arm"
done
grep -q '</svg>' /mnt/lab/latency/latency.svg || fail "no plot"
