// SPDX-License-Identifier: MIT
#include "launcher/guest/tap.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void set_name(struct ifreq *request, const char *name)
{
	strncpy(request->ifr_name, name, IFNAMSIZ - 1);
}

static int explain(int code, const char *ifname, bool multi_queue, struct err *err)
{
	const char *name = ifname ? ifname : "a new tap";

	err_sys(err, code, "tap %s", name);
	if (code == -EPERM)
		err_hint(err, "start vfiorun as root, or make it yours: ip tuntap add dev tap0 "
			      "mode tap user $USER");
	else if (code == -EINVAL)
		err_hint(err,
			 multi_queue
				 ? "it was made with one queue: write queues = 1, or make it anew "
				   "with multi_queue"
				 : "it is no tap, or was made with multi_queue: write queues = 2");
	else if (code == -EBUSY)
		err_hint(err, "another program has it open; name another ifname");
	return code;
}

static int up_and_join(const char *name, const char *bridge, struct err *err)
{
	AUTO_CLOSE int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (sock < 0)
		return err_sys(err, -errno, "tap %s", name);
	set_name(&request, bridge);
	request.ifr_ifindex = (int)if_nametoindex(name);
	// EBUSY: a queue before this one has joined it already.
	if (request.ifr_ifindex == 0 ||
	    (ioctl(sock, SIOCBRADDIF, &request) < 0 && errno != EBUSY)) {
		int code = -errno;

		err_sys(err, code, "joining the tap %s to the bridge %s", name, bridge);
		if (code == -ENODEV || code == -EOPNOTSUPP)
			err_hint(err,
				 "`ip link show type bridge` lists what is there; ip link add %s "
				 "type bridge makes it",
				 bridge);
		return code;
	}
	memset(&request, 0, sizeof(request));
	set_name(&request, name);
	if (ioctl(sock, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(sock, SIOCSIFFLAGS, &request) == 0)
			return 0;
	}
	return err_sys(err, -errno, "bringing up the tap %s", name);
}

int tap_open(const char *ifname, const char *bridge, bool multi_queue, char name_out[IFNAMSIZ],
	     struct err *err)
{
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int r;

	if (fd < 0) {
		r = err_sys(err, -errno, "/dev/net/tun");
		if (r == -ENOENT || r == -ENODEV)
			err_hint(err, "modprobe tun");
		return r;
	}
	if (multi_queue)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	set_name(&request, ifname ? ifname : "vfiorun%d");
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return explain(-errno, ifname, multi_queue, err);
	memcpy(name_out, request.ifr_name, IFNAMSIZ);
	name_out[IFNAMSIZ - 1] = '\0';
	r = bridge ? up_and_join(name_out, bridge, err) : 0;
	return r < 0 ? r : take_fd(&fd);
}
