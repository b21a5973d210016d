/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyconf.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"

/* Loads the base with @more. Gives the result and fills @ret_error. */
static int test_load(const char *more, struct hostpolicy **ret, struct conf_error *ret_error)
{
	char text[8192];

	snprintf(text, sizeof(text), "%s%s", policyfixture_base, more);
	return policyconf_load_text("test", text, ret, ret_error);
}

static void test_policyconf_defaults(void)
{
	_cleanup_(policyconf_freep) struct hostpolicy *h = NULL;
	struct conf_error error = { "" };
	char text[IP6_PREFIX_TEXT];

	CU_ASSERT_EQUAL(test_load("", &h, &error), 0);
	if (!h)
		return;
	CU_ASSERT_STRING_EQUAL(h->tunnel, "postern0");
	CU_ASSERT_STRING_EQUAL(h->spare_tunnel, "postern1");
	CU_ASSERT_EQUAL(h->mark, 0x504f);
	CU_ASSERT_EQUAL(h->wg_port, 51820);
	CU_ASSERT_EQUAL(h->exchange_port, 4443);
	CU_ASSERT_TRUE(h->enforce && !h->imds_ipv4 && h->has_certd && h->certd.uid == 998);
	CU_ASSERT_STRING_EQUAL(policy_format_prefix(&h->dns.list[0], text), "fd00:ec2::253");
	CU_ASSERT_STRING_EQUAL(policy_format_prefix(&h->ntp.list[0], text), "fd00:ec2::123");
	CU_ASSERT_STRING_EQUAL(policy_format_prefix(&h->imds.list[0], text), "fd00:ec2::254");
	CU_ASSERT_EQUAL(h->identity_ports.n, 2);
}

static void test_policyconf_takes(void)
{
	_cleanup_(policyconf_freep) struct hostpolicy *h = NULL;
	struct conf_error error = { "" };

	CU_ASSERT_EQUAL(test_load("ipv4 = imds\ndns = 2001:db8:5::1\nenforce = no\n"
				  "egress = a,2001:db8:9::1+2001:db8:9::2,tcp/1+udp/2-3,root\n"
				  "egress = b,2001:db8:a::1,tcp/1\n"
				  "[tunneld]\nuser = x\n[server cfg1]\nanything = goes\n"
				  "[identity]\ndeny_file = /d\n[certd]\nuser = x\n[csr]\nx = 1\n"
				  "[aws]\nx = 1\n",
				  &h, &error),
			0);
	if (!h)
		return;
	CU_ASSERT_TRUE(h->imds_ipv4 && !h->enforce);
	CU_ASSERT_EQUAL(h->dns.n, 1);
	CU_ASSERT_EQUAL(h->n_egress, 2);
	CU_ASSERT_EQUAL(h->egress[0].to.n, 2);
	CU_ASSERT_EQUAL(h->egress[0].ports.n, 2);
	CU_ASSERT_STRING_EQUAL(h->egress[0].user.name, "root");
	CU_ASSERT_EQUAL(h->egress[0].user.uid, 0);
	CU_ASSERT_STRING_EQUAL(h->egress[1].user.name, "");
}

static void test_policyconf_refuses(void)
{
	static const struct {
		const char *more, *word;
	} rows[] = {
		{ "certd_user = no-such-user-here\n", "given twice" },
		{ "egress = a,2001:db8:9::1,tcp/1,no-such-user-here\n", "no-such-user-here" },
		{ "egress = a,2001:db8:9::1\n", "egress" },
		{ "egress = a,2001:db8:9::1,tcp/1,root,x\n", "egress" },
		{ "egress = A,2001:db8:9::1,tcp/1\n", "egress" },
		{ "egress = a,,tcp/1\n", "egress" },
		{ "egress = a,2001:db8:9::1,tcp/1 a,2001:db8:9::1,tcp/1\n", "already taken" },
		{ "ipv4 = yes\n", "no or imds" },
		{ "management = 22\n", "tcp/PORT" },
		{ "management = tcp/22 tcp/22\n", "already taken" },
		{ "uplinks = a-name-that-is-too-long\n", "uplinks" },
		{ "log_rate = 1001\n", "1000" },
		{ "nonsense = 1\n", "unknown key" },
		{ "[nonsense]\n", "unknown section" },
		{ "[tunnel]\nmark = 0\n", "mark" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(policyconf_freep) struct hostpolicy *h = NULL;
		struct conf_error error = { "" };

		CU_ASSERT_TRUE(test_load(rows[i].more, &h, &error) < 0);
		CU_ASSERT_PTR_NULL(h);
		if (!strstr(error.text, rows[i].word))
			tap_fail(__FILE__, __LINE__, "'%s' is not in '%s'", rows[i].word,
				 error.text);
	}
}

static void test_policyconf_unknown_user(void)
{
	_cleanup_(policyconf_freep) struct hostpolicy *h = NULL;
	struct conf_error error = { "" };
	char text[1024];

	snprintf(text, sizeof(text), "%s", policyfixture_base);
	memcpy(strstr(text, "998"), "zz9", 3);
	CU_ASSERT_EQUAL(policyconf_load_text("test", text, &h, &error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "there is no user 'zz9'"));
}

/* One more than fits, for every list that is shorter than the configuration's own limit. */
static void test_policyconf_limits(void)
{
	char text[8192] = "uplinks =";
	_cleanup_(policyconf_freep) struct hostpolicy *h = NULL;
	struct conf_error error = { "" };
	size_t at = strlen(text);

	for (int i = 0; i < POLICY_UPLINKS_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " e%d", i);
	snprintf(text + at, sizeof(text) - at, "\n");
	CU_ASSERT_EQUAL(test_load(text, &h, &error), -E2BIG); /* the base has one of them already */
	at = (size_t)snprintf(text, sizeof(text), "management =");
	for (int i = 1; i <= POLICY_PORTS_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " tcp/%d", i);
	CU_ASSERT_EQUAL(test_load(text, &h, &error), 0);
	policyconf_freep(&h);
	snprintf(text + at, sizeof(text) - at, " tcp/%d", POLICY_PORTS_MAX + 1);
	CU_ASSERT_EQUAL(test_load(text, &h, &error), -E2BIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "too many"));
}

static void test_policyconf_reference_names_every_key(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL(to);
	if (!to)
		return;
	policyconf_print_reference(to);
	fclose(to);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "[policy]"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "uplinks ="));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "egress ="));
	free(text);
}

static const struct tap_test test_policyconf_tests[] = {
	{ "defaults", test_policyconf_defaults },
	{ "takes", test_policyconf_takes },
	{ "refuses", test_policyconf_refuses },
	{ "an unknown user is an error", test_policyconf_unknown_user },
	{ "limits", test_policyconf_limits },
	{ "the reference names every key", test_policyconf_reference_names_every_key },
	{ 0 },
};

static const struct tap_suite test_policyconf_suites[] = {
	{ "policyconf", test_policyconf_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_policyconf_suites);
}
