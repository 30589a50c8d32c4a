// SPDX-License-Identifier: MIT
#include "tune/host/process.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// No line of proc_pid_stat(5) is longer: 52 numbers and a name of at most 64 bytes (a kernel worker's).
enum { STAT_SIZE = 2048, PATH_SIZE = 64, CHILDREN_MAX = 1 << 20 };

// PF_KTHREAD and PF_NO_SETAFFINITY of the flags (Linux include/linux/sched.h), the same since 2.6.31 and 3.10.
enum { KERNEL_THREAD = 0x00200000, NO_SETAFFINITY = 0x04000000 };

static int read_small(const char *path, char *buf, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

// A name may hold blanks and parentheses, so the last parenthesis ends it; what follows is field 3.
int process_parse_stat(const char *text, struct process_stat *out)
{
	const char *close = strrchr(text, ')');
	AUTO_STRV struct strv fields = { 0 };
	uint64_t flags;

	if (close)
		strv_split(&fields, close + 1, " \n");
	if (fields.count <= 22 - 3 || !str_parse_u64(fields.items[9 - 3], &flags) ||
	    !str_parse_u64(fields.items[22 - 3], &out->start))
		return -EINVAL;
	out->state = fields.items[0][0];
	out->kernel = flags & KERNEL_THREAD;
	out->no_affinity = flags & NO_SETAFFINITY;
	return 0;
}

static int read_stat(pid_t pid, struct process_stat *out)
{
	char path[PATH_SIZE], text[STAT_SIZE];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = read_small(path, text, sizeof(text));
	return r < 0 ? r : process_parse_stat(text, out);
}

char process_read_state(pid_t pid)
{
	struct process_stat fields;

	return read_stat(pid, &fields) == 0 ? fields.state : '\0';
}

int process_read_id(pid_t pid, struct process_id *out)
{
	struct process_stat fields;
	int r = read_stat(pid, &fields);

	if (r < 0)
		return r;
	if (fields.state == 'Z' || fields.state == 'X')
		return -ESRCH;
	*out = (struct process_id){ .pid = pid, .start = fields.start };
	return 0;
}

// The pidfd comes first: once held, the pid cannot be given to another process behind our back.
int process_open(const struct process_id *id)
{
	AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
	struct process_id now;
	int r;

	if (fd < 0)
		return -errno;
	r = process_read_id(id->pid, &now);
	if (r < 0)
		return r;
	return now.start == id->start ? take_fd(&fd) : -ESRCH;
}

bool process_has_thread(pid_t pid, pid_t tid)
{
	char path[PATH_SIZE];

	if (pid <= 0 || tid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)pid, (int)tid);
	return access(path, F_OK) == 0;
}

static int compare_tids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

// Calls keep for each numeric name in a directory of /proc and collects the kept ones.
static int list_numbers(const char *dir, bool (*keep)(pid_t number, pid_t pid), pid_t pid,
			struct thread_list *out)
{
	AUTO_CLOSEDIR DIR *stream = opendir(dir);
	const struct dirent *entry;

	*out = (struct thread_list){ 0 };
	if (!stream)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(stream))) {
		int number;

		if (str_parse_int(entry->d_name, &number) && number > 0 &&
		    (!keep || keep(number, pid)))
			*MEM_PUSH(out->tids, out->count) = number;
	}
	if (out->count)
		qsort(out->tids, out->count, sizeof(*out->tids), compare_tids);
	return 0;
}

int process_list_threads(pid_t pid, struct thread_list *out)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return list_numbers(path, NULL, pid, out);
}

void thread_list_finish(struct thread_list *list)
{
	free(list->tids);
	*list = (struct thread_list){ 0 };
}

int process_read_name(pid_t pid, char *buf, size_t size)
{
	char path[PATH_SIZE];
	int n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	n = read_small(path, buf, size);
	if (n > 0 && buf[n - 1] == '\n')
		buf[--n] = '\0';
	return n < 0 ? n : 0;
}

// Anybody may call a program "vhost-1234"; only the kernel makes kernel threads.
static bool is_helper_of(pid_t thread, pid_t pid, const char *prefix)
{
	char want[PATH_SIZE], name[PATH_SIZE];
	struct process_stat fields;

	snprintf(want, sizeof(want), "%s%d", prefix, (int)pid);
	return process_read_name(thread, name, sizeof(name)) == 0 && str_eq(name, want) &&
	       read_stat(thread, &fields) == 0 && fields.kernel;
}

static bool is_vhost_of(pid_t thread, pid_t pid)
{
	return is_helper_of(thread, pid, "vhost-");
}

static bool is_timer_of(pid_t thread, pid_t pid)
{
	return is_helper_of(thread, pid, "kvm-pit/");
}

int process_list_vhost(pid_t pid, struct thread_list *out)
{
	return list_numbers("/proc", is_vhost_of, pid, out);
}

int process_list_timers(pid_t pid, struct thread_list *out)
{
	return list_numbers("/proc", is_timer_of, pid, out);
}

void process_read_boot_id(char *buf, size_t size)
{
	AUTO_STR struct str text = { 0 };

	buf[0] = '\0';
	if (io_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, 64, NULL) == 0)
		snprintf(buf, size, "%s", str_strip(text.text));
}

static bool holds(pid_t pid, const char *path)
{
	char dir[PATH_SIZE], target[PATH_SIZE];
	AUTO_CLOSEDIR DIR *stream = NULL;
	const struct dirent *entry;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
	stream = opendir(dir);
	while (stream && (entry = readdir(stream))) {
		ssize_t n = readlinkat(dirfd(stream), entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (str_eq(target, path))
			return true;
	}
	return false;
}

int process_find_holder(const char *path, char *out, size_t size)
{
	struct thread_list all;
	int r = list_numbers("/proc", NULL, 0, &all);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; r < 0 && i < all.count; i++) {
		char name[PATH_SIZE];

		if (all.tids[i] == getpid() || !holds(all.tids[i], path))
			continue;
		if (process_read_name(all.tids[i], name, sizeof(name)) < 0)
			continue;
		snprintf(out, size, "%s (process %d)", name, (int)all.tids[i]);
		r = 0;
	}
	thread_list_finish(&all);
	return r;
}

// Whose program we may not know is -EACCES (Linux 6.1, fs/proc/base.c: proc_pid_readlink, proc_exe_link).
static bool has_no_program(int proc, pid_t pid)
{
	char path[PATH_SIZE], byte;

	snprintf(path, sizeof(path), "%d/exe", (int)pid);
	return readlinkat(proc, path, &byte, 1) < 0 && errno == ENOENT;
}

enum { KTHREADD = 2 };

// The second task of a machine makes all kernel threads (Linux 6.1 init/main.c, rest_init). In a namespace it may be
// anybody, and another namespace's /proc has other numbers.
static bool find_kthreadd(int proc)
{
	char self[PATH_SIZE] = "";
	int pid;

	return readlinkat(proc, "self", self, sizeof(self) - 1) >= 0 && str_parse_int(self, &pid) && pid == getpid() &&
	       has_no_program(proc, KTHREADD);
}

static int compare_pids(const void *a, const void *b)
{
	pid_t one = *(const pid_t *)a, other = *(const pid_t *)b;

	return one < other ? -1 : one > other;
}

void pids_sort(pid_t *pids, size_t count)
{
	if (count)
		qsort(pids, count, sizeof(*pids), compare_pids);
}

bool pids_have(const pid_t *pids, size_t count, pid_t pid)
{
	return count && bsearch(&pid, pids, count, sizeof(pid), compare_pids);
}

// Its list of them may lack some where others end meanwhile (proc(5), /proc/pid/task/tid/children), and not every
// kernel has it: who is not on it may be one all the same.
void process_find_kernel_threads(int proc, struct kernel_threads *out)
{
	AUTO_STR struct str text = { 0 };
	char path[PATH_SIZE], *end;
	const char *at;

	*out = (struct kernel_threads){ .found = find_kthreadd(proc) };
	snprintf(path, sizeof(path), "%d/task/%d/children", KTHREADD, KTHREADD);
	if (!out->found || io_read_file(proc, path, &text, CHILDREN_MAX, NULL) < 0)
		return;
	at = str_text(&text);
	for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
		*MEM_PUSH(out->pids, out->count) = (pid_t)pid;
		at = end;
	}
	pids_sort(out->pids, out->count);
}

void kernel_threads_finish(struct kernel_threads *threads)
{
	free(threads->pids);
	*threads = (struct kernel_threads){ 0 };
}

// All of them share one table of descriptors (Linux 6.1 kernel/kthread.c, create_kthread: CLONE_FILES), which nobody
// else has; one who has ended has none.
static bool is_kernel_thread(pid_t pid, const struct kernel_threads *known)
{
	return known->found && (pids_have(known->pids, known->count, pid) ||
				syscall(SYS_kcmp, KTHREADD, pid, KCMP_FILES, 0, 0) == 0);
}

bool process_may_have_program(int proc, pid_t pid, const struct kernel_threads *known)
{
	return !is_kernel_thread(pid, known) && !has_no_program(proc, pid);
}

int process_read_program(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

enum { MAJOR_MEM = 1 };

void process_close_devices(void)
{
	AUTO_CLOSEDIR DIR *dir = opendir("/dev/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct stat st;
		int fd;

		if (str_parse_int(entry->d_name, &fd) && fd > STDERR_FILENO && fstat(fd, &st) == 0 &&
		    (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) && !isatty(fd) &&
		    major(st.st_rdev) != MAJOR_MEM)
			close(fd);
	}
}
