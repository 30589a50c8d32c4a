// SPDX-License-Identifier: MIT
// The kind `pool`: pages more in a node's pool of huge pages, for as long as it takes QEMU to map them.
//
// nr_hugepages counts persistent and surplus pages; a number written to it is what shall be persistent
// (Linux 6.1, admin-guide/mm/hugetlbpage.rst and set_max_huge_pages in mm/hugetlb.c). Growing first turns
// surplus pages into persistent ones, which brings nothing new: so what is aimed at lies above the total.
// Once QEMU has mapped its pages, the old persistent count is written back: theirs become surplus, which the
// kernel frees as soon as nobody uses them, whatever dies. The persistent count is the value of this kind:
// pages that come and go with other guests are surplus, and do not move it.
#include "tune/change/kind.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/str.h"
#include "tune/numa.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NODES	"/sys/devices/system/node/node"
#define MACHINE "/sys/kernel/mm/hugepages/"

#define STEP	(UINT64_C(4) << 30) // bytes that are asked for at once

enum { PAUSE_MS = 250, VALUE_MAX = 64 };

// A pool as its path has it.
struct pool {
	char *dir; // with a final "/"
	char *name; // "hugepages-2048kB"
	int node; // -1: the machine's, of a kernel without NUMA
	uint64_t size; // bytes
};

struct counts {
	uint64_t total, surplus;
};

// What a record or a plan asks for: a number and what may be done to come by it.
struct wish {
	uint64_t pages;
	bool more; // "+64": beside what is there
	bool compact, drop_caches;
};

static void pool_finish(struct pool *pool)
{
	free(pool->dir);
	free(pool->name);
}

// "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
static int pool_parse(const char *path, struct pool *pool, struct err *err)
{
	AUTO_STRV struct strv parts = { 0 };
	bool ok = str_ends(path, "/nr_hugepages"), machine = str_starts(path, MACHINE);
	size_t at = machine ? 4 : 6;
	const char *size;

	*pool = (struct pool){ .node = -1 };
	strv_split(&parts, path, "/");
	ok = ok && (machine || str_starts(path, NODES)) && parts.count == at + 2;
	ok = ok && (machine || (str_eq(parts.items[5], "hugepages") &&
				str_parse_int(parts.items[4] + strlen("node"), &pool->node)));
	size = ok ? parts.items[at] : "";
	if (!ok || sscanf(size, "hugepages-%" SCNu64 "kB", &pool->size) != 1 ||
	    !pool->size || pool->size > UINT64_MAX >> 10)
		return err_set(err, -EPERM, "%s is no pool of huge pages", path);
	pool->size <<= 10;
	pool->name = mem_dup(size);
	pool->dir = mem_dupn(path, strlen(path) - strlen("nr_hugepages"));
	return 0;
}

static bool wish_parse(const char *text, struct wish *wish)
{
	AUTO_STRV struct strv words = { 0 };

	*wish = (struct wish){ 0 };
	strv_split(&words, text, " ");
	if (!words.count)
		return false;
	wish->more = words.items[0][0] == '+';
	for (size_t i = 1; i < words.count; i++) {
		wish->compact |= str_eq(words.items[i], "compact");
		wish->drop_caches |= str_eq(words.items[i], "drop-caches");
	}
	return str_parse_u64(words.items[0] + wish->more, &wish->pages);
}

static int read_number(struct change_host *host, const char *dir, const char *name, uint64_t *value,
		       struct err *err)
{
	AUTO_FREE char *path = mem_printf("%s%s", dir, name);
	AUTO_CLOSE int fd = change_open(host, path, O_RDONLY | O_NONBLOCK, 0);
	AUTO_STR struct str text = { 0 };
	int r = fd < 0 ? fd : io_read_all(fd, &text, VALUE_MAX);

	if (r < 0)
		return err_sys(err, r, "reading %s", path);
	str_add(&text, "");
	if (!str_parse_u64(str_strip(text.text), value))
		return err_set(err, -EINVAL, "%s: not a number: %s", path, text.text);
	return 0;
}

static int write_text(struct change_host *host, const char *path, const char *text, struct err *err)
{
	AUTO_CLOSE int fd = change_open(host, path, O_WRONLY | O_TRUNC | O_NONBLOCK, 0);
	AUTO_FREE char *line = mem_printf("%s\n", text);
	int r = fd < 0 ? fd : io_write_all(fd, line, strlen(line));

	return r < 0 ? err_sys(err, r, "writing %s to %s", text, path) : 0;
}

// Another guest that ends takes surplus pages out of both numbers; between two equal totals none did.
static int read_counts(struct change_host *host, const char *dir, struct counts *counts, struct err *err)
{
	uint64_t before = 0;
	int r;

	*counts = (struct counts){ 0 };
	do {
		r = read_number(host, dir, "nr_hugepages", &before, err);
		if (r == 0)
			r = read_number(host, dir, "surplus_hugepages", &counts->surplus, err);
		if (r == 0)
			r = read_number(host, dir, "nr_hugepages", &counts->total, err);
	} while (r == 0 && before != counts->total);
	if (r == 0 && counts->surplus > counts->total)
		return err_set(err, -EINVAL, "%s: more surplus pages than pages", dir);
	return r;
}

static uint64_t persistent(const struct counts *counts)
{
	return counts->total - counts->surplus;
}

static int pool_read(struct change_host *host, const struct change *change, char **value, struct err *err)
{
	CLEANUP(pool_finish) struct pool pool = { 0 };
	struct counts counts = { 0 };
	int r = pool_parse(change->path, &pool, err);

	*value = NULL;
	if (r == 0)
		r = read_counts(host, pool.dir, &counts, err);
	if (r < 0)
		return r;
	*value = mem_printf("%" PRIu64, persistent(&counts));
	return 0;
}

static int pool_aim(struct change_host *host, const struct change *change, char **want, struct err *err)
{
	CLEANUP(pool_finish) struct pool pool = { 0 };
	struct counts counts = { 0 };
	struct wish wish = { 0 };
	int r = pool_parse(change->path, &pool, err);

	if (r == 0 && !wish_parse(change->want, &wish))
		r = err_set(err, -EINVAL, "%s: not a number of pages: %s", change->path, change->want);
	if (r == 0)
		r = read_counts(host, pool.dir, &counts, err);
	if (r < 0)
		return r;
	*want = mem_printf("%" PRIu64 "%s%s", wish.more ? counts.total + wish.pages : wish.pages,
			   wish.compact ? " compact" : "", wish.drop_caches ? " drop-caches" : "");
	return 0;
}

// Kernels before 6.7 take the surplus pages of all nodes for this one's when a node's own file is written
// ("mm/hugeltb: fix nodes huge page allocation when there are surplus pages"). Where other nodes have some,
// the whole machine's count is written instead, from a thread that may allocate on this node only:
// nr_hugepages_mempolicy.
static int write_by_policy(struct change_host *host, const struct pool *pool, uint64_t count,
			   const struct counts *here, const struct counts *everywhere, struct err *err)
{
	AUTO_FREE char *path = mem_printf(MACHINE "%s/nr_hugepages_mempolicy", pool->name);
	AUTO_FREE char *text =
		mem_printf("%" PRIu64, persistent(everywhere) - persistent(here) + count);
	struct numa_policy before;
	int r = numa_bind(pool->node, &before);

	if (r < 0)
		return err_sys(err, r, "allocating on node %d only", pool->node);
	r = write_text(host, path, text, err);
	numa_restore(&before);
	return r;
}

static int write_count(struct change_host *host, const struct change *change, const struct pool *pool,
		       uint64_t count, struct err *err)
{
	AUTO_FREE char *machine = mem_printf(MACHINE "%s/", pool->name);
	AUTO_FREE char *text = mem_printf("%" PRIu64, count);
	struct counts here = { 0 }, everywhere = { 0 };
	int r = pool->node < 0 ? -ENOENT :
				 read_number(host, machine, "surplus_hugepages", &everywhere.surplus, NULL);

	// mostly nobody has any
	if (r == 0 && everywhere.surplus)
		r = read_counts(host, pool->dir, &here, NULL);
	if (r == 0 && everywhere.surplus > here.surplus)
		r = read_counts(host, machine, &everywhere, NULL);
	if (r == 0 && everywhere.surplus > here.surplus)
		return write_by_policy(host, pool, count, &here, &everywhere, err);
	return write_text(host, change->path, text, err);
}

static char *describe(const struct pool *pool)
{
	AUTO_STR struct str size = { 0 };

	str_add_size(&size, pool->size);
	if (pool->node < 0)
		return mem_printf("huge pages of %s", str_text(&size));
	return mem_printf("huge pages of %s on node %d", str_text(&size), pool->node);
}

static bool has_zfs(struct change_host *host)
{
	AUTO_CLOSE int fd = change_open(host, "/sys/module/zfs", O_PATH, 0);

	return fd >= 0;
}

// Memory compaction and ZFS do not go well together (OpenZFS issue 15140), so it is not advised there.
static void advise(struct change_host *host, const struct pool *pool, const struct wish *wish,
		   struct err *err)
{
	if (pool->size >= 1 << 30)
		err_hint(err, "hugepages = 2M, or reserve them at boot: hugepagesz=1G hugepages=%" PRIu64,
			 wish->pages);
	else if (!wish->compact && !has_zfs(host))
		err_hint(err, "compact_memory = yes and drop_caches = yes in [host], less memory for the "
			      "guest, or start it soon after boot");
	else if (!wish->drop_caches)
		err_hint(err, "drop_caches = yes in [host], less memory for the guest, or start it soon "
			      "after boot");
	else
		err_hint(err, "less memory for the guest, hugepages = auto, or start it soon after boot");
}

static int say_shortfall(struct change_host *host, const struct pool *pool, const struct wish *wish,
			 uint64_t wanted, uint64_t came, struct err *err)
{
	AUTO_FREE char *what = describe(pool);

	err_set(err, -ENOMEM, "%s: %" PRIu64 " more are needed, %" PRIu64 " came, and they are given back: "
			      "memory is short or in pieces", what, wanted, came);
	advise(host, pool, wish, err);
	return -ENOMEM;
}

// What was asked for besides: both only make room, nothing of it needs to be undone.
static void make_room(struct change_host *host, const struct pool *pool, struct wish *wish)
{
	AUTO_FREE char *compact = pool->node < 0 ? mem_dup("/proc/sys/vm/compact_memory") :
						   mem_printf(NODES "%d/compact", pool->node);

	if (wish->drop_caches)
		write_text(host, "/proc/sys/vm/drop_caches", "3", NULL);
	if (wish->compact)
		write_text(host, compact, "1", NULL);
	wish->drop_caches = false; // once
}

static int tell(struct change_host *host, const struct pool *pool, uint64_t came, uint64_t wanted,
		struct err *err)
{
	AUTO_FREE char *what = describe(pool);
	AUTO_FREE char *text = mem_printf("%s: %" PRIu64 " of %" PRIu64, what, came, wanted);

	if (host->progress && host->progress(host->context, text) < 0)
		return err_set(err, -EINTR, "%s, and then it was called off", text);
	return 0;
}

static int write_and_read(struct change_host *host, const struct change *change, const struct pool *pool,
			  uint64_t count, struct counts *counts, struct err *err)
{
	int r = write_count(host, change, pool, count, err);

	if (r < 0)
		return r;
	change_host_after_write(host);
	return read_counts(host, pool->dir, counts, err);
}

// In steps of 4 GiB, so that progress can be told; a pool that got too little is asked again for a while. The
// kernel itself tries hard for the first page that it can't find, which may take longer than that while.
static int grow(struct change_host *host, const struct change *change, const struct pool *pool,
		const struct wish *wish, struct counts *counts, struct err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	const struct counts start = *counts;
	const uint64_t step = pool->size && pool->size < STEP ? STEP / pool->size : 1;
	struct wish left = *wish;
	long long deadline = 0;

	for (;;) {
		long long began = io_now_ms();
		uint64_t now = persistent(counts), came;
		uint64_t next = wish->pages - now > step ? now + step : wish->pages;
		int r = write_and_read(host, change, pool, next, counts, err);

		now = persistent(counts);
		came = now > start.total ? now - start.total : 0; // what was surplus is no page more
		if (r < 0 || now >= wish->pages)
			return r;
		if (now < next && deadline && io_now_ms() >= deadline)
			return say_shortfall(host, pool, wish, wish->pages - start.total, came, err);
		r = tell(host, pool, came, wish->pages - start.total, err);
		if (r < 0)
			return r;
		if (now < next) {
			deadline = deadline ? deadline : began + host->pool_patience_ms;
			make_room(host, pool, &left);
			nanosleep(host->pool_patience_ms ? &pause : &(struct timespec){ 0 }, NULL);
		}
		r = change_host_before_write(host);
		if (r < 0)
			return err_sys(err, r, "writing %s", change->path);
	}
}

static int pool_write(struct change_host *host, const struct change *change, const char *value,
		      struct err *err)
{
	CLEANUP(pool_finish) struct pool pool = { 0 };
	struct counts counts = { 0 };
	struct wish wish = { 0 };
	int r = pool_parse(change->path, &pool, err);

	if (r == 0 && (!value || !wish_parse(value, &wish) || wish.more))
		r = err_set(err, -EINVAL, "%s: not a count: %s", change->path, value ? value : "nothing");
	if (r == 0)
		r = read_counts(host, pool.dir, &counts, err);
	if (r < 0)
		return r;
	if (wish.pages > persistent(&counts))
		return grow(host, change, &pool, &wish, &counts, err);
	return write_count(host, change, &pool, wish.pages, err);
}

static bool pool_equal(const char *a, const char *b)
{
	struct wish x, y;

	return wish_parse(a, &x) && wish_parse(b, &y) && !x.more && !y.more && x.pages == y.pages;
}

static bool pool_between(const char *now, const char *from, const char *to)
{
	struct wish x, low, high;

	return wish_parse(now, &x) && wish_parse(from, &low) && wish_parse(to, &high) && x.pages >= low.pages &&
	       x.pages <= high.pages;
}

static void pool_remedy(const struct change *change, struct str *out)
{
	str_addf(out, "echo %s > ", change->was ? change->was : "0");
	change_quote(change->path, out);
}

static const char *const places[] = { NODES, MACHINE, NULL };

const struct change_kind change_kind_pool = {
	.name = "pool",
	.help = "a pool of huge pages grows until QEMU has mapped them; the kernel frees them after it",
	.places = places,
	.read = pool_read,
	.write = pool_write,
	.aim = pool_aim,
	.equal = pool_equal,
	.answers = pool_equal,
	.between = pool_between,
	.remedy = pool_remedy,
	.shared = true,
	.survives_us = true,
	.passing = true,
};
