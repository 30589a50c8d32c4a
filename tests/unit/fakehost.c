// SPDX-License-Identifier: MIT
#include "tests/unit/fakehost.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/fakepci.h"
#include "tests/unit/fakecgroup.h"
#include "tests/unit/tree.h"
#include "tune/host/process.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SLOW "/sys/h/slow"

static const char manifest[] = "sys/h/number = 100\n"
			       "sys/h/word = powersave\n"
			       "proc/sys/h/number = 5\n"
			       "sys/h/flag = N\n"
			       "sys/h/cpus = 0-3\n"
			       "sys/h/choice = always [madvise] never\n"
			       "sys/h/override = (null)\n"
			       "sys/h/stubborn = 7\n"
			       "sys/h/rounded = 40\n"
			       "sys/h/slow = 10\n"
			       "sys/devices/system/node/node0/compact = 0\n"
			       "dev/cpu_dma_latency = nobody asks\n"
			       "dev/shm/\n"
			       "run/\n";

static void answer_flag(const char *written, struct str *out)
{
	str_add(out, strcmp(written, "1") == 0 ? "Y" : strcmp(written, "0") == 0 ? "N" : written);
}

static void answer_cpus(const char *written, struct str *out)
{
	struct cpuset cpus;

	if (cpuset_parse_list(&cpus, written))
		cpuset_print_list(&cpus, out);
}

static void answer_choice(const char *written, struct str *out)
{
	static const char *const words[] = { "always", "madvise", "never" };

	if (strchr(written, '[')) {
		str_add(out, written);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		str_addf(out, strcmp(words[i], written) == 0 ? "%s[%s]" : "%s%s", i ? " " : "",
			 words[i]);
}

static void answer_override(const char *written, struct str *out)
{
	str_add(out, *written ? written : "(null)");
}

static void answer_stubborn(const char *written, struct str *out)
{
	(void)written;
	str_add(out, "7");
}

static void answer_rounded(const char *written, struct str *out)
{
	str_addf(out, "%d", atoi(written) / 10 * 10);
}

static const struct answer {
	const char *path;
	void (*answer)(const char *written, struct str *out);
} answers[] = {
	{ "/sys/h/flag", answer_flag },		{ "/sys/h/cpus", answer_cpus },
	{ "/sys/h/choice", answer_choice },	{ "/sys/h/override", answer_override },
	{ "/sys/h/stubborn", answer_stubborn },	{ "/sys/h/rounded", answer_rounded },
};

char *fakehost_get(struct fakehost *fake, const char *path)
{
	char *text = tree_read(fake->tree, path + 1);
	size_t n = text ? strlen(text) : 0;

	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return text;
}

static void answer_slowly(struct fakehost *fake);

// What the kernel knows of the pool beside its files, which all guests' processes share.
struct pages {
	int persistent, surplus, used, most, compacted;
};

static struct pages read_pages(struct fakehost *fake)
{
	AUTO_FREE char *text = tree_read(fake->dir, "pages");
	struct pages pages = { 0 };

	if (text)
		sscanf(text, "%d %d %d %d %d", &pages.persistent, &pages.surplus, &pages.used, &pages.most,
		       &pages.compacted);
	return pages;
}

// Without a newline, unlike what a program writes: so a write of the number that is there is seen, too.
static void show_pages(struct fakehost *fake, const struct pages *pages)
{
	const int total = pages->persistent + pages->surplus;

	tree_writef(fake->dir, "pages", "%d %d %d %d %d", pages->persistent, pages->surplus, pages->used,
		    pages->most, pages->compacted);
	tree_writef(fake->tree, FAKEHOST_POOL "/nr_hugepages", "%d", total);
	tree_writef(fake->tree, FAKEHOST_POOL "/surplus_hugepages", "%d", pages->surplus);
	tree_writef(fake->tree, FAKEHOST_POOL "/free_hugepages", "%d", total - pages->used);
}

// As set_max_huge_pages does it (Linux 6.1, mm/hugetlb.c).
static void resize(struct pages *pages, int count)
{
	while (pages->surplus && count > pages->persistent) {
		pages->surplus--;
		pages->persistent++;
	}
	while (count > pages->persistent && pages->persistent + pages->surplus < pages->most)
		pages->persistent++;
	while (count < pages->persistent && pages->used < pages->persistent + pages->surplus)
		pages->persistent--;
	while (count < pages->persistent) {
		pages->persistent--;
		pages->surplus++;
	}
}

static void answer_pool(struct fakehost *fake)
{
	AUTO_FREE char *written = tree_read(fake->tree, FAKEHOST_POOL "/nr_hugepages");
	AUTO_FREE char *compact = fakehost_get(fake, FAKEHOST_NODE "/compact");
	struct pages pages = read_pages(fake);

	if (!written)
		return;
	if (strcmp(compact, "1") == 0) {
		tree_write(fake->tree, FAKEHOST_NODE "/compact", "0\n");
		pages.most = pages.compacted;
	}
	if (strchr(written, '\n'))
		resize(&pages, atoi(written));
	show_pages(fake, &pages);
}

void fakehost_pool(struct fakehost *fake, int pages, int most, int compacted)
{
	show_pages(fake, &(struct pages){ pages, 0, 0, most, compacted });
}

bool fakehost_map(struct fakehost *fake, int n)
{
	struct pages pages = read_pages(fake);

	if (pages.used + n > pages.persistent + pages.surplus)
		return false;
	pages.used += n;
	// a page that is let go is freed while there are surplus ones (free_huge_page)
	pages.surplus = n < 0 && pages.surplus + n > 0 ? pages.surplus + n : n < 0 ? 0 : pages.surplus;
	show_pages(fake, &pages);
	return true;
}

static void kernel(struct fakehost *fake)
{
	answer_pool(fake);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		AUTO_FREE char *written = fakehost_get(fake, answers[i].path);
		AUTO_STR struct str said = { 0 };

		answers[i].answer(written, &said);
		if (strcmp(written, str_text(&said)) != 0)
			tree_writef(fake->tree, answers[i].path + 1, "%s\n", said.text);
	}
	answer_slowly(fake);
	if (fake->has_devices)
		fakepci_kernel(fake->tree);
	fakecgroup_settle(fake->tree);
}

static void write_later(struct fakehost *fake, const char *value)
{
	if (fork() != 0)
		return;
	usleep(50000);
	tree_writef(fake->tree, SLOW + 1, "%s\n", value);
	_exit(0);
}

// Shows its old value until a process that was told has come round to the new one.
static void answer_slowly(struct fakehost *fake)
{
	AUTO_FREE char *now = fakehost_get(fake, SLOW);

	if (fake->slow_wanted && strcmp(now, fake->slow_wanted) == 0) {
		free(fake->slow);
		fake->slow = take(fake->slow_wanted);
	} else if (!fake->slow) {
		fake->slow = take(now);
	} else if (!fake->slow_wanted && strcmp(now, fake->slow) != 0) {
		tree_writef(fake->tree, SLOW + 1, "%s\n", fake->slow);
		write_later(fake, now);
		fake->slow_wanted = take(now);
	}
}

void fakehost_set(struct fakehost *fake, const char *path, const char *value)
{
	tree_writef(fake->tree, path + 1, "%s\n", value);
	kernel(fake);
}

void fakehost_make(struct fakehost *fake)
{
	AUTO_CLOSE int dir = -1;
	int r;

	*fake = (struct fakehost){ .runs = -1, .alive = { -1, -1 } };
	setenv("TMPDIR", "/dev/shm", 1);
	r = tree_make("runs/\nhost/\n", fake->dir, sizeof(fake->dir));
	assert(r == 0);
	snprintf(fake->tree, sizeof(fake->tree), "%s/host", fake->dir);
	r = tree_add(fake->tree, manifest);
	assert(r == 0);
	r = tree_add(fake->tree, fakecgroup_manifest);
	assert(r == 0);
	dir = open(fake->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fake->runs = openat(dir, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fake->runs >= 0);
	r = pipe2(fake->alive, O_CLOEXEC);
	assert(r == 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	kernel(fake);
}

void fakehost_add_devices(struct fakehost *fake)
{
	int r = tree_add(fake->tree, fakepci_manifest);

	assert(r == 0);
	fake->has_devices = true;
}

static void close_if(int *fd)
{
	if (*fd >= 0)
		close(take_fd(fd));
}

void fakehost_remove(struct fakehost *fake)
{
	free(take(fake->slow));
	free(take(fake->slow_wanted));
	close_if(&fake->runs);
	close_if(&fake->alive[0]);
	close_if(&fake->alive[1]);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	tree_remove(fake->dir);
}

bool fakehost_has_helpers(struct fakehost *fake)
{
	struct pollfd wait = { .fd = fake->alive[0] };

	close_if(&fake->alive[1]);
	return poll(&wait, 1, 5000) != 1;
}

// A write lease is granted only on a file that nobody else has open.
static void forget_latency(struct fakehost *fake)
{
	AUTO_FREE char *path = mem_printf("%s/dev/cpu_dma_latency", fake->tree);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0 && fcntl(fd, F_SETLEASE, F_UNLCK) == 0)
		tree_write(fake->tree, "dev/cpu_dma_latency", "nobody asks\n");
}

static struct strv *printed;

static int print_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	AUTO_STR struct str text = { 0 };
	char target[256];
	ssize_t n;

	(void)walk;
	if (S_ISREG(st->st_mode))
		io_read_file(AT_FDCWD, path, &text, 4096, NULL);
	n = readlink(path, target, sizeof(target));
	if (n > 0)
		str_addn(&text, target, (size_t)n);
	strv_addf(printed, "%s %o %u:%u %lld %s", path, st->st_mode, st->st_uid, st->st_gid,
		  type == FTW_F && S_ISREG(st->st_mode) ? (long long)st->st_size : 0, str_text(&text));
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *fakehost_print(struct fakehost *fake)
{
	AUTO_STRV struct strv entries = { 0 };
	struct str out = { 0 };

	forget_latency(fake);
	printed = &entries;
	nftw(fake->tree, print_entry, 16, FTW_PHYS);
	qsort(entries.items, entries.count, sizeof(*entries.items), compare);
	for (size_t i = 0; i < entries.count; i++)
		str_addf(&out, "%s\n", entries.items[i]);
	return str_take(&out);
}

static int before_write(void *context, unsigned long number)
{
	const struct fakeguest *guest = context;

	if (number == guest->die_before)
		_exit(77);
	return number == guest->fail_at ? -ENOSPC : 0;
}

static void after_write(void *context, unsigned long number)
{
	const struct fakeguest *guest = context;

	kernel(guest->fake);
	if (number == guest->die_after)
		_exit(77);
}

// As exec would, but for the pipe that tells of us. Outlives its guest, yet not a test that failed
// for long.
static void run_helper(int alive, int go)
{
	char byte;

	alarm(120);
	if (dup2(alive, 1000) < 0 || dup2(go, 1001) < 0 ||
	    close_range(3, 999, 0) < 0 || close_range(1002, ~0U, 0) < 0)
		_exit(1);
	if (read(1001, &byte, 1) != 1)
		_exit(0);
	close(1001);
	for (;;)
		pause();
}

static int start(void *context, const char *name, struct process_id *id, int *go, struct err *err)
{
	const struct fakeguest *guest = context;
	int pair[2];
	pid_t pid;
	int r;

	if (guest->fail_start)
		return err_set(err, -ENOENT, "%s: no such program", name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, -errno, "%s", name);
	pid = fork();
	if (pid == 0)
		run_helper(guest->fake->alive[1], pair[1]);
	close(pair[1]);
	r = pid < 0 ? -errno : process_read_id(pid, id);
	if (r < 0) {
		close(pair[0]);
		return err_sys(err, r, "%s", name);
	}
	*go = pair[0];
	return 0;
}

static int run(void *context, const char *const argv[], struct str *out, struct err *err)
{
	const struct fakeguest *guest = context;

	return fakepci_run(guest->fake->tree, argv, out, err);
}

static int get_affinity(void *context, pid_t tid, struct cpuset *cpus)
{
	return fakecgroup_get_affinity(((struct fakeguest *)context)->fake->tree, tid, cpus);
}

static int set_affinity(void *context, pid_t tid, const struct cpuset *cpus)
{
	return fakecgroup_set_affinity(((struct fakeguest *)context)->fake->tree, tid, cpus);
}

static int remove_cgroup(void *context, const char *path)
{
	return fakecgroup_remove(((struct fakeguest *)context)->fake->tree, path);
}

void fakeguest_open(struct fakeguest *guest, struct fakehost *fake, const char *name)
{
	struct err err = ERR_NONE;
	int r;

	*guest = (struct fakeguest){ .fake = fake };
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	mkdirat(fake->runs, name, 0755);
	guest->dir = openat(fake->runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(guest->dir >= 0);
	r = change_host_open(&guest->host, fake->tree, &err);
	assert(r == 0);
	guest->host.pool_patience_ms = 0;
	guest->host.before_write = before_write;
	guest->host.after_write = after_write;
	guest->host.start = start;
	guest->host.run = run;
	guest->host.get_affinity = get_affinity;
	guest->host.set_affinity = set_affinity;
	guest->host.remove_cgroup = remove_cgroup;
	guest->host.context = guest;
	guest->world = (struct journal_world){
		.host = &guest->host,
		.lock = openat(fake->runs, ".host", O_RDWR | O_CREAT | O_CLOEXEC, 0644),
		.runs = fake->runs,
	};
	assert(guest->world.lock >= 0);
	r = journal_open(&guest->journal, guest->dir, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	assert(r == 0);
}

void fakeguest_close(struct fakeguest *guest)
{
	journal_finish(&guest->journal);
	change_host_finish(&guest->host);
	close_if(&guest->world.lock);
	close_if(&guest->dir);
}

int fakeguest_apply(struct fakeguest *guest, const struct change_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		int r = journal_apply(&guest->journal, &guest->world, &list->items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
