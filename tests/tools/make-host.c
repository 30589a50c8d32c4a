// SPDX-License-Identifier: MIT
// Writes a made-up machine for `vfiorun --root`:
//     make-host DIR [--cpus N] [--threads N] [--apart] [--sockets N] [--nodes N] [--l3-cores N] [--pci N]
//     make-host DIR --manifest FILE	one of tests/hosts
// DIR is made and must not be there yet. Without options it is the benchmark's machine.
#include "tests/unit/bighost.h"
#include "tests/unit/tree.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MANIFEST_MAX = 1 << 20 };

static bool parse_options(int argc, char **argv, struct big_host *host, const char **manifest)
{
	int *const numbers[] = { &host->cpus,  &host->threads,	&host->sockets,
				 &host->nodes, &host->l3_cores, &host->pci };
	enum { APART = ARRAY_SIZE(numbers), MANIFEST };
	static const struct option options[] = {
		{ "cpus", required_argument, NULL, 0 },	   { "threads", required_argument, NULL, 1 },
		{ "sockets", required_argument, NULL, 2 }, { "nodes", required_argument, NULL, 3 },
		{ "l3-cores", required_argument, NULL, 4 }, { "pci", required_argument, NULL, 5 },
		{ "apart", no_argument, NULL, APART },	   { "manifest", required_argument, NULL, MANIFEST },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == APART)
			host->apart = true;
		else if (option == MANIFEST)
			*manifest = optarg;
		else if (option > APART || !str_parse_int(optarg, numbers[option]))
			return false;
	}
	return optind + 1 == argc;
}

static int add_manifest(const char *dir, const char *manifest)
{
	AUTO_STR struct str text = { 0 };
	int r = io_read_file(AT_FDCWD, manifest, &text, MANIFEST_MAX, NULL);

	return r < 0 ? r : tree_add(dir, str_text(&text));
}

int main(int argc, char **argv)
{
	struct big_host host = {
		.cpus = 1024, .threads = 2, .sockets = 4, .nodes = 16, .l3_cores = 8, .pci = 4096,
	};
	const char *manifest = NULL;
	int r;

	if (!parse_options(argc, argv, &host, &manifest)) {
		fprintf(stderr, "usage: make-host DIR [--cpus N] [--threads N] [--apart] [--sockets N] "
				"[--nodes N] [--l3-cores N] [--pci N] | --manifest FILE\n");
		return 2;
	}
	if (mkdir(argv[optind], 0755) < 0) {
		perror(argv[optind]);
		return 1;
	}
	r = manifest ? add_manifest(argv[optind], manifest) : big_host_make(argv[optind], &host);
	if (r < 0)
		fprintf(stderr, "make-host: %s\n", strerror(-r));
	return r < 0;
}
