/* SPDX-License-Identifier: MIT */
/*
 * gatewayctl: puts an entry on the deny-list of a configuration server. It changes that file and
 * nothing else; gatewayd notices by itself.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "certs/denyfile.h"
#include "common/attr.h"
#include "common/printed.h"
#include "config.h"
#include "tunneld/gateway/gwconf.h"

#define GATEWAYCTL_EXIT_TROUBLE 1 /* nothing was changed, or what was could not be printed */
#define GATEWAYCTL_EXIT_CONFIG 2
#define GATEWAYCTL_EXIT_USAGE 64

static void gatewayctl_usage(FILE *to)
{
	fputs("usage: gatewayctl revoke principal NAME [--config FILE]\n"
	      "       gatewayctl revoke instance ID [--config FILE]\n"
	      "       gatewayctl revoke serial HEX [--config FILE]\n"
	      "       gatewayctl --version | --help\n"
	      "\n"
	      "Adds an entry to the deny-list that 'deny_file' in " GWCONF_PATH " names:\n"
	      "gatewayd cuts off whoever is listed within seconds. See gatewayctl(8).\n"
	      "Exit status: 0 listed, 1 not changed or not printed, 2 configuration not usable,\n"
	      "64 wrong usage.\n",
	      to);
}

static int gatewayctl_revoke(const char *config, const char *word, const char *value)
{
	_cleanup_(gwconf_freep) struct gwconf *conf = NULL;
	struct conf_error error = { .text = "out of memory" };
	char why[DENYLIST_ERROR_MAX] = "";
	int r;

	if (gwconf_load(config, &conf, &error) < 0) {
		fprintf(stderr, "gatewayctl: %s\n", error.text);
		return GATEWAYCTL_EXIT_CONFIG;
	}
	if (!*conf->deny_file) {
		fprintf(stderr,
			"gatewayctl: %s: 'deny_file' in [identity] is not set; make an empty file, "
			"name it there, and restart gatewayd\n",
			config);
		return GATEWAYCTL_EXIT_CONFIG;
	}
	r = denyfile_add(conf->deny_file, word, value, why);
	if (r < 0) {
		fprintf(stderr, "gatewayctl: %s; nothing was changed\n", why);
		return GATEWAYCTL_EXIT_TROUBLE;
	}
	printf("%s %s %s on %s; gatewayd cuts it off and refuses it within seconds: look for "
	       "PST-4007 and PST-2113 in its log\n",
	       word, value, r == DENYFILE_E_THERE ? "is already" : "is now", conf->deny_file);
	return 0;
}

static int gatewayctl_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *config = GWCONF_PATH;
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
		if (c == 'h') {
			gatewayctl_usage(stdout);
			return 0;
		}
		if (c == 'V') {
			puts("gatewayctl " POSTERN_VERSION);
			return 0;
		}
		if (c != 'c') {
			gatewayctl_usage(stderr);
			return GATEWAYCTL_EXIT_USAGE;
		}
		config = optarg;
	}
	if (argc - optind == 3 && !strcmp(argv[optind], "revoke"))
		return gatewayctl_revoke(config, argv[optind + 1], argv[optind + 2]);
	gatewayctl_usage(stderr);
	return GATEWAYCTL_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int r = gatewayctl_command(argc, argv);

	return printed_all("gatewayctl") || r ? r : GATEWAYCTL_EXIT_TROUBLE;
}
