// SPDX-License-Identifier: MIT
#include "launcher/argv/argv.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <string.h>
#include <sys/un.h>

void argv_add_value(struct str *out, const char *value)
{
	for (; *value; value++) {
		if (*value == ',')
			str_addc(out, ',');
		str_addc(out, *value);
	}
}

char *argv_escape(const char *value)
{
	struct str out = { 0 };

	argv_add_value(&out, value);
	return str_take(&out);
}

void argv_add_pair(struct argv_build *b, const char *option, const char *executed,
		   const char *pasted)
{
	strv_add(&b->plan->argv, option);
	strv_add(&b->plan->argv, executed);
	strv_add(&b->plan->argv_paths, option);
	strv_add(&b->plan->argv_paths, pasted);
}

void argv_add(struct argv_build *b, const char *option, const char *fmt, ...)
{
	AUTO_STR struct str value = { 0 };
	va_list ap;

	va_start(ap, fmt);
	str_addv(&value, fmt, ap);
	va_end(ap);
	argv_add_pair(b, option, str_text(&value), str_text(&value));
}

void argv_add_flag(struct argv_build *b, const char *option)
{
	strv_add(&b->plan->argv, option);
	strv_add(&b->plan->argv_paths, option);
}

__attribute__((format(printf, 6, 0)))
static struct diag *add_diag(struct argv_build *b, enum diag_level level, const char *code,
			     const char *section, const char *key, const char *fmt, va_list ap)
{
	struct diags *diags = level == DIAG_WARNING ? &b->plan->warnings : b->diags;
	AUTO_STR struct str text = { 0 };

	str_addv(&text, fmt, ap);
	return diag_add(diags, level, code, profile_where(b->profile, section, NULL, key), "%s",
			str_text(&text));
}

struct diag *argv_error(struct argv_build *b, const char *code, const char *section,
			const char *key, const char *fmt, ...)
{
	struct diag *diag;
	va_list ap;

	va_start(ap, fmt);
	diag = add_diag(b, DIAG_ERROR, code, section, key, fmt, ap);
	va_end(ap);
	return diag;
}

struct diag *argv_host_error(struct argv_build *b, const char *code, const char *section,
			     const char *key, const char *fmt, ...)
{
	struct diag *diag;
	va_list ap;

	va_start(ap, fmt);
	diag = add_diag(b, DIAG_HOST_ERROR, code, section, key, fmt, ap);
	va_end(ap);
	return diag;
}

struct diag *argv_warn(struct argv_build *b, const char *code, const char *section, const char *key,
		       const char *fmt, ...)
{
	struct diag *diag;
	va_list ap;

	va_start(ap, fmt);
	diag = add_diag(b, DIAG_WARNING, code, section, key, fmt, ap);
	va_end(ap);
	return diag;
}

void argv_add_usb(struct argv_build *b)
{
	if (!b->usb)
		argv_add(b, "-device", "qemu-xhci,id=usb");
	b->usb = b->plan->usb = true;
}

char *argv_socket_path(struct argv_build *b, const char *name)
{
	char *path = mem_printf("%s/%s", b->facts->run_dir, name);
	size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (strlen(path) >= room) {
		struct diag *diag = argv_host_error(
			b, "socket-path", "vm", "name",
			"the socket %s has a path of %zu bytes; unix sockets take %zu", path,
			strlen(path), room - 1);

		diag_hint(
			diag,
			"give the guest a shorter name, or set XDG_RUNTIME_DIR to a shorter path");
	}
	return path;
}
