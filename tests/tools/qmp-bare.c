// SPDX-License-Identifier: MIT
// What a launch costs without vfiorun: starts QEMU, asks for its vCPUs, pins them, lets the guest run and
// prints how many microseconds passed from just before fork to the answer to cont. Then quits QEMU.
//
//   qmp-bare [--fd N] [--listen] [--pin CPU,CPU…] -- qemu-system-x86_64 … -chardev socket,id=qmp,fd=3…
//
// QEMU gets one end of a socketpair as descriptor N (3), with --listen a listening socket (server=on). The
// n-th vCPU is pinned to the n-th CPU of the list. Blocking reads and no deadlines, as in a first script.
#include "qmp/commands.h"
#include "qmp/json.h"

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { VCPUS_MAX = 1024 };

struct options {
	int fd;
	bool listen;
	int pins[VCPUS_MAX];
	size_t pin_count;
	char **argv;
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void parse_pins(struct options *options, const char *list)
{
	char *end;

	for (; *list; list = *end ? end + 1 : end) {
		if (options->pin_count == VCPUS_MAX)
			errx(2, "--pin: more than %d CPUs", VCPUS_MAX);
		options->pins[options->pin_count++] = (int)strtol(list, &end, 10);
		if (end == list || (*end && *end != ','))
			errx(2, "--pin: write CPU numbers as 2,3,4");
	}
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "listen", no_argument, NULL, 'l' },
		{ "pin", required_argument, NULL, 'p' },
		{ 0 },
	};
	struct options options = { .fd = 3 };
	int c;

	while ((c = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		if (c == 'f')
			options.fd = atoi(optarg);
		else if (c == 'l')
			options.listen = true;
		else if (c == 'p')
			parse_pins(&options, optarg);
		else
			exit(2);
	}
	options.argv = argv + optind;
	if (!*options.argv || options.fd < 3)
		errx(2, "usage: qmp-bare [--fd N] [--listen] [--pin CPU,CPU…] -- QEMU ARG…");
	return options;
}

// An unnamed listening address: bind with the family alone picks one in the abstract namespace (unix(7)).
static void connect_to_self(int ends[2])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);

	ends[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ends[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ends[0] < 0 || ends[1] < 0 ||
	    bind(ends[1], (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
	    listen(ends[1], 1) < 0 ||
	    getsockname(ends[1], (struct sockaddr *)&address, &size) < 0 ||
	    connect(ends[0], (struct sockaddr *)&address, size) < 0)
		err(1, "a listening socket");
}

// Returns our end.
static int start(const struct options *options, pid_t *pid)
{
	int ends[2];

	if (options->listen)
		connect_to_self(ends);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		err(1, "socketpair");
	*pid = fork();
	if (*pid < 0)
		err(1, "fork");
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ends[1] == options->fd ? fcntl(ends[1], F_SETFD, 0) < 0
					   : dup2(ends[1], options->fd) < 0)
			err(127, "descriptor %d", options->fd);
		execvp(options->argv[0], options->argv);
		err(127, "%s", options->argv[0]);
	}
	close(ends[1]);
	return ends[0];
}

// The next line that is no event; the caller puts it.
static struct json_object *read_message(FILE *qmp)
{
	AUTO_FREE char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, qmp) > 0) {
		AUTO_JSON struct json_object *message = json_tokener_parse(line);

		if (message && !json_object_object_get_ex(message, "event", NULL))
			return take(message);
	}
	errx(1, "QEMU closed QMP");
}

static struct json_object *ask(FILE *qmp, const char *command)
{
	AUTO_JSON struct json_object *message = NULL;
	struct json_object *result;

	dprintf(fileno(qmp), "{\"execute\": \"%s\"}\n", command);
	message = read_message(qmp);
	if (!json_object_object_get_ex(message, "return", &result))
		errx(1, "%s: %s", command, json_object_to_json_string(message));
	return json_object_get(result);
}

static void ask_for_nothing(FILE *qmp, const char *command)
{
	json_object_put(ask(qmp, command));
}

// Another process's thread is not ours to move, whatever was answered.
static void pin(pid_t qemu, pid_t tid, int cpu)
{
	char path[64];
	cpu_set_t set;

	snprintf(path, sizeof(path), "/proc/%d/task/%d", qemu, tid);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (access(path, F_OK) < 0 || sched_setaffinity(tid, sizeof(set), &set) < 0)
		err(1, "thread %d on CPU %d", tid, cpu);
}

static void pin_vcpus(FILE *qmp, pid_t qemu, const struct options *options)
{
	AUTO_JSON struct json_object *result = ask(qmp, "query-cpus-fast");
	static struct qmp_vcpu vcpus[VCPUS_MAX];
	int count = qmp_parse_vcpus(result, vcpus, VCPUS_MAX, NULL);

	if (count < 0)
		errx(1, "query-cpus-fast: %s", json_object_to_json_string(result));
	for (size_t i = 0; i < (size_t)count && i < options->pin_count; i++)
		pin(qemu, vcpus[i].tid, options->pins[i]);
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	int64_t began = now_us(), took;
	int status;
	pid_t pid;
	FILE *qmp = fdopen(start(&options, &pid), "r");

	json_object_put(read_message(qmp));
	ask_for_nothing(qmp, "qmp_capabilities");
	pin_vcpus(qmp, pid, &options);
	ask_for_nothing(qmp, "cont");
	took = now_us() - began;
	ask_for_nothing(qmp, "quit");
	fclose(qmp);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "QEMU ended with wait status %d", status);
	printf("%lld\n", (long long)took);
	return 0;
}
