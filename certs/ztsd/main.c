/* SPDX-License-Identifier: MIT */
/*
 * ztsd: an Athenz-compatible issuer of instance certificates for those who run no Athenz. This file
 * reads the command line, loads what needs root (keys, the socket, directories), gives root away
 * and runs the issuer.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "certs/ztsd/cainit.h"
#include "certs/ztsd/issuer.h"
#include "certs/ztsd/ztsdb.h"
#include "certs/ztsd/ztsdconf.h"
#include "common/attr.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "config.h"

#define MAIN_EXIT_USAGE 64
#define MAIN_EXIT_CONFIG 2
#define MAIN_STATE_DIR "/var/lib/postern-ztsd"
#define MAIN_RUN_DIR "/run/postern-ztsd"
#define MAIN_INIT_DIR "/etc/postern/ztsd"
#define MAIN_HOSTNAME_MAX 256
#define MAIN_OTHER_FDS 512 /* beside connections: the store, log, questions to STS */

enum main_option {
	MAIN_CONFIG = 256,
	MAIN_STATE,
	MAIN_RUN,
	MAIN_FOREGROUND,
	MAIN_CHECK,
	MAIN_PRINT,
	MAIN_DIR,
	MAIN_NAME,
	MAIN_DAYS,
	MAIN_SERVER_NAME,
	MAIN_CA_KEY,
	MAIN_CA_KEY_PROVIDER,
	MAIN_CA_KEY_PIN_FILE,
};

struct main_options {
	const char *config;
	const char *state_dir;
	const char *run_dir;
	bool check;
	bool verbose;
	bool init; /* the command */
	bool has_serve_option, has_init_option;
	struct cainit_spec ca;
};

static void main_usage(FILE *to)
{
	fputs("usage: ztsd [--config FILE] [--state-dir DIR] [--run-dir DIR] [--foreground] "
	      "[--verbose]\n"
	      "       ztsd --check [--config FILE]\n"
	      "       ztsd init [--dir DIR] [--name NAME] [--days N] [--server-name NAME]...\n"
	      "                 [--ca-key URI [--ca-key-provider NAME] [--ca-key-pin-file FILE]]\n"
	      "       ztsd --print-config | --version | --help\n"
	      "\n"
	      "Issues Athenz-compatible certificates to instances that prove themselves. See "
	      "ztsd(8).\n"
	      "'ztsd init' makes a CA and a certificate for ztsd itself; it replaces nothing.\n"
	      "With --ca-key the key of the CA is there already, in a token for example.\n"
	      "Exit status: 0 success, 1 failure, 2 configuration or PIN not usable, 64 wrong "
	      "usage.\n",
	      to);
}

static int main_wrong_usage(void)
{
	main_usage(stderr);
	return MAIN_EXIT_USAGE;
}

/* Others see a command line, so a PIN does not belong there. */
static int main_take_ca_key(struct main_options *o)
{
	if (!ztsdconf_is_key(optarg) || strlen(optarg) >= ZTSDCONF_TEXT_MAX) {
		fprintf(stderr,
			"ztsd: --ca-key: say an absolute path, or a URI such as pkcs11:...\n");
		return MAIN_EXIT_USAGE;
	}
	if (strcasestr(optarg, "pin-value=")) {
		fprintf(stderr, "ztsd: --ca-key: no PIN here: put it into a file and say "
				"--ca-key-pin-file\n");
		return MAIN_EXIT_USAGE;
	}
	o->ca.ca_key.key = optarg;
	return -1;
}

static int main_take_ca_key_option(int c, struct main_options *o)
{
	o->has_init_option = true;
	if (c == MAIN_CA_KEY)
		return main_take_ca_key(o);
	if (c == MAIN_CA_KEY_PROVIDER)
		o->ca.ca_key.provider = optarg;
	else
		o->ca.ca_key.pin_file = optarg;
	return -1;
}

/* Options of 'ztsd init'. Gives -1 to go on, else the exit status. */
static int main_take_init_option(int c, struct main_options *o)
{
	uint64_t days;

	o->has_init_option = true;
	switch (c) {
	case MAIN_DIR:
		o->ca.dir = optarg;
		return -1;
	case MAIN_NAME:
		o->ca.name = optarg;
		return *optarg ? -1 : main_wrong_usage();
	case MAIN_DAYS:
		if (conf_parse_u64(optarg, 1, CAINIT_DAYS_MAX, &days) < 0) {
			fprintf(stderr, "ztsd: --days %s: allowed are 1...%d\n", optarg,
				CAINIT_DAYS_MAX);
			return MAIN_EXIT_USAGE;
		}
		o->ca.days = (uint32_t)days;
		return -1;
	case MAIN_SERVER_NAME:
		if (o->ca.n_names == CAINIT_NAMES_MAX) {
			fprintf(stderr, "ztsd: --server-name: at most %d\n", CAINIT_NAMES_MAX);
			return MAIN_EXIT_USAGE;
		}
		o->ca.names[o->ca.n_names++] = optarg;
		return -1;
	default:
		return main_wrong_usage();
	}
}

static int main_take_serve_option(int c, struct main_options *o)
{
	o->has_serve_option = true;
	switch (c) {
	case MAIN_CONFIG:
		o->config = optarg;
		return -1;
	case MAIN_STATE:
		o->state_dir = optarg;
		return -1;
	case MAIN_RUN:
		o->run_dir = optarg;
		return -1;
	case MAIN_CHECK:
		o->check = true;
		return -1;
	case 'v':
		o->verbose = true;
		return -1;
	case MAIN_FOREGROUND: /* it always stays in the foreground */
		return -1;
	default:
		return main_take_init_option(c, o);
	}
}

static int main_take_option(int c, struct main_options *o)
{
	switch (c) {
	case MAIN_PRINT:
		ztsdconf_print_reference(stdout);
		return 0;
	case 'V':
		puts("ztsd " POSTERN_VERSION);
		return 0;
	case 'h':
		main_usage(stdout);
		return 0;
	case MAIN_DIR:
	case MAIN_NAME:
	case MAIN_DAYS:
	case MAIN_SERVER_NAME:
		return main_take_init_option(c, o);
	case MAIN_CA_KEY:
	case MAIN_CA_KEY_PROVIDER:
	case MAIN_CA_KEY_PIN_FILE:
		return main_take_ca_key_option(c, o);
	default:
		return main_take_serve_option(c, o);
	}
}

static int main_take_command(int argc, char **argv, struct main_options *o)
{
	if (optind < argc && !strcmp(argv[optind], "init")) {
		o->init = true;
		optind++;
	}
	if (optind < argc || (o->init ? o->has_serve_option : o->has_init_option) ||
	    (!o->ca.ca_key.key && (o->ca.ca_key.provider || o->ca.ca_key.pin_file)))
		return main_wrong_usage();
	return -1;
}

static int main_parse(int argc, char **argv, struct main_options *o)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, MAIN_CONFIG },
		{ "state-dir", required_argument, NULL, MAIN_STATE },
		{ "run-dir", required_argument, NULL, MAIN_RUN },
		{ "foreground", no_argument, NULL, MAIN_FOREGROUND },
		{ "check", no_argument, NULL, MAIN_CHECK },
		{ "verbose", no_argument, NULL, 'v' },
		{ "print-config", no_argument, NULL, MAIN_PRINT },
		{ "dir", required_argument, NULL, MAIN_DIR },
		{ "name", required_argument, NULL, MAIN_NAME },
		{ "days", required_argument, NULL, MAIN_DAYS },
		{ "server-name", required_argument, NULL, MAIN_SERVER_NAME },
		{ "ca-key", required_argument, NULL, MAIN_CA_KEY },
		{ "ca-key-provider", required_argument, NULL, MAIN_CA_KEY_PROVIDER },
		{ "ca-key-pin-file", required_argument, NULL, MAIN_CA_KEY_PIN_FILE },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, exit_status = -1;

	while (exit_status < 0 && (c = getopt_long(argc, argv, "hvV", options, NULL)) >= 0)
		exit_status = main_take_option(c, o);
	return exit_status < 0 ? main_take_command(argc, argv, o) : exit_status;
}

/* What was made, and which keys of the configuration must name it. */
static void main_tell_init(const struct cainit_spec *ca)
{
	const struct cakey_spec *key = &ca->ca_key;
	bool here = !strcmp(ca->dir, MAIN_INIT_DIR);

	printf("%s/ca.cert.pem%s: a CA named '%s', for %u days.\n"
	       "%s/server.cert.pem, server.key.pem: for ztsd itself, as %s%s.\n"
	       "\n"
	       "Next:\n"
	       "  1. " ZTSDCONF_PATH ": 'ztsd --print-config' shows every key.\n",
	       ca->dir, key->key ? "" : ", ca.key.pem", ca->name, ca->days, ca->dir, ca->names[0],
	       ca->n_names > 1 ? " and more" : "");
	if (!here)
		printf("     [ztsd] cert, key%s ca_cert%s must name these files.\n",
		       key->key ? " and" : ",", key->key ? "" : " and ca_key");
	if (key->key)
		printf("     [ztsd] ca_key = %s\n", key->key);
	if (key->provider)
		printf("     ca_key_provider = %s\n", key->provider);
	if (key->pin_file)
		printf("     ca_key_pin_file = %s\n", key->pin_file);
	printf("  2. ztsctl domain add NAME --service SERVICE --provider PROVIDER\n"
	       "  3. Start ztsd. Hosts need ca.cert.pem as zts_ca%s.\n",
	       key->key ? "" : "; keep ca.key.pem secret");
}

static int main_init(struct main_options *o)
{
	char why[CAINIT_WHY_MAX] = "", hostname[MAIN_HOSTNAME_MAX] = "";

	if (!o->ca.n_names && gethostname(hostname, sizeof(hostname) - 1) == 0)
		o->ca.names[o->ca.n_names++] = hostname;
	if (cainit_make(&o->ca, clk_now_wall(), why) < 0) {
		fprintf(stderr, "ztsd: init: %s\n", why);
		return 1;
	}
	main_tell_init(&o->ca);
	return 0;
}

/* "::" takes IPv4 too, any other address only itself. */
static int main_bind(const struct ztsdconf *conf, int *ret)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6,
		.sin6_addr = conf->listen.addr,
		.sin6_port = htons(conf->listen.port),
	};
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, only = !IN6_IS_ADDR_UNSPECIFIED(&conf->listen.addr);
	char text[IP6_ENDPOINT_TEXT];

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int r = -errno;

		log_error("[ztsd] listen = %s: %s", ip6_format_endpoint(&conf->listen, text),
			  strerror(-r));
		return r;
	}
	*ret = steal_fd(&fd);
	return 0;
}

static int main_make_dir(const char *dir, mode_t mode, uid_t uid, gid_t gid)
{
	static const char *const files[] = { ZTSDB_FILE, ZTSDB_FILE "-wal", ZTSDB_FILE "-shm",
					     "ztsd.prom", NULL };
	int r = files_make_dir(dir, mode);

	if (r == 0 && geteuid() == 0)
		r = files_give(dir, files, uid, gid);
	if (r < 0)
		log_error("%s: %s", dir, strerror(-r));
	return r;
}

/* One descriptor per connection; what the hard limit does not give is said, not hidden. */
static void main_raise_fds(const struct ztsdconf *conf)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	if (lim.rlim_max < conf->conns_max + MAIN_OTHER_FDS)
		log_warning("only %llu descriptors for conns_max = %u",
			    (unsigned long long)lim.rlim_max, conf->conns_max);
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
}

/* Who it is to be: [ztsd] user, or whoever started it. */
static int main_find_user(const struct ztsdconf *conf, uid_t *ret_uid, gid_t *ret_gid)
{
	int r = 0;

	*ret_uid = geteuid();
	*ret_gid = getegid();
	if (*conf->user)
		r = sandbox_find_user(conf->user, ret_uid, ret_gid);
	if (r < 0)
		log_error("[ztsd] user: no user or group '%s'", conf->user);
	return r;
}

static int main_give_up_root(uid_t uid, gid_t gid)
{
	int r;

	umask(077);
	r = sandbox_drop(uid, gid, 0);
	if (r == 0)
		r = sandbox_lock_privileges();
	if (r < 0)
		log_error("cannot give privileges away: %s", strerror(-r));
	return r;
}

static int main_run(const struct main_options *o, const struct ztsdconf *conf)
{
	_cleanup_(issuer_closep) struct issuer *issuer = NULL;
	_cleanup_(closep) int fd = -1;
	uid_t uid;
	gid_t gid;
	int r = main_bind(conf, &fd);

	main_raise_fds(conf);
	if (r == 0)
		r = issuer_open(conf, fd, &issuer);
	if (r == 0)
		r = main_find_user(conf, &uid, &gid);
	if (r == 0)
		r = main_make_dir(o->state_dir, 0700, uid, gid);
	if (r == 0)
		r = main_make_dir(o->run_dir, 0755, uid, gid);
	if (r == 0)
		r = main_give_up_root(uid, gid);
	return r < 0 ? r : issuer_run(issuer, o->state_dir, o->run_dir);
}

/* Everything that a start reads; CA key and deny-list as the user that is to use them. */
static int main_check(const struct main_options *o, const struct ztsdconf *conf)
{
	_cleanup_(issuer_closep) struct issuer *issuer = NULL;
	uid_t uid;
	gid_t gid;
	int r = issuer_open(conf, -1, &issuer);

	if (r == 0)
		r = main_find_user(conf, &uid, &gid);
	if (r == 0)
		r = main_give_up_root(uid, gid);
	if (r == 0)
		r = issuer_check(issuer);
	if (r == 0)
		printf("%s: configuration is usable, and the CA's key signs\n", o->config);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *conf = NULL;
	struct main_options o = {
		.config = ZTSDCONF_PATH,
		.state_dir = MAIN_STATE_DIR,
		.run_dir = MAIN_RUN_DIR,
		.ca = { .dir = MAIN_INIT_DIR, .name = "Postern CA", .days = 3650 }
	};
	struct conf_error error = { .text = "out of memory" };
	int r, exit_status = main_parse(argc, argv, &o);

	if (exit_status >= 0)
		return exit_status;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
	if (o.init)
		return main_init(&o);
	log_open("ztsd", o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (ztsdconf_load(o.config, &conf, &error) < 0) {
		log_error("%s", error.text);
		return MAIN_EXIT_CONFIG;
	}
	if (o.check)
		return main_check(&o, conf) < 0 ? 1 : 0;
	r = main_run(&o, conf);
	/* To be started again and again would lock the token. */
	return r == -EKEYREJECTED ? MAIN_EXIT_CONFIG : r < 0;
}
