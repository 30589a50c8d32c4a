# SPDX-License-Identifier: MIT
# bash completion for vfiorun(1). It needs no other package. Names of files are compared and never
# expanded: a file called $(reboot).conf is only a file.

# Guests of this user, as vfiorun itself lists them.
_vfiorun_guests()
{
	timeout 2 "$1" list --json 2>/dev/null |
		sed -n 's/^ *"name": *"\([A-Za-z0-9][A-Za-z0-9_.-]*\)".*/\1/p'
}

# Adds the arguments that begin with the word under the cursor.
_vfiorun_add()
{
	local word=$1 candidate

	shift
	for candidate; do
		[[ $candidate == "$word"* ]] && COMPREPLY+=("$candidate")
	done
}

# Profiles called by their bare name, and files of this directory that need no quoting.
_vfiorun_add_profiles()
{
	local word=$1 dir=${XDG_CONFIG_HOME:-$HOME/.config}/vfiorun file name

	[[ $EUID -eq 0 ]] && dir=/etc/vfiorun
	for file in "$dir"/*.conf ./*.conf; do
		name=${file##*/}
		[[ -f $file && $name =~ ^[A-Za-z0-9][A-Za-z0-9_.-]*$ ]] || continue
		[[ $file == ./* ]] || name=${name%.conf}
		_vfiorun_add "$word" "$name"
	done
}

_vfiorun_add_files()
{
	local word=$1 file

	compopt -o filenames
	while IFS= read -r file; do
		COMPREPLY+=("$file")
	done < <(compgen -f -X '!*.conf' -- "$word"; compgen -d -- "$word")
}

_vfiorun()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' kind='' options='' i operands=0
	local everywhere='--verbose --quiet --no-color --help --version'
	local commands='run plan argv check host list status top stop pause resume reset wait console log switch qmp
		adopt revert usb rom help'

	COMPREPLY=()
	# bash takes --set=disk:a.file=x apart at each = and :
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) return ;;
		--set | --root | --interval | --input-timeout)
			if [[ ${COMP_WORDS[i + 1]} == = ]]; then ((i += 2)); else ((i++)); fi
			;;
		= | :) ((i++)) ;;
		-*) ;;
		*)
			if [[ $command ]]; then ((operands++)); else command=${COMP_WORDS[i]}; fi
			;;
		esac
	done
	case $command in
	run) options='--headless --detach --input-timeout --set' kind=profile ;;
	plan) options='--headless --set --json --root' kind=profile ;;
	argv) options='--headless --set --json --root' kind=profile ;;
	check) options='--headless --set --json --root' kind=profile ;;
	host) options='--json --root --input' kind=none ;;
	list) options='--json' kind=none ;;
	status) options='--json' kind=guest ;;
	top) options='--json --once --interval' kind=guest ;;
	stop) options='--force' kind=guest ;;
	pause) options='' kind=guest ;;
	resume) options='' kind=guest ;;
	reset) options='' kind=guest ;;
	wait) options='' kind=guest ;;
	console) options='' kind=guest ;;
	log) options='--follow' kind=guest ;;
	switch) options='' kind=guest ;;
	qmp) options='' kind=guest ;;
	adopt) options='' kind=guest ;;
	revert) options='--if-dead' kind=guest ;;
	usb) options='--force' kind=guest ;;
	rom) options='--json --force' kind=rom ;;
	help) options='' kind=command ;;
	'') kind=first ;;
	# a profile: `run` is left out
	*) options='--headless --detach --input-timeout --set' kind=none ;;
	esac
	case $previous in
	--set | --interval | --input-timeout) return ;;
	--root)
		compopt -o filenames
		while IFS= read -r i; do COMPREPLY+=("$i"); done < <(compgen -d -- "$word")
		return
		;;
	esac
	if [[ $word == -* ]]; then
		# shellcheck disable=SC2086 # lists of words
		_vfiorun_add "$word" $options $everywhere
		return
	fi
	if [[ $kind == rom && $operands -gt 0 ]]; then
		compopt -o filenames
		while IFS= read -r i; do COMPREPLY+=("$i"); done < <(compgen -f -- "$word")
		return
	fi
	if [[ $command == usb && $operands -eq 1 ]]; then
		_vfiorun_add "$word" attach detach
		return
	fi
	[[ $operands -eq 0 ]] || return
	# shellcheck disable=SC2046,SC2086 # lists of words, names without blanks or wildcards
	case $kind in
	first)
		_vfiorun_add "$word" $commands
		_vfiorun_add_profiles "$word"
		[[ ${COMPREPLY[*]} ]] || _vfiorun_add_files "$word"
		;;
	profile)
		_vfiorun_add_profiles "$word"
		[[ ${COMPREPLY[*]} ]] || _vfiorun_add_files "$word"
		;;
	guest) _vfiorun_add "$word" $(_vfiorun_guests "$1") ;;
	command) _vfiorun_add "$word" $commands ;;
	rom) _vfiorun_add "$word" info dump ;;
	esac
}

complete -F _vfiorun vfiorun
