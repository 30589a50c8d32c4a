// SPDX-License-Identifier: MIT
#include "launcher/facts/openings.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/facts/facts.h"
#include "launcher/guest/paths.h"
#include "launcher/guest/state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

// As the kernel will judge the user that we are, not the one that started us.
static int try_open(const char *path)
{
	return faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0 ? errno : 0;
}

static void read_inputs(struct facts *facts)
{
	const unsigned wanted = INPUT_CLASS_KEYBOARD | INPUT_CLASS_MOUSE;

	for (size_t i = 0; i < facts->input.count; i++) {
		const struct input_device *device = &facts->input.devices[i];

		if (device->classes & wanted && !str_starts(device->phys, INPUT_PHYS_OURS) &&
		    try_open(device->node))
			strv_addf(&facts->openings.inputs, "%s (%s)", device->node, device->name);
	}
}

static void read_guests(const struct paths *paths, struct openings *openings)
{
	AUTO_STRV struct strv names = { 0 };

	guest_list(paths, &names);
	for (size_t i = 0; i < names.count; i++) {
		enum life life = guest_look(paths, names.items[i], NULL);

		if (life == LIFE_DEAD)
			strv_add(&openings->dead, names.items[i]);
		else if (life == LIFE_ORPHAN)
			strv_add(&openings->orphans, names.items[i]);
		else if (life == LIFE_RUNNING)
			strv_add(&openings->running, names.items[i]);
	}
}

// What looks goes on where what runs would not.
static void read_run(struct openings *openings)
{
	struct err err = ERR_NONE;
	struct paths paths;

	if (paths_read(&paths, &err) < 0) {
		openings->run_error = mem_dup(err.text);
		openings->run_hint = *err.hint ? mem_dup(err.hint) : NULL;
	}
	paths_finish(&paths);
}

void openings_read(const struct paths *paths, struct facts *facts)
{
	struct openings *openings = &facts->openings;

	openings->known = true;
	openings->kvm = try_open("/dev/kvm");
	openings->vfio = try_open("/dev/vfio/vfio");
	read_inputs(facts);
	read_guests(paths, openings);
	read_run(openings);
}

void openings_finish(struct openings *openings)
{
	strv_finish(&openings->inputs);
	strv_finish(&openings->dead);
	strv_finish(&openings->orphans);
	strv_finish(&openings->running);
	free(openings->run_error);
	free(openings->run_hint);
	*openings = (struct openings){ 0 };
}
