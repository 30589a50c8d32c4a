// SPDX-License-Identifier: MIT
#include "launcher/run/spawn.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

// A shell and what it says: stdout and stderr go into a pipe.
struct shell {
	struct strv argv, environment;
	struct spawn_fd fds[4];
	struct spawn spawn;
	int out;
};

static void shell_start(struct shell *shell, const char *script)
{
	int ends[2];

	*shell = (struct shell){ 0 };
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	strv_add(&shell->argv, "/bin/sh");
	strv_add(&shell->argv, "-c");
	strv_add(&shell->argv, script);
	strv_add(&shell->environment, "PATH=/usr/bin:/bin");
	shell->out = ends[0];
	shell->fds[0] = (struct spawn_fd){ 1, ends[1] };
	shell->fds[1] = (struct spawn_fd){ 2, ends[1] };
	shell->spawn = (struct spawn){
		.argv = &shell->argv, .environment = &shell->environment, .fds = shell->fds, .n_fds = 2
	};
}

// What it wrote until everybody who had its stdout was gone.
static char *shell_listen(struct shell *shell)
{
	struct str text = { 0 };

	close(take_fd(&shell->fds[0].fd));
	assert_int_equal(io_read_all(shell->out, &text, 1 << 16), 0);
	close(take_fd(&shell->out));
	return str_take(&text);
}

static void shell_finish(struct shell *shell)
{
	if (shell->fds[0].fd >= 0)
		close(take_fd(&shell->fds[0].fd));
	if (shell->out >= 0)
		close(take_fd(&shell->out));
	strv_finish(&shell->argv);
	strv_finish(&shell->environment);
}

static void reap(struct child *child)
{
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
	child_close(child);
}

// Starts it, lets it run to its end and returns what it said.
static char *run_to_end(struct shell *shell)
{
	struct err err = ERR_NONE;
	struct child child;
	char *said;

	assert_int_equal(spawn_prepare(&shell->spawn, &child, &err), 0);
	assert_int_equal(spawn_release(&child, &err), 0);
	said = shell_listen(shell);
	reap(&child);
	return said;
}

static void expect_line(const char *said, const char *line)
{
	if (!strstr(said, line))
		fail_msg("no line `%s` in:\n%s", line, said);
}

// The C library keeps 32 and 33 for itself, and lets nobody set what is done about them.
static void expect_none_ignored(const char *said)
{
	const char *line = strstr(said, "SigIgn:");
	unsigned long long ignored = 0;

	assert_non_null(line);
	assert_int_equal(sscanf(line, "SigIgn: %llx", &ignored), 1);
	assert_int_equal(ignored & ~(3ULL << 31), 0);
}

static void test_nothing_of_ours_is_inherited(void **state)
{
	struct shell shell;
	sigset_t blocked, before;
	char *said;
	int leak = fcntl(0, F_DUPFD, 700); // without CLOEXEC, and above all targets

	(void)state;
	shell_start(&shell, "grep -E '^(Sig(Blk|Ign)|NoNewPrivs)' /proc/self/status; ls /proc/$$/fd; cat <&7; env");
	shell.fds[2] = (struct spawn_fd){ 7, open("/proc/version", O_RDONLY | O_CLOEXEC) };
	shell.spawn.n_fds = 3;
	assert_true(leak >= 700);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGUSR1, SIG_IGN);
	said = run_to_end(&shell);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(leak);
	close(shell.fds[2].fd);
	expect_line(said, "SigBlk:\t0000000000000000\n");
	expect_none_ignored(said);
	expect_line(said, "NoNewPrivs:\t1\n");
	expect_line(said, "\n0\n1\n2\n7\n");
	expect_line(said, "Linux version");
	assert_null(strstr(said, "HOME="));
	free(said);
	shell_finish(&shell);
}

static void test_session_of_its_own(void **state)
{
	struct shell shell;
	struct child child;
	struct err err = ERR_NONE;

	(void)state;
	shell_start(&shell, "read forever");
	assert_int_equal(spawn_prepare(&shell.spawn, &child, &err), 0);
	assert_int_equal(getsid(child.pid), child.pid);
	spawn_abandon(&child);
	shell_finish(&shell);
}

static void test_affinity(void **state)
{
	struct cpuset cpus = { 0 };
	struct shell shell;
	cpu_set_t ours;
	char *said, *line;
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(ours), &ours), 0);
	while (!CPU_ISSET(cpu, &ours))
		cpu++;
	cpuset_add(&cpus, cpu);
	shell_start(&shell, "grep Cpus_allowed_list /proc/self/status");
	shell.spawn.affinity = &cpus;
	said = run_to_end(&shell);
	line = mem_printf("Cpus_allowed_list:\t%d\n", cpu);
	assert_string_equal(said, line);
	free(line);
	free(said);
	shell_finish(&shell);
}

static void test_waits_to_be_let_go(void **state)
{
	struct err err = ERR_NONE;
	struct shell shell;
	struct child child;
	char *said;
	pid_t pid;

	(void)state;
	shell_start(&shell, "echo ran");
	assert_int_equal(spawn_prepare(&shell.spawn, &child, &err), 0);
	pid = child.pid;
	assert_int_equal(kill(pid, 0), 0);
	spawn_abandon(&child);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(child.pidfd, -1);
	assert_null(child.stack);
	said = shell_listen(&shell);
	assert_string_equal(said, "");
	free(said);
	shell_finish(&shell);
}

static void test_goes_with_us(void **state)
{
	struct shell shell;
	pid_t pid;
	char *said;

	(void)state;
	shell_start(&shell, "echo ran");
	pid = fork();
	if (pid == 0) {
		struct child child;

		_exit(spawn_prepare(&shell.spawn, &child, NULL) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	said = shell_listen(&shell); // ends: nobody is left
	assert_string_equal(said, "");
	free(said);
	shell_finish(&shell);
}

static void test_exec_that_fails_is_told(void **state)
{
	struct err err = ERR_NONE;
	struct shell shell;
	struct child child;
	pid_t pid;

	(void)state;
	shell_start(&shell, "");
	mem_set(&shell.argv.items[0], "/nonexistent/qemu");
	assert_int_equal(spawn_prepare(&shell.spawn, &child, &err), 0);
	pid = child.pid;
	assert_int_equal(spawn_release(&child, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/qemu"));
	assert_int_equal(waitpid(pid, NULL, 0), -1);
	assert_null(child.stack);
	shell_finish(&shell);
}

static int refuse(void *context, struct err *err)
{
	(void)context;
	return err_set(err, -EBUSY, "somebody has it");
}

static void test_preparation_that_fails_is_told(void **state)
{
	struct err err = ERR_NONE;
	struct shell shell;
	struct child child;

	(void)state;
	for (int elsewhere = 0; elsewhere <= 1; elsewhere++) {
		shell_start(&shell, "echo ran");
		shell.spawn.open_in_child = refuse;
		shell.spawn.released_elsewhere = elsewhere;
		assert_int_equal(spawn_prepare(&shell.spawn, &child, &err), -EBUSY);
		assert_string_equal(err.text, "somebody has it");
		assert_int_equal(child.pid, 0);
		assert_int_equal(child.go, -1);
		shell_finish(&shell);
	}
}

// A lock of the child's own; the number says who ran.
static int note_pid(void *context, struct err *err)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	*(pid_t *)context = getpid();
	return fd >= 0 ? fd : err_sys(err, -errno, "/dev/null");
}

// Only who waits for exec itself may share: that is what saves the page faults.
static void test_memory_is_shared_with_whom_we_wait_for(void **state)
{
	(void)state;
	for (int elsewhere = 0; elsewhere <= 1; elsewhere++) {
		volatile pid_t noted = 0;
		struct shell shell;
		struct child child;
		struct err err = ERR_NONE;

		shell_start(&shell, "ls /proc/$$/fd");
		shell.spawn.open_in_child = note_pid;
		shell.spawn.context = (void *)&noted;
		shell.spawn.open_target = 9;
		shell.spawn.released_elsewhere = elsewhere;
		assert_int_equal(spawn_prepare(&shell.spawn, &child, &err), 0);
		assert_int_equal(noted, elsewhere ? 0 : child.pid);
		assert_int_equal(spawn_release(&child, &err), 0);
		assert_null(child.stack);
		reap(&child);
		shell_finish(&shell);
	}
}

static void test_another_user(void **state)
{
	struct passwd *nobody = getpwnam("nobody");
	struct shell shell;
	char *said, *uid;

	(void)state;
	if (geteuid() != 0 || !nobody) {
		skip();
		return;
	}
	shell_start(&shell, "grep -E '^(Uid|Groups)' /proc/self/status");
	shell.spawn.change_user = true;
	shell.spawn.user = "nobody";
	shell.spawn.uid = nobody->pw_uid;
	shell.spawn.gid = nobody->pw_gid;
	uid = mem_printf("Uid:\t%u\t%u\t%u\t%u\n", nobody->pw_uid, nobody->pw_uid, nobody->pw_uid, nobody->pw_uid);
	said = run_to_end(&shell);
	expect_line(said, uid);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE), 1); // the memory was shared with one who has less to hide from
	free(uid);
	free(said);
	shell_finish(&shell);
}

// Descriptors and memory of many starts in a row: nothing is left of any.
static void test_leaves_nothing(void **state)
{
	int before, after;

	(void)state;
	before = dup(0);
	close(before);
	for (int i = 0; i < 100; i++) {
		struct shell shell;
		char *said;

		shell_start(&shell, "exit");
		said = run_to_end(&shell);
		free(said);
		shell_finish(&shell);
	}
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_of_ours_is_inherited),
		cmocka_unit_test(test_session_of_its_own),
		cmocka_unit_test(test_affinity),
		cmocka_unit_test(test_waits_to_be_let_go),
		cmocka_unit_test(test_goes_with_us),
		cmocka_unit_test(test_exec_that_fails_is_told),
		cmocka_unit_test(test_preparation_that_fails_is_told),
		cmocka_unit_test(test_memory_is_shared_with_whom_we_wait_for),
		cmocka_unit_test(test_another_user),
		cmocka_unit_test(test_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
