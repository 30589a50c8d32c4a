// SPDX-License-Identifier: MIT
#include "launcher/facts/files.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "launcher/guest/vars.h"
#include "tests/unit/medium.h"
#include "tests/unit/tree.h"
#include "tune/host/root.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char dir[PATH_MAX];
	struct root root;
	struct profile profile;
	struct facts facts;
	struct account guest;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(1, sizeof(*f));

	*state = f;
	f->guest = (struct account){ .uid = 12345, .gid = 23456, .found = true };
	if (tree_make("", f->dir, sizeof(f->dir)) != 0 || root_open(&f->root, NULL, NULL) != 0)
		return -1;
	f->facts.state_dir = mem_printf("%s/state", f->dir);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->facts.state_dir);
	free(f->facts.firmwares.items);
	files_finish(&f->facts);
	profile_finish(&f->profile);
	root_finish(&f->root);
	tree_remove(f->dir);
	free(f);
	return 0;
}

// The profile's text, with the test's directory wherever it says @.
static void read_files(struct fixture *f, const char *text)
{
	AUTO_STR struct str whole = { 0 };
	struct diags diags = { 0 };

	str_add(&whole, "[vm]\nname = demo\nmemory = 64M\n");
	for (; *text; text++) {
		if (*text == '@')
			str_add(&whole, f->dir);
		else
			str_addc(&whole, *text);
	}
	profile_parse(&f->profile, "demo.conf", str_text(&whole), &diags);
	assert_int_equal(diags.count, 0);
	assert_int_equal(files_read(&f->root, &f->profile, &f->guest, &f->facts, NULL), 0);
}

static struct file_fact *fact(struct fixture *f, const char *name)
{
	AUTO_FREE char *path = mem_printf("%s/%s", f->dir, name);
	const struct file_fact *file = facts_file(&f->facts, path);

	if (!file)
		print_error("no fact of %s\n", path);
	assert_non_null(file);
	return (struct file_fact *)file;
}

static void put_file(struct fixture *f, const char *name, const void *data, size_t size,
		     mode_t mode)
{
	AUTO_FREE char *path = mem_printf("%s/%s", f->dir, name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	assert_int_equal(fchmod(fd, mode), 0);
}

// Runs a tool in the directory; false: it failed or is not here.
static bool run(struct fixture *f, const char *command)
{
	AUTO_FREE char *line = mem_printf(
		"cd '%s' && PATH=$PATH:/sbin:/usr/sbin && { %s; } >out 2>&1", f->dir, command);

	return system(line) == 0;
}

static void test_kinds_of_files(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *loop = mem_printf("%s/loop", f->dir), *fifo = mem_printf("%s/fifo", f->dir);

	put_file(f, "raw", "data", 4, 0644);
	assert_int_equal(symlink("loop", loop), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(tree_add(f->dir, "directory/\n"), 0);
	read_files(f, "[disk \"a\"]\nfile = @/raw\n[disk \"b\"]\nfile = @/missing\n[disk "
		      "\"c\"]\nfile = @/raw/below\n"
		      "[disk \"d\"]\nfile = @/fifo\n[disk \"e\"]\nfile = @/directory\n[disk "
		      "\"f\"]\nfile = @/loop\n"
		      "[disk \"g\"]\nfile = /dev/null\n");
	assert_int_equal(fact(f, "raw")->type, FILE_REGULAR);
	assert_int_equal(fact(f, "raw")->size, 4);
	assert_true(fact(f, "raw")->writable);
	assert_false(fact(f, "raw")->qcow2);
	assert_int_equal(fact(f, "missing")->type, FILE_MISSING);
	assert_int_equal(fact(f, "missing")->error, ENOENT);
	assert_int_equal(fact(f, "raw/below")->type, FILE_MISSING);
	assert_int_equal(fact(f, "fifo")->type, FILE_OTHER);
	assert_int_equal(fact(f, "directory")->type, FILE_OTHER);
	assert_int_equal(fact(f, "loop")->type, FILE_UNREADABLE);
	assert_int_equal(fact(f, "loop")->error, ELOOP);
	assert_int_equal(facts_file(&f->facts, "/dev/null")->type, FILE_OTHER);
	assert_null(facts_file(&f->facts, "/never/named"));
}

// One inode has one identity, by whatever name.
static void test_identity(void **state)
{
	struct fixture *f = *state;

	put_file(f, "raw", "data", 4, 0600);
	put_file(f, "other", "data", 4, 0600);
	assert_true(run(f, "ln -s raw link && ln raw hard"));
	read_files(f, "[disk \"a\"]\nfile = @/raw\n[disk \"b\"]\nfile = @/link\n[disk \"c\"]\nfile "
		      "= @/hard\n"
		      "[disk \"d\"]\nfile = @/other\n");
	assert_true(fact(f, "raw")->ino == fact(f, "link")->ino);
	assert_true(fact(f, "raw")->ino == fact(f, "hard")->ino);
	assert_true(fact(f, "raw")->dev == fact(f, "hard")->dev);
	assert_true(fact(f, "raw")->ino != fact(f, "other")->ino);
}

static void test_who_may_read(void **state)
{
	static const struct {
		mode_t mode;
		uid_t uid, gid;
		bool may;
	} rows[] = {
		{ 0644, 1, 1, true },	   { 0640, 1, 1, false },    { 0640, 1, 23456, true },
		{ 0604, 1, 23456, false }, { 0400, 12345, 1, true }, { 0044, 12345, 23456, false },
	};
	struct fixture *f = *state;
	AUTO_FREE char *path = mem_printf("%s/k", f->dir);

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put_file(f, "k", "kernel", 6, rows[i].mode);
		assert_int_equal(chown(path, rows[i].uid, rows[i].gid), 0);
		read_files(f, "[boot]\nkernel = @/k\n");
		assert_int_equal(fact(f, "k")->guest_readable, rows[i].may);
		files_finish(&f->facts);
		profile_finish(&f->profile);
	}
}

static void test_backing_chain(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *mid = mem_printf("%s/sub/mid", f->dir),
		       *base = mem_printf("%s/sub/base", f->dir);

	if (!run(f, "mkdir sub && qemu-img create -f raw sub/base 1M && cd sub && "
		    "qemu-img create -f qcow2 -b base -F raw mid && cd .. && "
		    "qemu-img create -f qcow2 -o compat=0.10 -b sub/mid -F qcow2 top"))
		skip();
	read_files(f, "[disk \"a\"]\nfile = @/top\n");
	assert_int_equal(f->facts.n_files, 4); // and the variables
	assert_true(fact(f, "top")->qcow2);
	assert_string_equal(fact(f, "top")->backing, mid);
	assert_string_equal(fact(f, "top")->backing_format, "qcow2");
	assert_null(fact(f, "top")->unsupported);
	assert_string_equal(fact(f, "sub/mid")->backing, base);
	assert_string_equal(fact(f, "sub/mid")->backing_format, "raw");
	assert_false(fact(f, "sub/base")->qcow2);
	assert_int_equal(fact(f, "sub/base")->type, FILE_REGULAR);
}

static void test_chain_that_bites_its_tail(void **state)
{
	struct fixture *f = *state;

	if (!run(f, "qemu-img create -f qcow2 a 1M && qemu-img create -f qcow2 -b a -F qcow2 b && "
		    "qemu-img rebase -u -b b -F qcow2 a"))
		skip();
	read_files(f, "[disk \"a\"]\nfile = @/a\n");
	assert_non_null(fact(f, "a")->backing);
	assert_non_null(fact(f, "b")->backing);
}

static void test_images_that_are_not_ours(void **state)
{
	struct fixture *f = *state;

	if (!run(f, "qemu-img create -f qcow2 --object secret,id=s,data=x -o "
		    "encrypt.format=aes,encrypt.key-secret=s "
		    "aes 1M && qemu-img create -f qcow2 -o data_file=data,data_file_raw=on outside "
		    "1M && "
		    "qemu-img create -u -f qcow2 -b nbd://127.0.0.1:9/x -F raw net 1M"))
		skip();
	read_files(f, "[disk \"a\"]\nfile = @/aes\n[disk \"b\"]\nfile = @/outside\n[disk "
		      "\"c\"]\nfile = @/net\n");
	assert_string_equal(fact(f, "aes")->unsupported, "is encrypted");
	assert_string_equal(fact(f, "outside")->unsupported, "keeps its data in another file");
	assert_string_equal(fact(f, "net")->unsupported, "has a backing image that is no file");
	assert_null(fact(f, "net")->backing);
}

static void test_boot_media(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE struct medium *disk = medium_new(), *cd = medium_new(), *blank = medium_new();

	medium_put_gpt(disk, 512, 65536);
	medium_put_fat(disk, 65536, 16, "BOOTX64 EFI");
	medium_put_iso(cd, 0, -1);
	put_file(f, "disk", disk->bytes, sizeof(disk->bytes), 0600);
	put_file(f, "cd", cd->bytes, sizeof(cd->bytes), 0600);
	put_file(f, "blank", blank->bytes, sizeof(blank->bytes), 0600);
	read_files(f, "[disk \"a\"]\nfile = @/disk\n[disk \"b\"]\nfile = @/blank\n[cdrom "
		      "\"c\"]\nfile = @/cd\n");
	assert_int_equal(fact(f, "disk")->boot, BOOT_EFI);
	assert_int_equal(fact(f, "blank")->boot, BOOT_BLANK);
	assert_int_equal(fact(f, "cd")->boot, BOOT_NO_EFI);
}

// A romfile of [pci] is looked into; whether it fits the card is not for here.
static void test_rom(void **state)
{
	struct fixture *f = *state;
	char rom[512] = "\x55\xaa\x01";

	rom[0x18] = 0x20;
	memcpy(rom + 0x20, "PCIR\xde\x10\xc2\x13", 8);
	rom[0x20 + 16] = 1;
	rom[0x20 + 21] = (char)0x80;
	put_file(f, "card.rom", rom, sizeof(rom), 0644);
	put_file(f, "other.rom", "no ROM", 6, 0644);
	read_files(f, "[pci \"06:00.0\"]\nromfile = @/card.rom\n"
		      "[pci \"07:00.0\"]\nromfile = @/other.rom\n"
		      "[pci \"08:00.0\"]\nromfile = @/missing.rom\n[disk \"a\"]\nfile = @/x\n");
	assert_true(fact(f, "card.rom")->is_rom);
	assert_int_equal(fact(f, "card.rom")->rom.count, 1);
	assert_non_null(rom_find_device(&fact(f, "card.rom")->rom, 0x10de, 0x13c2));
	assert_true(fact(f, "other.rom")->is_rom);
	assert_int_equal(fact(f, "other.rom")->rom.count, 0);
	assert_false(fact(f, "missing.rom")->is_rom);
	assert_false(fact(f, "x")->is_rom);
}

static uint64_t hash_of(struct fixture *f, const char *data, size_t size)
{
	uint64_t hash;

	put_file(f, "code", data, size, 0644);
	read_files(f, "[firmware]\ncode = @/code\ntemplate = @/template\nvars = @/vars\n");
	assert_true(fact(f, "code")->hashed);
	assert_false(fact(f, "template")->hashed);
	hash = fact(f, "code")->hash;
	files_finish(&f->facts);
	profile_finish(&f->profile);
	return hash;
}

static void test_hash(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *data = mem_new(1, 70001);
	uint64_t whole, last, first;

	put_file(f, "template", "t", 1, 0644);
	memset(data, 'x', 70001);
	whole = hash_of(f, data, 70001);
	assert_true(hash_of(f, data, 70001) == whole);
	data[70000] ^= 1;
	last = hash_of(f, data, 70001);
	data[70000] ^= 1;
	data[0] ^= 1;
	first = hash_of(f, data, 70001);
	assert_true(whole != last && whole != first && first != last);
	assert_true(hash_of(f, data, 65536) != hash_of(f, data, 65535));
}

static void test_chosen_firmware_and_its_variables(void **state)
{
	static char format[] = "raw";
	struct fixture *f = *state;
	AUTO_FREE char *good = mem_printf("%s/good", f->dir),
		       *better = mem_printf("%s/better", f->dir);
	AUTO_FREE char *vars = mem_printf("%s/template", f->dir);
	AUTO_FREE char *copy = mem_printf("%s/state/demo_VARS.fd", f->dir);
	struct plan_vars made = { .used = true,
				  .create = true,
				  .path = copy,
				  .template = vars,
				  .code = good,
				  .code_size = 4,
				  .code_hash = 5 };

	put_file(f, "good", "good", 4, 0644);
	put_file(f, "better", "good", 4, 0644);
	put_file(f, "template", "vars", 4, 0644);
	assert_int_equal(vars_create(&made, NULL), 0);
	f->facts.firmwares.count = 2;
	f->facts.firmwares.items = mem_new(2, sizeof(struct firmware));
	f->facts.firmwares.items[0] = (struct firmware){ .code = better,
							 .vars_template = vars,
							 .code_format = format,
							 .vars_format = format,
							 .i440fx = true };
	f->facts.firmwares.items[1] = (struct firmware){ .code = good,
							 .vars_template = vars,
							 .code_format = format,
							 .vars_format = format,
							 .q35 = true };
	read_files(f, "");
	assert_true(fact(f, "good")->hashed);
	assert_null(facts_file(&f->facts, better));
	assert_int_equal(fact(f, "template")->type, FILE_REGULAR);
	assert_int_equal(fact(f, "state/demo_VARS.fd")->size, 4);
	assert_true(f->facts.vars.found);
	assert_string_equal(f->facts.vars.code, good);
	files_finish(&f->facts);
	profile_finish(&f->profile);

	// With a kernel there is no UEFI unless it is asked for.
	put_file(f, "k", "kernel", 6, 0644);
	read_files(f, "[boot]\nkernel = @/k\n");
	assert_int_equal(f->facts.n_files, 1);
	assert_false(f->facts.vars.found);
}

static void test_captured_machine(void **state)
{
	struct fixture *f = *state;

	put_file(f, "raw", "data", 4, 0600);
	root_finish(&f->root);
	assert_int_equal(root_open(&f->root, f->dir, NULL), 0);
	read_files(f, "[disk \"a\"]\nfile = @/raw\n");
	assert_int_equal(f->facts.n_files, 0);
	assert_null(f->facts.passt);
}

static void test_block_device(void **state)
{
	struct fixture *f = *state;
	char device[64] = "", text[160];
	AUTO_FREE char *out = NULL;
	const struct file_fact *file;

	if (geteuid() != 0 || !run(f, "truncate -s 3M image && losetup -r -f --show image"))
		skip();
	out = tree_read(f->dir, "out");
	assert_int_equal(sscanf(out, "%63s", device), 1);
	snprintf(text, sizeof(text), "[disk \"a\"]\nfile = %s\n", device);
	read_files(f, text);
	snprintf(text, sizeof(text), "losetup -d %s", device);
	assert_true(run(f, text));
	file = facts_file(&f->facts, device);
	assert_int_equal(file->type, FILE_BLOCK);
	assert_int_equal(file->size, 3 << 20);
	assert_false(file->writable);
	assert_int_equal(file->ino, 0);
	assert_int_equal(file->boot, BOOT_BLANK);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_kinds_of_files),
		TEST(test_identity),
		TEST(test_who_may_read),
		TEST(test_backing_chain),
		TEST(test_chain_that_bites_its_tail),
		TEST(test_images_that_are_not_ours),
		TEST(test_boot_media),
		TEST(test_rom),
		TEST(test_hash),
		TEST(test_chosen_firmware_and_its_variables),
		TEST(test_captured_machine),
		TEST(test_block_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
