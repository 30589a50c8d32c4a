// SPDX-License-Identifier: MIT
// A QEMU that misbehaves as its file name says: link or copy this program to fake-qmp.WORD+WORD… and let
// it be started in QEMU's place. It runs a real thread for each vCPU of -smp and each -object iothread,
// speaks QMP on the descriptor of -chardev socket,…,fd=N, and ignores all else on its command line. Where
// that descriptor is connected instead of listening, somebody asks what this QEMU can do, and the real one
// is executed to say so.
//
//   fake-qmp             an honest guest that runs until it is told to end
//   ACTION[=N]@STAGE     does ACTION once, when STAGE is reached
//     ACTION: hang       is silent from then on; SIGTERM still ends it
//             close      hangs up for good and goes on running
//             exit=N     writes to stderr and exits with N (1)
//             kill       dies by SIGKILL
//             flood=N    N (100000) events
//             garbage=N  N (65536) bytes that are no JSON, NULs among them
//             line=N     a line of N (20971520) bytes
//             noid       an error that answers no command
//             greet      a greeting
//             pins       tells on stderr which CPUs each of its threads may use
//     STAGE:  start (before anything is heard) greeting (in place of being connected: before the greeting)
//             ready (capabilities answered) query (query-cpus-fast asked) continue (cont asked) cont (cont
//             answered) powerdown quit
//   lie=VALUE            VALUE as the thread id of all threads; "parent": of whoever started it, "same": its own,
//                        "first": of its first thread
//   ignore=WHAT          powerdown, quit or term
//   split                writes one byte at a time
#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/mem.h"
#include "base/str.h"
#include "qmp/json.h"
#include "qmp/line.h"

#include <err.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

static const char real_qemu[] = "/usr/bin/qemu-system-x86_64";

enum { THREADS_MAX = 1024 };

struct thread {
	const char *iothread; // NULL: a vCPU
	int vcpu;
	pid_t tid;
};

static struct {
	struct strv words; // "exit=3@cont", those that fired emptied
	int listener, connection, signals;
	bool negotiated;
	const char *status;
	bool ending; // once what is being said is out
	struct thread threads[THREADS_MAX];
	size_t thread_count;
	struct line_reader reader;
} fake = { .listener = -1, .connection = -1, .status = "prelaunch" };

// --- saying things

static void say_bytes(const char *data, size_t size)
{
	size_t most = strv_has(&fake.words, "split") ? 1 : size;

	while (size) {
		ssize_t n = send(fake.connection, data, size < most ? size : most, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; // the reading side notices
		data += n;
		size -= (size_t)n;
	}
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	str_add(&text, "\r\n");
	say_bytes(text.text, text.len);
}

static void say_event(const char *name, const char *data)
{
	say("{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 1}, \"event\": \"%s\"%s%s}", name,
	    *data ? ", \"data\": " : "", data);
}

static void greet(void)
{
	say("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": "
	    "\"fake\"}, \"capabilities\": [\"oob\"]}}");
}

// --- tricks

static void hang_up(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

static void do_hang(long n)
{
	siginfo_t info;
	sigset_t set;

	(void)n;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	do
		sigwaitinfo(&set, &info);
	while (strv_has(&fake.words, "ignore=term"));
	exit(0);
}

static void do_close(long n)
{
	(void)n;
	hang_up(&fake.listener);
	hang_up(&fake.connection);
}

static void do_exit(long n)
{
	fprintf(stderr, "fake-qmp: warning: about to fail\nfake-qmp: exiting with status %ld\n", n);
	exit((int)n);
}

static void do_kill(long n)
{
	(void)n;
	raise(SIGKILL);
}

static void do_flood(long n)
{
	for (long i = 0; i < n; i++)
		say_event("RTC_CHANGE", "{\"offset\": 1, \"qom-path\": \"/machine/rtc\"}");
}

static void do_garbage(long n)
{
	AUTO_STR struct str bytes = { 0 };
	unsigned random = 1;

	for (long i = 0; i < n; i++) {
		random = random * 1103515245 + 12345;
		str_addc(&bytes, (char)(random >> 16));
	}
	say_bytes(bytes.text, bytes.len);
}

static void do_line(long n)
{
	static const char head[] = "{\"event\": \"", tail[] = "\"}\r\n";
	AUTO_STR struct str line = { 0 };

	str_add(&line, head);
	while (line.len + strlen(tail) < (size_t)n + 2)
		str_addc(&line, 'X');
	str_add(&line, tail);
	say_bytes(line.text, line.len);
}

static void do_noid(long n)
{
	(void)n;
	say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray 'x'\"}}");
}

static void do_greet(long n)
{
	(void)n;
	greet();
}

static void do_pins(long n)
{
	(void)n;
	for (size_t i = 0; i < fake.thread_count; i++) {
		const struct thread *thread = &fake.threads[i];
		AUTO_FREE char *list = NULL;
		struct cpuset cpus = { 0 };

		sched_getaffinity(thread->tid, sizeof(cpus.bits), (cpu_set_t *)cpus.bits);
		list = cpuset_text(&cpus);
		if (thread->iothread)
			fprintf(stderr, "fake-qmp: %s on %s\n", thread->iothread, list);
		else
			fprintf(stderr, "fake-qmp: vcpu%d on %s\n", thread->vcpu, list);
	}
}

static const struct action {
	const char *name;
	void (*perform)(long n);
	long n; // where the word gives none
} actions[] = {
	{ "hang", do_hang, 0 },
	{ "close", do_close, 0 },
	{ "exit", do_exit, 1 },
	{ "kill", do_kill, 0 },
	{ "flood", do_flood, 100000 },
	{ "garbage", do_garbage, 65536 },
	{ "line", do_line, 20 << 20 },
	{ "noid", do_noid, 0 },
	{ "greet", do_greet, 0 },
	{ "pins", do_pins, 0 },
};

static const char *const stages[] = { "start", "greeting", "ready", "query", "continue", "cont",
				      "powerdown", "quit" };
static const char *const modifiers[] = { "split", "ignore=powerdown", "ignore=quit", "ignore=term" };

// Matches ACTION[=N]@STAGE.
static const struct action *find_action(const char *word, const char *stage, long *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		const char *rest = word + strlen(actions[i].name);
		char *end;

		if (!str_starts(word, actions[i].name))
			continue;
		*n = actions[i].n;
		if (*rest == '=') {
			*n = strtol(rest + 1, &end, 10);
			rest = end;
		}
		if (*rest == '@' && strcmp(rest + 1, stage) == 0)
			return &actions[i];
	}
	return NULL;
}

static void reach(const char *stage)
{
	for (size_t i = 0; i < fake.words.count; i++) {
		long n;
		const struct action *action = find_action(fake.words.items[i], stage, &n);

		if (!action)
			continue;
		mem_set(&fake.words.items[i], "");
		action->perform(n);
	}
}

static bool is_known(const char *word)
{
	long n;

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		if (find_action(word, stages[i], &n))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(modifiers); i++) {
		if (strcmp(word, modifiers[i]) == 0)
			return true;
	}
	return str_starts(word, "lie=");
}

static void parse_name(const char *name)
{
	const char *words = strrchr(name, '/');

	words = strchr(words ? words : name, '.');
	if (words)
		strv_split(&fake.words, words + 1, "+");
	for (size_t i = 0; i < fake.words.count; i++) {
		if (!is_known(fake.words.items[i]))
			errx(64, "no behaviour is called %s", fake.words.items[i]);
	}
}

// --- threads

static sem_t thread_is_up;

static void *run_thread(void *context)
{
	struct thread *thread = context;
	char name[16];

	if (thread->iothread)
		snprintf(name, sizeof(name), "IO %.12s", thread->iothread);
	else
		snprintf(name, sizeof(name), "CPU %d/KVM", thread->vcpu);
	prctl(PR_SET_NAME, name);
	thread->tid = gettid();
	sem_post(&thread_is_up);
	pause();
	return NULL;
}

static void add_thread(const char *iothread, int vcpu)
{
	struct thread *thread = &fake.threads[fake.thread_count++];
	pthread_t handle;

	if (fake.thread_count > THREADS_MAX)
		errx(1, "more than %d threads", THREADS_MAX);
	*thread = (struct thread){ .iothread = iothread, .vcpu = vcpu };
	if (pthread_create(&handle, NULL, run_thread, thread) != 0)
		errx(1, "no thread");
	sem_wait(&thread_is_up);
}

static void print_tid(const struct thread *thread, struct str *out)
{
	const char *lie = NULL;

	for (size_t i = 0; i < fake.words.count; i++) {
		if (str_starts(fake.words.items[i], "lie="))
			lie = fake.words.items[i] + strlen("lie=");
	}
	if (!lie)
		str_addf(out, "%d", thread->tid);
	else if (strcmp(lie, "parent") == 0)
		str_addf(out, "%d", getppid());
	else if (strcmp(lie, "same") == 0)
		str_addf(out, "%d", getpid());
	else if (strcmp(lie, "first") == 0)
		str_addf(out, "%d", fake.threads[0].tid);
	else
		str_add(out, lie);
}

// --- commands

static void answer(const char *id, const char *value)
{
	say("{\"return\": %s, \"id\": %s}", value, id);
}

static void end_with(const char *data)
{
	say_event("SHUTDOWN", data);
	fake.ending = true;
}

static void on_capabilities(const char *id)
{
	answer(id, "{}");
	fake.negotiated = true;
	reach("ready");
}

static void on_query_version(const char *id)
{
	answer(id, "{\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"fake\"}");
}

static void on_query_status(const char *id)
{
	AUTO_FREE char *value = mem_printf("{\"status\": \"%s\", \"singlestep\": false, \"running\": %s}",
					   fake.status,
					   str_eq(fake.status, "running") ? "true" : "false");

	answer(id, value);
}

static void print_vcpu(const struct thread *thread, struct str *out)
{
	str_addf(out, "{\"cpu-index\": %d, \"props\": {\"core-id\": %d, \"thread-id\": 0}, \"thread-id\": ",
		 thread->vcpu, thread->vcpu);
}

static void print_iothread(const struct thread *thread, struct str *out)
{
	str_addf(out, "{\"id\": \"%s\", \"poll-max-ns\": 32768, \"thread-id\": ", thread->iothread);
}

static void answer_threads(const char *id, bool iothreads,
			   void (*print)(const struct thread *thread, struct str *out))
{
	AUTO_STR struct str list = { 0 };

	str_addc(&list, '[');
	for (size_t i = 0; i < fake.thread_count; i++) {
		const struct thread *thread = &fake.threads[i];

		if (!thread->iothread == iothreads)
			continue;
		str_add(&list, list.len > 1 ? ", " : "");
		print(thread, &list);
		print_tid(thread, &list);
		str_addc(&list, '}');
	}
	str_addc(&list, ']');
	answer(id, list.text);
}

static void on_query_cpus(const char *id)
{
	reach("query");
	answer_threads(id, false, print_vcpu);
}

static void on_query_iothreads(const char *id)
{
	answer_threads(id, true, print_iothread);
}

static void on_cont(const char *id)
{
	reach("continue");
	fake.status = "running";
	say_event("RESUME", "");
	answer(id, "{}");
	reach("cont");
}

static void on_stop(const char *id)
{
	fake.status = "paused";
	say_event("STOP", "");
	answer(id, "{}");
}

static void on_reset(const char *id)
{
	answer(id, "{}");
	say_event("RESET", "{\"guest\": false, \"reason\": \"host-qmp-system-reset\"}");
}

static void on_powerdown(const char *id)
{
	answer(id, "{}");
	say_event("POWERDOWN", "");
	reach("powerdown");
	if (!strv_has(&fake.words, "ignore=powerdown"))
		end_with("{\"guest\": true, \"reason\": \"guest-shutdown\"}");
}

static void on_quit(const char *id)
{
	answer(id, "{}");
	reach("quit");
	if (!strv_has(&fake.words, "ignore=quit"))
		end_with("{\"guest\": false, \"reason\": \"host-qmp-quit\"}");
}

static const struct {
	const char *name;
	void (*perform)(const char *id);
} commands[] = {
	{ "qmp_capabilities", on_capabilities },
	{ "query-version", on_query_version },
	{ "query-status", on_query_status },
	{ "query-cpus-fast", on_query_cpus },
	{ "query-iothreads", on_query_iothreads },
	{ "cont", on_cont },
	{ "stop", on_stop },
	{ "system_reset", on_reset },
	{ "system_powerdown", on_powerdown },
	{ "quit", on_quit },
};

static void obey(const char *line)
{
	AUTO_JSON struct json_object *message = line_parse_object(line, NULL);
	struct json_object *execute = json_member(message, "execute", json_type_string), *id = NULL;
	const char *name = execute ? json_object_get_string(execute) : "";

	json_object_object_get_ex(message, "id", &id);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i].name) == 0 && fake.negotiated == (i > 0)) {
			commands[i].perform(json_object_to_json_string(id));
			return;
		}
	}
	say("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command %s has not been found\"}, "
	    "\"id\": %s}", name, json_object_to_json_string(id));
}

// --- the loop

static void accept_client(void)
{
	fake.connection = accept4(fake.listener, NULL, NULL, SOCK_CLOEXEC);
	fake.negotiated = false;
	line_reader_finish(&fake.reader);
	reach("greeting");
	greet();
}

static void read_commands(void)
{
	const char *line;

	if (line_reader_fill(&fake.reader, fake.connection) <= 0)
		hang_up(&fake.connection);
	while (!fake.ending && (line = line_reader_next(&fake.reader)))
		obey(line);
}

static void take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(fake.signals, &info, sizeof(info)) == sizeof(info) &&
	    !strv_has(&fake.words, "ignore=term"))
		end_with("{\"guest\": false, \"reason\": \"host-signal\"}");
}

// One client at a time; the next is greeted when it has left, as QEMU does.
static void run(void)
{
	while (!fake.ending) {
		bool connected = fake.connection >= 0;
		struct pollfd polls[] = {
			{ fake.signals, POLLIN, 0 },
			{ connected ? fake.connection : fake.listener, POLLIN, 0 },
		};

		poll(polls, ARRAY_SIZE(polls), -1);
		if (polls[0].revents)
			take_signal();
		else if (polls[1].revents && connected)
			read_commands();
		else if (polls[1].revents)
			accept_client();
	}
}

// --- the command line

static int find_fd(const char *value)
{
	const char *fd = str_starts(value, "socket,") ? strstr(value, ",fd=") : NULL;

	return fd ? atoi(fd + strlen(",fd=")) : -1;
}

static int vcpu_count(const char *smp)
{
	const char *cpus = strstr(smp, "cpus=");

	return atoi(cpus && !(cpus > smp && cpus[-1] != ',') ? cpus + strlen("cpus=") : smp);
}

// iothread,id=NAME or {"qom-type":"iothread","id":"NAME"}; NULL: another object.
static char *iothread_id(const char *object)
{
	AUTO_JSON struct json_object *json = line_parse_object(object, NULL);
	struct json_object *type = json_member(json, "qom-type", json_type_string);
	struct json_object *id = json_member(json, "id", json_type_string);

	if (type && id && str_eq(json_object_get_string(type), "iothread"))
		return mem_dup(json_object_get_string(id));
	if (!str_starts(object, "iothread,id="))
		return NULL;
	object += strlen("iothread,id=");
	return mem_dupn(object, strcspn(object, ","));
}

static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static int find_qmp(char **argv)
{
	for (int fd; argv[0] && argv[1]; argv++) {
		if (str_eq(argv[0], "-chardev") && (fd = find_fd(argv[1])) >= 0 && is_listening(fd))
			return fd;
	}
	return -1;
}

static void start_threads(char **argv)
{
	int vcpus = 1;

	for (; argv[0] && argv[1]; argv++) {
		char *id = str_eq(argv[0], "-object") ? iothread_id(argv[1]) : NULL;

		if (id)
			add_thread(id, -1);
		else if (str_eq(argv[0], "-smp"))
			vcpus = vcpu_count(argv[1]);
	}
	for (int i = 0; i < vcpus; i++)
		add_thread(NULL, i);
}

int main(int argc, char **argv)
{
	sigset_t set;

	(void)argc;
	parse_name(argv[0]);
	fake.listener = find_qmp(argv + 1);
	if (fake.listener < 0) {
		execv(real_qemu, argv);
		err(127, "%s", real_qemu);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL); // before the threads: they inherit it
	fake.signals = signalfd(-1, &set, SFD_CLOEXEC);
	sem_init(&thread_is_up, 0, 0);
	reach("start");
	start_threads(argv + 1);
	run();
	return 0;
}
