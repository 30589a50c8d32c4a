// SPDX-License-Identifier: MIT
// Owns the scope-bound release of memory, descriptors and streams; refuses to hide control flow.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

// Closes *fd if it is not negative, keeps errno.
static inline void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define AUTO_FREE   CLEANUP(cleanup_free)
#define AUTO_CLOSE  CLEANUP(cleanup_close)
#define AUTO_FCLOSE CLEANUP(cleanup_fclose)
#define AUTO_CLOSEDIR CLEANUP(cleanup_closedir)

// Hands the pointer on and leaves NULL behind.
#define take(ptr)                              \
	({                                     \
		__typeof__(ptr) *_from = &(ptr); \
		__typeof__(ptr) _value = *_from; \
		*_from = NULL;                 \
		_value;                        \
	})

// Hands the descriptor on and leaves -1 behind.
static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
