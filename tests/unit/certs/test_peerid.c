/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certs/peerid.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/mkcert.h"

#define WHO "vespa.tenant.acme.aws-123456789012.tenant-host"
#define URI "athenz://instanceid/athenz.aws.us-east-1/i-0123456789abcdef0"
#define DNS_ID "i-0123456789abcdef0.instanceid.athenz.example"
#define SPIFFE "spiffe://vespa.tenant.acme.aws-123456789012/sa/tenant-host"

#define CN(text) MKCERT_NAME(V_ASN1_UTF8STRING, text)
#define SAN_URI(text) MKCERT_NAME(GEN_URI, text)
#define SAN_DNS(text) MKCERT_NAME(GEN_DNS, text)
#define SAN_MAIL(text) MKCERT_NAME(GEN_EMAIL, text)
#define SAN_IP(text) MKCERT_NAME(GEN_IPADD, text)
#define BYTES(member, text) .member = (text), .member##_len = sizeof(text) - 1

static const char *const test_peerid_providers[] = { "athenz.gcp.eu", "athenz.aws.us-east-1" };

static const struct peerid_rule test_peerid_host = { true, test_peerid_providers,
						     ARRAY_SIZE(test_peerid_providers) };
static const struct peerid_rule test_peerid_any = { false, NULL, 0 };

static void test_peerid_free_cert(X509 **cert)
{
	X509_free(*cert);
}

/* Gives the code of the refusal, PST_NONE when accepted. Asserts what holds for every answer. */
static enum pst test_peerid_read(const struct mkcert *spec, const struct peerid_rule *rule,
				 struct peerid *ret)
{
	_cleanup_(test_peerid_free_cert) X509 *cert = mkcert_make(spec);
	enum pst code = PST_NONE;
	struct peerid before;
	int r;

	CU_ASSERT_PTR_NOT_NULL(cert);
	if (!cert)
		return PST_NONE;
	memset(ret, 0xa5, sizeof(*ret));
	before = *ret;
	r = peerid_read(cert, rule, ret, &code);
	CU_ASSERT_EQUAL(r, code == PST_NONE ? 0 : -EPERM);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	if (r != 0) {
		CU_ASSERT_EQUAL(memcmp(ret, &before, sizeof(before)), 0);
	}
	return code;
}

struct test_peerid_row {
	const char *about;
	enum pst code;
	struct mkcert spec;
};

static void test_peerid_run(const struct test_peerid_row *rows, size_t n_rows,
			    const struct peerid_rule *rule)
{
	for (size_t i = 0; i < n_rows; i++) {
		struct peerid id;
		enum pst code = test_peerid_read(&rows[i].spec, rule, &id);

		if (code != rows[i].code)
			tap_fail(__FILE__, __LINE__, "%s: %d instead of %d", rows[i].about,
				 (int)code, (int)rows[i].code);
	}
}

/* clang-format off */
static const struct test_peerid_row test_peerid_cns[] = {
	{ "no common name", PST_CN_COUNT, { .sans = { SAN_URI(URI) } } },
	{ "two", PST_CN_COUNT,
	  { .cns = { CN(WHO), CN("vespa.evil.host") }, .sans = { SAN_URI(URI) } } },
	{ "the same twice", PST_CN_COUNT,
	  { .cns = { CN(WHO), CN(WHO) }, .sans = { SAN_URI(URI) } } },
	{ "two in one set", PST_CN_COUNT,
	  { .cns = { CN(WHO), CN("a.b") }, .is_one_rdn = true, .sans = { SAN_URI(URI) } } },
	{ "empty", PST_CN_FORMAT, { .cns = { CN("") }, .sans = { SAN_URI(URI) } } },
	{ "one label", PST_CN_FORMAT, { .cns = { CN("vespa") }, .sans = { SAN_URI(URI) } } },
	{ "embedded NUL", PST_CN_FORMAT,
	  { .cns = { CN(WHO "\0.evil") }, .sans = { SAN_URI(URI) } } },
	{ "NUL at the end", PST_CN_FORMAT, { .cns = { CN(WHO "\0") }, .sans = { SAN_URI(URI) } } },
	{ "line break", PST_CN_FORMAT, { .cns = { CN(WHO "\n") }, .sans = { SAN_URI(URI) } } },
	{ "not ASCII", PST_CN_FORMAT,
	  { .cns = { CN("vesp\xc3\xa4.host") }, .sans = { SAN_URI(URI) } } },
	{ "two bytes a character, not ASCII", PST_CN_FORMAT,
	  { .cns = { MKCERT_NAME(V_ASN1_BMPSTRING, "\4\60\0.\0b") },
	    .sans = { SAN_URI(URI) } } },
	{ "role", PST_ROLE_CERT,
	  { .cns = { CN("vespa.tenant:role.reader") }, .sans = { SAN_URI(URI) } } },
	{ "role in capitals", PST_ROLE_CERT,
	  { .cns = { CN("vespa.tenant:Role.reader") }, .sans = { SAN_URI(URI) } } },
	{ "two bytes a character", PST_NONE,
	  { .cns = { MKCERT_NAME(V_ASN1_BMPSTRING, "\0a\0.\0b") }, .sans = { SAN_URI(URI) } } },
	{ "printable string", PST_NONE,
	  { .cns = { MKCERT_NAME(V_ASN1_PRINTABLESTRING, "a.b") }, .sans = { SAN_URI(URI) } } },
};

static const struct test_peerid_row test_peerid_instances[] = {
	{ "no alternative names", PST_INSTANCE_ID, { .cns = { CN(WHO) } } },
	{ "an empty list", PST_INSTANCE_ID, { .cns = { CN(WHO) }, BYTES(raw_san, "\x30\0") } },
	{ "only a DNS id", PST_INSTANCE_ID, { .cns = { CN(WHO) }, .sans = { SAN_DNS(DNS_ID) } } },
	{ "two", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) },
	    .sans = { SAN_URI(URI), SAN_URI("athenz://instanceid/athenz.aws.us-east-1/i-1") } } },
	{ "the same twice", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_URI(URI) } } },
	{ "a malformed one first", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/p"), SAN_URI(URI) } } },
	{ "a malformed one last", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_URI("athenz://instanceid/p/i/j") } } },
	{ "in capitals", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("ATHENZ://instanceid/athenz.gcp.eu/i") } } },
	{ "comma", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.gcp.eu/i,j") } } },
	{ "as a DNS name", PST_INSTANCE_ID, { .cns = { CN(WHO) }, .sans = { SAN_DNS(URI) } } },
	{ "another provider", PST_PROVIDER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.azure/i") } } },
	{ "beginning of a provider", PST_PROVIDER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.gcp/i") } } },
	{ "provider and more", PST_PROVIDER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.gcp.eu.x/i") } } },
	{ "provider in capitals", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/Athenz.GCP.eu/i") } } },
	{ "the other provider", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.gcp.eu/i") } } },
};

static const struct test_peerid_row test_peerid_agreements[] = {
	{ "DNS id agrees", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_DNS(DNS_ID), SAN_URI(URI) } } },
	{ "DNS id behind the URI", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS(DNS_ID) } } },
	{ "another DNS id", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_DNS("i-1.instanceid.athenz.x"), SAN_URI(URI) } } },
	{ "a shorter DNS id", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) },
	    .sans = { SAN_URI(URI), SAN_DNS("i-0123456789abcdef.instanceid.athenz.x") } } },
	{ "a longer DNS id", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS("x." DNS_ID) } } },
	{ "DNS id in capitals", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) },
	    .sans = { SAN_URI(URI), SAN_DNS("I-0123456789ABCDEF0.instanceid.athenz.x") } } },
	{ "an endless DNS id", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) },
	    .sans = { SAN_URI(URI), SAN_DNS(WHO WHO WHO WHO ".instanceid.athenz.x") } } },
	{ "two DNS ids", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS(DNS_ID), SAN_DNS(DNS_ID ".b") } } },
	{ "DNS id without a suffix", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS("i-1.instanceid.athenz.") } } },
	{ "other DNS names say nothing", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_DNS("evil.x"), SAN_DNS("*.x"), SAN_URI(URI) } } },
	{ "SPIFFE agrees", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(SPIFFE), SAN_URI(URI) } } },
	{ "SPIFFE agrees, long form", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("spiffe://athenz.io/ns/default/sa/" WHO),
					  SAN_URI(URI) } } },
	{ "SPIFFE agrees, mixed case", PST_NONE,
	  { .cns = { CN("Vespa.Tenant.Host") },
	    .sans = { SAN_URI("Spiffe://vespa.TENANT/sa/hosT"), SAN_URI(URI) } } },
	{ "SPIFFE of another service", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(SPIFFE "x"), SAN_URI(URI) } } },
	{ "SPIFFE split at the first dot", PST_SAN_DISAGREES,
	  { .cns = { CN("a.b.c") }, .sans = { SAN_URI("spiffe://a/sa/b.c"), SAN_URI(URI) } } },
	{ "SPIFFE of a role", PST_SAN_DISAGREES,
	  { .cns = { CN("a.b.c") }, .sans = { SAN_URI("spiffe://a.b/ra/c"), SAN_URI(URI) } } },
	{ "SPIFFE twice", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(SPIFFE), SAN_URI(URI), SAN_URI(SPIFFE) } } },
	{ "other URIs say nothing", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instancename/1/x"),
					  SAN_URI("athenz://principal/evil.x"), SAN_URI(URI) } } },
	{ "addresses and mail say nothing", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_IP("\x7f\0\0\1"), SAN_MAIL("a@x"), SAN_URI(URI) } } },
};

static const struct test_peerid_row test_peerid_fields[] = {
	{ "NUL in a URI", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI "\0x") } } },
	{ "NUL in a DNS name", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS("a\0.b") } } },
	{ "blank in a URI", PST_CERT_FIELD, { .cns = { CN(WHO) }, .sans = { SAN_URI(URI " ") } } },
	{ "control character in mail", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_MAIL("a\r@b") } } },
	{ "DEL in a DNS name", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS("a\x7f") } } },
	{ "not ASCII", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI), SAN_DNS("\xc3\xa9.b") } } },
	{ "extension twice", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .is_san_twice = true } },
	{ "extension cut short", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, BYTES(raw_san, "\x30\x09\x86\x20" "athenz:") } },
	{ "extension is not a list", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, BYTES(raw_san, "\x04\x01x") } },
	{ "extension is empty", PST_CERT_FIELD, { .cns = { CN(WHO) }, BYTES(raw_san, "") } },
	{ "negative serial", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, BYTES(serial, "\1"),
	    .is_serial_negative = true } },
	{ "date is no date", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .not_after = "20501301000000Z" } },
	{ "date before 1970", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .not_after = "19691231235959Z" } },
	{ "the first second", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .not_after = "19700101000000Z" } },
	{ "the last second", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .not_after = "99991231235959Z" } },
};

/* Configuration servers: no instance id is needed, but two make no identity. */
static const struct test_peerid_row test_peerid_servers[] = {
	{ "no alternative names", PST_NONE, { .cns = { CN("vespa.vespa.cfg") } } },
	{ "only DNS", PST_NONE,
	  { .cns = { CN("vespa.vespa.cfg") }, .sans = { SAN_DNS("cfg1"), SAN_DNS(DNS_ID) } } },
	{ "any provider", PST_NONE,
	  { .cns = { CN("vespa.vespa.cfg") }, .sans = { SAN_URI("athenz://instanceid/p/i") } } },
	{ "two instance ids", PST_INSTANCE_ID,
	  { .cns = { CN("vespa.vespa.cfg") }, .sans = { SAN_URI(URI), SAN_URI(URI) } } },
	{ "malformed instance id", PST_INSTANCE_ID,
	  { .cns = { CN("vespa.vespa.cfg") }, .sans = { SAN_URI("athenz://instanceid/p") } } },
	{ "DNS id disagrees", PST_SAN_DISAGREES,
	  { .cns = { CN("vespa.vespa.cfg") },
	    .sans = { SAN_URI("athenz://instanceid/p/i"), SAN_DNS(DNS_ID) } } },
	{ "role", PST_ROLE_CERT, { .cns = { CN("vespa:role.cfg") } } },
};
/* clang-format on */

static void test_peerid_refuses_cns(void)
{
	test_peerid_run(test_peerid_cns, ARRAY_SIZE(test_peerid_cns), &test_peerid_host);
}

static void test_peerid_refuses_instances(void)
{
	test_peerid_run(test_peerid_instances, ARRAY_SIZE(test_peerid_instances),
			&test_peerid_host);
}

static void test_peerid_wants_agreement(void)
{
	test_peerid_run(test_peerid_agreements, ARRAY_SIZE(test_peerid_agreements),
			&test_peerid_host);
}

static void test_peerid_refuses_fields(void)
{
	test_peerid_run(test_peerid_fields, ARRAY_SIZE(test_peerid_fields), &test_peerid_host);
}

static void test_peerid_knows_servers(void)
{
	test_peerid_run(test_peerid_servers, ARRAY_SIZE(test_peerid_servers), &test_peerid_any);
}

static void test_peerid_needs_a_provider_list(void)
{
	const struct peerid_rule nobody = { true, NULL, 0 };
	const struct mkcert spec = { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) } };
	struct peerid id;

	CU_ASSERT_EQUAL(test_peerid_read(&spec, &nobody, &id), PST_PROVIDER_DENIED);
}

static void test_peerid_reads_all(void)
{
	const struct mkcert spec = {
		.cns = { CN("Vespa.Tenant.ACME.aws-123456789012.Tenant-Host") },
		.sans = { SAN_DNS("x.example"), SAN_URI(URI), SAN_DNS(DNS_ID), SAN_URI(SPIFFE) },
		BYTES(serial, "\x80\x01\xff"),
		.not_after = "20300102030405Z",
	};
	struct peerid id;

	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
	CU_ASSERT_STRING_EQUAL(id.principal, WHO);
	CU_ASSERT_STRING_EQUAL(id.provider, "athenz.aws.us-east-1");
	CU_ASSERT_STRING_EQUAL(id.instance_id, "i-0123456789abcdef0");
	CU_ASSERT_STRING_EQUAL(id.serial, "8001ff");
	CU_ASSERT_EQUAL(id.expires_wall, 1893553445); /* date -u -d 2030-01-02T03:04:05 +%s */
}

static void test_peerid_reads_server(void)
{
	const struct mkcert spec = { .cns = { CN("vespa.vespa.cfg") },
				     .sans = { SAN_DNS("cfg1") } };
	struct peerid id;

	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_any, &id), PST_NONE);
	CU_ASSERT_STRING_EQUAL(id.principal, "vespa.vespa.cfg");
	CU_ASSERT_STRING_EQUAL(id.provider, "");
	CU_ASSERT_STRING_EQUAL(id.instance_id, "");
	CU_ASSERT_STRING_EQUAL(id.serial, "01");
}

/* A reader with a buffer of 64 bytes would see the host of tenant "a…" in the shorter name. */
static void test_peerid_does_not_cut_names(void)
{
	static const char name[] =
		"vespa.tenant.aaaaaaaaaaaaaaaaaaaaaaaaaaa.aws-123456789012.tenant.hostile";
	const struct mkcert spec = { .cns = { CN(name) }, .sans = { SAN_URI(URI) } };
	struct peerid id;

	CU_ASSERT_TRUE(sizeof(name) - 1 > 64);
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
	CU_ASSERT_STRING_EQUAL(id.principal, name);
}

static void test_peerid_cn_limit(void)
{
	char name[PEERID_PRINCIPAL_MAX];
	struct mkcert spec = { .cns = { { V_ASN1_UTF8STRING, name, 0 } },
			       .sans = { SAN_URI(URI) } };
	struct peerid id;

	memset(name, 'x', sizeof(name));
	name[10] = '.';
	spec.cns[0].len = PEERID_PRINCIPAL_MAX - 1;
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
	CU_ASSERT_EQUAL(strlen(id.principal), PEERID_PRINCIPAL_MAX - 1);
	spec.cns[0].len = PEERID_PRINCIPAL_MAX;
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_CN_FORMAT);
}

static void test_peerid_san_count_limit(void)
{
	struct mkcert spec = { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) } };
	struct peerid id;

	for (size_t i = 1; i < PEERID_SANS_MAX; i++)
		spec.sans[i] = (struct mkcert_name)SAN_DNS("x");
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
	/* What says nothing counts too. */
	spec.sans[PEERID_SANS_MAX] = (struct mkcert_name)SAN_IP("\x7f\0\0\1");
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_SAN_LIMIT);
}

static void test_peerid_san_length_limit(void)
{
	static const int types[] = { GEN_DNS, GEN_URI, GEN_EMAIL };
	char name[PEERID_SAN_BYTES_MAX + 1];
	struct mkcert spec = { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) } };
	struct peerid id;

	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		spec.sans[1] = (struct mkcert_name){ types[i], name, PEERID_SAN_BYTES_MAX };
		CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
		spec.sans[1].len++;
		CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_SAN_LIMIT);
	}
}

static void test_peerid_serial_limit(void)
{
	char serial[32];
	struct mkcert spec = { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .serial = serial };
	struct peerid id;

	memset(serial, 0xee, sizeof(serial));
	spec.serial_len = 31;
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
	CU_ASSERT_EQUAL(strlen(id.serial), PEERID_SERIAL_MAX - 2);
	CU_ASSERT_EQUAL(strspn(id.serial, "e"), PEERID_SERIAL_MAX - 2);
	spec.serial_len = 32;
	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_CERT_FIELD);
}

/* Any answer but "out of memory" would blame the peer: a positive result fails the torture.
 * OpenSSL 3.5 leaves no word in its queue for some allocations: there a refusal must do. */
static int test_peerid_read_tortured(void *ctx)
{
	bool is_silent = OpenSSL_version_num() >= 0x30500000UL;
	struct peerid id;
	enum pst code;
	int r = peerid_read(ctx, &test_peerid_host, &id, &code);

	return r == -EPERM && !is_silent ? 1 : r;
}

static void test_peerid_out_of_memory(void)
{
	const struct mkcert spec = {
		.cns = { CN(WHO) },
		.sans = { SAN_DNS(DNS_ID), SAN_URI(URI), SAN_URI(SPIFFE), SAN_IP("\x7f\0\0\1") },
	};
	_cleanup_(test_peerid_free_cert) X509 *cert = mkcert_make(&spec);

	CU_ASSERT_PTR_NOT_NULL(cert);
	if (cert)
		CU_ASSERT_TRUE(torture(test_peerid_read_tortured, cert) >= 10);
}

/* An error that somebody else left in the queue is not ours. */
static void test_peerid_ignores_old_errors(void)
{
	const struct mkcert spec = { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) } };
	_cleanup_(test_peerid_free_cert) X509 *cert = mkcert_make(&spec);
	enum pst code = PST_NONE;
	struct peerid id;

	CU_ASSERT_PTR_NOT_NULL(cert);
	if (!cert)
		return;
	ERR_raise(ERR_LIB_X509, ERR_R_MALLOC_FAILURE);
	CU_ASSERT_EQUAL(peerid_read(cert, &test_peerid_host, &id, &code), 0);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static void test_peerid_maps_verify_errors(void)
{
	static const struct {
		long error;
		enum pst code;
	} rows[] = {
		{ X509_V_ERR_CERT_HAS_EXPIRED, PST_CERT_EXPIRED },
		{ X509_V_ERR_CERT_NOT_YET_VALID, PST_CERT_EXPIRED },
		{ X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, PST_CERT_EXPIRED },
		{ X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, PST_CERT_EXPIRED },
		{ X509_V_OK, PST_CERT_MISSING },
		{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, PST_CERT_UNTRUSTED },
		{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, PST_CERT_UNTRUSTED },
		{ X509_V_ERR_CERT_SIGNATURE_FAILURE, PST_CERT_UNTRUSTED },
		{ X509_V_ERR_INVALID_PURPOSE, PST_CERT_UNTRUSTED },
		{ X509_V_ERR_UNSPECIFIED, PST_CERT_UNTRUSTED },
		{ -1, PST_CERT_UNTRUSTED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_EQUAL(peerid_verify_code(rows[i].error), rows[i].code);
}

static const struct tap_test test_peerid_tests[] = {
	{ "common names", test_peerid_refuses_cns },
	{ "instance ids", test_peerid_refuses_instances },
	{ "names that must agree", test_peerid_wants_agreement },
	{ "malformed fields", test_peerid_refuses_fields },
	{ "configuration servers", test_peerid_knows_servers },
	{ "an empty provider list allows nobody", test_peerid_needs_a_provider_list },
	{ "reads everything", test_peerid_reads_all },
	{ "reads a server", test_peerid_reads_server },
	{ "does not cut names", test_peerid_does_not_cut_names },
	{ "common name limit", test_peerid_cn_limit },
	{ "number of alternative names", test_peerid_san_count_limit },
	{ "length of an alternative name", test_peerid_san_length_limit },
	{ "serial limit", test_peerid_serial_limit },
	{ "out of memory", test_peerid_out_of_memory },
	{ "ignores old errors", test_peerid_ignores_old_errors },
	{ "verification errors", test_peerid_maps_verify_errors },
	{ 0 },
};

static const struct tap_suite test_peerid_suites[] = {
	{ "peerid", test_peerid_tests, NULL, NULL },
	{ 0 },
};

static void *test_peerid_malloc(size_t size, const char *file, int line)
{
	return malloc(size);
}

static void *test_peerid_realloc(void *p, size_t size, const char *file, int line)
{
	return realloc(p, size);
}

static void test_peerid_free(void *p, const char *file, int line)
{
	free(p);
}

int main(int argc, char **argv)
{
	/* So that the torture reaches the allocations of OpenSSL. Only before the first of them. */
	if (CRYPTO_set_mem_functions(test_peerid_malloc, test_peerid_realloc, test_peerid_free) !=
	    1)
		return 2;
	return tap_main(argc, argv, test_peerid_suites);
}
