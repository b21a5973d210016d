/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/notify.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

/* Plays the service manager on @name: a path, or "@" and an abstract name. */
static int listen_on(const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CU_ASSERT(fd >= 0 && n < sizeof(to.sun_path));
	memcpy(to.sun_path, name, n);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
			0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect(int fd, const char *want)
{
	char got[1024];
	ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

	got[n < 0 ? 0 : n] = '\0';
	CU_ASSERT_STRING_EQUAL(got, want);
}

static void test_no_manager(void)
{
	unsetenv("NOTIFY_SOCKET");
	CU_ASSERT_EQUAL(notify_ready("up"), 0);
	CU_ASSERT_EQUAL(notify_status("up"), 0);
	CU_ASSERT_EQUAL(notify_stopping(), 0);
	setenv("NOTIFY_SOCKET", "relative", 1);
	CU_ASSERT_EQUAL(notify_ready("up"), 0);
}

static void test_messages(void)
{
	char path[PATH_MAX];
	_cleanup_(closep) int fd = listen_on(tmpdir_path(path, "notify"));

	CU_ASSERT_EQUAL(notify_ready("3 of 3 up"), 0);
	expect(fd, "READY=1\nSTATUS=3 of 3 up");
	CU_ASSERT_EQUAL(notify_status("2 of 3 up"), 0);
	expect(fd, "STATUS=2 of 3 up");
	CU_ASSERT_EQUAL(notify_stopping(), 0);
	expect(fd, "STOPPING=1");
}

static void test_abstract(void)
{
	char name[64];

	snprintf(name, sizeof(name), "@postern-test-%ld", (long)getpid());
	_cleanup_(closep) int fd = listen_on(name);

	CU_ASSERT_EQUAL(notify_stopping(), 0);
	expect(fd, "STOPPING=1");
}

static void test_status_is_one_line(void)
{
	char path[PATH_MAX];
	_cleanup_(closep) int fd = listen_on(tmpdir_path(path, "lines"));

	CU_ASSERT_EQUAL(notify_status("up\nMAINPID=1"), 0);
	expect(fd, "STATUS=up");
	CU_ASSERT_EQUAL(notify_ready("\nMAINPID=1"), 0);
	expect(fd, "READY=1\nSTATUS=");
}

static void test_status_limit(void)
{
	char path[PATH_MAX];
	_cleanup_(closep) int fd = listen_on(tmpdir_path(path, "long"));

	for (size_t n = NOTIFY_STATUS_MAX - 1; n <= NOTIFY_STATUS_MAX + 1; n++) {
		char status[NOTIFY_STATUS_MAX + 2] = { 0 };
		char want[NOTIFY_STATUS_MAX + 16];

		memset(status, 's', n);
		snprintf(want, sizeof(want), "STATUS=%.*s", NOTIFY_STATUS_MAX, status);
		CU_ASSERT_EQUAL(notify_status(status), 0);
		expect(fd, want);
	}
}

static void test_errors(void)
{
	char path[PATH_MAX];
	char name[256] = "/";

	setenv("NOTIFY_SOCKET", tmpdir_path(path, "nobody"), 1);
	CU_ASSERT_EQUAL(notify_ready("up"), -ENOENT);
	for (size_t n = sizeof(((struct sockaddr_un *)0)->sun_path) - 1; n < 110; n++) {
		memset(name + 1, 'n', n - 1);
		setenv("NOTIFY_SOCKET", name, 1);
		CU_ASSERT_EQUAL(notify_ready("up"), n < 108 ? -ENOENT : -ENAMETOOLONG);
	}
}

static const struct tap_test tests[] = {
	{ "without a manager nothing happens", test_no_manager },
	{ "messages", test_messages },
	{ "abstract socket", test_abstract },
	{ "the status cannot start another line", test_status_is_one_line },
	{ "length of the status", test_status_limit },
	{ "errors", test_errors },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "notify", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
