#!/bin/bash
# `--root`: the machines of tests/hosts as lscpu sees them, and nothing of the live one is read or matters.
. "$(dirname "$0")/lib.sh" shared

command -v lscpu >/dev/null || skip "there is no lscpu"
hosts=$here/../hosts
profiles=$here/../../profiles

# Numbers in the order in which they first appear, column by column: two namings of the same thing agree.
renumber() {
	awk '{
		line = $1
		for (i = 2; i <= NF; i++) {
			if (!((i, $i) in number))
				number[i, $i] = count[i]++
			line = line " " number[i, $i]
		}
		print line
	}'
}

check_host() {
	local name=$1 dir=$2

	lscpu -s "$dir" -p=CPU,CORE,SOCKET,NODE | sed '/^#/d; s/,$/,0/; s/,/ /g' |
		renumber >"$SCRATCH/$name.lscpu"
	expect 0 "$VFIORUN" host --root "$dir" --json
	jq -r '.cpus[] | select(.online) | "\(.cpu) \(.core) \(.socket) \(.node)"' "$SCRATCH/out" |
		renumber >"$SCRATCH/$name.ours"
	[[ -s $SCRATCH/$name.ours ]] || fail "no CPUs on $name"
	diff -u "$SCRATCH/$name.lscpu" "$SCRATCH/$name.ours" >&2 || fail "lscpu sees $name otherwise"
}

# What another user with another environment is told, who may not even see our files.
check_purity() {
	local name=$1 dir=$2 profile=$3

	try "$VFIORUN" plan "$profile" --json --root "$dir"
	[[ $status == 0 || $status == 3 ]] || {
		show
		fail "status $status of ${profile##*/} on $name"
	}
	[[ $EUID == 0 ]] || return 0
	cat "$SCRATCH/out" "$SCRATCH/err" >"$SCRATCH/as-root"
	try env -i DISPLAY=:7 HOME=/nowhere LC_ALL=C setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$VFIORUN" plan "$profile" --json --root "$dir"
	cat "$SCRATCH/out" "$SCRATCH/err" | diff -u "$SCRATCH/as-root" - >&2 ||
		fail "${profile##*/} on $name depends on who looks"
}

# What the sanitizers' own runtime looks at is not vfiorun's doing.
sanitized=
[[ $(ldd "$VFIORUN") != *libasan* ]] || sanitized=1

# Libraries, the profile and the folders on the way to it, and what is below the machine; no other program.
check_opened() {
	local command=$1 dir=$2 profile=$3 path status=0

	command -v strace >/dev/null || return 0
	# A traced process cannot look for its leaks.
	ASAN_OPTIONS=detect_leaks=0 strace -f -qq -s 256 -e trace=file,network -o "$SCRATCH/trace" "$VFIORUN" "$command" "$profile" --root "$dir" \
		>"$SCRATCH/out" 2>&1 || status=$?
	[[ $status == 0 || ($command == check && $status == 3) ]] || fail "$command under strace: $(cat "$SCRATCH/out")"
	grep -oE '(AT_FDCWD, |(open|stat|access|readlink)\()"[^"]*"' "$SCRATCH/trace" | sed 's/^[^"]*"//; s/"$//' |
		sort -u >"$SCRATCH/opened"
	grep -Fqx "$dir" "$SCRATCH/opened" || fail "$dir was not even opened"
	while read -r path; do
		case $path in
		"$dir" | "$dir"/* | /etc/ld.so.* | /lib/* | /usr/lib/* | /dev/null) ;;
		/proc/sys/kernel/cap_last_cap) ;; # libcap-ng, when it is loaded
		/dev/fd) ;; # its own descriptors: it lets its caller's devices go
		/proc/self/*) [[ $sanitized ]] || fail "the live machine's $path was opened" ;;
		*) [[ $profile == "$path"* ]] || fail "the live machine's $path was opened" ;;
		esac
	done <"$SCRATCH/opened"
	! grep -E ' (socket|connect)\(' "$SCRATCH/trace" || fail "something live was asked"
	same 1 "$(grep -c ' execve(' "$SCRATCH/trace")" "programs that were started"
}

chmod 755 "$SCRATCH"
for manifest in "$hosts"/*.host; do
	name=$(basename "$manifest" .host)
	note "$name"
	"$TOOLS/make-host" "$SCRATCH/$name" --manifest "$manifest" || fail "no $name"
	check_host "$name" "$SCRATCH/$name"
	for profile in "$profiles"/*.conf; do
		cp "$profile" "$SCRATCH/"
		check_purity "$name" "$SCRATCH/$name" "$SCRATCH/$(basename "$profile")"
	done
	check_opened plan "$SCRATCH/$name" "$SCRATCH/linux.conf"
	check_opened check "$SCRATCH/$name" "$SCRATCH/linux.conf"
done

note "what is no captured machine"
mkdir "$SCRATCH/empty"
for dir in "$SCRATCH/nowhere" "$SCRATCH/empty" "$0"; do
	for command in "plan $profiles/demo.conf" "argv $profiles/demo.conf" check "check $profiles/demo.conf" host; do
		# shellcheck disable=SC2086 # words
		expect 2 "$VFIORUN" $command --root "$dir"
		expect_err "${dir##*/}"
	done
done
expect 2 "$VFIORUN" run "$profiles/demo.conf" --root "$SCRATCH/hybrid"
