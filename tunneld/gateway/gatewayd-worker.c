/* SPDX-License-Identifier: MIT */
/*
 * gatewayd-worker: the part of gatewayd that faces the network. It is started with a channel to the
 * keeper at descriptor 3 and a bound TCP socket at 4, loads its identity, gives every power away
 * and serves exchanges until the keeper is gone.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "certs/denylist.h"
#include "common/attr.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "common/tlsserver.h"
#include "config.h"
#include "tunneld/gateway/denyfeed.h"
#include "tunneld/gateway/gwconf.h"
#include "tunneld/gateway/gwserve.h"
#include "tunneld/gateway/starter.h"
#include "common/jsonin.h"

#define WORKER_OTHER_FDS 32 /* descriptors that are not connections */
#define WORKER_LOAD_TRIES 5 /* the files may be switched between two reads */

enum worker_mode {
	WORKER_SERVE,
	WORKER_CHECK, /* only reads its files */
	WORKER_PROBE, /* the same for the keeper, which gets the deny-list */
};

/* What one worker reads before its sandbox closes. */
struct worker_files {
	struct gwconf *conf;
	SSL_CTX *tls;
	struct denylist *deny; /* NULL = nobody is denied */
};

/* What libevent, OpenSSL and libc need to serve connections on an open socket. Nothing here opens a
 * file, makes a socket or executes anything. */
static const int worker_syscalls[] = {
	SYS_read,       SYS_write,       SYS_readv,          SYS_writev,        SYS_recvfrom,
	SYS_sendto,     SYS_recvmsg,     SYS_sendmsg,        SYS_accept4,       SYS_listen,
	SYS_close,      SYS_shutdown,    SYS_fcntl,          SYS_ioctl,         SYS_getsockopt,
	SYS_setsockopt, SYS_getsockname, SYS_getpeername,    SYS_epoll_ctl,     SYS_epoll_pwait,
	SYS_mmap,       SYS_munmap,      SYS_mremap,         SYS_mprotect,      SYS_madvise,
	SYS_brk,        SYS_futex,       SYS_getrandom,      SYS_clock_gettime, SYS_gettimeofday,
	SYS_getpid,     SYS_gettid,      SYS_rt_sigprocmask, SYS_rt_sigreturn,  SYS_restart_syscall,
	SYS_exit,       SYS_exit_group,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
};

static void worker_usage(FILE *to)
{
	fputs("usage: gatewayd-worker --config FILE [--check | --probe]\n"
	      "Worker of gatewayd; it is not started by hand. See gatewayd(8).\n",
	      to);
}

/* What libraries do at first use, some of it with files that are out of reach later: random seeds,
 * and the time zone, which OpenSSL wants for the validity of certificates. */
static int worker_warm_up(void)
{
	uint8_t byte;

	tzset();
	return evutil_secure_rng_init() == 0 && RAND_bytes(&byte, 1) == 1 ? 0 : -EIO;
}

/* One descriptor per connection; what the hard limit does not give is said, not hidden. */
static void worker_raise_fds(const struct gwconf *conf)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	if (lim.rlim_max < conf->conns_max + WORKER_OTHER_FDS)
		log_warning("only %llu descriptors for conns_max = %u",
			    (unsigned long long)lim.rlim_max, conf->conns_max);
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim);
}

static int worker_enter_sandbox(uid_t uid, gid_t gid)
{
	int r = sandbox_drop(uid, gid, 0);

	if (r < 0)
		log_error("cannot become user %u: %s", (unsigned int)uid, strerror(-r));
	else
		r = sandbox_enter(worker_syscalls, ARRAY_SIZE(worker_syscalls));
	return r < 0 ? r : 0;
}

static int worker_serve(const struct worker_files *files)
{
	const struct gwconf *conf = files->conf;
	struct gwserve_spec spec = { .conf = conf,
				     .deny = files->deny,
				     .tls = files->tls,
				     .listen_fd = SPAWN_EXTRA_FD,
				     .chan_fd = SPAWN_CHAN_FD };
	struct event_base *base = event_base_new();
	struct gwserve *serve = NULL;
	uid_t uid = getuid();
	gid_t gid = getgid();
	int r = worker_warm_up();

	if (!base)
		return -ENOMEM;
	if (r == 0 && uid == 0)
		r = sandbox_find_user(conf->worker_user, &uid, &gid);
	if (r == -ENOENT || r == -EINVAL)
		log_error("[gateway] worker_user: no user or group '%s'", conf->worker_user);
	if (r == 0) /* writes its first JSON: jansson too reads a seed from a file */
		r = gwserve_open(base, &spec, &serve);
	if (r == 0)
		r = worker_enter_sandbox(uid, gid);
	if (r == 0)
		event_base_dispatch(base);
	gwserve_close(serve);
	event_base_free(base);
	return r;
}

static void worker_release(struct worker_files *f)
{
	tlsserver_freep(&f->tls);
	gwconf_freep(&f->conf);
	denylist_freep(&f->deny);
}

static int worker_load_identity(struct worker_files *f)
{
	const struct tlsserver_files files = { .cert = f->conf->cert,
					       .key = f->conf->key,
					       .ca = f->conf->ca };
	const char *what = "out of memory";
	int r = -EINVAL;

	for (unsigned int i = 0; i < WORKER_LOAD_TRIES && r < 0; i++)
		r = tlsserver_open(&files, &f->tls, &what);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_IDENTITY_FILES, "%s (cert %s, key %s, ca %s)", what,
			files.cert, files.key, files.ca);
	return r;
}

/* Without its deny-list a worker would let in who must stay out. */
static int worker_load_denylist(struct worker_files *f)
{
	char why[DENYLIST_ERROR_MAX];
	int r = *f->conf->deny_file ? denylist_load(f->conf->deny_file, &f->deny, why) : 0;

	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_DENYLIST_UNUSABLE,
			"%s; no worker starts without its deny-list", why);
	return r;
}

/* Gives the exit status. The keeper gets the deny-list even when a certificate is no good. */
static int worker_load(const char *path, enum worker_mode mode, struct worker_files *f)
{
	struct conf_error error = { .text = "out of memory" };

	if (gwconf_load(path, &f->conf, &error) < 0) {
		log_error("%s", error.text);
		return 1;
	}
	if (worker_load_denylist(f) < 0)
		return STARTER_EXIT_DENYLIST;
	if (mode == WORKER_PROBE && denyfeed_send(SPAWN_CHAN_FD, f->deny) < 0)
		return 1;
	return worker_load_identity(f) < 0 ? 1 : 0;
}

static int worker_run(const char *path, enum worker_mode mode)
{
	_cleanup_(worker_release) struct worker_files files = { .conf = NULL };
	int exit_status = worker_load(path, mode, &files);

	if (exit_status != 0 || mode != WORKER_SERVE)
		return exit_status;
	worker_raise_fds(files.conf);
	jsonin_warm_up();
	return worker_serve(&files) < 0 ? 1 : 0;
}

static bool worker_is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Gives a mode, or -1 when nobody should call it so. */
static int worker_read_mode(int argc, char **argv)
{
	const char *last = argc == 4 ? argv[3] : "";

	if (argc < 3 || argc > 4 || strcmp(argv[1], "--config"))
		return -1;
	if (!strcmp(last, "--check"))
		return WORKER_CHECK;
	if (!worker_is_socket(SPAWN_CHAN_FD))
		return -1;
	if (!strcmp(last, "--probe"))
		return WORKER_PROBE;
	return argc == 3 && worker_is_socket(SPAWN_EXTRA_FD) ? WORKER_SERVE : -1;
}

int main(int argc, char **argv)
{
	int mode;

	log_open("gatewayd-worker", LOG_LEVEL_INFO);
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("gatewayd-worker " POSTERN_VERSION);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		worker_usage(stdout);
		return 0;
	}
	mode = worker_read_mode(argc, argv);
	if (mode < 0) {
		worker_usage(stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	return worker_run(argv[2], (enum worker_mode)mode);
}
