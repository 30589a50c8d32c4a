// SPDX-License-Identifier: MIT
#include "base/mem.h"

#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *check(void *p)
{
	if (!p) {
		fputs("vfiorun: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *mem_new(size_t count, size_t size)
{
	return check(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *old, size_t count, size_t size)
{
	return check(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *mem_dup(const char *text)
{
	return text ? check(strdup(text)) : NULL;
}

char *mem_dupn(const char *text, size_t n)
{
	return check(strndup(text, n));
}

char *mem_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return check(text);
}

static void populate(uintptr_t from, uintptr_t to, int how)
{
	const uintptr_t page = 4096;

	from &= ~(page - 1);
	if (to > from)
		madvise((void *)from, to - from, how);
}

void mem_populate(void *from, size_t size)
{
	populate((uintptr_t)from, (uintptr_t)from + size, MADV_POPULATE_WRITE);
}

// What the loader made read-only once it was done (PT_GNU_RELRO) lies at the start of what may be written.
static uintptr_t end_of_relro(const struct dl_phdr_info *object)
{
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];

		if (part->p_type == PT_GNU_RELRO)
			return object->dlpi_addr + part->p_vaddr + part->p_memsz;
	}
	return 0;
}

static int populate_object(struct dl_phdr_info *object, size_t size, void *unused)
{
	uintptr_t relro = end_of_relro(object);

	(void)size;
	(void)unused;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t from = object->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;

		if (part->p_type == PT_LOAD && part->p_flags & PF_W)
			populate(relro > from && relro < to ? relro : from, to, MADV_POPULATE_WRITE);
		else if (part->p_type == PT_LOAD)
			populate(from, to, MADV_POPULATE_READ);
	}
	return 0;
}

void mem_populate_program(void)
{
	enum { STACK = 112 << 10, HEAP = 96 << 10 };
	const char *heap = sbrk(0);
	volatile char deep[STACK];

	mallopt(M_TOP_PAD, HEAP);
	free(mem_new(1, 1)); // there is a heap from here on
	deep[0] = 0;	     // the stack's mapping grows to here
	populate((uintptr_t)deep, (uintptr_t)__builtin_frame_address(0), MADV_POPULATE_WRITE);
	populate((uintptr_t)heap, (uintptr_t)sbrk(0), MADV_POPULATE_WRITE);
	dl_iterate_phdr(populate_object, NULL);
}

void mem_set(char **slot, const char *text)
{
	char *copy = mem_dup(text);

	free(*slot);
	*slot = copy;
}

// Capacity is implied: powers of two from 4 on, so growth happens when count reaches one.
void *mem_room(size_t count, size_t size)
{
	size_t capacity = 4;

	while (capacity < count)
		capacity *= 2;
	return mem_resize(NULL, capacity, size);
}

void *mem_grow(void *array, size_t count, size_t size)
{
	if (!array || (count >= 4 && (count & (count - 1)) == 0))
		array = mem_resize(array, count < 4 ? 4 : count * 2, size);
	memset((char *)array + count * size, 0, size);
	return array;
}
