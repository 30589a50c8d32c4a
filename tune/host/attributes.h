// SPDX-License-Identifier: MIT
// Owns the attributes of the host that a plan may set: where each lives, what it says today and which
// values it takes. Refuses to write them: that is a change of kind `set` or `hold`.
#pragma once

#include "base/cpuset.h"

#include <stdbool.h>
#include <stddef.h>

struct root;

enum attribute {
	ATTRIBUTE_GOVERNOR,	 // a CPU
	ATTRIBUTE_EPP,		 // a CPU: energy_performance_preference
	ATTRIBUTE_MIN_FREQ,	 // a CPU, kHz
	ATTRIBUTE_BOOST,	 // the machine: 1 on
	ATTRIBUTE_NO_TURBO,	 // the machine, intel_pstate: 1 off
	ATTRIBUTE_HALT_POLL_NS,	 // kvm
	ATTRIBUTE_IGNORE_MSRS,	 // kvm
	ATTRIBUTE_REPORT_MSRS,	 // kvm: report_ignored_msrs
	ATTRIBUTE_LATENCY,	 // /dev/cpu_dma_latency, held open
	ATTRIBUTE_COUNT,
};

struct attribute_fact {
	enum attribute attribute;
	int cpu;    // -1: not of a CPU
	int policy; // of cpufreq: its CPUs have one file between them; -1: the file is the CPU's own
	char *path; // absolute
	char *value; // today's; NULL: there but unreadable
	bool fixed;  // nobody may write it
	char *choices; // blank-separated, NULL: not said
};

struct attribute_facts {
	struct attribute_fact *items;
	size_t count;
};

// Reads those attributes that `wanted` has a bit for (1 << ATTRIBUTE_…), of these CPUs. What the host lacks
// is not in the list. Sources: Linux 6.1 Documentation/admin-guide/pm/{cpufreq,intel_pstate}.rst,
// Documentation/power/pm_qos_interface.rst, Documentation/virt/kvm/halt-polling.rst.
void attribute_facts_read(struct root *root, unsigned wanted, const struct cpuset *cpus,
			  struct attribute_facts *facts);
void attribute_facts_finish(struct attribute_facts *facts);

// Whether `value` is among the choices; true where the host does not say.
bool attribute_takes(const struct attribute_fact *fact, const char *value);
