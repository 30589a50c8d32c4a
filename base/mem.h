// SPDX-License-Identifier: MIT
// Owns allocation. Refuses to fail: out of memory aborts, which the journal makes safe.
#pragma once

#include <stddef.h>

void *mem_new(size_t count, size_t size) __attribute__((malloc, returns_nonnull)); // zeroed
void *mem_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *mem_dup(const char *text) __attribute__((malloc)); // NULL gives NULL
char *mem_dupn(const char *text, size_t n) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

// Makes memory that is about to be written present in one go, where the kernel can (Linux 5.14); it is the same
// without, only a page fault slower for each page.
void mem_populate(void *from, size_t size);

// The same for the program as a whole: its code and its libraries', their data, the heap, and the stack as deep as it
// will be. First out of main, which says where the stack begins. Not after fork: what is written then is copied as it
// is, which costs less than all of it.
void mem_populate_program(void);

// Frees *slot and puts a copy of text (or NULL) there.
void mem_set(char **slot, const char *text);

// Makes room for one more element behind `count` used ones; doubles. Returns that element, zeroed.
#define MEM_PUSH(array, count)                                                          \
	({                                                                              \
		(array) = mem_grow((array), (count), sizeof(*(array)));                 \
		&(array)[(count)++];                                                    \
	})
void *mem_room(size_t count, size_t size) __attribute__((malloc, returns_nonnull)); // empty, for `count` of them
void *mem_grow(void *array, size_t count, size_t size) __attribute__((returns_nonnull));
