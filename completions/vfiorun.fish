# SPDX-License-Identifier: MIT
# fish completion for vfiorun(1).

set -l commands run plan argv check host list status top stop pause resume reset wait console log switch qmp adopt revert usb rom help

function __vfiorun_guests
	timeout 2 vfiorun list --json 2>/dev/null |
		string replace -rf '^ *"name": *"([A-Za-z0-9][A-Za-z0-9_.-]*)".*' '$1'
end

# Profiles called by their bare name, then files.
function __vfiorun_profiles
	set -l dir $HOME/.config
	set -q XDG_CONFIG_HOME; and set dir $XDG_CONFIG_HOME
	test (id -u) -eq 0; and set dir /etc
	for file in $dir/vfiorun/*.conf
		string replace -r '.*/(.*)\.conf$' '$1' $file
	end
	__fish_complete_suffix .conf
end

complete -c vfiorun -f
complete -c vfiorun -n __fish_use_subcommand -a run -d "start a guest and stay with it until it ends"
complete -c vfiorun -n __fish_use_subcommand -a plan -d "show all that run would do, and why; changes nothing"
complete -c vfiorun -n __fish_use_subcommand -a argv -d "show the QEMU command alone, ready to paste"
complete -c vfiorun -n __fish_use_subcommand -a check -d "say whether the host is ready, and what mends what is not"
complete -c vfiorun -n __fish_use_subcommand -a host -d "show the host as the planner sees it: CPUs, memory, devices"
complete -c vfiorun -n __fish_use_subcommand -a list -d "list guests"
complete -c vfiorun -n __fish_use_subcommand -a status -d "one guest in detail: threads as the kernel has them, journal"
complete -c vfiorun -n __fish_use_subcommand -a top -d "live: what the host's scheduler does to the guest's threads"
complete -c vfiorun -n __fish_use_subcommand -a stop -d "ask for powerdown, then quit, then TERM, then KILL"
complete -c vfiorun -n __fish_use_subcommand -a pause -d "stop the vCPUs"
complete -c vfiorun -n __fish_use_subcommand -a resume -d "let the vCPUs go on"
complete -c vfiorun -n __fish_use_subcommand -a reset -d "press the reset button"
complete -c vfiorun -n __fish_use_subcommand -a wait -d "wait until the guest ends and return its exit status"
complete -c vfiorun -n __fish_use_subcommand -a console -d "the serial console; Ctrl-] leaves"
complete -c vfiorun -n __fish_use_subcommand -a log -d "QEMU's and our own messages"
complete -c vfiorun -n __fish_use_subcommand -a switch -d "move keyboard and mouse to the host or the guest"
complete -c vfiorun -n __fish_use_subcommand -a qmp -d "one QMP command, or a prompt"
complete -c vfiorun -n __fish_use_subcommand -a adopt -d "take over a guest whose keeper died, and go on as run would"
complete -c vfiorun -n __fish_use_subcommand -a revert -d "put back what a crash left behind"
complete -c vfiorun -n __fish_use_subcommand -a usb -d "plug a USB device of the host into a guest"
complete -c vfiorun -n __fish_use_subcommand -a rom -d "a graphics card's video BIOS"
complete -c vfiorun -n __fish_use_subcommand -a help -d "show the commands, or one in detail"
complete -c vfiorun -n __fish_use_subcommand -k -a "(__vfiorun_profiles)"

complete -c vfiorun -n "__fish_seen_subcommand_from run plan argv check" -l headless -d "no window; the serial console on this terminal"
complete -c vfiorun -n "__fish_seen_subcommand_from run" -l detach -d "return once the guest runs, pinned"
complete -c vfiorun -n "__fish_seen_subcommand_from run" -l input-timeout -d "give keyboard and mouse back after that time" -x
complete -c vfiorun -n "__fish_seen_subcommand_from run plan argv check" -l set -d "one more line of the profile" -x
complete -c vfiorun -n "__fish_seen_subcommand_from plan argv check host list status top rom" -l json -d "for scripts: JSON"
complete -c vfiorun -n "__fish_seen_subcommand_from plan argv check host" -l root -d "read this captured machine in place of the live one" -x -a "(__fish_complete_directories)"
complete -c vfiorun -n "__fish_seen_subcommand_from host" -l input -d "input devices, and what they send"
complete -c vfiorun -n "__fish_seen_subcommand_from stop usb rom" -l force -d "do it without asking, or in spite of a doubt"
complete -c vfiorun -n "__fish_seen_subcommand_from log" -s f -l follow -d "go on as messages come"
complete -c vfiorun -n "__fish_seen_subcommand_from revert" -l if-dead -d "say nothing and succeed where the guest runs"
complete -c vfiorun -n "__fish_seen_subcommand_from top" -l once -d "one interval, then end"
complete -c vfiorun -n "__fish_seen_subcommand_from top" -l interval -d "how often, 1 if not given" -x
complete -c vfiorun -n "__fish_seen_subcommand_from switch" -a "host guest toggle next let-go"
complete -c vfiorun -s v -l verbose -d "say more (twice: everything)"
complete -c vfiorun -s q -l quiet -d "say only errors"
complete -c vfiorun -l no-color -d "no colours (NO_COLOR does the same)"
complete -c vfiorun -s h -l help -d "show this text"
complete -c vfiorun -l version -d "show the version"

complete -c vfiorun -n "__fish_seen_subcommand_from run plan argv check" -k -a "(__vfiorun_profiles)"
complete -c vfiorun -n "__fish_seen_subcommand_from status top stop pause resume reset wait console log switch qmp adopt revert usb" -k -a "(__vfiorun_guests)"
complete -c vfiorun -n "__fish_seen_subcommand_from help" -k -a "$commands"
complete -c vfiorun -n "__fish_seen_subcommand_from rom" -a "info dump" -F
complete -c vfiorun -n "__fish_seen_subcommand_from usb" -a "attach detach"
