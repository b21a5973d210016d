/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certconf.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define TEST_CERTCONF_AWS                                                                          \
	"[certd]\nzts_url = https://zts.example:4443/zts/v1\nzts_ca = /ca.pem\n"                   \
	"provider_prefix = athenz.aws\n[csr]\nsuffixes = aws.athenz.example\n"
#define TEST_CERTCONF_TOKEN                                                                        \
	"[certd]\nzts_url = https://zts.example/zts/v1\nzts_ca = /ca.pem\n"                        \
	"attestation = token\ntoken_file = /token\ndomain = a.b\nservice = c\nprovider = p.q\n"

static struct certconf test_certconf_read;
static struct conf_error test_certconf_error;

static int test_certconf_load(const char *text)
{
	test_certconf_error.text[0] = '\0';
	return certconf_load_text("test.conf", text, &test_certconf_read, &test_certconf_error);
}

/* @base without @cut and with @add at its end. NULL cuts nothing. */
static int test_certconf_try(const char *base, const char *cut, const char *add)
{
	char text[8192];
	const char *at = cut ? strstr(base, cut) : base;

	if (!at) {
		tap_fail(__FILE__, __LINE__, "'%s' is not in the text", cut ? cut : "");
		return -EINVAL;
	}
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - base), base,
		 at + (cut ? strlen(cut) : 0), add);
	return test_certconf_load(text);
}

static void test_certconf_few_lines_are_enough(void)
{
	const struct certconf *c = &test_certconf_read;

	CU_ASSERT_EQUAL(test_certconf_load(TEST_CERTCONF_AWS), 0);
	CU_ASSERT_STRING_EQUAL(c->zts_url, "https://zts.example:4443/zts/v1");
	CU_ASSERT_EQUAL(c->zts_address.port, 0);
	CU_ASSERT_STRING_EQUAL(c->zts_ca, "/ca.pem");
	CU_ASSERT_STRING_EQUAL(c->ca_pin, "");
	CU_ASSERT_STRING_EQUAL(c->domain, "");
	CU_ASSERT_STRING_EQUAL(c->provider, "");
	CU_ASSERT_STRING_EQUAL(c->provider_prefix, "athenz.aws");
	CU_ASSERT_EQUAL(c->attestation, CERTCONF_AWS);
	CU_ASSERT_EQUAL(c->key_type, CERTCONF_EC_P256);
	CU_ASSERT_EQUAL(c->expiry_min, 0);
	CU_ASSERT_STRING_EQUAL(c->sia_dir, "/var/lib/sia");
	CU_ASSERT_STRING_EQUAL(c->user, "");
	CU_ASSERT_EQUAL(c->renew_max_s, 86400);
	CU_ASSERT_EQUAL(c->retry_min_s, 5);
	CU_ASSERT_EQUAL(c->retry_max_s, 1800);
	CU_ASSERT_EQUAL(c->timeout_ms, 30000);
	CU_ASSERT_EQUAL(c->n_suffixes, 1);
	CU_ASSERT_STRING_EQUAL(c->suffixes[0], "aws.athenz.example");
	CU_ASSERT_TRUE(c->spiffe);
	CU_ASSERT_STRING_EQUAL(c->spiffe_trust_domain, "");
	CU_ASSERT_STRING_EQUAL(c->spiffe_namespace, "default");
	CU_ASSERT_FALSE(c->wildcard_dns);
	CU_ASSERT_FALSE(c->instance_dns);
	CU_ASSERT_FALSE(c->private_ip);
	CU_ASSERT_EQUAL(c->n_imds, 2);
	CU_ASSERT_STRING_EQUAL(c->imds[0], "http://[fd00:ec2::254]");
	CU_ASSERT_STRING_EQUAL(c->imds[1], "http://169.254.169.254");
	CU_ASSERT_STRING_EQUAL(c->document_signature, "pkcs7");
	CU_ASSERT_EQUAL(c->credentials, CERTCONF_ASSUME_ROLE);
	CU_ASSERT_STRING_EQUAL(c->role_path, "");
	CU_ASSERT_FALSE(c->role_omits_domain);
	CU_ASSERT_STRING_EQUAL(c->sts_url, "https://sts.{region}.api.aws");
	CU_ASSERT_EQUAL(c->sts_address.port, 0);
	CU_ASSERT_STRING_EQUAL(c->audience, "");
	CU_ASSERT_STRING_EQUAL(c->signing_algorithm, "ES384");
	CU_ASSERT_EQUAL(c->token_duration_s, 300);
}

static const char test_certconf_full[] =
	"[certd]\nzts_url = https://[2001:db8::1]/zts/v1//\n"
	"zts_address = [2001:db8::2]:8443\nzts_ca = /z\nca_pin = /pin\n"
	"domain = vespa.tenant_1\nservice = tenant-host\nprovider = athenz.aws.x-1\n"
	"key_type = rsa-3072\nexpiry_min = 60\nsia_dir = /sia\nuser = certd:athenz\n"
	"renew_max_s = 3600\nretry_min_s = 7\nretry_max_s = 7\ntimeout_ms = 5000\n"
	"[csr]\nsuffixes = a.example b.example\nsuffixes = c.example\ncountry = NO\n"
	"organization = Example, Inc. & more\norganizational_unit = Hosts\n"
	"spiffe = yes\nspiffe_trust_domain = athenz.io\nspiffe_namespace = prod\n"
	"wildcard_dns = yes\ninstance_dns = yes\nprivate_ip = yes\n"
	"[aws]\nimds = http://[::1]:8169\ndocument_signature = rsa2048\n"
	"credentials = web-identity\n"
	"role_path = athenz/hosts/\nrole_omits_domain = yes\n"
	"sts_url = https://sts.{region}.amazonaws.com/\nsts_address = [::1]:4443\n"
	"sts_ca = /sts.pem\naudience = https://zts.example\n"
	"signing_algorithm = RS256\ntoken_duration_s = 600\n";

static void test_certconf_every_key(void)
{
	const struct certconf *c = &test_certconf_read;

	CU_ASSERT_EQUAL(test_certconf_load(test_certconf_full), 0);
	CU_ASSERT_STRING_EQUAL(test_certconf_error.text, "");
	CU_ASSERT_STRING_EQUAL(c->zts_url, "https://[2001:db8::1]/zts/v1");
	CU_ASSERT_EQUAL(c->zts_address.port, 8443);
	CU_ASSERT_STRING_EQUAL(c->ca_pin, "/pin");
	CU_ASSERT_STRING_EQUAL(c->domain, "vespa.tenant_1");
	CU_ASSERT_STRING_EQUAL(c->service, "tenant-host");
	CU_ASSERT_STRING_EQUAL(c->provider, "athenz.aws.x-1");
	CU_ASSERT_EQUAL(c->key_type, CERTCONF_RSA_3072);
	CU_ASSERT_EQUAL(c->expiry_min, 60);
	CU_ASSERT_STRING_EQUAL(c->sia_dir, "/sia");
	CU_ASSERT_STRING_EQUAL(c->user, "certd:athenz");
	CU_ASSERT_EQUAL(c->renew_max_s, 3600);
	CU_ASSERT_EQUAL(c->retry_min_s, 7);
	CU_ASSERT_EQUAL(c->retry_max_s, 7);
	CU_ASSERT_EQUAL(c->timeout_ms, 5000);
	CU_ASSERT_EQUAL(c->n_suffixes, 3);
	CU_ASSERT_STRING_EQUAL(c->suffixes[2], "c.example");
	CU_ASSERT_STRING_EQUAL(c->country, "NO");
	CU_ASSERT_STRING_EQUAL(c->organization, "Example, Inc. & more");
	CU_ASSERT_STRING_EQUAL(c->organizational_unit, "Hosts");
	CU_ASSERT_STRING_EQUAL(c->spiffe_trust_domain, "athenz.io");
	CU_ASSERT_STRING_EQUAL(c->spiffe_namespace, "prod");
	CU_ASSERT_TRUE(c->wildcard_dns);
	CU_ASSERT_TRUE(c->instance_dns);
	CU_ASSERT_TRUE(c->private_ip);
	CU_ASSERT_EQUAL(c->n_imds, 1);
	CU_ASSERT_STRING_EQUAL(c->imds[0], "http://[::1]:8169");
	CU_ASSERT_STRING_EQUAL(c->document_signature, "rsa2048");
	CU_ASSERT_EQUAL(c->credentials, CERTCONF_WEB_IDENTITY);
	CU_ASSERT_STRING_EQUAL(c->role_path, "athenz/hosts/");
	CU_ASSERT_TRUE(c->role_omits_domain);
	CU_ASSERT_STRING_EQUAL(c->sts_url, "https://sts.{region}.amazonaws.com");
	CU_ASSERT_EQUAL(c->sts_address.port, 4443);
	CU_ASSERT_STRING_EQUAL(c->sts_ca, "/sts.pem");
	CU_ASSERT_STRING_EQUAL(c->audience, "https://zts.example");
	CU_ASSERT_STRING_EQUAL(c->signing_algorithm, "RS256");
	CU_ASSERT_EQUAL(c->token_duration_s, 600);
}

static void test_certconf_token(void)
{
	const struct certconf *c = &test_certconf_read;

	CU_ASSERT_EQUAL(test_certconf_load(TEST_CERTCONF_TOKEN), 0);
	CU_ASSERT_EQUAL(c->attestation, CERTCONF_TOKEN);
	CU_ASSERT_STRING_EQUAL(c->token_file, "/token");
	CU_ASSERT_STRING_EQUAL(c->instance_id, "");
	CU_ASSERT_EQUAL(c->n_suffixes, 0);
	CU_ASSERT_EQUAL(
		test_certconf_try(TEST_CERTCONF_TOKEN, NULL, "instance_id = aZ09._~=+@$:-\n"), 0);
	CU_ASSERT_STRING_EQUAL(c->instance_id, "aZ09._~=+@$:-");
}

/* A word of each enumeration, and what it is read as. */
static void test_certconf_choices(void)
{
	CU_ASSERT_EQUAL(
		test_certconf_try(TEST_CERTCONF_AWS, NULL,
				  "[aws]\ncredentials = none\n[certd]\nkey_type = rsa-2048\n"
				  "attestation = aws\n"),
		0);
	CU_ASSERT_EQUAL(test_certconf_read.credentials, CERTCONF_NO_CREDENTIALS);
	CU_ASSERT_EQUAL(test_certconf_read.key_type, CERTCONF_RSA_2048);
	CU_ASSERT_EQUAL(test_certconf_try(TEST_CERTCONF_AWS, NULL,
					  "[aws]\ncredentials = assume-role\n[certd]\n"
					  "key_type = ec-p256\n"),
			0);
	CU_ASSERT_EQUAL(test_certconf_read.credentials, CERTCONF_ASSUME_ROLE);
	CU_ASSERT_EQUAL(test_certconf_read.key_type, CERTCONF_EC_P256);
}

struct test_certconf_row {
	const char *base, *cut, *add;
	const char *says; /* part of the error; NULL = it is taken */
};

#define AWS TEST_CERTCONF_AWS
#define TOK TEST_CERTCONF_TOKEN
#define URL "zts_url = https://zts.example:4443/zts/v1\n"
#define SUF "suffixes = aws.athenz.example\n"

static const struct test_certconf_row test_certconf_rows[] = {
	{ AWS, URL, "", "[certd] zts_url: is missing" },
	{ AWS, URL, "[certd]\nzts_url = http://zts.example/zts/v1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https:///zts/v1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://:4443/zts/v1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://-a/zts/v1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://.a/zts/v1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://me@zts.example/zts/v1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example/zts/v1?x=1\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example/zts/v1#x\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example/a b\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example/%2e\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:0/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:1\n", NULL },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:65535/\n", NULL },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:65536/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:655350/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:0x50/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.example:/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://zts.{region}.example/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://[::1/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://[::1]x/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://[fe80::1%eth0]/\n", "zts_url" },
	{ AWS, URL, "[certd]\nzts_url = https://[::1]:4443\n", NULL },
	{ AWS, URL, "[certd]\nzts_url = https://192.0.2.1:4443\n", NULL },
	{ AWS, NULL, "[certd]\nzts_address = 192.0.2.1:4443\n", "zts_address" },
	{ AWS, NULL, "[certd]\nzts_address = [::1]:0\n", "zts_address" },
	{ AWS, "zts_ca = /ca.pem\n", "", "[certd] zts_ca: is missing" },
	{ AWS, "zts_ca = /ca.pem\n", "[certd]\nzts_ca = ca.pem\n", "zts_ca" },
	{ AWS, NULL, "[certd]\nca_pin = pin\n", "ca_pin" },
	{ AWS, NULL, "[certd]\ndomain = a.b\nservice = c\n", NULL },
	{ AWS, NULL, "[certd]\ndomain = a.b\n", "both or none" },
	{ AWS, NULL, "[certd]\nservice = c\n", "both or none" },
	{ AWS, NULL, "[certd]\ndomain = A.b\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = a..b\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = .a\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = a.\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = a.-b\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = a/b\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = a:role.b\nservice = c\n", "domain" },
	{ AWS, NULL, "[certd]\ndomain = a\nservice = c.d\n", "service" },
	{ AWS, NULL, "[certd]\ndomain = a\nservice = -c\n", "service" },
	{ AWS, NULL, "[certd]\nprovider = athenz.aws.us-east-1\n", NULL },
	{ AWS, NULL, "[certd]\nprovider = athenz/aws\n", "provider" },
	{ AWS, "provider_prefix = athenz.aws\n", "", "provider_prefix is missing" },
	{ AWS, "provider_prefix = athenz.aws\n", "[certd]\nprovider = p\n", NULL },
	{ AWS, "provider_prefix = athenz.aws\n", "[certd]\nprovider_prefix = a.\n",
	  "provider_prefix" },
	{ AWS, NULL, "[certd]\nattestation = gcp\n", "aws or token" },
	{ AWS, NULL, "[certd]\ntoken_file = /t\n", "only for attestation = token" },
	{ AWS, NULL, "[certd]\ninstance_id = x\n", "only for attestation = token" },
	{ TOK, "token_file = /token\n", "", "token_file is missing" },
	{ TOK, "token_file = /token\n", "token_file = token\n", "token_file" },
	{ TOK, "domain = a.b\nservice = c\n", "", "domain and service are missing" },
	{ TOK, "provider = p.q\n", "", "provider is missing" },
	{ TOK, "provider = p.q\n", "provider_prefix = p.q\n", "provider is missing" },
	{ TOK, NULL, "instance_id = a,b\n", "instance_id" },
	{ TOK, NULL, "instance_id = a/b\n", "instance_id" },
	{ TOK, NULL, "instance_id = ..\n", "instance_id" },
	{ TOK, NULL, "[csr]\nprivate_ip = yes\n", "private_ip" },
	{ TOK, NULL, "[csr]\nwildcard_dns = yes\n", "wildcard_dns" },
	{ TOK, NULL, "[csr]\nwildcard_dns = yes\nsuffixes = a.b\n", NULL },
	{ TOK, NULL, "[csr]\ninstance_dns = yes\n", "instance_dns" },
	{ TOK, NULL, "[csr]\ninstance_dns = yes\nsuffixes = a.b\n", NULL },
	{ AWS, NULL, "[certd]\nkey_type = ec-p384\n", "key_type" },
	{ AWS, NULL, "[certd]\nsia_dir = sia\n", "sia_dir" },
	{ AWS, NULL, "[certd]\nsia_dir = /si\xc3\xa4\n", "printable ASCII" },
	{ AWS, NULL, "[certd]\nretry_min_s = 1801\n", "retry_min_s must not be larger" },
	{ AWS, NULL, "[certd]\nretry_min_s = 1800\n", NULL },
	{ AWS, NULL, "[certd]\nretry_max_s = 4\n", "retry_min_s must not be larger" },
	{ AWS, SUF, "", "suffixes is missing" },
	{ AWS, SUF, "suffixes = .a.b\n", "suffixes" },
	{ AWS, SUF, "suffixes = a.B\n", "suffixes" },
	{ AWS, SUF, "suffixes = a.b,c.d\n", "suffixes" },
	{ AWS, NULL, "suffixes = aws.athenz.example\n", "already taken" },
	{ AWS, NULL, "suffixes = b c d\n", NULL },
	{ AWS, NULL, "suffixes = b c d e\n", "too many" },
	{ AWS, NULL, "country = N\n", "country" },
	{ AWS, NULL, "country = NOR\n", "country" },
	{ AWS, NULL, "country = NOr\n", "country" },
	{ AWS, NULL, "country = no\n", "country" },
	{ AWS, NULL, "organization = \xc3\x85\n", "organization" },
	{ AWS, NULL, "organizational_unit = \x7f\n", "control character" },
	{ AWS, NULL, "spiffe = maybe\n", "spiffe" },
	{ AWS, NULL, "spiffe = no\n", NULL },
	{ AWS, NULL, "spiffe = no\nspiffe_trust_domain = a.b\n", "spiffe_trust_domain" },
	{ AWS, NULL, "spiffe_trust_domain = a/b\n", "spiffe_trust_domain" },
	{ AWS, NULL, "spiffe_namespace = a.b\n", "spiffe_namespace" },
	{ AWS, NULL, "wildcard_dns = 1\n", "wildcard_dns" },
	{ AWS, NULL, "instance_dns = 1\n", "instance_dns" },
	{ AWS, NULL, "[aws]\ndocument_signature = signature\n", "pkcs7 or rsa2048" },
	{ AWS, NULL, "private_ip = 1\n", "private_ip" },
	{ AWS, NULL, "[aws]\nimds = http://169.254.169.254:80\n", NULL },
	{ AWS, NULL, "[aws]\nimds = https://169.254.169.254\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = file://169.254.169.254\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://metadata.internal\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://169.254.169.254.nip.example\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://169.254.169\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://169.254.169.254/\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://169.254.169.254:0\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://[fd00:ec2::254]x\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://fd00:ec2::254\n", "imds" },
	{ AWS, NULL, "[aws]\nimds = http://1.1.1.1 http://1.1.1.2\n", NULL },
	{ AWS, NULL, "[aws]\nimds = http://1.1.1.1 http://1.1.1.2 http://1.1.1.3\n", "too many" },
	{ AWS, NULL, "[aws]\ncredentials = profile\n", "credentials" },
	{ AWS, NULL, "[aws]\nrole_path = athenz\n", "role_path" },
	{ AWS, NULL, "[aws]\nrole_path = /athenz/\n", "role_path" },
	{ AWS, NULL, "[aws]\nrole_path = a:b/\n", "role_path" },
	{ AWS, NULL, "[aws]\nrole_path = a/b_+=,.@-/\n", NULL },
	{ AWS, NULL, "[aws]\nrole_omits_domain = 0\n", "role_omits_domain" },
	{ AWS, NULL, "[aws]\nsts_url = https://{region}\n", NULL },
	{ AWS, NULL, "[aws]\nsts_url = https://sts.{zone}.api.aws\n", "sts_url" },
	{ AWS, NULL, "[aws]\nsts_url = https://sts.api.aws/{region}\n", "sts_url" },
	{ AWS, NULL, "[aws]\nsts_url = http://sts.api.aws\n", "sts_url" },
	{ AWS, NULL, "[aws]\nsts_address = [::1]\n", "sts_address" },
	{ AWS, NULL, "[aws]\nsts_ca = x\n", "sts_ca" },
	{ AWS, NULL, "[aws]\naudience = a b\n", "audience" },
	{ AWS, NULL, "[aws]\nsigning_algorithm = ES256\n", "signing_algorithm" },
	{ AWS, NULL, "[aws]\nsigning_algorithm = es384\n", "signing_algorithm" },
	{ AWS, NULL, "[other]\n", "unknown section" },
	{ AWS, NULL, "[policy]\nlog_rate = 5\n", "unknown section" },
	{ AWS, NULL, "[certd]\nother = 1\n", "unknown key" },
	{ AWS, NULL,
	  "[zone]\nname = z\n[server cfg1]\na = 1\n[identity]\ncert = /c\n[tunnel]\nmtu = 1\n"
	  "[tunneld]\nuser = x\n",
	  NULL },
};

static void test_certconf_values(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_certconf_rows); i++) {
		const struct test_certconf_row *row = &test_certconf_rows[i];
		int r = test_certconf_try(row->base, row->cut, row->add);
		const char *error = test_certconf_error.text;

		if (row->says ? r != -EINVAL && r != -E2BIG && r != -EEXIST : r != 0)
			tap_fail(__FILE__, __LINE__, "row %zu (%s): %d %s", i, row->add, r, error);
		else if (row->says && !strstr(error, row->says))
			tap_fail(__FILE__, __LINE__, "row %zu says: %s", i, error);
		else
			CU_PASS("as it should be");
	}
}

/* Each number at its limits. */
static void test_certconf_numbers(void)
{
	static const struct {
		const char *section, *key;
		uint64_t min, max;
	} rows[] = {
		{ "certd", "expiry_min", 0, 525600 },    { "certd", "renew_max_s", 60, 2592000 },
		{ "certd", "retry_min_s", 1, 3600 },     { "certd", "retry_max_s", 1, 86400 },
		{ "certd", "timeout_ms", 1000, 300000 }, { "aws", "token_duration_s", 60, 3600 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t tries[] = { rows[i].min - 1, rows[i].min, rows[i].min + 1,
					   rows[i].max - 1, rows[i].max, rows[i].max + 1 };
		/* The other bound of the back-off must not be in the way. */
		bool is_min = !strcmp(rows[i].key, "retry_min_s");
		bool is_max = !strcmp(rows[i].key, "retry_max_s");

		for (size_t k = 0; k < ARRAY_SIZE(tries); k++) {
			char add[256];
			bool good = tries[k] >= rows[i].min && tries[k] <= rows[i].max;

			snprintf(add, sizeof(add), "[%s]\n%s = %llu\n[certd]\n%s", rows[i].section,
				 rows[i].key, (unsigned long long)tries[k],
				 is_min ? "retry_max_s = 86400\n" :
				 is_max ? "retry_min_s = 1\n" :
					  "");
			if ((test_certconf_try(AWS, NULL, add) == 0) != good)
				tap_fail(__FILE__, __LINE__, "%s: %s", add,
					 test_certconf_error.text);
		}
		CU_PASS("as it should be");
	}
}

/* Each text at the longest it may be. */
static void test_certconf_lengths(void)
{
	static const struct {
		const char *base, *section, *before, *after;
		size_t max; /* of the value without the two */
	} rows[] = {
		{ AWS, "aws", "sts_url = https://", "", 247 },
		{ AWS, "certd", "ca_pin = /", "", 254 },
		{ AWS, "certd", "service = c\ndomain = ", "", 253 },
		{ AWS, "certd", "domain = d\nservice = ", "", 253 },
		{ AWS, "certd", "provider = ", "", 127 },
		{ TOK, "certd", "instance_id = ", "", 127 },
		{ AWS, "certd", "sia_dir = /", "", 254 },
		{ AWS, "certd", "user = ", "", 63 },
		{ AWS, "csr", "suffixes = ", "", 127 },
		{ AWS, "csr", "organization = ", "", 127 },
		{ AWS, "csr", "organizational_unit = ", "", 127 },
		{ AWS, "csr", "spiffe_trust_domain = ", "", 127 },
		{ AWS, "csr", "spiffe_namespace = ", "", 63 },
		{ AWS, "aws", "role_path = ", "/", 126 },
		{ AWS, "aws", "audience = ", "", 255 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t n = rows[i].max - 1; n <= rows[i].max + 1; n++) {
			char value[300], add[600];

			memset(value, 'x', n);
			value[n] = '\0';
			snprintf(add, sizeof(add), "[%s]\n%s%s%s\n", rows[i].section,
				 rows[i].before, value, rows[i].after);
			if ((test_certconf_try(rows[i].base, NULL, add) == 0) != (n <= rows[i].max))
				tap_fail(__FILE__, __LINE__, "row %zu, %zu: %s", i, n,
					 test_certconf_error.text);
		}
		CU_PASS("as it should be");
	}
}

static void test_certconf_from_a_file(void)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("postern.conf", AWS, strlen(AWS)), 0);
	CU_ASSERT_EQUAL(certconf_load(tmpdir_path(path, "postern.conf"), &test_certconf_read,
				      &test_certconf_error),
			0);
	CU_ASSERT_STRING_EQUAL(test_certconf_read.provider_prefix, "athenz.aws");
	CU_ASSERT_EQUAL(tmpdir_write("short.conf", TOK, strlen(TOK) - 15), 0);
	CU_ASSERT_EQUAL(certconf_load(tmpdir_path(path, "short.conf"), &test_certconf_read,
				      &test_certconf_error),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_certconf_error.text, "short.conf: [certd] provider"));
	CU_ASSERT_EQUAL(certconf_load(tmpdir_path(path, "absent.conf"), &test_certconf_read,
				      &test_certconf_error),
			-ENOENT);
}

/* What is printed can be read again, once the required keys have values. */
static void test_certconf_reference(void)
{
	char *text = NULL, *whole = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	certconf_print_reference(to);
	fclose(to);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "[certd]\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n[csr]\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n[aws]\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "imds = http://[fd00:ec2::254] http://169.254.169.254\n"));
	CU_ASSERT_TRUE(asprintf(&whole, "%s\n%s", text, AWS) > 0);
	CU_ASSERT_EQUAL(test_certconf_load(whole), 0);
	CU_ASSERT_STRING_EQUAL(test_certconf_error.text, "");
	free(whole);
	free(text);
}

static const struct tap_test test_certconf_tests[] = {
	{ "few lines are enough", test_certconf_few_lines_are_enough },
	{ "every key", test_certconf_every_key },
	{ "token", test_certconf_token },
	{ "choices", test_certconf_choices },
	{ "values", test_certconf_values },
	{ "numbers", test_certconf_numbers },
	{ "lengths", test_certconf_lengths },
	{ "from a file", test_certconf_from_a_file },
	{ "reference", test_certconf_reference },
	{ 0 },
};

static const struct tap_suite test_certconf_suites[] = {
	{ "certconf", test_certconf_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certconf_suites);
}
