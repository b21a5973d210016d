/* SPDX-License-Identifier: MIT */
/*
 * certd-fetch: the worker of certd that talks to the metadata service, STS and the issuer, or looks
 * at a stored pair. It is started with a channel at descriptor 3, takes one job, reads the files of
 * the job, looks up the names of its servers, gives every power away, works, writes the pair and
 * one result, and ends.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "certs/fetch/fetchrun.h"
#include "certs/fetch/httpcall.h"
#include "common/attr.h"
#include "common/chan.h"
#include "common/clk.h"
#include "common/jsonin.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "config.h"

#define MAIN_JOB_WAIT_MS 5000

/* What checking a pair takes, and with the list below what HTTPS calls take: what strace saw with
 * Debian 12, and in the second half what other versions, other allocators and slow paths of the
 * same calls take. Nothing here opens, binds, listens or executes. */
static const int main_syscalls[] = {
	SYS_brk,
	SYS_close,
	SYS_exit_group,
	SYS_futex,
	SYS_getpid,
	SYS_getrandom,
	SYS_sendmsg,
	SYS_poll,
	SYS_write,

	SYS_clock_gettime,
	SYS_exit,
	SYS_fstat,
	SYS_gettid,
	SYS_gettimeofday,
	SYS_madvise,
	SYS_mmap,
	SYS_mprotect,
	SYS_mremap,
	SYS_munmap,
	SYS_ppoll,
	SYS_read,
	SYS_restart_syscall,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_writev,
};

/* socket() and connect() are here and not above: a worker that checks a pair cannot talk. Where to
 * is not for this list to say; [policy] of the host lets certd's user reach its servers only. */
static const int main_network_syscalls[] = {
	SYS_connect,  SYS_fcntl,  SYS_getpeername, SYS_getsockname, SYS_getsockopt,
	SYS_recvfrom, SYS_sendto, SYS_setsockopt,  SYS_socket,      SYS_socketpair,

	SYS_eventfd2, SYS_pipe2,  SYS_recvmsg,
};

static void main_usage(FILE *to)
{
	fputs("usage: certd-fetch [--user NAME[:GROUP]]\n"
	      "Worker of certd; it is not started by hand. See certd(8).\n",
	      to);
}

static int main_receive(struct fetchjob_start *ret)
{
	struct pollfd p = { .fd = SPAWN_CHAN_FD, .events = POLLIN };
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;
	int r;

	ops = fetchjob_ops(&n_ops);
	if (poll(&p, 1, MAIN_JOB_WAIT_MS) != 1)
		return -ETIMEDOUT;
	r = chan_recv(SPAWN_CHAN_FD, ops, n_ops, &msg);
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	r = fetchjob_decode_start(&msg, ret);
	chan_msg_release(&msg);
	return r;
}

/* Some libraries open a file, or ask the time zone, when they are used for the first time. */
static int main_warm_up(void)
{
	jsonin_warm_up();
	return httpcall_warm_up();
}

static int main_limit_syscalls(bool network)
{
	int all[ARRAY_SIZE(main_syscalls) + ARRAY_SIZE(main_network_syscalls)];

	memcpy(all, main_syscalls, sizeof(main_syscalls));
	memcpy(all + ARRAY_SIZE(main_syscalls), main_network_syscalls,
	       sizeof(main_network_syscalls));
	return sandbox_syscalls(all, network ? ARRAY_SIZE(all) : ARRAY_SIZE(main_syscalls));
}

static int main_enter_sandbox(bool network)
{
	int r = sandbox_lock_privileges();

	if (r == 0)
		r = sandbox_no_files();
	if (r == SANDBOX_E_ABSENT)
		log_debug("this kernel has no Landlock; seccomp still stops every open");
	return r < 0 ? r : main_limit_syscalls(network);
}

/* What needs the outside. -EPERM: the result says why not. A name is looked up without power, for
 * the answer to it comes from strangers. */
static int main_prepare(struct fetchrun *run, uid_t uid, gid_t gid)
{
	int r = main_warm_up();

	if (r == 0)
		r = fetchrun_load(run);
	if (r < 0)
		return r;
	r = sandbox_drop(uid, gid, 0);
	if (r < 0) {
		log_error("cannot become user %u: %s", (unsigned int)uid, strerror(-r));
		return -EACCES;
	}
	return fetchrun_look_up(run);
}

static int main_run(uid_t uid, gid_t gid)
{
	_cleanup_(fetchrun_release) struct fetchrun run = { 0 };
	int r = main_receive(&run.job);

	if (r < 0)
		return r;
	run.started_ns = clk_now_ns();
	r = main_prepare(&run, uid, gid);
	if (r == -EPERM)
		return fetchrun_send(&run, SPAWN_CHAN_FD);
	if (r < 0)
		return r;
	r = main_enter_sandbox(fetchrun_needs_network(run.job.kind));
	if (r < 0)
		return r;
	fetchrun_work(&run);
	return fetchrun_send(&run, SPAWN_CHAN_FD);
}

int main(int argc, char **argv)
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
	int c, r;

	log_open("certd-fetch", LOG_LEVEL_INFO);
	while ((c = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
		switch (c) {
		case 'u':
			if (sandbox_find_user(optarg, &uid, &gid) == 0)
				break;
			log_error("unknown user %s", optarg);
			return 64;
		case 'V':
			puts("certd-fetch " POSTERN_VERSION);
			return 0;
		case 'h':
			main_usage(stdout);
			return 0;
		default:
			main_usage(stderr);
			return 64;
		}
	}
	if (fstat(SPAWN_CHAN_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		main_usage(stderr);
		return 64;
	}
	r = main_run(uid, gid);
	if (r < 0)
		log_error("job not possible: %s", strerror(-r));
	return r < 0 ? 1 : 0;
}
