/* SPDX-License-Identifier: MIT */
/* What a worker can do in its sandbox, tried in children. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/fetch/fetchbox.h"
#include "common/sandbox.h"
#include "tests/support/tap.h"

enum { TEST_FETCHBOX_DONE = 7, TEST_FETCHBOX_FAILED = 8 };

static struct sockaddr_in6 test_fetchbox_to;

/* Gives the exit status of a child that does @act in the sandbox. */
static int test_fetchbox_try(bool network, int (*act)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int r = fetchbox_enter(network);

		/* Not _exit(), which a sanitizer fills with system calls of its own. */
		if (r < 0)
			syscall(SYS_exit_group, 99);
		syscall(SYS_exit_group, act() == 0 ? TEST_FETCHBOX_DONE : TEST_FETCHBOX_FAILED);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int test_fetchbox_nothing(void)
{
	return 0;
}

static int test_fetchbox_socket(void)
{
	return (int)syscall(SYS_socket, AF_INET6, SOCK_STREAM, 0) < 0 ? -1 : 0;
}

static int test_fetchbox_connect(void)
{
	int fd = (int)syscall(SYS_socket, AF_INET6, SOCK_STREAM, 0);

	return (int)syscall(SYS_connect, fd, &test_fetchbox_to, sizeof(test_fetchbox_to));
}

/* On a socket that is none: the call itself is what counts. */
static int test_fetchbox_only_connect(void)
{
	syscall(SYS_connect, 0, &test_fetchbox_to, sizeof(test_fetchbox_to));
	return 0;
}

static int test_fetchbox_sendto(void)
{
	syscall(SYS_sendto, 0, "x", 1, 0, &test_fetchbox_to, sizeof(test_fetchbox_to));
	return 0;
}

static int test_fetchbox_open(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static int test_fetchbox_bind(void)
{
	syscall(SYS_bind, 0, NULL, 0);
	return 0;
}

static int test_fetchbox_exec(void)
{
	syscall(SYS_execve, "/bin/true", NULL, NULL);
	return 0;
}

static int test_fetchbox_fork(void)
{
	syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	return 0;
}

static int test_fetchbox_setuid(void)
{
	syscall(SYS_setuid, 0);
	return 0;
}

static int test_fetchbox_ptrace(void)
{
	syscall(SYS_ptrace, 0, 0, 0, 0);
	return 0;
}

static void test_fetchbox_every_call(void)
{
	static const struct {
		const char *name;
		int (*act)(void);
		int with, without; /* network */
	} rows[] = {
		{ "nothing", test_fetchbox_nothing, TEST_FETCHBOX_DONE, TEST_FETCHBOX_DONE },
		{ "socket", test_fetchbox_socket, TEST_FETCHBOX_DONE, SANDBOX_EXIT_SYSCALL },
		{ "a connection", test_fetchbox_connect, TEST_FETCHBOX_DONE, SANDBOX_EXIT_SYSCALL },
		{ "connect", test_fetchbox_only_connect, TEST_FETCHBOX_DONE, SANDBOX_EXIT_SYSCALL },
		{ "sendto", test_fetchbox_sendto, TEST_FETCHBOX_DONE, SANDBOX_EXIT_SYSCALL },
		{ "open", test_fetchbox_open, SANDBOX_EXIT_SYSCALL, SANDBOX_EXIT_SYSCALL },
		{ "bind", test_fetchbox_bind, SANDBOX_EXIT_SYSCALL, SANDBOX_EXIT_SYSCALL },
		{ "exec", test_fetchbox_exec, SANDBOX_EXIT_SYSCALL, SANDBOX_EXIT_SYSCALL },
		{ "fork", test_fetchbox_fork, SANDBOX_EXIT_SYSCALL, SANDBOX_EXIT_SYSCALL },
		{ "setuid", test_fetchbox_setuid, SANDBOX_EXIT_SYSCALL, SANDBOX_EXIT_SYSCALL },
		{ "ptrace", test_fetchbox_ptrace, SANDBOX_EXIT_SYSCALL, SANDBOX_EXIT_SYSCALL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int with = test_fetchbox_try(true, rows[i].act);
		int without = test_fetchbox_try(false, rows[i].act);

		CU_ASSERT_EQUAL(with, rows[i].with);
		CU_ASSERT_EQUAL(without, rows[i].without);
		if (with != rows[i].with || without != rows[i].without)
			tap_note("%s: %d and %d", rows[i].name, with, without);
	}
}

/* Somebody to connect to. */
static void test_fetchbox_setup(void)
{
	static int fd = -1;
	socklen_t len = sizeof(test_fetchbox_to);

	if (fd >= 0)
		return;
	test_fetchbox_to = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						  .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&test_fetchbox_to, len), 0);
	CU_ASSERT_EQUAL(listen(fd, 4), 0);
	CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&test_fetchbox_to, &len), 0);
}

static const struct tap_test test_fetchbox_tests[] = {
	{ "every call", test_fetchbox_every_call },
	{ 0 },
};

static const struct tap_suite test_fetchbox_suites[] = {
	{ "fetchbox", test_fetchbox_tests, test_fetchbox_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fetchbox_suites);
}
