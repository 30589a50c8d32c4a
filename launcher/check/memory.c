// SPDX-License-Identifier: MIT
// What a guest's memory can be made of, and what the host does to it meanwhile.
#include "launcher/check/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/facts/remedy.h"

#include <inttypes.h>

// "2M: 512 pages, 500 free; 1G: none", the nodes together.
static char *pools_text(const struct memory_facts *memory)
{
	struct str out = { 0 };

	for (size_t i = 0; i < memory->n_pools; i++) {
		const struct hugepage_pool *pool = &memory->pools[i];
		uint64_t total = 0, unused = 0;

		// a size's first node speaks for all
		if (pool->node != memory->pools[0].node)
			continue;
		for (size_t k = 0; k < memory->n_pools; k++) {
			if (memory->pools[k].size != pool->size)
				continue;
			total += memory->pools[k].total;
			unused += memory->pools[k].free;
		}
		str_add(&out, out.len ? "; " : "");
		str_add_size(&out, pool->size);
		if (total)
			str_addf(&out, ": %" PRIu64 ", %" PRIu64 " free", total, unused);
		else
			str_add(&out, ": none yet");
	}
	return str_take(&out);
}

void check_hugepages(struct checking *c)
{
	const struct memory_facts *memory = &c->facts->memory;
	AUTO_FREE char *pools = pools_text(memory);
	struct finding *finding;

	if (memory->n_pools) {
		checking_add(c, SEVERITY_OK, "no-hugepages", "huge pages", "%s", pools);
		return;
	}
	if (!c->facts->live) {
		checking_add(c, SEVERITY_UNKNOWN, "no-hugepages", "huge pages",
			     "no pool of them is in the capture");
		return;
	}
	finding =
		checking_add(c, SEVERITY_WARNING, "no-hugepages", "huge pages", "this kernel has no pools of them");
	finding_because(finding, "a guest's memory takes far more page table entries to look up");
	finding_mend(finding, "boot a kernel that has CONFIG_HUGETLBFS");
}

void check_thp(struct checking *c)
{
	const char *thp = c->facts->memory.thp;
	struct finding *finding;
	AUTO_FREE char *remedy = NULL;

	if (!str_eq(thp, "never")) {
		checking_add(c, *thp ? SEVERITY_OK : SEVERITY_UNKNOWN, "thp-never", "transparent huge pages", "%s",
			     *thp ? thp : "how they are set can't be seen");
		return;
	}
	remedy = remedy_kernel_words(&c->facts->system, "transparent_hugepage=madvise");
	finding = checking_add(c, SEVERITY_WARNING, "thp-never", "transparent huge pages", "never");
	finding_because(finding, "a guest without hugepages = 2M has small pages only");
	finding_mend(finding, "%s", remedy);
}

void check_ksm(struct checking *c)
{
	struct finding *finding;

	if (!c->facts->memory.ksm) {
		bool known = c->facts->memory.ksm_known;

		checking_add(c, known ? SEVERITY_OK : SEVERITY_UNKNOWN, "memory-ksm", "KSM", "%s",
			     known ? "does not run" : "whether it runs can't be seen");
		return;
	}
	finding = checking_add(c, SEVERITY_WARNING, "memory-ksm", "KSM", "the host merges pages that are alike");
	finding_because(finding,
			"a guest waits when it writes to one of them, and others can find out what it holds");
	finding_mend(finding, "systemctl stop ksm ksmtuned, or hugepages = 2M in [memory], which are never merged");
}

void check_swap(struct checking *c)
{
	AUTO_STR struct str size = { 0 };
	struct finding *finding;

	if (!c->facts->memory.swap) {
		bool known = c->facts->memory.total;

		checking_add(c, known ? SEVERITY_OK : SEVERITY_UNKNOWN, "memory-swap", "swap", "%s",
			     known ? "none" : "whether there is any can't be seen");
		return;
	}
	str_add_size(&size, c->facts->memory.swap);
	finding = checking_add(c, SEVERITY_INFO, "memory-swap", "swap", "%s", size.text);
	finding_because(finding, "a guest waits for what was swapped out; with passed devices or huge pages "
				 "nothing of it is");
	finding_mend(finding, "lock = yes in [memory], for a guest that must never wait");
}
