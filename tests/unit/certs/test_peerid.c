/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certs/denylist.h"
#include "certs/peerid.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/mkcert.h"

#define WHO "vespa.tenant.acme.aws-123456789012.tenant-host"
#define URI "athenz://instanceid/athenz.aws.us-east-1/i-0123456789abcdef0"
#define DNS_ID "i-0123456789abcdef0.instanceid.athenz.example"
#define SPIFFE "spiffe://vespa.tenant.acme.aws-123456789012/sa/tenant-host"

#define ROLE "vespa.tenant:role.reader"
#define OWNER "athenz://principal/" WHO

#define CN(text) MKCERT_NAME(V_ASN1_UTF8STRING, text)
#define SAN_URI(text) MKCERT_NAME(GEN_URI, text)
#define SAN_DNS(text) MKCERT_NAME(GEN_DNS, text)
#define SAN_MAIL(text) MKCERT_NAME(GEN_EMAIL, text)
#define SAN_IP(text) MKCERT_NAME(GEN_IPADD, text)
#define BYTES(member, text) .member = (text), .member##_len = sizeof(text) - 1

static const char *const test_peerid_providers[] = { "athenz.gcp.eu", "athenz.aws.us-east-1" };

static const char *const test_peerid_roles[] = { "other:role.x", ROLE };

static const struct peerid_rule test_peerid_host = {
	.need_instance = true,
	.providers = test_peerid_providers,
	.n_providers = ARRAY_SIZE(test_peerid_providers),
};
static const struct peerid_rule test_peerid_any = { .need_instance = false };
static const struct peerid_rule test_peerid_role_host = {
	.need_instance = true,
	.providers = test_peerid_providers,
	.n_providers = ARRAY_SIZE(test_peerid_providers),
	.roles = test_peerid_roles,
	.n_roles = ARRAY_SIZE(test_peerid_roles),
};

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
	{ "no text", PST_CN_FORMAT,
	  { .cns = { MKCERT_NAME(V_ASN1_BIT_STRING, "a.b") }, .sans = { SAN_URI(URI) } } },
	{ "role", PST_ROLE_CERT,
	  { .cns = { CN("vespa.tenant:role.reader") }, .sans = { SAN_URI(URI) } } },
	{ "role in capitals", PST_ROLE_CERT,
	  { .cns = { CN("vespa.tenant:Role.reader") }, .sans = { SAN_URI(URI) } } },
	{ "first of the subject", PST_NONE,
	  { .cns = { CN(WHO) }, .has_no_ou = true, .sans = { SAN_URI(URI) } } },
	{ "two, and the first of them is the first of the subject", PST_CN_COUNT,
	  { .cns = { CN(WHO), CN("a.b") }, .has_no_ou = true, .sans = { SAN_URI(URI) } } },
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
	{ "a byte behind the list", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, BYTES(raw_san, "\x30\x05\x82\x03" "a.b\0") } },
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
	{ "beginning is no date", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .not_before = "20200001000000Z" } },
	{ "beginning before 1970", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, .not_before = "19691231235959Z" } },
	{ "unit of the subject is no text", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) },
	    .ou = MKCERT_NAME(V_ASN1_BIT_STRING, "odd") } },
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

/* Certificates of roles where the rule lists vespa.tenant:role.reader. */
/* clang-format off */
static const struct test_peerid_row test_peerid_role_certs[] = {
	{ "a listed role", PST_NONE,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "in capitals", PST_NONE,
	  { .cns = { CN("Vespa.Tenant:Role.Reader") }, .sans = { SAN_URI(URI), SAN_URI(OWNER) } } },
	{ "the service itself", PST_NONE, { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) } } },
	{ "another role", PST_ROLE_CERT,
	  { .cns = { CN("vespa.tenant:role.writer") },
	    .sans = { SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "beginning of a role", PST_ROLE_CERT,
	  { .cns = { CN("vespa.tenant:role.read") }, .sans = { SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "role and more", PST_ROLE_CERT,
	  { .cns = { CN(ROLE ".x") }, .sans = { SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "role and NUL", PST_ROLE_CERT,
	  { .cns = { CN(ROLE "\0") }, .sans = { SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "role of a role", PST_ROLE_CERT,
	  { .cns = { CN("vespa:role.tenant:role.reader") },
	    .sans = { SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "nobody's", PST_ROLE_CERT, { .cns = { CN(ROLE) }, .sans = { SAN_URI(URI) } } },
	{ "no alternative names", PST_ROLE_CERT, { .cns = { CN(ROLE) } } },
	{ "owner only by mail", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI(URI), SAN_MAIL(WHO "@aws.example") } } },
	{ "two owners", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI(OWNER), SAN_URI(URI), SAN_URI("athenz://principal/a.b") } } },
	{ "the same owner twice", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI(OWNER), SAN_URI(URI), SAN_URI(OWNER) } } },
	{ "a malformed owner beside", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI(OWNER), SAN_URI(URI), SAN_URI("athenz://principal/a") } } },
	{ "owner with NUL", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI(OWNER "\0"), SAN_URI(URI) } } },
	{ "owner as a DNS name", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) }, .sans = { SAN_DNS(OWNER), SAN_URI(URI) } } },
	{ "owner is a role", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI("athenz://principal/" ROLE), SAN_URI(URI) } } },
	{ "mail agrees", PST_NONE,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_MAIL(WHO "@aws.example"), SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "mail of another", PST_SAN_DISAGREES,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_MAIL("a.b@aws.example"), SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "SPIFFE agrees", PST_NONE,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI("spiffe://vespa.tenant/ra/reader"), SAN_URI(OWNER),
		      SAN_URI(URI) } } },
	{ "SPIFFE agrees, long form", PST_NONE,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI("spiffe://athenz.io/ns/vespa.tenant/ra/reader"), SAN_URI(OWNER),
		      SAN_URI(URI) } } },
	{ "SPIFFE of the service", PST_SAN_DISAGREES,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI(SPIFFE), SAN_URI(OWNER), SAN_URI(URI) } } },
	{ "SPIFFE of another role", PST_SAN_DISAGREES,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI("spiffe://vespa.tenant/ra/writer"), SAN_URI(OWNER),
		      SAN_URI(URI) } } },
	{ "SPIFFE twice", PST_SAN_DISAGREES,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI("spiffe://vespa.tenant/ra/reader"), SAN_URI(OWNER), SAN_URI(URI),
		      SAN_URI("spiffe://x/ns/vespa.tenant/ra/reader") } } },
	{ "no instance", PST_INSTANCE_ID, { .cns = { CN(ROLE) }, .sans = { SAN_URI(OWNER) } } },
	{ "another provider", PST_PROVIDER_DENIED,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI(OWNER), SAN_URI("athenz://instanceid/athenz.azure/i") } } },
	{ "DNS id disagrees", PST_SAN_DISAGREES,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI(OWNER), SAN_URI(URI), SAN_DNS("i-1.instanceid.athenz.x") } } },
};

/* Good certificates, and the list of test_peerid_deny_text. The serial is written in hex here. */
static const struct test_peerid_row test_peerid_denied[] = {
	{ "nothing is listed", PST_NONE, { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) } } },
	{ "principal", PST_PEER_DENIED,
	  { .cns = { CN("vespa.evil.host") }, .sans = { SAN_URI(URI) } } },
	{ "principal, mixed case", PST_PEER_DENIED,
	  { .cns = { CN("VESPA.evil.Host") }, .sans = { SAN_URI(URI) } } },
	{ "a longer principal", PST_NONE,
	  { .cns = { CN("vespa.evil.host2") }, .sans = { SAN_URI(URI) } } },
	{ "instance", PST_PEER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.gcp.eu/i-666") } } },
	{ "instance in capitals is another", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/athenz.gcp.eu/I-666") } } },
	{ "serial", PST_PEER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, BYTES(serial, "\xab\xcd") } },
	{ "serial with a leading zero", PST_PEER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, BYTES(serial, "\x0a\xbc") } },
	{ "a longer serial", PST_NONE,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI(URI) }, BYTES(serial, "\xab\xcd\x00") } },
	{ "owner of a role", PST_PEER_DENIED,
	  { .cns = { CN(ROLE) },
	    .sans = { SAN_URI("athenz://principal/vespa.evil.host"), SAN_URI(URI) } } },
};

/* Each breaks its rule and all those behind it that it can: the first broken rule is the answer.
 * The order is that of docs/identity.md. */
static const struct test_peerid_row test_peerid_order[] = {
	{ "1. one common name", PST_CN_COUNT,
	  { .cns = { CN("vespa:role.a"), CN("x") }, .is_san_twice = true,
	    .sans = { SAN_URI("spiffe://a/sa/b") } } },
	{ "2. no role that is not listed", PST_ROLE_CERT,
	  { .cns = { CN(":role.\0") }, .is_san_twice = true,
	    .sans = { SAN_URI("spiffe://a/sa/b") } } },
	{ "3. a principal", PST_CN_FORMAT,
	  { .cns = { CN("x") }, .is_san_twice = true, .sans = { SAN_URI("spiffe://a/sa/b") } } },
	{ "4. alternative names that can be decoded", PST_CERT_FIELD,
	  { .cns = { CN(ROLE) }, .is_san_twice = true, .sans = { SAN_URI("spiffe://a/sa/b") } } },
	{ "5. the owner of a role", PST_ROLE_CERT,
	  { .cns = { CN(ROLE) }, .sans = { SAN_URI("athenz://instanceid/\0"), SAN_URI(SPIFFE) } } },
	{ "6. characters of a name", PST_CERT_FIELD,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/\0"),
					  SAN_URI("athenz://instanceid/a") } } },
	{ "7. form of an instance id", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/a"),
					  SAN_URI("spiffe://a/sa/b"), SAN_URI(URI) } } },
	{ "7. or SPIFFE, as they come", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("spiffe://a/sa/b"),
					  SAN_URI("athenz://instanceid/a") } } },
	{ "8. one instance id", PST_INSTANCE_ID,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/a/b"), SAN_DNS(DNS_ID),
					  SAN_URI("athenz://instanceid/a/c") } } },
	{ "9. the DNS id agrees", PST_SAN_DISAGREES,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/a/b"), SAN_DNS(DNS_ID) },
	    BYTES(serial, "\1"), .is_serial_negative = true } },
	{ "10. the provider is allowed", PST_PROVIDER_DENIED,
	  { .cns = { CN(WHO) }, .sans = { SAN_URI("athenz://instanceid/a/i-666") },
	    BYTES(serial, "\1"), .is_serial_negative = true } },
	{ "11. serial and dates", PST_CERT_FIELD,
	  { .cns = { CN("vespa.evil.host") }, .sans = { SAN_URI(URI) },
	    BYTES(serial, "\1"), .is_serial_negative = true } },
	{ "12. not denied", PST_PEER_DENIED,
	  { .cns = { CN("vespa.evil.host") }, .sans = { SAN_URI(URI) } } },
};
/* clang-format on */

static const char test_peerid_deny_text[] = "principal Vespa.Evil.Host\n"
					    "instance i-666\n"
					    "serial ABCD\n"
					    "serial 00000abc\n";

/* test_peerid_role_host with that list. */
static void test_peerid_run_denying(const struct test_peerid_row *rows, size_t n_rows)
{
	_cleanup_(denylist_freep) struct denylist *deny = NULL;
	struct peerid_rule rule = test_peerid_role_host;
	char error[DENYLIST_ERROR_MAX];

	CU_ASSERT_EQUAL(denylist_parse("deny", test_peerid_deny_text, strlen(test_peerid_deny_text),
				       &deny, error),
			0);
	rule.deny = deny;
	test_peerid_run(rows, n_rows, &rule);
}

static void test_peerid_refuses_roles(void)
{
	test_peerid_run(test_peerid_role_certs, ARRAY_SIZE(test_peerid_role_certs),
			&test_peerid_role_host);
}

static void test_peerid_refuses_denied(void)
{
	test_peerid_run_denying(test_peerid_denied, ARRAY_SIZE(test_peerid_denied));
}

static void test_peerid_keeps_the_order(void)
{
	test_peerid_run_denying(test_peerid_order, ARRAY_SIZE(test_peerid_order));
}

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
	const struct peerid_rule nobody = { .need_instance = true };
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
		.not_before = "20290102030405Z",
		.not_after = "20300102030405Z",
	};
	struct peerid id;

	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
	CU_ASSERT_STRING_EQUAL(id.principal, WHO);
	CU_ASSERT_STRING_EQUAL(id.provider, "athenz.aws.us-east-1");
	CU_ASSERT_STRING_EQUAL(id.instance_id, "i-0123456789abcdef0");
	CU_ASSERT_STRING_EQUAL(id.serial, "8001ff");
	CU_ASSERT_EQUAL(id.expires_wall, 1893553445); /* date -u -d 2030-01-02T03:04:05 +%s */
	CU_ASSERT_EQUAL(id.not_before_wall, 1862017445);
	CU_ASSERT_STRING_EQUAL(id.role, "");
	CU_ASSERT_FALSE(id.restricted);
}

static void test_peerid_reads_role(void)
{
	const struct mkcert spec = { .cns = { CN("Vespa.Tenant:role.Reader") },
				     .sans = { SAN_URI(URI), SAN_URI(OWNER) } };
	struct peerid id;

	CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_role_host, &id), PST_NONE);
	CU_ASSERT_STRING_EQUAL(id.principal, WHO);
	CU_ASSERT_STRING_EQUAL(id.role, ROLE);
	CU_ASSERT_STRING_EQUAL(id.instance_id, "i-0123456789abcdef0");
}

#define OU(text) .ou = MKCERT_NAME(V_ASN1_UTF8STRING, text)

static void test_peerid_reads_restricted(void)
{
	static const struct {
		struct mkcert spec;
		bool restricted;
	} rows[] = {
		{ { .cns = { CN("a.b") }, OU("athenz.aws:restricted") }, true },
		{ { .cns = { CN("a.b") }, OU(":restricted") }, true },
		{ { .cns = { CN("a.b") }, OU("x\0:restricted") }, true },
		{ { .cns = { CN("a.b") },
		    .ou = MKCERT_NAME(V_ASN1_BMPSTRING, "\0:\0r\0e\0s\0t\0r\0i\0c\0t\0e\0d") },
		  true },
		{ { .cns = { CN("a.b") }, OU("restricted") }, false },
		{ { .cns = { CN("a.b") }, OU("x:restricted:y") }, false },
		{ { .cns = { CN("a.b") }, OU("x:restricted\0") }, false },
		{ { .cns = { CN("a.b") }, OU("x:Restricted") }, false },
		{ { .cns = { CN("a.b") }, OU("") }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct peerid id;

		CU_ASSERT_EQUAL(test_peerid_read(&rows[i].spec, &test_peerid_any, &id), PST_NONE);
		CU_ASSERT_EQUAL(id.restricted, rows[i].restricted);
	}
}

/* Two domains that look the same in DNS, where the dots are dashes. */
static void test_peerid_does_not_mix_domains(void)
{
	static const char *const names[] = { "a.b-c.d", "a-b.c.d" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct mkcert spec = {
			.cns = { { V_ASN1_UTF8STRING, names[i], strlen(names[i]) } },
			.sans = { SAN_URI(URI), SAN_DNS("d.a-b-c.aws.example") },
		};
		struct peerid id;

		CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
		CU_ASSERT_STRING_EQUAL(id.principal, names[i]);
	}
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

	/* 64 is what X.520 allows, 63 what a buffer of that size holds. */
	static const size_t lens[] = { 63, 64, 65, PEERID_PRINCIPAL_MAX - 2,
				       PEERID_PRINCIPAL_MAX - 1 };

	memset(name, 'x', sizeof(name));
	name[10] = '.';
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		spec.cns[0].len = lens[i];
		CU_ASSERT_EQUAL(test_peerid_read(&spec, &test_peerid_host, &id), PST_NONE);
		CU_ASSERT_EQUAL(strlen(id.principal), lens[i]);
	}
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

/* Any answer but "out of memory" would blame the peer: a positive result fails the torture. */
static int test_peerid_read_tortured(void *ctx)
{
	struct peerid id;
	enum pst code;
	int r = peerid_read(ctx, &test_peerid_role_host, &id, &code);

	return r == -EPERM ? 1 : r;
}

static void test_peerid_out_of_memory(void)
{
	const struct mkcert spec = {
		.cns = { CN(WHO) },
		.sans = { SAN_DNS(DNS_ID), SAN_URI(URI), SAN_URI(SPIFFE), SAN_IP("\x7f\0\0\1") },
	};
	const struct mkcert role = { .cns = { CN(ROLE) },
				     .sans = { SAN_URI(OWNER), SAN_URI(URI) } };
	_cleanup_(test_peerid_free_cert) X509 *cert = mkcert_make(&spec);
	_cleanup_(test_peerid_free_cert) X509 *role_cert = mkcert_make(&role);

	CU_ASSERT_PTR_NOT_NULL(cert);
	CU_ASSERT_PTR_NOT_NULL(role_cert);
	if (!cert || !role_cert)
		return;
	CU_ASSERT_TRUE(torture(test_peerid_read_tortured, cert) >= 10);
	CU_ASSERT_TRUE(torture(test_peerid_read_tortured, role_cert) >= 10);
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

static void test_peerid_maps_alerts(void)
{
	static const int refused[] = {
		SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
		SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
		SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
		SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED,
	};
	static const int others[] = { SSL_AD_CLOSE_NOTIFY, SSL_AD_HANDSHAKE_FAILURE,
				      SSL_AD_PROTOCOL_VERSION, SSL_AD_INTERNAL_ERROR, -1 };

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CU_ASSERT_EQUAL(peerid_alert_code(refused[i]), PST_CERT_REFUSED);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		CU_ASSERT_EQUAL(peerid_alert_code(others[i]), PST_TLS_HANDSHAKE);
}

static const struct tap_test test_peerid_tests[] = {
	{ "common names", test_peerid_refuses_cns },
	{ "instance ids", test_peerid_refuses_instances },
	{ "names that must agree", test_peerid_wants_agreement },
	{ "malformed fields", test_peerid_refuses_fields },
	{ "configuration servers", test_peerid_knows_servers },
	{ "role certificates", test_peerid_refuses_roles },
	{ "denied", test_peerid_refuses_denied },
	{ "order of the rules", test_peerid_keeps_the_order },
	{ "reads a role", test_peerid_reads_role },
	{ "reads whether restricted", test_peerid_reads_restricted },
	{ "does not mix domains", test_peerid_does_not_mix_domains },
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
	{ "alerts", test_peerid_maps_alerts },
	{ 0 },
};

static const struct tap_suite test_peerid_suites[] = {
	{ "peerid", test_peerid_tests, NULL, NULL },
	{ 0 },
};

/* From 3.2 on OpenSSL tells of a failed allocation in its own malloc(), which ours replaces: so
 * ours tells. Not without a place: that is the memory of the error queue itself. */
static void *test_peerid_told(void *p, const char *file)
{
	if (!p && file && OpenSSL_version_num() >= 0x30200000UL)
		ERR_raise(ERR_LIB_CRYPTO, ERR_R_MALLOC_FAILURE);
	return p;
}

static void *test_peerid_malloc(size_t size, const char *file, int line)
{
	return test_peerid_told(malloc(size), file);
}

static void *test_peerid_realloc(void *p, size_t size, const char *file, int line)
{
	return test_peerid_told(realloc(p, size), file);
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
