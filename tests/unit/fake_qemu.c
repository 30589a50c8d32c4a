// SPDX-License-Identifier: MIT
#include "tests/unit/fake_qemu.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "qmp/json.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static const struct {
	const char *command, *answer;
} answers[] = {
	{ "query-target", "{\"arch\": \"x86_64\"}" },
	{ "query-version", "{\"qemu\": {\"major\": 9, \"minor\": 8, \"micro\": 7}, \"package\": \"\"}" },
	{ "query-machines", "[{\"name\": \"pc-q35-9.8\", \"alias\": \"q35\", \"cpu-max\": 288, "
			    "\"deprecated\": false}, {\"name\": \"pc-q35-1.0\", \"deprecated\": true}]" },
	{ "query-commands", "[{\"name\": \"query-status\"}, {}, 7]" },
	{ "query-command-line-options",
	  "[{\"option\": \"sandbox\", \"parameters\": [{\"name\": \"spawn\"}, {\"name\": 1}]}, {}]" },
	{ "query-qmp-schema",
	  "[{\"name\": \"blockdev-add\", \"meta-type\": \"command\", \"arg-type\": \"1\"},"
	  " {\"name\": \"1\", \"meta-type\": \"object\", \"tag\": \"driver\","
	  "  \"members\": [{\"name\": \"driver\", \"type\": \"2\"}, {\"name\": \"loop\", \"type\": \"1\"},"
	  "                {\"name\": \"lost\", \"type\": \"99\"}, {\"type\": \"2\"}, 3],"
	  "  \"variants\": [{\"case\": \"file\", \"type\": \"3\"}, {\"case\": \"vvfat\", \"type\": \"3\"}, {}]},"
	  " {\"name\": \"2\", \"meta-type\": \"enum\", \"members\": [{\"name\": \"file\"}]},"
	  " {\"name\": \"3\", \"meta-type\": \"object\", \"members\": [{\"name\": \"aio\", \"type\": \"4\"}]},"
	  " {\"name\": \"4\", \"meta-type\": \"enum\", \"values\": [\"threads\", \"io_uring\"]}]" },
	{ "qom-list-types", "[{\"name\": \"vfio-pci\"}, {\"name\": \"nvme\"}, {\"name\": \"VGA\"}]" },
	{ "qom-list-properties", "[{\"name\": \"smm\"}]" },
	{ "device-list-properties",
	  "[{\"name\": \"addr\"}, {\"name\": \"hv-passthrough\"}, {\"name\": \"hv-time\"}, "
	  "{\"name\": \"hv-ipi\"}, {\"name\": \"hv_time\"}, {\"name\": \"hv-vendor-id\"}]" },
	{ "query-cpus-fast", "[{\"qom-path\": \"/machine/cpu\"}]" },
};

static const char help[] = "usage: fake\n-h or -help  this\n-display type\n  -indented no\n--odd\n-hda/-hdb file\n";

static const char *mode; // what the name says

static bool is(const char *word)
{
	return str_eq(mode, word);
}

static _Noreturn void die(const char *why)
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	(void)!write(2, why, strlen(why));
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
	_exit(1);
}

static const char *answer_of(const char *command, struct json_object *arguments)
{
	const char *property = json_text(arguments, "property");

	if (is("shapes"))
		return "5";
	if (is("arch") && str_eq(command, "query-target"))
		return "{\"arch\": \"s390x\"}";
	if (str_eq(command, "device-list-properties") &&
	    (is("dies-always") || (is("dies") && str_eq(json_text(arguments, "typename"), "vfio-pci"))))
		die("fake: a module is missing\nfake: x.c:1: f: Assertion `loaded' failed.\n");
	if (str_eq(command, "qom-get"))
		return str_eq(property, "hv-time") ? "true" : str_eq(property, "hv-ipi") ? "false" : "\"x\"";
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		if (str_eq(answers[i].command, command))
			return answers[i].answer;
	}
	return NULL;
}

static void reply(int fd, const char *line)
{
	AUTO_JSON struct json_object *message = json_tokener_parse(line);
	const char *command = json_text(message, "execute");
	const char *id = json_object_to_json_string(json_member(message, "id", json_type_int));
	const char *answer = str_eq(command, "qmp_capabilities") ?
				     "{}" : answer_of(command, json_member(message, "arguments", json_type_object));
	AUTO_STR struct str out = { 0 };

	if (answer)
		str_addf(&out, "{\"return\": %s, \"id\": %s}\r\n", answer, id);
	else
		str_addf(&out, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no %s\"}, \"id\": %s}\r\n",
			 command, id);
	io_write_all(fd, out.text, out.len);
}

static _Noreturn void talk(int fd)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	if (is("hang"))
		pause();
	while (is("garbage") || is("events")) {
		const char *text = is("garbage") ? "garbage\n" :
						   "{\"event\": \"RTC_CHANGE\", \"timestamp\": {}}\r\n";

		if (io_write_all(fd, text, strlen(text)) < 0)
			_exit(1);
	}
	dprintf(fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
	while (getline(&line, &room, in) > 0)
		reply(fd, line);
	_exit(0);
}

static bool has(char **argv, const char *part)
{
	for (; *argv; argv++) {
		if (strstr(*argv, part))
			return true;
	}
	return false;
}

static void count_start(const char *path)
{
	AUTO_FREE char *file = mem_printf("%.*s/starts", (int)(strrchr(path, '/') - path), path);
	AUTO_CLOSE int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)!write(fd, ".", 1);
}

void fake_qemu_main(char **argv)
{
	char *name = strstr(argv[0], "fake-qemu");

	if (!name)
		return;
	mode = name[strlen("fake-qemu")] == '.' ? name + strlen("fake-qemu.") : "";
	if (has(argv + 1, "help")) {
		if (is("mute-help"))
			pause();
		if (str_eq(argv[1], "-display"))
			printf("Available display backend types:\nnone\ngtk\n\nmore\n");
		else if (str_eq(argv[1], "-help"))
			fputs(help, stdout);
		fflush(stdout);
		_exit(0);
	}
	count_start(argv[0]);
	if (has(argv + 1, "kvm") && (is("no-kvm") || (is("no-hyperv") && has(argv + 1, "passthrough")))) {
		fprintf(stderr, "fake: warming up\nfake: no KVM here\n\n");
		_exit(1);
	}
	talk(3);
}

void fake_qemu_make(const char *dir, const char *name, char *path, size_t size)
{
	AUTO_CLOSE int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int to = -1, starts = -1;
	AUTO_FREE char *count = mem_printf("%s/starts", dir);
	struct stat st;

	snprintf(path, size, "%s/%s", dir, name);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert(from >= 0 && to >= 0 && fstat(from, &st) == 0);
	while (sendfile(to, from, NULL, 1 << 30) > 0)
		;
	// The fake may run as somebody else.
	starts = open(count, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	fchmod(starts, 0666);
	chmod(dir, 0755);
}

int fake_qemu_starts(const char *dir)
{
	AUTO_FREE char *count = mem_printf("%s/starts", dir);
	struct stat st;

	return stat(count, &st) == 0 ? (int)st.st_size : -1;
}
