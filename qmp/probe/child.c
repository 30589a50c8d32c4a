// SPDX-License-Identifier: MIT
#include "qmp/probe/child.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/str.h"
#include "qmp/probe/kvm_node.h"
#include "qmp/probe.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

// More than QEMU's -help (72 KB in 10.0). Writes past it fail.
enum { OUTPUT_MAX = 256 << 10 };
enum { MAX_ARGUMENTS = 32 };

// Free numbers above those that the child uses, so that no dup2 below hits one still needed.
enum { REPORT_FD = CHILD_QMP_FD + 1, FIRST_FREE_FD };

// The same for everybody: the answers are cached, so nothing that is no part of the key may change
// them.
static const char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LC_ALL=C",
	"HOME=/",
	NULL,
};

// A file of fixed size in memory: reading it never waits for a grandchild that keeps its end open.
static int make_output(const char *name)
{
	AUTO_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, OUTPUT_MAX) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return -errno;
	return take_fd(&fd);
}

struct start {
	const struct qemu_probe *probe;
	char *argv[MAX_ARGUMENTS + 2];
	pid_t parent;
	int qmp, output, errors, report; // -1: none
	bool kvm;
};

static int move_fd(int from, int to, int flags)
{
	int high = from < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : from;

	if (high < 0 || dup3(high, to, flags) < 0)
		return -errno;
	return 0;
}

static int set_descriptors(struct start *start)
{
	int *const all[] = { &start->qmp, &start->output, &start->errors, &start->report };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (*all[i] < 0)
			continue;
		*all[i] = fcntl(*all[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (*all[i] < 0)
			return -errno;
	}
	if ((r = move_fd(start->report, REPORT_FD, O_CLOEXEC)) < 0 ||
	    (r = move_fd(-1, STDIN_FILENO, 0)) < 0 ||
	    (r = move_fd(start->output, STDOUT_FILENO, 0)) < 0 ||
	    (r = move_fd(start->errors, STDERR_FILENO, 0)) < 0)
		return r;
	if (start->qmp >= 0)
		r = move_fd(start->qmp, CHILD_QMP_FD, 0);
	else
		close(CHILD_QMP_FD);
	if (r == 0 && close_range(FIRST_FREE_FD, ~0U, 0) < 0)
		r = -errno;
	return r;
}

static int become(const struct start *start)
{
	const struct qemu_probe *probe = start->probe;
	gid_t group = kvm_node_group();

	if (geteuid() != 0 || probe->uid == (uid_t)-1 || probe->uid == 0)
		return 0;
	// Where it fails, QEMU itself says what it could not open.
	if (start->kvm)
		kvm_node_give(probe->uid);
	if (setgroups(group == (gid_t)-1 ? 0 : 1, &group) < 0 ||
	    setresgid(probe->gid, probe->gid, probe->gid) < 0 ||
	    setresuid(probe->uid, probe->uid, probe->uid) < 0)
		return -errno;
	return 0;
}

// The parent's death ends the child; the change of ids clears that wish, so it comes after.
static int set_process(const struct start *start)
{
	const struct rlimit no_core = { 0, 0 };
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || chdir("/") < 0)
		return -errno;
	r = become(start);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == start->parent ? 0 : -ECHILD;
}

static _Noreturn void run_child(struct start *start)
{
	int r = set_descriptors(start);

	if (r == 0)
		r = set_process(start);
	if (r == 0) {
		execve(start->argv[0], start->argv, (char *const *)environment);
		r = -errno;
	}
	(void)!write(REPORT_FD, &r, sizeof(r));
	_exit(127);
}

// What the child could not do before its exec; end of file is the exec itself.
static int read_report(int fd)
{
	int code;
	ssize_t n;

	do
		n = read(fd, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	return n == sizeof(code) ? code : 0;
}

static int fork_child(struct start *start, int report[2])
{
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	start->report = report[1];
	start->parent = getpid();
	pid = fork();
	if (pid == 0)
		run_child(start);
	return pid < 0 ? -errno : pid;
}

static int start_child(struct start *start, struct qemu_child *child, struct err *err)
{
	AUTO_CLOSE int from = -1;
	AUTO_CLOSE int to = -1;
	int report[2] = { -1, -1 }, r;

	r = fork_child(start, report);
	from = report[0];
	to = report[1];
	if (r < 0)
		return err_sys(err, r, "starting %s", start->argv[0]);
	child->pid = r;
	close(take_fd(&to));
	r = read_report(from);
	if (r == 0)
		return 0;
	qemu_child_end(child);
	return err_sys(err, r, "%s can't be executed", start->argv[0]);
}

static int make_channels(bool qmp, struct qemu_child *child, int *theirs)
{
	int pair[2];

	child->errors = make_output("stderr");
	if (child->errors < 0)
		return child->errors;
	if (!qmp) {
		child->output = make_output("stdout");
		return child->output < 0 ? child->output : 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	child->qmp = pair[0];
	*theirs = pair[1];
	return io_set_nonblock(child->qmp, true);
}

int qemu_child_start(const struct qemu_probe *probe, const char *const *arguments, bool qmp,
		     bool kvm, struct qemu_child *child, struct err *err)
{
	struct start start = { .probe = probe, .kvm = kvm, .argv = { (char *)probe->path } };
	AUTO_CLOSE int theirs = -1;
	int r;

	*child = (struct qemu_child)QEMU_CHILD_NONE;
	for (int i = 0; arguments[i] && i < MAX_ARGUMENTS; i++)
		start.argv[i + 1] = (char *)arguments[i];
	r = make_channels(qmp, child, &theirs);
	if (r < 0)
		err_sys(err, r, "starting %s", probe->path);
	start.qmp = theirs;
	start.output = child->output;
	start.errors = child->errors;
	if (r == 0)
		r = start_child(&start, child, err);
	if (r < 0)
		qemu_child_end(child);
	return r;
}

// Waits and reaps; kills first where the time runs out.
static int reap(struct qemu_child *child, int ms, int *status)
{
	AUTO_CLOSE int pidfd = pidfd_open(child->pid, 0);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };
	long long end = io_now_ms() + ms;
	int r;

	do
		r = poll(&wait, 1, (int)(end - io_now_ms() > 0 ? end - io_now_ms() : 0));
	while (r < 0 && errno == EINTR);
	kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, status, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	return r > 0 ? 0 : -ETIMEDOUT;
}

static int say_end(const struct qemu_child *child, int r, int status, struct err *err)
{
	AUTO_STR struct str line = { 0 };
	const char *colon;

	qemu_child_last_line(child, &line);
	colon = line.len ? ": " : " without a word";
	if (r == -ETIMEDOUT)
		return err_set(err, r, "it hung and was killed%s%s", colon, str_text(&line));
	if (WIFSIGNALED(status))
		return err_set(err, -EPROTO, "it was killed by signal %d (%s)%s%s", WTERMSIG(status),
			       strsignal(WTERMSIG(status)), colon, str_text(&line));
	return err_set(err, -EPROTO, "it exited with status %d%s%s", WEXITSTATUS(status), colon,
		       str_text(&line));
}

int qemu_child_finish(struct qemu_child *child, int ms, struct err *err)
{
	int status = 0, r = reap(child, ms, &status);

	if (r == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return say_end(child, r, status, err);
}

void qemu_child_end(struct qemu_child *child)
{
	int *const fds[] = { &child->qmp, &child->output, &child->errors };
	int status;

	if (child->pid)
		reap(child, 0, &status);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		cleanup_close(fds[i]);
		*fds[i] = -1;
	}
}

// The descriptor's position, which we share, is how far the child has written.
static void read_output(int fd, struct str *out)
{
	char chunk[4096];
	off_t at = 0, end = lseek(fd, 0, SEEK_CUR);

	while (at < end) {
		size_t want = end - at < (off_t)sizeof(chunk) ? (size_t)(end - at) : sizeof(chunk);
		ssize_t n = pread(fd, chunk, want, at);

		if (n <= 0)
			return;
		str_addn(out, chunk, (size_t)n);
		at += n;
	}
}

void qemu_child_output(const struct qemu_child *child, struct str *out)
{
	read_output(child->output, out);
}

// Cuts the last line that is not blank off text and returns it, NULL: none is left.
static char *cut_last_line(char *text)
{
	while (*text) {
		char *newline = strrchr(text, '\n');
		char *line = str_strip(newline ? newline + 1 : text);

		if (newline)
			*newline = '\0';
		if (*line)
			return line;
		if (!newline)
			break;
	}
	return NULL;
}

static const char *without_program(const char *line)
{
	static const char *const programs[] = { "qemu-system-x86_64: ", "qemu-kvm: ", "qemu: " };

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (str_starts(line, programs[i]))
			return line + strlen(programs[i]);
	}
	return line;
}

void qemu_child_last_line(const struct qemu_child *child, struct str *out)
{
	enum { ROOM = 300 };
	AUTO_STR struct str text = { 0 };
	char *line, *before;

	read_output(child->errors, &text);
	if (!text.len || !(line = cut_last_line(text.text)))
		return;
	if (strstr(line, "Assertion `") && line != text.text && (before = cut_last_line(text.text)))
		line = before;
	if (strlen(line) > ROOM)
		line[ROOM] = '\0';
	str_add_escaped(out, without_program(line));
}
