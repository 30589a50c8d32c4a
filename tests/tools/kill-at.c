// SPDX-License-Identifier: MIT
// Kills a program, or what it started, at a chosen step, so that a test can try every step:
//
//   kill-at STEP WHOM COMMAND [ARG...]
//
// runs COMMAND under ptrace and counts the calls by which it changes the world or hears of it. When it is
// about to make call number STEP, WHOM dies by SIGKILL and that call is not made where COMMAND is among them:
//   keeper   COMMAND itself        both  COMMAND and its child vfiorun-monitor
//   monitor  that child            all   COMMAND and all of its children
//   qemu     its other children, but those whose names begin with "hook"
// Exits as COMMAND did (137: killed); 200 where COMMAND ended before it came so far. The call's name goes to
// descriptor 3 where that is open.
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOO_SHORT = 200 };

#define CALL(name) { SYS_##name, #name }

static const struct call {
	unsigned long number;
	const char *name;
} calls[] = {
	CALL(write),	  CALL(pwrite64),    CALL(fsync),     CALL(fdatasync),	     CALL(rename),
	CALL(renameat),	  CALL(renameat2),   CALL(unlink),    CALL(unlinkat),	     CALL(rmdir),
	CALL(mkdir),	  CALL(mkdirat),     CALL(chmod),     CALL(fchmod),	     CALL(fchmodat),
	CALL(chown),	  CALL(fchown),	     CALL(fchownat),  CALL(ftruncate),	     CALL(bind),
	CALL(listen),	  CALL(clone),	     CALL(clone3),    CALL(fork),	     CALL(vfork),
	CALL(execve),	  CALL(sendto),	     CALL(sendmsg),   CALL(recvfrom),	     CALL(kill),
	CALL(wait4),	  CALL(waitid),	     CALL(flock),     CALL(pidfd_send_signal), CALL(recvmsg),
	CALL(exit_group), CALL(sched_setaffinity),
};

static const struct call *find_call(unsigned long number)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].number == number)
			return &calls[i];
	}
	return NULL;
}

static bool is_called(pid_t pid, const char *begin)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/comm", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char comm[32] = "";

	if (fd >= 0 && read(fd, comm, sizeof(comm) - 1) < 0)
		return false;
	return str_starts(comm, begin);
}

static bool is_monitor(pid_t pid)
{
	return is_called(pid, "vfiorun-monitor");
}

static bool is_qemu(pid_t pid)
{
	return !is_monitor(pid) && !is_called(pid, "hook");
}

static bool is_any(pid_t pid)
{
	(void)pid;
	return true;
}

static const struct victims {
	const char *name;
	bool itself;
	bool (*child)(pid_t pid);
} victims[] = {
	{ "keeper", true, NULL },	{ "monitor", false, is_monitor }, { "qemu", false, is_qemu },
	{ "both", true, is_monitor },	{ "all", true, is_any },
};

static const struct victims *find_victims(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
		if (str_eq(victims[i].name, name))
			return &victims[i];
	}
	errx(64, "kill whom: %s?", name);
}

static void kill_children(pid_t parent, bool (*chosen)(pid_t pid))
{
	AUTO_FREE char *path = mem_printf("/proc/%d/task/%d/children", parent, parent);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096] = "", *at = text, *end;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		err(1, "%s", path);
	for (;; at = end) {
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return;
		if (chosen(child))
			kill(child, SIGKILL);
	}
}

static void kill_victims(const struct victims *whom, pid_t pid)
{
	if (whom->child)
		kill_children(pid, whom->child);
	if (whom->itself)
		kill(pid, SIGKILL);
}

static const struct call *current_call(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return NULL;
	return find_call(info.entry.nr);
}

static _Noreturn void leave(int status, bool reached)
{
	if (!reached)
		exit(TOO_SHORT);
	exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

// Steps from call to call; after the deed the program runs free.
static void follow(pid_t pid, long step, const struct victims *whom)
{
	long seen = 0;
	int status;

	for (;;) {
		const struct call *call;
		int deliver = 0;

		if (waitpid(pid, &status, 0) < 0)
			err(1, "waitpid");
		if (!WIFSTOPPED(status))
			leave(status, seen >= step);
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		else if ((call = current_call(pid)) && ++seen == step) {
			dprintf(3, "%s\n", call->name);
			kill_victims(whom, pid);
		}
		if (ptrace(seen < step ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, deliver) < 0 &&
		    errno != ESRCH)
			err(1, "ptrace");
	}
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 4)
		errx(64, "usage: kill-at STEP WHOM COMMAND [ARG...]");
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[3], argv + 3);
		err(127, "%s", argv[3]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		err(1, "fork");
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0 ||
	    ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0)
		err(1, "ptrace");
	follow(pid, atol(argv[1]), find_victims(argv[2]));
}
