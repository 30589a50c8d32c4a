// SPDX-License-Identifier: MIT
// Owns the question which network card the host's default route goes through, also below a bridge or bond.
// Refuses to know addresses.
#pragma once

struct root;
struct strv;

// Appends "eth0 has the default route" or "eth0 carries br0, which has the default route" if so. Sources: Linux 6.1
// net/ipv4/fib_trie.c, net/ipv6/route.c (/proc/net/{route,ipv6_route}), Documentation/ABI/testing/sysfs-class-net.
void route_uses(struct root *root, const char *interface, struct strv *uses);
