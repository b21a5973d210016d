/* SPDX-License-Identifier: MIT */
/* What a service manager, a log reader and a monitoring get to see. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "certs/certd/certtell.h"
#include "common/files.h"
#include "tests/support/capture.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static int test_certtell_manager = -1; /* socket of the service manager */
static struct certtell test_certtell_it;
static struct certstat test_certtell_stat;
static struct certshow_counts test_certtell_counts;
static char test_certtell_got[512];

static void test_certtell_setup(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[PATH_MAX];

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", tmpdir_path(path, "manager"));
	unlink(addr.sun_path);
	test_certtell_manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CU_ASSERT_EQUAL(bind(test_certtell_manager, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	test_certtell_it = (struct certtell){ .run_dir = tmpdir_get() };
	test_certtell_counts = (struct certshow_counts){ 0 };
	test_certtell_stat = (struct certstat){
		.now_wall = 1000,
		.reason = "there is no certificate yet",
		.self = { .principal = "acme.host" },
	};
}

static void test_certtell_teardown(void)
{
	closep(&test_certtell_manager);
	unsetenv("NOTIFY_SOCKET");
}

static void test_certtell_be_ready(bool ready)
{
	test_certtell_stat.ready = ready;
	test_certtell_stat.not_after = ready ? 4600 : 0;
}

/* What the manager was told since the last time; "" = nothing. */
static const char *test_certtell_heard(void)
{
	ssize_t n = recv(test_certtell_manager, test_certtell_got, sizeof(test_certtell_got) - 1,
			 0);

	test_certtell_got[n < 0 ? 0 : n] = '\0';
	CU_ASSERT_TRUE(recv(test_certtell_manager, &n, 1, MSG_PEEK) < 0); /* one at a time */
	return test_certtell_got;
}

static void test_certtell_say(bool is_news)
{
	certtell_update(&test_certtell_it, is_news, &test_certtell_stat, &test_certtell_counts);
}

/* READY=1 comes with the first valid certificate, once, and never before. */
static void test_certtell_readiness(void)
{
	test_certtell_say(false);
	CU_ASSERT_STRING_EQUAL(test_certtell_heard(),
			       "STATUS=not ready: there is no certificate yet");
	test_certtell_say(true);
	CU_ASSERT_PTR_NULL(strstr(test_certtell_heard(), "READY=1"));
	test_certtell_be_ready(true);
	test_certtell_say(false); /* nothing ended, but time has come */
	CU_ASSERT_PTR_NOT_NULL(strstr(test_certtell_heard(), "READY=1"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(test_certtell_got, "acme.host, certificate valid for another 60 min"));
	test_certtell_be_ready(false);
	test_certtell_say(false);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_certtell_heard(), "STATUS=not ready"));
	test_certtell_be_ready(true);
	test_certtell_say(false);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_certtell_heard(), "STATUS=acme.host"));
	CU_ASSERT_PTR_NULL(strstr(test_certtell_got, "READY=1"));
}

static void test_certtell_only_news(void)
{
	test_certtell_say(false);
	CU_ASSERT_STRING_NOT_EQUAL(test_certtell_heard(), "");
	test_certtell_say(false);
	CU_ASSERT_STRING_EQUAL(test_certtell_heard(), "");
	test_certtell_say(true);
	CU_ASSERT_STRING_NOT_EQUAL(test_certtell_heard(), "");
}

static void test_certtell_expect_metric(const char *line)
{
	char path[PATH_MAX];
	uint8_t *text = NULL;
	size_t len;

	CU_ASSERT_EQUAL(files_read(tmpdir_path(path, CERTSHOW_METRICS), 65536, &text, &len), 0);
	if (!text || !strstr((char *)text, line))
		tap_fail(__FILE__, __LINE__, "no %s", line);
	free(text);
}

static void test_certtell_metrics(void)
{
	test_certtell_say(false);
	test_certtell_expect_metric("\npostern_certd_ready 0\n");
	test_certtell_be_ready(true);
	certshow_count(&test_certtell_counts, PST_NONE);
	test_certtell_say(true);
	test_certtell_expect_metric("\npostern_certd_ready 1\n");
	test_certtell_expect_metric("\npostern_certd_certificate_expiry_timestamp_seconds 4600\n");
	test_certtell_expect_metric("{result=\"ok\",code=\"\"} 1\n");
}

/* Without a place for them, everything else is told all the same, and the trouble only once. */
static void test_certtell_no_place(void)
{
	const char *log;
	char rest[512];

	test_certtell_it.run_dir = "/nonexistent";
	capture_begin();
	test_certtell_say(true);
	test_certtell_say(true);
	log = capture_end();
	CU_ASSERT_PTR_NOT_NULL(strstr(log, "/nonexistent/certd.prom"));
	CU_ASSERT_PTR_EQUAL(strchr(log, '\n'), log + strlen(log) - 1);
	while (recv(test_certtell_manager, rest, sizeof(rest), 0) > 0)
		continue;
}

static const struct tap_test test_certtell_tests[] = {
	{ "readiness", test_certtell_readiness },
	{ "only news", test_certtell_only_news },
	{ "metrics", test_certtell_metrics },
	{ "no place for metrics", test_certtell_no_place },
	{ 0 },
};

static const struct tap_suite test_certtell_suites[] = {
	{ "certtell", test_certtell_tests, test_certtell_setup, test_certtell_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certtell_suites);
}
