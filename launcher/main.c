// SPDX-License-Identifier: MIT
// vfiorun: one profile, one command, a pinned guest, and the host as it was.
//
// A map, by the way a run goes:
//
//   commands/             the command line becomes a struct command_line; a table says who acts
//   prepare.c             profile/  text → what a person wants, every mistake with its place
//                         facts/    the host, this QEMU, firmware, named files → what is known
//                         plan/     both → struct plan: pins, host changes, descriptors (pure)
//                         argv/     both → QEMU's command line (pure)
//   check/                facts, and the plan if there is one, judged: is this host ready? (pure)
//   run.c                 the plan is carried out:
//   run/keeper.c            the keeper journals and applies it, holds QEMU, and puts everything back
//   run/spawn.c             QEMU is made: recorded on disk before it is QEMU
//   run/monitor.c           a second process, without rights, speaks QMP, serves clients and the console
//   guest/                  a guest on disk: state, locks, sockets, who may be met there
//   watch/                  what a person sees of its threads meanwhile: top
//   ../tune/                the only door to the host: facts, journalled changes, pins
//   ../qmp/                 JSON lines, the QMP conversation, what a QEMU binary can do
//   ../base/                the ground floor
#include "base/mem.h"
#include "launcher/commands/commands.h"
#include "tune/host/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <unistd.h>

// A closed standard descriptor would be given to the next file that is opened, and then written to. What
// stands in for standard output takes nothing: who wanted a plan there learns that it was not printed.
static void fill_standard_fds(void)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_RDWR };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			_exit(1);
	}
	process_close_devices();
	// what our caller left open is no business of QEMU's or a hook's
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

int main(int argc, char **argv)
{
	struct command_line line;
	int status;

	mem_populate_program();
	fill_standard_fds();
	signal(SIGPIPE, SIG_IGN);
	status = command_line_parse(argc, argv, &line);
	if (status == 0)
		status = line.command->run(&line);
	command_line_finish(&line);
	return status < 0 ? 0 : status;
}
