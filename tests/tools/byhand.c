/* SPDX-License-Identifier: MIT */
/*
 * Runs one exchange worker by hand, with anything in front of it (strace, gdb), and prints its
 * result. It plays tunneld without a kernel: the key is random, nothing is configured.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/chan.h"
#include "common/spawn.h"
#include "tunneld/proto/exjob.h"

#define BYHAND_TIMEOUT_MS 30000
#define BYHAND_PATIENCE_MS 600000 /* somebody may sit in a debugger */

static int byhand_fill(char **argv, struct exjob_start *ret, struct ip6_endpoint *ret_to)
{
	struct ip6_prefix hosts;

	if (ip6_parse_endpoint(argv[1], ret_to) < 0 || ip6_parse_prefix(argv[3], &hosts) < 0)
		return -EINVAL;
	*ret = (struct exjob_start){
		.timeout_ms = BYHAND_TIMEOUT_MS,
		.hosts_prefix = hosts,
		.request = { .hostname = "by-hand",
			     .software = "postern/by-hand",
			     .boot_id = "00000000-0000-0000-0000-000000000000" },
	};
	ip6_format_endpoint(ret_to, ret->authority);
	snprintf(ret->zone, sizeof(ret->zone), "%s", argv[2]);
	snprintf(ret->principal, sizeof(ret->principal), "%s", argv[4]);
	snprintf(ret->cert, sizeof(ret->cert), "%s", argv[5]);
	snprintf(ret->key, sizeof(ret->key), "%s", argv[6]);
	snprintf(ret->ca, sizeof(ret->ca), "%s", argv[7]);
	return getrandom(ret->request.public_key.bytes, WGKEY_BYTES, 0) < 0 ? -errno : 0;
}

static int byhand_connect(const struct ip6_endpoint *to, int *ret)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6,
		.sin6_addr = to->addr,
		.sin6_port = htons(to->port),
	};
	_cleanup_(closep) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS))
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

static int byhand_start(char **argv, const struct exjob_start *job, int sock, int *ret_fd)
{
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	struct spawn_spec spec = { .path = argv[0], .extra_fd = -1 };
	struct chan_msg msg;
	int pair[2];
	pid_t pid;
	int r = chan_pair(pair);

	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	spec.argv = (const char *const *)argv;
	spec.chan_fd = theirs;
	r = exjob_encode_start(job, sock, &msg);
	if (r == 0)
		r = chan_send(ours, &msg);
	if (r == 0)
		r = spawn_start(&spec, &pid);
	if (r == 0)
		*ret_fd = steal_fd(&ours);
	return r;
}

static void byhand_print(const struct exjob_result *res)
{
	char addr[IP6_ADDR_TEXT];

	printf("tcp %u us, tls %u us, all %u us, group %s\n", res->connect_us, res->tls_us,
	       res->total_us, res->group);
	if (res->code)
		printf("PST-%04u %s: %s\n", (unsigned int)res->code, pst_text(res->code),
		       res->detail);
	else
		printf("granted by %s: address %s, epoch %llu\n", res->offer.gateway_name,
		       ip6_format_addr(&res->offer.host_addr, addr),
		       (unsigned long long)res->offer.epoch);
}

static int byhand_finish(int fd)
{
	_cleanup_(exjob_result_wipe) struct exjob_result res = { 0 };
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct chan_op *ops;
	size_t n_ops;
	int r;

	ops = exjob_ops(&n_ops);
	if (poll(&p, 1, BYHAND_PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	r = chan_recv(fd, ops, n_ops, &msg);
	if (r == CHAN_E_CLOSED)
		return -EPIPE;
	if (r == 0)
		r = exjob_decode_result(&msg, &res);
	if (r == 0)
		byhand_print(&res);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(closep) int sock = -1;
	_cleanup_(closep) int fd = -1;
	struct exjob_start job;
	struct ip6_endpoint to;
	int r;

	if (argc < 9) {
		fputs("usage: byhand [ADDRESS]:PORT ZONE HOSTS-PREFIX PRINCIPAL CERT KEY CA "
		      "/PROGRAM [WORD...]\n"
		      "The program gets the worker's channel at descriptor 3.\n",
		      stderr);
		return 64;
	}
	r = byhand_fill(argv, &job, &to);
	if (r == 0)
		r = byhand_connect(&to, &sock);
	if (r == 0)
		r = byhand_start(argv + 8, &job, sock, &fd);
	if (r == 0)
		r = byhand_finish(fd);
	while (wait(NULL) > 0)
		continue;
	if (r < 0)
		fprintf(stderr, "byhand: %s\n", strerror(-r));
	return r < 0 ? 1 : 0;
}
