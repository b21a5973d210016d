/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "certs/principal.h"
#include "tests/support/tap.h"

#define TEXT(literal) (literal), sizeof(literal) - 1

struct test_principal_row {
	const char *text;
	size_t len;
	int result;
	const char *first;  /* principal: canonical name; instance: provider; DNS: the id */
	const char *second; /* principal: service; instance: id */
};

static void test_principal_expect(const struct test_principal_row *row, int got)
{
	if (got != row->result)
		tap_fail(__FILE__, __LINE__, "'%s': %d instead of %d", row->text, got, row->result);
	else
		CU_ASSERT(got == row->result);
}

static const struct test_principal_row test_principal_names[] = {
	{ TEXT("a.b"), 0, "a.b", "b" },
	{ TEXT("vespa.tenant.acme.aws-123456789012.tenant-host"), 0,
	  "vespa.tenant.acme.aws-123456789012.tenant-host", "tenant-host" },
	/* The service is behind the last dot, not the first. */
	{ TEXT("a.b.c"), 0, "a.b.c", "c" },
	{ TEXT("Vespa.TENANT.Az09_-.Z"), 0, "vespa.tenant.az09_-.z", "z" },
	{ TEXT("_a._b-"), 0, "_a._b-", "_b-" },
	{ TEXT(""), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(".a.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a..b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("-a.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.-b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(" a.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b\n"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b\0"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b\0.c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b\x7f"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.\xc3\xa9"), PRINCIPAL_E_FORMAT, NULL, NULL },
	/* The Kelvin sign, which some case tables take for a k. */
	{ TEXT("a.\xe2\x84\xaa"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b*"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b,c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b:c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b/c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.b:role.c"), PRINCIPAL_E_ROLE, NULL, NULL },
	{ TEXT("a.b:ROLE.c"), PRINCIPAL_E_ROLE, NULL, NULL },
	{ TEXT("a:role.c"), PRINCIPAL_E_ROLE, NULL, NULL },
};

static void test_principal_parses_names(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_names); i++) {
		const struct test_principal_row *row = &test_principal_names[i];
		struct principal p;

		test_principal_expect(row, principal_parse(row->text, row->len, &p));
		if (row->result != 0)
			continue;
		CU_ASSERT_STRING_EQUAL(p.name, row->first);
		CU_ASSERT_STRING_EQUAL(principal_service(&p), row->second);
		CU_ASSERT_EQUAL(p.domain_len + 1 + strlen(row->second), strlen(row->first));
	}
}

static void test_principal_length_limit(void)
{
	struct principal p;
	char name[PRINCIPAL_MAX + 1];

	memset(name, 'x', sizeof(name));
	name[1] = '.';
	CU_ASSERT_EQUAL(principal_parse(name, PRINCIPAL_MAX - 2, &p), 0);
	CU_ASSERT_EQUAL(principal_parse(name, PRINCIPAL_MAX - 1, &p), 0);
	CU_ASSERT_EQUAL(strlen(p.name), PRINCIPAL_MAX - 1);
	CU_ASSERT_EQUAL(principal_parse(name, PRINCIPAL_MAX, &p), PRINCIPAL_E_FORMAT);
	CU_ASSERT_EQUAL(principal_parse(name, PRINCIPAL_MAX + 1, &p), PRINCIPAL_E_FORMAT);
}

static void test_principal_leaves_output_alone(void)
{
	struct principal p, before;
	struct principal_instance instance, instance_before;
	size_t id_len = 77;

	memset(&p, 0xa5, sizeof(p));
	memset(&instance, 0xa5, sizeof(instance));
	before = p;
	instance_before = instance;
	CU_ASSERT_EQUAL(principal_parse(TEXT("a.b."), &p), PRINCIPAL_E_FORMAT);
	CU_ASSERT_EQUAL(memcmp(&p, &before, sizeof(p)), 0);
	CU_ASSERT_EQUAL(principal_parse_instance(TEXT("athenz://instanceid/p/i,"), &instance),
			PRINCIPAL_E_FORMAT);
	CU_ASSERT_EQUAL(memcmp(&instance, &instance_before, sizeof(instance)), 0);
	CU_ASSERT_EQUAL(principal_parse_dns(TEXT(".instanceid.athenz.x"), &id_len),
			PRINCIPAL_E_FORMAT);
	CU_ASSERT_EQUAL(id_len, 77);
}

#define URI "athenz://instanceid/"

static const struct test_principal_row test_principal_instances[] = {
	{ TEXT(URI "athenz.aws.us-east-1/i-0123456789abcdef0"), 0, "athenz.aws.us-east-1",
	  "i-0123456789abcdef0" },
	{ TEXT(URI "p/i"), 0, "p", "i" },
	/* A provider is a name, an id is not. */
	{ TEXT(URI "Athenz.AWS/I-0aF"), 0, "athenz.aws", "I-0aF" },
	{ TEXT(URI "sys.auth.zts/Az09-._~=+@$:"), 0, "sys.auth.zts", "Az09-._~=+@$:" },
	{ TEXT(URI "p/..."), 0, "p", "..." },
	{ TEXT(""), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("athenz://instanceid"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("athenz://instancename/a/b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("athenz://principal/a.b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("spiffe://a/sa/b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("x" URI "p/i"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("ATHENZ://instanceid/p/i"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("athenz://InstanceId/p/i"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "/i"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "/"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p//i"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i/"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i/j"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i,j"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i j"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i%2fj"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i?j"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i#j"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/i\0j"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/\xc3\xa9"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p/.."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p./i"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "-p/i"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(URI "p:q/i"), PRINCIPAL_E_FORMAT, NULL, NULL },
};

static void test_principal_parses_instances(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_instances); i++) {
		const struct test_principal_row *row = &test_principal_instances[i];
		struct principal_instance instance;

		test_principal_expect(row,
				      principal_parse_instance(row->text, row->len, &instance));
		if (row->result != 0)
			continue;
		CU_ASSERT_STRING_EQUAL(instance.provider, row->first);
		CU_ASSERT_STRING_EQUAL(instance.id, row->second);
	}
}

/* Parses a URI with a provider and an id of these many bytes. */
static int test_principal_parse_sized(size_t provider_len, size_t id_len)
{
	struct principal_instance instance;
	char provider[PRINCIPAL_PROVIDER_MAX + 1], id[PRINCIPAL_INSTANCE_MAX + 1];
	char uri[sizeof(URI) + sizeof(provider) + sizeof(id)];
	int n;

	memset(provider, 'p', sizeof(provider));
	memset(id, 'i', sizeof(id));
	n = snprintf(uri, sizeof(uri), URI "%.*s/%.*s", (int)provider_len, provider, (int)id_len,
		     id);
	return principal_parse_instance(uri, (size_t)n, &instance);
}

static void test_principal_instance_limits(void)
{
	CU_ASSERT_EQUAL(test_principal_parse_sized(PRINCIPAL_PROVIDER_MAX - 1, 1), 0);
	CU_ASSERT_EQUAL(test_principal_parse_sized(PRINCIPAL_PROVIDER_MAX, 1), PRINCIPAL_E_FORMAT);
	CU_ASSERT_EQUAL(test_principal_parse_sized(1, PRINCIPAL_INSTANCE_MAX - 1), 0);
	CU_ASSERT_EQUAL(test_principal_parse_sized(1, PRINCIPAL_INSTANCE_MAX), PRINCIPAL_E_FORMAT);
}

static const struct test_principal_row test_principal_dns[] = {
	{ TEXT("i-0.instanceid.athenz.example"), 0, "i-0", NULL },
	{ TEXT("0.c.i.a.t.r.e.node.instanceid.athenz.example"), 0, "0.c.i.a.t.r.e.node", NULL },
	{ TEXT("I-0.InstanceID.Athenz.Example"), 0, "I-0", NULL },
	{ TEXT("a.instanceid.athenz.b.instanceid.athenz.c"), 0, "a", NULL },
	{ TEXT(""), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("host.example"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("instanceid.athenz.example"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("xinstanceid.athenz.example"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("i-0.instanceid.athenz"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("i-0.instanceid.athenz."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(".instanceid.athenz.example"), PRINCIPAL_E_FORMAT, NULL, NULL },
};

static void test_principal_parses_dns(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_dns); i++) {
		const struct test_principal_row *row = &test_principal_dns[i];
		size_t len = 0;

		test_principal_expect(row, principal_parse_dns(row->text, row->len, &len));
		if (row->result == 0) {
			CU_ASSERT_EQUAL(len, strlen(row->first));
		}
	}
}

/* All against the principal a.b-c.d */
static const struct test_principal_row test_principal_spiffes[] = {
	{ TEXT("spiffe://a.b-c/sa/d"), 0, NULL, NULL },
	{ TEXT("SPIFFE://A.B-C/SA/D"), 0, NULL, NULL },
	{ TEXT("spiffe://athenz.io/ns/default/sa/a.b-c.d"), 0, NULL, NULL },
	{ TEXT("spiffe://x/ns/y/sa/A.b-c.D"), 0, NULL, NULL },
	{ TEXT(""), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("spiffe:/"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("athenz://instanceid/p/i"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("spiffe://"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b-c/sa/"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b-c/sa/e"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b-c/sa/dd"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b-c/sa/d/"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b-c/sa/d\0"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a-b.c/sa/d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	/* Split at the first dot. */
	{ TEXT("spiffe://a/sa/b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b-c/ra/d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/a.b-c/ra/d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/y/sa/b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/y/sa/a.b-c.d.e"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe:///ns/y/sa/a.b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns//sa/a.b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/y.z/sa/a.b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/y/ns/y/sa/a.b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
};

static void test_principal_checks_spiffe(void)
{
	struct principal p;

	CU_ASSERT_EQUAL_FATAL(principal_parse(TEXT("a.b-c.d"), &p), 0);
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_spiffes); i++) {
		const struct test_principal_row *row = &test_principal_spiffes[i];

		test_principal_expect(row, principal_check_spiffe(&p, row->text, row->len));
	}
}

static const struct test_principal_row test_principal_roles[] = {
	{ TEXT("a:role.b"), 0, "a:role.b", "1" },
	{ TEXT("Vespa.Tenant:Role.Reader.All"), 0, "vespa.tenant:role.reader.all", "12" },
	{ TEXT("a.b-c:role._d-"), 0, "a.b-c:role._d-", "5" },
	{ TEXT(""), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("a.role.b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("a:role"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("a:group.b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT(":role.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a:role."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a.:role.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a:role.b."), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a:role..b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a:role.b:role.c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a b:role.c"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a:role.b\0"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("a\0:role.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
};

static void test_principal_parses_roles(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_roles); i++) {
		const struct test_principal_row *row = &test_principal_roles[i];
		struct principal_role role;
		char domain_len[8];

		test_principal_expect(row, principal_parse_role(row->text, row->len, &role));
		if (row->result != 0)
			continue;
		snprintf(domain_len, sizeof(domain_len), "%zu", role.domain_len);
		CU_ASSERT_STRING_EQUAL(role.name, row->first);
		CU_ASSERT_STRING_EQUAL(domain_len, row->second);
	}
}

static void test_principal_role_limit(void)
{
	char name[PRINCIPAL_MAX + 1];
	struct principal_role role = { .domain_len = 77 };

	memset(name, 'r', sizeof(name));
	memcpy(name, "a:role.", 7);
	CU_ASSERT_EQUAL(principal_parse_role(name, PRINCIPAL_MAX, &role), PRINCIPAL_E_FORMAT);
	CU_ASSERT_EQUAL(role.domain_len, 77);
	CU_ASSERT_EQUAL(principal_parse_role(name, PRINCIPAL_MAX - 1, &role), 0);
	CU_ASSERT_EQUAL(strlen(role.name), PRINCIPAL_MAX - 1);
}

#define OWNER "athenz://principal/"

static const struct test_principal_row test_principal_uris[] = {
	{ TEXT(OWNER "a.b"), 0, "a.b", NULL },
	{ TEXT(OWNER "Vespa.Tenant.Host"), 0, "vespa.tenant.host", NULL },
	{ TEXT(""), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("athenz://principal"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("athenz://proxyuser/a.b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("x" OWNER "a.b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("Athenz://principal/a.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT("athenz://Principal/a.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(OWNER), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(OWNER "a"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(OWNER "a.b/"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(OWNER "/a.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(OWNER "a:role.b"), PRINCIPAL_E_FORMAT, NULL, NULL },
	{ TEXT(OWNER "a.b\0"), PRINCIPAL_E_FORMAT, NULL, NULL },
};

static void test_principal_parses_uris(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_uris); i++) {
		const struct test_principal_row *row = &test_principal_uris[i];
		struct principal p = { .name = "" };

		test_principal_expect(row, principal_parse_uri(row->text, row->len, &p));
		CU_ASSERT_STRING_EQUAL(p.name, row->result == 0 ? row->first : "");
	}
}

/* All against the role a.b:role.c.d */
static const struct test_principal_row test_principal_role_spiffes[] = {
	{ TEXT("spiffe://a.b/ra/c.d"), 0, NULL, NULL },
	{ TEXT("Spiffe://A.b/RA/c.D"), 0, NULL, NULL },
	{ TEXT("spiffe://athenz.io/ns/a.b/ra/c.d"), 0, NULL, NULL },
	{ TEXT("athenz://principal/a.b"), PRINCIPAL_E_OTHER, NULL, NULL },
	{ TEXT("spiffe://a.b/sa/c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b.c/ra/d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b/ra/c"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b/ra/c.d.e"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/a/ra/c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/a.b/ra/c.d/"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe:///ns/a.b/ra/c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://x/ns/y/sa/a.b:role.c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("spiffe://a.b/ra/c.d\0"), PRINCIPAL_E_DISAGREES, NULL, NULL },
};

static void test_principal_checks_role_spiffe(void)
{
	struct principal_role role;

	CU_ASSERT_EQUAL_FATAL(principal_parse_role(TEXT("a.b:role.c.d"), &role), 0);
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_role_spiffes); i++) {
		const struct test_principal_row *row = &test_principal_role_spiffes[i];

		test_principal_expect(row, principal_check_role_spiffe(&role, row->text, row->len));
	}
}

/* All against the principal a.b-c.d */
static const struct test_principal_row test_principal_mails[] = {
	{ TEXT("a.b-c.d@aws.example"), 0, NULL, NULL },
	{ TEXT("A.B-c.D@x"), 0, NULL, NULL },
	{ TEXT(""), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("a.b-c.d"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("a.b-c.d@"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("a.b-c@x"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("a.b-c.de@x"), PRINCIPAL_E_DISAGREES, NULL, NULL },
	{ TEXT("x a.b-c.d@x"), PRINCIPAL_E_DISAGREES, NULL, NULL },
};

static void test_principal_checks_mail(void)
{
	struct principal p;

	CU_ASSERT_EQUAL_FATAL(principal_parse(TEXT("a.b-c.d"), &p), 0);
	for (size_t i = 0; i < ARRAY_SIZE(test_principal_mails); i++) {
		const struct test_principal_row *row = &test_principal_mails[i];

		test_principal_expect(row, principal_check_mail(&p, row->text, row->len));
	}
}

static const struct tap_test test_principal_tests[] = {
	{ "parses names", test_principal_parses_names },
	{ "length limit", test_principal_length_limit },
	{ "leaves output alone", test_principal_leaves_output_alone },
	{ "parses instance ids", test_principal_parses_instances },
	{ "instance limits", test_principal_instance_limits },
	{ "parses DNS ids", test_principal_parses_dns },
	{ "checks SPIFFE", test_principal_checks_spiffe },
	{ "parses roles", test_principal_parses_roles },
	{ "role length limit", test_principal_role_limit },
	{ "parses owners of roles", test_principal_parses_uris },
	{ "checks SPIFFE of a role", test_principal_checks_role_spiffe },
	{ "checks mail of a role", test_principal_checks_mail },
	{ 0 },
};

static const struct tap_suite test_principal_suites[] = {
	{ "principal", test_principal_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_principal_suites);
}
