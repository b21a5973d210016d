/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "certs/athenzdns.h"
#include "tests/support/tap.h"

static struct principal test_athenzdns_who(const char *name)
{
	struct principal p = { .name = "" };

	CU_ASSERT_EQUAL(principal_parse(name, strlen(name), &p), 0);
	return p;
}

static void test_athenzdns_expect_dashed(const char *principal, const char *domain)
{
	struct principal p = test_athenzdns_who(principal);
	char dashed[PRINCIPAL_MAX];

	memset(dashed, 'x', sizeof(dashed));
	athenzdns_dash_domain(&p, dashed);
	CU_ASSERT_STRING_EQUAL(dashed, domain);
}

static void test_athenzdns_dashes(void)
{
	test_athenzdns_expect_dashed("a.b", "a");
	/* The last dot splits: the service is c. */
	test_athenzdns_expect_dashed("a.b.c", "a-b");
	test_athenzdns_expect_dashed("Vespa.Tenant.acme.aws-12.host", "vespa-tenant-acme-aws-12");
	/* Why nobody is recognised by a DNS name. */
	test_athenzdns_expect_dashed("a.b-c.d", "a-b-c");
	test_athenzdns_expect_dashed("a-b.c.d", "a-b-c");
}

/* The longest domain there can be. */
static void test_athenzdns_longest_domain(void)
{
	char name[PRINCIPAL_MAX], dashed[PRINCIPAL_MAX];
	struct principal p;

	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[sizeof(name) - 1] = '\0';
	p = test_athenzdns_who(name);
	athenzdns_dash_domain(&p, dashed);
	CU_ASSERT_EQUAL(strlen(dashed), sizeof(name) - 3);
	CU_ASSERT_PTR_NULL(strchr(dashed, '.'));
}

struct test_athenzdns_row {
	const char *name, *what;
	bool yes;
};

static void test_athenzdns_expect(const struct test_athenzdns_row *row, bool yes)
{
	CU_ASSERT_EQUAL(yes, row->yes);
	if (yes != row->yes)
		tap_note("'%s' and '%s'", row->name, row->what ? row->what : "");
}

static void test_athenzdns_names(void)
{
	static const struct test_athenzdns_row rows[] = {
		{ "a", NULL, true },      { "a.b-c.d_e", NULL, true },   { "*.a.b", NULL, true },
		{ "_a.Zz", NULL, true },  { "0.9", NULL, true },         { "a-.b", NULL, true },
		{ "", NULL, false },      { ".", NULL, false },          { "a.", NULL, false },
		{ ".a", NULL, false },    { "a..b", NULL, false },       { "*", NULL, false },
		{ "*.", NULL, false },    { "a.*.b", NULL, false },      { "*a.b", NULL, false },
		{ "**.b", NULL, false },  { "*.*.b", NULL, false },      { "-a.b", NULL, false },
		{ "a b.c", NULL, false }, { "a.b/c", NULL, false },      { "a.b,c.d", NULL, false },
		{ "a@b.c", NULL, false }, { "\xc3\xa4.b", NULL, false }, { "a.b\n", NULL, false },
		{ "a:1.b", NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		test_athenzdns_expect(&rows[i], athenzdns_is_name(rows[i].name));
}

static bool test_athenzdns_is_sized(size_t label_len, size_t len)
{
	char name[300];

	memset(name, 'a', len);
	for (size_t i = label_len; i < len; i += label_len + 1)
		name[i] = '.';
	name[len] = '\0';
	return athenzdns_is_name(name);
}

static void test_athenzdns_name_limits(void)
{
	CU_ASSERT_TRUE(test_athenzdns_is_sized(ATHENZDNS_LABEL_MAX - 1, ATHENZDNS_LABEL_MAX - 1));
	CU_ASSERT_TRUE(test_athenzdns_is_sized(ATHENZDNS_LABEL_MAX, ATHENZDNS_LABEL_MAX));
	CU_ASSERT_FALSE(test_athenzdns_is_sized(ATHENZDNS_LABEL_MAX + 1, ATHENZDNS_LABEL_MAX + 1));
	CU_ASSERT_TRUE(test_athenzdns_is_sized(ATHENZDNS_LABEL_MAX, ATHENZDNS_NAME_MAX - 2));
	CU_ASSERT_TRUE(test_athenzdns_is_sized(ATHENZDNS_LABEL_MAX, ATHENZDNS_NAME_MAX - 1));
	CU_ASSERT_FALSE(test_athenzdns_is_sized(ATHENZDNS_LABEL_MAX, ATHENZDNS_NAME_MAX));
}

static void test_athenzdns_suffixes(void)
{
	static const struct test_athenzdns_row rows[] = {
		{ "x.aws.example", "aws.example", true },
		{ "y.x.aws.example", "aws.example", true },
		{ "x.AWS.Example", "aws.example", true },
		{ "x.aws.example", "AWS.example", true },
		{ "x.az.example", "AZ.example", true },
		/* Only at a dot. */
		{ "xaws.example", "aws.example", false },
		{ "x-aws.example", "aws.example", false },
		{ "aws.example", "aws.example", false },
		{ ".aws.example", "aws.example", false },
		{ "x.aws.example.", "aws.example", false },
		{ "x.aws.example.evil", "aws.example", false },
		{ "x.bws.example", "aws.example", false },
		{ "", "aws.example", false },
		{ "example", "aws.example", false },
		/* No suffix is no suffix of everything. */
		{ "x.aws.example", "", false },
		{ "x.", "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		test_athenzdns_expect(&rows[i], athenzdns_has_suffix(rows[i].name, rows[i].what));
}

static void test_athenzdns_labels(void)
{
	static const struct test_athenzdns_row rows[] = {
		{ "svc", "svc", true },
		{ "host1.svc", "svc", true },
		{ "svc.host1", "svc", true },
		{ "a.SVC.b", "svc", true },
		{ "a.svc.b", "SVC", true },
		{ "svcx", "svc", false },
		{ "xsvc", "svc", false },
		{ "x-svc", "svc", false },
		{ "svc-x.y", "svc", false },
		{ "x.svcy.z", "svc", false },
		{ "", "svc", false },
		{ "sv", "svc", false },
		{ "svcx.xsvc.svc", "svc", true },
		{ "a.b", "a.b", true },
		{ "a..b", "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		test_athenzdns_expect(&rows[i],
				      athenzdns_has_label(rows[i].name, strlen(rows[i].name),
							  rows[i].what));
	/* Only as far as asked for. */
	CU_ASSERT_TRUE(athenzdns_has_label("a.svc.b", 5, "svc"));
	CU_ASSERT_FALSE(athenzdns_has_label("a.svc.b", 4, "svc"));
	CU_ASSERT_FALSE(athenzdns_has_label("svc.b", 0, "svc"));
}

static void test_athenzdns_serves(void)
{
	static const struct test_athenzdns_row rows[] = {
		{ "host.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", true },
		{ "h1.host.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", true },
		{ "host.h1.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", true },
		{ "*.host.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", true },
		{ "HOST.Vespa-Tenant-Acme.AWS.example", "Vespa.tenant.acme.Host", true },
		{ "vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "other.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "xhost.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "host-1.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "host.evil.aws.example", "vespa.tenant.acme.host", false },
		{ "host.xvespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "host.x.vespa-tenant-acme.aws.evil", "vespa.tenant.acme.host", false },
		{ "host.vespa-tenant-acme.xaws.example", "vespa.tenant.acme.host", false },
		{ "host.vespa.tenant.acme.aws.example", "vespa.tenant.acme.host", false },
		{ "host..vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "host.*.vespa-tenant-acme.aws.example", "vespa.tenant.acme.host", false },
		{ "aws.example", "vespa.tenant.acme.host", false },
		{ "", "vespa.tenant.acme.host", false },
		/* Split at the last dot: c serves in a-b, b.c does not in a. */
		{ "c.a-b.aws.example", "a.b.c", true },
		{ "b.c.a.aws.example", "a.b.c", false },
		/* Two tenants, one name. */
		{ "d.a-b-c.aws.example", "a.b-c.d", true },
		{ "d.a-b-c.aws.example", "a-b.c.d", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct principal p = test_athenzdns_who(rows[i].what);

		test_athenzdns_expect(&rows[i], athenzdns_serves(rows[i].name, &p, "aws.example"));
	}
}

static void test_athenzdns_instances(void)
{
	static const struct {
		const char *name;
		size_t len; /* of the id, 0 = no */
	} rows[] = {
		{ "i-1.instanceid.athenz.aws.example", 3 },
		{ "I-1.InstanceID.Athenz.AWS.example", 3 },
		{ "0.c.i.instanceid.athenz.aws.example", 5 },
		/* Equal, not only ending so. */
		{ "i-1.instanceid.athenz.x.aws.example", 0 },
		{ "i-1.instanceid.athenz.aws.example.evil", 0 },
		{ "i-1.instanceid.athenz.xaws.example", 0 },
		{ "i-1.instanceid.athenz.", 0 },
		{ ".instanceid.athenz.aws.example", 0 },
		{ "i-1.aws.example", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = 77;
		bool is = athenzdns_is_instance(rows[i].name, "aws.example", &len);

		CU_ASSERT_EQUAL(is, rows[i].len > 0);
		CU_ASSERT_EQUAL(len, is ? rows[i].len : 77);
	}
}

static const struct tap_test test_athenzdns_tests[] = {
	{ "dashes in place of dots", test_athenzdns_dashes },
	{ "longest domain", test_athenzdns_longest_domain },
	{ "names", test_athenzdns_names },
	{ "name limits", test_athenzdns_name_limits },
	{ "suffixes", test_athenzdns_suffixes },
	{ "labels", test_athenzdns_labels },
	{ "names of a service", test_athenzdns_serves },
	{ "names of an instance", test_athenzdns_instances },
	{ 0 },
};

static const struct tap_suite test_athenzdns_suites[] = {
	{ "athenzdns", test_athenzdns_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_athenzdns_suites);
}
