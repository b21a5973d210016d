/* SPDX-License-Identifier: MIT */
/*
 * tunneld: keeps this host's WireGuard tunnels to the configuration servers of its zone.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/attr.h"
#include "common/files.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "config.h"
#include "tunneld/host/agent.h"
#include "tunneld/host/hostconf.h"

#define MAIN_EXIT_CONFIG 2
#define MAIN_EXIT_USAGE 64

struct main_options {
	const char *config;
	struct agent_paths paths;
	bool check;
	enum log_level level;
};

static void main_usage(FILE *to)
{
	fputs("usage: tunneld [options]\n"
	      "\n"
	      "  --config FILE      " HOSTCONF_PATH "\n"
	      "  --state-dir DIR    /var/lib/postern\n"
	      "  --run-dir DIR      /run/postern\n"
	      "  --check            read the configuration, say what is wrong, end\n"
	      "  --print-config     print every key with its default and meaning, end\n"
	      "  --foreground       accepted for symmetry; tunneld never goes to the background\n"
	      "  --verbose          log more\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit status: 0 ended by a signal, 1 cannot run, 2 configuration not usable,\n"
	      "64 wrong usage.\n",
	      to);
}

static const struct option main_long_options[] = {
	{ "config", required_argument, NULL, 'c' },  { "state-dir", required_argument, NULL, 's' },
	{ "run-dir", required_argument, NULL, 'r' }, { "check", no_argument, NULL, 'k' },
	{ "print-config", no_argument, NULL, 'p' },  { "foreground", no_argument, NULL, 'f' },
	{ "verbose", no_argument, NULL, 'v' },       { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },       { 0 },
};

/* Gives -1 to go on, else the exit status. */
static int main_parse(int argc, char **argv, struct main_options *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "vhV", main_long_options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 's':
			ret->paths.state_dir = optarg;
			break;
		case 'r':
			ret->paths.run_dir = optarg;
			break;
		case 'k':
			ret->check = true;
			break;
		case 'p':
			hostconf_print_reference(stdout);
			return 0;
		case 'f':
			break;
		case 'v':
			ret->level = LOG_LEVEL_DEBUG;
			break;
		case 'h':
			main_usage(stdout);
			return 0;
		case 'V':
			puts("tunneld " POSTERN_VERSION);
			return 0;
		default:
			main_usage(stderr);
			return MAIN_EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	main_usage(stderr);
	return MAIN_EXIT_USAGE;
}

static int main_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int r = files_make_dir(path, mode);

	if (r == 0 && geteuid() == 0 && chown(path, uid, gid) < 0)
		r = -errno;
	if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r;
}

/* Makes the directories, then keeps CAP_NET_ADMIN and nothing else. */
static int main_drop(const struct hostconf *conf, const struct agent_paths *paths)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = 0;

	if (conf->user[0])
		r = sandbox_find_user(conf->user, &uid, &gid);
	if (r < 0) {
		log_error("[tunneld] user '%s' does not exist", conf->user);
		return r;
	}
	r = main_make_dir(paths->state_dir, 0750, uid, gid);
	/* Other programs have their run directories in it; the socket has a mode of its own. */
	if (r == 0)
		r = main_make_dir(paths->run_dir, 0755, uid, gid);
	if (r < 0 || !conf->user[0])
		return r;
	r = sandbox_drop(uid, gid, UINT64_C(1) << CAP_NET_ADMIN);
	if (r < 0)
		log_error("cannot change to user '%s' with CAP_NET_ADMIN: %s", conf->user,
			  strerror(-r));
	return r;
}

static void main_closep(struct agent **a)
{
	agent_close(*a);
}

static int main_serve(const struct hostconf *conf, const struct agent_paths *paths)
{
	_cleanup_(main_closep) struct agent *a = NULL;
	int r = main_drop(conf, paths);

	if (r == 0)
		r = sandbox_lock_privileges();
	if (r < 0)
		return r;
	r = agent_open(conf, paths, &a);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	return agent_run(a);
}

int main(int argc, char **argv)
{
	struct main_options options = {
		.config = HOSTCONF_PATH,
		.paths = { .state_dir = "/var/lib/postern", .run_dir = "/run/postern" },
		.level = LOG_LEVEL_INFO,
	};
	static struct hostconf conf;
	struct conf_error error;
	int r = main_parse(argc, argv, &options);

	if (r >= 0)
		return r;
	log_open("tunneld", options.level);
	signal(SIGPIPE, SIG_IGN);
	if (hostconf_load(options.config, &conf, &error) < 0) {
		log_error("%s", error.text);
		return MAIN_EXIT_CONFIG;
	}
	if (options.check) {
		printf("%s: configuration OK, %zu configuration servers\n", options.config,
		       conf.n_servers);
		return 0;
	}
	return main_serve(&conf, &options.paths) < 0 ? 1 : 0;
}
