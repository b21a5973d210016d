/* SPDX-License-Identifier: MIT */
/*
 * flood: sends as fast as the kernel lets it, and counts what the kernel took. Lab only, in
 * namespaces of its own.
 *
 *   flood udp ADDRESS PORT [SOURCE]  datagrams, many at a time, from some sockets in turn
 *   flood packet DEVICE ADDRESS      frames with an IPv6 datagram, past every socket layer
 *
 * Runs until SIGTERM and prints "taken N, refused N, seconds N.N". A full queue is waited for and
 * counts as neither. Exit status 0; 2 when it could not run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FLOOD_BURST 32   /* messages of one call */
#define FLOOD_SOCKETS 16 /* source ports in turn */
#define FLOOD_EXIT_TROUBLE 2

static volatile sig_atomic_t flood_ends;

struct flood {
	int fds[FLOOD_SOCKETS];
	size_t n_fds;
	struct mmsghdr burst[FLOOD_BURST];
	struct iovec iov;
	unsigned long taken, refused;
};

struct flood_frame {
	struct ethhdr eth;
	struct ip6_hdr ip6;
	struct udphdr udp;
	char data[4];
} __attribute__((packed));

static int flood_trouble(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	return FLOOD_EXIT_TROUBLE;
}

static void flood_end(int signal)
{
	(void)signal;
	flood_ends = 1;
}

/* Every message of a burst is the same. */
static void flood_load(struct flood *f, void *bytes, size_t len)
{
	f->iov = (struct iovec){ bytes, len };
	for (size_t i = 0; i < FLOOD_BURST; i++) {
		f->burst[i].msg_hdr.msg_iov = &f->iov;
		f->burst[i].msg_hdr.msg_iovlen = 1;
	}
}

static int flood_open_udp(struct flood *f, char **words)
{
	static char data[] = "flood";
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)strtoul(words[1], NULL, 10)) };
	struct sockaddr_in6 from = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET6, words[0], &to.sin6_addr) != 1 ||
	    (words[2] && inet_pton(AF_INET6, words[2], &from.sin6_addr) != 1))
		return flood_trouble(words[0]);
	for (f->n_fds = 0; f->n_fds < FLOOD_SOCKETS; f->n_fds++) {
		int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
		    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
			return flood_trouble("connect");
		f->fds[f->n_fds] = fd;
	}
	flood_load(f, data, sizeof(data));
	return 0;
}

static int flood_open_packet(struct flood *f, const char *device, const char *address)
{
	static struct flood_frame frame = {
		.eth.h_dest = { 2, 0, 0, 0, 0, 1 },
		.ip6.ip6_hlim = 64,
		.ip6.ip6_nxt = IPPROTO_UDP,
		.data = "pack",
	};
	struct sockaddr_ll from = { .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !from.sll_ifindex || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		return flood_trouble(device);
	frame.eth.h_proto = htons(ETH_P_IPV6);
	frame.ip6.ip6_vfc = 6 << 4;
	frame.ip6.ip6_plen = htons(sizeof(frame.udp) + sizeof(frame.data));
	frame.udp.dest = htons(9);
	frame.udp.len = frame.ip6.ip6_plen;
	if (inet_pton(AF_INET6, address, &frame.ip6.ip6_dst) != 1 ||
	    inet_pton(AF_INET6, "2001:db8:1:1::2", &frame.ip6.ip6_src) != 1)
		return flood_trouble(address);
	f->fds[f->n_fds++] = fd;
	flood_load(f, &frame, sizeof(frame));
	return 0;
}

/* A refusal by a firewall is EPERM or EACCES; the guard's is ENOBUFS for a packet socket, which to
 * everybody else says that a queue is full. */
static int flood_run(struct flood *f, int full)
{
	for (size_t i = 0; !flood_ends; i++) {
		int n = sendmmsg(f->fds[i % f->n_fds], f->burst, FLOOD_BURST, 0);

		if (n > 0)
			f->taken += (unsigned long)n;
		else if (errno != full && errno != EINTR && errno != EAGAIN)
			f->refused++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct flood f = { .n_fds = 0 };
	struct timespec from, to;
	int r = FLOOD_EXIT_TROUBLE, full = ENOBUFS;

	signal(SIGTERM, flood_end);
	signal(SIGINT, flood_end);
	if (argc >= 4 && !strcmp(argv[1], "udp")) {
		r = flood_open_udp(&f, argv + 2);
	} else if (argc == 4 && !strcmp(argv[1], "packet")) {
		r = flood_open_packet(&f, argv[2], argv[3]);
		full = EAGAIN;
	} else {
		fprintf(stderr, "usage: flood udp ADDRESS PORT [SOURCE] | packet DEVICE ADDRESS\n");
	}
	if (r)
		return r;
	clock_gettime(CLOCK_MONOTONIC, &from);
	flood_run(&f, full);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("taken %lu, refused %lu, seconds %.1f\n", f.taken, f.refused,
	       (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	return 0;
}
