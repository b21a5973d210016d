/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/model/effective.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/policyfixture.h"

#define TEST_MAX (1 << 20)

static const char test_lines[] = "net lb 2001:db8:100::/64 10.128.0.0/16\n"
				 "from lb allow tcp 443 8000-8100 udp 53 \"application\"\n"
				 "to lb allow any user app 7\n"
				 "grant ssh tcp 22 from config max 4h\n";

static char *test_write(bool enforce)
{
	_cleanup_(buf_release) struct buf to = buf_init(TEST_MAX);
	char error[POLICY_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p = policyfixture_build(test_lines, error);
	char *text = NULL;

	if (p)
		p->enforce = enforce;
	if (!p || effective_write(p, &to) < 0 || buf_steal(&to, &text) < 0)
		tap_fail(__FILE__, __LINE__, "no lines: %s", error);
	return text;
}

/* Each kind of condition in words; @line is the whole line, blanks in the middle folded. */
static void test_effective_words(void)
{
	static const char *const rows[] = {
		"\n  accept via lo # row 1: loopback\n",
		"\n  drop when its source is ours # row 1: our own address from outside\n",
		"\n  drop via up when no way leads back to its source # row 1: ",
		"\n  drop ipv6 from ::1, ff00::/8 # row 1: ",
		"\n  drop via up or other from gateways # row 11: ",
		"\n  accept icmpv6 135 136 hop limit 255 # row 2: neighbour discovery\n",
		"\n  accept via up from config udp from port 51820 established or "
		"related # policy.conf:10: answers\n",
		"\n  accept via tun from config tcp to port 22 with grant ssh # "
		"policy.conf:17: ",
		"\n  drop via tun from config tcp to port 22 without grant ssh # "
		"policy.conf:17: ",
		"\n  accept via up ipv6 from fe80::/10 to fe80::/10 udp from port 547 to "
		"port 546 # row 5: DHCPv6\n",
		"\n  accept via up from lb tcp 443 8000-8100 udp 53 # "
		"policy.conf:15: application\n",
		"\n  drop everything # row 16: not written, so not allowed\n",
		"\nout\n  accept via lo ",
		"\n  accept via up to config udp 51820 from port 1024-65535 mark 0x504f # "
		"policy.conf:10\n",
		"\n  accept via up to imds tcp 80 user postern-certd # policy.conf:9\n",
		"\n  reject to 169.254.169.254, fd00:ec2::254 # row 7: ",
		"\n  accept via up to lb user app 7 # policy.conf:16\n",
		"\n  reject everything # row 16: not written, so not allowed\n",
		"\n  accept via up to config mark 0x504f when it is a later fragment # row 8: ",
		"\n  drop when its frame is false # row 16: ",
	};
	char *text = test_write(true);
	size_t n = 0;

	if (!text)
		return;
	for (const char *at = text; *at; at++)
		if (*at != ' ' || at[1] != ' ' || (n && text[n - 1] == '\n'))
			text[n++] = *at;
	text[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strstr(text, rows[i]))
			tap_fail(__FILE__, __LINE__, "not there: %s\n%s", rows[i], text);
	CU_PASS("words");
	free(text);
}

static void test_effective_not_enforced(void)
{
	char *text = test_write(false);

	if (!text)
		return;
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "not enforced"));
	CU_ASSERT_PTR_NULL(strstr(text, "\n  reject "));
	free(text);
}

static int test_once(void *ctx)
{
	_cleanup_(buf_release) struct buf to = buf_init(TEST_MAX);

	return effective_write(ctx, &to);
}

static void test_effective_errors(void)
{
	_cleanup_(buf_release) struct buf to = buf_init(100);
	char error[POLICY_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p = policyfixture_build(test_lines, error);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	CU_ASSERT_EQUAL(effective_write(p, &to), -EFBIG);
	CU_ASSERT_TRUE(torture(test_once, p) > 3);
}

static const struct tap_test test_effective_tests[] = {
	{ "words", test_effective_words },
	{ "not enforced", test_effective_not_enforced },
	{ "errors", test_effective_errors },
	{ 0 },
};

static const struct tap_suite test_effective_suites[] = {
	{ "effective", test_effective_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_effective_suites);
}
