// SPDX-License-Identifier: MIT
// Asks a QEMU what it can do and prints the words, for the fixtures in tests/qemu:
//	record-caps /usr/bin/qemu-system-x86_64 [CPU-MODEL to try under KVM]
#include "base/cleanup.h"
#include "base/err.h"
#include "qmp/probe.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct qemu_probe probe = { .path = argv[1], .cpu_model = argc > 2 ? argv[2] : NULL,
				    .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct qemu_caps caps = { 0 };
	struct err err = ERR_NONE;
	AUTO_STR struct str text = { 0 };

	if (argc < 2 || qemu_probe_binary(&probe, &caps, &err) < 0) {
		fprintf(stderr, "record-caps: %s\n", argc < 2 ? "which binary?" : err.text);
		return 1;
	}
	if (probe.cpu_model)
		qemu_probe_kvm(&probe, &caps);
	qemu_caps_print(&caps, &text);
	fputs(str_text(&text), stdout);
	qemu_caps_finish(&caps);
	return 0;
}
