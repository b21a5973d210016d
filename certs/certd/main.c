/* SPDX-License-Identifier: MIT */
/*
 * certd: keeps the certificate of this host. Holds no power and talks to nobody but its worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/certd/certagent.h"
#include "certs/certd/certshow.h"
#include "certs/certd/certsock.h"
#include "certs/certd/certstate.h"
#include "certs/certd/siastore.h"
#include "common/attr.h"
#include "common/files.h"
#include "common/log.h"
#include "common/printed.h"
#include "common/sandbox.h"
#include "config.h"

#define MAIN_EXIT_NOT_READY 1 /* status, renew */
#define MAIN_EXIT_NO_ANSWER 2 /* status, renew; or it could not be printed */
#define MAIN_EXIT_CONFIG 2
#define MAIN_EXIT_USAGE 64

struct main_options {
	const char *config;
	struct certagent_paths paths;
	bool check, json;
	enum log_level level;
};

static void main_usage(FILE *to)
{
	fputs("usage: certd [options]\n"
	      "       certd status [--json] [--run-dir DIR]\n"
	      "       certd renew [--json] [--run-dir DIR]\n"
	      "\n"
	      "Without a command: get this host's certificate and keep it fresh, until a signal.\n"
	      "\n"
	      "  status             the certificate in use, the last attempt, the next one\n"
	      "  renew              ask the running certd to try now, then as status\n"
	      "\n"
	      "  --config FILE      " CERTCONF_PATH "\n"
	      "  --state-dir DIR    /var/lib/postern/certd\n"
	      "  --run-dir DIR      /run/postern/certd\n"
	      "  --check            read the configuration, say what is wrong, end\n"
	      "  --print-config     print every key with its default and meaning, end\n"
	      "  --foreground       accepted for symmetry; certd never goes to the background\n"
	      "  --verbose          log more\n"
	      "  --json             one JSON object instead of text\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit status: 0 ended by a signal, 1 cannot run, 2 configuration not usable,\n"
	      "64 wrong usage; of status and renew: 0 ready, 1 not ready, 2 certd cannot be\n"
	      "asked or the answer not be printed, 64 wrong usage.\n",
	      to);
}

static const struct option main_long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "state-dir", required_argument, NULL, 's' },
	{ "run-dir", required_argument, NULL, 'r' },
	{ "check", no_argument, NULL, 'k' },
	{ "print-config", no_argument, NULL, 'p' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* Takes one option. Gives -1 to go on, else the exit status. */
static int main_take(int c, struct main_options *ret)
{
	switch (c) {
	case 'c':
		ret->config = optarg;
		return -1;
	case 's':
		ret->paths.state_dir = optarg;
		return -1;
	case 'r':
		ret->paths.run_dir = optarg;
		return -1;
	case 'k':
		ret->check = true;
		return -1;
	case 'j':
		ret->json = true;
		return -1;
	case 'f':
		return -1;
	case 'v':
		ret->level = LOG_LEVEL_DEBUG;
		return -1;
	case 'p':
		certconf_print_reference(stdout);
		return 0;
	case 'h':
		main_usage(stdout);
		return 0;
	case 'V':
		puts("certd " POSTERN_VERSION);
		return 0;
	default:
		main_usage(stderr);
		return MAIN_EXIT_USAGE;
	}
}

/* ---- status, renew ---- */

static void main_explain(int r, const char *run_dir)
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		fprintf(stderr,
			"certd: nothing listens in %s: certd does not run, or with another "
			"--run-dir; start it, or look at its last log lines\n",
			run_dir);
	else if (r == -EACCES || r == -EPERM)
		fprintf(stderr,
			"certd: no permission to ask in %s; run this as root, or as a member of "
			"certd's group\n",
			run_dir);
	else if (r == -ETIMEDOUT)
		fprintf(stderr, "certd: no answer in %d s; look at the last log lines of certd\n",
			CERTSOCK_WAIT_MS / 1000);
	else if (r == -EBADMSG)
		fprintf(stderr, "certd: the answer is not understood; is the running certd of "
				"another version? restart it\n");
	else
		fprintf(stderr, "certd: cannot ask in %s: %s\n", run_dir, strerror(-r));
}

static int main_ask(const struct main_options *o, enum certstat_type type)
{
	struct certstat s;
	char *text = NULL;
	int r = certsock_ask(o->paths.run_dir, type, &s);

	if (r < 0) {
		main_explain(r, o->paths.run_dir);
		return MAIN_EXIT_NO_ANSWER;
	}
	r = o->json ? certshow_json(&s, &text) : certshow_text(&s, &text);
	if (r < 0) {
		fputs("certd: out of memory\n", stderr);
		return MAIN_EXIT_NO_ANSWER;
	}
	fputs(text, stdout);
	free(text);
	if (s.renew_refused)
		fputs("certd: nothing was tried: only root and certd's own user may ask for that\n",
		      stderr);
	return s.ready ? 0 : MAIN_EXIT_NOT_READY;
}

/* ---- the daemon ---- */

/* Gives the directory @name below @at to certd's user. Follows no link: what is in there may be
 * somebody else's doing, and we are root. */
static int main_give(int at, const char *name, uid_t uid, gid_t gid, int *ret_fd)
{
	_cleanup_(closep) int fd = openat(at, name,
					  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && geteuid() == 0)
		r = files_give_fd(fd, uid, gid);
	if (r == 0 && ret_fd)
		*ret_fd = steal_fd(&fd);
	return r;
}

/* Of a link to a directory nobody would believe that it is none. */
static void main_tell_dir(const char *path, const char *name, int error)
{
	char full[FILES_PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s%s", path, *name ? "/" : "", name);
	if (lstat(full, &st) == 0 && S_ISLNK(st.st_mode))
		log_error("%s: a symbolic link, which is not followed here; name the directory "
			  "itself in the configuration, or mount it there",
			  full);
	else
		log_error("%s: %s", full, strerror(-error));
}

static int main_make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	int r = files_make_path(path, mode);

	if (r == 0)
		r = main_give(AT_FDCWD, path, uid, gid, NULL);
	if (r < 0)
		main_tell_dir(path, "", r);
	return r;
}

/* Another user was configured before: who may not read the pair would have to register afresh. */
static int main_give_pairs(int at, const char *name, uid_t uid, gid_t gid)
{
	_cleanup_(closep) int fd = openat(at, name,
					  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return geteuid() == 0 ? siastore_give(fd, uid, gid) : 0;
}

/* Another agent's directories are taken over; its files in them stay whose they are. */
static int main_make_sia(const char *path, uid_t uid, gid_t gid)
{
	static const char *const names[] = { ".pairs", "keys", "certs" };
	_cleanup_(closep) int fd = -1;
	int r = files_make_path(path, 0755);

	if (r == 0)
		r = main_give(AT_FDCWD, path, uid, gid, &fd);
	if (r < 0)
		main_tell_dir(path, "", r);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		if (i == 0)
			r = main_give_pairs(fd, names[i], uid, gid);
		if (r == 0)
			r = main_give(fd, names[i], uid, gid, NULL);
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			main_tell_dir(path, names[i], r);
	}
	return r;
}

/* systemd gives a whole StateDirectory to root when the directory itself is not root's. Without its
 * memory certd would forget whom it must not ask yet. */
static int main_give_memory(const char *dir, uid_t uid, gid_t gid)
{
	static const char *const files[] = { CERTSTATE_NAME, NULL };
	int r = geteuid() == 0 ? files_give(dir, files, uid, gid) : 0;

	if (r < 0)
		log_error("%s/%s: %s", dir, CERTSTATE_NAME, strerror(-r));
	return r;
}

static int main_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
	int r;

	if (!*text) {
		if (geteuid() == 0)
			log_warning(
				"running as root: set user in [certd]; nothing here needs root");
		return 0;
	}
	r = sandbox_find_user(text, ret_uid, ret_gid);
	if (r < 0)
		log_error("[certd] user '%s' does not exist", text);
	return r;
}

/* Keeps no capability. */
static int main_become(const struct certconf *conf, uid_t uid, gid_t gid)
{
	int r = sandbox_drop(uid, gid, 0);

	if (r < 0)
		log_error("cannot change to user '%s': %s", conf->user, strerror(-r));
	return r;
}

/* Makes the directories, then becomes the user. */
static int main_drop(const struct certconf *conf, const struct certagent_paths *paths)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = main_find_user(conf->user, &uid, &gid);

	if (r == 0)
		r = main_make_dir(paths->state_dir, 0750, uid, gid);
	if (r == 0)
		r = main_give_memory(paths->state_dir, uid, gid);
	if (r == 0)
		r = main_make_dir(paths->run_dir, 0755, uid, gid);
	if (r == 0)
		r = main_make_sia(conf->sia_dir, uid, gid);
	return r < 0 || !conf->user[0] ? r : main_become(conf, uid, gid);
}

static void main_closep(struct certagent **a)
{
	certagent_close(*a);
}

static int main_serve(const struct certconf *conf, const struct certagent_paths *paths)
{
	_cleanup_(main_closep) struct certagent *a = NULL;
	int r;

	umask(022); /* the directories are for readers; what is not, has a mode of its own */
	r = main_drop(conf, paths);
	if (r < 0)
		return r;
	r = sandbox_lock_privileges();
	if (r < 0) {
		log_error("cannot give privileges away: %s", strerror(-r));
		return r;
	}
	r = certagent_open(conf, paths, &a);
	return r < 0 ? r : certagent_run(a);
}

/* What a start would need beside a configuration that is understood: the user, and the files for
 * that user, as far as whoever asks can become it. */
static int main_check(const struct certconf *conf, const char *path)
{
	const struct {
		const char *key, *file;
	} files[] = {
		{ "[certd] zts_ca", conf->zts_ca },
		{ "[certd] ca_pin", conf->ca_pin },
		{ "[certd] token_file", conf->token_file },
		{ "[aws] sts_ca", conf->sts_ca },
	};
	uid_t uid;
	gid_t gid;
	int r = *conf->user ? main_find_user(conf->user, &uid, &gid) : 0;

	if (r == 0 && *conf->user && geteuid() == 0)
		r = main_become(conf, uid, gid);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!*files[i].file || access(files[i].file, R_OK) == 0)
			continue;
		r = -errno;
		log_error("%s = %s: %s", files[i].key, files[i].file, strerror(errno));
	}
	if (r < 0)
		return MAIN_EXIT_CONFIG;
	printf("%s: configuration OK, issuer %s\n", path, conf->zts_url);
	return 0;
}

static int main_run(const struct main_options *o)
{
	static struct certconf conf;
	struct conf_error error;

	log_open("certd", o->level);
	signal(SIGPIPE, SIG_IGN);
	if (certconf_load(o->config, &conf, &error) < 0) {
		log_error("%s", error.text);
		return MAIN_EXIT_CONFIG;
	}
	if (o->check)
		return main_check(&conf, o->config);
	return main_serve(&conf, &o->paths) < 0 ? 1 : 0;
}

static int main_command(int argc, char **argv)
{
	struct main_options options = {
		.config = CERTCONF_PATH,
		.paths = { .state_dir = "/var/lib/postern/certd", .run_dir = "/run/postern/certd" },
		.level = LOG_LEVEL_INFO,
	};
	int c, r = -1;

	while (r < 0 && (c = getopt_long(argc, argv, "vhV", main_long_options, NULL)) >= 0)
		r = main_take(c, &options);
	if (r >= 0)
		return r;
	if (optind == argc)
		return main_run(&options);
	if (argc - optind == 1 && !strcmp(argv[optind], "status"))
		return main_ask(&options, CERTSTAT_ASK);
	if (argc - optind == 1 && !strcmp(argv[optind], "renew"))
		return main_ask(&options, CERTSTAT_RENEW);
	main_usage(stderr);
	return MAIN_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int r = main_command(argc, argv);

	return printed_all("certd") || r ? r : MAIN_EXIT_NO_ANSWER;
}
