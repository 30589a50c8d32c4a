// SPDX-License-Identifier: MIT
// The run directory and the locks beside it: the half of state.h that is no file format.
#include "launcher/guest/state.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "launcher/guest/paths.h"
#include "tune/host/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

enum {
	// A child that a keeper was just making when it was killed holds the keeper's locks until it is
	// another program: on a busy machine it takes that long to get there.
	LOCK_GRACE_MS = 500,
	LOCK_POLL_MS = 10,
};

// Only its last component: /run and $XDG_RUNTIME_DIR exist or nothing would.
static int open_base(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	bool made = mkdir(path, 0755) == 0;

	if (!made && errno != EEXIST)
		return err_sys(err, -errno, "making %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	// whatever the umask was: an operator's client comes through here to a guest of root's
	if (made)
		fchmod(fd, 0755);
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 0022)) {
		close(fd);
		return err_set(err, -EPERM, "%s belongs to somebody else or can be written by others: "
					    "remove it, vfiorun makes it anew", path);
	}
	return fd;
}

// Ours alone: who may read a file may also take a read lock on it, and keep a guest from starting.
static int open_lock(int base, const char *prefix, const char *name, struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s%s", prefix, name);
	int fd = openat(base, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_sys(err, -errno, "opening the lock %s", path) : fd;
}

// Open-file-description locks: like flock(2) they are inherited and die with the last descriptor, but
// F_OFD_GETLK can ask without taking, so that `list` never makes a start fail.
static int lock_take(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
}

// -EBUSY: somebody else had it all the time.
static int lock_take_within(int fd, int wait_ms)
{
	long long end = io_now_ms() + wait_ms;
	int r;

	while ((r = lock_take(fd)) == -EAGAIN || r == -EACCES) {
		if (io_now_ms() >= end)
			return -EBUSY;
		poll(NULL, 0, LOCK_POLL_MS);
	}
	return r;
}

static bool lock_is_free(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type == F_UNLCK;
}

int guest_dir_lock(struct guest_dir *dir, const struct paths *paths, const char *name, struct err *err)
{
	int r;

	*dir = (struct guest_dir)GUEST_DIR_CLOSED;
	r = dir->base = open_base(paths->run_base, err);
	if (r >= 0)
		r = dir->lock = open_lock(dir->base, ".lock-", name, err);
	if (r >= 0)
		r = dir->alive = open_lock(dir->base, ".alive-", name, err);
	if (r >= 0)
		r = dir->host = open_lock(dir->base, ".host", "", err);
	if (r >= 0)
		r = lock_take_within(dir->lock, LOCK_GRACE_MS);
	if (r == -EBUSY) {
		r = err_set(err, -EBUSY, "guest %s is running, or another vfiorun works on it", name);
		err_hint(err, "`vfiorun status %s` shows it, `vfiorun stop %s` ends it", name, name);
	}
	if (r < 0) {
		guest_dir_close(dir);
		return r;
	}
	dir->dir = openat(dir->base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return 0;
}

int guest_turn_take(const struct paths *paths, int wait_ms, struct err *err)
{
	AUTO_CLOSE int base = open_base(paths->run_base, err);
	AUTO_CLOSE int fd = base < 0 ? base : open_lock(base, ".turn", "", err);
	int r = fd < 0 ? fd : lock_take_within(fd, wait_ms);

	if (r == -EBUSY)
		return err_set(err, r, "another guest has been about to start for %d s", wait_ms / 1000);
	if (r < 0)
		return fd < 0 ? r : err_sys(err, r, "the turn to start");
	return take_fd(&fd);
}

int guest_dir_create(struct guest_dir *dir, const char *name, struct err *err)
{
	if (mkdirat(dir->base, name, 0755) < 0)
		return err_sys(err, -errno, "making the run directory of %s", name);
	dir->dir = openat(dir->base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir->dir < 0)
		return err_sys(err, -errno, "opening the run directory of %s", name);
	// whatever the umask was
	if (fchmod(dir->dir, 0755) < 0)
		return err_sys(err, -errno, "the run directory of %s", name);
	return 0;
}

int guest_dir_open_alive(const struct guest_dir *dir, const char *name, struct err *err)
{
	AUTO_CLOSE int fd = open_lock(dir->base, ".alive-", name, err);

	if (fd < 0)
		return fd;
	if (lock_take(fd) < 0)
		return err_set(err, -EBUSY, "a QEMU of this guest is still there");
	return take_fd(&fd);
}

int guest_dir_wait_dead(const struct guest_dir *dir, int timeout_ms)
{
	long long end = io_now_ms() + timeout_ms;

	while (!lock_is_free(dir->alive)) {
		if (io_now_ms() >= end)
			return -ETIMEDOUT;
		poll(NULL, 0, 10);
	}
	return 0;
}

enum { LIFTED_MAX = 1 << 20 };

// Into `top`, under the next name that is free there.
static int lift(int from, const char *name, int top, unsigned *lifted)
{
	char free_name[32];

	do {
		if (++*lifted > LIFTED_MAX)
			return -ELOOP;
		snprintf(free_name, sizeof(free_name), ".removed-%u", *lifted);
		if (renameat(from, name, top, free_name) == 0)
			return 0;
	} while (errno == ENOTEMPTY || errno == EEXIST);
	return -errno;
}

static int empty(int dirfd, int top, unsigned *lifted);

static int remove_directory(int parent, const char *name, int top, unsigned *lifted)
{
	AUTO_CLOSE int sub = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r = sub < 0 ? -errno : empty(sub, top, lifted);

	return r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : r;
}

// Of a directory below `top` the directories are lifted, those of `top` itself are removed.
static int empty(int dirfd, int top, unsigned *lifted)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = dir ? 0 : -errno;

	while (r == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(dirfd, name, 0) == 0)
			continue;
		if (errno != EISDIR)
			r = -errno;
		else if (dirfd == top)
			r = remove_directory(top, name, top, lifted);
		else
			r = lift(dirfd, name, top, lifted);
	}
	return r;
}

// A directory in it is QEMU's, which may have made it as deep as it likes: no step goes deeper than one,
// and no name in it is followed.
static int remove_entries(int dirfd)
{
	unsigned lifted = 0, before;
	int r;

	do {
		before = lifted;
		r = empty(dirfd, dirfd, &lifted);
	} while (r == 0 && lifted != before);
	return r;
}

int guest_dir_remove(struct guest_dir *dir, const char *name, struct err *err)
{
	int r;

	if (dir->dir < 0)
		return 0;
	r = remove_entries(dir->dir);
	if (r == 0 && unlinkat(dir->base, name, AT_REMOVEDIR) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(err, r, "removing the run directory of %s", name);
	close(take_fd(&dir->dir));
	return 0;
}

void guest_dir_unlock(struct guest_dir *dir)
{
	if (dir->lock >= 0)
		close(take_fd(&dir->lock));
}

void guest_dir_close(struct guest_dir *dir)
{
	int *fds[] = { &dir->base, &dir->dir, &dir->lock, &dir->alive, &dir->host };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(take_fd(fds[i]));
	}
}

static bool lock_is_held(int base, const char *prefix, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s%s", prefix, name);
	AUTO_CLOSE int fd = openat(base, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && !lock_is_free(fd);
}

static bool same_process(const struct process_id *id)
{
	struct process_id now;

	return id->pid > 0 && process_read_id(id->pid, &now) == 0 && now.start == id->start;
}

// What lies in NAME/, whoever keeps it.
static enum life look_inside(int dir, bool qemu_lives, struct state *state)
{
	struct state own = { 0 }, *found = state ? state : &own;
	enum life life = LIFE_DEAD;

	if (state_read(dir, found, NULL) == 0 && found->phase == PHASE_RUNNING && found->plan &&
	    qemu_lives && same_process(&found->qemu))
		life = LIFE_ORPHAN;
	state_finish(&own);
	return life;
}

enum life guest_look_locked(const struct guest_dir *dir, struct state *state)
{
	if (state)
		*state = (struct state){ 0 };
	if (dir->dir < 0)
		return LIFE_NONE;
	return look_inside(dir->dir, !lock_is_free(dir->alive), state);
}

enum life guest_look(const struct paths *paths, const char *name, struct state *state)
{
	AUTO_CLOSE int base = open(paths->run_base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int dir = -1;
	enum life life = LIFE_NONE;

	if (state)
		*state = (struct state){ 0 };
	if (base < 0)
		return LIFE_NONE;
	dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir >= 0)
		life = look_inside(dir, lock_is_held(base, ".alive-", name), state);
	return lock_is_held(base, ".lock-", name) ? LIFE_RUNNING : life;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void guest_list(const struct paths *paths, struct strv *names)
{
	AUTO_CLOSEDIR DIR *dir = opendir(paths->run_base);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		struct stat st;

		if (str_is_name(entry->d_name) &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			strv_add(names, entry->d_name);
	}
	if (names->count)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
}
