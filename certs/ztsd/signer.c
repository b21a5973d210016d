/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/signer.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/keypair.h"
#include "certs/ztsd/certbody.h"
#include "common/files.h"

#define SIGNER_SERIAL_BYTES 20 /* the most that RFC 5280, section 4.1.2.2 allows */
#define SIGNER_HASH_BYTES 20   /* SHA-1, which names keys. Source: RFC 5280, section 4.2.1.2 */
#define SIGNER_REASON_MAX 256
#define SIGNER_SIGNATURE_MAX 4096 /* bytes of a signature or a key: twice those of RSA 16384 */

enum { SIGNER_E_KEY = 1 }; /* the key does not sign */

/* How keys of one kind sign. */
struct signer_algorithm {
	const char *key;
	const char *digest; /* NULL = the key brings its own */
	unsigned char id[15];
	size_t id_len; /* of the AlgorithmIdentifier */
};

/* Source: RFC 5758, section 3.2; RFC 4055, section 5; RFC 8410, section 3 */
static const struct signer_algorithm signer_algorithms[] = {
	{ "EC", SN_sha256, { 0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 }, 12 },
	{ "RSA",
	  SN_sha256,
	  { 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0 },
	  15 },
	{ SN_ED25519, NULL, { 0x30, 5, 6, 3, 0x2b, 0x65, 0x70 }, 7 },
	{ SN_ED448, NULL, { 0x30, 5, 6, 3, 0x2b, 0x65, 0x71 }, 7 },
};

struct signer {
	struct cakey *key;
	X509 *cert;
	const struct signer_algorithm *algorithm;
	struct certbody_ca ca; /* parts of @cert, or @hash */
	unsigned char hash[SIGNER_HASH_BYTES];
	char *bundle;
	char key_name[CAKEY_URI_MAX]; /* for people */
	uint64_t expires_wall;
	bool is_down;
	char reason[SIGNER_REASON_MAX]; /* why the last signature failed */
};

static void signer_free_md(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static void signer_free_bytes(unsigned char **p)
{
	free(*p);
}

static void signer_free_bio(BIO **p)
{
	BIO_free(*p);
}

static int signer_fail(char ret_why[static SIGNER_WHY_MAX], const char *what, const char *file)
{
	ERR_clear_error();
	snprintf(ret_why, SIGNER_WHY_MAX, "%s: %s", file, what);
	return -EINVAL;
}

/* NULL for a key that signs in none of these ways. */
static const struct signer_algorithm *signer_find_algorithm(const EVP_PKEY *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(signer_algorithms); i++)
		if (EVP_PKEY_is_a(key, signer_algorithms[i].key))
			return &signer_algorithms[i];
	return NULL;
}

static int signer_load_cert(struct signer *s, const char *path)
{
	_cleanup_(files_freep) uint8_t *pem = NULL;
	_cleanup_(signer_free_bio) BIO *bio = NULL;
	struct tm tm;
	size_t len = 0;
	int r = files_read(path, KEYPAIR_CA_MAX, &pem, &len);

	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(pem, (int)len);
	s->cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!s->cert || memchr(pem, '\0', len) ||
	    ASN1_TIME_to_tm(X509_get0_notAfter(s->cert), &tm) != 1)
		return -EINVAL;
	s->expires_wall = (uint64_t)timegm(&tm);
	s->bundle = (char *)steal_ptr(pem);
	return 0;
}

static const char signer_mismatch[] = "the key does not belong to the CA's certificate";

static int signer_load(struct signer *s, const char *cert_path, const struct cakey_spec *key,
		       char ret_why[static SIGNER_WHY_MAX])
{
	int r = signer_load_cert(s, cert_path);

	if (r < 0)
		return signer_fail(
			ret_why, r == -EINVAL ? "not a readable certificate in PEM" : strerror(-r),
			cert_path);
	cakey_redact(key->key, s->key_name);
	r = cakey_open(key, &s->key, ret_why);
	if (r < 0)
		return r;
	s->is_down = !cakey_get(s->key);
	if (!s->is_down && X509_check_private_key(s->cert, cakey_get(s->key)) != 1)
		return signer_fail(ret_why, signer_mismatch, s->key_name);
	if (X509_check_ca(s->cert) != 1 || !(X509_get_key_usage(s->cert) & KU_KEY_CERT_SIGN))
		return signer_fail(ret_why, "not the certificate of a CA", cert_path);
	s->algorithm = signer_find_algorithm(X509_get0_pubkey(s->cert));
	if (!s->algorithm)
		return signer_fail(ret_why, "the key is none of EC, RSA, Ed25519 and Ed448",
				   cert_path);
	return 0;
}

/* The CA's own key identifier; a CA without one is named by the hash of its key. */
static int signer_describe(struct signer *s)
{
	const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(s->cert);
	unsigned int len = 0;

	s->ca.algorithm = s->algorithm->id;
	s->ca.algorithm_len = s->algorithm->id_len;
	if (X509_NAME_get0_der(X509_get_subject_name(s->cert), &s->ca.name, &s->ca.name_len) != 1)
		return -ENOMEM;
	if (own) {
		s->ca.key_id = ASN1_STRING_get0_data(own);
		s->ca.key_id_len = (size_t)ASN1_STRING_length(own);
		return 0;
	}
	s->ca.key_id = s->hash;
	s->ca.key_id_len = sizeof(s->hash);
	return X509_pubkey_digest(s->cert, EVP_sha1(), s->hash, &len) == 1 ? 0 : -ENOMEM;
}

int signer_open(const char *cert_path, const struct cakey_spec *key, struct signer **ret,
		char ret_why[static SIGNER_WHY_MAX])
{
	_cleanup_(signer_freep) struct signer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = signer_load(s, cert_path, key, ret_why);
	if (r < 0)
		return r;
	r = signer_describe(s);
	if (r < 0)
		return r;
	*ret = steal_ptr(s);
	return 0;
}

const char *signer_bundle(const struct signer *s)
{
	return s->bundle;
}

uint64_t signer_expires_wall(const struct signer *s)
{
	return s->expires_wall;
}

const X509 *signer_cert(const struct signer *s)
{
	return s->cert;
}

int signer_make_serial(char ret[static SIGNER_SERIAL_MAX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[SIGNER_SERIAL_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	/* 01......: the highest bit would make it negative, the next one fixes its length. */
	bytes[0] = (bytes[0] & 0x3f) | 0x40;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret[i * 2] = hex[bytes[i] >> 4];
		ret[i * 2 + 1] = hex[bytes[i] & 15];
	}
	ret[sizeof(bytes) * 2] = '\0';
	return 0;
}

/* How a certificate is signed. */
struct signer_pen {
	const struct cakey *ca; /* NULL = a key of no token */
	EVP_PKEY *key;
	const struct signer_algorithm *algorithm;
};

/* A new context for each: not every token can copy one. Puts the signature of @body.
 * Errors: 0; SIGNER_E_KEY when the key does not sign, with the reason in OpenSSL's queue. */
static int signer_sign(const struct signer_pen *pen, const struct der_out *body,
		       struct der_out *out)
{
	_cleanup_(signer_free_md) EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char bytes[SIGNER_SIGNATURE_MAX];
	size_t len = sizeof(bytes), mark = der_mark(out);

	if (!md || cakey_begin(pen->ca, pen->key, pen->algorithm->digest, md) < 0 ||
	    EVP_DigestSign(md, bytes, &len, body->at, der_mark(body)) != 1)
		return SIGNER_E_KEY;
	der_put(out, bytes, len);
	der_put(out, "", 1); /* bits of it that do not count */
	der_wrap(out, DER_BIT_STRING, mark);
	return 0;
}

/* Puts the whole certificate. */
static int signer_put(const struct signer_pen *pen, const struct der_out *body, struct der_out *out)
{
	size_t mark = der_mark(out);
	int r = signer_sign(pen, body, out);

	der_put(out, pen->algorithm->id, pen->algorithm->id_len);
	der_put(out, body->at, der_mark(body));
	der_wrap(out, DER_SEQUENCE, mark);
	return r == 0 && out->failed ? -EIO : r;
}

/* Gives *ret as PEM. */
static int signer_write(const struct der_out *whole, char **ret)
{
	_cleanup_(signer_free_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	if (!bio || PEM_write_bio(bio, PEM_STRING_X509, "", whole->at, (long)der_mark(whole)) <= 0)
		return -EIO;
	len = BIO_get_mem_data(bio, &text);
	*ret = strndup(text, (size_t)len);
	return *ret ? 0 : -ENOMEM;
}

static int signer_make(const struct signer_pen *pen, const struct signer_order *order,
		       const struct certbody_ca *ca, char **ret)
{
	size_t room = certbody_room(order, ca) + SIGNER_SIGNATURE_MAX;
	_cleanup_(signer_free_bytes) unsigned char *bytes = malloc(2 * room);
	struct der_out body, whole;
	int r;

	if (!bytes)
		return -ENOMEM;
	body = der_begin(bytes, room);
	whole = der_begin(bytes + room, room);
	r = certbody_put(order, ca, &body);
	if (r == 0)
		r = signer_put(pen, &body, &whole);
	if (r == 0)
		r = signer_write(&whole, ret);
	return r;
}

/* A key that fails once is down until signer_start() has seen it sign: a token that is away would
 * hold up every request anew. */
int signer_issue(struct signer *s, const struct signer_order *order, char **ret)
{
	const struct signer_pen pen = { s->key, cakey_get(s->key), s->algorithm };
	int r = s->is_down ? -EIO : signer_make(&pen, order, &s->ca, ret);

	if (r == SIGNER_E_KEY) {
		s->is_down = true;
		cakey_reason(s->reason, sizeof(s->reason));
	}
	ERR_clear_error();
	return r > 0 ? -EIO : r;
}

bool signer_is_down(const struct signer *s)
{
	return s->is_down;
}

bool signer_has_told_pin(const struct signer *s)
{
	return cakey_has_told_pin(s->key);
}

/* Whether the certificate @pem was signed by the CA; without its provider's help. */
static bool signer_verifies(const struct signer *s, const char *pem)
{
	_cleanup_(signer_free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool good = cert && X509_verify(cert, X509_get0_pubkey(s->cert)) == 1;

	X509_free(cert);
	return good;
}

/* Signs a certificate that was over in 1970 and is thrown away. */
static int signer_prove(struct signer *s, char ret_why[static SIGNER_WHY_MAX])
{
	struct signer_order order = { .key = X509_get0_pubkey(s->cert),
				      .common_name = "proof",
				      .serial = "01" };
	char *pem = NULL;
	bool good;
	int r;

	s->is_down = false;
	r = signer_issue(s, &order, &pem);
	good = r == 0 && signer_verifies(s, pem);
	free(pem);
	if (good)
		return 0;
	if (r < 0 && !s->is_down)
		return -ENOMEM;
	s->is_down = true;
	if (r == 0)
		return signer_fail(ret_why, signer_mismatch, s->key_name);
	snprintf(ret_why, SIGNER_WHY_MAX, "%s: the key cannot sign%s", s->key_name, s->reason);
	return -EINVAL;
}

int signer_start(struct signer *s, char ret_why[static SIGNER_WHY_MAX])
{
	int r = cakey_get(s->key) ? signer_prove(s, ret_why) : -EINVAL;

	if (r == -EINVAL && cakey_is_token(s->key)) {
		s->is_down = true;
		r = cakey_load(s->key, ret_why);
		if (r == 0)
			r = signer_prove(s, ret_why);
	}
	return r;
}

/* The hash of the key's bits. */
static int signer_hash_key(EVP_PKEY *key, unsigned char ret[static SIGNER_HASH_BYTES])
{
	unsigned char bytes[SIGNER_SIGNATURE_MAX];
	struct der_out out = der_begin(bytes, sizeof(bytes));
	struct der_in all, info, bits;
	bool failed;

	if (certbody_put_key(key, &out) < 0 || out.failed)
		return -EIO;
	all = der_open(out.at, der_mark(&out), &failed);
	info = der_enter(&all, DER_SEQUENCE);
	(void)der_enter(&info, DER_SEQUENCE);
	bits = der_enter(&info, DER_BIT_STRING);
	if (!der_len(&bits) ||
	    EVP_Digest(bits.at + 1, der_len(&bits) - 1, ret, NULL, EVP_sha1(), NULL) != 1)
		return -EIO;
	return 0;
}

int signer_make_root(const struct signer_order *order, const struct cakey *key, char **ret)
{
	const struct signer_pen pen = { key, order->key, signer_find_algorithm(order->key) };
	unsigned char hash[SIGNER_HASH_BYTES];
	struct certbody_ca ca = { .key_id = hash, .key_id_len = sizeof(hash) };
	int r = pen.algorithm ? signer_hash_key(order->key, hash) : -EIO;

	if (r == 0) {
		ca.algorithm = pen.algorithm->id;
		ca.algorithm_len = pen.algorithm->id_len;
		r = signer_make(&pen, order, &ca, ret);
	}
	return r > 0 ? -EIO : r;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	X509_free(s->cert);
	cakey_close(s->key);
	free(s->bundle);
	free(s);
}

void signer_freep(struct signer **p)
{
	signer_free(*p);
}
