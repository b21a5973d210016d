/* SPDX-License-Identifier: MIT */
#include "tests/lab/cloudkeys.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/files.h"

#define CLOUDKEYS_PATH_MAX 512
#define CLOUDKEYS_LINE 64       /* characters in a line of base64, as in AWS's answer */
#define CLOUDKEYS_ES384_HALF 48 /* bytes of r and of s. Source: RFC 7518, section 3.4 */

/* Domain parameters are public, and making them takes a minute under emulation. Made once with
 * openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024. */
static const char cloudkeys_dsa_parameters[] =
	"-----BEGIN DSA PARAMETERS-----\n"
	"MIIBHgKBgQC53wSLmHX9ZUtpm96gZGm0njt5P9qFXRQ8Dy9h5GVMHcIW/5L4YT/P\n"
	"e7hYEcO49cKxc1qHg6NRPEr6OueEjfRplS2faSlQIw4wad4d6pWdTTC1GyJRrQnV\n"
	"QXzQ3taG7pFy8Y+bt4ErO6EzufJwg0Wi7bIefmIYFdUVFISGd5y2DwIVANY8DO+i\n"
	"Ah5Bc4z1qNEq442u00F/AoGAZXYUWELuurNA5a7iQJ9BSRx5P8rapVuRg7svpbVF\n"
	"IGILKBCRp+gWgHkCHdfB4jyrbqrLlT0SJdJde/DWYmzEjRwpXEeHacYL52nFxEz/\n"
	"tc7ZM+nRhqDxeMH6Y7q50bCOJoskrl/orI1Kw1sG6MC+bnwGq80msRL7UdRGbmd2\n"
	"704=\n"
	"-----END DSA PARAMETERS-----\n";

static void cloudkeys_bio_free(BIO **p)
{
	BIO_free_all(*p);
}

static void cloudkeys_key_free(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void cloudkeys_cert_free(X509 **p)
{
	X509_free(*p);
}

static void cloudkeys_text_free(char **p)
{
	free(*p);
}

static EVP_PKEY *cloudkeys_new_dsa(void)
{
	_cleanup_(cloudkeys_bio_free) BIO *in = BIO_new_mem_buf(cloudkeys_dsa_parameters, -1);
	_cleanup_(cloudkeys_key_free) EVP_PKEY *parameters = PEM_read_bio_Parameters(in, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, parameters, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_generate(ctx, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *cloudkeys_new(enum cloudkeys_signer who)
{
	return who == CLOUDKEYS_DSA ? cloudkeys_new_dsa() :
				      EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static const EVP_MD *cloudkeys_digest(enum cloudkeys_signer who)
{
	return who == CLOUDKEYS_DSA ? EVP_sha1() : EVP_sha256();
}

/* A self-signed certificate, the same but for the key whoever it is for: a forger's claims to be
 * the right signer. */
static X509 *cloudkeys_certify(EVP_PKEY *key, enum cloudkeys_signer who)
{
	static const unsigned char name[] = "Signer of instance documents in a test lab, not AWS";
	_cleanup_(cloudkeys_cert_free) X509 *cert = X509_new();
	X509_NAME *subject = cert ? X509_get_subject_name(cert) : NULL;

	if (!subject || X509_set_version(cert, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), who == CLOUDKEYS_DSA ? 1 : 2) != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(cert, subject) != 1 ||
	    !ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), "120101000000Z") ||
	    !ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), "380101000000Z") ||
	    X509_set_pubkey(cert, key) != 1 || X509_sign(cert, key, cloudkeys_digest(who)) <= 0)
		return NULL;
	return steal_ptr(cert);
}

static const char *cloudkeys_path(const char *dir, const char *name,
				  char ret[static CLOUDKEYS_PATH_MAX])
{
	snprintf(ret, CLOUDKEYS_PATH_MAX, "%s/%s", dir, name);
	return ret;
}

/* Writes what @out holds. */
static int cloudkeys_write(const char *dir, const char *name, BIO *out, mode_t mode)
{
	char path[CLOUDKEYS_PATH_MAX];
	char *bytes;
	long len = BIO_get_mem_data(out, &bytes);

	if (len <= 0)
		return -EIO;
	return files_write(cloudkeys_path(dir, name, path), bytes, (size_t)len, mode);
}

static int cloudkeys_write_key(const char *dir, const char *name, EVP_PKEY *key)
{
	_cleanup_(cloudkeys_bio_free) BIO *out = BIO_new(BIO_s_mem());

	if (!key || !out || PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) != 1)
		return -EIO;
	return cloudkeys_write(dir, name, out, 0600);
}

static int cloudkeys_write_cert(const char *dir, const char *name, X509 *cert)
{
	_cleanup_(cloudkeys_bio_free) BIO *out = BIO_new(BIO_s_mem());

	if (!cert || !out || PEM_write_bio_X509(out, cert) != 1)
		return -EIO;
	return cloudkeys_write(dir, name, out, 0644);
}

int cloudkeys_base64(const void *bytes, size_t len, bool url, char **ret)
{
	char *text = malloc(len / 3 * 4 + 5);
	size_t n;

	if (!text)
		return -ENOMEM;
	n = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	while (url && n && text[n - 1] == '=')
		text[--n] = '\0';
	for (char *c = text; url && *c; c++)
		if (*c == '+' || *c == '/')
			*c = *c == '+' ? '-' : '_';
	*ret = text;
	return 0;
}

/* One parameter of a public key, as base64 for a JWK, padded to @size bytes (0 = its own). */
static int cloudkeys_parameter(EVP_PKEY *key, const char *name, int size, char **ret)
{
	unsigned char bytes[512];
	BIGNUM *n = NULL;
	int len, r;

	if (EVP_PKEY_get_bn_param(key, name, &n) != 1)
		return -EIO;
	len = size ? size : BN_num_bytes(n);
	r = len <= (int)sizeof(bytes) && BN_bn2binpad(n, bytes, len) == len ? 0 : -EIO;
	BN_free(n);
	return r < 0 ? r : cloudkeys_base64(bytes, (size_t)len, true, ret);
}

static int cloudkeys_write_jwks(const char *dir, EVP_PKEY *es384, EVP_PKEY *rsa)
{
	_cleanup_(cloudkeys_text_free) char *x = NULL, *y = NULL, *n = NULL, *e = NULL;
	_cleanup_(cloudkeys_bio_free) BIO *out = BIO_new(BIO_s_mem());

	if (!out ||
	    cloudkeys_parameter(es384, OSSL_PKEY_PARAM_EC_PUB_X, CLOUDKEYS_ES384_HALF, &x) < 0 ||
	    cloudkeys_parameter(es384, OSSL_PKEY_PARAM_EC_PUB_Y, CLOUDKEYS_ES384_HALF, &y) < 0 ||
	    cloudkeys_parameter(rsa, OSSL_PKEY_PARAM_RSA_N, 0, &n) < 0 ||
	    cloudkeys_parameter(rsa, OSSL_PKEY_PARAM_RSA_E, 0, &e) < 0)
		return -EIO;
	BIO_printf(out,
		   "{\"keys\":[{\"kty\":\"EC\",\"use\":\"sig\",\"crv\":\"P-384\","
		   "\"alg\":\"ES384\",\"kid\":\"lab-ES384\",\"x\":\"%s\",\"y\":\"%s\"},\n",
		   x, y);
	BIO_printf(out,
		   "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"lab-RS256\","
		   "\"n\":\"%s\",\"e\":\"%s\"}]}\n",
		   n, e);
	return cloudkeys_write(dir, "jwks.json", out, 0644);
}

static int cloudkeys_init_signer(const char *dir, enum cloudkeys_signer who, EVP_PKEY *key)
{
	bool dsa = who == CLOUDKEYS_DSA;
	_cleanup_(cloudkeys_cert_free) X509 *cert = key ? cloudkeys_certify(key, who) : NULL;
	int r = cloudkeys_write_key(dir, dsa ? "aws-dsa.key.pem" : "aws-rsa2048.key.pem", key);

	return r < 0 ? r : cloudkeys_write_cert(dir, dsa ? "aws-dsa.pem" : "aws-rsa2048.pem", cert);
}

static int cloudkeys_init_secret(const char *dir)
{
	uint8_t secret[CLOUDKEYS_SECRET];
	char path[CLOUDKEYS_PATH_MAX];

	if (RAND_bytes(secret, sizeof(secret)) != 1)
		return -EIO;
	return files_write(cloudkeys_path(dir, "secret", path), secret, sizeof(secret), 0600);
}

int cloudkeys_init(const char *dir)
{
	_cleanup_(cloudkeys_key_free) EVP_PKEY *dsa = cloudkeys_new(CLOUDKEYS_DSA);
	_cleanup_(cloudkeys_key_free) EVP_PKEY *rsa = cloudkeys_new(CLOUDKEYS_RSA);
	_cleanup_(cloudkeys_key_free)
		EVP_PKEY *es384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	int r = files_make_dir(dir, 0755);

	if (r == 0)
		r = cloudkeys_init_signer(dir, CLOUDKEYS_DSA, dsa);
	if (r == 0)
		r = cloudkeys_init_signer(dir, CLOUDKEYS_RSA, rsa);
	if (r == 0)
		r = cloudkeys_write_key(dir, "jwt-es384.key.pem", es384);
	if (r == 0)
		r = cloudkeys_write_jwks(dir, es384, rsa);
	return r == 0 ? cloudkeys_init_secret(dir) : r;
}

static EVP_PKEY *cloudkeys_read_key(const char *dir, const char *name)
{
	char path[CLOUDKEYS_PATH_MAX];
	_cleanup_(cloudkeys_bio_free) BIO *in = BIO_new_file(cloudkeys_path(dir, name, path), "r");

	return in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
}

int cloudkeys_load(const char *dir, struct cloudkeys *ret)
{
	_cleanup_(cloudkeys_release) struct cloudkeys k = {
		.dsa = cloudkeys_read_key(dir, "aws-dsa.key.pem"),
		.rsa = cloudkeys_read_key(dir, "aws-rsa2048.key.pem"),
		.es384 = cloudkeys_read_key(dir, "jwt-es384.key.pem"),
	};
	_cleanup_(files_freep) uint8_t *secret = NULL;
	char path[CLOUDKEYS_PATH_MAX];
	size_t len;
	int r;

	if (!k.dsa || !k.rsa || !k.es384)
		return -EIO;
	k.dsa_cert = cloudkeys_certify(k.dsa, CLOUDKEYS_DSA);
	k.rsa_cert = cloudkeys_certify(k.rsa, CLOUDKEYS_RSA);
	r = files_read(cloudkeys_path(dir, "secret", path), sizeof(k.secret), &secret, &len);
	if (r < 0)
		return r;
	if (!k.dsa_cert || !k.rsa_cert || len != sizeof(k.secret))
		return -EIO;
	memcpy(k.secret, secret, len);
	*ret = k;
	k = (struct cloudkeys){ 0 };
	return 0;
}

/* CMS with a stream is written with indefinite lengths, as AWS's is. */
static int cloudkeys_cms(EVP_PKEY *key, X509 *cert, const EVP_MD *md, const char *text, BIO *out)
{
	const unsigned int flags = CMS_BINARY | CMS_NOCERTS | CMS_NOSMIMECAP | CMS_STREAM;
	_cleanup_(cloudkeys_bio_free) BIO *in = BIO_new_mem_buf(text, -1);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, in, flags | CMS_PARTIAL);
	int r = -EIO;

	if (cms && CMS_add1_signer(cms, cert, key, md, flags) &&
	    i2d_CMS_bio_stream(out, cms, in, (int)flags) == 1)
		r = 0;
	CMS_ContentInfo_free(cms);
	return r;
}

/* base64 of what @der holds, in lines, without a newline at the end. */
static int cloudkeys_armour(BIO *der, char **ret)
{
	_cleanup_(cloudkeys_text_free) char *flat = NULL;
	struct buf b = buf_init(1 << 20);
	char *bytes;
	long len = BIO_get_mem_data(der, &bytes);
	int r = len > 0 ? cloudkeys_base64(bytes, (size_t)len, false, &flat) : -EIO;

	if (r < 0)
		return r;
	for (const char *at = flat; *at; at += strnlen(at, CLOUDKEYS_LINE))
		buf_addf(&b, "%s%.*s", at == flat ? "" : "\n", CLOUDKEYS_LINE, at);
	r = buf_steal(&b, ret);
	buf_release(&b);
	return r;
}

int cloudkeys_sign_document(const struct cloudkeys *k, enum cloudkeys_signer who, bool forged,
			    const char *text, char **ret)
{
	_cleanup_(cloudkeys_bio_free) BIO *der = BIO_new(BIO_s_mem());
	_cleanup_(cloudkeys_key_free) EVP_PKEY *other = forged ? cloudkeys_new(who) : NULL;
	_cleanup_(cloudkeys_cert_free) X509 *cert = other ? cloudkeys_certify(other, who) : NULL;
	EVP_PKEY *key = who == CLOUDKEYS_DSA ? k->dsa : k->rsa;
	X509 *own = who == CLOUDKEYS_DSA ? k->dsa_cert : k->rsa_cert;
	int r;

	if (!der || (forged && !cert))
		return -EIO;
	r = cloudkeys_cms(forged ? other : key, forged ? cert : own, cloudkeys_digest(who), text,
			  der);
	return r < 0 ? r : cloudkeys_armour(der, ret);
}

/* The two halves of an ECDSA signature side by side, as JOSE has them. */
static int cloudkeys_join(const unsigned char *der, size_t len,
			  unsigned char ret[static 2 * CLOUDKEYS_ES384_HALF])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
	const BIGNUM *r, *s;
	int done;

	if (!sig)
		return -EIO;
	ECDSA_SIG_get0(sig, &r, &s);
	done = BN_bn2binpad(r, ret, CLOUDKEYS_ES384_HALF) == CLOUDKEYS_ES384_HALF &&
	       BN_bn2binpad(s, ret + CLOUDKEYS_ES384_HALF, CLOUDKEYS_ES384_HALF) ==
		       CLOUDKEYS_ES384_HALF;
	ECDSA_SIG_free(sig);
	return done ? 0 : -EIO;
}

static int cloudkeys_jws(const struct cloudkeys *k, bool ec, const char *text, char **ret)
{
	unsigned char sig[512], joined[2 * CLOUDKEYS_ES384_HALF];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = sizeof(sig);
	int r = -EIO;

	if (ctx &&
	    EVP_DigestSignInit(ctx, NULL, ec ? EVP_sha384() : EVP_sha256(), NULL,
			       ec ? k->es384 : k->rsa) == 1 &&
	    EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text, strlen(text)) == 1)
		r = ec ? cloudkeys_join(sig, len, joined) : 0;
	EVP_MD_CTX_free(ctx);
	if (r < 0)
		return r;
	return ec ? cloudkeys_base64(joined, sizeof(joined), true, ret) :
		    cloudkeys_base64(sig, len, true, ret);
}

int cloudkeys_sign_token(const struct cloudkeys *k, const char *alg, const char *claims, char **ret)
{
	_cleanup_(cloudkeys_text_free) char *head = NULL, *body = NULL, *text = NULL, *sig = NULL;
	bool ec = !strcmp(alg, "ES384");
	char header[128];

	if (!ec && strcmp(alg, "RS256"))
		return -EINVAL;
	snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"lab-%s\",\"typ\":\"JWT\"}", alg,
		 alg);
	if (cloudkeys_base64(header, strlen(header), true, &head) < 0 ||
	    cloudkeys_base64(claims, strlen(claims), true, &body) < 0 ||
	    asprintf(&text, "%s.%s", head, body) < 0)
		return -EIO;
	if (cloudkeys_jws(k, ec, text, &sig) < 0)
		return -EIO;
	return asprintf(ret, "%s.%s", text, sig) < 0 ? -EIO : 0;
}

int cloudkeys_mac(const struct cloudkeys *k, const char *text, char ret[static 65])
{
	unsigned char mac[32];
	size_t len;

	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, k->secret, sizeof(k->secret),
		       (const unsigned char *)text, strlen(text), mac, sizeof(mac), &len))
		return -EIO;
	for (size_t i = 0; i < sizeof(mac); i++)
		snprintf(ret + 2 * i, 3, "%02x", mac[i]);
	return 0;
}

void cloudkeys_release(struct cloudkeys *k)
{
	EVP_PKEY_free(k->dsa);
	EVP_PKEY_free(k->rsa);
	EVP_PKEY_free(k->es384);
	X509_free(k->dsa_cert);
	X509_free(k->rsa_cert);
}
