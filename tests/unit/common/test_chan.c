/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/chan.h"
#include "tests/support/tap.h"

static const struct chan_op ops[] = {
	{ .type = 1, .name = "plain", .body_min = 2, .body_max = 4 },
	{ .type = 2, .name = "with-fd", .body_min = 0, .body_max = 8, .fd_allowed = true },
	{ .type = 3, .name = "large", .body_min = 0, .body_max = CHAN_BODY_MAX },
	{ .type = 4, .name = "too-large", .body_min = 0, .body_max = CHAN_BODY_MAX + 100 },
};

static int pair[2] = { -1, -1 };

static void setup(void)
{
	CU_ASSERT_EQUAL(chan_pair(pair), 0);
}

static void teardown(void)
{
	closep(&pair[0]);
	closep(&pair[1]);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int send_op(const struct chan_op *op, size_t len, int fd)
{
	struct chan_msg msg;
	int r;

	chan_msg_init(&msg, op, 7);
	memset(msg.body, 0x42, sizeof(msg.body));
	msg.len = len;
	msg.fd = fd;
	r = chan_send(pair[0], &msg);
	return r;
}

static int receive(struct chan_msg *ret)
{
	return chan_recv(pair[1], ops, ARRAY_SIZE(ops), ret);
}

/* Sends raw bytes with @n_fds copies of standard input. */
static void send_raw(const void *bytes, size_t len, size_t n_fds)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };

	if (n_fds) {
		head.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(control, &head, sizeof(head)); /* the rest is the descriptor 0 */
		hdr.msg_control = control;
		hdr.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	CU_ASSERT_EQUAL(sendmsg(pair[0], &hdr, MSG_NOSIGNAL), (ssize_t)len);
}

static void test_round_trip(void)
{
	struct chan_msg msg;

	CU_ASSERT_EQUAL(send_op(&ops[0], 3, -1), 0);
	CU_ASSERT_EQUAL(receive(&msg), 0);
	CU_ASSERT_PTR_EQUAL(msg.op, &ops[0]);
	CU_ASSERT_EQUAL(msg.seq, 7);
	CU_ASSERT_EQUAL(msg.len, 3);
	CU_ASSERT_EQUAL(msg.fd, -1);
	CU_ASSERT_EQUAL(memcmp(msg.body, "BBB", 3), 0);
	CU_ASSERT_EQUAL(receive(&msg), -EAGAIN);
}

static void test_pair_flags(void)
{
	for (int i = 0; i < 2; i++) {
		CU_ASSERT(fcntl(pair[i], F_GETFD) & FD_CLOEXEC);
		CU_ASSERT(fcntl(pair[i], F_GETFL) & O_NONBLOCK);
	}
}

static void test_descriptor(void)
{
	_cleanup_(closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct chan_msg msg;
	struct stat a, b;

	CU_ASSERT_EQUAL(send_op(&ops[1], 0, fd), 0);
	CU_ASSERT_EQUAL(receive(&msg), 0);
	CU_ASSERT(msg.fd >= 0 && msg.fd != fd);
	CU_ASSERT(fcntl(msg.fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT(fstat(fd, &a) == 0 && fstat(msg.fd, &b) == 0 && a.st_rdev == b.st_rdev);
	chan_msg_release(&msg);
	CU_ASSERT_EQUAL(msg.fd, -1);
}

static void test_send_refuses(void)
{
	_cleanup_(closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CU_ASSERT_EQUAL(send_op(&ops[0], 1, -1), -EMSGSIZE);
	CU_ASSERT_EQUAL(send_op(&ops[0], 2, -1), 0);
	CU_ASSERT_EQUAL(send_op(&ops[0], 4, -1), 0);
	CU_ASSERT_EQUAL(send_op(&ops[0], 5, -1), -EMSGSIZE);
	CU_ASSERT_EQUAL(send_op(&ops[3], CHAN_BODY_MAX + 1, -1), -EMSGSIZE);
	CU_ASSERT_EQUAL(send_op(&ops[0], 2, fd), -EINVAL);
	CU_ASSERT_EQUAL(send_op(&ops[1], 2, -1), -EINVAL);
}

static void test_largest(void)
{
	struct chan_msg msg;

	for (size_t len = CHAN_BODY_MAX - 1; len <= CHAN_BODY_MAX; len++) {
		CU_ASSERT_EQUAL(send_op(&ops[2], len, -1), 0);
		CU_ASSERT_EQUAL(receive(&msg), 0);
		CU_ASSERT_EQUAL(msg.len, len);
	}
	CU_ASSERT_EQUAL(send_op(&ops[2], CHAN_BODY_MAX + 1, -1), -EMSGSIZE);
}

static void test_oversized(void)
{
	uint8_t bytes[CHAN_HEADER_BYTES + CHAN_BODY_MAX + 2] = {
		4, 0, 0, 0, 0, 0, 0, 0, 0xf1, 0x1f
	};
	struct chan_msg msg;

	/* The lengths agree, yet the body is one, then two, over the limit. */
	send_raw(bytes, sizeof(bytes) - 1, 0);
	CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
	bytes[8] = 0xf2;
	send_raw(bytes, sizeof(bytes), 0);
	CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
}

/* A good frame of operation 1, and the byte of it that is spoiled. */
static void test_header(void)
{
	static const uint8_t good[] = { 1, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 'h', 'i' };
	static const bool any[CHAN_HEADER_BYTES] = {
		[4] = true, [5] = true, [6] = true, [7] = true
	};
	struct chan_msg msg;

	send_raw(good, sizeof(good), 0);
	CU_ASSERT_EQUAL(receive(&msg), 0);
	CU_ASSERT_EQUAL(msg.seq, 9);
	for (size_t i = 0; i < CHAN_HEADER_BYTES; i++) {
		uint8_t bad[sizeof(good)];

		memcpy(bad, good, sizeof(good));
		bad[i] ^= 0x80;
		send_raw(bad, sizeof(bad), 0);
		CU_ASSERT_EQUAL(receive(&msg), any[i] ? 0 : -EBADMSG);
	}
	for (size_t len = 1; len < sizeof(good); len++) {
		send_raw(good, len, 0);
		CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
	}
}

static void test_trailing_byte(void)
{
	static const uint8_t bytes[] = { 1, 0, 0, 0, 9, 0, 0,   0,   2,  0,
					 0, 0, 0, 0, 0, 0, 'h', 'i', '!' };
	struct chan_msg msg;

	send_raw(bytes, sizeof(bytes), 0);
	CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
}

/* Whatever the number of descriptors, none is left behind. */
static void test_wrong_descriptors(void)
{
	static const uint8_t plain[] = { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 'h', 'i' };
	static const uint8_t with_fd[] = { 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const size_t n_fds[] = { 2, 4, 5, 16 };
	int before = count_fds();
	struct chan_msg msg;

	send_raw(plain, sizeof(plain), 1);
	CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
	send_raw(with_fd, sizeof(with_fd), 0);
	CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(n_fds); i++) {
		send_raw(with_fd, sizeof(with_fd), n_fds[i]);
		CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
		CU_ASSERT_EQUAL(msg.fd, -1);
	}
	send_raw("", 0, 3);
	CU_ASSERT_EQUAL(receive(&msg), -EBADMSG);
	CU_ASSERT_EQUAL(count_fds(), before);
}

static void test_closed(void)
{
	struct chan_msg msg;

	CU_ASSERT_EQUAL(send_op(&ops[0], 2, -1), 0);
	closep(&pair[0]);
	CU_ASSERT_EQUAL(receive(&msg), 0);
	CU_ASSERT_EQUAL(receive(&msg), CHAN_E_CLOSED);
	CU_ASSERT_EQUAL(msg.fd, -1);
}

static void test_send_to_closed(void)
{
	closep(&pair[1]);
	CU_ASSERT_EQUAL(send_op(&ops[0], 2, -1), -EPIPE);
}

/* The other end went with bytes unread: the kernel says so once. */
static void test_closed_with_unread(void)
{
	struct chan_msg msg;

	CU_ASSERT_EQUAL(send_op(&ops[0], 2, -1), 0);
	closep(&pair[1]);
	CU_ASSERT_EQUAL(chan_recv(pair[0], ops, ARRAY_SIZE(ops), &msg), CHAN_E_CLOSED);
}

static void test_full(void)
{
	int n = 0, r = 0;

	while (r == 0 && n < 100000) {
		r = send_op(&ops[2], CHAN_BODY_MAX, -1);
		n += r == 0;
	}
	CU_ASSERT_EQUAL(r, -EAGAIN);
	CU_ASSERT(n > 1);
}

static void test_bad_descriptor(void)
{
	struct chan_msg msg;

	CU_ASSERT_EQUAL(chan_recv(-1, ops, ARRAY_SIZE(ops), &msg), -EBADF);
	CU_ASSERT_EQUAL(msg.fd, -1);
	chan_msg_release(&msg);
	chan_msg_release(NULL);
}

static void test_release_wipes(void)
{
	struct chan_msg msg;
	unsigned int left = 0;

	chan_msg_init(&msg, &ops[2], 0);
	memset(msg.body, 0x42, sizeof(msg.body));
	chan_msg_release(&msg);
	for (size_t i = 0; i < sizeof(msg.body); i++)
		left |= msg.body[i];
	CU_ASSERT_EQUAL(left, 0);
}

static const struct tap_test tests[] = {
	{ "what is sent is received", test_round_trip },
	{ "both ends close on exec and do not block", test_pair_flags },
	{ "a descriptor travels", test_descriptor },
	{ "sending refuses what does not fit", test_send_refuses },
	{ "the largest message", test_largest },
	{ "oversized", test_oversized },
	{ "each byte of the header counts", test_header },
	{ "a trailing byte", test_trailing_byte },
	{ "wrong number of descriptors", test_wrong_descriptors },
	{ "closed end", test_closed },
	{ "sending to a closed end", test_send_to_closed },
	{ "closed with unread messages", test_closed_with_unread },
	{ "full buffer", test_full },
	{ "no channel", test_bad_descriptor },
	{ "release wipes the body", test_release_wipes },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "chan", tests, setup, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
