// SPDX-License-Identifier: MIT
#include "launcher/run/hooks.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "launcher/plan/plan.h"
#include "tune/pin.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static _Noreturn void exec_hook(const struct plan *plan, const char *event, const struct strv *argv)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	setpgid(0, 0);
	pin_stand_back(); // it may start what outlives the guest
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO); // our stdout is the guest's console
	setenv("VFIORUN_NAME", plan->name, 1);
	setenv("VFIORUN_EVENT", event, 1);
	execvp(argv->items[0], argv->items);
	_exit(errno == ENOENT ? 127 : 126);
}

pid_t hook_start(const struct plan *plan, const char *event, const struct strv *argv, struct err *err)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_hook(plan, event, argv);
	return pid < 0 ? err_sys(err, -errno, "starting the hook `%s`", event) : pid;
}

static int judge(const char *event, const char *program, int status, struct err *err)
{
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "the hook `%s` (%s) was killed by signal %d", event, program,
			       WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(err, -ENOENT, "the hook `%s`: no program %s", event, program);
	if (WEXITSTATUS(status) != 0)
		return err_set(err, -EIO, "the hook `%s` (%s) ended with status %d", event, program,
			       WEXITSTATUS(status));
	return 0;
}

int hook_run(const struct plan *plan, const char *event, const struct strv *argv, struct err *err)
{
	AUTO_CLOSE int pidfd = -1;
	struct pollfd wait = { .events = POLLIN };
	int status, n;
	pid_t pid;

	if (!argv->count)
		return 0;
	pid = hook_start(plan, event, argv, err);
	if (pid < 0)
		return pid;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	wait.fd = pidfd;
	do
		n = poll(&wait, 1, plan->hook_timeout * 1000);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == 0)
		return err_set(err, -ETIMEDOUT,
			       "the hook `%s` (%s) took longer than %d s and was killed; [hooks] timeout "
			       "allows more",
			       event, argv->items[0], plan->hook_timeout);
	return judge(event, argv->items[0], status, err);
}
