/* SPDX-License-Identifier: MIT */
/*
 * firstecho ADDRESS PROGRAM [ARGUMENT...]: starts a program and prints the microseconds from its
 * exec to the first ICMPv6 echo reply from ADDRESS. An echo request goes out every 2 ms until then.
 * The program is ended with SIGKILL afterwards. Exit status 0, 1 when nothing came within 30 s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRSTECHO_EVERY_MS 2
#define FIRSTECHO_PATIENCE_US 30000000L

static long firstecho_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

static int firstecho_open(void)
{
	struct icmp6_filter filter;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	if (fd >= 0 && setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) == 0)
		return fd;
	perror("firstecho: socket");
	return -1;
}

/* Before there is a route this fails, which is the expected state of things. */
static void firstecho_send(int fd, const struct sockaddr_in6 *to, uint16_t id)
{
	struct icmp6_hdr echo = { .icmp6_type = ICMP6_ECHO_REQUEST };

	echo.icmp6_id = id;
	if (sendto(fd, &echo, sizeof(echo), 0, (const struct sockaddr *)to, sizeof(*to)) < 0)
		return;
}

static bool firstecho_received(int fd, const struct sockaddr_in6 *from, uint16_t id)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_in6 who;
	socklen_t len = sizeof(who);
	struct icmp6_hdr echo;

	if (poll(&p, 1, FIRSTECHO_EVERY_MS) != 1)
		return false;
	if (recvfrom(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&who, &len) <
	    (ssize_t)sizeof(echo))
		return false;
	return echo.icmp6_id == id &&
	       !memcmp(&who.sin6_addr, &from->sin6_addr, sizeof(who.sin6_addr));
}

static pid_t firstecho_start(char **argv)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	uint16_t id = (uint16_t)getpid();
	bool got = false;
	long start, spent;
	pid_t pid;
	int fd;

	if (argc < 3 || inet_pton(AF_INET6, argv[1], &to.sin6_addr) != 1) {
		fputs("usage: firstecho ADDRESS PROGRAM [ARGUMENT...]\n", stderr);
		return 64;
	}
	fd = firstecho_open();
	if (fd < 0)
		return 2;
	start = firstecho_now_us();
	pid = firstecho_start(argv + 2);
	do {
		firstecho_send(fd, &to, id);
		got = firstecho_received(fd, &to, id);
		spent = firstecho_now_us() - start;
	} while (!got && spent < FIRSTECHO_PATIENCE_US && waitpid(pid, NULL, WNOHANG) == 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!got) {
		fputs("firstecho: no reply\n", stderr);
		return 1;
	}
	printf("%ld\n", spent);
	return 0;
}
