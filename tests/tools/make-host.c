// SPDX-License-Identifier: MIT
// Writes a made-up machine for `vfiorun --root`:
//     make-host DIR [--cpus N] [--threads N] [--apart] [--sockets N] [--nodes N] [--l3-cores N] [--pci N]
// DIR is made and must not be there yet. Without options it is the benchmark's machine.
#include "tests/unit/bighost.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool parse_options(int argc, char **argv, struct big_host *host)
{
	int *const numbers[] = { &host->cpus,  &host->threads,	&host->sockets,
				 &host->nodes, &host->l3_cores, &host->pci };
	enum { APART = ARRAY_SIZE(numbers) };
	static const struct option options[] = {
		{ "cpus", required_argument, NULL, 0 },	   { "threads", required_argument, NULL, 1 },
		{ "sockets", required_argument, NULL, 2 }, { "nodes", required_argument, NULL, 3 },
		{ "l3-cores", required_argument, NULL, 4 }, { "pci", required_argument, NULL, 5 },
		{ "apart", no_argument, NULL, APART },	   { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == APART)
			host->apart = true;
		else if (option > APART || !str_parse_int(optarg, numbers[option]))
			return false;
	}
	return optind + 1 == argc;
}

int main(int argc, char **argv)
{
	struct big_host host = {
		.cpus = 1024, .threads = 2, .sockets = 4, .nodes = 16, .l3_cores = 8, .pci = 4096,
	};
	int r;

	if (!parse_options(argc, argv, &host)) {
		fprintf(stderr, "usage: make-host DIR [--cpus N] [--threads N] [--apart] "
				"[--sockets N] [--nodes N] [--l3-cores N] [--pci N]\n");
		return 2;
	}
	if (mkdir(argv[optind], 0755) < 0) {
		perror(argv[optind]);
		return 1;
	}
	r = big_host_make(argv[optind], &host);
	if (r < 0)
		fprintf(stderr, "make-host: %s\n", strerror(-r));
	return r < 0;
}
