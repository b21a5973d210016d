/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attr.h"
#include "common/clk.h"
#include "common/log.h"
#include "tests/support/capture.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

/* Stands in for common/clk, whose object the linker then leaves in the library. */
static uint64_t now_ns = CLK_NS_PER_S;

uint64_t clk_now_ns(void)
{
	return now_ns;
}

uint64_t clk_now_wall(void)
{
	return 0;
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

static void setup(void)
{
	unsetenv("JOURNAL_STREAM");
	log_open("testd", LOG_LEVEL_INFO);
	now_ns += 1000 * CLK_NS_PER_S; /* a new window for every test */
}

static void test_levels(void)
{
	capture_begin();
	log_error("e %d", 1);
	log_warning("w");
	log_info("i");
	log_debug("d");
	log_pst(LOG_LEVEL_DEBUG, PST_NETLINK, "d");
	CU_ASSERT_STRING_EQUAL(capture_end(),
			       "testd: error: e 1\ntestd: warning: w\ntestd: info: i\n");
	log_open("testd", LOG_LEVEL_DEBUG);
	capture_begin();
	log_debug("d");
	CU_ASSERT_STRING_EQUAL(capture_end(), "testd: debug: d\n");
}

static void test_code(void)
{
	capture_begin();
	log_pst(LOG_LEVEL_ERROR, PST_TCP_CONNECT, "cfg%d: %s", 1, "no route");
	CU_ASSERT_STRING_EQUAL(capture_end(), "testd: error: PST-1001: cfg1: no route\n");
}

static void test_escape(void)
{
	capture_begin();
	log_error("%s", "a\ntestd: error: forged\x1b[2J\r\x7f\tz");
	CU_ASSERT_STRING_EQUAL(capture_end(), "testd: error: a?testd: error: forged?[2J???z\n");
}

static void test_errno_is_left_alone(void)
{
	capture_begin();
	errno = ERANGE;
	log_error("x");
	log_pst(LOG_LEVEL_ERROR, PST_NETLINK, "x");
	log_debug("hidden");
	CU_ASSERT_EQUAL(errno, ERANGE);
	(void)capture_end();
}

/* LOG_LINE_MAX holds the text and its end: LOG_LINE_MAX - 1 bytes fit. */
static void test_long_line(void)
{
	static const char before[] = "testd: error: ";
	char text[LOG_LINE_MAX + 2];

	for (int n = LOG_LINE_MAX - 2; n <= LOG_LINE_MAX; n++) {
		const char *got;
		size_t len = sizeof(before) - 1 + (size_t)(n < LOG_LINE_MAX ? n : LOG_LINE_MAX - 1);

		memset(text, 'x', sizeof(text));
		text[n] = '\0';
		capture_begin();
		log_error("%s", text);
		got = capture_end();
		CU_ASSERT_EQUAL(strlen(got), len + 1);
		CU_ASSERT_EQUAL(strcmp(got + len - 3, n < LOG_LINE_MAX ? "xxx\n" : "...\n"), 0);
	}
}

static void test_long_program_name(void)
{
	static const char name[] = "a-program-with-a-name-that-is-far-longer-than-anybody-would-"
				   "choose-and-than-the-room-there-is-for-it-in-one-line-of-text";
	char text[LOG_LINE_MAX];
	const char *got;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_open(name, LOG_LEVEL_INFO);
	capture_begin();
	log_warning("%s", text);
	got = capture_end();
	CU_ASSERT(strlen(got) < LOG_LINE_MAX + 64);
	CU_ASSERT_EQUAL(got[strlen(got) - 1], '\n');
}

static void burst(unsigned int n, enum pst code)
{
	for (unsigned int i = 0; i < n; i++)
		log_pst(LOG_LEVEL_WARNING, code, "line %u", i);
}

static void test_rate_limit(void)
{
	capture_begin();
	burst(LOG_BURST - 1, PST_NETLINK);
	CU_ASSERT_EQUAL(count(capture_end(), "PST-1405: line"), LOG_BURST - 1);
	capture_begin();
	burst(4, PST_NETLINK);
	CU_ASSERT_EQUAL(count(capture_end(), "PST-1405: line"), 1);
	now_ns += LOG_WINDOW_S * CLK_NS_PER_S - 1;
	capture_begin();
	burst(1, PST_NETLINK);
	CU_ASSERT_STRING_EQUAL(capture_end(), "");
	now_ns += 1;
	capture_begin();
	burst(1, PST_NETLINK);
	CU_ASSERT_STRING_EQUAL(capture_end(), "testd: warning: PST-1405: suppressed 4 more lines\n"
					      "testd: warning: PST-1405: line 0\n");
}

/* No two codes share a limit, neither by hiding each other nor by opening each other's window. */
static void test_codes_do_not_disturb_each_other(void)
{
	size_t n = 0;
	const struct pst_info *all = pst_all(&n);
	const char *got;

	capture_begin();
	for (unsigned int round = 0; round < LOG_BURST + 5; round++)
		for (size_t i = 0; i < n; i++)
			log_pst(LOG_LEVEL_WARNING, all[i].code, "r");
	got = capture_end();
	for (size_t i = 0; i < n; i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "PST-%04d: r", (int)all[i].code);
		CU_ASSERT_EQUAL(count(got, prefix), LOG_BURST);
	}
}

static void test_unknown_code(void)
{
	capture_begin();
	burst(LOG_BURST + 1, (enum pst)9999);
	CU_ASSERT_EQUAL(count(capture_end(), "PST-9999: line"), LOG_BURST);
}

static void test_journal(void)
{
	char stream[64];
	struct stat st;

	capture_begin();
	CU_ASSERT_EQUAL(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("testd", LOG_LEVEL_DEBUG);
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	CU_ASSERT_STRING_EQUAL(capture_end(), "<3>e\n<4>w\n<6>i\n<7>d\n");
}

static void test_journal_of_somebody_else(void)
{
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("testd", LOG_LEVEL_INFO);
	capture_begin();
	log_error("e");
	CU_ASSERT_STRING_EQUAL(capture_end(), "testd: error: e\n");
}

static const struct tap_test tests[] = {
	{ "levels", test_levels },
	{ "message code", test_code },
	{ "a string cannot forge a line", test_escape },
	{ "errno is left alone", test_errno_is_left_alone },
	{ "length limit", test_long_line },
	{ "a long program name stays in bounds", test_long_program_name },
	{ "rate limit", test_rate_limit },
	{ "codes do not disturb each other", test_codes_do_not_disturb_each_other },
	{ "a code that is not in the list", test_unknown_code },
	{ "journal priorities", test_journal },
	{ "the journal stream of somebody else", test_journal_of_somebody_else },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "log", tests, setup, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
