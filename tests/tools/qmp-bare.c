// SPDX-License-Identifier: MIT
// What a launch costs without vfiorun: starts QEMU, asks for its vCPUs, pins them, lets the guest run,
// says READY=1 on $NOTIFY_SOCKET (sd_notify(3)) and prints how many microseconds passed from just before
// fork to the answer to cont. Then quits QEMU.
//
//   qmp-bare [--fd N] [--listen] [--socket N]… [--file N=PATH]… [--environment NAME=VALUE]…
//            [--pin CPU,CPU…] -- QEMU ARG… -chardev socket,id=qmp,fd=3…
//
// QEMU gets one end of a socketpair as descriptor N (3), with --listen a listening socket (server=on). Each
// --socket is a listening socket that nobody calls, each --file an open file; with --environment QEMU gets
// those variables alone. The n-th vCPU is pinned to the n-th CPU of the list. Blocking reads and no
// deadlines, as in a first script.
#include "base/mem.h"
#include "base/str.h"
#include "launcher/run/notify.h"
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

enum { VCPUS_MAX = 1024, FD_PARKED = 512 };

// A descriptor of QEMU's: the file at `path`, or a listening socket.
struct given {
	int fd;
	const char *path;
};

struct options {
	int fd;
	bool listen;
	struct given *given;
	size_t given_count;
	struct strv environment;
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

static void parse_file(struct options *options, const char *text)
{
	const char *path = strchr(text, '=');

	if (!path)
		errx(2, "--file: write N=PATH");
	*MEM_PUSH(options->given, options->given_count) = (struct given){ atoi(text), path + 1 };
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "fd", required_argument, NULL, 'f' },	    { "listen", no_argument, NULL, 'l' },
		{ "socket", required_argument, NULL, 's' }, { "file", required_argument, NULL, 'o' },
		{ "environment", required_argument, NULL, 'e' },
		{ "pin", required_argument, NULL, 'p' },    { 0 },
	};
	struct options options = { .fd = 3 };
	int c;

	while ((c = getopt_long(argc, argv, "+", known, NULL)) != -1) {
		if (c == 'f')
			options.fd = atoi(optarg);
		else if (c == 'l')
			options.listen = true;
		else if (c == 's')
			*MEM_PUSH(options.given, options.given_count) = (struct given){ .fd = atoi(optarg) };
		else if (c == 'o')
			parse_file(&options, optarg);
		else if (c == 'e')
			strv_add(&options.environment, optarg);
		else if (c == 'p')
			parse_pins(&options, optarg);
		else
			exit(2);
	}
	options.argv = argv + optind;
	if (!*options.argv || options.fd < 3)
		errx(2, "usage: qmp-bare [OPTION]… -- QEMU ARG…");
	return options;
}

// bind with the family alone picks an address in the abstract namespace (unix(7)).
static int open_listener(struct sockaddr_un *address, socklen_t *size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*size = sizeof(*address);
	if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)address, size) < 0)
		err(1, "a listening socket");
	return fd;
}

static void connect_to_self(int ends[2])
{
	struct sockaddr_un address;
	socklen_t size;

	ends[1] = open_listener(&address, &size);
	ends[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&address, size) < 0)
		err(1, "connecting to a listening socket");
}

static int open_given(const struct given *given)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd = given->path ? open(given->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) :
			       open_listener(&address, &size);

	if (fd < 0)
		err(1, "%s", given->path);
	return fd;
}

// What another one's number is must not be overwritten: all are parked first.
static int park(int fd)
{
	int parked = fcntl(fd, F_DUPFD_CLOEXEC, FD_PARKED);

	if (parked < 0)
		err(127, "descriptor %d", fd);
	return parked;
}

static void place(int parked, int target)
{
	if (dup2(parked, target) < 0)
		err(127, "descriptor %d", target);
}

static _Noreturn void become_qemu(const struct options *options, int qmp)
{
	int *parked = mem_new(options->given_count, sizeof(*parked));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < options->given_count; i++)
		parked[i] = park(open_given(&options->given[i]));
	place(park(qmp), options->fd);
	for (size_t i = 0; i < options->given_count; i++)
		place(parked[i], options->given[i].fd);
	if (options->environment.count)
		environ = options->environment.items;
	execvp(options->argv[0], options->argv);
	err(127, "%s", options->argv[0]);
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
	if (*pid == 0)
		become_qemu(options, ends[1]);
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
	notify_systemd("READY=1");
	ask_for_nothing(qmp, "quit");
	fclose(qmp);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "QEMU ended with wait status %d", status);
	printf("%lld\n", (long long)took);
	return 0;
}
