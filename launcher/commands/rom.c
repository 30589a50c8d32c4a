// SPDX-License-Identifier: MIT
// rom: what is in a file with an expansion ROM, and how such a file is had from the card.
#include "launcher/commands/commands.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "launcher/facts/rom.h"
#include "tune/host/root.h"
#include "tune/rom.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

// --- info

static const char *const sum_words[] = { [ROM_SUM_OK] = "right", [ROM_SUM_WRONG] = "wrong" };

// A list often begins with the device that is already said.
static bool has_more_devices(const struct rom_image *image)
{
	return image->n_devices > (image->devices[0] == image->device);
}

static void print_more_devices(const struct rom_image *image, struct str *out)
{
	str_add(out, "   also for");
	for (size_t i = image->devices[0] == image->device; i < image->n_devices; i++)
		str_addf(out, " %04x:%04x", image->vendor, image->devices[i]);
	str_addc(out, '\n');
}

static void print_image(const struct rom_image *image, size_t number, struct str *out)
{
	str_addf(out, "%zu  %-13s %04x:%04x  class %06x  at %zu, %zu bytes, revision %u", number,
		 rom_type_name(image->type), image->vendor, image->device, image->class, image->offset,
		 image->size, image->revision);
	if (strcmp(rom_type_name(image->type), "unknown") == 0)
		str_addf(out, ", of type 0x%02x", image->type);
	if (image->sum)
		str_addf(out, ", checksum %s", sum_words[image->sum]);
	if (image->has_efi_header)
		str_addf(out, ", %s%s", rom_machine_name(image->machine),
			 image->compressed ? ", compressed" : "");
	str_add(out, image->last ? ", the last\n" : "\n");
	if (has_more_devices(image))
		print_more_devices(image, out);
}

static void print_text(const struct rom *rom, const char *path, size_t size, struct str *out)
{
	str_addf(out, "%s: %zu byte%s, %zu image%s\n", path, size, size == 1 ? "" : "s", rom->count,
		 rom->count == 1 ? "" : "s");
	if (rom->header)
		str_addf(out, "   %zu bytes of something else before the first\n", rom->header);
	for (size_t i = 0; i < rom->count; i++)
		print_image(&rom->images[i], i + 1, out);
	if (rom->behind)
		str_addf(out, "   %zu bytes behind the last\n", rom->behind);
	if (rom->trouble)
		str_addf(out, "damaged: %s\n", rom->trouble);
	str_addf(out, "UEFI firmware of a guest %s\n",
		 rom_find_efi(rom) ? "can use it" : "finds nothing in it that it could run");
}

// As lspci writes them: so many hex digits.
static void add_id(struct json_object *object, const char *key, int digits, unsigned id)
{
	char text[16];

	snprintf(text, sizeof(text), "%0*x", digits, id);
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_size(struct json_object *object, const char *key, size_t size)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)size));
}

static void add_word(struct json_object *object, const char *key, const char *word)
{
	json_object_object_add(object, key, word ? json_object_new_string(word) : NULL);
}

static struct json_object *print_devices(const struct rom_image *image)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < image->n_devices; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%04x", image->devices[i]);
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static struct json_object *print_image_json(const struct rom_image *image)
{
	struct json_object *object = json_object_new_object();

	add_size(object, "offset", image->offset);
	add_size(object, "size", image->size);
	json_object_object_add(object, "code_type", json_object_new_int(image->type));
	add_word(object, "type", rom_type_name(image->type));
	add_id(object, "vendor", 4, image->vendor);
	add_id(object, "device", 4, image->device);
	json_object_object_add(object, "devices", print_devices(image));
	add_id(object, "class", 6, image->class);
	json_object_object_add(object, "revision", json_object_new_int(image->revision));
	json_object_object_add(object, "last", json_object_new_boolean(image->last));
	add_word(object, "checksum", sum_words[image->sum]);
	add_word(object, "machine", image->has_efi_header ? rom_machine_name(image->machine) : NULL);
	json_object_object_add(object, "compressed", json_object_new_boolean(image->compressed));
	return object;
}

static void print_json(const struct rom *rom, const char *path, size_t size, struct str *out)
{
	struct json_object *object = json_object_new_object(), *images = json_object_new_array();

	add_word(object, "file", path);
	add_size(object, "size", size);
	add_size(object, "header", rom->header);
	add_size(object, "behind", rom->behind);
	add_word(object, "damage", rom->trouble);
	json_object_object_add(object, "uefi", json_object_new_boolean(rom_find_efi(rom) != NULL));
	for (size_t i = 0; i < rom->count; i++)
		json_object_array_add(images, print_image_json(&rom->images[i]));
	json_object_object_add(object, "images", images);
	add_json_text(object, out);
	json_object_put(object);
}

int rom_info_command(const struct command_line *line)
{
	const char *path = line->operands.items[0];
	AUTO_STR struct str bytes = { 0 }, text = { 0 };
	struct err err = ERR_NONE;
	struct rom rom;
	int status;

	if (io_read_file(AT_FDCWD, path, &bytes, ROM_BYTES_MAX, &err) < 0)
		return report_error(&err);
	rom_parse(str_text(&bytes), bytes.len, &rom);
	(line->json ? print_json : print_text)(&rom, path, bytes.len, &text);
	status = print_out(str_text(&text));
	if (rom.trouble && status == 0)
		status = 1;
	rom_finish(&rom);
	return status;
}

// --- dump

// What the card gave must be a ROM, whole, and its own.
static int check(const struct rom *rom, const struct rom_card *card, struct err *err)
{
	int r = 0;

	if (!rom->count)
		r = err_set(err, -EBADMSG, "what %s gives as its ROM is none", card->address);
	else if (rom->trouble)
		r = err_set(err, -EBADMSG, "the ROM of %s is damaged: %s", card->address, rom->trouble);
	else if (!rom_find_device(rom, card->vendor, card->device))
		r = err_set(err, -EBADMSG, "the ROM of %s is for %04x:%04x, and the card is %04x:%04x",
			    card->address, rom->images[0].vendor, rom->images[0].device, card->vendor,
			    card->device);
	if (r < 0)
		err_hint(err, "%s", rom_card_advice(card));
	return r;
}

static int refuse_shadow(const struct rom_card *card, struct err *err)
{
	err_set(err, -EPERM,
		"%s is the card that the firmware showed its screen on, and all that can be read is the copy "
		"in memory which the firmware has changed since", card->address);
	err_hint(err, "boot with another card as the first; --force takes the copy");
	return -EPERM;
}

static int read_card(const char *address, bool force, struct str *bytes, struct err *err)
{
	struct root root = ROOT_CLOSED;
	struct rom_card card = { 0 };
	struct rom rom;
	int r = root_open(&root, NULL, err);

	if (r == 0)
		r = rom_card_find(&root, address, &card, err);
	if (r == 0 && card.shadow && !force)
		r = refuse_shadow(&card, err);
	if (r == 0)
		r = rom_card_read(&root, &card, bytes, err);
	root_finish(&root);
	if (r < 0)
		return r;
	rom_parse(bytes->text, bytes->len, &rom);
	if (!force)
		r = check(&rom, &card, err);
	if (r == 0 && !rom_find_efi(&rom))
		log_notice("it has no image for UEFI: a guest with OVMF can't use it");
	rom_finish(&rom);
	return r;
}

int rom_dump_command(const struct command_line *line)
{
	const char *address = line->operands.items[0], *path = line->operands.items[1];
	AUTO_STR struct str bytes = { 0 };
	struct err err = ERR_NONE;
	struct stat st;
	int r = 0;

	if (lstat(path, &st) == 0 && !line->force) {
		err_set(&err, -EEXIST, "%s is there already", path);
		err_hint(&err, "--force overwrites it");
		return report_error(&err);
	}
	r = read_card(address, line->force, &bytes, &err);
	if (r == 0)
		r = io_replace_bytes(AT_FDCWD, path, bytes.text, bytes.len, 0644, &err);
	if (r < 0) {
		report_error(&err);
		return r == -EINVAL ? 2 : 1;
	}
	log_notice("%s: %zu bytes; `vfiorun rom info` shows what is in them", path, bytes.len);
	return 0;
}
