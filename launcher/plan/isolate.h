// SPDX-License-Identifier: MIT
// Owns how far the vCPUs' CPUs are theirs alone: a partition of the cgroup hierarchy, what the kernel line isolated, or
// affinity alone; and which interrupts leave them. Pure. Refuses to leave the host without a CPU.
#pragma once

struct diags;
struct facts;
struct placement;
struct plan;
struct profile;

// Decides. A partition of kernels before 6.7 takes the emulator's CPUs for itself too: placement's emulator and
// iothreads are then narrowed to few, where the profile leaves that open. What the profile insists on and cannot be
// had goes to diags.
void plan_isolate(const struct profile *profile, const struct facts *facts, struct placement *placement,
		  struct plan *plan, struct diags *diags);

// The host changes that carry it out, after those of [host].
void plan_add_isolation(const struct profile *profile, const struct facts *facts,
			const struct placement *placement, struct plan *plan);

// What this host as a whole has against a partition, static; NULL: it can be had where the CPUs allow it.
const char *plan_isolation_obstacle(const struct facts *facts);
