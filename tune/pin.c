// SPDX-License-Identifier: MIT
#include "tune/pin.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

// The kernel's mask is an array of longs, least significant first; the syscalls take any length
// that is a multiple of one and cut off what is beyond their own (Linux, kernel/sched/syscalls.c).
_Static_assert(sizeof(long) == sizeof(uint64_t) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "a cpuset has the layout of the kernel's mask");

static const struct class_row {
	const char *name;
	int policy;
} classes[] = {
	[SCHED_CLASS_OTHER] = { "other", SCHED_OTHER },
	[SCHED_CLASS_RR] = { "rr", SCHED_RR },
	[SCHED_CLASS_FIFO] = { "fifo", SCHED_FIFO },
};

void sched_print(const struct sched *sched, struct str *out)
{
	str_add(out, classes[sched->class].name);
	if (sched->class != SCHED_CLASS_OTHER)
		str_addf(out, ":%d", sched->priority);
}

static bool parse_priority(const char *text, int *out)
{
	uint64_t value;

	if (text[0] != ':' || !str_parse_u64(text + 1, &value) || value < 1 || value > 99)
		return false;
	*out = (int)value;
	return true;
}

bool sched_parse(const char *text, struct sched *out)
{
	size_t n = strcspn(text, ":");
	int priority = 0;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strlen(classes[i].name) != n || strncmp(text, classes[i].name, n) != 0)
			continue;
		if (i == SCHED_CLASS_OTHER ? text[n] != '\0' : !parse_priority(text + n, &priority))
			return false;
		*out = (struct sched){ .class = (enum sched_class)i, .priority = priority };
		return true;
	}
	return false;
}

static int read_cpus(pid_t tid, struct cpuset *cpus)
{
	cpuset_zero(cpus);
	return sched_getaffinity(tid, sizeof(cpus->bits), (cpu_set_t *)cpus->bits) < 0 ? -errno : 0;
}

static int write_cpus(pid_t tid, const struct cpuset *cpus)
{
	return sched_setaffinity(tid, sizeof(cpus->bits), (const cpu_set_t *)cpus->bits) < 0 ? -errno : 0;
}

static int read_policy(pid_t tid, int *policy, int *priority)
{
	struct sched_param param = { 0 };
	int r = 0;

	*policy = sched_getscheduler(tid);
	if (*policy < 0 || sched_getparam(tid, &param) < 0)
		r = -errno;
	*priority = param.sched_priority;
	return r;
}

static bool class_of(int policy, enum sched_class *class)
{
	policy &= ~SCHED_RESET_ON_FORK;
	if (policy == SCHED_BATCH || policy == SCHED_IDLE)
		policy = SCHED_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].policy == policy) {
			*class = (enum sched_class)i;
			return true;
		}
	}
	return false;
}

int pin_read(pid_t tid, struct cpuset *cpus, struct sched *sched)
{
	int policy, r = read_cpus(tid, cpus);

	if (r == 0)
		r = read_policy(tid, &policy, &sched->priority);
	if (r != 0)
		return r;
	return class_of(policy, &sched->class) ? 0 : -ENOTSUP;
}

static int pin_cpus(pid_t tid, const struct cpuset *cpus, struct err *err)
{
	AUTO_FREE char *wanted = cpuset_text(cpus), *taken = NULL;
	struct cpuset now;
	int r = write_cpus(tid, cpus);

	if (r == -EINVAL)
		return err_set(err, r, "thread %d: none of the CPUs %s is online and within the "
				       "cpuset of its cgroup: choose others, or start vfiorun "
				       "from a cgroup that has them", (int)tid, wanted);
	if (r == 0)
		r = read_cpus(tid, &now);
	if (r < 0)
		return err_sys(err, r, "pinning thread %d to CPUs %s", (int)tid, wanted);
	if (cpuset_equal(&now, cpus))
		return 0;
	taken = cpuset_text(&now);
	return err_set(err, -EIO, "thread %d: asked for CPUs %s, the kernel gave only %s: the "
				  "others are offline or outside of the cpuset of its cgroup; "
				  "leave them out, or start vfiorun from a cgroup that has them",
		       (int)tid, wanted, taken);
}

static int refused(pid_t tid, const char *wanted, int code, const struct sched *sched,
		   struct err *err)
{
	if (code != -EPERM)
		return err_sys(err, code, "giving thread %d the class %s", (int)tid, wanted);
	return err_set(err, code, "thread %d may not have the class %s: that takes CAP_SYS_NICE or "
				  "an RLIMIT_RTPRIO of at least %d (and real-time budget in its "
				  "cgroup, where the kernel groups real-time threads); or set "
				  "scheduler = other", (int)tid, wanted, sched->priority);
}

static int set_class(pid_t tid, const struct sched *sched, struct err *err)
{
	AUTO_STR struct str wanted = { 0 };
	bool realtime = sched->class != SCHED_CLASS_OTHER;
	int policy = classes[sched->class].policy | (realtime ? SCHED_RESET_ON_FORK : 0);
	const struct sched_param param = { .sched_priority = sched->priority };
	int now, priority, r;

	sched_print(sched, &wanted);
	if (sched_setscheduler(tid, policy, &param) < 0)
		return refused(tid, wanted.text, -errno, sched, err);
	r = read_policy(tid, &now, &priority);
	if (r < 0)
		return err_sys(err, r, "reading the class of thread %d", (int)tid);
	if (now == policy && priority == sched->priority)
		return 0;
	return err_set(err, -EIO, "thread %d: asked for the class %s, the kernel answers policy "
				  "%d, priority %d", (int)tid, wanted.text, now, priority);
}

int pin_apply(pid_t tid, const struct cpuset *cpus, const struct sched *sched, struct err *err)
{
	enum sched_class class;
	int policy, priority, r = 0;

	if (!cpuset_is_empty(cpus))
		r = pin_cpus(tid, cpus, err);
	if (r < 0)
		return r;
	if (sched->class == SCHED_CLASS_OTHER) {
		r = read_policy(tid, &policy, &priority);
		if (r < 0)
			return err_sys(err, r, "reading the class of thread %d", (int)tid);
		if (class_of(policy, &class) && class == SCHED_CLASS_OTHER)
			return 0;
	}
	return set_class(tid, sched, err);
}

// Where this process was before it stood aside; empty: it did not.
static struct cpuset stood;

void pin_stand_aside(const struct cpuset *cpus)
{
	struct cpuset own, left;

	if (!cpuset_is_empty(&stood) || read_cpus(0, &own) < 0)
		return;
	left = own;
	cpuset_minus(&left, cpus);
	if (!cpuset_is_empty(&left) && !cpuset_equal(&left, &own) && write_cpus(0, &left) == 0)
		stood = own;
}

void pin_stand_back(void)
{
	if (!cpuset_is_empty(&stood))
		write_cpus(0, &stood);
	cpuset_zero(&stood);
}

int pin_nice(pid_t tid, int nice, struct err *err)
{
	int now;

	// Linux keeps the value of a thread, whatever POSIX says of processes (setpriority(2))
	if (setpriority(PRIO_PROCESS, (id_t)tid, nice) < 0)
		return err_sys(err, -errno, "giving thread %d the nice value %d", (int)tid, nice);
	errno = 0;
	now = getpriority(PRIO_PROCESS, (id_t)tid);
	if (errno)
		return err_sys(err, -errno, "reading the nice value of thread %d", (int)tid);
	return now == nice ? 0 : err_set(err, -EIO, "thread %d: asked for the nice value %d, got %d", (int)tid, nice,
					 now);
}

void pin_autogroup(pid_t pid, int nice)
{
	AUTO_FREE char *path = mem_printf("/proc/%d/autogroup", (int)pid);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	// no such file: not built in. What else may go wrong leaves things as they are
	if (fd >= 0)
		dprintf(fd, "%d", nice);
}

// A cookie is passed on by who has it, so a child takes the first thread's and hands it to the others.
static int share_cores(const pid_t *tids, size_t count)
{
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, tids[0], PR_SCHED_CORE_SCOPE_THREAD, 0) < 0 ||
	    prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_FROM, tids[0], PR_SCHED_CORE_SCOPE_THREAD, 0) < 0)
		return errno;
	for (size_t i = 1; i < count; i++) {
		if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_TO, tids[i], PR_SCHED_CORE_SCOPE_THREAD, 0) < 0)
			return errno;
	}
	return 0;
}

int pin_share_cores(const pid_t *tids, size_t count, struct err *err)
{
	int status;
	pid_t pid;

	if (count == 0)
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(share_cores(tids, count));
	if (pid < 0)
		return err_sys(err, -errno, "a core-scheduling cookie");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) != EINVAL && WEXITSTATUS(status) != ENODEV)
		return err_sys(err, -WEXITSTATUS(status), "a core-scheduling cookie for the vCPUs");
	return err_set(err, -ENODEV, "the vCPUs can't have a core-scheduling cookie: this kernel is built without "
				     "CONFIG_SCHED_CORE, or its CPUs have no SMT siblings; leave core_scheduling out");
}
