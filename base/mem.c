// SPDX-License-Identifier: MIT
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
