/* SPDX-License-Identifier: MIT */
/*
 * bench-pump: sends as much as it can for a time, or receives until nothing comes any more.
 *
 *   bench-pump send udp|tcp ADDRESS PORT SECONDS SIZE
 *	prints how many datagrams or writes it sent, and ns of processor time for each
 *   bench-pump receive udp|tcp PORT
 *	prints "ready", then datagrams or bytes
 *
 * A receiver serves one sender: it ends a second after the last datagram, or with the connection.
 * It answers the first datagram, for a conversation is what a host usually has. What a sender costs
 * is its own system calls and what the kernel does in them: all the way over a veth pair.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PUMP_BURST 64       /* datagrams of one call */
#define PUMP_SIZE_MAX 65536 /* bytes of one datagram or write */
#define PUMP_IDLE_MS 1000   /* a receiver of datagrams waits this long for more */
#define PUMP_FIRST_MS 30000 /* and this long for the first */

static uint8_t pump_bytes[PUMP_SIZE_MAX];

static double pump_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double pump_now(void)
{
	return pump_clock(CLOCK_MONOTONIC);
}

static void pump_print(unsigned long long sent)
{
	double cpu = pump_clock(CLOCK_PROCESS_CPUTIME_ID);

	printf("%llu %.0f\n", sent, sent ? cpu * 1e9 / (double)sent : 0);
}

static int pump_fail(const char *what)
{
	fprintf(stderr, "bench-pump: %s: %s\n", what, strerror(errno));
	return 1;
}

static int pump_send_udp(int fd, double seconds, size_t size)
{
	struct iovec iov = { .iov_base = pump_bytes, .iov_len = size };
	struct mmsghdr burst[PUMP_BURST];
	double end = pump_now() + seconds;
	unsigned long long sent = 0;

	memset(burst, 0, sizeof(burst));
	for (size_t i = 0; i < PUMP_BURST; i++)
		burst[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	while (pump_now() < end) {
		int n = sendmmsg(fd, burst, PUMP_BURST, 0);

		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			return pump_fail("send");
		sent += n > 0 ? (unsigned long long)n : 0;
	}
	pump_print(sent);
	return 0;
}

static int pump_send_tcp(int fd, double seconds, size_t size)
{
	double end = pump_now() + seconds;
	unsigned long long sent = 0;

	while (pump_now() < end) {
		ssize_t n = send(fd, pump_bytes, size, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return pump_fail("send");
		sent += n > 0;
	}
	pump_print(sent);
	return 0;
}

static int pump_send(bool is_tcp, char **argv)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	size_t size = strtoul(argv[3], NULL, 10);
	int fd, r;

	to.sin6_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	if (inet_pton(AF_INET6, argv[0], &to.sin6_addr) != 1 || size == 0 || size > PUMP_SIZE_MAX) {
		errno = EINVAL;
		return pump_fail("address or size");
	}
	fd = socket(AF_INET6, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return pump_fail("connect");
	r = (is_tcp ? pump_send_tcp : pump_send_udp)(fd, strtod(argv[2], NULL), size);
	close(fd);
	return r;
}

static void pump_answer(int fd)
{
	struct sockaddr_in6 from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, pump_bytes, 1, 0, (struct sockaddr *)&from, &len);

	if (n < 0 || sendto(fd, pump_bytes, 1, 0, (struct sockaddr *)&from, len) < 0)
		(void)pump_fail("answer");
}

static int pump_receive_udp(int fd)
{
	struct iovec iov = { .iov_base = pump_bytes, .iov_len = sizeof(pump_bytes) };
	struct mmsghdr burst[PUMP_BURST];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned long long got = 0;

	memset(burst, 0, sizeof(burst));
	for (size_t i = 0; i < PUMP_BURST; i++)
		burst[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	if (poll(&p, 1, PUMP_FIRST_MS) > 0)
		pump_answer(fd);
	while (poll(&p, 1, PUMP_IDLE_MS) > 0) {
		int n = recvmmsg(fd, burst, PUMP_BURST, MSG_DONTWAIT, NULL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return pump_fail("receive");
		got += n > 0 ? (unsigned long long)n : 0;
	}
	printf("%llu\n", got);
	return 0;
}

static int pump_receive_tcp(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	unsigned long long got = 0;
	ssize_t n;
	int fd;

	if (listen(listener, 1) < 0 || poll(&p, 1, PUMP_FIRST_MS) <= 0)
		return pump_fail("listen");
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		return pump_fail("accept");
	while ((n = recv(fd, pump_bytes, sizeof(pump_bytes), 0)) > 0)
		got += (unsigned long long)n;
	close(fd);
	printf("%llu\n", got);
	return 0;
}

static int pump_receive(bool is_tcp, char **argv)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	int on = 1, room = 8 * 1024 * 1024;

	at.sin6_port = htons((uint16_t)strtoul(argv[0], NULL, 10));
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return pump_fail("bind");
	/* more room than the machine's default limit allows needs a right that root has */
	if (!is_tcp && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		return pump_fail("receive buffer");
	if (is_tcp && listen(fd, 1) < 0)
		return pump_fail("listen");
	puts("ready");
	fflush(stdout);
	return (is_tcp ? pump_receive_tcp : pump_receive_udp)(fd);
}

int main(int argc, char **argv)
{
	bool is_tcp = argc > 2 && !strcmp(argv[2], "tcp");

	if (argc == 7 && !strcmp(argv[1], "send"))
		return pump_send(is_tcp, argv + 3);
	if (argc == 4 && !strcmp(argv[1], "receive"))
		return pump_receive(is_tcp, argv + 3);
	fputs("usage: bench-pump send udp|tcp ADDRESS PORT SECONDS SIZE\n"
	      "       bench-pump receive udp|tcp PORT\n",
	      stderr);
	return 64;
}
