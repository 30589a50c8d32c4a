#!/bin/bash
# `make install` into an empty folder gives a program that runs from there, with all that belongs to it, and
# `make uninstall` leaves no file.
set -euo pipefail
cd "$(dirname "$0")/../.."

dest=$SCRATCH/dest
export DESTDIR=$dest PREFIX=/usr
make=(make --no-print-directory SAN="${SAN:-}")

"${make[@]}" install
find "$dest" -type f | sort
"$dest/usr/bin/vfiorun" --version | grep -q '^vfiorun [0-9]'
for file in man/* completions/* profiles/*; do
	[[ -e $file ]] || continue
	find "$dest" -type f -exec cmp -s "$file" {} \; -print | grep -q . || {
		echo "$file is not installed"
		exit 1
	}
done

unit=$dest/usr/lib/systemd/system/vfiorun@.service
grep -q '^ExecStart=/usr/bin/vfiorun run %i --headless$' "$unit"
if grep '@[A-Z]*@' "$unit"; then
	echo "the unit still has blanks to fill in"
	exit 1
fi
if command -v systemd-analyze >/dev/null; then
	# It wants the program where the unit says it is.
	sed "s|/usr/bin/vfiorun|$dest&|" "$unit" >"$SCRATCH/vfiorun@test.service"
	systemd-analyze verify --man=no "$SCRATCH/vfiorun@test.service"
fi
if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$SCRATCH/root/etc"
	systemd-sysusers --root="$SCRATCH/root" "$dest/usr/lib/sysusers.d/vfiorun.conf"
	grep -q '^vfiorun:' "$SCRATCH/root/etc/passwd"
	grep -q '^kvm:.*:vfiorun$' "$SCRATCH/root/etc/group"
fi

# A second time over the first: nothing is in the way.
"${make[@]}" install
"${make[@]}" uninstall
left=$(find "$dest" -type f)
[[ -z $left ]] || { echo "left behind: $left" && exit 1; }
[[ ! -e $dest/usr/share/vfiorun ]]
# And where nothing is installed, there is nothing to do.
"${make[@]}" uninstall
