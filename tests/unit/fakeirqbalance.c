// SPDX-License-Identifier: MIT
#include "tests/unit/fakeirqbalance.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakehost.h"
#include "tests/unit/tree.h"

#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 500, SCANS_AFTER = 2 };

static struct fakeirqbalance *state;
static pid_t process;
static char *node, *proc; // in the tree

static void take_words(const char *words)
{
	if (str_starts(words, "settings ban irqs NONE"))
		*state->irqs = '\0';
	else if (str_starts(words, "settings ban irqs "))
		snprintf(state->irqs, sizeof(state->irqs), "%.255s", words + strlen("settings ban irqs "));
	else if (str_starts(words, "settings cpus "))
		snprintf(state->new_cpus, sizeof(state->new_cpus), "%.63s",
			 str_starts(words, "settings cpus NULL") ? "" : words + strlen("settings cpus "));
	else
		_exit(1);
	state->questions = 0;
	state->words++;
}

static void print_setup(struct str *out)
{
	AUTO_STRV struct strv irqs = { 0 };
	struct cpuset cpus;
	uint64_t mask = 0;

	if (++state->questions >= state->scans_after)
		memcpy(state->cpus, state->new_cpus, sizeof(state->cpus));
	strv_split(&irqs, state->irqs, " ");
	str_add(out, "SLEEP 10 ");
	for (size_t i = 0; i < irqs.count; i++)
		str_addf(out, "IRQ %s LOAD 0 DIFF 0 CLASS 0 ", irqs.items[i]);
	if (cpuset_parse_list(&cpus, state->cpus))
		mask = cpus.bits[0];
	str_addf(out, "BANNED 00000000,%08x", (uint32_t)mask);
}

// As the real one: nothing without credentials, one question a connection.
static void answer(int connection)
{
	AUTO_STR struct str setup = { 0 };
	char words[WORDS_MAX + 1] = "", control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec part = { words, WORDS_MAX };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;

	if (recvmsg(connection, &message, 0) <= 0)
		return;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_CREDENTIALS)
		_exit(1);
	if (!str_starts(words, "setup")) {
		take_words(words);
		return;
	}
	print_setup(&setup);
	if (send(connection, setup.text, setup.len, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void serve(int listening)
{
	for (;;) {
		AUTO_CLOSE int connection = accept(listening, NULL, NULL);

		if (connection < 0)
			_exit(1);
		answer(connection);
	}
}

struct fakeirqbalance *fakeirqbalance_start(struct fakehost *fake, int pid)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_FREE char *manifest = mem_printf("run/irqbalance/\nproc/%d/comm = irqbalance\n", pid);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int yes = 1, length;

	if (!state)
		state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(state != MAP_FAILED && !process);
	*state = (struct fakeirqbalance){ .scans_after = SCANS_AFTER };
	assert(tree_add(fake->tree, manifest) == 0);
	proc = mem_printf("%s/proc/%d/comm", fake->tree, pid);
	node = mem_printf("%s/run/irqbalance/irqbalance%d.sock", fake->tree, pid);
	length = snprintf(address.sun_path, sizeof(address.sun_path), "%s", node);
	assert(length < (int)sizeof(address.sun_path));
	assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
	assert(listen(fd, 1) == 0);
	process = fork();
	assert(process >= 0);
	if (process == 0)
		serve(fd);
	return state;
}

void fakeirqbalance_end(struct fakehost *fake, bool systemd)
{
	AUTO_FREE char *directory = mem_printf("%s/run/irqbalance", fake->tree);

	if (process > 0) {
		kill(process, SIGKILL);
		waitpid(process, NULL, 0);
		unlink(node);
		unlink(proc);
		free(take(node));
		free(take(proc));
	}
	process = 0;
	if (systemd)
		rmdir(directory);
}
