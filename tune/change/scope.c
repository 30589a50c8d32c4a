// SPDX-License-Identifier: MIT
#include "tune/change/scope.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

enum { PATIENCE_S = 30 };

// What is used of sd-bus(3), whose header need not be installed where this is built.
struct sd_bus_error {
	const char *name, *message;
	int need_free;
};

struct library {
	int (*new)(void **bus);
	int (*set_address)(void *bus, const char *address);
	int (*start)(void *bus);
	int (*call)(void *bus, const char *destination, const char *path, const char *interface,
		    const char *member, struct sd_bus_error *error, void **reply, const char *types, ...);
};

static int load(struct library *library, struct err *err)
{
	void *handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	const struct {
		const char *name;
		void *to;
	} symbols[] = {
		{ "sd_bus_new", &library->new },
		{ "sd_bus_set_address", &library->set_address },
		{ "sd_bus_start", &library->start },
		{ "sd_bus_call_method", &library->call },
	};

	if (!handle)
		return err_set(err, -ENOENT, "libsystemd is needed beside systemd: %s", dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(handle, symbols[i].name);

		if (!symbol)
			return err_set(err, -ENOENT, "libsystemd: %s", dlerror());
		*(void **)symbols[i].to = symbol;
	}
	return 0;
}

static bool is_whole(const struct library *library)
{
	return library->new && library->set_address && library->start && library->call;
}

static int connect_systemd(const struct library *library, void **bus, struct err *err)
{
	int r = library->new(bus);

	if (r >= 0)
		r = library->set_address(*bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = library->start(*bus);
	return r < 0 ? err_sys(err, r, "connecting to systemd") : 0;
}

#define MANAGER "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

// pid 0: stop it
struct request {
	const char *unit;
	pid_t pid;
	bool plain;
};

static int start(const struct library *library, void *bus, const struct request *request,
		 struct sd_bus_error *error)
{
	if (request->plain)
		return library->call(bus, MANAGER, "StartTransientUnit", error, NULL, "ssa(sv)a(sa(sv))",
				     request->unit, "fail", 4, "Description", "s",
				     "A guest of vfiorun that outlives the desktop it was started from", "Slice",
				     "s", "system.slice", "CollectMode", "s", "inactive-or-failed", "PIDs", "au", 1,
				     (uint32_t)request->pid, 0);
	// no default dependencies: at shutdown the guest is for its keeper to end
	return library->call(bus, MANAGER, "StartTransientUnit", error, NULL, "ssa(sv)a(sa(sv))", request->unit,
			     "fail", 6, "Description", "s", "A guest of vfiorun", "Slice", "s", "-.slice",
			     "Delegate", "b", 1, "DefaultDependencies", "b", 0, "CollectMode", "s",
			     "inactive-or-failed", "PIDs", "au", 1, (uint32_t)request->pid, 0);
}

static int ask(const struct request *request, struct err *err)
{
	struct sd_bus_error error = { 0 };
	struct library library = { 0 };
	void *bus = NULL;
	int r = load(&library, err);

	if (!is_whole(&library))
		return r < 0 ? r : -ENOENT;
	r = connect_systemd(&library, &bus, err);
	if (r < 0)
		return r;
	if (request->pid)
		r = start(&library, bus, request, &error);
	else
		r = library.call(bus, MANAGER, "StopUnit", &error, NULL, "ss", request->unit, "replace");
	if (r < 0 && error.message)
		return err_set(err, r, "systemd and %s: %s", request->unit, error.message);
	return r < 0 ? err_sys(err, r, "asking systemd for %s", request->unit) : 0;
}

static int ask_in_child(const struct request *request, struct err *err)
{
	struct err told = ERR_NONE;
	int report[2], status;
	ssize_t n;
	pid_t child;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "a pipe");
	child = fork();
	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(PATIENCE_S);
		told.code = ask(request, &told);
		io_write_all(report[1], &told, sizeof(told));
		_exit(0);
	}
	close(report[1]);
	if (child < 0) {
		close(report[0]);
		return err_sys(err, -errno, "asking systemd");
	}
	do
		n = read(report[0], &told, sizeof(told));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(told))
		return err_set(err, -ETIMEDOUT, "systemd did not answer about %s", request->unit);
	if (told.code < 0 && err)
		*err = told;
	return told.code;
}

int scope_start(const char *unit, pid_t pid, struct err *err)
{
	return ask_in_child(&(struct request){ .unit = unit, .pid = pid }, err);
}

int scope_start_plain(const char *unit, pid_t pid, struct err *err)
{
	return ask_in_child(&(struct request){ .unit = unit, .pid = pid, .plain = true }, err);
}

int scope_stop(const char *unit, struct err *err)
{
	return ask_in_child(&(struct request){ .unit = unit }, err);
}
