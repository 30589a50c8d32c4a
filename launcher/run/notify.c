// SPDX-License-Identifier: MIT
#include "launcher/run/notify.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

// The protocol is one datagram and promised to stay so (sd_notify(3), "Notes"): libsystemd would cost
// the resident keeper more than these lines.
void notify_systemd(const char *fmt, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_STR struct str text = { 0 };
	AUTO_CLOSE int fd = -1;
	size_t n;
	va_list ap;

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	n = strlen(path);
	memcpy(address.sun_path, path, n);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	va_start(ap, fmt);
	str_addv(&text, fmt, ap);
	va_end(ap);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		sendto(fd, str_text(&text), text.len, MSG_NOSIGNAL, (struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}
