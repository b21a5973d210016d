/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/keypair.h"
#include "certs/peerid.h"
#include "certs/ztsd/signer.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define TEST_SIGNER_NOW UINT64_C(1790000000)

static EVP_PKEY *test_signer_ca_key, *test_signer_key, *test_signer_rsa;
static char test_signer_cert_path[PATH_MAX], test_signer_key_path[PATH_MAX];
static char test_signer_serial[SIGNER_SERIAL_MAX];

static void test_signer_write(const char *name, const char *text, char path[PATH_MAX])
{
	if (tmpdir_write(name, text, strlen(text)) < 0)
		exit(2);
	tmpdir_path(path, name);
}

static struct signer_order test_signer_order(EVP_PKEY *key)
{
	return (struct signer_order){ .key = key,
				      .common_name = "dom.a.svc",
				      .serial = test_signer_serial,
				      .not_before_wall = TEST_SIGNER_NOW - 60,
				      .not_after_wall = TEST_SIGNER_NOW + 3600,
				      .purposes = SIGNER_PURPOSE_CLIENT | SIGNER_PURPOSE_SERVER };
}

static bool test_signer_make_ca(void)
{
	struct signer_order order;
	char *key = NULL, *cert = NULL;
	bool ok;

	if (keypair_generate(CERTCONF_EC_P256, &test_signer_ca_key) < 0 ||
	    keypair_generate(CERTCONF_EC_P256, &test_signer_key) < 0 ||
	    keypair_generate(CERTCONF_RSA_2048, &test_signer_rsa) < 0 ||
	    signer_make_serial(test_signer_serial) < 0)
		return false;
	order = test_signer_order(test_signer_ca_key);
	order.common_name = "Test CA";
	order.not_after_wall = TEST_SIGNER_NOW + 100000;
	ok = keypair_write_key(test_signer_ca_key, &key) == 0 &&
	     signer_make_root(&order, NULL, &cert) == 0;
	if (ok) {
		test_signer_write("ca.key.pem", key, test_signer_key_path);
		test_signer_write("ca.cert.pem", cert, test_signer_cert_path);
	}
	free(key);
	free(cert);
	return ok;
}

/* Opens and starts, as ztsd does. */
static int test_signer_try(const char *cert, const char *key, struct signer **ret, char *why)
{
	struct signer *s = NULL;
	int r = signer_open(cert, &(struct cakey_spec){ .key = key }, &s, why);

	if (r == 0)
		r = signer_start(s, why);
	if (r == 0)
		*ret = s;
	else
		signer_free(s);
	return r;
}

static struct signer *test_signer_open(void)
{
	char why[SIGNER_WHY_MAX] = "";
	struct signer *s = NULL;

	if (test_signer_try(test_signer_cert_path, test_signer_key_path, &s, why) < 0)
		tap_fail(__FILE__, __LINE__, "%s", why);
	return s;
}

static X509 *test_signer_parse(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return cert;
}

/* Issues by @order and parses the result, NULL when it was refused. */
static X509 *test_signer_issue(const struct signer_order *order)
{
	struct signer *s = test_signer_open();
	char *pem = NULL;
	X509 *cert = NULL;

	if (s && signer_issue(s, order, &pem) == 0)
		cert = test_signer_parse(pem);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	free(pem);
	signer_free(s);
	return cert;
}

/* Whether @cert has these extensions, in this order; "!" stands behind those that are critical. */
static bool test_signer_has(const X509 *cert, const char *want)
{
	char text[256] = "";
	size_t len = 0;

	for (int i = 0; i < X509_get_ext_count(cert) && len < sizeof(text); i++) {
		X509_EXTENSION *ext = X509_get_ext(cert, i);

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s", i ? " " : "",
					OBJ_nid2sn(OBJ_obj2nid(X509_EXTENSION_get_object(ext))),
					X509_EXTENSION_get_critical(ext) ? "!" : "");
	}
	return !strcmp(text, want);
}

/* Whether the usage of the key of @cert is exactly these bits, and its last byte as short as DER
 * wants it. */
static bool test_signer_uses(const X509 *cert, unsigned char unused, unsigned char bits)
{
	const unsigned char want[] = { V_ASN1_BIT_STRING, 2, unused, bits };
	int at = X509_get_ext_by_NID(cert, NID_key_usage, -1);
	const ASN1_OCTET_STRING *have = X509_EXTENSION_get_data(X509_get_ext(cert, at));

	return have && ASN1_STRING_length(have) == sizeof(want) &&
	       !memcmp(ASN1_STRING_get0_data(have), want, sizeof(want));
}

static void test_signer_profile(void)
{
	static const struct csr_name names[] = { { CSR_DNS, "svc.dom-a.aws.example" },
						 { CSR_URI, "spiffe://dom.a/sa/svc" },
						 { CSR_URI, "athenz://instanceid/p.aws/i-01" },
						 { CSR_IP, "10.1.2.3" },
						 { CSR_IP, "2001:db8::7" } };
	const struct csr_name *at[ARRAY_SIZE(names)];
	struct signer_order order = test_signer_order(test_signer_key);
	struct peerid_rule rule = { .need_instance = true,
				    .providers = (const char *const[]){ "p.aws" },
				    .n_providers = 1 };
	struct peerid id = { .principal = "" };
	enum pst code = PST_NONE;
	char subject[256] = "";
	X509 *cert;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		at[i] = &names[i];
	order.names = at;
	order.n_names = ARRAY_SIZE(names);
	order.country = "NO";
	order.organization = "Acme Inc.";
	order.organizational_unit = "p.aws";
	cert = test_signer_issue(&order);
	CU_ASSERT_PTR_NOT_NULL(cert);
	if (!cert)
		return;
	CU_ASSERT_EQUAL(X509_get_version(cert), X509_VERSION_3);
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
	CU_ASSERT_STRING_EQUAL(subject, "/C=NO/O=Acme Inc./OU=p.aws/CN=dom.a.svc");
	X509_NAME_oneline(X509_get_issuer_name(cert), subject, sizeof(subject));
	CU_ASSERT_STRING_EQUAL(subject, "/CN=Test CA");
	CU_ASSERT_EQUAL(X509_verify(cert, test_signer_ca_key), 1);
	CU_ASSERT_EQUAL(EVP_PKEY_eq(X509_get0_pubkey(cert), test_signer_key), 1);
	CU_ASSERT_EQUAL(X509_check_ca(cert), 0);
	CU_ASSERT_FALSE(X509_get_extension_flags(cert) & EXFLAG_CA);
	CU_ASSERT_EQUAL(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	CU_ASSERT_TRUE(test_signer_uses(cert, 7, KU_DIGITAL_SIGNATURE));
	CU_ASSERT_EQUAL(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT | XKU_SSL_SERVER);
	CU_ASSERT_PTR_NOT_NULL(X509_get0_authority_key_id(cert));
	CU_ASSERT_TRUE(test_signer_has(cert, "basicConstraints! keyUsage! authorityKeyIdentifier "
					     "extendedKeyUsage subjectAltName"));
	CU_ASSERT_EQUAL(X509_check_host(cert, "svc.dom-a.aws.example", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_ip_asc(cert, "10.1.2.3", 0), 1);
	CU_ASSERT_EQUAL(X509_check_ip_asc(cert, "2001:db8::7", 0), 1);
	CU_ASSERT_EQUAL(peerid_read(cert, &rule, &id, &code), 0);
	CU_ASSERT_STRING_EQUAL(id.principal, "dom.a.svc");
	CU_ASSERT_STRING_EQUAL(id.instance_id, "i-01");
	CU_ASSERT_STRING_EQUAL(id.serial, test_signer_serial);
	CU_ASSERT_EQUAL(id.not_before_wall, TEST_SIGNER_NOW - 60);
	CU_ASSERT_EQUAL(id.expires_wall, TEST_SIGNER_NOW + 3600);
	X509_free(cert);
}

/* What was written is what OpenSSL would write: in the shortest form, nothing left out. */
static void test_signer_compare(EVP_PKEY *key)
{
	struct signer_order order = test_signer_order(key);
	struct signer *s = test_signer_open();
	char *name = NULL, *header = NULL, *pem = NULL;
	unsigned char *der = NULL, *again = NULL;
	BIO *bio;
	X509 *cert;
	long len = 0;

	order.country = "NO";
	CU_ASSERT_EQUAL_FATAL(signer_issue(s, &order, &pem), 0);
	cert = test_signer_parse(pem);
	bio = BIO_new_mem_buf(pem, -1);
	CU_ASSERT_EQUAL(PEM_read_bio(bio, &name, &header, &der, &len), 1);
	CU_ASSERT_STRING_EQUAL(name, "CERTIFICATE");
	CU_ASSERT_EQUAL(i2d_re_X509_tbs(cert, NULL) > 0, 1); /* forgets the bytes it came from */
	CU_ASSERT_EQUAL(i2d_X509(cert, &again), len);
	CU_ASSERT_EQUAL(memcmp(der, again, (size_t)len), 0);
	CU_ASSERT_EQUAL(X509_get_signature_nid(cert), NID_ecdsa_with_SHA256);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	OPENSSL_free(again);
	BIO_free(bio);
	X509_free(cert);
	free(pem);
	signer_free(s);
}

static void test_signer_canonical(void)
{
	test_signer_compare(test_signer_key);
	test_signer_compare(test_signer_rsa);
}

/* Seconds since 1970 of the last second of 2049 and the first of 2050, when the form changes. */
static void test_signer_times(void)
{
	struct signer_order order = test_signer_order(test_signer_key);
	X509 *cert;

	order.not_before_wall = UINT64_C(2524607999);
	order.not_after_wall = UINT64_C(2524608000);
	cert = test_signer_issue(&order);
	CU_ASSERT_PTR_NOT_NULL(cert);
	if (!cert)
		return;
	CU_ASSERT_EQUAL(ASN1_STRING_type(X509_get0_notBefore(cert)), V_ASN1_UTCTIME);
	CU_ASSERT_EQUAL(ASN1_STRING_type(X509_get0_notAfter(cert)), V_ASN1_GENERALIZEDTIME);
	CU_ASSERT_EQUAL(ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), 2524607999), 0);
	CU_ASSERT_EQUAL(ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), 2524608000), 0);
	X509_free(cert);
}

/* A key of any kind in PEM; free() it. */
static char *test_signer_write_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long len;

	if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		exit(2);
	len = BIO_get_mem_data(bio, &bytes);
	text = strndup(bytes, (size_t)len);
	BIO_free(bio);
	return text;
}

/* Makes a CA of @key and issues by it. */
static void test_signer_ca_of(EVP_PKEY *key, int want_nid)
{
	struct signer_order order = test_signer_order(key),
			    leaf = test_signer_order(test_signer_key);
	char *key_pem = test_signer_write_key(key), *pem = NULL, cert_path[PATH_MAX],
	     key_path[PATH_MAX];
	char why[SIGNER_WHY_MAX] = "";
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int hash_len = 0;
	struct signer *s = NULL;
	X509 *root = NULL, *cert = NULL;

	order.common_name = "Other CA";
	order.not_after_wall = TEST_SIGNER_NOW + 100000;
	CU_ASSERT_EQUAL_FATAL(signer_make_root(&order, NULL, &pem), 0);
	test_signer_write("other.ca.key.pem", key_pem, key_path);
	test_signer_write("other.ca.cert.pem", pem, cert_path);
	root = test_signer_parse(pem);
	free(key_pem);
	free(pem);
	pem = NULL;
	CU_ASSERT_EQUAL(X509_verify(root, key), 1);
	CU_ASSERT_EQUAL(X509_check_ca(root), 1);
	CU_ASSERT_EQUAL(X509_get_pathlen(root), 0);
	CU_ASSERT_EQUAL(X509_get_key_usage(root), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	CU_ASSERT_TRUE(test_signer_uses(root, 1, KU_KEY_CERT_SIGN | KU_CRL_SIGN));
	CU_ASSERT_TRUE(test_signer_has(root, "basicConstraints! keyUsage! subjectKeyIdentifier"));
	CU_ASSERT_EQUAL(X509_check_issued(root, root), X509_V_OK);
	CU_ASSERT_EQUAL(X509_pubkey_digest(root, EVP_sha1(), hash, &hash_len), 1);
	CU_ASSERT_EQUAL(ASN1_STRING_length(X509_get0_subject_key_id(root)), (int)hash_len);
	CU_ASSERT_EQUAL(
		memcmp(ASN1_STRING_get0_data(X509_get0_subject_key_id(root)), hash, hash_len), 0);
	CU_ASSERT_EQUAL(test_signer_try(cert_path, key_path, &s, why), 0);
	if (s && signer_issue(s, &leaf, &pem) == 0)
		cert = test_signer_parse(pem);
	CU_ASSERT_PTR_NOT_NULL(cert);
	if (cert) {
		CU_ASSERT_EQUAL(X509_verify(cert, key), 1);
		CU_ASSERT_EQUAL(X509_get_signature_nid(cert), want_nid);
		CU_ASSERT_EQUAL(X509_check_issued(root, cert), X509_V_OK);
		CU_ASSERT_EQUAL(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert),
						      X509_get0_subject_key_id(root)),
				0);
	}
	free(pem);
	X509_free(root);
	X509_free(cert);
	signer_free(s);
}

static void test_signer_cas(void)
{
	EVP_PKEY *p384 = EVP_EC_gen("P-384");
	EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");

	test_signer_ca_of(p384, NID_ecdsa_with_SHA256);
	test_signer_ca_of(test_signer_rsa, NID_sha256WithRSAEncryption);
	test_signer_ca_of(ed25519, NID_ED25519);
	test_signer_ca_of(ed448, NID_ED448);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(ed25519);
	EVP_PKEY_free(ed448);
}

static void test_signer_rsa_usage(void)
{
	struct signer_order order = test_signer_order(test_signer_rsa);
	X509 *cert = test_signer_issue(&order);

	CU_ASSERT_PTR_NOT_NULL(cert);
	if (!cert)
		return;
	CU_ASSERT_EQUAL(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	CU_ASSERT_TRUE(test_signer_uses(cert, 5, KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
	X509_free(cert);
}

/* Each alone: the issuer's own certificate is for servers only. */
static void test_signer_purposes(void)
{
	static const struct {
		unsigned int purposes;
		uint32_t want;
	} rows[] = { { SIGNER_PURPOSE_CLIENT, XKU_SSL_CLIENT },
		     { SIGNER_PURPOSE_SERVER, XKU_SSL_SERVER } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct signer_order order = test_signer_order(test_signer_key);
		X509 *cert;

		order.purposes = rows[i].purposes;
		cert = test_signer_issue(&order);
		CU_ASSERT_PTR_NOT_NULL(cert);
		if (cert)
			CU_ASSERT_EQUAL(X509_get_extended_key_usage(cert), rows[i].want);
		X509_free(cert);
	}
}

/* Every kind of key comes out as it went in. */
static void test_signer_keys(void)
{
	EVP_PKEY *keys[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(3072) };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct signer_order order = test_signer_order(keys[i]);
		X509 *cert = test_signer_issue(&order);

		CU_ASSERT_PTR_NOT_NULL(cert);
		if (cert) {
			CU_ASSERT_EQUAL(EVP_PKEY_eq(X509_get0_pubkey(cert), keys[i]), 1);
			CU_ASSERT_EQUAL(X509_verify(cert, test_signer_ca_key), 1);
		}
		X509_free(cert);
		EVP_PKEY_free(keys[i]);
	}
}

/* OpenSSL's own limit of 64 does not hold here. */
static void test_signer_long_name(void)
{
	struct signer_order order = test_signer_order(test_signer_key);
	char name[PRINCIPAL_MAX];
	struct peerid id;
	enum pst code;
	X509 *cert;

	memset(name, 'd', sizeof(name));
	name[100] = '.';
	name[sizeof(name) - 1] = '\0';
	order.common_name = name;
	cert = test_signer_issue(&order);
	CU_ASSERT_PTR_NOT_NULL(cert);
	if (!cert)
		return;
	CU_ASSERT_EQUAL(peerid_read(cert, &(struct peerid_rule){ 0 }, &id, &code), 0);
	CU_ASSERT_STRING_EQUAL(id.principal, name);
	X509_free(cert);
}

static void test_signer_bad_names(void)
{
	static const struct csr_name bad[] = { { CSR_EMAIL, "a@b" }, { CSR_IP, "10.1.2" } };
	/* none, negative, zero, not the shortest form, longer than RFC 5280 allows */
	static const char *const bad_serials[] = {
		"", "80", "00", "0001", "010203040506070809101112131415161718192021",
	};
	struct signer_order order = test_signer_order(test_signer_key);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		order.names = (const struct csr_name *const[]){ &bad[i] };
		order.n_names = 1;
		CU_ASSERT_PTR_NULL(test_signer_issue(&order));
	}
	order.n_names = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad_serials); i++) {
		order.serial = bad_serials[i];
		CU_ASSERT_PTR_NULL(test_signer_issue(&order));
	}
}

static void test_signer_serials(void)
{
	char last[SIGNER_SERIAL_MAX] = "", serial[SIGNER_SERIAL_MAX];

	for (int i = 0; i < 1000; i++) {
		CU_ASSERT_EQUAL(signer_make_serial(serial), 0);
		CU_ASSERT_EQUAL(strlen(serial), 40);
		CU_ASSERT_TRUE(serial[0] >= '4' && serial[0] <= '7');
		CU_ASSERT_EQUAL(strspn(serial, "0123456789abcdef"), 40);
		CU_ASSERT_STRING_NOT_EQUAL(serial, last);
		memcpy(last, serial, sizeof(last));
	}
}

static void test_signer_facts(void)
{
	struct signer *s = test_signer_open();

	if (!s)
		return;
	CU_ASSERT_EQUAL(signer_expires_wall(s), TEST_SIGNER_NOW + 100000);
	CU_ASSERT_EQUAL(strncmp(signer_bundle(s), "-----BEGIN CERTIFICATE-----", 27), 0);
	signer_free(s);
	signer_free(NULL);
}

/* The same key by way of OpenSSL's store. */
static void test_signer_uri(void)
{
	char uri[PATH_MAX + 8], why[SIGNER_WHY_MAX] = "";
	struct signer_order order = test_signer_order(test_signer_key);
	struct signer *s = NULL;
	char *pem = NULL;

	snprintf(uri, sizeof(uri), "file:%s", test_signer_key_path);
	CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, uri, &s, why), 0);
	if (!s)
		return;
	CU_ASSERT_EQUAL(signer_issue(s, &order, &pem), 0);
	free(pem);
	signer_free(s);
}

/* A key by a URI, which stands for one in a token: not there, another one, back again. */
static void test_signer_down(void)
{
	char uri[PATH_MAX + 8], path[PATH_MAX], why[SIGNER_WHY_MAX] = "";
	struct signer_order order = test_signer_order(test_signer_key);
	char *right = NULL, *wrong = NULL, *pem = NULL;
	struct signer *s = NULL;

	snprintf(uri, sizeof(uri), "file:%s", tmpdir_path(path, "away.pem"));
	CU_ASSERT_EQUAL(keypair_write_key(test_signer_ca_key, &right), 0);
	CU_ASSERT_EQUAL(keypair_write_key(test_signer_key, &wrong), 0);
	CU_ASSERT_EQUAL(
		signer_open(test_signer_cert_path, &(struct cakey_spec){ .key = uri }, &s, why), 0);
	if (!s)
		return;
	CU_ASSERT_TRUE(signer_is_down(s));
	CU_ASSERT_EQUAL(signer_issue(s, &order, &pem), -EIO);
	CU_ASSERT_EQUAL(signer_start(s, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "No such file"));
	CU_ASSERT_FALSE(signer_has_told_pin(s));
	test_signer_write("away.pem", wrong, path);
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
	CU_ASSERT_EQUAL(signer_start(s, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "does not belong"));
	CU_ASSERT_TRUE(signer_is_down(s));
	CU_ASSERT_EQUAL(signer_issue(s, &order, &pem), -EIO);
	CU_ASSERT_PTR_NULL(pem);
	test_signer_write("away.pem", right, path);
	CU_ASSERT_EQUAL(signer_start(s, why), 0);
	CU_ASSERT_FALSE(signer_is_down(s));
	CU_ASSERT_EQUAL(signer_issue(s, &order, &pem), 0);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	free(pem);
	free(right);
	free(wrong);
	signer_free(s);
}

static void test_signer_refuses(void)
{
	char other[PATH_MAX], leaf[PATH_MAX], none[PATH_MAX], why[SIGNER_WHY_MAX];
	struct signer_order order = test_signer_order(test_signer_key);
	struct signer *s = test_signer_open(), *bad = NULL;
	char *key = NULL, *cert = NULL;

	tmpdir_path(none, "none.pem");
	CU_ASSERT_EQUAL(keypair_write_key(test_signer_key, &key), 0);
	CU_ASSERT_EQUAL(signer_issue(s, &order, &cert), 0);
	test_signer_write("other.key.pem", key, other);
	test_signer_write("leaf.cert.pem", cert, leaf);
	free(key);
	free(cert);
	signer_free(s);
	CU_ASSERT_EQUAL(test_signer_try(none, test_signer_key_path, &bad, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "No such file"));
	CU_ASSERT_EQUAL(test_signer_try(test_signer_key_path, other, &bad, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "not a readable certificate"));
	CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, none, &bad, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "No such file"));
	CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, leaf, &bad, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no private key"));
	CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, "pkcs11:object=none", &bad, why),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "no provider can open it"));
	CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, other, &bad, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "does not belong"));
	CU_ASSERT_EQUAL(test_signer_try(leaf, other, &bad, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "not the certificate of a CA"));
	CU_ASSERT_PTR_NULL(bad);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static void test_signer_open_key(void)
{
	static const mode_t bad[] = { 0604, 0602, 0601 };
	char why[SIGNER_WHY_MAX] = "";
	struct signer *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(chmod(test_signer_key_path, bad[i]), 0);
		CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, test_signer_key_path, &s,
						why),
				-EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "everybody may read or write this file"));
	}
	CU_ASSERT_EQUAL(chmod(test_signer_key_path, 0640), 0);
	CU_ASSERT_EQUAL(test_signer_try(test_signer_cert_path, test_signer_key_path, &s, why), 0);
	signer_free(s);
	CU_ASSERT_EQUAL(chmod(test_signer_key_path, 0600), 0);
}

static const struct tap_test test_signer_tests[] = {
	{ "the profile", test_signer_profile },
	{ "the shortest form", test_signer_canonical },
	{ "times around 2050", test_signer_times },
	{ "CAs of every kind", test_signer_cas },
	{ "RSA keys, and one purpose", test_signer_rsa_usage },
	{ "purposes", test_signer_purposes },
	{ "keys of every kind", test_signer_keys },
	{ "a common name of 255 bytes", test_signer_long_name },
	{ "names that cannot be signed", test_signer_bad_names },
	{ "serials", test_signer_serials },
	{ "what it knows of the CA", test_signer_facts },
	{ "a key by its URI", test_signer_uri },
	{ "a key that is away", test_signer_down },
	{ "a key that everybody may read", test_signer_open_key },
	{ "a CA that is none", test_signer_refuses },
	{ 0 },
};

static const struct tap_suite test_signer_suites[] = {
	{ "signer", test_signer_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int status;

	if (!test_signer_make_ca())
		return 2;
	status = tap_main(argc, argv, test_signer_suites);
	EVP_PKEY_free(test_signer_ca_key);
	EVP_PKEY_free(test_signer_key);
	EVP_PKEY_free(test_signer_rsa);
	return status;
}
