/* SPDX-License-Identifier: MIT */
#include "tunneld/host/exworker.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clk.h"
#include "common/spawn.h"

#define EXWORKER_GRACE_NS (2 * CLK_NS_PER_S) /* beyond the job's own timeout, before SIGKILL */

void exworker_init(struct exworker *w)
{
	*w = (struct exworker){ .fd = -1 };
}

static int exworker_open_socket(const struct ip6_endpoint *to, uint32_t mark, int *ret)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6,
		.sin6_addr = to->addr,
		.sin6_port = htons(to->port),
	};
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

int exworker_start(struct exworker *w, const struct exjob_start *job, const struct ip6_endpoint *to,
		   uint32_t mark, uint64_t now_ns)
{
	_cleanup_(closep) int sock = -1;
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	struct chan_msg msg;
	int pair[2];
	int r;

	if (w->pid)
		return -EBUSY;
	r = exworker_open_socket(to, mark, &sock);
	if (r == 0)
		r = chan_pair(pair);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	r = exjob_encode_start(job, sock, &msg);
	if (r == 0)
		r = chan_send(ours, &msg);
	if (r == 0)
		r = spawn_worker("tunneld-exchange", theirs, &w->pid);
	if (r < 0)
		return r;
	w->fd = steal_fd(&ours);
	w->deadline_ns = now_ns + job->timeout_ms * CLK_NS_PER_MS + EXWORKER_GRACE_NS;
	return 0;
}

/* Ends the worker and describes how it ended, for a result that never came. */
static void exworker_reap(struct exworker *w, char *ret_detail, size_t cap)
{
	spawn_end(w->pid, ret_detail, cap);
	closep(&w->fd);
	exworker_init(w);
}

void exworker_stop(struct exworker *w)
{
	char detail[EXJOB_DETAIL_MAX];

	if (w->pid)
		exworker_reap(w, detail, sizeof(detail));
}

static int exworker_receive(struct exworker *w, struct exjob_result *ret)
{
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;
	int r;

	ops = exjob_ops(&n_ops);
	r = chan_recv(w->fd, ops, n_ops, &msg);
	if (r != 0)
		return r;
	r = exjob_decode_result(&msg, ret);
	chan_msg_release(&msg);
	return r;
}

int exworker_finish(struct exworker *w, uint64_t now_ns, struct exjob_result *ret)
{
	char detail[EXJOB_DETAIL_MAX];
	bool late = now_ns >= w->deadline_ns;
	int r;

	if (!w->pid)
		return EXWORKER_E_IDLE;
	r = exworker_receive(w, ret);
	if (r == -EAGAIN && !late)
		return EXWORKER_E_RUNNING;
	exworker_reap(w, detail, sizeof(detail));
	if (r == 0)
		return 0;
	exjob_result_wipe(ret);
	*ret = (struct exjob_result){ .code = r == -EBADMSG ? PST_WORKER_FRAME :
					      late          ? PST_EXCHANGE_TIMEOUT :
							      PST_WORKER_DIED };
	snprintf(ret->detail, sizeof(ret->detail), "%s", late ? "worker was stopped" : detail);
	return 0;
}
