// SPDX-License-Identifier: MIT
// Owns facts about processes: identity that survives pid reuse, threads. Refuses to signal any.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A process is its pid and its start time in clock ticks since boot (proc_pid_stat(5), field 22).
struct process_id {
	pid_t pid;
	uint64_t start;
};

// What matters of /proc/PID/stat, for who has read it from elsewhere than the live /proc.
struct process_stat {
	char state;
	bool kernel;	   // a kernel thread
	bool no_affinity; // the kernel refuses to give it another affinity
	uint64_t start;
};
int process_parse_stat(const char *text, struct process_stat *out); // 0 or -EINVAL

int process_read_id(pid_t pid, struct process_id *out); // 0 or -errno (-ESRCH: gone, or a zombie)

// 'R' ready or running, 'D' blocked in the kernel, … (proc_pid_stat(5), field 3); '\0': gone.
char process_read_state(pid_t pid);

// Its name as in comm(5). Returns 0 or -errno (-ESRCH: gone).
int process_read_name(pid_t pid, char *buf, size_t size);

// A pidfd on exactly this process, or -errno (-ESRCH: gone or another one by now).
int process_open(const struct process_id *id);

bool process_has_thread(pid_t pid, pid_t tid);

struct thread_list {
	pid_t *tids; // ascending
	size_t count;
};
int process_list_threads(pid_t pid, struct thread_list *out); // 0 or -errno
void thread_list_finish(struct thread_list *list);

// Kernel threads named vhost-PID for this process (Linux before 6.4; later ones are in its task list).
int process_list_vhost(pid_t pid, struct thread_list *out);
// Kernel threads named kvm-pit/PID: each rings the 8254 timer of one guest of this process, on whatever CPUs the host
// has for its own (Linux 6.1, arch/x86/kvm/i8254.c, kvm_create_pit).
int process_list_timers(pid_t pid, struct thread_list *out);

// The id of this boot, "" where the kernel does not say.
void process_read_boot_id(char *buf, size_t size);

// Somebody who has the file at this path open (a device node), ourselves aside: "NAME (process PID)". Whose
// files we may not see is not found. Returns 0 or -ENOENT.
int process_find_holder(const char *path, char *out, size_t size);

// Lists of numbers, and whether one that is sorted has this one.
void pids_sort(pid_t *pids, size_t count);
bool pids_have(const pid_t *pids, size_t count, pid_t pid);

// The kernel's own threads, for process_may_have_program, as far as /proc tells of them in one piece. `proc` is /proc.
struct kernel_threads {
	bool found; // the one that makes them is known
	pid_t *pids; // ascending
	size_t count;
};
void process_find_kernel_threads(int proc, struct kernel_threads *out);
void kernel_threads_finish(struct kernel_threads *threads);
// False: a kernel thread, or one who has ended; neither has a program or files. At most two system calls, where
// /proc/PID/stat takes three, and for nearly all kernel threads, of which there are many, none.
bool process_may_have_program(int proc, pid_t pid, const struct kernel_threads *known);

// The path of the program that this process runs. Returns 0 or -errno.
int process_read_program(char *buf, size_t size);

// Closes what our caller left open to us of devices, terminals and the likes of /dev/null (drivers/char/mem.c) aside:
// as one of a desktop's children may have them, we would hold the device that is to be taken away from its driver.
void process_close_devices(void);
