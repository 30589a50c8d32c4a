#!/bin/bash
# scripts/check-layers is true of the tree, and finds each kind of violation that is planted in a copy of it.
set -euo pipefail
cd "$(dirname "$0")/../.."

./scripts/check-layers

copy=$SCRATCH/tree
mkdir -p "$copy"
cp -r base qmp tune launcher tests scripts Makefile "$copy"

# plant FILE TEXT WORDS: TEXT as FILE's last line is found, and WORDS are said of that file
plant() {
	local kept=$SCRATCH/kept said

	[[ ! -e $copy/$1 ]] || cp "$copy/$1" "$kept"
	printf '%b\n' "$2" >>"$copy/$1"
	if said=$(./scripts/check-layers "$copy"); then
		echo "not found in $1: $2"
		exit 1
	fi
	grep -q "^$1:.*$3" <<<"$said" || {
		echo "of $1 with $2, check-layers says:"
		echo "$said"
		exit 1
	}
	if [[ -e $kept ]]; then mv "$kept" "$copy/$1"; else rm "$copy/$1"; fi
}

# allow FILE TEXT: TEXT is no violation
allow() {
	cp "$copy/$1" "$SCRATCH/kept"
	printf '%b\n' "$2" >>"$copy/$1"
	./scripts/check-layers "$copy" >/dev/null || {
		echo "a false alarm for $1: $2"
		exit 1
	}
	mv "$SCRATCH/kept" "$copy/$1"
}

plant base/str.c '#include "qmp/line.h"' 'base/ may include'
plant base/str.c '#include "launcher/profile/profile.h"' 'base/ may include'
plant qmp/line.c '#include "tune/pin.h"' 'qmp/ may include'
plant tune/pin.c '#include "qmp/line.h"' 'tune/ may include'
plant tune/pin.h '#include "launcher/plan/plan.h"' 'tune/ may include'
plant launcher/run.c '#include "tests/unit/peer.h"' 'launcher/ may include'

plant launcher/plan/place.c '#include "tune/host/root.h"' 'sees values only'
plant launcher/argv/cpu.c '#include "base/io.h"' 'sees values only'
plant launcher/plan/place.c '#include <unistd.h>' 'no I/O in a pure room'
plant launcher/argv/cpu.c '\tif (open(path, O_RDONLY) < 0)' 'no I/O, clock'
plant launcher/argv/cpu.c '\tname = getenv("HOME");' 'no I/O, clock'
plant launcher/plan/plan.c '\treturn time(NULL);' 'no I/O, clock'
plant launcher/profile/reader.c '\tlog_error("%s", "no");' 'no I/O, clock'
plant launcher/profile/reader.c '\tpid = fork();' 'no I/O, clock'
allow launcher/profile/load.c '#include <unistd.h>'
allow launcher/argv/cpu.c '// it does not open(2) what it names\nstatic const char *what = "open(it)";'
allow launcher/argv/cpu.c 'static void reopen(int x);'

plant launcher/run/keeper.c '\tfd = open("/proc/self/maps", O_RDONLY);' 'only tune/ names'
plant qmp/probe/kvm.c '\tfd = open("/sys/module/kvm", O_PATH);' 'only tune/ names'
allow launcher/run/keeper.c '// see /proc/self/maps'
allow tune/pin.c 'static const char *maps = "/proc/self/maps";'

plant launcher/run/keeper.c '#include <json-c/json.h>' 'JSON is known'
plant launcher/run/keeper.c '#include "qmp/client.h"' 'no foreign byte'
plant launcher/argv/disk.c 'struct json_object *object;' 'JSON is known'

plant base/new.c 'int x;' 'SPDX'
plant base/new.h '// SPDX-License-Identifier: MIT\n// Owns nothing.' 'pragma once'
plant base/new.h '// SPDX-License-Identifier: MIT\n#pragma once' 'says first what it owns'

plant launcher/run.c "void f(void)\n{\n$(printf '\\tg();\\n%.0s' {1..61})}" 'at most 60 lines'
plant base/str.c "$(printf '\\n%.0s' {1..650})" 'at most 650 lines'
plant base/str.c "\t\t// $(printf 'x%.0s' {1..103})" 'at most 120 columns'
allow launcher/run.c "void f(void)\n{\n$(printf '\\tg();\\n%.0s' {1..60})}"

plant scripts/check-layers '# as in /wor''k/main' "on somebody's machine"
echo "each planted violation was found"
