// SPDX-License-Identifier: MIT
#include "tune/change/change.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/change/apart.h"
#include "tune/change/kind.h"
#include "tune/change/tasks.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// No line that matters is longer, and what has none to offer is not read for ever.
enum { LINE_MAX_BYTES = 1 << 20, CHUNK = 4096 };

static const struct change_kind *const kinds[] = {
	&change_kind_set,
	&change_kind_file,
	&change_kind_process,
	&change_kind_hold,
	&change_kind_inhibit,
	&change_kind_shm,
	&change_kind_aside,
	&change_kind_pool,
	&change_kind_bind,
	&change_kind_owner,
	&change_kind_module,
	&change_kind_unit,
	&change_kind_console,
	&change_kind_cgroup,
	&change_kind_cpuset,
	&change_kind_token,
	&change_kind_mask,
	&change_kind_affinity,
	&change_kind_usb,
	&change_kind_resize,
};

const struct change_kind *const *change_kinds(size_t *count)
{
	*count = ARRAY_SIZE(kinds);
	return kinds;
}

const struct change_kind *change_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
}

void change_finish(struct change *change)
{
	free(change->path);
	free(change->was);
	free(change->want);
	free(change->got);
	free(change->why);
	*change = (struct change){ 0 };
}

void change_copy(struct change *to, const struct change *from)
{
	*to = (struct change){
		.kind = from->kind,
		.path = mem_dup(from->path),
		.was = mem_dup(from->was),
		.want = mem_dup(from->want),
		.got = mem_dup(from->got),
		.why = mem_dup(from->why),
		.turn = from->turn,
		.may_fail = from->may_fail,
	};
}

struct change *change_add(struct change_list *list, const char *kind, const char *path,
			  const char *was, const char *want, const char *why_fmt, ...)
{
	struct change *change = MEM_PUSH(list->items, list->count);
	struct str why = { 0 };
	va_list ap;

	va_start(ap, why_fmt);
	str_addv(&why, why_fmt, ap);
	va_end(ap);
	*change = (struct change){
		.kind = kind,
		.path = mem_dup(path),
		.was = mem_dup(was),
		.want = mem_dup(want),
		.why = str_take(&why),
	};
	return change;
}

void change_list_finish(struct change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		change_finish(&list->items[i]);
	free(list->items);
	*list = (struct change_list){ 0 };
}

int change_host_open(struct change_host *host, const char *root, struct err *err)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*host = (struct change_host)CHANGE_HOST_CLOSED;
	if (fd < 0)
		return err_sys(err, -errno, "%s", root);
	host->root = fd;
	host->live = strcmp(root, "/") == 0;
	return 0;
}

void change_host_finish(struct change_host *host)
{
	change_host_rest(host);
	change_host_let_go(host);
	while (host->n_held)
		change_held_drop(host, &host->held[host->n_held - 1]);
	free(host->held);
	tasks_forget(host);
	free(host->fixed);
	if (host->root >= 0)
		close(host->root);
	*host = (struct change_host)CHANGE_HOST_CLOSED;
}

int change_host_before_write(struct change_host *host)
{
	host->writes++;
	return host->before_write ? host->before_write(host->context, host->writes) : 0;
}

void change_host_after_write(struct change_host *host)
{
	if (host->after_write)
		host->after_write(host->context, host->writes);
}

int change_host_next_write(struct change_host *host)
{
	change_host_after_write(host);
	return change_host_before_write(host);
}

struct apart *change_host_apart(struct change_host *host)
{
	if (!host->apart) {
		host->apart = mem_new(1, sizeof(*host->apart));
		apart_init(host->apart, host->root);
	}
	return host->apart;
}

void change_host_rest(struct change_host *host)
{
	if (!host->apart)
		return;
	apart_finish(host->apart);
	free(take(host->apart));
}

const char *change_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

// While anything on the machine is renamed or mounted the kernel can't vouch for a "..", and says EAGAIN.
enum { RACES_MAX = 64 };

int change_open(struct change_host *host, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd = -1;

	for (int i = 0; i < RACES_MAX; i++) {
		fd = syscall(SYS_openat2, host->root, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

void change_host_keep(struct change_host *host, const struct change_kind *kind, const char *path)
{
	change_host_let_go(host);
	host->kept.path = path;
	host->kept.file = kind->one_file;
}

static void close_kept(struct change_kept *kept)
{
	if (kept->fd >= 0)
		close(take_fd(&kept->fd));
	kept->written = false;
}

void change_host_let_go(struct change_host *host)
{
	close_kept(&host->kept);
	free(take(host->kept.seen));
	host->kept.begun = false;
	host->kept.path = NULL;
}

// The kept descriptor, opened if need be, or NULL where it can't be had to read and to write: then the path is opened
// each time.
static struct change_kept *find_kept(struct change_host *host, const char *path)
{
	struct change_kept *kept = &host->kept;

	if (!kept->file || !str_eq(kept->path, path))
		return NULL;
	if (kept->fd < 0) {
		int fd = change_open(host, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);

		kept->fd = fd < 0 ? -1 : fd;
	}
	return kept->fd < 0 ? NULL : kept;
}

// Its file went away, and another one may have come in its place: the path tells.
static bool is_stale(struct change_kept *kept, int r)
{
	if (r != -ENODEV && r != -EIO)
		return false;
	close_kept(kept);
	return true;
}

static ssize_t read_at(int fd, char *chunk, size_t size, off_t at)
{
	ssize_t n;

	do
		n = pread(fd, chunk, size, at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

// Up to the first newline, or all of it: a file that gives less than it could has no more, and is not asked for its
// end. A read at its beginning makes an attribute anew (Linux, fs/seq_file.c, seq_read_iter).
static int read_chunks(int fd, bool line, struct str *out, size_t max)
{
	char chunk[CHUNK];
	size_t had = out->len;
	bool more;

	do {
		ssize_t n = read_at(fd, chunk, sizeof(chunk), (off_t)(out->len - had));

		if (n < 0)
			return (int)n;
		str_addn(out, chunk, (size_t)n);
		if (out->len - had > max)
			return -EFBIG;
		more = line ? n > 0 && !memchr(chunk, '\n', (size_t)n) : n == sizeof(chunk);
	} while (more);
	return 0;
}

static int read_file(struct change_host *host, const char *path, bool line, struct str *out, size_t max)
{
	struct change_kept *kept = find_kept(host, path);
	AUTO_CLOSE int fd = -1;
	int r;

	if (kept) {
		r = read_chunks(kept->fd, line, out, max);
		if (!is_stale(kept, r))
			return r;
	}
	fd = change_open(host, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	r = fd < 0 ? fd : read_chunks(fd, line, out, max);
	return r == -ENOTDIR ? -ENOENT : r;
}

int change_read_text(struct change_host *host, const char *path, struct str *out, size_t max)
{
	return read_file(host, path, false, out, max);
}

int change_read_line(struct change_host *host, const char *path, char **line)
{
	AUTO_STR struct str text = { 0 };
	int r = read_file(host, path, true, &text, LINE_MAX_BYTES);

	*line = r < 0 ? NULL : mem_dupn(str_text(&text), strcspn(str_text(&text), "\n"));
	return r;
}

// Not pwrite(2), which procfs refuses (Linux, fs/seq_file.c, seq_open).
static int write_at_once(int fd, const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(fd, line, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

int change_write_line(struct change_host *host, const char *path, const char *text)
{
	struct change_kept *kept = find_kept(host, path);
	AUTO_FREE char *line = mem_printf("%s\n", text);
	AUTO_CLOSE int fd = -1;
	int r;

	// a second write would be one behind the first
	if (kept && kept->written)
		close_kept(kept);
	else if (kept) {
		kept->written = true;
		// no attribute has a length, but what stands for one in a made-up tree has
		r = host->live || ftruncate(kept->fd, 0) == 0 ? write_at_once(kept->fd, line, strlen(line)) : -errno;
		if (!is_stale(kept, r))
			return r;
	}
	// O_TRUNC as a shell's ">" has it: attributes ignore it, made-up trees need it
	fd = change_open(host, path, O_WRONLY | O_TRUNC | O_NOCTTY | O_NONBLOCK, 0);
	return fd < 0 ? fd : write_at_once(fd, line, strlen(line));
}

// A directory has a link for each one in it, beside its own two, in those file systems that count them at all (of
// cgroups and sysfs: Linux, fs/kernfs/inode.c, kernfs_refresh_inode).
static bool has_no_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 2;
}

static int list(struct change_host *host, const char *path, bool folders, struct strv *names)
{
	AUTO_CLOSE int fd = change_open(host, path, O_RDONLY | O_DIRECTORY, 0);
	AUTO_CLOSEDIR DIR *dir = NULL;
	const struct dirent *entry;

	if (fd >= 0 && folders && has_no_folder(fd))
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return fd < 0 ? fd : -errno;
	take_fd(&fd); // is the directory's now
	while ((entry = readdir(dir))) {
		if (folders && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(names, entry->d_name);
	}
	return 0;
}

int change_list(struct change_host *host, const char *path, struct strv *names)
{
	return list(host, path, false, names);
}

int change_list_folders(struct change_host *host, const char *path, struct strv *names)
{
	return list(host, path, true, names);
}

struct change_held *change_held_find(struct change_host *host, const struct change_kind *kind,
				     const char *path)
{
	for (size_t i = 0; i < host->n_held; i++) {
		if (host->held[i].kind == kind && strcmp(host->held[i].path, path) == 0)
			return &host->held[i];
	}
	return NULL;
}

void change_held_add(struct change_host *host, const struct change_kind *kind, const char *path,
		     char *value, int fd)
{
	struct change_held *held = MEM_PUSH(host->held, host->n_held);

	*held = (struct change_held){
		.kind = kind, .path = mem_dup(path), .value = value, .fd = fd
	};
}

void change_held_drop(struct change_host *host, struct change_held *held)
{
	if (held->fd >= 0)
		close(held->fd);
	free(held->path);
	free(held->value);
	*held = host->held[--host->n_held];
}

void change_quote(const char *text, struct str *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_./:,=@%+-";

	if (*text && !text[strspn(text, plain)]) {
		str_add(out, text);
		return;
	}
	str_addc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			str_add(out, "'\\''");
		else
			str_addc(out, *text);
	}
	str_addc(out, '\'');
}

bool change_equal(const struct change_kind *kind, const char *a, const char *b)
{
	return a && b ? kind->equal(a, b) : a == b;
}

bool change_answers(const struct change_kind *kind, const char *got, const char *want)
{
	return got && want ? kind->answers(got, want) : got == want;
}

// "/a/b": no empty, "." or ".." part, nothing that would break a line or a terminal.
static bool is_clean(const char *path)
{
	for (const char *p = path; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return false;
	}
	while (*path == '/') {
		size_t n = strcspn(++path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && strncmp(path, "..", 2) == 0))
			return false;
		path += n;
	}
	return *path == '\0';
}

int change_check_path(const struct change_kind *kind, const char *path, struct err *err)
{
	if (!kind->places)
		return (kind->is_name ? kind->is_name : str_is_name)(path) ?
			       0 :
			       err_set(err, -EPERM, "%s: not a name", path);
	if (!is_clean(path))
		return err_set(err, -EPERM, "%s: not a plain absolute path", path);
	for (const char *const *place = kind->places; *place; place++) {
		if (str_starts(path, *place))
			return 0;
	}
	return err_set(err, -EPERM, "%s: not a place where a change of kind \"%s\" may write", path,
		       kind->name);
}
