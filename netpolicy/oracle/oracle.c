/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oracle.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/spawn.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/oracle/oraclewire.h"

#define ORACLE_STEP (64 * 1024) /* bytes of one reading */
#define ORACLE_SPARE_UID 60000  /* the first one that is tried */

static bool oracle_is_named(const struct policy *p, uint32_t uid)
{
	for (size_t i = 0; i < p->n_users; i++)
		if (p->users[i].uid == uid)
			return true;
	return false;
}

/* A user whom no rule names: for packets without an owner. Without root there is only one, and
 * when a rule names it, there is none. */
static uint32_t oracle_spare_uid(const struct policy *p)
{
	uint32_t uid = geteuid();

	if (uid)
		return oracle_is_named(p, uid) ? ORACLEWIRE_NO_UID : uid;
	for (uid = ORACLE_SPARE_UID; oracle_is_named(p, uid); uid--)
		;
	return uid;
}

static void oracle_describe(const struct oracle_job *job, const struct terms_packet *packets,
			    size_t n, struct oraclewire_request *ret)
{
	const struct policy *p = job->policy;

	*ret = (struct oraclewire_request){
		.n_uplinks = (uint8_t)p->n_uplinks,
		.n_tunnels = (uint8_t)p->n_tunnels,
		.n_grants = (uint8_t)p->n_grants,
		.spare_uid = oracle_spare_uid(p),
		.batch = (uint8_t *)job->batch,
		.batch_len = job->batch_len,
		.packets = (struct terms_packet *)packets,
		.n = n,
	};
	memcpy(ret->uplinks, p->uplinks, sizeof(ret->uplinks));
	memcpy(ret->tunnels, p->tunnels, sizeof(ret->tunnels));
	for (size_t i = 0; i < p->n_grants; i++)
		memcpy(ret->grants[i], p->grants[i].name, sizeof(ret->grants[i]));
}

/* The request in memory that the child can read: it is too large for a socket. */
static int oracle_memfd(const struct oraclewire_request *q, int *ret)
{
	_cleanup_(closep) int fd = memfd_create("oracle", MFD_CLOEXEC);
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = oraclewire_put_request(q, &bytes, &len);
	for (size_t at = 0; r == 0 && at < len;) {
		ssize_t n = write(fd, bytes + at, len - at);

		r = n < 0 ? -errno : 0;
		at += n < 0 ? 0 : (size_t)n;
	}
	if (r == 0)
		*ret = steal_fd(&fd);
	return r;
}

static int oracle_start(const struct oraclewire_request *q, int *ret_fd, pid_t *ret_pid)
{
	static const char *const argv[] = { ORACLE_PROGRAM, NULL };
	_cleanup_(closep) int memory = -1;
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	char path[FILES_PATH_MAX];
	int pair[2];
	int r = spawn_find(ORACLE_PROGRAM, path, sizeof(path));

	if (r == 0)
		r = oracle_memfd(q, &memory);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = spawn_start(&(struct spawn_spec){ path, argv, theirs, memory }, ret_pid);
	if (r == 0)
		*ret_fd = steal_fd(&ours);
	return r;
}

/* Waits for bytes or the end. */
static int oracle_wait(int fd, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = clk_now_ns();
	int n;

	if (now >= deadline)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)((deadline - now) / CLK_NS_PER_MS) + 1);
	if (n < 0 && errno != EINTR)
		return -errno;
	return n > 0;
}

/* All that the child says until it hangs up. Gives *ret (free() it). */
static int oracle_receive(int fd, uint64_t deadline, uint8_t **ret, size_t *ret_len)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;

	for (;;) {
		int ready = oracle_wait(fd, deadline);
		uint8_t *more;
		ssize_t n;

		if (ready < 0)
			return ready;
		if (!ready)
			continue;
		more = realloc(bytes, len + ORACLE_STEP);
		if (!more)
			return -ENOMEM;
		bytes = more;
		n = recv(fd, bytes + len, ORACLE_STEP, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
		if (len > ORACLEWIRE_REPLY_MAX)
			return -EBADMSG;
	}
	*ret = steal_ptr(bytes);
	*ret_len = len;
	return len ? 0 : -EPIPE;
}

static void oracle_explain(int r, int status, char ret_error[static ORACLE_ERROR_MAX])
{
	if (ret_error[0])
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		snprintf(ret_error, ORACLE_ERROR_MAX, "%s was ended by signal %d (%s)",
			 ORACLE_PROGRAM, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(ret_error, ORACLE_ERROR_MAX, "%s: %s", ORACLE_PROGRAM,
			 r == -EPIPE     ? "it ended without an answer" :
			 r == -ETIMEDOUT ? "no answer within 60 seconds" :
			 r == -EBADMSG   ? "its answer is not one" :
					   strerror(-r));
}

static void oracle_fill(const struct oraclewire_reply *reply, struct oracle_answer *ret)
{
	for (size_t i = 0; i < reply->n; i++) {
		const struct oraclewire_verdict *v = &reply->verdicts[i];
		const struct oraclewire_rule *rule = v->rule < reply->n_rules ?
							     &reply->rules[v->rule] :
							     NULL;

		ret[i] = (struct oracle_answer){
			.error = v->error, .verdict = v->verdict, .ct = v->ct, .n_rules = v->n_rules
		};
		if (!rule)
			continue;
		snprintf(ret[i].table, sizeof(ret[i].table), "%s",
			 rule->is_guard ? BATCH_GUARD : BATCH_TABLE);
		memcpy(ret[i].chain, rule->chain, sizeof(ret[i].chain));
		memcpy(ret[i].comment, rule->comment, sizeof(ret[i].comment));
	}
}

static int oracle_talk(int fd, size_t n, struct oracle_answer *ret,
		       char ret_error[static ORACLE_ERROR_MAX])
{
	_cleanup_(oraclewire_release_reply) struct oraclewire_reply reply = { 0 };
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = oracle_receive(fd, clk_now_ns() + ORACLE_DEADLINE_MS * CLK_NS_PER_MS, &bytes, &len);

	if (r == 0)
		r = oraclewire_get_reply(bytes, len, &reply);
	if (r == 0 && reply.result < 0) {
		snprintf(ret_error, ORACLE_ERROR_MAX, "%s", reply.error);
		return reply.result;
	}
	if (r == 0 && reply.n != n)
		r = -EBADMSG;
	if (r == 0)
		oracle_fill(&reply, ret);
	return r;
}

int oracle_ask(const struct oracle_job *job, const struct terms_packet *packets, size_t n,
	       struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX])
{
	struct oraclewire_request q;
	_cleanup_(closep) int fd = -1;
	int status = 0;
	pid_t pid;
	int r;

	ret_error[0] = '\0';
	if (n > ORACLE_PACKETS_MAX)
		return -E2BIG;
	oracle_describe(job, packets, n, &q);
	r = oracle_start(&q, &fd, &pid);
	if (r < 0) {
		oracle_explain(r, 0, ret_error);
		return r;
	}
	r = oracle_talk(fd, n, ret, ret_error);
	kill(pid, SIGKILL);
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		status = 0;
	if (r < 0)
		oracle_explain(r, status, ret_error);
	return r;
}
