/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "certs/keypair.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/mkchain.h"

#define WHO "vespa.tenant.acme.aws-123456789012.tenant-host"
#define ID "i-0123456789abcdef0"
#define PROVIDER "athenz.aws.us-east-1"
#define URI "athenz://instanceid/" PROVIDER "/" ID

enum {
	NOW = 1790000000, /* in 2026 */
	HOUR = 3600,
	SKEW = 60,
};

/* Made once. The last CA in the row below has a key that is too weak. */
static struct {
	EVP_PKEY *ca, *mid, *host, *other, *rsa2048, *rsa1024, *p521, *ed25519;
	X509 *ca_cert, *other_cert, *mid_cert;
	char *ca_pem, *other_pem, *mid_pem, *host_pem, *host_key, *other_key;
} test_keypair_made;

static const struct keypair_want test_keypair_want = {
	.principal = WHO,
	.provider = PROVIDER,
	.instance_id = ID,
	.now_wall = NOW,
	.skew_s = SKEW,
};

static void test_keypair_free(char **text)
{
	free(*text);
}

/* What a good certificate of the host is; a test changes one thing. */
static struct mkchain test_keypair_spec(void)
{
	return (struct mkchain){
		.key = test_keypair_made.host,
		.issuer = test_keypair_made.ca_cert,
		.issuer_key = test_keypair_made.ca,
		.cn = WHO,
		.uris = { URI },
		.not_before = NOW - HOUR,
		.not_after = NOW + HOUR,
		.usage = "clientAuth,serverAuth",
	};
}

static char *test_keypair_pem(const struct mkchain *spec)
{
	X509 *cert = mkchain_make(spec);
	char *pem = mkchain_pem(cert);

	X509_free(cert);
	return pem;
}

static struct mkchain test_keypair_ca_spec(EVP_PKEY *key, const char *cn)
{
	return (struct mkchain){
		.key = key,
		.cn = cn,
		.not_before = NOW - 2 * HOUR,
		.not_after = NOW + 2 * HOUR,
		.is_ca = true,
	};
}

static void test_keypair_make_keys(void)
{
	test_keypair_made.ca = EVP_EC_gen("P-256");
	test_keypair_made.mid = EVP_EC_gen("P-256");
	test_keypair_made.host = EVP_EC_gen("P-256");
	test_keypair_made.other = EVP_EC_gen("P-256");
	test_keypair_made.p521 = EVP_EC_gen("P-521");
	test_keypair_made.rsa2048 = EVP_RSA_gen(2048);
	test_keypair_made.rsa1024 = EVP_RSA_gen(1024);
	test_keypair_made.ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static void test_keypair_make(void)
{
	struct mkchain spec = test_keypair_ca_spec(NULL, "test CA");

	test_keypair_make_keys();
	spec.key = test_keypair_made.ca;
	test_keypair_made.ca_cert = mkchain_make(&spec);
	spec = test_keypair_ca_spec(test_keypair_made.other, "other CA");
	test_keypair_made.other_cert = mkchain_make(&spec);
	spec = test_keypair_ca_spec(test_keypair_made.mid, "CA between");
	spec.issuer = test_keypair_made.ca_cert;
	spec.issuer_key = test_keypair_made.ca;
	test_keypair_made.mid_cert = mkchain_make(&spec);
	spec = test_keypair_spec();
	test_keypair_made.host_pem = test_keypair_pem(&spec);
	test_keypair_made.ca_pem = mkchain_pem(test_keypair_made.ca_cert);
	test_keypair_made.other_pem = mkchain_pem(test_keypair_made.other_cert);
	test_keypair_made.mid_pem = mkchain_pem(test_keypair_made.mid_cert);
	test_keypair_made.host_key = mkchain_key_pem(test_keypair_made.host, NULL);
	test_keypair_made.other_key = mkchain_key_pem(test_keypair_made.other, NULL);
}

static void test_keypair_unmake(void)
{
	free(test_keypair_made.ca_pem);
	free(test_keypair_made.other_pem);
	free(test_keypair_made.mid_pem);
	free(test_keypair_made.host_pem);
	free(test_keypair_made.host_key);
	free(test_keypair_made.other_key);
	X509_free(test_keypair_made.ca_cert);
	X509_free(test_keypair_made.other_cert);
	X509_free(test_keypair_made.mid_cert);
	EVP_PKEY_free(test_keypair_made.ca);
	EVP_PKEY_free(test_keypair_made.mid);
	EVP_PKEY_free(test_keypair_made.host);
	EVP_PKEY_free(test_keypair_made.other);
	EVP_PKEY_free(test_keypair_made.rsa2048);
	EVP_PKEY_free(test_keypair_made.rsa1024);
	EVP_PKEY_free(test_keypair_made.p521);
	EVP_PKEY_free(test_keypair_made.ed25519);
}

static struct keypair_pem test_keypair_texts(const char *key, const char *cert, const char *ca)
{
	return (struct keypair_pem){ key, cert, ca, strlen(key), strlen(cert), strlen(ca) };
}

static struct keypair_facts test_keypair_facts;
static char test_keypair_detail[KEYPAIR_DETAIL_MAX];

/* Gives the code, PST_NONE when all is well. Leaves the facts and the detail behind. */
static enum pst test_keypair_check(const struct keypair_pem *pem, const struct keypair_want *want)
{
	enum pst code = PST_NONE;
	int r;

	memset(&test_keypair_facts, 0xa5, sizeof(test_keypair_facts));
	memset(test_keypair_detail, 0, sizeof(test_keypair_detail));
	r = keypair_check(pem, want, &test_keypair_facts, &code, test_keypair_detail);
	CU_ASSERT_EQUAL(r, code == PST_NONE ? 0 : -EPERM);
	CU_ASSERT_EQUAL(test_keypair_detail[0] == '\0', r == 0);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	for (const char *c = test_keypair_detail; *c; c++)
		CU_ASSERT_TRUE(*c >= ' ' && *c <= '~');
	return code;
}

static enum pst test_keypair_check_texts(const char *key, const char *cert, const char *ca)
{
	const struct keypair_pem pem = test_keypair_texts(key, cert, ca);

	return test_keypair_check(&pem, &test_keypair_want);
}

/* The host's key and our CA with the certificate of @spec. */
static enum pst test_keypair_check_spec(const struct mkchain *spec, const struct keypair_want *want)
{
	_cleanup_(test_keypair_free) char *cert = test_keypair_pem(spec);
	const struct keypair_pem pem = test_keypair_texts(test_keypair_made.host_key, cert,
							  test_keypair_made.ca_pem);

	return test_keypair_check(&pem, want);
}

/* --- a good pair --- */

static void test_keypair_accepts(void)
{
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.host_key,
						 test_keypair_made.host_pem,
						 test_keypair_made.ca_pem),
			PST_NONE);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.principal, WHO);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.provider, PROVIDER);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.instance_id, ID);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.serial, "01");
	CU_ASSERT_EQUAL(test_keypair_facts.not_before_wall, NOW - HOUR);
	CU_ASSERT_EQUAL(test_keypair_facts.not_after_wall, NOW + HOUR);
	CU_ASSERT_FALSE(test_keypair_facts.expired);
}

static void test_keypair_accepts_anybody(void)
{
	const struct keypair_want anybody = { .now_wall = NOW };
	struct mkchain spec = test_keypair_spec();

	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &anybody), PST_NONE);
	spec.uris[0] = NULL;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &anybody), PST_NONE);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.instance_id, "");
}

static void test_keypair_accepts_rsa(void)
{
	struct mkchain spec = test_keypair_spec();
	_cleanup_(test_keypair_free) char *key = mkchain_key_pem(test_keypair_made.rsa2048, NULL);
	_cleanup_(test_keypair_free) char *cert = NULL;

	spec.key = test_keypair_made.rsa2048;
	cert = test_keypair_pem(&spec);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, test_keypair_made.ca_pem), PST_NONE);
}

/* Glues up to three texts; free() it. */
static char *test_keypair_join(const char *a, const char *b, const char *c)
{
	char *text = NULL;

	if (asprintf(&text, "%s%s%s", a, b, c) < 0)
		abort();
	return text;
}

/* With @n certificates between ours and the CA. */
static enum pst test_keypair_check_depth(int n)
{
	X509 *issuer = test_keypair_made.ca_cert;
	EVP_PKEY *issuer_key = test_keypair_made.ca;
	_cleanup_(test_keypair_free) char *chain = strdup("");
	_cleanup_(test_keypair_free) char *host = NULL, *all = NULL;
	X509 *made[8] = { NULL };
	struct mkchain spec;
	char name[32];

	for (int i = 0; i < n; i++) {
		_cleanup_(test_keypair_free) char *before = chain;
		_cleanup_(test_keypair_free) char *pem = NULL;

		snprintf(name, sizeof(name), "between %d", i);
		spec = test_keypair_ca_spec(test_keypair_made.mid, name);
		spec.issuer = issuer;
		spec.issuer_key = issuer_key;
		made[i] = issuer = mkchain_make(&spec);
		issuer_key = test_keypair_made.mid;
		pem = mkchain_pem(issuer);
		chain = test_keypair_join(pem, before, "");
	}
	spec = test_keypair_spec();
	spec.issuer = issuer;
	spec.issuer_key = issuer_key;
	host = test_keypair_pem(&spec);
	all = test_keypair_join(host, chain, "");
	for (int i = 0; i < n; i++)
		X509_free(made[i]);
	return test_keypair_check_texts(test_keypair_made.host_key, all, test_keypair_made.ca_pem);
}

static void test_keypair_limits_chains(void)
{
	CU_ASSERT_EQUAL(test_keypair_check_depth(3), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_depth(4), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_depth(5), PST_CERT_UNTRUSTED);
}

static void test_keypair_follows_chains(void)
{
	struct mkchain spec = test_keypair_spec();
	_cleanup_(test_keypair_free) char *host = NULL;
	_cleanup_(test_keypair_free) char *whole = NULL;
	_cleanup_(test_keypair_free) char *cas = NULL;

	spec.issuer = test_keypair_made.mid_cert;
	spec.issuer_key = test_keypair_made.mid;
	host = test_keypair_pem(&spec);
	whole = test_keypair_join("our certificate\n", host, test_keypair_made.mid_pem);
	cas = test_keypair_join(test_keypair_made.other_pem, "# ours\n", test_keypair_made.ca_pem);
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.host_key, whole, cas), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.host_key, host, cas),
			PST_CERT_UNTRUSTED);
	/* What comes with the certificate is not trusted for that. */
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.host_key, whole,
						 test_keypair_made.other_pem),
			PST_CERT_UNTRUSTED);
}

/* --- unusable --- */

static void test_keypair_refuses_texts(void)
{
	const char *key = test_keypair_made.host_key, *cert = test_keypair_made.host_pem;
	const char *ca = test_keypair_made.ca_pem;
	_cleanup_(test_keypair_free) char *cut = strndup(cert, strlen(cert) - 40);
	_cleanup_(test_keypair_free) char *then_cut = test_keypair_join(cert, cut, "");

	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, ca), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_texts("", cert, ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts("key\n", cert, ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(cert, cert, ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, "", ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, "cert\n", ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, key, ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cut, ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, then_cut, ca), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, ""), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, "ca\n"), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, cut), PST_PAIR_UNUSABLE);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, then_cut), PST_PAIR_UNUSABLE);
}

/* @text and line breaks up to @size bytes; free() it. */
static char *test_keypair_pad(const char *text, size_t size)
{
	char *padded = malloc(size);

	if (!padded)
		abort();
	memset(padded, '\n', size);
	memcpy(padded, text, strlen(text));
	return padded;
}

static void test_keypair_size_limits(void)
{
	_cleanup_(test_keypair_free) char *key = test_keypair_pad(test_keypair_made.host_key,
								  KEYPAIR_KEY_MAX + 1);
	_cleanup_(test_keypair_free) char *cert = test_keypair_pad(test_keypair_made.host_pem,
								   KEYPAIR_CERT_MAX + 1);
	_cleanup_(test_keypair_free) char *ca = test_keypair_pad(test_keypair_made.ca_pem,
								 KEYPAIR_CA_MAX + 1);
	struct keypair_pem pem = {
		key, cert, ca, KEYPAIR_KEY_MAX, KEYPAIR_CERT_MAX, KEYPAIR_CA_MAX
	};

	CU_ASSERT_EQUAL(test_keypair_check(&pem, &test_keypair_want), PST_NONE);
	pem.key_len++;
	CU_ASSERT_EQUAL(test_keypair_check(&pem, &test_keypair_want), PST_PAIR_UNUSABLE);
	pem.key_len--;
	pem.cert_len++;
	CU_ASSERT_EQUAL(test_keypair_check(&pem, &test_keypair_want), PST_PAIR_UNUSABLE);
	pem.cert_len--;
	pem.ca_len++;
	CU_ASSERT_EQUAL(test_keypair_check(&pem, &test_keypair_want), PST_PAIR_UNUSABLE);
}

/* Nobody is asked for a password. */
static void test_keypair_refuses_encrypted(void)
{
	_cleanup_(test_keypair_free) char *key = mkchain_key_pem(test_keypair_made.host, "open");

	CU_ASSERT_EQUAL(test_keypair_check_texts(key, test_keypair_made.host_pem,
						 test_keypair_made.ca_pem),
			PST_PAIR_UNUSABLE);
}

static void test_keypair_refuses_strangers(void)
{
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.other_key,
						 test_keypair_made.host_pem,
						 test_keypair_made.ca_pem),
			PST_PAIR_UNUSABLE);
	CU_ASSERT_STRING_EQUAL(test_keypair_detail, "the key does not belong to the certificate");
}

/* A file with the private half of one key and the public half of another: SEC 1 holds both. */
static char *test_keypair_make_chimera(void)
{
	unsigned char *ours = NULL, *theirs = NULL;
	int len = i2d_PrivateKey(test_keypair_made.host, &ours);
	int other_len = i2d_PrivateKey(test_keypair_made.other, &theirs);
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long n;

	if (len != 121 || other_len != len || !bio)
		abort();
	/* ECPrivateKey of P-256: the private half is bytes 7...38, the public the last 65. */
	memcpy(theirs + len - 65, ours + len - 65, 65);
	PEM_write_bio(bio, "EC PRIVATE KEY", "", theirs, len);
	n = BIO_get_mem_data(bio, &bytes);
	text = strndup(bytes, (size_t)n);
	BIO_free(bio);
	OPENSSL_free(ours);
	OPENSSL_free(theirs);
	return text;
}

static void test_keypair_refuses_chimera(void)
{
	_cleanup_(test_keypair_free) char *key = test_keypair_make_chimera();

	CU_ASSERT_EQUAL(test_keypair_check_texts(key, test_keypair_made.host_pem,
						 test_keypair_made.ca_pem),
			PST_PAIR_UNUSABLE);
	CU_ASSERT_STRING_EQUAL(test_keypair_detail,
			       "the two halves of the key do not belong together");
}

static void test_keypair_refuses_weak_keys(void)
{
	EVP_PKEY *const keys[] = { test_keypair_made.rsa1024, test_keypair_made.p521 };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct mkchain spec = test_keypair_spec();
		_cleanup_(test_keypair_free) char *key = mkchain_key_pem(keys[i], NULL);
		_cleanup_(test_keypair_free) char *cert = NULL;

		spec.key = keys[i];
		cert = test_keypair_pem(&spec);
		CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, test_keypair_made.ca_pem),
				PST_PAIR_UNUSABLE);
	}
}

/* --- names --- */

static void test_keypair_refuses_names(void)
{
	struct mkchain spec = test_keypair_spec();

	spec.second_cn = WHO;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CN_COUNT);
	CU_ASSERT_EQUAL(test_keypair_facts.not_after_wall, NOW + HOUR);
	spec = test_keypair_spec();
	spec.cn = "vespa.tenant:role.host";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_ROLE_CERT);
	spec = test_keypair_spec();
	spec.uris[0] = NULL;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_INSTANCE_ID);
	spec = test_keypair_spec();
	spec.uris[1] = "spiffe://evil/sa/host";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_SAN_DISAGREES);
	spec = test_keypair_spec();
	spec.raw_not_after = "20261301000000Z";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_FIELD);
	spec.raw_not_after = "19691231235959Z";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_FIELD);
}

static void test_keypair_wants_names(void)
{
	const struct mkchain spec = test_keypair_spec();
	struct keypair_want want = test_keypair_want;

	want.principal = WHO "s";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_PRINCIPAL_UNEXPECTED);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.principal, WHO);
	want = test_keypair_want;
	want.provider = "athenz.aws.us-east-2";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_PROVIDER_DENIED);
	/* Whose it is can be known of one that is not ours. */
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.instance_id, ID);
	want.instance_id = NULL;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_PROVIDER_DENIED);
	want = test_keypair_want;
	want.instance_id = "i-1";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_INSTANCE_CHANGED);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.instance_id, ID);
	want.provider = NULL;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_INSTANCE_CHANGED);
}

/* --- the chain --- */

static void test_keypair_trusts_only_the_bundle(void)
{
	const char *key = test_keypair_made.host_key, *cert = test_keypair_made.host_pem;
	struct mkchain spec = test_keypair_spec();
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, test_keypair_made.other_pem),
			PST_CERT_UNTRUSTED);
	/* Nor the system's CAs. */
	CU_ASSERT_EQUAL(tmpdir_write("ca.pem", test_keypair_made.ca_pem,
				     strlen(test_keypair_made.ca_pem)),
			0);
	CU_ASSERT_EQUAL(setenv("SSL_CERT_FILE", tmpdir_path(path, "ca.pem"), 1), 0);
	CU_ASSERT_EQUAL(test_keypair_check_texts(key, cert, test_keypair_made.other_pem),
			PST_CERT_UNTRUSTED);
	CU_ASSERT_EQUAL(unsetenv("SSL_CERT_FILE"), 0);
	spec.issuer = NULL;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_UNTRUSTED);
	/* Somebody else's signature under the CA's name. */
	spec = test_keypair_spec();
	spec.issuer_key = test_keypair_made.other;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_UNTRUSTED);
}

static void test_keypair_wants_a_client(void)
{
	struct mkchain spec = test_keypair_spec();

	spec.usage = "serverAuth";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_UNTRUSTED);
	spec.usage = "clientAuth";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_NONE);
}

static void test_keypair_refuses_weak_signatures(void)
{
	struct mkchain spec = test_keypair_spec();
	struct mkchain ca_spec = test_keypair_ca_spec(test_keypair_made.rsa1024, "test CA");
	X509 *ca = mkchain_make(&ca_spec);
	_cleanup_(test_keypair_free) char *ca_pem = mkchain_pem(ca);
	_cleanup_(test_keypair_free) char *cert = NULL;

	spec.digest = "SHA1";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_UNTRUSTED);
	spec = test_keypair_spec();
	spec.issuer = ca;
	spec.issuer_key = test_keypair_made.rsa1024;
	cert = test_keypair_pem(&spec);
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.host_key, cert, ca_pem),
			PST_CERT_UNTRUSTED);
	X509_free(ca);
}

static void test_keypair_ca_may_be_over(void)
{
	struct mkchain ca_spec = test_keypair_ca_spec(test_keypair_made.ca, "test CA");
	X509 *ca;
	_cleanup_(test_keypair_free) char *ca_pem = NULL;

	ca_spec.not_after = NOW;
	ca = mkchain_make(&ca_spec);
	ca_pem = mkchain_pem(ca);
	X509_free(ca);
	CU_ASSERT_EQUAL(test_keypair_check_texts(test_keypair_made.host_key,
						 test_keypair_made.host_pem, ca_pem),
			PST_CERT_EXPIRED);
	CU_ASSERT_FALSE(test_keypair_facts.expired);
}

/* --- time --- */

static enum pst test_keypair_check_at(uint64_t not_before, uint64_t not_after)
{
	struct mkchain spec = test_keypair_spec();

	spec.not_before = not_before;
	spec.not_after = not_after;
	return test_keypair_check_spec(&spec, &test_keypair_want);
}

static void test_keypair_time_limits(void)
{
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW - 1, NOW + HOUR), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW, NOW + HOUR), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW + 1, NOW + HOUR), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW + SKEW - 1, NOW + HOUR), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW + SKEW, NOW + HOUR), PST_NONE);
	CU_ASSERT_FALSE(test_keypair_facts.expired);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW + SKEW + 1, NOW + HOUR), PST_CLOCK_WRONG);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW - HOUR, NOW + 1), PST_NONE);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW - HOUR, NOW), PST_CERT_EXPIRED);
	CU_ASSERT_TRUE(test_keypair_facts.expired);
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW - HOUR, NOW - 1), PST_CERT_EXPIRED);
	CU_ASSERT_TRUE(test_keypair_facts.expired);
	CU_ASSERT_STRING_EQUAL(test_keypair_facts.id.principal, WHO);
	CU_ASSERT_EQUAL(test_keypair_facts.not_after_wall, NOW - 1);
	/* Over before it began. */
	CU_ASSERT_EQUAL(test_keypair_check_at(NOW, NOW - HOUR), PST_CERT_EXPIRED);
	CU_ASSERT_FALSE(test_keypair_facts.expired);
}

/* A clock that has not been set: the CA has not begun either. */
static void test_keypair_clock_of_1970(void)
{
	const struct mkchain spec = test_keypair_spec();
	struct keypair_want want = test_keypair_want;

	want.now_wall = 5;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_CLOCK_WRONG);
	want.now_wall = 0;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_CLOCK_WRONG);
	want.now_wall = UINT64_MAX;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_CERT_EXPIRED);
}

/* "expired" means ours and nothing worse. */
static void test_keypair_expired_is_the_least(void)
{
	struct keypair_want want = test_keypair_want;
	struct mkchain spec = test_keypair_spec();

	spec.not_after = NOW - 1;
	want.instance_id = "i-1";
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &want), PST_INSTANCE_CHANGED);
	CU_ASSERT_FALSE(test_keypair_facts.expired);
	spec.issuer = NULL;
	CU_ASSERT_EQUAL(test_keypair_check_spec(&spec, &test_keypair_want), PST_CERT_UNTRUSTED);
	CU_ASSERT_FALSE(test_keypair_facts.expired);
}

/* --- keys --- */

static void test_keypair_generates(void)
{
	static const struct {
		enum certconf_key type;
		int bits;
		const char *begin;
	} rows[] = {
		{ CERTCONF_EC_P256, 256, "-----BEGIN EC PRIVATE KEY-----\n" },
		{ CERTCONF_RSA_2048, 2048, "-----BEGIN RSA PRIVATE KEY-----\n" },
		{ CERTCONF_RSA_3072, 3072, "-----BEGIN RSA PRIVATE KEY-----\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		EVP_PKEY *key = NULL, *again;
		char *pem = NULL;
		BIO *bio;

		CU_ASSERT_EQUAL(keypair_generate(rows[i].type, &key), 0);
		CU_ASSERT_EQUAL(EVP_PKEY_get_bits(key), rows[i].bits);
		CU_ASSERT_PTR_NULL(keypair_judge_key(key));
		CU_ASSERT_EQUAL(keypair_write_key(key, &pem), 0);
		CU_ASSERT_EQUAL(strncmp(pem, rows[i].begin, strlen(rows[i].begin)), 0);
		bio = BIO_new_mem_buf(pem, -1);
		again = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		CU_ASSERT_EQUAL(EVP_PKEY_eq(key, again), 1);
		CU_ASSERT_EQUAL(ERR_peek_error(), 0);
		EVP_PKEY_free(again);
		EVP_PKEY_free(key);
		BIO_free(bio);
		free(pem);
	}
}

static void test_keypair_generates_no_other(void)
{
	EVP_PKEY *key = NULL;

	CU_ASSERT_EQUAL(keypair_generate((enum certconf_key)99, &key), -EIO);
	CU_ASSERT_PTR_NULL(key);
}

static void test_keypair_writes_no_other(void)
{
	char *pem = NULL;

	CU_ASSERT_EQUAL(keypair_write_key(test_keypair_made.ed25519, &pem), -EIO);
	CU_ASSERT_PTR_NULL(pem);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

/* An RSA key of any size and exponent; nothing is done with it, so no prime is needed. */
static EVP_PKEY *test_keypair_make_rsa(int bits, int e_bits, bool is_odd)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_new(), *e = BN_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;

	BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
	BN_set_bit(e, e_bits - 1);
	if (is_odd)
		BN_set_bit(e, 0);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(build);
	if (EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		abort();
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	return key;
}

static bool test_keypair_likes_rsa(int bits, int e_bits, bool is_odd)
{
	EVP_PKEY *key = test_keypair_make_rsa(bits, e_bits, is_odd);
	bool ok = keypair_judge_key(key) == NULL;

	EVP_PKEY_free(key);
	return ok;
}

static void test_keypair_judges_rsa(void)
{
	CU_ASSERT_FALSE(test_keypair_likes_rsa(2047, 17, true));
	CU_ASSERT_TRUE(test_keypair_likes_rsa(2048, 17, true));
	CU_ASSERT_TRUE(test_keypair_likes_rsa(2049, 17, true));
	CU_ASSERT_TRUE(test_keypair_likes_rsa(4095, 17, true));
	CU_ASSERT_TRUE(test_keypair_likes_rsa(4096, 17, true));
	CU_ASSERT_FALSE(test_keypair_likes_rsa(4097, 17, true));
	CU_ASSERT_FALSE(test_keypair_likes_rsa(2048, 2, true));
	CU_ASSERT_FALSE(test_keypair_likes_rsa(2048, 16, true));
	CU_ASSERT_FALSE(test_keypair_likes_rsa(2048, 17, false));
	CU_ASSERT_TRUE(test_keypair_likes_rsa(2048, 64, true));
	CU_ASSERT_FALSE(test_keypair_likes_rsa(2048, 65, true));
}

static void test_keypair_judges_kinds(void)
{
	EVP_PKEY *p384 = EVP_EC_gen("P-384"), *p224 = EVP_EC_gen("P-224");
	EVP_PKEY *pss = EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS", (size_t)2048);

	CU_ASSERT_PTR_NULL(keypair_judge_key(test_keypair_made.host));
	CU_ASSERT_PTR_NULL(keypair_judge_key(p384));
	CU_ASSERT_PTR_NOT_NULL(keypair_judge_key(p224));
	CU_ASSERT_PTR_NOT_NULL(keypair_judge_key(test_keypair_made.p521));
	CU_ASSERT_PTR_NOT_NULL(keypair_judge_key(test_keypair_made.ed25519));
	if (pss) {
		CU_ASSERT_PTR_NOT_NULL(keypair_judge_key(pss));
	}
	EVP_PKEY_free(p384);
	EVP_PKEY_free(p224);
	EVP_PKEY_free(pss);
	ERR_clear_error();
}

/* --- out of memory --- */

/* Some allocations OpenSSL can do without, and of some failures it leaves no word: there a refusal
 * must do. A pair that is whole must never be told to be another instance's or over. */
static void test_keypair_check_out_of_memory(void)
{
	const struct keypair_pem pem = test_keypair_texts(
		test_keypair_made.host_key, test_keypair_made.host_pem, test_keypair_made.ca_pem);
	size_t n_told = 0, site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		struct keypair_facts facts = { 0 };
		char detail[KEYPAIR_DETAIL_MAX];
		enum pst code = PST_NONE;
		int r;

		torture_arm(site);
		r = keypair_check(&pem, &test_keypair_want, &facts, &code, detail);
		if (!torture_disarm()) {
			CU_ASSERT_EQUAL(r, 0);
			break;
		}
		CU_ASSERT_TRUE(r == 0 || r == -EPERM || r == -ENOMEM);
		CU_ASSERT_TRUE(code != PST_INSTANCE_CHANGED && code != PST_CERT_EXPIRED &&
			       code != PST_CLOCK_WRONG);
		n_told += r == -ENOMEM;
	}
	CU_ASSERT_TRUE(site > 200 && site < TORTURE_SITES_MAX);
	CU_ASSERT_TRUE(n_told > 0);
	tap_note("%zu sites, %zu told apart", site, n_told);
}

static void test_keypair_write_out_of_memory(void)
{
	size_t site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		char *pem = NULL;
		int r;

		torture_arm(site);
		r = keypair_write_key(test_keypair_made.host, &pem);
		if (!torture_disarm()) {
			CU_ASSERT_EQUAL(r, 0);
			free(pem);
			break;
		}
		CU_ASSERT_TRUE(r == 0 || r == -EIO || r == -ENOMEM);
		CU_ASSERT_EQUAL(r == 0, pem != NULL);
		free(pem);
	}
	CU_ASSERT_TRUE(site > 5 && site < TORTURE_SITES_MAX);
}

static const struct tap_test test_keypair_tests[] = {
	{ "a good pair", test_keypair_accepts },
	{ "anybody", test_keypair_accepts_anybody },
	{ "RSA", test_keypair_accepts_rsa },
	{ "chains", test_keypair_follows_chains },
	{ "length of chains", test_keypair_limits_chains },
	{ "unusable texts", test_keypair_refuses_texts },
	{ "limits of size", test_keypair_size_limits },
	{ "encrypted key", test_keypair_refuses_encrypted },
	{ "another key", test_keypair_refuses_strangers },
	{ "halves of two keys", test_keypair_refuses_chimera },
	{ "weak keys", test_keypair_refuses_weak_keys },
	{ "names that are no identity", test_keypair_refuses_names },
	{ "names that are not wanted", test_keypair_wants_names },
	{ "trusts only the bundle", test_keypair_trusts_only_the_bundle },
	{ "for TLS clients", test_keypair_wants_a_client },
	{ "weak signatures", test_keypair_refuses_weak_signatures },
	{ "a CA that is over", test_keypair_ca_may_be_over },
	{ "limits of time", test_keypair_time_limits },
	{ "a clock of 1970", test_keypair_clock_of_1970 },
	{ "expired means nothing worse", test_keypair_expired_is_the_least },
	{ "makes keys", test_keypair_generates },
	{ "makes no other keys", test_keypair_generates_no_other },
	{ "writes no other keys", test_keypair_writes_no_other },
	{ "judges RSA", test_keypair_judges_rsa },
	{ "judges kinds of keys", test_keypair_judges_kinds },
	{ "check out of memory", test_keypair_check_out_of_memory },
	{ "write out of memory", test_keypair_write_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_keypair_suites[] = {
	{ "keypair", test_keypair_tests, NULL, NULL },
	{ 0 },
};

/* From 3.2 on OpenSSL tells of a failed allocation in its own malloc(), which ours replaces: so
 * ours tells. Not without a place: that is the memory of the error queue itself. */
static void *test_keypair_told(void *p, const char *file)
{
	if (!p && file && OpenSSL_version_num() >= 0x30200000UL)
		ERR_raise(ERR_LIB_CRYPTO, ERR_R_MALLOC_FAILURE);
	return p;
}

static void *test_keypair_malloc(size_t size, const char *file, int line)
{
	return test_keypair_told(malloc(size), file);
}

static void *test_keypair_realloc(void *p, size_t size, const char *file, int line)
{
	return test_keypair_told(realloc(p, size), file);
}

static void test_keypair_free_any(void *p, const char *file, int line)
{
	free(p);
}

int main(int argc, char **argv)
{
	int r;

	/* So that the torture reaches the allocations of OpenSSL. Only before the first of them. */
	if (CRYPTO_set_mem_functions(test_keypair_malloc, test_keypair_realloc,
				     test_keypair_free_any) != 1)
		return 2;
	test_keypair_make();
	r = tap_main(argc, argv, test_keypair_suites);
	test_keypair_unmake();
	return r;
}
