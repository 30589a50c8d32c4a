// SPDX-License-Identifier: MIT
#include "tune/host/careful.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "tune/host/process.h"
#include "tune/host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { TURNS = 10 };

struct answer {
	int result;
	char text[sizeof(((struct careful_question *)0)->text)];
};

_Static_assert(sizeof(struct answer) <= 512, "an answer is written in one piece (POSIX's least PIPE_BUF)");

__attribute__((noreturn)) static void answer_all(careful_reader *reader, struct root *root,
						 const struct careful_question *questions, size_t n, int out)
{
	io_close_others(0, root->fd, out); // it may never end
	for (size_t i = 0; i < n; i++) {
		struct answer answer = { 0 };

		answer.result = reader(root, questions[i].path, answer.text, sizeof(answer.text));
		if (io_write_all(out, &answer, sizeof(answer)) < 0)
			break;
	}
	_exit(0);
}

// 0, or -ETIMEDOUT: there came none within the time, or -EIO: the child has died.
static int receive(int in, struct answer *answer, int ms)
{
	long long end = io_now_ms() + ms;
	struct pollfd poll_in = { .fd = in, .events = POLLIN };

	for (;;) {
		long long left = end - io_now_ms();
		ssize_t n;

		if (poll(&poll_in, 1, left > 0 ? (int)left : 0) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (!poll_in.revents)
			return -ETIMEDOUT;
		n = read(in, answer, sizeof(*answer));
		if (n < 0 && errno == EINTR)
			continue;
		return n == (ssize_t)sizeof(*answer) ? 0 : -EIO;
	}
}

// Who is ready to run does not block: on a busy machine it has not had its turn.
static int receive_patiently(pid_t pid, int in, struct answer *answer, int ms)
{
	int r = receive(in, answer, ms);

	for (int i = 1; i < TURNS && r == -ETIMEDOUT && process_read_state(pid) == 'R'; i++)
		r = receive(in, answer, ms);
	return r;
}

static size_t give_up_subject(struct careful_question *questions, size_t from, size_t n, int code)
{
	size_t i = from;

	for (; i < n && questions[i].subject == questions[from].subject; i++)
		questions[i].result = code;
	return i;
}

static void fail(struct careful_question *questions, size_t n, int code)
{
	for (size_t i = 0; i < n; i++)
		questions[i].result = code;
}

// One child, up to the first question that blocks. Returns how many questions are done with.
static size_t ask(careful_reader *reader, struct root *root, struct careful_question *questions, size_t n,
		  int deadline_ms)
{
	AUTO_CLOSE int in = -1, out = -1;
	int ends[2], r = 0;
	struct answer answer = { 0 };
	size_t done = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		fail(questions, n, -errno);
		return n;
	}
	in = ends[0];
	out = ends[1];
	pid = fork();
	if (pid == 0)
		answer_all(reader, root, questions, n, out);
	cleanup_close(&out);
	out = -1;
	if (pid < 0) {
		fail(questions, n, -EAGAIN);
		return n;
	}
	for (; done < n && (r = receive_patiently(pid, in, &answer, deadline_ms)) == 0; done++) {
		questions[done].result = answer.result;
		memcpy(questions[done].text, answer.text, sizeof(answer.text));
	}
	if (done < n)
		kill(pid, SIGKILL);
	// who waits in the kernel can't be waited for
	while (waitpid(pid, NULL, done < n ? WNOHANG : 0) < 0 && errno == EINTR)
		continue;
	return done < n ? give_up_subject(questions, done, n, r) : n;
}

void careful_read_by(careful_reader *reader, struct root *root, struct careful_question *questions,
		     size_t n, int deadline_ms)
{
	root->reads += n;
	for (size_t done = 0; done < n;)
		done += ask(reader, root, questions + done, n - done, deadline_ms);
}

void careful_read(struct root *root, struct careful_question *questions, size_t n, int deadline_ms)
{
	if (root->live) {
		careful_read_by(root_read_head, root, questions, n, deadline_ms);
		return;
	}
	for (size_t i = 0; i < n; i++)
		questions[i].result = root_read_head(root, questions[i].path, questions[i].text,
						     sizeof(questions[i].text));
}
