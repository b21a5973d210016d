/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/ztsdconf.h"
#include "common/buf.h"
#include "tests/support/tap.h"

#define AWS                                                                                        \
	"[provider p.aws]\nkind = aws\nsuffixes = a.example b.example\naws_certs = /c1 /c2\n"      \
	"sts_url = https://sts.example\n"
#define TOKEN "[provider p.tok]\nkind = token\ntoken_key = /k\n"

static struct ztsdconf *test_ztsdconf_load(const char *text)
{
	struct conf_error error = { .text = "" };
	struct ztsdconf *c = NULL;

	if (ztsdconf_load_text("test", text, &c, &error) < 0)
		tap_fail(__FILE__, __LINE__, "%s", error.text);
	return c;
}

static void test_ztsdconf_defaults(void)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *c = test_ztsdconf_load(TOKEN);
	const struct ztsdconf_provider *p;

	if (!c)
		return;
	CU_ASSERT_EQUAL(c->listen.port, 8443);
	CU_ASSERT_STRING_EQUAL(c->ca_cert, "/etc/postern/ztsd/ca.cert.pem");
	CU_ASSERT_STRING_EQUAL(c->client_ca, c->ca_cert);
	CU_ASSERT_STRING_EQUAL(c->ca_bundle, "athenz");
	CU_ASSERT_STRING_EQUAL(c->deny_file, "");
	CU_ASSERT_STRING_EQUAL(c->spiffe_trust_domain, "athenz.io");
	CU_ASSERT_EQUAL(c->default_lifetime_s, 604800);
	CU_ASSERT_EQUAL(c->max_lifetime_s, 2592000);
	CU_ASSERT_EQUAL(c->backdate_s, 60);
	CU_ASSERT_TRUE(c->verify_ou);
	CU_ASSERT_FALSE(c->read_only);
	CU_ASSERT_EQUAL(c->n_providers, 1);
	p = ztsdconf_find(c, "p.tok");
	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_PTR_NULL(ztsdconf_find(c, "p.to"));
	if (!p)
		return;
	CU_ASSERT_EQUAL(p->spec.kind, ATTESTOR_TOKEN);
	CU_ASSERT_STRING_EQUAL(p->spec.token_key, "/k");
	CU_ASSERT_STRING_EQUAL(p->spec.provider, "p.tok");
	CU_ASSERT_EQUAL(p->n_sources, 0);
}

static void test_ztsdconf_provider_aws(void)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *c = test_ztsdconf_load(
		AWS "sts_address = [::1]:443\nsts_ca = /ca\nsts_timeout_ms = 700\n"
		    "boot_window_s = 0\ncheck_private_ip = no\nneed_credentials = no\n"
		    "jwt_issuer = https://issuer.example\njwt_keys = /jwks\njwt_audience = us\n"
		    "jwt_orgs = o-1 o-2\nsources = 2001:db8::/32 192.0.2.0/24\n" TOKEN);
	const struct attestor_spec *s;
	struct in6_addr addr;

	if (!c)
		return;
	CU_ASSERT_EQUAL(c->n_providers, 2);
	s = &c->providers[0].spec;
	CU_ASSERT_EQUAL(s->kind, ATTESTOR_AWS);
	CU_ASSERT_EQUAL(s->n_aws_certs, 2);
	CU_ASSERT_STRING_EQUAL(s->aws_certs[1], "/c2");
	CU_ASSERT_EQUAL(s->n_suffixes, 2);
	CU_ASSERT_STRING_EQUAL(s->suffixes[0], "a.example");
	CU_ASSERT_STRING_EQUAL(s->sts_url, "https://sts.example");
	CU_ASSERT_STRING_EQUAL(s->sts_address, "[::1]:443");
	CU_ASSERT_STRING_EQUAL(s->sts_ca, "/ca");
	CU_ASSERT_EQUAL(s->sts_timeout_ms, 700);
	CU_ASSERT_EQUAL(s->boot_window_s, 0);
	CU_ASSERT_FALSE(s->check_private_ip || s->need_credentials);
	CU_ASSERT_STRING_EQUAL(s->jwt_issuer, "https://issuer.example");
	CU_ASSERT_STRING_EQUAL(s->jwt_keys, "/jwks");
	CU_ASSERT_STRING_EQUAL(s->jwt_audience, "us");
	CU_ASSERT_EQUAL(s->n_jwt_orgs, 2);
	CU_ASSERT_EQUAL(c->providers[0].n_sources, 2);
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, "::ffff:192.0.2.77", &addr), 1);
	CU_ASSERT_TRUE(ip6_prefix_has(&c->providers[0].sources[1], &addr));
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, "::ffff:192.0.3.77", &addr), 1);
	CU_ASSERT_FALSE(ip6_prefix_has(&c->providers[0].sources[1], &addr));
}

static void test_ztsdconf_bars(void)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *c = test_ztsdconf_load(
		"[ztsd]\norganizations = Acme Inc.|Two\norganizational_units = x\n" TOKEN);

	if (!c)
		return;
	CU_ASSERT_EQUAL(c->organizations.n, 2);
	CU_ASSERT_STRING_EQUAL(c->organizations.at[0], "Acme Inc.");
	CU_ASSERT_STRING_EQUAL(c->organizations.at[1], "Two");
	CU_ASSERT_EQUAL(c->organizational_units.n, 1);
}

static void test_ztsdconf_refuses(void)
{
	static const struct {
		const char *text, *expect;
	} cases[] = {
		{ "", "a section is missing: [provider NAME]" },
		{ "[provider p]\nkind = gcp\n", "aws or token" },
		{ "[provider p]\nkind = token\n", "kind = token needs token_key" },
		{ "[provider p]\nkind = aws\nsuffixes = x\nsts_url = https://x\n",
		  "needs aws_certs" },
		{ "[provider p]\nkind = aws\naws_certs = /x\nsts_url = https://x\n",
		  "needs suffixes" },
		{ "[provider p]\nkind = aws\naws_certs = /x\nsuffixes = x\n",
		  "need_credentials = yes needs" },
		{ AWS "jwt_issuer = https://x\njwt_keys = /x\njwt_audience = x\n",
		  "jwt_issuer needs" },
		{ AWS "sts_timeout_ms = 10000\n",
		  "sts_timeout_ms must be below request_timeout_ms" },
		{ AWS "sts_timeout_ms = 7\n[ztsd]\nrequest_timeout_ms = 7000\n", "sts_timeout_ms" },
		{ AWS "[ztsd]\nrequest_timeout_ms = 5000\n", "sts_timeout_ms must be below" },
		{ AWS "sts_ca = x\n", "sts_ca" },
		{ AWS "aws_certs = x\n", "aws_certs" },
		{ AWS "sts_address = sts.example:443\n", "sts_address" },
		{ AWS "sources = 192.0.2.1/24\n", "sources" },
		{ AWS "sources = 192.0.2.1\n", "sources" },
		{ AWS "sources = 192.0.2.0/33\n", "sources" },
		{ AWS "sources = 1.2.3.4.5/8\n", "sources" },
		{ AWS "sources = 2001:db8::1/32\n", "sources" },
		{ "[provider p]\nkind = aws\nsts_url = http://sts.example\n", "sts_url" },
		{ "[provider p]\nkind = aws\nsts_url = https://sts.example/?x\n", "sts_url" },
		{ TOKEN "[ztsd]\nca_key = ca.key.pem\n", "ca_key" },
		{ TOKEN "[ztsd]\nca_key = x?pin-value=12\n", "ca_key: its value is not allowed" },
		{ TOKEN "[ztsd]\nca_key_provider = a/b\n", "ca_key_provider" },
		{ TOKEN "[ztsd]\nca_key_pin_file = pin\n", "ca_key_pin_file" },
		{ TOKEN "[ztsd]\nca_key = a:b c\x7f\n", "control character" },
		{ TOKEN "[ztsd]\nmin_lifetime_s = 61\nmax_lifetime_s = 60\n"
			"default_lifetime_s = 60\n",
		  "must be at most" },
		{ TOKEN "[ztsd]\ndefault_lifetime_s = 61\nmax_lifetime_s = 60\n",
		  "must be at most" },
		{ TOKEN "[ztsd]\norganizations = a||b\n", "organizations" },
		{ TOKEN "[ztsd]\nunknown = 1\n", "unknown key" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf_error error = { .text = "" };
		struct ztsdconf *c = NULL;

		CU_ASSERT_TRUE(ztsdconf_load_text("test", cases[i].text, &c, &error) < 0);
		if (!strstr(error.text, cases[i].expect))
			tap_fail(__FILE__, __LINE__, "%s: '%s'", cases[i].expect, error.text);
		ztsdconf_free(c);
	}
}

static void test_ztsdconf_limits(void)
{
	static const struct {
		const char *key;
		uint64_t min, max;
	} cases[] = {
		{ "default_lifetime_s", 60, 2592000 },
		{ "max_lifetime_s", 604800, 31622400 },
		{ "min_lifetime_s", 1, 2592000 },
		{ "backdate_s", 0, 86400 },
		{ "requests_per_minute", 0, 1000000 },
		{ "request_burst", 1, 1000000 },
		{ "conns_max", 1, 16384 },
		{ "conns_per_source", 0, 16384 },
		{ "request_timeout_ms", 100, 60000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint64_t values[] = { cases[i].min - 1, cases[i].min, cases[i].max,
					    cases[i].max + 1 };

		for (size_t v = 0; v < 4; v++) {
			struct conf_error error = { .text = "" };
			struct ztsdconf *c = NULL;
			char text[256];
			bool good = v == 1 || v == 2;

			if (i == 0 && v == 0)
				continue; /* 59 is allowed, if short of the minimum for requests */
			snprintf(text, sizeof(text), TOKEN "[ztsd]\n%s = %llu\n", cases[i].key,
				 (unsigned long long)values[v]);
			if ((ztsdconf_load_text("test", text, &c, &error) == 0) != good)
				tap_fail(__FILE__, __LINE__, "%s: %s", text, error.text);
			ztsdconf_free(c);
		}
	}
	CU_PASS("");
}

/* One more entry than there is room for. */
static void test_ztsdconf_lists(void)
{
	static const struct {
		const char *head, *entry, *tail;
		int max;
	} cases[] = {
		{ "[provider a]\nkind = aws\naws_certs = /x\nneed_credentials = no\n",
		  "suffixes = x%d\n", "", ZTSDCONF_LIST_MAX },
		{ AWS, "sources = 2001:db8:%d::/48\n", "", ZTSDCONF_PREFIXES_MAX },
		{ "", "[provider p%d]\nkind = token\ntoken_key = /x\n", "",
		  ZTSDCONF_PROVIDERS_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int over = -1; over <= 1; over++) {
			_cleanup_(buf_release) struct buf b = buf_init(65536);
			struct conf_error error = { .text = "" };
			struct ztsdconf *c = NULL;

			buf_add(&b, cases[i].head);
			for (int n = 0; n < cases[i].max + over; n++) {
				const char *at = strstr(cases[i].entry, "%d");

				buf_addf(&b, "%.*s%d%s", (int)(at - cases[i].entry), cases[i].entry,
					 n, at + 2);
			}
			CU_ASSERT_EQUAL(ztsdconf_load_text("test", b.text, &c, &error) == 0,
					over <= 0);
			ztsdconf_free(c);
		}
	}
}

static void test_ztsdconf_uri(void)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *c = test_ztsdconf_load(
		"[ztsd]\nca_key = pkcs11:object=ca;type=private?pin-source=/etc/pin\n" TOKEN);

	if (c)
		CU_ASSERT_STRING_EQUAL(c->ca_key,
				       "pkcs11:object=ca;type=private?pin-source=/etc/pin");
	CU_ASSERT_PTR_NOT_NULL(c);
}

static void test_ztsdconf_reference(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL(f);
	if (!f)
		return;
	ztsdconf_print_reference(f);
	fclose(f);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "[provider"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "requests_per_minute = 60"));
	free(text);
}

static const struct tap_test test_ztsdconf_tests[] = {
	{ "defaults", test_ztsdconf_defaults },
	{ "a provider of the cloud", test_ztsdconf_provider_aws },
	{ "values with bars between", test_ztsdconf_bars },
	{ "a key in a token", test_ztsdconf_uri },
	{ "what is refused", test_ztsdconf_refuses },
	{ "numbers at their limits", test_ztsdconf_limits },
	{ "lists at their limits", test_ztsdconf_lists },
	{ "the reference", test_ztsdconf_reference },
	{ 0 },
};

static const struct tap_suite test_ztsdconf_suites[] = {
	{ "ztsdconf", test_ztsdconf_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ztsdconf_suites);
}
