// SPDX-License-Identifier: MIT
#include "launcher/facts/qemu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "qmp/probe.h"
#include "tune/host/system.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NAME "qemu-system-x86_64"

enum { CACHE_MAX = 4 << 20, NO_HOLDS_SECONDS = 600 };

// --- the binary ---

// RHEL's is /usr/libexec/qemu-kvm.
static const char system_places[] = "/usr/local/bin:/usr/bin:/bin:/usr/libexec";

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *find_in(const char *path_list, const char *name)
{
	AUTO_STRV struct strv dirs = { 0 };

	strv_split(&dirs, path_list, ":");
	for (size_t i = 0; i < dirs.count; i++) {
		char *path = mem_printf("%s/%s", dirs.items[i], name);

		if (*path == '/' && is_program(path))
			return path;
		free(path);
	}
	return NULL;
}

static const char *places(void)
{
	const char *path = geteuid() == 0 ? NULL : getenv("PATH");

	return path ? path : system_places;
}

static void hint_install(const struct system_facts *system, struct err *err)
{
	static const struct {
		const char *command, *package;
	} packages[] = {
		{ "apt install", "qemu-system-x86" }, { "pacman -S", "qemu-desktop" },
		{ "dnf install", "qemu-kvm" },	      { "zypper install", "qemu-x86" },
		{ "emerge", "app-emulation/qemu" },   { "apk add", "qemu-system-x86_64" },
	};
	const char *command = system_install_command(system), *package = NULL;

	for (size_t i = 0; command && i < ARRAY_SIZE(packages); i++) {
		if (str_eq(packages[i].command, command))
			package = packages[i].package;
	}
	if (package)
		err_hint(err, "%s %s, or say in [vm] qemu where it is", command, package);
	else
		err_hint(err, "install QEMU for x86_64, or say in [vm] qemu where it is");
}

char *qemu_find(const char *binary, const struct system_facts *system, struct err *err)
{
	char *path;

	if (binary && *binary == '/')
		return mem_dup(binary);
	path = find_in(places(), binary ? binary : NAME);
	if (!path && !binary)
		path = find_in("/usr/libexec", "qemu-kvm");
	if (path)
		return path;
	err_set(err, -ENOENT, "there is no %s in %s", binary ? binary : NAME, places());
	hint_install(system, err);
	return NULL;
}

// --- the cache: a key, then the text of the words ---

struct cache {
	int dir;	  // -1: none that can be trusted
	char name[32];
	struct str key;	  // lines, the last one blank
};

static void cache_finish(struct cache *cache)
{
	cleanup_close(&cache->dir);
	str_finish(&cache->key);
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int open_directory(const char *path)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (!path)
		return -1;
	io_make_directories(path, 0755, NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !is_ours(&st))
		return -1;
	return take_fd(&fd);
}

static void add_time(struct str *key, struct timespec time)
{
	str_addf(key, " %lld.%09ld", (long long)time.tv_sec, time.tv_nsec);
}

// Where distributions put the modules of a binary: seen from it.
static void add_modules(struct str *key, const char *path)
{
	static const char *const rooms[] = { "lib/x86_64-linux-gnu/qemu", "lib/qemu", "lib64/qemu",
					     "lib64/qemu-kvm" };
	int dir = (int)(strrchr(path, '/') - path);

	str_add(key, "modules");
	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		AUTO_FREE char *place = mem_printf("%.*s/../%s", dir, path, rooms[i]);
		struct stat st;

		if (stat(place, &st) == 0)
			add_time(key, st.st_mtim);
		else
			str_add(key, " -");
	}
	str_addc(key, '\n');
}

static void add_kvm(struct str *key, const struct system_facts *system)
{
	struct stat st;

	str_add(key, "kvm ");
	str_add_escaped(key, system->kvm_params);
	if (stat("/dev/kvm", &st) == 0) {
		str_addf(key, " node %o %u:%u %d", st.st_mode, st.st_uid, st.st_gid,
			 access("/dev/kvm", R_OK | W_OK) == 0);
		add_time(key, st.st_ctim);
	}
	str_addc(key, '\n');
}

static void make_key(struct str *key, const char *path, const struct stat *st,
		     const struct qemu_question *question, const struct system_facts *system)
{
	str_add(key, "vfiorun-qemu 1\nbinary ");
	str_add_escaped(key, path);
	str_addf(key, "\nfile %ju:%ju %jd", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino,
		 (intmax_t)st->st_size);
	add_time(key, st->st_mtim);
	add_time(key, st->st_ctim);
	str_addc(key, '\n');
	add_modules(key, path);
	str_add(key, "kernel ");
	str_add_escaped(key, system->kernel);
	str_addc(key, '\n');
	add_kvm(key, system);
	str_addf(key, "as %d:%d\n\n", (int)question->uid, (int)question->gid);
}

static bool is_script(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char start[2];

	return fd >= 0 && read(fd, start, sizeof(start)) == sizeof(start) &&
	       memcmp(start, "#!", sizeof(start)) == 0;
}

static void cache_open(struct cache *cache, const char *path, const struct qemu_question *question,
		       const struct system_facts *system)
{
	struct stat st;

	cache->dir = -1;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || is_script(path))
		return;
	cache->dir = open_directory(question->cache_dir);
	make_key(&cache->key, path, &st, question, system);
	snprintf(cache->name, sizeof(cache->name), "qemu-%016llx",
		 (unsigned long long)str_hash(path, question->uid));
}

// How old the text is, in seconds; negative: it can't be used.
static long long read_text(const struct cache *cache, struct str *text)
{
	AUTO_CLOSE int fd = openat(cache->dir, cache->name,
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t size;
	char *room;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_ours(&st))
		return -1;
	size = (size_t)st.st_size + 1; // and one to find its end
	if (size > CACHE_MAX)
		return -1;
	room = str_room(text, &size);
	mem_populate(room, size);
	if (io_read_all(fd, text, CACHE_MAX) < 0)
		return -1;
	return (long long)time(NULL) - st.st_mtim.tv_sec;
}

// 0, or -ENOENT: it has to be asked.
static int cache_load(const struct cache *cache, struct qemu_caps *caps)
{
	AUTO_STR struct str text = { 0 };
	long long age = cache->dir < 0 ? -1 : read_text(cache, &text);

	if (age < 0 || !text.len || !str_starts(text.text, cache->key.text) ||
	    qemu_caps_parse_taken(str_take(&text), cache->key.len, caps, NULL) < 0)
		return -ENOENT;
	if (age > NO_HOLDS_SECONDS)
		qemu_caps_drop(caps, "no-accel/");
	return 0;
}

static void cache_store(const struct cache *cache, const struct qemu_caps *caps)
{
	AUTO_STR struct str text = { 0 };

	if (cache->dir < 0)
		return;
	str_add(&text, cache->key.text);
	qemu_caps_print(caps, &text);
	// Without it the next start asks again: slower, no worse.
	io_replace_file(cache->dir, cache->name, text.text, 0644, NULL);
}

// --- both ---

static bool knows_kvm(const struct qemu_caps *caps, const char *model)
{
	AUTO_FREE char *refused = mem_printf("no-accel/kvm/%s/", model);

	return qemu_caps_has(caps, "accel/kvm/%s", model) || qemu_caps_after(caps, refused);
}

static int ask(const struct qemu_probe *probe, const struct cache *cache, struct qemu_caps *caps,
	       struct err *err)
{
	bool asked = cache_load(cache, caps) < 0;
	int r = asked ? qemu_probe_binary(probe, caps, err) : 0;

	if (r < 0)
		return r;
	if (probe->cpu_model && !knows_kvm(caps, probe->cpu_model)) {
		qemu_probe_kvm(probe, caps);
		asked = true;
	}
	if (asked)
		cache_store(cache, caps);
	return 0;
}

int qemu_facts_read(const struct qemu_question *question, const struct system_facts *system,
		    struct qemu_caps *caps, struct err *err)
{
	AUTO_FREE char *path = qemu_find(question->binary, system, err);
	struct qemu_probe probe = { .path = path, .uid = question->uid, .gid = question->gid };
	struct cache cache = { .dir = -1 };
	int r;

	if (!path)
		return -ENOENT;
	if (system->kvm_present)
		probe.cpu_model = question->cpu_model;
	cache_open(&cache, path, question, system);
	r = ask(&probe, &cache, caps, err);
	cache_finish(&cache);
	return r;
}
