/* SPDX-License-Identifier: MIT */
/*
 * probe: what a hostile network sees of a host. Lab only.
 *
 *   probe tcp ADDRESS FIRST-LAST     tries to connect to every port; prints the open ones
 *   probe udp ADDRESS FIRST-LAST     sends a datagram to every port; prints those that answer
 *   probe frame DEVICE ADDRESS       sends one raw IPv6/UDP frame past every socket layer
 *
 * Ends with "N tried, N open, N refused". Exit status 0 when something is open, 1 when nothing is,
 * 2 when it could not run, so that "not open" cannot be confused with "not tried".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBE_BATCH 4096   /* sockets waiting at a time */
#define PROBE_WAIT_MS 1200 /* for the answers of one batch */
#define PROBE_EXIT_TROUBLE 2

struct probe {
	struct sockaddr_storage to;
	socklen_t to_len;
	int type; /* SOCK_STREAM or SOCK_DGRAM */
	unsigned int n_tried, n_open, n_refused;
};

static int probe_trouble(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	return PROBE_EXIT_TROUBLE;
}

static bool probe_parse_addr(struct probe *p, const char *text)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&p->to;
	struct sockaddr_in *four = (struct sockaddr_in *)&p->to;

	if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		p->to_len = sizeof(*six);
		return true;
	}
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		p->to_len = sizeof(*four);
		return true;
	}
	return false;
}

static void probe_set_port(struct probe *p, unsigned int port)
{
	if (p->to.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&p->to)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)&p->to)->sin_port = htons((uint16_t)port);
}

/* Starts one try; gives the socket, or -1 when the answer is already known. */
static int probe_start(struct probe *p, unsigned int port)
{
	int fd = socket(p->to.ss_family, p->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	p->n_tried++;
	probe_set_port(p, port);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&p->to, p->to_len) == 0 || errno == EINPROGRESS)
		if (p->type == SOCK_STREAM || send(fd, "?", 1, 0) == 1)
			return fd;
	p->n_refused++;
	close(fd);
	return -1;
}

/* A ready socket: an error is a refusal, anything else an open port. */
static void probe_judge(struct probe *p, int fd, unsigned int port)
{
	socklen_t len = sizeof(int);
	int error = 0;
	char byte;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error && p->type == SOCK_DGRAM && recv(fd, &byte, 1, 0) < 0)
		error = errno;
	if (error) {
		p->n_refused++;
		return;
	}
	p->n_open++;
	printf("open %s %u\n", p->type == SOCK_STREAM ? "tcp" : "udp", port);
}

static unsigned int probe_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned int)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static void probe_collect(struct probe *p, struct pollfd *fds, unsigned int n, unsigned int first)
{
	unsigned int end = probe_ms() + PROBE_WAIT_MS;

	for (int left = PROBE_WAIT_MS; left > 0; left = (int)(end - probe_ms())) {
		if (poll(fds, n, left) <= 0)
			break;
		for (unsigned int i = 0; i < n; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			probe_judge(p, fds[i].fd, first + i);
			close(fds[i].fd);
			fds[i].fd = -1;
		}
	}
	for (unsigned int i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
}

static void probe_batch(struct probe *p, unsigned int first, unsigned int last)
{
	static struct pollfd fds[PROBE_BATCH];
	unsigned int n = 0;

	for (unsigned int port = first; port <= last; port++, n++) {
		fds[n].fd = probe_start(p, port);
		fds[n].events = p->type == SOCK_STREAM ? POLLOUT : POLLIN;
		fds[n].revents = 0;
	}
	probe_collect(p, fds, n, first);
}

/* FIRST-LAST, both in 1-65535. */
static bool probe_parse_range(const char *range, unsigned int *ret_first, unsigned int *ret_last)
{
	char *end;
	unsigned long first = strtoul(range, &end, 10), last;

	if (*end != '-')
		return false;
	last = strtoul(end + 1, &end, 10);
	if (*end || !first || last > 65535 || first > last)
		return false;
	*ret_first = (unsigned int)first;
	*ret_last = (unsigned int)last;
	return true;
}

static int probe_ports(struct probe *p, const char *range)
{
	struct rlimit many = { PROBE_BATCH + 64, PROBE_BATCH + 64 };
	unsigned int first, last;

	if (!probe_parse_range(range, &first, &last)) {
		fputs("probe: ports are FIRST-LAST\n", stderr);
		return PROBE_EXIT_TROUBLE;
	}
	if (setrlimit(RLIMIT_NOFILE, &many) < 0)
		return probe_trouble("setrlimit");
	for (unsigned int at = first; at <= last; at += PROBE_BATCH)
		probe_batch(p, at, at + PROBE_BATCH - 1 < last ? at + PROBE_BATCH - 1 : last);
	printf("%u tried, %u open, %u refused\n", p->n_tried, p->n_open, p->n_refused);
	return p->n_open ? 0 : 1;
}

/* A frame that no socket and no routing decision ever saw: only a netdev hook can stop it. */
static int probe_frame(const char *device, const char *address)
{
	struct {
		struct ip6_hdr ip;
		struct udphdr udp;
		char text[8];
	} __attribute__((packed)) packet = { .text = "postern" };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	to.sll_ifindex = (int)if_nametoindex(device);
	to.sll_halen = ETH_ALEN;
	memset(to.sll_addr, 0xff, ETH_ALEN);
	if (fd < 0 || !to.sll_ifindex)
		return probe_trouble(device);
	packet.ip.ip6_flow = htonl(6U << 28);
	packet.ip.ip6_plen = htons(sizeof(packet) - sizeof(packet.ip));
	packet.ip.ip6_nxt = IPPROTO_UDP;
	packet.ip.ip6_hlim = 64;
	packet.udp.source = htons(4444);
	packet.udp.dest = htons(9);
	packet.udp.len = htons(sizeof(packet) - sizeof(packet.ip));
	if (inet_pton(AF_INET6, address, &packet.ip.ip6_dst) != 1 ||
	    inet_pton(AF_INET6, "2001:db8:bad:f00d::1", &packet.ip.ip6_src) != 1)
		return PROBE_EXIT_TROUBLE;
	n = sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	puts(n < 0 ? "refused" : "sent");
	return n < 0 && errno != ENOBUFS && errno != EPERM ? probe_trouble("sendto") : 0;
}

int main(int argc, char **argv)
{
	struct probe p = { 0 };

	if (argc == 4 && !strcmp(argv[1], "frame"))
		return probe_frame(argv[2], argv[3]);
	if (argc != 4 || !probe_parse_addr(&p, argv[2]) ||
	    (strcmp(argv[1], "tcp") && strcmp(argv[1], "udp"))) {
		fputs("usage: probe tcp|udp ADDRESS FIRST-LAST | probe frame DEVICE ADDRESS\n",
		      stderr);
		return PROBE_EXIT_TROUBLE;
	}
	p.type = strcmp(argv[1], "tcp") ? SOCK_DGRAM : SOCK_STREAM;
	return probe_ports(&p, argv[3]);
}
