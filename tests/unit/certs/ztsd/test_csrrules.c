/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/csrrules.h"
#include "common/buf.h"
#include "tests/support/tap.h"

#define ID "athenz://instanceid/prov.aws/i-01"
#define TEST_CSRRULES_SANS 6

/* Both providers know the same suffixes. */
static const char test_csrrules_conf_text[] = "[ztsd]\n"
					      "organizations = Acme | Acme Inc.|Other\n"
					      "organizational_units = Unit One|two\n"
					      "spiffe_trust_domain = trust.example\n"
					      "[provider prov.aws]\n"
					      "kind = aws\n"
					      "suffixes = aws.example zts.example\n"
					      "aws_certs = /x\n"
					      "sts_url = https://sts.example\n"
					      "[provider prov.tok]\n"
					      "kind = token\n"
					      "token_key = /x\n"
					      "suffixes = aws.example\n";

static struct ztsdconf *test_csrrules_conf;

struct test_csrrules_row {
	const char *about;
	const char *why; /* the message begins with it; NULL = good */
	const char *provider, *cn, *c, *o;
	const char *hostname, *space, *body_id, *source; /* of the request */
	bool loose_ip;
	struct {
		enum csr_san kind;
		const char *text;
	} sans[TEST_CSRRULES_SANS];
	const char *id;    /* expected */
	const char *names; /* expected in the certificate */
	const char *dns;   /* expected for the attestor */
	const char *ips;   /* as above */
};

#define DNS(t)                                                                                     \
	{                                                                                          \
		CSR_DNS, t                                                                         \
	}
#define URI(t)                                                                                     \
	{                                                                                          \
		CSR_URI, t                                                                         \
	}
#define IP(t)                                                                                      \
	{                                                                                          \
		CSR_IP, t                                                                          \
	}
#define MAIL(t)                                                                                    \
	{                                                                                          \
		CSR_EMAIL, t                                                                       \
	}
#define BAD "CSR validation failed - "
#define SUFFIX " does not end with provider/service configured suffix or hostname"

static const struct test_csrrules_row test_csrrules_rows[] = {
	{ .about = "what SIA sends",
	  .sans = { DNS("svc.dom-a.aws.example"), URI("spiffe://dom.a/sa/svc"), URI(ID) },
	  .id = "i-01",
	  .names = "svc.dom-a.aws.example spiffe://dom.a/sa/svc " ID " ",
	  .dns = "svc.dom-a.aws.example " },
	{ .about = "the least", .sans = { URI(ID) }, .id = "i-01", .names = ID " " },
	/* 1-3: URIs */
	{ .about = "two SPIFFE URIs",
	  .why = BAD "Invalid SPIFFE URI present in CSR",
	  .sans = { URI(ID), URI("spiffe://dom.a/sa/svc"), URI("spiffe://dom.a/sa/svc") } },
	{ .about = "a URI of another kind",
	  .why = BAD "unsupported URI: vespa://cluster",
	  .sans = { URI(ID), URI("vespa://cluster") } },
	{ .about = "a principal's URI",
	  .why = BAD "unsupported URI: athenz://principal/dom.a.svc",
	  .sans = { URI(ID), URI("athenz://principal/dom.a.svc") } },
	{ .about = "an instance id in another spelling of the scheme",
	  .why = BAD "unsupported URI",
	  .sans = { URI("ATHENZ://instanceid/prov.aws/i-01") } },
	/* 4: instance id */
	{ .about = "no instance id",
	  .why = BAD "InstanceId cannot be empty",
	  .sans = { DNS("svc.dom-a.aws.example") } },
	{ .about = "the id of the body, when there is no other",
	  .body_id = "i-77",
	  .id = "i-77",
	  .names = "athenz://instanceid/prov.aws/i-77 " },
	{ .about = "the id of the body is not looked at beside one of the request",
	  .body_id = "i-77",
	  .sans = { URI(ID) },
	  .id = "i-01",
	  .names = ID " " },
	{ .about = "an id of the body that no certificate can have",
	  .why = BAD "invalid instance id",
	  .body_id = "i,77" },
	{ .about = "the id as a DNS name",
	  .sans = { DNS("i-01.instanceid.athenz.aws.example") },
	  .id = "i-01",
	  .names = "i-01.instanceid.athenz.aws.example " ID " ",
	  .dns = "i-01.instanceid.athenz.aws.example " },
	{ .about = "both forms that agree",
	  .sans = { DNS("i-01.instanceid.athenz.aws.example"), URI(ID) },
	  .id = "i-01",
	  .names = "i-01.instanceid.athenz.aws.example " ID " ",
	  .dns = "i-01.instanceid.athenz.aws.example " },
	{ .about = "both forms that disagree",
	  .why = BAD "instance id mismatch",
	  .sans = { DNS("i-02.instanceid.athenz.aws.example"), URI(ID) } },
	{ .about = "an id that begins with the other",
	  .why = BAD "instance id mismatch",
	  .sans = { DNS("i-0.instanceid.athenz.aws.example"), URI(ID) } },
	{ .about = "two DNS ids",
	  .why = BAD "invalid instance id",
	  .sans = { DNS("i-01.instanceid.athenz.aws.example"),
		    DNS("i-01.instanceid.athenz.zts.example") } },
	{ .about = "two instance URIs",
	  .why = BAD "more than one instance id",
	  .sans = { URI(ID), URI(ID) } },
	{ .about = "an instance of another provider",
	  .why = BAD "provider mismatch in instance id: prov.tok vs. prov.aws",
	  .sans = { URI("athenz://instanceid/prov.tok/i-01") } },
	{ .about = "an instance URI with a segment too many",
	  .why = BAD "invalid instance id",
	  .sans = { URI(ID "/x") } },
	{ .about = "an instance URI without an id",
	  .why = BAD "invalid instance id",
	  .sans = { URI("athenz://instanceid/prov.aws/") } },
	/* 5: common name */
	{ .about = "another common name",
	  .why = BAD "Unable to validate CSR common name: dom.a.other vs. dom.a.svc",
	  .cn = "dom.a.other",
	  .sans = { URI(ID) } },
	{ .about = "a common name in another case",
	  .cn = "DOM.a.Svc",
	  .sans = { URI(ID) },
	  .id = "i-01",
	  .names = ID " " },
	{ .about = "no common name",
	  .why = BAD "Unable to validate CSR common name",
	  .cn = "",
	  .sans = { URI(ID) } },
	{ .about = "no common name, but SPIFFE",
	  .cn = "",
	  .sans = { URI(ID), URI("spiffe://dom.a/sa/svc") },
	  .id = "i-01",
	  .names = "spiffe://dom.a/sa/svc " ID " " },
	/* 6: host name */
	{ .about = "a host name of the body",
	  .hostname = "h.svc.dom-a.aws.example",
	  .sans = { URI(ID), URI("athenz://hostname/h.svc.dom-a.aws.example") },
	  .id = "i-01",
	  .names = "athenz://hostname/h.svc.dom-a.aws.example " ID " ",
	  .dns = "h.svc.dom-a.aws.example " },
	{ .about = "a host name without one in the body",
	  .why = BAD "Unable to validate URI hostname",
	  .sans = { URI(ID), URI("athenz://hostname/h.svc.dom-a.aws.example") } },
	{ .about = "an empty host name",
	  .why = BAD "Unable to validate URI hostname",
	  .sans = { URI(ID), URI("athenz://hostname/") } },
	{ .about = "a host name twice",
	  .why = BAD "Unable to validate URI hostname",
	  .hostname = "h.svc.dom-a.aws.example",
	  .sans = { URI(ID), URI("athenz://hostname/h.svc.dom-a.aws.example"),
		    URI("athenz://hostname/h.svc.dom-a.aws.example") } },
	{ .about = "another host name than in the body",
	  .why = BAD "Unable to validate URI hostname",
	  .hostname = "g.svc.dom-a.aws.example",
	  .sans = { URI(ID), URI("athenz://hostname/h.svc.dom-a.aws.example") } },
	{ .about = "a host name outside the suffixes",
	  .why = BAD "h.elsewhere.example" SUFFIX,
	  .hostname = "h.elsewhere.example",
	  .sans = { URI(ID), URI("athenz://hostname/h.elsewhere.example") } },
	{ .about = "the host name of the body does not open other suffixes",
	  .why = BAD "h.elsewhere.example" SUFFIX,
	  .hostname = "h.elsewhere.example",
	  .sans = { URI(ID), DNS("h.elsewhere.example") } },
	/* 7: DNS names */
	{ .about = "a DNS name outside the suffixes",
	  .why = BAD "svc.dom-a.evil.example" SUFFIX,
	  .sans = { URI(ID), DNS("svc.dom-a.evil.example") } },
	{ .about = "a suffix that does not begin at a dot",
	  .why = BAD "svc.dom-a.xaws.example" SUFFIX,
	  .sans = { URI(ID), DNS("svc.dom-a.xaws.example") } },
	{ .about = "the bare suffix",
	  .why = BAD "aws.example" SUFFIX,
	  .sans = { URI(ID), DNS("aws.example") } },
	{ .about = "a name of another service is the attestor's affair",
	  .sans = { URI(ID), DNS("other.dom-b.aws.example") },
	  .id = "i-01",
	  .names = "other.dom-b.aws.example " ID " ",
	  .dns = "other.dom-b.aws.example " },
	{ .about = "a wildcard is not",
	  .sans = { URI(ID), DNS("*.svc.dom-a.aws.example") },
	  .id = "i-01",
	  .names = "*.svc.dom-a.aws.example " ID " ",
	  .dns = "" },
	{ .about = "a wildcard of another service",
	  .why = BAD "*.other.dom-a.aws.example" SUFFIX,
	  .sans = { URI(ID), DNS("*.other.dom-a.aws.example") } },
	{ .about = "a wildcard over everything",
	  .why = BAD "*.aws.example" SUFFIX,
	  .sans = { URI(ID), DNS("*.aws.example") } },
	{ .about = "a DNS name that is none",
	  .why = BAD,
	  .sans = { URI(ID), DNS("a b.svc.dom-a.aws.example") } },
	{ .about = "a token's instance with its own name",
	  .provider = "prov.tok",
	  .sans = { URI("athenz://instanceid/prov.tok/x"), DNS("a.svc.dom-a.aws.example"),
		    DNS("x.instanceid.athenz.aws.example") },
	  .id = "x",
	  .names = "a.svc.dom-a.aws.example x.instanceid.athenz.aws.example "
		   "athenz://instanceid/prov.tok/x ",
	  .dns = "a.svc.dom-a.aws.example x.instanceid.athenz.aws.example " },
	{ .about = "a token's instance with the name of another service",
	  .why = BAD "svc.dom-b.aws.example" SUFFIX,
	  .provider = "prov.tok",
	  .sans = { URI("athenz://instanceid/prov.tok/x"), DNS("svc.dom-b.aws.example") } },
	/* 8: subject */
	{ .about = "an organisation that is listed",
	  .o = "Acme Inc.",
	  .c = "NO",
	  .sans = { URI(ID) },
	  .id = "i-01",
	  .names = ID " " },
	{ .about = "an organisation that is not",
	  .why = BAD "Unable to validate Subject O Field",
	  .o = "Acm",
	  .sans = { URI(ID) } },
	{ .about = "a country that is none",
	  .why = BAD "Unable to validate Subject C Field",
	  .c = "no",
	  .sans = { URI(ID) } },
	{ .about = "a country of three letters",
	  .why = BAD "Unable to validate Subject C Field",
	  .c = "NOR",
	  .sans = { URI(ID) } },
	/* 9: SPIFFE */
	{ .about = "SPIFFE with trust domain and namespace, in another case",
	  .sans = { URI(ID), URI("SPIFFE://Trust.example/ns/default/sa/dom.A.svc") },
	  .id = "i-01",
	  .names = "spiffe://trust.example/ns/default/sa/dom.a.svc " ID " " },
	{ .about = "SPIFFE with the namespace of the body",
	  .space = "prod",
	  .sans = { URI(ID), URI("spiffe://trust.example/ns/prod/sa/dom.a.svc") },
	  .id = "i-01",
	  .names = "spiffe://trust.example/ns/prod/sa/dom.a.svc " ID " " },
	{ .about = "SPIFFE with another namespace",
	  .why = BAD "Unable to validate SPIFFE URI",
	  .sans = { URI(ID), URI("spiffe://trust.example/ns/prod/sa/dom.a.svc") } },
	{ .about = "SPIFFE with another trust domain",
	  .why = BAD "Unable to validate SPIFFE URI",
	  .sans = { URI(ID), URI("spiffe://athenz.io/ns/default/sa/dom.a.svc") } },
	{ .about = "SPIFFE of another service",
	  .why = BAD "Unable to validate SPIFFE URI",
	  .sans = { URI(ID), URI("spiffe://dom.a/sa/other") } },
	{ .about = "SPIFFE split at another dot",
	  .why = BAD "Unable to validate SPIFFE URI",
	  .sans = { URI(ID), URI("spiffe://dom/sa/a.svc") } },
	/* 11: the rest */
	{ .about = "a mail address",
	  .why = BAD "unsupported email: dom.a.svc@aws.example",
	  .sans = { URI(ID), MAIL("dom.a.svc@aws.example") } },
	{ .about = "the address of the source",
	  .sans = { URI(ID), IP("2001:db8::7") },
	  .id = "i-01",
	  .names = "2001:db8::7 " ID " ",
	  .ips = "" },
	{ .about = "another address goes to the attestor",
	  .sans = { URI(ID), IP("10.0.0.1") },
	  .id = "i-01",
	  .names = "10.0.0.1 " ID " ",
	  .ips = "10.0.0.1 " },
	{ .about = "unless that does not look",
	  .why = BAD "Unable to validate IP address: 10.0.0.1",
	  .loose_ip = true,
	  .sans = { URI(ID), IP("10.0.0.1") } },
	{ .about = "a token vouches for no address",
	  .why = BAD "Unable to validate IP address: 10.0.0.1",
	  .provider = "prov.tok",
	  .sans = { URI("athenz://instanceid/prov.tok/x"), IP("10.0.0.1") } },
	{ .about = "an IPv4 source",
	  .provider = "prov.tok",
	  .source = "::ffff:10.0.0.1",
	  .sans = { URI("athenz://instanceid/prov.tok/x"), IP("10.0.0.1") },
	  .id = "x",
	  .names = "10.0.0.1 athenz://instanceid/prov.tok/x " },
	{ .about = "an IPv6 address with the same low bits is not it",
	  .why = BAD "Unable to validate IP address",
	  .provider = "prov.tok",
	  .source = "2001:db8::a00:1",
	  .sans = { URI("athenz://instanceid/prov.tok/x"), IP("10.0.0.1") } },
};

static const char *test_csrrules_or(const char *text, const char *other)
{
	return text ? text : other;
}

static size_t test_csrrules_fill(const struct test_csrrules_row *row, struct csr *csr,
				 struct csr_name *names)
{
	size_t n = 0;

	for (; n < TEST_CSRRULES_SANS && row->sans[n].text; n++) {
		names[n].kind = row->sans[n].kind;
		snprintf(names[n].text, sizeof(names[n].text), "%s", row->sans[n].text);
	}
	*csr = (struct csr){ .names = names, .n_names = n };
	snprintf(csr->common_name, sizeof(csr->common_name), "%s",
		 test_csrrules_or(row->cn, "dom.a.svc"));
	snprintf(csr->country, sizeof(csr->country), "%s", test_csrrules_or(row->c, ""));
	snprintf(csr->organization, sizeof(csr->organization), "%s", test_csrrules_or(row->o, ""));
	return n;
}

static void test_csrrules_fill_request(const struct test_csrrules_row *row,
				       struct athenz_request *q)
{
	*q = (struct athenz_request){ .domain = "dom.a", .service = "svc" };
	snprintf(q->hostname, sizeof(q->hostname), "%s", test_csrrules_or(row->hostname, ""));
	snprintf(q->name_space, sizeof(q->name_space), "%s", test_csrrules_or(row->space, ""));
	snprintf(q->instance_id, sizeof(q->instance_id), "%s", test_csrrules_or(row->body_id, ""));
}

static void test_csrrules_expect(const struct test_csrrules_row *row, const struct csrrules *got)
{
	_cleanup_(buf_release) struct buf names = buf_init(4096), dns = buf_init(4096);
	_cleanup_(buf_release) struct buf ips = buf_init(4096);

	buf_add(&names, "");
	buf_add(&dns, "");
	buf_add(&ips, "");
	for (size_t i = 0; i < got->n_names; i++)
		buf_addf(&names, "%s ", got->names[i]->text);
	for (size_t i = 0; i < got->n_dns; i++)
		buf_addf(&dns, "%s ", got->dns[i]);
	for (size_t i = 0; i < got->n_ips; i++)
		buf_addf(&ips, "%s ", got->ips[i]);
	CU_ASSERT_STRING_EQUAL(got->principal, "dom.a.svc");
	CU_ASSERT_STRING_EQUAL(got->instance_id, row->id);
	CU_ASSERT_STRING_EQUAL(names.text, row->names);
	if (row->dns)
		CU_ASSERT_STRING_EQUAL(dns.text, row->dns);
	if (row->ips)
		CU_ASSERT_STRING_EQUAL(ips.text, row->ips);
}

static void test_csrrules_run(const struct test_csrrules_row *row)
{
	struct csr_name names[TEST_CSRRULES_SANS];
	struct ztsdconf_provider provider =
		*ztsdconf_find(test_csrrules_conf, test_csrrules_or(row->provider, "prov.aws"));
	struct athenz_request request;
	struct csrrules got;
	struct in6_addr source;
	struct csr csr;
	struct csrrules_claim claim = { .conf = test_csrrules_conf,
					.provider = &provider,
					.request = &request,
					.csr = &csr,
					.source = &source };
	char why[ATHENZ_MESSAGE_MAX] = "";
	int r;

	test_csrrules_fill(row, &csr, names);
	test_csrrules_fill_request(row, &request);
	provider.check_private_ip = !row->loose_ip;
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, test_csrrules_or(row->source, "2001:db8::7"), &source),
			1);
	r = csrrules_check(&claim, &got, why);
	if (r != (row->why ? -EPERM : 0) ||
	    strncmp(why, row->why ? row->why : "", strlen(row->why ? row->why : "")) != 0)
		tap_fail(__FILE__, __LINE__, "%s: %d '%s'", row->about, r, why);
	if (r == 0 && !row->why)
		test_csrrules_expect(row, &got);
}

static void test_csrrules_table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_csrrules_rows); i++)
		test_csrrules_run(&test_csrrules_rows[i]);
	CU_PASS("");
}

/* 64 names that are not the instance's, and the one that is added. */
static void test_csrrules_limit(void)
{
	static struct csr_name names[CSR_SANS_MAX];
	struct in6_addr source = in6addr_loopback;
	struct athenz_request request = { .domain = "dom.a", .service = "svc" };
	struct csr csr = { .common_name = "dom.a.svc", .names = names };
	struct csrrules_claim claim = { .conf = test_csrrules_conf,
					.provider = ztsdconf_find(test_csrrules_conf, "prov.aws"),
					.request = &request,
					.csr = &csr,
					.source = &source };
	char why[ATHENZ_MESSAGE_MAX] = "";
	struct csrrules got;

	snprintf(request.instance_id, sizeof(request.instance_id), "i-01");
	for (size_t i = 0; i < CSR_SANS_MAX; i++)
		snprintf(names[i].text, sizeof(names[i].text), "h%zu.svc.dom-a.aws.example", i);
	for (size_t n = CSR_SANS_MAX - 1; n <= CSR_SANS_MAX; n++) {
		csr.n_names = n;
		CU_ASSERT_EQUAL(csrrules_check(&claim, &got, why), n < CSR_SANS_MAX ? 0 : -EPERM);
	}
	CU_ASSERT_STRING_EQUAL(why, BAD "too many names");
}

static void test_csrrules_unit(void)
{
	static const struct {
		const char *unit;
		int r;
	} cases[] = {
		{ "", 0 },
		{ "prov.aws", 0 },
		{ "prov.aws:restricted", 0 },
		{ "Unit One", 0 },
		{ "two:restricted", 0 },
		{ "prov.aw", -EPERM },
		{ "prov.awss", -EPERM },
		{ ":restricted", -EPERM },
		{ "prov.tok", -EPERM },
		{ "prov.aws:Restricted", -EPERM },
	};
	struct csr csr = { .n_names = 0 };
	struct csrrules_claim claim = { .conf = test_csrrules_conf,
					.provider = ztsdconf_find(test_csrrules_conf, "prov.aws"),
					.csr = &csr };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[ATHENZ_MESSAGE_MAX] = "";

		snprintf(csr.organizational_unit, sizeof(csr.organizational_unit), "%s",
			 cases[i].unit);
		CU_ASSERT_EQUAL(csrrules_check_unit(&claim, why), cases[i].r);
		CU_ASSERT_STRING_EQUAL(why,
				       cases[i].r ? "CSR Subject OrgUnit validation failed" : "");
	}
	test_csrrules_conf->verify_ou = false;
	CU_ASSERT_EQUAL(csrrules_check_unit(&claim, (char[ATHENZ_MESSAGE_MAX]){ "" }), 0);
	test_csrrules_conf->verify_ou = true;
}

/* A domain that fits, a service that fits, and a principal that does not. */
static void test_csrrules_long_principal(void)
{
	struct in6_addr source = in6addr_loopback;
	struct athenz_request request = { .service = "svc" };
	struct csr csr = { .common_name = "dom.a.svc" };
	struct csrrules_claim claim = { .conf = test_csrrules_conf,
					.provider = ztsdconf_find(test_csrrules_conf, "prov.aws"),
					.request = &request,
					.csr = &csr,
					.source = &source };
	char why[ATHENZ_MESSAGE_MAX] = "";
	struct csrrules got;

	memset(request.domain, 'd', PRINCIPAL_MAX - 1);
	CU_ASSERT_EQUAL(csrrules_check(&claim, &got, why), -EPERM);
	CU_ASSERT_STRING_EQUAL(why, BAD "domain and service are no principal");
}

static const struct tap_test test_csrrules_tests[] = {
	{ "every rule", test_csrrules_table },
	{ "as many names as a peer takes", test_csrrules_limit },
	{ "the organisational unit", test_csrrules_unit },
	{ "a principal that is too long", test_csrrules_long_principal },
	{ 0 },
};

static const struct tap_suite test_csrrules_suites[] = {
	{ "csrrules", test_csrrules_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct conf_error error;
	int status;

	if (ztsdconf_load_text("test", test_csrrules_conf_text, &test_csrrules_conf, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		return 2;
	}
	status = tap_main(argc, argv, test_csrrules_suites);
	ztsdconf_free(test_csrrules_conf);
	return status;
}
