/* SPDX-License-Identifier: MIT */
#include "common/workercli.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "config.h"

#define WORKERCLI_EXIT_USAGE 64

static int workercli_usage(FILE *to, const char *name, const char *parent, int exit_status)
{
	fprintf(to,
		"usage: %s [--user NAME[:GROUP]]\n"
		"Worker of %s; it is not started by hand. See %s(8).\n",
		name, parent, parent);
	return exit_status;
}

int workercli_read(int argc, char **argv, const char *name, const char *parent, uid_t *ret_uid,
		   gid_t *ret_gid)
{
	static const struct option options[] = {
		{ "user", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	uid_t uid = getuid();
	gid_t gid = getgid();
	struct stat st;
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
		if (c == 'V')
			return printf("%s %s\n", name, POSTERN_VERSION) < 0;
		if (c == 'h')
			return workercli_usage(stdout, name, parent, 0);
		if (c != 'u')
			return workercli_usage(stderr, name, parent, WORKERCLI_EXIT_USAGE);
		if (sandbox_find_user(optarg, &uid, &gid) < 0) {
			log_error("unknown user %s", optarg);
			return WORKERCLI_EXIT_USAGE;
		}
	}
	if (fstat(SPAWN_CHAN_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
		return workercli_usage(stderr, name, parent, WORKERCLI_EXIT_USAGE);
	*ret_uid = uid;
	*ret_gid = gid;
	return -1;
}
