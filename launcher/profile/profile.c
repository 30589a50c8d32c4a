// SPDX-License-Identifier: MIT
#include "launcher/profile/profile.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "launcher/profile/keys.h"
#include "launcher/profile/reader.h"
#include "launcher/profile/text.h"

#include <string.h>

// An empty value means the default: so the rows of the key table are the only place that knows it.
void profile_set_defaults(const char *section, void *base)
{
	static const struct profile_value nothing = { .text = "" };
	size_t n;
	const struct profile_key *rows = profile_keys(&n);

	for (size_t i = 0; i < n; i++) {
		if (rows[i].parse && str_eq(rows[i].section, section))
			rows[i].parse(&rows[i], &nothing, (char *)base + rows[i].offset);
	}
}

void profile_init(struct profile *profile)
{
	size_t n;
	const struct profile_section *sections = profile_sections(&n);

	*profile = (struct profile){ 0 };
	for (size_t i = 0; i < n; i++) {
		if (!sections[i].find)
			profile_set_defaults(sections[i].name, profile);
	}
}

// "/etc/vfiorun/win11.conf" is called win11 unless it says otherwise.
static char *name_from_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *file = slash ? slash + 1 : path;
	AUTO_FREE char *name = mem_dupn(file, strlen(file) - (str_ends(file, ".conf") ? 5 : 0));

	return str_is_name(name) ? take(name) : NULL;
}

void profile_settle(struct profile *profile)
{
	profile->firmware.type_set = profile_has(profile, "firmware", NULL, "type");
	if (!profile->vm.name && !profile_has(profile, "vm", NULL, "name") && profile->path)
		profile->vm.name = name_from_path(profile->path);
}

void profile_parse(struct profile *profile, const char *name, const char *text, struct diags *diags)
{
	AUTO_FREE char *path = path_join("/", name);
	struct profile_reader reader;

	reader_init(&reader, profile, diags);
	profile->path = mem_dup(name);
	reader_read_text(&reader, name, path, text, strlen(text));
	reader_finish(&reader);
}

static void free_disk(struct profile_disk *disk)
{
	free(disk->title);
	free(disk->file);
	free(disk->serial);
}

static void free_cdrom(struct profile_cdrom *cdrom)
{
	free(cdrom->title);
	free(cdrom->file);
}

static void free_net(struct profile_net *net)
{
	free(net->title);
	free(net->bridge);
	free(net->ifname);
	free(net->mac);
	free(net->model);
	strv_finish(&net->forward);
}

static void free_pci(struct profile_pci *pci)
{
	free(pci->title);
	free(pci->romfile);
	strv_finish(&pci->bar_size);
}

static void free_usb(struct profile_usb *usb)
{
	free(usb->title);
}

static void free_mdev(struct profile_mdev *mdev)
{
	free(mdev->title);
}

static void free_origin(struct profile_origin *origin)
{
	free(origin->section);
	free(origin->title);
	free(origin->key);
	free(origin->file);
}

#define FREE_EACH(array, count, free_one)                                                          \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < (count); i_++)                                            \
			free_one(&(array)[i_]);                                                    \
		free(array);                                                                       \
	} while (0)

// An empty value releases what was there, so the key table also knows what to free.
void profile_finish(struct profile *profile)
{
	size_t n;
	const struct profile_section *sections = profile_sections(&n);

	for (size_t i = 0; i < n; i++) {
		if (!sections[i].find)
			profile_set_defaults(sections[i].name, profile);
	}
	FREE_EACH(profile->disks, profile->n_disks, free_disk);
	FREE_EACH(profile->cdroms, profile->n_cdroms, free_cdrom);
	FREE_EACH(profile->nets, profile->n_nets, free_net);
	FREE_EACH(profile->pcis, profile->n_pcis, free_pci);
	FREE_EACH(profile->usbs, profile->n_usbs, free_usb);
	FREE_EACH(profile->mdevs, profile->n_mdevs, free_mdev);
	FREE_EACH(profile->origins, profile->n_origins, free_origin);
	free(profile->path);
	*profile = (struct profile){ 0 };
}

static struct profile_origin *find_origin(const struct profile *profile, const char *section,
					  const char *title, const char *key)
{
	for (size_t i = 0; i < profile->n_origins; i++) {
		struct profile_origin *origin = &profile->origins[i];

		if (str_eq(origin->section, section) && str_eq(origin->title, title) &&
		    str_eq(origin->key, key))
			return origin;
	}
	return NULL;
}

bool profile_has_section(const struct profile *profile, const char *section)
{
	for (size_t i = 0; i < profile->n_origins; i++) {
		if (str_eq(profile->origins[i].section, section))
			return true;
	}
	return false;
}

void profile_set_origin(struct profile *profile, const char *section, const char *title,
			const char *key, const char *file, int line)
{
	struct profile_origin *origin = find_origin(profile, section, title, key);

	if (!origin) {
		origin = MEM_PUSH(profile->origins, profile->n_origins);
		origin->section = mem_dup(section);
		origin->title = mem_dup(title);
		origin->key = mem_dup(key);
	}
	mem_set(&origin->file, file);
	origin->line = line;
}

void profile_drop_origin(struct profile *profile, const char *section, const char *title,
			 const char *key)
{
	struct profile_origin *origin = find_origin(profile, section, title, key);

	if (!origin)
		return;
	free_origin(origin);
	*origin = profile->origins[--profile->n_origins];
}

struct place profile_where(const struct profile *profile, const char *section, const char *title,
			   const char *key)
{
	const struct profile_origin *origin = find_origin(profile, section, title, key);

	return origin ? (struct place){ origin->file, origin->line } : (struct place){ NULL, 0 };
}

bool profile_has(const struct profile *profile, const char *section, const char *title,
		 const char *key)
{
	return find_origin(profile, section, title, key) != NULL;
}
