// SPDX-License-Identifier: MIT
#include "tests/unit/bighost.h"

#include "base/cleanup.h"
#include "base/cpuset.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/pcitree.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <stdarg.h>

#define CPUS "sys/devices/system/cpu"
#define NODES "sys/devices/system/node"

enum { NODE_KIB = 64 << 20 };

// The first failure is kept, and nothing is written after it.
struct writer {
	const char *dir;
	const struct big_host *host;
	int cores;
	int error;
};

__attribute__((format(printf, 3, 4)))
static void put(struct writer *w, const char *path, const char *fmt, ...)
{
	AUTO_STR struct str text = { 0 };
	va_list ap;

	if (w->error)
		return;
	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	str_addc(&text, '\n');
	w->error = tree_write(w->dir, path, text.text);
}

__attribute__((format(printf, 4, 5)))
static void put_in(struct writer *w, const char *dir, const char *name, const char *fmt, ...)
{
	AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
	AUTO_STR struct str text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	put(w, path, "%s", str_text(&text));
}

static int core_of(const struct writer *w, int cpu)
{
	return w->host->apart ? cpu % w->cores : cpu / w->host->threads;
}

// The CPUs of `count` neighbouring cores, the first of which is a multiple of count, as a list.
static char *list_cores(const struct writer *w, int core, int count)
{
	struct cpuset set = { 0 };

	for (int cpu = 0; cpu < w->host->cpus; cpu++) {
		if (core_of(w, cpu) / count == core / count)
			cpuset_add(&set, cpu);
	}
	return cpuset_text(&set);
}

static void put_cache(struct writer *w, int cpu, int index, int level, const char *type,
		      const char *size, const char *users)
{
	AUTO_FREE char *dir = mem_printf(CPUS "/cpu%d/cache/index%d", cpu, index);

	put_in(w, dir, "level", "%d", level);
	put_in(w, dir, "type", "%s", type);
	put_in(w, dir, "size", "%s", size);
	put_in(w, dir, "shared_cpu_list", "%s", users);
}

static void put_caches(struct writer *w, int cpu, const char *siblings)
{
	put_cache(w, cpu, 0, 1, "Data", "32K", siblings);
	put_cache(w, cpu, 1, 1, "Instruction", "32K", siblings);
	put_cache(w, cpu, 2, 2, "Unified", "1024K", siblings);
	if (w->host->l3_cores) {
		AUTO_FREE char *users = list_cores(w, core_of(w, cpu), w->host->l3_cores);

		put_cache(w, cpu, 3, 3, "Unified", "32768K", users);
	}
}

static void put_cpu(struct writer *w, int cpu)
{
	int core = core_of(w, cpu), per_socket = w->cores / w->host->sockets;
	AUTO_FREE char *dir = mem_printf(CPUS "/cpu%d/topology", cpu);
	AUTO_FREE char *frequency = mem_printf(CPUS "/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
	AUTO_FREE char *siblings = list_cores(w, core, 1);
	AUTO_FREE char *socket = list_cores(w, core, per_socket);

	put_in(w, dir, "core_cpus_list", "%s", siblings);
	put_in(w, dir, "thread_siblings_list", "%s", siblings);
	put_in(w, dir, "core_id", "%d", core % per_socket);
	put_in(w, dir, "physical_package_id", "%d", core / per_socket);
	put_in(w, dir, "package_cpus_list", "%s", socket);
	put_in(w, dir, "core_siblings_list", "%s", socket);
	put_in(w, dir, "die_id", "0");
	put_in(w, dir, "die_cpus_list", "%s", socket);
	put(w, frequency, "3700000");
	put_caches(w, cpu, siblings);
}

static void put_cpus(struct writer *w)
{
	AUTO_STR struct str info = { 0 };

	put(w, CPUS "/online", "0-%d", w->host->cpus - 1);
	put(w, CPUS "/present", "0-%d", w->host->cpus - 1);
	put(w, CPUS "/possible", "0-%d", w->host->cpus - 1);
	put(w, CPUS "/isolated", "%s", "");
	for (int cpu = 0; cpu < w->host->cpus; cpu++) {
		put_cpu(w, cpu);
		str_addf(&info, "processor\t: %d\nvendor_id\t: AuthenticAMD\n"
			 "model name\t: Made-up %d-CPU Processor\nflags\t\t: fpu svm\n"
			 "address sizes\t: 52 bits physical, 57 bits virtual\n\n",
			 cpu, w->host->cpus);
	}
	put(w, "proc/cpuinfo", "%s", info.text);
	put(w, "proc/self/status", "Name:\tvfiorun\nCpus_allowed_list:\t0-%d", w->host->cpus - 1);
}

static void put_node(struct writer *w, int node)
{
	int per_node = w->cores / w->host->nodes;
	AUTO_FREE char *dir = mem_printf(NODES "/node%d", node);
	AUTO_FREE char *cpus = list_cores(w, node * per_node, per_node);
	AUTO_STR struct str distances = { 0 };

	for (int i = 0; i < w->host->nodes; i++)
		str_addf(&distances, "%s%d", i ? " " : "", i == node ? 10 : 21);
	put_in(w, dir, "cpulist", "%s", cpus);
	put_in(w, dir, "distance", "%s", distances.text);
	put_in(w, dir, "meminfo", "Node %d MemTotal: %d kB\nNode %d MemFree: %d kB", node, NODE_KIB,
	       node, NODE_KIB / 2);
	for (int kib = 2048; kib <= 1048576; kib *= 512) {
		AUTO_FREE char *pool = mem_printf("%s/hugepages/hugepages-%dkB", dir, kib);

		put_in(w, pool, "nr_hugepages", "0");
		put_in(w, pool, "free_hugepages", "0");
		put_in(w, pool, "surplus_hugepages", "0");
	}
}

static void put_memory(struct writer *w)
{
	long long kib = (long long)NODE_KIB * w->host->nodes;

	for (int node = 0; node < w->host->nodes; node++)
		put_node(w, node);
	put(w, NODES "/online", "0-%d", w->host->nodes - 1);
	put(w, "proc/meminfo", "MemTotal: %lld kB\nMemFree: %lld kB\nMemAvailable: %lld kB", kib,
	    kib / 2, kib / 2);
	put(w, "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
}

static void put_pci(struct writer *w, int i)
{
	bool display = i % 64 == 1;
	AUTO_FREE char *address = mem_printf("%04x:%02x:%02x.0", i / 8192, i / 32 % 256, i % 32);
	AUTO_FREE char *line = mem_printf("%s %s:%04x %s rev=01 group=%d node=%d reset=flr,bus driver=%s%s", address,
					  display ? "10de" : "8086", 0x1000 + i % 16,
					  display ? "030000" : "020000", i, i % w->host->nodes,
					  display ? "nouveau" : "e1000e",
					  !display ? "" : i == 1 ? " boot_vga=1" : " boot_vga=0");

	if (!w->error)
		w->error = pci_tree_add(w->dir, line);
}

static void put_system(struct writer *w)
{
	put(w, "proc/sys/kernel/osrelease", "6.1.0-made-up");
	put(w, "proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000000");
	put(w, "proc/cmdline", "root=/dev/sda1 iommu=pt");
	put(w, "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw");
	put(w, "proc/swaps", "Filename Type Size Used Priority");
	put(w, "etc/os-release", "ID=debian");
	put(w, "sys/module/kvm/parameters/halt_poll_ns", "200000");
	put(w, "sys/module/kvm_amd/parameters/nested", "1");
	put(w, "sys/bus/pci/drivers/nouveau/uevent", "%s", "");
	put(w, "sys/bus/pci/drivers/e1000e/uevent", "%s", "");
}

static bool divides(int whole, int part)
{
	return part > 0 && whole > 0 && whole % part == 0;
}

int big_host_make(const char *dir, const struct big_host *host)
{
	struct writer w = { .dir = dir, .host = host };

	if (!divides(host->cpus, host->threads) || host->cpus > CPUSET_MAX || host->pci < 0)
		return -EINVAL;
	w.cores = host->cpus / host->threads;
	if (!divides(w.cores, host->sockets) || !divides(w.cores, host->nodes) ||
	    !divides(host->nodes, host->sockets) || (host->l3_cores && !divides(w.cores, host->l3_cores)))
		return -EINVAL;
	put_cpus(&w);
	put_memory(&w);
	put_system(&w);
	for (int i = 0; i < host->pci; i++)
		put_pci(&w, i);
	return w.error;
}
