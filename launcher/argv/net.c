// SPDX-License-Identifier: MIT
// Network cards and what they hang on. Without a [net] section a guest has no network: -nodefaults.
#include "launcher/argv/parts.h"

#include "base/cleanup.h"
#include "base/mem.h"

enum {
	QUEUES_AUTO_MAX = 4, // a queue more is a vhost thread more; past four only servers gain
	HELPER_FD = 3,	     // where a helper finds its end of the socket pair
};

struct net {
	const struct profile_net *net;
	size_t index;
	int queues;
	bool vhost;
};

static const struct {
	const char *word, *device;
	bool virtio;
} models[] = {
	{ "virtio", "virtio-net-pci", true }, { "virtio-net-pci", "virtio-net-pci", true },
	{ "e1000e", "e1000e", false },	      { "e1000", "e1000", false },
	{ "rtl8139", "rtl8139", false },
};

// The profile takes no other words.
static size_t model_of(const struct profile_net *net)
{
	size_t i = 0;

	while (net->model && i + 1 < ARRAY_SIZE(models) && !str_eq(net->model, models[i].word))
		i++;
	return i;
}

static struct image_place at_key(const struct profile_net *net, const char *key)
{
	return (struct image_place){ "net", net->title, key };
}

static bool check_model(struct argv_build *b, const struct profile_net *net)
{
	struct image_place place = at_key(net, "model");
	const char *device = models[model_of(net)].device;

	if (qemu_caps_has(&b->facts->qemu, "device/%s", device))
		return true;
	diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "net-model", &place, "this QEMU has no %s",
			       device),
		  "leave model away: virtio is always there");
	return false;
}

// 52:54:00 is what QEMU and libvirt take for guests. The same names give the same card, as a
// guest's own configuration expects.
static char *mac_of(const struct argv_build *b, const struct profile_net *net)
{
	uint64_t hash;

	if (net->mac)
		return mem_dup(net->mac);
	hash = str_hash(net->title, str_hash(b->profile->vm.name, 0));
	return mem_printf("52:54:00:%02x:%02x:%02x", (unsigned)(hash >> 16 & 0xff),
			  (unsigned)(hash >> 8 & 0xff), (unsigned)(hash & 0xff));
}

// --- queues

static bool is_tap(const struct profile_net *net)
{
	return net->type == NET_BRIDGE || net->type == NET_TAP;
}

// A tap that is there already decides itself how many queues it has: only one is safe to assume.
static int auto_queues(const struct argv_build *b, const struct profile_net *net)
{
	int n = b->placement->n_vcpus;

	if (!is_tap(net) || !models[model_of(net)].virtio || (net->type == NET_TAP && net->ifname))
		return 1;
	return n < 1 ? 1 : n > QUEUES_AUTO_MAX ? QUEUES_AUTO_MAX : n;
}

static bool check_queues(struct argv_build *b, const struct profile_net *net)
{
	struct image_place place = at_key(net, "queues");

	if (net->queues > 1 && !is_tap(net))
		diag_hint(argv_diag_at(b, DIAG_ERROR, "net-queues", &place,
				       "only a bridge or a tap can have several queues"),
			  "leave queues away, or write type = bridge");
	else if (net->queues > 1 && !models[model_of(net)].virtio)
		diag_hint(argv_diag_at(b, DIAG_ERROR, "net-queues", &place,
				       "a card of model %s has one queue", net->model),
			  "leave queues away, or write model = virtio");
	else
		return true;
	return false;
}

// --- backends: each adds its -netdev, or says why it can't

static bool check_tap(struct argv_build *b, const struct profile_net *net)
{
	struct image_place place = at_key(net, "type");

	// A tap that belongs to this user opens without the capability (tun_not_capable, Linux
	// drivers/net/tun.c).
	if (!b->facts->live || b->facts->can_net || (net->type == NET_TAP && net->ifname))
		return true;
	diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "net-privilege", &place,
			       "making a tap device needs root (CAP_NET_ADMIN)"),
		  "start vfiorun as root, or write type = user; for a tap of your own: ip tuntap "
		  "add dev tap0 mode tap "
		  "user $USER, then type = tap and ifname = tap0");
	return false;
}

static int add_tap_fd(struct argv_build *b, const struct net *n, enum plan_fd_kind kind, int queue)
{
	AUTO_FREE char *what =
		mem_printf("net %s%s", n->net->title, kind == PLAN_FD_TAP ? "" : ", vhost");
	struct plan_fd *fd = plan_add_fd(b->plan, kind, what,
					 kind == PLAN_FD_TAP ? "/dev/net/tun" : "/dev/vhost-net");

	fd->write = true;
	if (kind == PLAN_FD_TAP) {
		mem_set(&fd->ifname, n->net->ifname);
		mem_set(&fd->bridge, n->net->type == NET_BRIDGE ? n->net->bridge : NULL);
		fd->multi_queue = n->queues > 1;
		fd->queue = queue;
	}
	return fd->fd;
}

// ",fd=5" or ",fds=5:6:7"
static void add_fd_list(struct argv_build *b, const struct net *n, enum plan_fd_kind kind,
			const char *key, struct str *out)
{
	str_addf(out, ",%s%s=", key, n->queues > 1 ? "s" : "");
	for (int i = 0; i < n->queues; i++)
		str_addf(out, "%s%d", i ? ":" : "", add_tap_fd(b, n, kind, i));
}

static bool add_tap(struct argv_build *b, struct net *n)
{
	AUTO_STR struct str executed = { 0 }, pasted = { 0 };
	const struct profile_net *net = n->net;

	if (!check_tap(b, net))
		return false;
	// As libvirt: under emulation the kernel's data path has no fast way to the guest.
	n->vhost = b->kvm && b->facts->can_vhost && models[model_of(net)].virtio;
	n->queues = net->queues ? net->queues : n->vhost ? auto_queues(b, net) : 1;
	str_addf(&executed, "tap,id=net%zu", n->index);
	add_fd_list(b, n, PLAN_FD_TAP, "fd", &executed);
	if (n->vhost) {
		str_add(&executed, ",vhost=on");
		add_fd_list(b, n, PLAN_FD_VHOST, "vhostfd", &executed);
	}
	if (net->type == NET_BRIDGE && !net->ifname) {
		str_addf(&pasted, "bridge,id=net%zu,br=", n->index);
		argv_add_value(&pasted, net->bridge);
	} else {
		str_addf(&pasted, "tap,id=net%zu,script=no,downscript=no,vhost=%s", n->index,
			 n->vhost ? "on" : "off");
		if (net->ifname)
			str_add(&pasted, ",ifname=");
		argv_add_value(&pasted, net->ifname ? net->ifname : "");
		if (n->queues > 1)
			str_addf(&pasted, ",queues=%d", n->queues);
	}
	argv_add_pair(b, "-netdev", str_text(&executed), str_text(&pasted));
	return true;
}

// "tcp:[ADDRESS:]HOST:GUEST", checked by the profile → its parts, borrowed from text.
struct forward {
	const char *protocol, *address, *host, *guest;
};

static struct forward split_forward(struct strv *parts, const char *text)
{
	strv_split(parts, text, ":");
	if (parts->count == 4)
		return (struct forward){ parts->items[0], parts->items[1], parts->items[2],
					 parts->items[3] };
	return (struct forward){ parts->items[0], "", parts->items[1], parts->items[2] };
}

static bool add_user(struct argv_build *b, struct net *n)
{
	struct image_place place = at_key(n->net, "type");
	AUTO_STR struct str value = { 0 };

	if (!qemu_caps_has(&b->facts->qemu, "netdev/user")) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "net-user", &place,
				       "this QEMU was built without slirp"),
			  "write type = passt, or install a QEMU with user networking");
		return false;
	}
	str_addf(&value, "user,id=net%zu", n->index);
	for (size_t i = 0; i < n->net->forward.count; i++) {
		AUTO_STRV struct strv parts = { 0 };
		struct forward f = split_forward(&parts, n->net->forward.items[i]);

		str_addf(&value, ",hostfwd=%s:%s:%s-:%s", f.protocol, f.address, f.host, f.guest);
	}
	argv_add(b, "-netdev", "%s", str_text(&value));
	return true;
}

// passt does as QEMU's own user networking does, in a process of its own and several times as fast.
static void add_passt_helper(struct argv_build *b, const struct net *n)
{
	struct plan_helper *helper = MEM_PUSH(b->plan->helpers, b->plan->n_helpers);

	helper->name = mem_printf("passt%zu", n->index);
	strv_add(&helper->argv, b->facts->passt ? b->facts->passt : "passt");
	strv_add(&helper->argv, "--foreground");
	strv_add(&helper->argv, "--quiet");
	strv_add(&helper->argv, "--fd");
	strv_addf(&helper->argv, "%d", HELPER_FD);
	for (size_t i = 0; i < n->net->forward.count; i++) {
		AUTO_STRV struct strv parts = { 0 };
		struct forward f = split_forward(&parts, n->net->forward.items[i]);

		strv_add(&helper->argv, str_eq(f.protocol, "udp") ? "--udp-ports" : "--tcp-ports");
		strv_addf(&helper->argv, "%s%s%s:%s", f.address, *f.address ? "/" : "", f.host,
			  f.guest);
	}
}

static bool add_passt(struct argv_build *b, struct net *n)
{
	struct image_place place = at_key(n->net, "type");
	AUTO_FREE char *what = mem_printf("net %s, passt", n->net->title), *executed = NULL,
		       *pasted = NULL;
	struct plan_fd *fd;

	if (b->facts->live && !b->facts->passt) {
		diag_hint(argv_diag_at(b, DIAG_HOST_ERROR, "net-passt", &place,
				       "passt is not installed"),
			  "install the package passt, or write type = user");
		return false;
	}
	add_passt_helper(b, n);
	fd = plan_add_fd(b->plan, PLAN_FD_STREAM, what, NULL);
	fd->helper = (int)b->plan->n_helpers - 1;
	// Before 7.2 there was no stream netdev; the older one speaks the same frames, but says
	// nothing when its peer goes.
	if (qemu_caps_has(&b->facts->qemu, "netdev/stream")) {
		executed = mem_printf("stream,id=net%zu,server=off,addr.type=fd,addr.str=%d",
				      n->index, fd->fd);
		pasted = mem_printf(
			"stream,id=net%zu,server=off,addr.type=unix,addr.path=/tmp/passt_1.socket",
			n->index);
	} else {
		executed = mem_printf("socket,id=net%zu,fd=%d", n->index, fd->fd);
		pasted = mem_dup(executed);
	}
	argv_add_pair(b, "-netdev", executed, pasted);
	return true;
}

static void add_card(struct argv_build *b, const struct net *n)
{
	AUTO_FREE char *mac = mac_of(b, n->net);
	int boot = argv_boot_index(b->profile, BOOT_NET, n->index);
	AUTO_STR struct str card = { 0 };

	str_addf(&card, "%s,id=nic%zu,netdev=net%zu,mac=%s", models[model_of(n->net)].device,
		 n->index, n->index, mac);
	// A vector each for both directions of a queue, one for control, one for configuration
	// changes.
	if (n->queues > 1)
		str_addf(&card, ",mq=on,vectors=%d", 2 * n->queues + 2);
	// The network boot ROM costs time at every start, and its package may be missing.
	if (boot)
		str_addf(&card, ",bootindex=%d", boot);
	else
		str_add(&card, ",romfile=");
	argv_add(b, "-device", "%s", str_text(&card));
}

static bool (*const backends[])(struct argv_build *b, struct net *n) = {
	[NET_USER] = add_user,
	[NET_BRIDGE] = add_tap,
	[NET_TAP] = add_tap,
	[NET_PASST] = add_passt,
};

void argv_nets(struct argv_build *b)
{
	for (size_t i = 0; i < b->profile->n_nets; i++) {
		struct net n = { .net = &b->profile->nets[i], .index = i, .queues = 1 };

		if (n.net->type != NET_NONE && check_model(b, n.net) && check_queues(b, n.net) &&
		    backends[n.net->type](b, &n))
			add_card(b, &n);
	}
}
