/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "common/notify.h"
#include "tests/support/capture.h"
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

/* NULL takes the variable away. */
static void watch(const char *usec, const char *pid)
{
	usec ? setenv("WATCHDOG_USEC", usec, 1) : unsetenv("WATCHDOG_USEC");
	pid ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID");
}

static void test_watchdog_time(void)
{
	static const struct {
		const char *usec;
		uint64_t half_ns;
	} rows[] = {
		{ "1", 1000 }, /* never 0, with which a timer is off */
		{ "2", 1000 },
		{ "3", 2000 },
		{ "30000000", UINT64_C(15000000000) },
		{ "60000002", UINT64_C(30000001000) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct itimerspec have = { 0 };

		watch(rows[i].usec, NULL);
		_cleanup_(closep) int fd = notify_open_watchdog();

		CU_ASSERT_EQUAL(timerfd_gettime(fd, &have), 0);
		CU_ASSERT_EQUAL((uint64_t)have.it_interval.tv_sec * UINT64_C(1000000000) +
					(uint64_t)have.it_interval.tv_nsec,
				rows[i].half_ns);
	}
	watch("18446744073709551614", NULL);
	_cleanup_(closep) int longest = notify_open_watchdog();

	CU_ASSERT_TRUE(longest >= 0);
}

static const char *said; /* on standard error, by the last is_watched() */

static bool is_watched(const char *usec, const char *pid)
{
	_cleanup_(closep) int fd = -1;

	watch(usec, pid);
	capture_begin();
	fd = notify_open_watchdog();
	said = capture_end();
	return fd >= 0;
}

/* The variables of a parent are no business of its child, and no reason to complain. */
static void test_watchdog_whose(void)
{
	char own[16], other[16];

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	snprintf(other, sizeof(other), "%ld", (long)getppid());
	CU_ASSERT_TRUE(is_watched("1000000", own) && !*said);
	CU_ASSERT_TRUE(!is_watched("1000000", other) && !*said);
	CU_ASSERT_TRUE(is_watched("1000000", NULL) && !*said);
	CU_ASSERT_TRUE(!is_watched(NULL, own) && !*said);
	CU_ASSERT_TRUE(!is_watched(NULL, "nonsense") && !*said);
}

static void test_watchdog_nonsense(void)
{
	static const char *const times[] = { "",
					     "0",
					     "-1",
					     "+1",
					     " 1",
					     "1 ",
					     "1s",
					     "1.5",
					     "x",
					     "18446744073709551615",
					     "18446744073709551616" };
	static const char *const pids[] = { "", "0", "-1", "1x", " 1", "2147483648" };

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		CU_ASSERT_FALSE(is_watched(times[i], NULL));
		if (!strstr(said, "WATCHDOG_USEC"))
			tap_fail(__FILE__, __LINE__, "time '%s': '%s'", times[i], said);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		CU_ASSERT_FALSE(is_watched("1000000", pids[i]));
		if (!strstr(said, "WATCHDOG_PID"))
			tap_fail(__FILE__, __LINE__, "pid '%s': '%s'", pids[i], said);
	}
}

static void test_watchdog_tells(void)
{
	char path[PATH_MAX];
	_cleanup_(closep) int manager = listen_on(tmpdir_path(path, "watchdog"));
	struct pollfd timer = { .events = POLLIN };

	watch("20000", NULL);
	_cleanup_(closep) int fd = notify_open_watchdog();

	timer.fd = fd;
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(poll(&timer, 1, 60000), 1);
		CU_ASSERT_EQUAL(notify_alive(fd), 0);
		expect(manager, "WATCHDOG=1");
	}
	watch("3600000000", NULL);
	_cleanup_(closep) int slow = notify_open_watchdog();

	CU_ASSERT_EQUAL(notify_alive(slow), 0);
	expect(manager, "");
	CU_ASSERT_EQUAL(notify_alive(-1), -EBADF);
}

static void test_watchdog_teardown(void)
{
	watch(NULL, NULL);
}

static const struct tap_test tests[] = {
	{ "without a manager nothing happens", test_no_manager },
	{ "messages", test_messages },
	{ "abstract socket", test_abstract },
	{ "the status cannot start another line", test_status_is_one_line },
	{ "length of the status", test_status_limit },
	{ "errors", test_errors },
	{ "time of the watchdog", test_watchdog_time },
	{ "whose watchdog", test_watchdog_whose },
	{ "a watchdog that makes no sense", test_watchdog_nonsense },
	{ "signs of life", test_watchdog_tells },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = {
		{ "notify", tests, NULL, test_watchdog_teardown }, { 0 }
	};

	return tap_main(argc, argv, suites);
}
