/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/stscall.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/ztsd/fakests.h"

#define ARN "arn:aws:sts::123456789012:assumed-role/vespa.host/vespa.host"
#define SHORT_MS 300 /* for answers that never come */
#define LONG_MS 20000

/* The answer to one question. */
struct got {
	struct event_base *base;
	unsigned int n;
	enum stscall_end end;
	char text[STSCALL_ARN_MAX];
};

static const struct sigv4_keys keys = { FAKESTS_ACCESS, FAKESTS_SECRET, FAKESTS_TOKEN };
static struct event_base *base;
static struct fakests *server;
static char ca[PATH_MAX];
static struct stscall_spec spec;

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	server = fakests_start("sts.example", "ca.pem");
	spec = (struct stscall_spec){ "https://sts.example", fakests_address(server),
				      tmpdir_path(ca, "ca.pem"), FAKESTS_REGION, LONG_MS };
}

static void end(void)
{
	fakests_stop(server);
	event_base_free(base);
}

static void on_done(void *user, enum stscall_end how, const char *text)
{
	struct got *got = user;

	got->n++;
	got->end = how;
	snprintf(got->text, sizeof(got->text), "%s", text);
	if (got->base)
		event_base_loopbreak(got->base);
}

static struct stscall *open_or_fail(void)
{
	char why[STSCALL_WHY_MAX] = "";
	struct stscall *s = NULL;

	if (stscall_open(base, &spec, &s, why) != 0)
		tap_fail(__FILE__, __LINE__, "not opened: %s", why);
	return s;
}

static void ask(struct stscall *s, const struct sigv4_keys *k, struct got *ret)
{
	*ret = (struct got){ .base = base };
	stscall_ask(s, k, FAKESTS_NOW, on_done, ret);
	while (!ret->n && event_base_loop(base, EVLOOP_ONCE) == 0)
		;
}

static void test_good(void)
{
	struct stscall *s = open_or_fail();
	struct got got;

	if (!s)
		return;
	fakests_set(server, FAKESTS_GOOD, ARN);
	for (int i = 0; i < 5; i++) {
		ask(s, &keys, &got);
		CU_ASSERT_EQUAL(got.end, STSCALL_OK);
		CU_ASSERT_STRING_EQUAL(got.text, ARN);
		CU_ASSERT_EQUAL(got.n, 1);
	}
	CU_ASSERT_EQUAL(fakests_n_questions(server), 5);
	CU_ASSERT_EQUAL(fakests_n_connections(server), 1);
	stscall_close(s);
}

static void test_many(void)
{
	struct stscall *s = open_or_fail();
	static struct got got[100];

	if (!s)
		return;
	fakests_set(server, FAKESTS_GOOD, ARN);
	memset(got, 0, sizeof(got));
	for (size_t i = 0; i < ARRAY_SIZE(got); i++)
		stscall_ask(s, &keys, FAKESTS_NOW, on_done, &got[i]);
	for (size_t i = 0; i < ARRAY_SIZE(got); i++) {
		while (!got[i].n && event_base_loop(base, EVLOOP_ONCE) == 0)
			;
		CU_ASSERT(got[i].n == 1 && got[i].end == STSCALL_OK);
	}
	stscall_close(s);
}

static void test_credentials(void)
{
	const struct sigv4_keys bad[] = {
		{ "ASIAOTHER", FAKESTS_SECRET, FAKESTS_TOKEN },
		{ FAKESTS_ACCESS, "other", FAKESTS_TOKEN },
		{ FAKESTS_ACCESS, FAKESTS_SECRET, "other" },
		{ FAKESTS_ACCESS, FAKESTS_SECRET, NULL },
	};
	const struct sigv4_keys hostile = { FAKESTS_ACCESS, FAKESTS_SECRET, "a\r\nX-Evil: 1" };
	struct stscall *s = open_or_fail();
	struct got got;

	if (!s)
		return;
	fakests_set(server, FAKESTS_GOOD, ARN);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ask(s, &bad[i], &got);
		CU_ASSERT_EQUAL(got.end, STSCALL_REFUSED);
		CU_ASSERT_STRING_EQUAL(got.text, "STS says SignatureDoesNotMatch");
	}
	ask(s, &hostile, &got);
	CU_ASSERT_EQUAL(got.end, STSCALL_REFUSED);
	CU_ASSERT_STRING_EQUAL(got.text, "credentials of another form");
	CU_ASSERT_EQUAL(fakests_n_questions(server), ARRAY_SIZE(bad));
	stscall_close(s);
}

static void test_answers(void)
{
	static const struct {
		enum fakests_mode mode;
		enum stscall_end end;
		const char *text;
	} cases[] = {
		{ FAKESTS_EXPIRED, STSCALL_REFUSED, "STS says ExpiredToken" },
		{ FAKESTS_THROTTLE, STSCALL_SILENT, "STS says Throttling" },
		{ FAKESTS_FOREIGN, STSCALL_REFUSED, "STS says HTTP status 403" },
		{ FAKESTS_BUSY, STSCALL_SILENT, "STS answers with HTTP status 503" },
		{ FAKESTS_REDIRECT, STSCALL_SILENT, "STS answers with HTTP status 302" },
		{ FAKESTS_GARBAGE, STSCALL_SILENT, "the answer of STS cannot be read" },
		{ FAKESTS_HUGE, STSCALL_SILENT, "the answer of STS is too large" },
		{ FAKESTS_LEAVE, STSCALL_SILENT, "STS cannot be asked: " },
	};
	struct stscall *s = open_or_fail();

	for (size_t i = 0; s && i < ARRAY_SIZE(cases); i++) {
		struct got got;

		fakests_set(server, cases[i].mode, "");
		ask(s, &keys, &got);
		if (got.end != cases[i].end ||
		    strncmp(got.text, cases[i].text, strlen(cases[i].text)) != 0)
			tap_fail(__FILE__, __LINE__, "mode %d: %d, %s", cases[i].mode, got.end,
				 got.text);
	}
	CU_ASSERT(ARRAY_SIZE(cases) > 0);
	stscall_close(s);
}

static void test_timeout(void)
{
	struct stscall *s;
	struct got got;

	spec.timeout_ms = SHORT_MS;
	s = open_or_fail();
	if (!s)
		return;
	fakests_set(server, FAKESTS_SILENT, "");
	ask(s, &keys, &got);
	CU_ASSERT_EQUAL(got.end, STSCALL_SILENT);
	CU_ASSERT_STRING_EQUAL(got.text, "STS does not answer in time");
	stscall_close(s);
}

/* Nobody listens there: the port was ours a moment ago. */
static void test_nobody(void)
{
	struct fakests *gone = fakests_start("sts.example", "gone.pem");
	char address[32];
	struct stscall *s;
	struct got got;

	snprintf(address, sizeof(address), "%s", fakests_address(gone));
	fakests_stop(gone);
	spec.address = address;
	s = open_or_fail();
	if (!s)
		return;
	ask(s, &keys, &got);
	CU_ASSERT_EQUAL(got.end, STSCALL_SILENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(got.text, "STS cannot be asked: "));
	stscall_close(s);
}

static void try_stranger(const char *cn, const char *trusted)
{
	struct fakests *other = fakests_start(cn, "other.pem");
	char path[PATH_MAX];
	struct stscall *s;
	struct got got;

	spec.address = fakests_address(other);
	spec.ca = tmpdir_path(path, trusted);
	s = open_or_fail();
	if (s) {
		ask(s, &keys, &got);
		CU_ASSERT_EQUAL(got.end, STSCALL_FAILED);
		CU_ASSERT_PTR_NOT_NULL(strstr(got.text, "STS cannot be asked: "));
	}
	CU_ASSERT_EQUAL(fakests_n_questions(other), 0);
	stscall_close(s);
	fakests_stop(other);
}

/* Neither somebody with another name nor somebody of another CA gets the token. */
static void test_identity(void)
{
	try_stranger("other.example", "other.pem");
	try_stranger("sts.example", "ca.pem");
}

/* What the environment says about proxies does not count. */
static void test_environment(void)
{
	struct stscall *s;
	struct got got;

	setenv("https_proxy", "http://[::1]:1", 1);
	setenv("ALL_PROXY", "http://[::1]:1", 1);
	s = open_or_fail();
	fakests_set(server, FAKESTS_GOOD, ARN);
	if (s) {
		ask(s, &keys, &got);
		CU_ASSERT_EQUAL(got.end, STSCALL_OK);
	}
	stscall_close(s);
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
}

/* One more than may wait is sent away; who waits at the end is told. */
static void test_flights(void)
{
	static struct got got[STSCALL_FLIGHTS_MAX + 1];
	struct stscall *s = open_or_fail();
	size_t n_failed = 0;

	if (!s)
		return;
	fakests_set(server, FAKESTS_SILENT, "");
	memset(got, 0, sizeof(got));
	for (size_t i = 0; i < ARRAY_SIZE(got); i++)
		stscall_ask(s, &keys, FAKESTS_NOW, on_done, &got[i]);
	CU_ASSERT(got[STSCALL_FLIGHTS_MAX].n == 1 &&
		  got[STSCALL_FLIGHTS_MAX].end == STSCALL_SILENT);
	CU_ASSERT(got[STSCALL_FLIGHTS_MAX - 1].n == 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	stscall_close(s);
	for (size_t i = 0; i < STSCALL_FLIGHTS_MAX; i++)
		n_failed += got[i].n == 1 && got[i].end == STSCALL_FAILED;
	CU_ASSERT_EQUAL(n_failed, STSCALL_FLIGHTS_MAX);
}

static void refuse(const char *want)
{
	char why[STSCALL_WHY_MAX] = "";
	struct stscall *s = NULL;

	if (stscall_open(base, &spec, &s, why) >= 0 || !strstr(why, want) || s)
		tap_fail(__FILE__, __LINE__, "opened, or other words: %s", why);
	stscall_close(s);
}

static void test_open(void)
{
	static const char *const urls[] = { "",
					    "http://sts.example",
					    "https://",
					    "https://a/",
					    "https://A.example",
					    "https://a:",
					    "https://a:0",
					    "https://a:65536",
					    "https://a:1x",
					    "https://u@a",
					    "https://[::1]" };
	static const char broken[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	struct stscall_spec good = spec;
	char why[STSCALL_WHY_MAX] = "";
	struct stscall *s;
	struct got got;

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		spec.url = urls[i];
		refuse("not of the form https://host[:port]");
	}
	spec = good;
	spec.address = "::1";
	refuse("::1: not of the form [address]:port");
	spec = good;
	spec.timeout_ms = 0;
	refuse("a time limit of 0");
	spec = good;
	spec.ca = "/nowhere/ca.pem";
	refuse("/nowhere/ca.pem: No such file");
	CU_ASSERT_EQUAL(tmpdir_write("empty.pem", "", 0), 0);
	tmpdir_path(ca, "empty.pem");
	spec.ca = ca;
	refuse("empty.pem: no certificate in it");
	CU_ASSERT_EQUAL(tmpdir_write("empty.pem", broken, strlen(broken)), 0);
	refuse("empty.pem: a certificate in it is broken");
	/* The system's CAs, where it has some: then a stranger to them is not STS. */
	spec = good;
	spec.ca = "";
	if (stscall_open(base, &spec, &s, why) == 0) {
		ask(s, &keys, &got);
		CU_ASSERT_EQUAL(got.end, STSCALL_FAILED);
		stscall_close(s);
	} else {
		CU_ASSERT(strstr(why, "No such file") || strstr(why, "name one"));
	}
	spec = good;
	spec.url = "https://sts.example:4443";
	spec.address = "";
	tmpdir_path(ca, "ca.pem");
	s = open_or_fail();
	stscall_close(s);
	stscall_close(NULL);
}

static const struct tap_test tests[] = {
	{ "asked, answered, and the connection kept", test_good },
	{ "many at a time", test_many },
	{ "wrong credentials", test_credentials },
	{ "other answers", test_answers },
	{ "no answer in time", test_timeout },
	{ "nobody there", test_nobody },
	{ "somebody else there", test_identity },
	{ "proxies of the environment", test_environment },
	{ "too many at a time, and the end", test_flights },
	{ "settings that are refused", test_open },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "stscall", tests, begin, end }, { 0 } };

	return tap_main(argc, argv, suites);
}
