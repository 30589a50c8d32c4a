// SPDX-License-Identifier: MIT
// Which firmware a profile gets. Pure: the planner and the reading of files both ask it.
#include "launcher/facts/files.h"

#include "base/mem.h"

enum firmware_type firmware_type_of(const struct profile *profile)
{
	if (profile->firmware.type_set || !profile->boot.kernel)
		return profile->firmware.type;
	return FIRMWARE_SEABIOS;
}

static bool fits_machine(const struct firmware *firmware, const struct profile *profile)
{
	const char *machine = profile->vm.machine;
	bool i440fx = machine && (str_eq(machine, "pc") || str_starts(machine, "pc-i440fx"));

	return i440fx ? firmware->i440fx : firmware->q35;
}

// How well it suits the type; -1: not at all.
static int score(const struct firmware *firmware, enum firmware_type type)
{
	if (firmware->stateless || !firmware->vars_template)
		return -1;
	if (type == FIRMWARE_OVMF_SECUREBOOT)
		// Without SMM a guest's kernel can write the variables that it should be judged by.
		return firmware->secure_boot && firmware->requires_smm ? firmware->enrolled_keys
								       : -1;
	// Enrolled keys would refuse what a person did not ask to have judged.
	return (!firmware->enrolled_keys ? 4 : 0) + (!firmware->requires_smm ? 2 : 0) +
	       (!firmware->secure_boot ? 1 : 0);
}

const struct firmware *firmware_choose(const struct profile *profile,
				       const struct firmware_list *list)
{
	const struct firmware *best = NULL;
	int best_score = -1;

	for (size_t i = 0; i < list->count; i++) {
		const struct firmware *firmware = &list->items[i];
		int points = score(firmware, firmware_type_of(profile));

		if (profile->firmware.code) {
			// Of several descriptors for one image the one with the wanted template
			// matters.
			if (!str_eq(profile->firmware.code, firmware->code))
				continue;
		} else if (!fits_machine(firmware, profile) || points < 0) {
			continue;
		}
		if (!best || points > best_score) {
			best = firmware;
			best_score = points;
		}
	}
	return best;
}

char *firmware_vars_path(const struct profile *profile, const char *state_dir)
{
	if (profile->firmware.vars)
		return mem_dup(profile->firmware.vars);
	return mem_printf("%s/%s_VARS.fd", state_dir, profile->vm.name);
}
