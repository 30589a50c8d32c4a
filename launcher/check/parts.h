// SPDX-License-Identifier: MIT
// Owns what the parts of a check share while one is made. For launcher/check/ only; everybody else reads check.h.
#pragma once

#include "launcher/check/check.h"
#include "launcher/facts/facts.h"
#include "launcher/profile/profile.h"

#include <stdbool.h>

struct check_row;

struct checking {
	const struct facts *facts;
	const struct profile *profile; // NULL: the host as such
	const struct plan *plan;       // likewise
	const struct check_row *row;   // whose turn it is
	struct findings *out;
};

// One more finding. The code must be one of the row's.
struct finding *checking_add(struct checking *c, enum severity severity, const char *code, const char *subject,
			     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void finding_because(struct finding *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_mend(struct finding *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Whether the kernel line was to be read.
bool checking_has_line(const struct checking *c);

// Who would use what is looked at: "root", else the user's name.
const char *checking_user(const struct checking *c);

// iommu.c
void check_iommu(struct checking *c);
void check_vfio_pci(struct checking *c);
void check_vfio_type1(struct checking *c);
void check_remapping(struct checking *c);
void check_acs(struct checking *c);
// devices.c
void check_devices(struct checking *c);
void check_gpus(struct checking *c);
// virtualization.c
void check_kvm(struct checking *c);
void check_qemu(struct checking *c);
void check_qemu_vfio(struct checking *c);
void check_firmware(struct checking *c);
// tuning.c
void check_isolation(struct checking *c);
void check_isolated(struct checking *c);
void check_clock(struct checking *c);
void check_scheduler(struct checking *c);
void check_rivals(struct checking *c);
void check_irqbalance(struct checking *c);
// memory.c
void check_hugepages(struct checking *c);
void check_thp(struct checking *c);
void check_ksm(struct checking *c);
void check_swap(struct checking *c);
// rights.c
void check_user(struct checking *c);
void check_run_dir(struct checking *c);
void check_memlock(struct checking *c);
void check_vfio_container(struct checking *c);
void check_vfio_groups(struct checking *c);
void check_realtime(struct checking *c);
void check_uinput(struct checking *c);
void check_inputs(struct checking *c);
void check_logind(struct checking *c);
void check_guests(struct checking *c);
