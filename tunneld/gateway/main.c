/* SPDX-License-Identifier: MIT */
/*
 * gatewayd: ends the tunnels of a zone's hosts on a configuration server. This file reads the
 * command line, makes what needs root (directories, sockets, the starter), gives root away and
 * runs the keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attr.h"
#include "common/files.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "config.h"
#include "tunneld/gateway/gwconf.h"
#include "tunneld/gateway/keeper.h"
#include "tunneld/gateway/starter.h"

#define MAIN_EXIT_USAGE 64
#define MAIN_EXIT_CONFIG 2
#define MAIN_STATE_DIR "/var/lib/postern-gateway"
#define MAIN_RUN_DIR "/run/postern-gateway"

struct main_options {
	const char *config;
	const char *state_dir;
	const char *run_dir;
	bool check;
	bool verbose;
};

static void main_usage(FILE *to)
{
	fputs("usage: gatewayd [--config FILE] [--state-dir DIR] [--run-dir DIR] [--foreground]\n"
	      "                [--verbose]\n"
	      "       gatewayd --check [--config FILE]\n"
	      "       gatewayd --print-config | --version | --help\n"
	      "\n"
	      "Ends the tunnels of a zone's hosts on a configuration server. See gatewayd(8).\n"
	      "Exit status: 0 success, 1 failure, 2 configuration not usable, 64 wrong usage.\n",
	      to);
}

/* Gives -1 to go on, else the exit status. */
static int main_take_option(int c, struct main_options *o)
{
	switch (c) {
	case 'c':
		o->config = optarg;
		return -1;
	case 's':
		o->state_dir = optarg;
		return -1;
	case 'r':
		o->run_dir = optarg;
		return -1;
	case 'k':
		o->check = true;
		return -1;
	case 'v':
		o->verbose = true;
		return -1;
	case 'f': /* it always stays in the foreground */
		return -1;
	case 'p':
		gwconf_print_reference(stdout);
		return 0;
	case 'V':
		puts("gatewayd " POSTERN_VERSION);
		return 0;
	case 'h':
		main_usage(stdout);
		return 0;
	default:
		main_usage(stderr);
		return MAIN_EXIT_USAGE;
	}
}

static int main_parse(int argc, char **argv, struct main_options *o)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 'k' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, exit_status = -1;

	while (exit_status < 0 && (c = getopt_long(argc, argv, "hvV", options, NULL)) >= 0)
		exit_status = main_take_option(c, o);
	if (exit_status < 0 && optind < argc) {
		main_usage(stderr);
		exit_status = MAIN_EXIT_USAGE;
	}
	return exit_status;
}

/* One socket per worker on the same port; the kernel spreads the connections. */
static int main_bind(const struct gwconf *conf, int *ret)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6,
		.sin6_addr = conf->listen.addr,
		.sin6_port = htons(conf->listen.port),
	};
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

static int main_bind_all(const struct gwconf *conf, int fds[static GWCONF_WORKERS_MAX])
{
	char text[IP6_ENDPOINT_TEXT];
	int r = 0;

	for (uint32_t i = 0; i < conf->workers && r == 0; i++)
		r = main_bind(conf, &fds[i]);
	if (r < 0)
		log_error("[gateway] listen = %s: %s", ip6_format_endpoint(&conf->listen, text),
			  strerror(-r));
	return r;
}

static int main_fork_starter(const struct main_options *o, const struct gwconf *conf,
			     const int *fds, int *ret_fd)
{
	char path[FILES_PATH_MAX];
	const char *const argv[] = { "gatewayd-worker", "--config", o->config, NULL };
	const char *const probe_argv[] = { "gatewayd-worker", "--config", o->config, "--probe",
					   NULL };
	struct starter_spec spec = { .path = path,
				     .argv = argv,
				     .probe_argv = probe_argv,
				     .listen_fds = fds,
				     .n_slots = conf->workers };
	int r = spawn_find("gatewayd-worker", path, sizeof(path));

	if (r == 0 && access(path, X_OK) < 0)
		r = -errno;
	if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r < 0 ? r : starter_fork(&spec, ret_fd);
}

static int main_make_dir(const char *dir, mode_t mode, uid_t uid, gid_t gid)
{
	static const char *const files[] = { "gateway.key",   "leases.db",     "leases.db-wal",
					     "leases.db-shm", "gatewayd.prom", NULL };
	int r = files_make_dir(dir, mode);

	if (r == 0 && geteuid() == 0)
		r = files_give(dir, files, uid, gid);
	if (r < 0)
		log_error("%s: %s", dir, strerror(-r));
	return r;
}

/* Directories, then root goes. */
static int main_give_up_root(const struct main_options *o, const struct gwconf *conf)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = 0;

	if (*conf->user)
		r = sandbox_find_user(conf->user, &uid, &gid);
	if (r < 0) {
		log_error("[gateway] user: no user or group '%s'", conf->user);
		return r;
	}
	r = main_make_dir(o->state_dir, 0700, uid, gid);
	if (r == 0)
		r = main_make_dir(o->run_dir, 0755, uid, gid);
	if (r < 0)
		return r;
	umask(077);
	r = sandbox_drop(uid, gid, UINT64_C(1) << CAP_NET_ADMIN);
	if (r == 0)
		r = sandbox_lock_privileges();
	if (r < 0)
		log_error("cannot keep CAP_NET_ADMIN alone: %s", strerror(-r));
	return r;
}

static int main_run(const struct main_options *o, const struct gwconf *conf)
{
	int fds[GWCONF_WORKERS_MAX];
	struct keeper_spec spec = { .conf = conf,
				    .state_dir = o->state_dir,
				    .run_dir = o->run_dir };
	int r = main_bind_all(conf, fds);

	if (r == 0)
		r = main_fork_starter(o, conf, fds, &spec.starter_fd);
	if (r == 0)
		r = main_give_up_root(o, conf);
	return r < 0 ? r : keeper_run(&spec);
}

int main(int argc, char **argv)
{
	_cleanup_(gwconf_freep) struct gwconf *conf = NULL;
	struct main_options o = { .config = GWCONF_PATH,
				  .state_dir = MAIN_STATE_DIR,
				  .run_dir = MAIN_RUN_DIR };
	struct conf_error error = { .text = "out of memory" };
	int exit_status = main_parse(argc, argv, &o);

	if (exit_status >= 0)
		return exit_status;
	log_open("gatewayd", o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (gwconf_load(o.config, &conf, &error) < 0) {
		log_error("%s", error.text);
		return MAIN_EXIT_CONFIG;
	}
	if (o.check) {
		printf("%s: configuration is usable\n", o.config);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	return main_run(&o, conf) < 0 ? 1 : 0;
}
