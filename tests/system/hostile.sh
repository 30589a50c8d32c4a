#!/bin/bash
# QEMU replaced by programs that exit, hang, lie or print garbage: each run ends by itself with the right
# status and a message, and leaves nothing.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

name=$(guest_name bad)
remember_host

# hostile STATUS PROGRAM REGEX: run with this QEMU ends with STATUS and says REGEX.
hostile() {
	local file

	file=$(profile "$name" '[vm]' "qemu = $2" 'shutdown_timeout = 1')
	expect "$1" timeout 60 "$VFIORUN" run "$file"
	expect_err "$3"
	nothing_left "after ${2##*/}"
}

# A program that behaves only where it is to be the guest: what it can do is asked of the real one.
only_as_guest() {
	script "$1" <<-END
		#!/bin/bash
		case "\$*" in
		*guest=$name,*) ;;
		*) exec /usr/bin/qemu-system-x86_64 "\$@" ;;
		esac
		$2
	END
}

note "no QEMU at all"
hostile 3 /nonexistent/qemu 'qemu'
hostile 3 "$SCRATCH" 'qemu|directory'
echo "no program" >"$SCRATCH/text"
chmod 755 "$SCRATCH/text"
hostile 3 "$SCRATCH/text" 'text'
chmod 644 "$SCRATCH/text"
hostile 3 "$SCRATCH/text" 'text'
hostile 3 /bin/true 'true'
hostile 3 /bin/cat 'cat'
hostile 3 "$(script garbage <<<$'#!/bin/sh\nhead -c 65536 /dev/urandom')" garbage

note "programs that end at once"
hostile 1 "$(only_as_guest exits-1 'exit 1')" 'QEMU ended with status 1'
hostile 1 "$(only_as_guest exits-0 'exit 0')" 'QEMU ended before the guest ran'
hostile 1 "$(only_as_guest complains 'echo first; echo "it is full" >&2; exit 3')" 'QEMU: it is full'
expect_err 'QEMU ended with status 3'
hostile 1 "$(only_as_guest esc 'printf "\033[31mred\007\n" >&2; exit 1')" 'QEMU:  \[31mred'
hostile 139 "$(only_as_guest segv 'kill -SEGV $$')" 'signal 11'
hostile 1 "$(only_as_guest much 'yes complaint | head -c 3000000 >&2; exit 1')" 'complaint'
[[ $(grep -c complaint "$SCRATCH/err") -lt 20 ]] || fail "all of a long stderr is shown"

note "a QMP that misbehaves before the guest runs"
hostile 1 "$(fake exit=3@start)" 'status 3'
hostile 1 "$(fake exit@greeting)" 'status 1'
hostile 1 "$(fake exit@ready)" 'status 1'
hostile 1 "$(fake exit=0@query)" 'before the guest ran'
hostile 137 "$(fake kill@query)" 'signal 9'
hostile 1 "$(fake garbage@greeting)" 'QMP ended before the guest ran: not QMP'
hostile 1 "$(fake garbage@ready)" 'QMP ended before the guest ran: not QMP'
hostile 1 "$(fake line@ready)" 'QMP ended before the guest ran: .*16777216|MiB'
hostile 1 "$(fake close@greeting)" 'QMP ended before the guest ran'
hostile 1 "$(fake close@query+ignore=term)" 'QMP ended before the guest ran'

note "a QEMU that lies about its threads"
for lie in 1 0 -1 999999999 parent same first; do
	hostile 1 "$(fake lie=$lie)" thread
done

note "a guest that ends in many ways once it runs"
hostile 0 "$(fake exit=0@cont)" .
hostile 1 "$(fake exit=7@cont)" 'status 7'
hostile 137 "$(fake kill@cont)" 'signal 9'

# A guest that has been let run, with this QEMU, and is then stopped so.
stopped() {
	profile "$name" '[vm]' "qemu = $1" 'shutdown_timeout = 1' >/dev/null
	shift
	start "$name"
	expect 0 timeout 60 "$VFIORUN" stop "$@" "$name"
	ends 0 "$keeper"
	nothing_left "after stop $*"
}

note "floods, fragments and, once the guest runs, garbage do not matter"
stopped "$(fake split)"
stopped "$(fake garbage@cont)"
stopped "$(fake line@cont)"
stopped "$(fake flood=10000@ready)"
stopped "$(fake flood@cont)"
stopped "$(fake noid@cont)"

note "a QEMU that does not end"
stopped "$(fake ignore=powerdown)"
stopped "$(fake hang@cont)" --force
stopped "$(fake close@cont)"
stopped "$(fake close@cont+ignore=term)" --force
