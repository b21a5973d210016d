/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certs/csr.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/mkcsr.h"

#define WHO "vespa.tenant.acme.aws-123456789012.tenant-host"
#define ID "i-0123456789abcdef0"
#define PROVIDER "athenz.aws.us-east-1"
#define URI "athenz://instanceid/" PROVIDER "/" ID
#define SPIFFE "spiffe://vespa.tenant.acme.aws-123456789012/sa/tenant-host"

#define CN(text) MKCSR_FIELD(NID_commonName, text)
#define O(text) MKCSR_FIELD(NID_organizationName, text)
#define OU(text) MKCSR_FIELD(NID_organizationalUnitName, text)
#define C(text) MKCSR_FIELD(NID_countryName, text)
#define SAN_URI(text) MKCERT_NAME(GEN_URI, text)
#define SAN_DNS(text) MKCERT_NAME(GEN_DNS, text)
#define SAN_MAIL(text) MKCERT_NAME(GEN_EMAIL, text)
#define SAN_IP(text) MKCERT_NAME(GEN_IPADD, text)
#define BYTES(member, text) .member = (text), .member##_len = sizeof(text) - 1

/* Made once: keys cost more than the tests. */
static struct {
	EVP_PKEY *p256, *p384, *p521, *rsa1024, *rsa2048, *ed25519, *explicit_ec;
} test_csr_keys;

static void test_csr_free(char **text)
{
	free(*text);
}

/* A curve that is spelled out parameter by parameter, although it is P-256. */
static EVP_PKEY *test_csr_make_explicit(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key && EVP_PKEY_set_utf8_string_param(key, "encoding", "explicit") != 1)
		return NULL;
	return key;
}

static bool test_csr_make_keys(void)
{
	test_csr_keys.p256 = EVP_EC_gen("P-256");
	test_csr_keys.p384 = EVP_EC_gen("P-384");
	test_csr_keys.p521 = EVP_EC_gen("P-521");
	test_csr_keys.rsa1024 = EVP_RSA_gen(1024);
	test_csr_keys.rsa2048 = EVP_RSA_gen(2048);
	test_csr_keys.ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	test_csr_keys.explicit_ec = test_csr_make_explicit();
	return test_csr_keys.p256 && test_csr_keys.p384 && test_csr_keys.p521 &&
	       test_csr_keys.rsa1024 && test_csr_keys.rsa2048 && test_csr_keys.ed25519 &&
	       test_csr_keys.explicit_ec;
}

static void test_csr_free_keys(void)
{
	EVP_PKEY_free(test_csr_keys.p256);
	EVP_PKEY_free(test_csr_keys.p384);
	EVP_PKEY_free(test_csr_keys.p521);
	EVP_PKEY_free(test_csr_keys.rsa1024);
	EVP_PKEY_free(test_csr_keys.rsa2048);
	EVP_PKEY_free(test_csr_keys.ed25519);
	EVP_PKEY_free(test_csr_keys.explicit_ec);
}

/* --- reading --- */

/* Gives why it was refused, NULL when it was not. Asserts what holds for every answer. The text
 * lies in an allocation of exactly its size. */
static const char *test_csr_read(const char *pem, size_t len, struct csr *ret)
{
	char *copy = malloc(len > 0 ? len : 1);
	struct csr before;
	const char *why = NULL;
	int r;

	CU_ASSERT_PTR_NOT_NULL(copy);
	if (!copy)
		return "no memory";
	memcpy(copy, pem, len);
	memset(ret, 0xa5, sizeof(*ret));
	before = *ret;
	r = csr_read(copy, len, ret, &why);
	free(copy);
	CU_ASSERT_EQUAL(r, why ? -EBADMSG : 0);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	if (r != 0) {
		CU_ASSERT_EQUAL(memcmp(ret, &before, sizeof(before)), 0);
	}
	return why;
}

static const char *test_csr_read_spec(const struct mkcsr *spec, struct csr *ret)
{
	_cleanup_(test_csr_free) char *pem = NULL;
	struct mkcsr whole = *spec;

	if (!whole.key)
		whole.key = test_csr_keys.p256;
	pem = mkcsr_make(&whole);
	return test_csr_read(pem, strlen(pem), ret);
}

struct test_csr_row {
	const char *about;
	const char *why; /* the beginning of the reason, NULL = accepted */
	struct mkcsr spec;
};

static void test_csr_run(const struct test_csr_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		const struct test_csr_row *row = &rows[i];
		struct csr c;
		const char *why = test_csr_read_spec(&row->spec, &c);

		if (!why)
			csr_release(&c);
		if (!why != !row->why || (why && strncmp(why, row->why, strlen(row->why)) != 0))
			tap_fail(__FILE__, __LINE__, "%s: %s", row->about, why ? why : "accepted");
	}
	CU_PASS("");
}

/* clang-format off */
#define WHY_FIELD "a field of the subject is empty, too long, or not printable"
#define WHY_TWICE "a field of the subject is there twice"
#define WHY_SET "two fields of the subject are in one set"
#define WHY_EXTENSIONS "the extensions it asks for cannot be read"
/* A list of one extension of alternative names, of @critical and one DNS name; the lengths of the
 * list and of what is in it. */
#define EXTENSION(list, one, critical)                                                             \
	"\x30" list "\x30" one "\x06\x03\x55\x1d\x11" critical "\x04\x05\x30\x03\x82\x01" "a"
#define WHY_NAME "an alternative name is empty, too long, or holds"

static const struct test_csr_row test_csr_subjects[] = {
	{ "empty", NULL, { .version = 0 } },
	{ "all four", NULL, { .fields = { C("NO"), O("Vespa"), OU("athenz.aws"), CN(WHO) } } },
	{ "another order", NULL, { .fields = { CN(WHO), OU("athenz.aws"), O("Vespa"), C("NO") } } },
	{ "only CN", NULL, { .fields = { CN(WHO) } } },
	{ "two CN", WHY_TWICE, { .fields = { CN(WHO), CN("a.b") } } },
	{ "the same CN twice", WHY_TWICE, { .fields = { CN(WHO), OU("x"), CN(WHO) } } },
	{ "two O", WHY_TWICE, { .fields = { O("a"), O("b"), CN(WHO) } } },
	{ "two OU", WHY_TWICE, { .fields = { OU("a"), OU("b"), CN(WHO) } } },
	{ "two C", WHY_TWICE, { .fields = { C("NO"), C("NO"), CN(WHO) } } },
	{ "CN and OU in one set", WHY_SET,
	  { .fields = { CN(WHO),
		      { NID_organizationalUnitName, V_ASN1_UTF8STRING, "x", 1, true } } } },
	{ "two CN in one set", WHY_SET,
	  { .fields = { CN(WHO), { NID_commonName, V_ASN1_UTF8STRING, "a.b", 3, true } } } },
	{ "locality", "the subject holds something else",
	  { .fields = { MKCSR_FIELD(NID_localityName, "Trondheim"), CN(WHO) } } },
	{ "mail in the subject", "the subject holds something else",
	  { .fields = { CN(WHO), MKCSR_FIELD(NID_pkcs9_emailAddress, "a@b") } } },
	{ "empty CN", WHY_FIELD, { .fields = { CN("") } } },
	{ "empty O", WHY_FIELD, { .fields = { O(""), CN(WHO) } } },
	{ "NUL in CN", WHY_FIELD, { .fields = { CN(WHO "\0.evil") } } },
	{ "NUL at the end of CN", WHY_FIELD, { .fields = { CN(WHO "\0") } } },
	{ "line break in CN", WHY_FIELD, { .fields = { CN("a.b\nc") } } },
	{ "DEL in O", WHY_FIELD, { .fields = { O("a\x7f"), CN(WHO) } } },
	{ "not ASCII in OU", WHY_FIELD, { .fields = { OU("\xc3\xa9"), CN(WHO) } } },
	{ "two bytes a character", NULL,
	  { .fields = { { NID_commonName, V_ASN1_BMPSTRING, "\0a\0.\0b", 6, false } } } },
	{ "four bytes a character", NULL,
	  { .fields = { { NID_commonName, V_ASN1_UNIVERSALSTRING, "\0\0\0a\0\0\0.\0\0\0b", 12,
			  false } } } },
	{ "printable", NULL,
	  { .fields = { { NID_commonName, V_ASN1_PRINTABLESTRING, "a.b", 3, false } } } },
	{ "IA5", NULL,
	  { .fields = { { NID_commonName, V_ASN1_IA5STRING, "a.b", 3, false } } } },
	{ "teletex", NULL,
	  { .fields = { { NID_commonName, V_ASN1_T61STRING, "a.b", 3, false } } } },
	{ "two bytes a character, not ASCII", WHY_FIELD,
	  { .fields = { { NID_commonName, V_ASN1_BMPSTRING, "\4\60\0.\0b", 6, false } } } },
	{ "blank in O", NULL, { .fields = { O("Vespa AS"), CN(WHO) } } },
};

static const struct test_csr_row test_csr_names[] = {
	{ "none", NULL, { .fields = { CN(WHO) } } },
	{ "an empty list", NULL, { .fields = { CN(WHO) }, BYTES(raw_san, "\x30\0") } },
	{ "all kinds", NULL,
	  { .fields = { CN(WHO) }, .sans = { SAN_DNS("a.b"), SAN_URI(URI), SAN_MAIL("a@b"),
					     SAN_IP("\x0a\0\0\1") } } },
	{ "registered id", "an alternative name is of another kind",
	  { .sans = { { GEN_RID, "1.2.3", 5 } } } },
	{ "extension twice", "it has alternative names twice",
	  { .sans = { SAN_DNS("a") }, .is_san_twice = true } },
	{ "attribute twice", "it asks for extensions twice",
	  { .sans = { SAN_DNS("a") }, .is_attribute_twice = true } },
	{ "two values in the attribute", "it asks for extensions twice",
	  { .sans = { SAN_DNS("a") }, .is_value_twice = true } },
	{ "Microsoft's attribute", "it asks for extensions in Microsoft's way",
	  { .sans = { SAN_DNS("a") }, .is_microsoft = true } },
	{ "extensions are no list", "the extensions it asks for cannot be read",
	  { BYTES(raw_extensions, "abc"), .raw_type = V_ASN1_UTF8STRING } },
	{ "extensions cut short", "the extensions it asks for cannot be read",
	  { BYTES(raw_extensions, "\x30\x03\x30\x05\x06") } },
	{ "critical", NULL, { BYTES(raw_extensions, EXTENSION("\x11", "\x0f", "\x01\x01\xff")) } },
	{ "not critical", NULL,
	  { BYTES(raw_extensions, EXTENSION("\x11", "\x0f", "\x01\x01\0")) } },
	{ "perhaps critical", WHY_EXTENSIONS,
	  { BYTES(raw_extensions, EXTENSION("\x11", "\x0f", "\x01\x01\x01")) } },
	{ "critical, in no byte", WHY_EXTENSIONS,
	  { BYTES(raw_extensions, EXTENSION("\x10", "\x0e", "\x01\0")) } },
	{ "critical, in two bytes", WHY_EXTENSIONS,
	  { BYTES(raw_extensions, EXTENSION("\x12", "\x10", "\x01\x02\xff\xff")) } },
	{ "critical twice", WHY_EXTENSIONS,
	  { BYTES(raw_extensions, EXTENSION("\x14", "\x12", "\x01\x01\xff\x01\x01\xff")) } },
	{ "a number of an extension that ends too early", WHY_EXTENSIONS,
	  { BYTES(raw_extensions, "\x30\x09\x30\x07\x06\x03\x55\x1d\x91\x04\0") } },
	{ "something behind the names", "its alternative names cannot be read",
	  { BYTES(raw_san, "\x30\x03\x82\x01" "a" "\x05\0") } },
	{ "names cut short", "its alternative names cannot be read",
	  { BYTES(raw_san, "\x30\x03\x82\x05" "a") } },
	{ "names are not a list", "its alternative names cannot be read",
	  { BYTES(raw_san, "\x04\x01x") } },
	{ "an empty extension", "its alternative names cannot be read", { .raw_san = "" } },
	{ "another attribute", NULL, { .sans = { SAN_DNS("a") }, .has_challenge = true } },
	{ "another extension", NULL, { .sans = { SAN_DNS("a") }, .has_usage = true } },
	{ "only another extension", NULL, { .has_usage = true } },
	{ "empty DNS name", WHY_NAME, { .sans = { SAN_DNS("") } } },
	{ "NUL in a DNS name", WHY_NAME, { .sans = { SAN_DNS("a\0.b") } } },
	{ "NUL in a URI", WHY_NAME, { .sans = { SAN_DNS("a"), SAN_URI(URI "\0") } } },
	{ "blank in a URI", WHY_NAME, { .sans = { SAN_URI(URI " ") } } },
	{ "tabulator in mail", WHY_NAME, { .sans = { SAN_MAIL("a\t@b") } } },
	{ "DEL in a DNS name", WHY_NAME, { .sans = { SAN_DNS("a\x7f") } } },
	{ "not ASCII in a DNS name", WHY_NAME, { .sans = { SAN_DNS("\xc3\xa9") } } },
	{ "address of 3 bytes", "an alternative name is an address",
	  { .sans = { SAN_IP("\1\2\3") } } },
	{ "address of 5 bytes", "an alternative name is an address",
	  { .sans = { SAN_IP("\1\2\3\4\5") } } },
	{ "address of 15 bytes", "an alternative name is an address",
	  { .sans = { SAN_IP("\1\2\3\4\5\6\7\1\2\3\4\5\6\7\1") } } },
	{ "address and mask", "an alternative name is an address",
	  { .sans = { SAN_IP("\1\2\3\4\xff\xff\xff\0") } } },
	{ "address of 0 bytes", "an alternative name is an address", { .sans = { SAN_IP("") } } },
};
/* clang-format on */

static void test_csr_reads_subjects(void)
{
	test_csr_run(test_csr_subjects, ARRAY_SIZE(test_csr_subjects));
}

static void test_csr_reads_names(void)
{
	test_csr_run(test_csr_names, ARRAY_SIZE(test_csr_names));
}

static void test_csr_judges_keys(void)
{
	const struct test_csr_row rows[] = {
		{ "P-256", NULL, { .key = test_csr_keys.p256 } },
		{ "P-384", NULL, { .key = test_csr_keys.p384 } },
		{ "P-521", "the curve of the key", { .key = test_csr_keys.p521 } },
		{ "P-256 spelled out",
		  "the curve of the key is spelled out",
		  { .key = test_csr_keys.explicit_ec } },
		{ "RSA 1024", "the RSA key has fewer", { .key = test_csr_keys.rsa1024 } },
		{ "RSA 2048", NULL, { .key = test_csr_keys.rsa2048 } },
		{ "Ed25519", "the key is neither", { .key = test_csr_keys.ed25519 } },
		{ "SHA-384", NULL, { .digest = "SHA384" } },
		{ "SHA-512", NULL, { .digest = "SHA512" } },
		{ "SHA-1", "its signature is not made with SHA", { .digest = "SHA1" } },
		{ "SHA-224", "its signature is not made with SHA", { .digest = "SHA224" } },
		{ "RSA with MD5",
		  "its signature is not made with SHA",
		  { .key = test_csr_keys.rsa2048, .digest = "MD5" } },
		{ "signed by another",
		  "its signature is not made with its",
		  { .key = test_csr_keys.p256, .signer = test_csr_keys.p384 } },
		{ "signed by another kind",
		  "its signature is not made with its",
		  { .key = test_csr_keys.p256, .signer = test_csr_keys.rsa2048 } },
		{ "version 2", "its version", { .version = 1 } },
	};

	test_csr_run(rows, ARRAY_SIZE(rows));
}

/* Whether it holds the key in the form in which OpenSSL writes it. */
static bool test_csr_has_key(const struct csr *c, const EVP_PKEY *key)
{
	unsigned char *want = NULL;
	int len = i2d_PUBKEY(key, &want);
	bool is_same = len > 0 && (size_t)len == c->key_len &&
		       memcmp(want, c->key, c->key_len) == 0;

	OPENSSL_free(want);
	return is_same;
}

/* Of each kind, and of several that are read in turn. */
static void test_csr_reads_keys(void)
{
	EVP_PKEY *keys[] = { test_csr_keys.p256, EVP_EC_gen("P-256"), test_csr_keys.rsa2048,
			     test_csr_keys.p384, test_csr_keys.p256 };
	struct csr csrs[ARRAY_SIZE(keys)] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct mkcsr spec = { .key = keys[i], .fields = { CN(WHO) } };

		CU_ASSERT_PTR_NULL(test_csr_read_spec(&spec, &csrs[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		CU_ASSERT_TRUE(test_csr_has_key(&csrs[i], keys[i]));
		csr_release(&csrs[i]);
	}
	EVP_PKEY_free(keys[1]);
}

static void test_csr_reads_all(void)
{
	const struct mkcsr spec = {
		.key = test_csr_keys.p384,
		.fields = { C("NO"), O("Vespa AS"), OU(PROVIDER), CN("Vespa.Host") },
		.sans = { SAN_DNS("a.b"), SAN_URI(URI), SAN_MAIL("a@b"), SAN_IP("\x0a\0\0\1"),
			  SAN_IP("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\5") },
	};
	static const struct csr_name names[] = { { CSR_DNS, "a.b" },
						 { CSR_URI, URI },
						 { CSR_EMAIL, "a@b" },
						 { CSR_IP, "10.0.0.1" },
						 { CSR_IP, "2001:db8::5" } };
	struct csr c;

	CU_ASSERT_PTR_NULL(test_csr_read_spec(&spec, &c));
	CU_ASSERT_STRING_EQUAL(c.common_name, "Vespa.Host");
	CU_ASSERT_STRING_EQUAL(c.country, "NO");
	CU_ASSERT_STRING_EQUAL(c.organization, "Vespa AS");
	CU_ASSERT_STRING_EQUAL(c.organizational_unit, PROVIDER);
	CU_ASSERT_TRUE(test_csr_has_key(&c, test_csr_keys.p384));
	CU_ASSERT_EQUAL(c.n_names, ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names) && i < c.n_names; i++) {
		CU_ASSERT_EQUAL(c.names[i].kind, names[i].kind);
		CU_ASSERT_STRING_EQUAL(c.names[i].text, names[i].text);
	}
	csr_release(&c);
	CU_ASSERT_PTR_NULL(c.key);
	CU_ASSERT_PTR_NULL(c.names);
	csr_release(&c);
}

static void test_csr_reads_nothing(void)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256 };
	struct csr c;

	CU_ASSERT_PTR_NULL(test_csr_read_spec(&spec, &c));
	CU_ASSERT_STRING_EQUAL(c.common_name, "");
	CU_ASSERT_STRING_EQUAL(c.country, "");
	CU_ASSERT_STRING_EQUAL(c.organization, "");
	CU_ASSERT_STRING_EQUAL(c.organizational_unit, "");
	CU_ASSERT_EQUAL(c.n_names, 0);
	csr_release(&c);
}

/* Whether a request is accepted whose field @nid has @len bytes. */
static bool test_csr_takes_field(int nid, size_t len)
{
	char text[512];
	const struct mkcsr spec = { .fields = { { nid, V_ASN1_UTF8STRING, text, len, false } } };
	struct csr c;
	bool ok;

	memset(text, 'x', sizeof(text));
	ok = test_csr_read_spec(&spec, &c) == NULL;
	if (ok)
		csr_release(&c);
	return ok;
}

static void test_csr_field_limits(void)
{
	static const struct {
		int nid;
		size_t size;
	} rows[] = {
		{ NID_commonName, sizeof(((struct csr *)NULL)->common_name) },
		{ NID_organizationName, sizeof(((struct csr *)NULL)->organization) },
		{ NID_organizationalUnitName, sizeof(((struct csr *)NULL)->organizational_unit) },
		{ NID_countryName, sizeof(((struct csr *)NULL)->country) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_TRUE(test_csr_takes_field(rows[i].nid, 1));
		CU_ASSERT_TRUE(test_csr_takes_field(rows[i].nid, rows[i].size - 2));
		CU_ASSERT_TRUE(test_csr_takes_field(rows[i].nid, rows[i].size - 1));
		CU_ASSERT_FALSE(test_csr_takes_field(rows[i].nid, rows[i].size));
	}
}

static void test_csr_name_limits(void)
{
	char text[CSR_TEXT_MAX];
	struct mkcsr spec = { .sans = { { GEN_URI, text, CSR_TEXT_MAX - 1 } } };
	struct csr c;

	memset(text, 'x', sizeof(text));
	CU_ASSERT_PTR_NULL(test_csr_read_spec(&spec, &c));
	CU_ASSERT_EQUAL(strlen(c.names[0].text), CSR_TEXT_MAX - 1);
	csr_release(&c);
	spec.sans[0].len = CSR_TEXT_MAX;
	CU_ASSERT_PTR_NOT_NULL(test_csr_read_spec(&spec, &c));
	for (size_t i = 0; i < CSR_SANS_MAX; i++)
		spec.sans[i] = (struct mkcert_name)SAN_DNS("x");
	CU_ASSERT_PTR_NULL(test_csr_read_spec(&spec, &c));
	CU_ASSERT_EQUAL(c.n_names, CSR_SANS_MAX);
	csr_release(&c);
	spec.sans[CSR_SANS_MAX] = (struct mkcert_name)SAN_DNS("x");
	CU_ASSERT_STRING_EQUAL(test_csr_read_spec(&spec, &c),
			       "it has more than 64 alternative names");
}

/* --- the text around it --- */

/* Reads @before + a good request + @after. */
static const char *test_csr_read_around(const char *before, const char *after, size_t after_len)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256, .fields = { CN(WHO) } };
	_cleanup_(test_csr_free) char *pem = mkcsr_make(&spec);
	char text[4096];
	int n = snprintf(text, sizeof(text), "%s%s", before, pem);
	struct csr c;
	const char *why;

	memcpy(text + n, after, after_len);
	why = test_csr_read(text, (size_t)n + after_len, &c);
	if (!why)
		csr_release(&c);
	return why;
}

#define AROUND(before, after) test_csr_read_around(before, after, sizeof(after) - 1)
#define WHY_AFTER "something follows the PEM block"
#define WHY_BEFORE "it does not begin with a PEM block"

static void test_csr_wants_one_block(void)
{
	CU_ASSERT_PTR_NULL(AROUND("", ""));
	CU_ASSERT_PTR_NULL(AROUND("", " \t\r\n\n"));
	CU_ASSERT_STRING_EQUAL(AROUND("", "x"), WHY_AFTER);
	CU_ASSERT_STRING_EQUAL(AROUND("", "\n\nx"), WHY_AFTER);
	CU_ASSERT_STRING_EQUAL(AROUND("", "\0"), WHY_AFTER);
	CU_ASSERT_STRING_EQUAL(AROUND("", "-----BEGIN CERTIFICATE REQUEST-----\n"), WHY_AFTER);
	CU_ASSERT_STRING_EQUAL(AROUND("\n", ""), WHY_BEFORE);
	CU_ASSERT_STRING_EQUAL(AROUND("Subject: x\n", ""), WHY_BEFORE);
	CU_ASSERT_STRING_EQUAL(AROUND(" ", ""), WHY_BEFORE);
	CU_ASSERT_STRING_EQUAL(AROUND("-----BEGIN x\n", ""), WHY_BEFORE);
	CU_ASSERT_STRING_EQUAL(AROUND("-----BEGIN CERTIFICATE REQUEST\n\n", ""), WHY_BEFORE);
}

static void test_csr_reads_line_ends(void)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256, .fields = { CN(WHO) } };
	_cleanup_(test_csr_free) char *pem = mkcsr_make(&spec);
	char text[4096];
	size_t n = 0;
	struct csr c;

	for (const char *at = pem; *at; at++) {
		if (*at == '\n')
			text[n++] = '\r';
		text[n++] = *at;
	}
	CU_ASSERT_PTR_NULL(test_csr_read(text, n, &c));
	csr_release(&c);
	/* The line break at the end may be missing. */
	CU_ASSERT_PTR_NULL(test_csr_read(pem, strlen(pem) - 1, &c));
	csr_release(&c);
	CU_ASSERT_PTR_NOT_NULL(test_csr_read(pem, strlen(pem) - 2, &c));
}

/* Every beginning of a good request is refused. */
static void test_csr_refuses_pieces(void)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256, .fields = { CN(WHO) } };
	_cleanup_(test_csr_free) char *pem = mkcsr_make(&spec);
	struct csr c;

	for (size_t len = 0; len < strlen(pem) - 1; len++)
		CU_ASSERT_PTR_NOT_NULL(test_csr_read(pem, len, &c));
}

static const char *test_csr_read_block(const char *name, const char *der, size_t len)
{
	_cleanup_(test_csr_free) char *pem = mkcsr_pem(name, (const unsigned char *)der, len);
	struct csr c;

	return test_csr_read(pem, strlen(pem), &c);
}

static void test_csr_refuses_other_blocks(void)
{
	static const char encrypted[] = "-----BEGIN CERTIFICATE REQUEST-----\n"
					"Proc-Type: 4,ENCRYPTED\n"
					"DEK-Info: AES-128-CBC,00000000000000000000000000000000\n"
					"\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
	struct csr c;

	CU_ASSERT_STRING_EQUAL(test_csr_read_block("CERTIFICATE REQUEST", "\x30\0", 2),
			       "it is not a PKCS#10 request");
	CU_ASSERT_STRING_EQUAL(test_csr_read_block("NEW CERTIFICATE REQUEST", "\x30\0", 2),
			       "the PEM block is not a CERTIFICATE REQUEST without headers");
	CU_ASSERT_STRING_EQUAL(test_csr_read_block("CERTIFICATE", "\x30\0", 2),
			       "the PEM block is not a CERTIFICATE REQUEST without headers");
	CU_ASSERT_STRING_EQUAL(test_csr_read(encrypted, sizeof(encrypted) - 1, &c),
			       "the PEM block is not a CERTIFICATE REQUEST without headers");
}

static void test_csr_refuses_rest(void)
{
	const struct mkcsr spec = { .fields = { CN(WHO) }, .has_rest = true };
	struct csr c;

	CU_ASSERT_STRING_EQUAL(test_csr_read_spec(&spec, &c),
			       "something follows the request in its PEM block");
}

static void test_csr_size_limit(void)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256, .fields = { CN(WHO) } };
	_cleanup_(test_csr_free) char *pem = mkcsr_make(&spec);
	char text[CSR_PEM_MAX + 1];
	struct csr c;

	memset(text, '\n', sizeof(text));
	memcpy(text, pem, strlen(pem));
	CU_ASSERT_PTR_NULL(test_csr_read(text, CSR_PEM_MAX, &c));
	csr_release(&c);
	CU_ASSERT_STRING_EQUAL(test_csr_read(text, CSR_PEM_MAX + 1, &c),
			       "it is longer than 16384 bytes");
}

/* No changed bit gets through: neither the names nor the key are loose. */
static void test_csr_refuses_changes(void)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256,
				    .fields = { CN("a.b") },
				    .sans = { SAN_URI(URI) } };
	_cleanup_(test_csr_free) char *pem = mkcsr_make(&spec);
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(req, &der);

	for (int i = 0; i < len; i++) {
		der[i] ^= 1 << (i % 8);
		CU_ASSERT_PTR_NOT_NULL(
			test_csr_read_block("CERTIFICATE REQUEST", (char *)der, (size_t)len));
		der[i] ^= 1 << (i % 8);
	}
	CU_ASSERT_TRUE(len > 200);
	OPENSSL_free(der);
	X509_REQ_free(req);
	BIO_free(bio);
}

/* --- making --- */

static const struct certconf test_csr_conf = {
	.suffixes = { "aws.athenz.example", "aws.athenz.other" },
	.n_suffixes = 2,
	.country = "NO",
	.organization = "Vespa AS",
	.spiffe = true,
	.spiffe_namespace = "default",
	.wildcard_dns = true,
	.instance_dns = true,
	.private_ip = true,
};

static const struct csr_spec test_csr_spec = {
	.principal = WHO,
	.provider = PROVIDER,
	.instance_id = ID,
	.private_ip = "10.1.2.3",
	.conf = &test_csr_conf,
};

/* Makes and reads one. Gives the number of names, -1 when it went wrong. */
static int test_csr_make(const struct csr_spec *spec, struct csr *ret)
{
	_cleanup_(test_csr_free) char *pem = NULL;

	CU_ASSERT_EQUAL(csr_make(test_csr_keys.p256, spec, &pem), 0);
	CU_ASSERT_PTR_NOT_NULL(pem);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	if (!pem || test_csr_read(pem, strlen(pem), ret) != NULL)
		return -1;
	return (int)ret->n_names;
}

static void test_csr_expect_names(const struct csr_spec *spec, const struct csr_name *names, int n)
{
	struct csr c = { 0 };
	int made = test_csr_make(spec, &c);

	CU_ASSERT_EQUAL(made, n);
	for (int i = 0; i < n && i < made; i++) {
		CU_ASSERT_EQUAL(c.names[i].kind, names[i].kind);
		CU_ASSERT_STRING_EQUAL(c.names[i].text, names[i].text);
	}
	csr_release(&c);
}

static void test_csr_makes_all(void)
{
	static const struct csr_name names[] = {
		{ CSR_DNS, "tenant-host.vespa-tenant-acme-aws-123456789012.aws.athenz.example" },
		{ CSR_DNS, "tenant-host.vespa-tenant-acme-aws-123456789012.aws.athenz.other" },
		{ CSR_DNS, "*.tenant-host.vespa-tenant-acme-aws-123456789012.aws.athenz.example" },
		{ CSR_DNS, "*.tenant-host.vespa-tenant-acme-aws-123456789012.aws.athenz.other" },
		{ CSR_DNS, ID ".instanceid.athenz.aws.athenz.example" },
		{ CSR_URI, SPIFFE },
		{ CSR_URI, URI },
		{ CSR_IP, "10.1.2.3" },
	};

	test_csr_expect_names(&test_csr_spec, names, ARRAY_SIZE(names));
}

static void test_csr_makes_minimum(void)
{
	const struct certconf conf = { .spiffe = false, .instance_dns = true, .private_ip = true };
	const struct csr_spec spec = { .principal = "a.b", .conf = &conf };
	struct csr c;

	CU_ASSERT_EQUAL(test_csr_make(&spec, &c), 0);
	CU_ASSERT_STRING_EQUAL(c.common_name, "a.b");
	CU_ASSERT_STRING_EQUAL(c.country, "");
	CU_ASSERT_STRING_EQUAL(c.organization, "");
	CU_ASSERT_STRING_EQUAL(c.organizational_unit, "");
	csr_release(&c);
}

static void test_csr_makes_variants(void)
{
	static const struct csr_name names[] = {
		{ CSR_URI, "spiffe://athenz.example/ns/zone/sa/" WHO },
		{ CSR_URI, URI },
		{ CSR_IP, "2001:db8::a" },
	};
	const struct certconf conf = { .spiffe = true,
				       .spiffe_trust_domain = "athenz.example",
				       .spiffe_namespace = "zone",
				       .private_ip = true };
	struct csr_spec spec = test_csr_spec;

	spec.conf = &conf;
	spec.private_ip = "2001:db8:0::000a";
	test_csr_expect_names(&spec, names, ARRAY_SIZE(names));
	spec.private_ip = "";
	test_csr_expect_names(&spec, names, 2);
	spec.private_ip = NULL;
	spec.instance_id = "";
	test_csr_expect_names(&spec, names, 1);
}

/* The order of the subject, and what each field is made of. */
static void test_csr_makes_subject(void)
{
	_cleanup_(test_csr_free) char *pem = NULL;
	X509_NAME *name;
	X509_REQ *req;
	BIO *bio;
	char line[512] = "";

	CU_ASSERT_EQUAL(csr_make(test_csr_keys.p256, &test_csr_spec, &pem), 0);
	bio = BIO_new_mem_buf(pem, -1);
	req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	name = X509_REQ_get_subject_name(req);
	X509_NAME_oneline(name, line, sizeof(line));
	CU_ASSERT_STRING_EQUAL(line, "/C=NO/O=Vespa AS/OU=" PROVIDER "/CN=" WHO);
	CU_ASSERT_EQUAL(X509_REQ_get_signature_nid(req), NID_ecdsa_with_SHA256);
	CU_ASSERT_EQUAL(X509_REQ_get_version(req), 0);
	X509_REQ_free(req);
	BIO_free(bio);
}

static void test_csr_makes_unit(void)
{
	struct certconf conf = test_csr_conf;
	struct csr_spec spec = test_csr_spec;
	struct csr c = { 0 };

	memcpy(conf.organizational_unit, "hosts", 6);
	spec.conf = &conf;
	CU_ASSERT_EQUAL(test_csr_make(&spec, &c), 8);
	CU_ASSERT_STRING_EQUAL(c.organizational_unit, "hosts");
	csr_release(&c);
}

/* OpenSSL's own limit for a common name is 64 bytes. */
static void test_csr_makes_long_names(void)
{
	static const char who[] =
		"vespa.tenant.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aws-123456789012.tenant-host";
	char longest[PRINCIPAL_MAX];
	struct csr_spec spec = test_csr_spec;
	struct csr c = { 0 };

	CU_ASSERT_TRUE(sizeof(who) - 1 > 64);
	spec.principal = who;
	CU_ASSERT_EQUAL(test_csr_make(&spec, &c), 8);
	CU_ASSERT_STRING_EQUAL(c.common_name, who);
	csr_release(&c);
	memset(longest, 'x', sizeof(longest));
	longest[1] = '.';
	longest[PRINCIPAL_MAX - 1] = '\0';
	spec.principal = longest;
	CU_ASSERT_EQUAL(test_csr_make(&spec, &c), 8);
	CU_ASSERT_STRING_EQUAL(c.common_name, longest);
	csr_release(&c);
}

static void test_csr_lowers_names(void)
{
	struct csr_spec spec = test_csr_spec;
	struct csr c = { 0 };

	spec.principal = "Vespa.Host";
	CU_ASSERT_EQUAL(test_csr_make(&spec, &c), 8);
	CU_ASSERT_STRING_EQUAL(c.common_name, "vespa.host");
	csr_release(&c);
}

static int test_csr_try_make(const struct csr_spec *spec)
{
	char *pem = NULL;
	int r = csr_make(test_csr_keys.p256, spec, &pem);

	CU_ASSERT_EQUAL(r == 0, pem != NULL);
	free(pem);
	return r;
}

static void test_csr_makes_no_bad_names(void)
{
	static const struct csr_spec rows[] = {
		{ NULL, PROVIDER, ID, NULL, &test_csr_conf },
		{ "", PROVIDER, ID, NULL, &test_csr_conf },
		{ "vespa", PROVIDER, ID, NULL, &test_csr_conf },
		{ "a.b/c", PROVIDER, ID, NULL, &test_csr_conf },
		{ "a:role.b", PROVIDER, ID, NULL, &test_csr_conf },
		{ WHO, NULL, ID, NULL, &test_csr_conf },
		{ WHO, "", ID, NULL, &test_csr_conf },
		{ WHO, "a b", ID, NULL, &test_csr_conf },
		{ WHO, PROVIDER, "i,1", NULL, &test_csr_conf },
		{ WHO, PROVIDER, "i/1", NULL, &test_csr_conf },
		{ WHO, PROVIDER, "..", NULL, &test_csr_conf },
		{ WHO, PROVIDER, ID, "10.1.2", &test_csr_conf },
		{ WHO, PROVIDER, ID, "host", &test_csr_conf },
	};

	CU_ASSERT_EQUAL(test_csr_try_make(&test_csr_spec), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (test_csr_try_make(&rows[i]) != -EINVAL)
			tap_fail(__FILE__, __LINE__, "row %zu", i);
	}
}

static void test_csr_makes_no_bad_settings(void)
{
	struct certconf conf = test_csr_conf;
	struct csr_spec spec = test_csr_spec;

	spec.conf = &conf;
	memcpy(conf.suffixes[1], "a b", 4);
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), -EINVAL);
	conf = test_csr_conf;
	memcpy(conf.organization, "a\nb", 4);
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), -EINVAL);
	conf = test_csr_conf;
	memcpy(conf.organizational_unit, "\xc3\xa9", 3);
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), -EINVAL);
	conf = test_csr_conf;
	memcpy(conf.spiffe_trust_domain, "a b", 4);
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), -EINVAL);
	memcpy(conf.spiffe_trust_domain, "a/b", 4);
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), -EINVAL);
	conf = test_csr_conf;
	conf.spiffe_namespace[0] = '\0';
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), 0);
	memcpy(conf.spiffe_trust_domain, "a.b", 4);
	CU_ASSERT_EQUAL(test_csr_try_make(&spec), -EINVAL);
}

/* A public key alone signs nothing. */
static void test_csr_needs_a_private_key(void)
{
	EVP_PKEY *public = NULL;
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(test_csr_keys.p256, &der);
	const unsigned char *at = der;
	char *pem = NULL;

	public = d2i_PUBKEY(NULL, &at, len);
	CU_ASSERT_EQUAL(csr_make(public, &test_csr_spec, &pem), -EIO);
	CU_ASSERT_PTR_NULL(pem);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	EVP_PKEY_free(public);
	OPENSSL_free(der);
}

/* --- out of memory --- */

struct test_csr_pem {
	const char *pem;
	size_t len;
};

/* Some allocations OpenSSL can do without, and of some failures it leaves no word: there a refusal
 * must do. What must never be: an answer that is not the true one. */
static int test_csr_read_tortured(const struct test_csr_pem *in)
{
	struct csr c;
	const char *why;
	int r = csr_read(in->pem, in->len, &c, &why);

	if (r == 0) {
		CU_ASSERT_STRING_EQUAL(c.common_name, WHO);
		CU_ASSERT_EQUAL(c.n_names, 2);
		csr_release(&c);
	}
	return r;
}

static void test_csr_reader_out_of_memory(void)
{
	const struct mkcsr spec = { .key = test_csr_keys.p256,
				    .fields = { OU("x"), CN(WHO) },
				    .sans = { SAN_DNS("a.b"), SAN_URI(URI) } };
	_cleanup_(test_csr_free) char *pem = mkcsr_make(&spec);
	const struct test_csr_pem in = { pem, strlen(pem) };
	size_t n_told = 0, site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		int r;

		torture_arm(site);
		r = test_csr_read_tortured(&in);
		if (!torture_disarm())
			break;
		CU_ASSERT_TRUE(r == 0 || r == -EBADMSG || r == -ENOMEM);
		n_told += r == -ENOMEM;
	}
	CU_ASSERT_TRUE(site > 50 && site < TORTURE_SITES_MAX);
	CU_ASSERT_TRUE(n_told > 0);
	tap_note("%zu sites, %zu told apart", site, n_told);
	CU_ASSERT_EQUAL(test_csr_read_tortured(&in), 0);
}

static void test_csr_maker_out_of_memory(void)
{
	size_t site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		char *pem = NULL;
		int r;

		torture_arm(site);
		r = csr_make(test_csr_keys.p256, &test_csr_spec, &pem);
		if (!torture_disarm()) {
			CU_ASSERT_EQUAL(r, 0);
			free(pem);
			break;
		}
		CU_ASSERT_TRUE(r == 0 || r == -EIO || r == -ENOMEM);
		CU_ASSERT_EQUAL(r == 0, pem != NULL);
		free(pem);
	}
	CU_ASSERT_TRUE(site > 50 && site < TORTURE_SITES_MAX);
}

static const struct tap_test test_csr_tests[] = {
	{ "subjects", test_csr_reads_subjects },
	{ "alternative names", test_csr_reads_names },
	{ "keys and signatures", test_csr_judges_keys },
	{ "reads keys", test_csr_reads_keys },
	{ "reads everything", test_csr_reads_all },
	{ "reads nothing", test_csr_reads_nothing },
	{ "limits of the subject", test_csr_field_limits },
	{ "limits of names", test_csr_name_limits },
	{ "exactly one block", test_csr_wants_one_block },
	{ "line ends", test_csr_reads_line_ends },
	{ "pieces", test_csr_refuses_pieces },
	{ "other blocks", test_csr_refuses_other_blocks },
	{ "something behind it", test_csr_refuses_rest },
	{ "limit of size", test_csr_size_limit },
	{ "any changed bit", test_csr_refuses_changes },
	{ "makes everything", test_csr_makes_all },
	{ "makes the least", test_csr_makes_minimum },
	{ "makes variants", test_csr_makes_variants },
	{ "makes the subject", test_csr_makes_subject },
	{ "makes the unit", test_csr_makes_unit },
	{ "makes long names", test_csr_makes_long_names },
	{ "lowers names", test_csr_lowers_names },
	{ "makes no bad names", test_csr_makes_no_bad_names },
	{ "makes nothing of bad settings", test_csr_makes_no_bad_settings },
	{ "needs a private key", test_csr_needs_a_private_key },
	{ "reader out of memory", test_csr_reader_out_of_memory },
	{ "maker out of memory", test_csr_maker_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_csr_suites[] = {
	{ "csr", test_csr_tests, NULL, NULL },
	{ 0 },
};

static void *test_csr_malloc(size_t size, const char *file, int line)
{
	return malloc(size);
}

static void *test_csr_realloc(void *p, size_t size, const char *file, int line)
{
	return realloc(p, size);
}

static void test_csr_free_any(void *p, const char *file, int line)
{
	free(p);
}

int main(int argc, char **argv)
{
	int r;

	/* So that the torture reaches the allocations of OpenSSL. Only before the first of them. */
	if (CRYPTO_set_mem_functions(test_csr_malloc, test_csr_realloc, test_csr_free_any) != 1)
		return 2;
	if (!test_csr_make_keys())
		return 2;
	r = tap_main(argc, argv, test_csr_suites);
	test_csr_free_keys();
	return r;
}
