/* SPDX-License-Identifier: MIT */
/*
 * tunneld-exchange: the worker of tunneld that talks to one configuration server. It is started
 * with a channel at descriptor 3, takes one job, gives every power away, makes one HTTPS call on
 * the socket that came with the job, writes one result and ends.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/attr.h"
#include "common/chan.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "common/workercli.h"
#include "config.h"
#include "tunneld/exchange/excall.h"
#include "tunneld/proto/exjob.h"

#define MAIN_JOB_WAIT_MS 5000

/* What OpenSSL, libcurl and libc need between the first and the last byte of one HTTPS call on an
 * open, connected socket: what strace saw with Debian 12, and in the second half what other
 * versions, other allocators and slow paths of the same calls take. Nothing here opens, makes,
 * connects or executes anything but anonymous memory and descriptors to itself. */
static const int main_syscalls[] = {
	SYS_brk,           SYS_close,          SYS_exit_group,   SYS_fcntl,
	SYS_futex,         SYS_getpeername,    SYS_getpid,       SYS_getrandom,
	SYS_getsockname,   SYS_getsockopt,     SYS_poll,         SYS_recvfrom,
	SYS_sendmsg,       SYS_sendto,         SYS_setsockopt,   SYS_socketpair,
	SYS_write,

	SYS_clock_gettime, SYS_eventfd2,       SYS_exit,         SYS_fstat,
	SYS_gettid,        SYS_gettimeofday,   SYS_madvise,      SYS_mmap,
	SYS_mprotect,      SYS_mremap,         SYS_munmap,       SYS_pipe2,
	SYS_ppoll,         SYS_read,           SYS_recvmsg,      SYS_restart_syscall,
	SYS_rt_sigaction,  SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_writev,
};

/* libcurl 7.88 connects once more the socket that it was told is connected, and finds this
 * function in place of libc's. The real call is not on the list above, for with it the worker
 * could turn the marked socket to another address. */
_public_ int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return 0;
}

static int main_receive(struct exjob_start *ret_job, int *ret_fd)
{
	struct pollfd p = { .fd = SPAWN_CHAN_FD, .events = POLLIN };
	struct chan_msg msg;
	const struct chan_op *ops;
	size_t n_ops;
	int r;

	ops = exjob_ops(&n_ops);
	if (poll(&p, 1, MAIN_JOB_WAIT_MS) != 1)
		return -ETIMEDOUT;
	r = chan_recv(SPAWN_CHAN_FD, ops, n_ops, &msg);
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	r = exjob_decode_start(&msg, ret_job);
	if (r == 0)
		*ret_fd = steal_fd(&msg.fd);
	chan_msg_release(&msg);
	return r;
}

static int main_send(const struct exjob_result *result)
{
	struct chan_msg msg;
	int r = exjob_encode_result(result, &msg);

	if (r == 0)
		r = chan_send(SPAWN_CHAN_FD, &msg);
	chan_msg_release(&msg);
	return r;
}

static int main_enter_sandbox(uid_t uid, gid_t gid)
{
	int r = sandbox_drop(uid, gid, 0);

	if (r == 0)
		r = sandbox_enter(main_syscalls, ARRAY_SIZE(main_syscalls));
	return r < 0 ? r : 0;
}

static int main_run(uid_t uid, gid_t gid)
{
	_cleanup_(exjob_result_wipe) struct exjob_result result = { 0 };
	_cleanup_(excall_release) struct excall_identity id = { 0 };
	_cleanup_(closep) int fd = -1;
	struct exjob_start job;
	int r;

	r = main_receive(&job, &fd);
	if (r < 0)
		return r;
	r = excall_warm_up();
	if (r < 0)
		return r;
	if (excall_load(&job, &id, &result) < 0)
		return main_send(&result);
	r = main_enter_sandbox(uid, gid);
	if (r < 0)
		return r;
	excall_run(&job, &id, fd, &result);
	return main_send(&result);
}

int main(int argc, char **argv)
{
	uid_t uid;
	gid_t gid;
	int r;

	log_open("tunneld-exchange", LOG_LEVEL_INFO);
	r = workercli_read(argc, argv, "tunneld-exchange", "tunneld", &uid, &gid);
	if (r >= 0)
		return r;
	r = main_run(uid, gid);
	if (r < 0)
		log_error("exchange not possible: %s", strerror(-r));
	return r < 0 ? 1 : 0;
}
