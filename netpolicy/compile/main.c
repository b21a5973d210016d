/* SPDX-License-Identifier: MIT */
/*
 * netpolicy-compile: turns nft text into the netlink batch that would load it, without any power
 * over the host. Reads a request from descriptor 3, moves into namespaces of its own, and has a
 * process for each text let libnftables load it there while every batch it sends is recorded, dump
 * the result, and write the reply: libnftables counts across texts, and the bytes must not depend
 * on what was compiled before. A crash of the parser harms nobody.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <libmnl/libmnl.h>
#include <nftables/libnftables.h>

#include "common/attr.h"
#include "common/parcel.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/kdump.h"
#include "netpolicy/compile/compilewire.h"
#include "netpolicy/compile/standin.h"

#define COMPILE_MEMORY_MAX ((rlim_t)2048 * 1024 * 1024) /* bytes of address space */
#define COMPILE_CPU_S 240 /* a bound for when nobody waits; the parent gives up sooner */
#define COMPILE_BUFFER (80 * 1024 * 1024) /* bytes of the send buffer for a large batch */
#define COMPILE_ROOM 4096    /* bytes of it that the kernel keeps for itself, and more */
#define COMPILE_NOBODY 65534 /* the kernel's overflow user; exists everywhere */

/* gcc says it with a macro, clang with a feature. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define COMPILE_SANITIZED true
#else
#define COMPILE_SANITIZED false
#endif

/* The recording. Global, because libnftables calls sendmsg() and knows nothing of us. */
static struct {
	bool is_on;
	bool is_open; /* a batch has begun and not ended */
	int error;
	uint8_t *bytes;
	size_t len;
} compile_tape;

/* Where descriptors go whose send buffer is too small; -1 = nobody can help. */
static int compile_helper = -1;

static void compile_record(const void *p, size_t len)
{
	uint8_t *more = realloc(compile_tape.bytes, compile_tape.len + len);

	if (!more || compile_tape.len + len > BATCH_BYTES_MAX) {
		compile_tape.error = more ? -EFBIG : -ENOMEM;
		compile_tape.bytes = more ? more : compile_tape.bytes;
		return;
	}
	memcpy(more + compile_tape.len, p, len);
	compile_tape.bytes = more;
	compile_tape.len += len;
}

/* A batch starts with its BEGIN and may come in several pieces: newer libraries do that. */
static void compile_tee(const struct msghdr *msg)
{
	const struct iovec *iov = msg->msg_iov;
	const struct nlmsghdr *nlh = msg->msg_iovlen ? iov[0].iov_base : NULL;

	if (!compile_tape.is_open && nlh && iov[0].iov_len >= sizeof(*nlh) &&
	    nlh->nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
		/* One request, one batch: a second one would lose the first. */
		compile_tape.error = compile_tape.len ? -EPROTO : compile_tape.error;
		compile_tape.is_open = true;
	}
	for (size_t i = 0; compile_tape.is_open && i < msg->msg_iovlen; i++)
		compile_record(iov[i].iov_base, iov[i].iov_len);
	if (compile_tape.is_open && batch_length(compile_tape.bytes, compile_tape.len))
		compile_tape.is_open = false;
}

/* One descriptor over @via, with one byte. */
static int compile_hand_over(int via, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (char *)"b", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return TEMP_FAILURE_RETRY(syscall(SYS_sendmsg, via, &msg, MSG_NOSIGNAL)) < 0 ? -errno : 0;
}

/* Takes a descriptor; -1 at the end. */
static int compile_take_over(int via)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fd = -1;

	if (TEMP_FAILURE_RETRY(recvmsg(via, &msg, MSG_CMSG_CLOEXEC)) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* The only thing for which the child needs root: a send buffer beyond net.core.wmem_max. A batch
 * goes out in one piece, and without privilege no more than about 6,000 prefixes fit. This process
 * does that to the sockets it is handed, and nothing else. */
static void compile_help(int via)
{
	int bytes = COMPILE_BUFFER, fd;

	while ((fd = compile_take_over(via)) >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
		close(fd);
		if (write(via, "b", 1) != 1)
			break;
	}
	_exit(0);
}

/* Starts it while we still are root. It ends with us: then its socket is at its end. */
static int compile_start_helper(void)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		close(SPAWN_CHAN_FD);
		compile_help(pair[1]);
	}
	close(pair[1]);
	compile_helper = pair[0];
	return pid < 0 ? -errno : 0;
}

/* Before a batch is sent: room for it in the socket. */
static void compile_make_room(int fd, const struct msghdr *msg)
{
	socklen_t size = sizeof(int);
	size_t len = 0;
	int have = 0;
	char byte;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		len += msg->msg_iov[i].iov_len;
	if (compile_helper < 0 || getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &size) < 0 ||
	    len + COMPILE_ROOM <= (size_t)have)
		return;
	if (compile_hand_over(compile_helper, fd) == 0)
		(void)!read(compile_helper, &byte, 1);
}

/* Stands in front of the C library's: the one way from libnftables to the kernel. */
_public_ ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n;

	if (compile_tape.is_on) {
		compile_tee(msg);
		compile_make_room(fd, msg);
	}
	n = syscall(SYS_sendmsg, fd, msg, flags);
	if (compile_tape.is_on && n < 0 && errno == EMSGSIZE)
		compile_tape.error = -EMSGSIZE;
	return n;
}

static int compile_limit(void)
{
	struct rlimit memory = { COMPILE_MEMORY_MAX, COMPILE_MEMORY_MAX };
	struct rlimit cpu = { COMPILE_CPU_S, COMPILE_CPU_S };
	int r = 0;

	/* A sanitizer reserves terabytes of address space that it never uses. */
	if (!COMPILE_SANITIZED)
		r = setrlimit(RLIMIT_AS, &memory);
	return r < 0 || setrlimit(RLIMIT_CPU, &cpu) < 0 ? -errno : 0;
}

/* Tries in a child of its own, for neither step can be undone. */
static bool compile_can_userns(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(sandbox_drop(COMPILE_NOBODY, COMPILE_NOBODY, 0) < 0 ||
		      unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0);
	if (pid < 0 || TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Away from the host: first all power, then new namespaces. Where nobody may make a user namespace,
 * root makes the network namespace first, and CAP_NET_ADMIN in there is all that is kept. */
static int compile_isolate(uint8_t *ret_mode)
{
	bool is_root = geteuid() == 0;
	int r = is_root ? compile_start_helper() : 0;

	if (r < 0)
		return r;

	if (is_root && !compile_can_userns()) {
		*ret_mode = COMPILEWIRE_NETNS;
		if (unshare(CLONE_NEWNET) < 0)
			return -errno;
		r = sandbox_drop(COMPILE_NOBODY, COMPILE_NOBODY, UINT64_C(1) << CAP_NET_ADMIN);
	} else {
		*ret_mode = COMPILEWIRE_USERNS;
		if (is_root)
			r = sandbox_drop(COMPILE_NOBODY, COMPILE_NOBODY, 0);
		if (r == 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			r = -errno;
	}
	return r < 0 ? r : sandbox_lock_privileges();
}

static void compile_say(struct compilewire_reply *reply, const char *text)
{
	snprintf(reply->error, sizeof(reply->error), "%s", text);
	for (char *p = reply->error; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = *p == '\n' ? '|' : ' ';
}

/* Lines and columns of errors are right for files only, so the text becomes one. */
static int compile_memfd(const struct compilewire_request *q, int *ret)
{
	_cleanup_(closep) int fd = memfd_create("policy", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < q->text_len;) {
		ssize_t n = write(fd, q->text + at, q->text_len - at);

		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	*ret = steal_fd(&fd);
	return 0;
}

static int compile_load(const struct compilewire_request *q, struct compilewire_reply *reply)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	struct nft_ctx *nft;
	int r = compile_memfd(q, &fd);

	if (r < 0)
		return r;
	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	compile_tape.is_on = true;
	r = nft_run_cmd_from_filename(nft, path) ? -EINVAL : 0;
	compile_tape.is_on = false;
	if (r < 0)
		compile_say(reply, compile_tape.error == -EMSGSIZE ?
					   "a policy of this size can only be compiled by root: it "
					   "goes to the kernel in one piece, which is larger than "
					   "net.core.wmem_max allows others" :
					   nft_ctx_get_error_buffer(nft));
	nft_ctx_free(nft);
	if (r == 0 && (compile_tape.error || compile_tape.is_open || !compile_tape.len))
		r = compile_tape.error ? compile_tape.error : -EPROTO;
	return r;
}

static int compile_dump(struct compilewire_reply *reply)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r = kernio_open(&k);

	return r < 0 ? r : kdump_read(k, &reply->expected);
}

static int compile_work(const struct compilewire_request *q, struct compilewire_reply *reply)
{
	int r = compile_load(q, reply);

	if (r == 0)
		r = compile_dump(reply);
	reply->batch = steal_ptr(compile_tape.bytes);
	reply->batch_len = compile_tape.len;
	return r;
}

static int compile_answer(struct compilewire_reply *reply)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	int r;

	if (reply->result < 0 && !reply->error[0])
		compile_say(reply, strerror(-reply->result));
	r = compilewire_put_reply(reply, &p);
	return r < 0 ? r : parcel_send(SPAWN_CHAN_FD, &p, 0);
}

/* The process of one text. */
static int compile_text(const struct compilewire_request *q, uint8_t mode, pid_t parent)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { .mode = mode };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		return -ESRCH;
	reply.result = compile_work(q, &reply);
	return compile_answer(&reply);
}

/* Starts it and waits. What it dies of we die of too, for the parent to tell. */
static int compile_fork(const struct compilewire_request *q, uint8_t mode)
{
	pid_t me = getpid(), pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(compile_text(q, mode, me) < 0);
	if (pid < 0 || TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return -errno;
	if (WIFSIGNALED(status))
		(void)raise(WTERMSIG(status));
	return status ? -EPIPE : 0;
}

/* Before the first text: the place to work in. Words go to @reply. */
static int compile_enter(const struct compilewire_request *q, struct compilewire_reply *reply)
{
	int r = compile_limit();

	if (r == 0)
		r = compile_isolate(&reply->mode);
	if (r < 0)
		compile_say(reply, "no namespace of its own to work in");
	for (size_t i = 0; i < q->n_devices && r == 0; i++)
		r = standin_make(q->devices[i]);
	if (r < 0 && !reply->error[0])
		compile_say(reply, "no stand-in for an uplink could be made");
	return r;
}

/* After each: as empty as it was, while the parent does something else. */
static int compile_empty(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r = kernio_open(&k);

	return r < 0 ? r : applier_unload(k);
}

/* Serves one request. *mode: 0 before the first. */
static int compile_next(const struct compilewire_request *q, uint8_t *mode)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { .mode = *mode };
	int r = *mode ? 0 : compile_enter(q, &reply);

	*mode = reply.mode;
	if (r == 0) {
		r = compile_fork(q, reply.mode);
		return r < 0 ? r : compile_empty();
	}
	reply.result = r;
	(void)compile_answer(&reply);
	return r;
}

static int compile_receive(struct compilewire_request *ret)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	int r = parcel_receive(SPAWN_CHAN_FD, COMPILEWIRE_REQUEST_MAX, 0, &p);

	return r < 0 ? r : compilewire_get_request(p.bytes, p.len, ret);
}

int main(int argc, char **argv)
{
	uint8_t mode = 0;
	int r = 0;

	/* libnftables calls select(): a descriptor over 1023 would abort it. */
	(void)close_range(SPAWN_CHAN_FD + 1, ~0U, 0);
	while (r == 0) {
		_cleanup_(compilewire_release_request) struct compilewire_request q = { 0 };

		r = compile_receive(&q);
		if (r == 0)
			r = compile_next(&q, &mode);
	}
	if (mode)
		return r == -EPIPE ? 0 : 1; /* no more questions */
	fprintf(stderr, "netpolicy-compile is started by netpolicy, not by hand\n");
	return 2;
}
