// SPDX-License-Identifier: MIT
#include "input/codename.h"

#include "base/log.h"

#include <dlfcn.h>
#include <libevdev/libevdev.h>
#include <stdbool.h>
#include <stddef.h>

static struct {
	bool tried, usable;
	const char *(*get_name)(unsigned type, unsigned code);
	int (*from_name)(unsigned type, const char *name);
} library;

static bool is_loaded(void)
{
	void *handle;

	if (library.tried)
		return library.usable;
	library.tried = true;
	handle = dlopen("libevdev.so.2", RTLD_NOW | RTLD_LOCAL);
	if (handle) {
		*(void **)&library.get_name = dlsym(handle, "libevdev_event_code_get_name");
		*(void **)&library.from_name = dlsym(handle, "libevdev_event_code_from_name");
	}
	library.usable = library.get_name && library.from_name;
	if (!library.usable)
		log_error("no names of keys: %s (Debian's package is libevdev2)",
			  handle ? "libevdev.so.2 does not tell them" : dlerror());
	return library.usable;
}

const char *codename_of(unsigned type, unsigned code)
{
	return is_loaded() ? library.get_name(type, code) : NULL;
}

int codename_find(unsigned type, const char *name)
{
	return is_loaded() ? library.from_name(type, name) : -1;
}
