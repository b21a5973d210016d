/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/kernio.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

#define KERNIO_ANSWER_BYTES (64 * 1024)  /* more than the kernel puts into one answer */
#define KERNIO_BUFFER (80 * 1024 * 1024) /* socket buffers, bytes: a batch goes out in one piece */
#define KERNIO_WAIT_S 10                 /* no answer for so long is an error */

struct kernio {
	struct mnl_socket *socket;
	uint32_t seq;
	bool is_torn;    /* the last answer was not read to its end */
	bool takes_torn; /* of the query under way */
	uint8_t answer[KERNIO_ANSWER_BYTES] __attribute__((aligned(8)));
};

/* Forced beyond the limits of the system, for only then does a large batch fit. In a user namespace
 * that is not allowed; there nothing is sent. */
static void kernio_set_buffer(int fd, int force, int plain)
{
	int bytes = KERNIO_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

static int kernio_set_up(int fd)
{
	struct timeval wait = { .tv_sec = KERNIO_WAIT_S };

	kernio_set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	kernio_set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ? -errno : 0;
}

int kernio_open(struct kernio **ret)
{
	_cleanup_(kernio_closep) struct kernio *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!k->socket || mnl_socket_bind(k->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	r = kernio_set_up(mnl_socket_get_fd(k->socket));
	if (r == 0)
		*ret = steal_ptr(k);
	return r;
}

void kernio_close(struct kernio *k)
{
	if (!k)
		return;
	if (k->socket)
		mnl_socket_close(k->socket);
	free(k);
}

void kernio_closep(struct kernio **k)
{
	kernio_close(*k);
	*k = NULL;
}

uint32_t kernio_port(const struct kernio *k)
{
	return mnl_socket_get_portid(k->socket);
}

static struct nlmsghdr *kernio_header(struct kernio *k, void *at, int type, uint16_t flags,
				      uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *gen;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++k->seq;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->nfgen_family = family;
	gen->version = NFNETLINK_V0;
	return nlh;
}

/* BATCH_BEGIN or BATCH_END for nf_tables. */
static struct nlmsghdr *kernio_frame(struct kernio *k, void *at, uint16_t type)
{
	struct nlmsghdr *nlh = kernio_header(k, at, 0, 0, AF_UNSPEC);
	struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);

	nlh->nlmsg_type = type;
	gen->res_id = htons(NFNL_SUBSYS_NFTABLES);
	return nlh;
}

static int kernio_error(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

	return nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*err)) ? -EBADMSG : err->error;
}

/* One read of a dump. Gives 1 at its end. */
static int kernio_take(struct kernio *k, int len, int (*fn)(const struct nlmsghdr *nlh, void *ctx),
		       void *ctx)
{
	const struct nlmsghdr *nlh = (const void *)k->answer;
	int r = 0;

	for (; mnl_nlmsg_ok(nlh, len) && r == 0; nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_seq != k->seq)
			continue;
		if ((nlh->nlmsg_flags & NLM_F_DUMP_INTR) && !k->takes_torn)
			return -EINTR;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 1;
		r = nlh->nlmsg_type == NLMSG_ERROR ? kernio_error(nlh) : fn(nlh, ctx);
	}
	return r;
}

/* What an earlier request left unread must not be taken for the answer to this one, and a dump that
 * was given up half way keeps the kernel from starting another. */
static void kernio_drain(struct kernio *k)
{
	int fd = mnl_socket_get_fd(k->socket);
	ssize_t n;

	do {
		n = recv(fd, k->answer, sizeof(k->answer), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
}

static int kernio_send(struct kernio *k, const void *bytes, size_t len)
{
	ssize_t n;

	if (k->is_torn)
		kernio_drain(k);
	k->is_torn = true;
	n = TEMP_FAILURE_RETRY(mnl_socket_sendto(k->socket, bytes, len));
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

/* Gives the length of one answer, or -errno. */
static ssize_t kernio_receive(struct kernio *k)
{
	ssize_t n =
		TEMP_FAILURE_RETRY(mnl_socket_recvfrom(k->socket, k->answer, sizeof(k->answer)));

	/* The deadline of the socket has another name than a call without patience. */
	return n >= 0 ? n : errno == EAGAIN ? -ETIMEDOUT : -errno;
}

/* What vanished in the middle of a reading, or an answer that says it is torn. */
static bool kernio_is_torn(int r)
{
	return r == -EINTR || r == -ENOBUFS;
}

int kernio_dump(struct kernio *k, const struct kernio_query *query,
		int (*fn)(const struct nlmsghdr *nlh, void *ctx), void *ctx)
{
	char request[1024] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = kernio_header(k, request, query->type, NLM_F_DUMP, query->family);
	int r = 0;

	/* The table is attribute 1 of every request, the set of elements is 2. */
	if (query->table)
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, query->table);
	if (query->holder &&
	    !mnl_attr_put_strz_check(nlh, sizeof(request), NFTA_SET_ELEM_LIST_SET, query->holder))
		return -ENAMETOOLONG;
	k->takes_torn = query->takes_torn;
	r = kernio_send(k, nlh, nlh->nlmsg_len);
	while (r == 0) {
		ssize_t n = kernio_receive(k);

		r = n < 0 ? (int)n : kernio_take(k, (int)n, fn, ctx);
	}
	k->takes_torn = false;
	k->is_torn = r != 1;
	if (kernio_is_torn(r) || (r == -ENOENT && query->holder))
		return KERNIO_E_CHANGED;
	return r == 1 ? 0 : r;
}

static int kernio_take_generation(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_get_payload_len(attr) == 4)
			*(uint32_t *)ctx = ntohl(mnl_attr_get_u32(attr));
	return 0;
}

static int kernio_ask_generation(struct kernio *k, uint32_t *ret)
{
	char request[64] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = kernio_header(k, request, NFT_MSG_GETGEN, 0, 0);
	uint32_t generation = 0;
	int r = kernio_send(k, nlh, nlh->nlmsg_len);

	/* An answer to something earlier may still be in front of ours. */
	while (r == 0 && !generation) {
		ssize_t n = kernio_receive(k);

		r = n < 0 ? (int)n : kernio_take(k, (int)n, kernio_take_generation, &generation);
	}
	if (kernio_is_torn(r))
		return KERNIO_E_CHANGED;
	k->is_torn = r != 0;
	if (r == 0)
		*ret = generation;
	return r == 1 ? -EBADMSG : r;
}

/* While a commit runs, what is read can be of both generations, whatever the number says: kernels
 * differ in when they raise it. An empty batch for a generation waits for the commit, changes
 * nothing, and is refused when the number is another. Source: nf_tables_valid_genid(). */
static int kernio_settle(struct kernio *k, uint32_t generation)
{
	char request[128] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = kernio_frame(k, request, NFNL_MSG_BATCH_BEGIN);
	const struct nlmsghdr *answer = (const void *)k->answer;
	size_t len;
	int r;

	mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(generation));
	len = NLMSG_ALIGN(nlh->nlmsg_len);
	len += NLMSG_ALIGN(kernio_frame(k, request + len, NFNL_MSG_BATCH_END)->nlmsg_len);
	r = kernio_send(k, request, len);
	k->is_torn = r < 0;
	if (r < 0)
		return r;
	/* The answer, if there is one, came before the call returned. */
	r = (int)recv(mnl_socket_get_fd(k->socket), k->answer, sizeof(k->answer), MSG_DONTWAIT);
	if (r < 0)
		return errno == EAGAIN ? 0 : errno == ENOBUFS ? KERNIO_E_CHANGED : -errno;
	if (!mnl_nlmsg_ok(answer, r) || answer->nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	r = kernio_error(answer);
	return r == -ERESTART ? KERNIO_E_CHANGED : r;
}

int kernio_generation(struct kernio *k, uint32_t *ret)
{
	uint32_t generation;
	int r = kernio_ask_generation(k, &generation);

	if (r == 0)
		r = kernio_settle(k, generation);
	if (r == 0)
		*ret = generation;
	return r;
}

struct kernio_verdict {
	bool is_done;
	int error;    /* the first one */
	uint32_t seq; /* of the message it is about */
};

static void kernio_take_answer(struct kernio *k, int len, struct kernio_verdict *v)
{
	const struct nlmsghdr *nlh = (const void *)k->answer;

	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		int error = nlh->nlmsg_type == NLMSG_ERROR ? kernio_error(nlh) : 0;

		if (nlh->nlmsg_type != NLMSG_ERROR)
			continue;
		v->is_done = true;
		if (error && !v->error) {
			v->error = error;
			v->seq = nlh->nlmsg_seq;
		}
	}
}

int kernio_commit(struct kernio *k, const void *bytes, size_t len, uint32_t *ret_seq)
{
	struct kernio_verdict v = { 0 };
	int r;

	k->is_torn = true; /* refused batches are answered more than once */
	*ret_seq = 0;
	r = kernio_send(k, bytes, len);
	while (r == 0 && !v.is_done) {
		ssize_t n = kernio_receive(k);

		r = n < 0 ? (int)n : 0;
		if (r == 0)
			kernio_take_answer(k, (int)n, &v);
		/* The answer is lost, perhaps not the batch: only another look can tell. */
		else if (r != -ETIMEDOUT)
			return KERNIO_E_CHANGED;
	}
	if (r < 0)
		return r;
	*ret_seq = v.seq;
	return v.error == -ERESTART ? KERNIO_E_CHANGED : v.error;
}
