// SPDX-License-Identifier: MIT
#include "tune/host/landing.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static const char smaps[] =
	"555500000000-555500040000 r--p 00000000 fe:01 100     /usr/bin/qemu-system-x86_64\n"
	"Rss:                 256 kB\n"
	"VmFlags: rd mr mw me sd\n"
	"7f0000000000-7f0004000000 rwxp 00000000 00:00 0\n"
	"Rss:               65536 kB\n"
	"AnonHugePages:     65536 kB\n"
	"7f1000000000-7f1004000000 rw-p 00000000 00:00 0 \n"
	"Size:              65536 kB\n"
	"KernelPageSize:        4 kB\n"
	"Rss:               10240 kB\n"
	"AnonHugePages:      8192 kB\n"
	"ShmemPmdMapped:        0 kB\n"
	"Locked:             1024 kB\n"
	"VmFlags: rd wr mr mw me ac sd hg\n"
	"7f2000000000-7f2004000000 rw-p 00000000 00:0f 77      /memfd:memory-backend-memfd (deleted)\n"
	"KernelPageSize:     2048 kB\n"
	"Rss:                   0 kB\n"
	"Private_Hugetlb:   65536 kB\n"
	"7f3000000000-7f3004000000 rw-p 00000000 00:00 0 \n"
	"Rss:               65536 kB\n"
	"7f4000000000-7f4002000000 rw-s 00000000 00:01 78      /memfd:memory-backend-memfd (deleted)\n"
	"Rss:               32768 kB\n"
	"ShmemPmdMapped:    16384 kB\n";

static void what_is_of_the_right_size_is_counted(void **state)
{
	static const uint64_t sizes[] = { 64 * MIB, 32 * MIB, 64 * MIB };
	struct landing_range found[3];
	struct landing landing;

	(void)state;
	assert_int_equal(landing_parse(smaps, sizes, 3, &landing, found), 3);
	// code is none of it, and a third one of 64M neither
	assert_true(found[0].start == 0x7f1000000000 && found[0].present == 10 * MIB && found[0].page == 4096);
	assert_true(found[1].start == 0x7f2000000000 && found[1].present == 64 * MIB && found[1].page == 2 * MIB);
	assert_true(found[2].start == 0x7f4000000000 && found[2].present == 32 * MIB);
	assert_true(landing.bytes == 160 * MIB);
	assert_true(landing.present == 106 * MIB);
	assert_true(landing.huge == (8 + 64 + 16) * MIB);
	assert_true(landing.locked == MIB);
}

static void what_is_not_there_is_not_counted(void **state)
{
	const uint64_t size = 48 * MIB;
	struct landing_range found[1];
	struct landing landing;

	(void)state;
	assert_int_equal(landing_parse(smaps, &size, 1, &landing, found), 0);
	assert_int_equal(landing_parse("", &size, 1, &landing, found), 0);
	assert_int_equal(landing_parse("7f00-\n7f10000000-7f10 rw-p\nRss: 5 kB\n", &size, 1, &landing, found), 0);
	assert_true(landing.bytes == 0 && landing.present == 0);
}

// Of ourselves the kernel always tells.
static void our_own_memory_is_found(void **state)
{
	const uint64_t size = 7 * MIB;
	struct landing landing;
	struct err err = ERR_NONE;
	uint64_t sum = 0;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(memory != MAP_FAILED);
	// whole pages of their own on both sides, so that no neighbour is taken for a part of it
	mprotect(memory, 4096, PROT_NONE);
	mprotect(memory + size - 4096, 4096, PROT_NONE);
	memset(memory + 4096, 1, size / 2);
	if (landing_read(getpid(), &(uint64_t){ size - 8192 }, 1, &landing, &err) < 0)
		skip(); // a container may forbid move_pages(2)
	assert_true(landing.bytes == size - 8192);
	assert_in_range(landing.present, size / 2, size);
	for (int i = 0; i < NUMA_NODES_MAX; i++)
		sum += landing.by_node[i];
	assert_in_range(sum, landing.present - landing.present / 100, landing.present);
	munmap(memory, size);
}

static void who_is_gone_is_an_error(void **state)
{
	struct landing landing;
	struct err err = ERR_NONE;

	(void)state;
	assert_true(landing_read(0x7ffffffe, &(uint64_t){ MIB }, 1, &landing, &err) < 0);
	assert_true(*err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_of_the_right_size_is_counted),
		cmocka_unit_test(what_is_not_there_is_not_counted),
		cmocka_unit_test(our_own_memory_is_found),
		cmocka_unit_test(who_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
