/* SPDX-License-Identifier: MIT */
#include "certs/csrform.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

#define CSRFORM_OID_MAX 9

/* How a request may be signed. Only digests without known collisions: a name can be in a request
 * that somebody else signed. */
struct csrform_algorithm {
	unsigned char oid[CSRFORM_OID_MAX];
	size_t oid_len;
	const char *key, *digest;
};

/* Source: RFC 5758, section 3.2; RFC 4055, section 5 */
static const struct csrform_algorithm csrform_algorithms[] = {
	{ { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 }, 8, "EC", SN_sha256 },
	{ { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3 }, 8, "EC", SN_sha384 },
	{ { 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4 }, 8, "EC", SN_sha512 },
	{ { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11 }, 9, "RSA", SN_sha256 },
	{ { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12 }, 9, "RSA", SN_sha384 },
	{ { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13 }, 9, "RSA", SN_sha512 },
};

/* What comes before the point in the SubjectPublicKeyInfo of a P-256 key, when the curve is named
 * and the point is not compressed. Source: RFC 5480, section 2 */
static const unsigned char csrform_p256[] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
	0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04
};
enum { CSRFORM_P256_POINT = 65 };

/* Made for the first key, and kept until the program ends. */
static struct {
	pthread_mutex_t lock;
	EVP_PKEY *p256; /* of the last request; NULL while somebody has it */
	EVP_PKEY *lent; /* who gives this one back gives back p256 */
	OSSL_DECODER_CTX *decoder;
	EVP_PKEY *key; /* where the decoder puts it; NULL in between */
} csrform_keys = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void csrform_decode_info(struct csrform *f, struct der_in info)
{
	f->version = der_enter(&info, DER_INTEGER);
	f->subject = der_enter(&info, DER_SEQUENCE);
	f->key = der_take(&info, DER_SEQUENCE);
	f->attributes = info;
	if (der_len(&info))
		f->attributes = der_enter(&info, DER_CONTEXT_HOLDS(0));
	der_end(&info);
}

/* A string of whole bytes. */
static void csrform_decode_signature(struct csrform *f, struct der_in bits)
{
	*bits.failed |= !der_len(&bits) || bits.at[0] != 0;
	f->signature = bits;
	f->signature.at += !*bits.failed;
}

int csrform_decode(const unsigned char *der, size_t len, bool *failed, struct csrform *ret)
{
	struct der_in all = der_open(der, len, failed), info;
	struct der_in request = der_enter(&all, DER_SEQUENCE);

	ret->info = info = der_take(&request, DER_SEQUENCE);
	csrform_decode_info(ret, der_enter(&info, DER_SEQUENCE));
	ret->algorithm = der_enter(&request, DER_SEQUENCE);
	csrform_decode_signature(ret, der_enter(&request, DER_BIT_STRING));
	der_end(&request);
	if (*failed)
		return -EBADMSG;
	return der_len(&all) ? -E2BIG : 0;
}

/* Under the lock. */
static EVP_PKEY *csrform_run_decoder(const struct der_in *der)
{
	const unsigned char *bytes = der->at;
	size_t left = der_len(der);
	EVP_PKEY *key;

	if (!csrform_keys.decoder)
		csrform_keys.decoder = OSSL_DECODER_CTX_new_for_pkey(&csrform_keys.key, "DER",
								     "SubjectPublicKeyInfo", NULL,
								     EVP_PKEY_PUBLIC_KEY, NULL,
								     NULL);
	if (!csrform_keys.decoder)
		return NULL;
	if (OSSL_DECODER_from_data(csrform_keys.decoder, &bytes, &left) != 1 || left) {
		EVP_PKEY_free(csrform_keys.key);
		csrform_keys.key = NULL;
	}
	key = csrform_keys.key;
	csrform_keys.key = NULL;
	return key;
}

static bool csrform_is_p256(const struct der_in *key)
{
	return der_len(key) == sizeof(csrform_p256) - 1 + CSRFORM_P256_POINT &&
	       memcmp(key->at, csrform_p256, sizeof(csrform_p256)) == 0;
}

static EVP_PKEY *csrform_make_curve(void)
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
								 (char *)SN_X9_62_prime256v1, 0),
				OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Nearly all keys are of this kind. Another point for the key of the last request, checked to lie
 * on the curve, costs a twentieth of what the decoder costs. Under the lock. */
static EVP_PKEY *csrform_make_p256(const struct der_in *der)
{
	EVP_PKEY *key = csrform_keys.p256 ? csrform_keys.p256 : csrform_make_curve();

	csrform_keys.p256 = NULL;
	if (key && EVP_PKEY_set1_encoded_public_key(key, der->end - CSRFORM_P256_POINT,
						    CSRFORM_P256_POINT) == 1) {
		csrform_keys.lent = key;
		return key;
	}
	EVP_PKEY_free(key);
	return NULL;
}

EVP_PKEY *csrform_decode_key(const struct csrform *f)
{
	EVP_PKEY *key;

	pthread_mutex_lock(&csrform_keys.lock);
	key = csrform_is_p256(&f->key) ? csrform_make_p256(&f->key) : csrform_run_decoder(&f->key);
	pthread_mutex_unlock(&csrform_keys.lock);
	return key;
}

void csrform_free_key(EVP_PKEY *key)
{
	pthread_mutex_lock(&csrform_keys.lock);
	if (key && key == csrform_keys.lent && !csrform_keys.p256) {
		csrform_keys.p256 = key;
		csrform_keys.lent = key = NULL;
	}
	pthread_mutex_unlock(&csrform_keys.lock);
	EVP_PKEY_free(key);
}

size_t csrform_encode_key(const struct csrform *f, const EVP_PKEY *key, unsigned char **ret)
{
	size_t len = der_len(&f->key);
	unsigned char *der = NULL;
	int n;

	if (csrform_is_p256(&f->key)) {
		*ret = OPENSSL_memdup(f->key.at, len);
		return *ret ? len : 0;
	}
	n = i2d_PUBKEY(key, &der);
	if (n <= 0)
		return 0;
	*ret = der;
	return (size_t)n;
}

/* ECDSA has no parameters; RSA has NULL, which some leave out. */
static const struct csrform_algorithm *csrform_find_algorithm(const struct csrform *f)
{
	struct der_in rest = f->algorithm, oid = der_enter(&rest, DER_OID);

	for (size_t i = 0; i < ARRAY_SIZE(csrform_algorithms); i++) {
		const struct csrform_algorithm *a = &csrform_algorithms[i];

		if (!der_is(&oid, a->oid, a->oid_len))
			continue;
		return !der_len(&rest) || (*a->key == 'R' && der_is(&rest, "\5\0", 2)) ? a : NULL;
	}
	return NULL;
}

bool csrform_knows_algorithm(const struct csrform *f)
{
	return csrform_find_algorithm(f) != NULL;
}

bool csrform_is_signed_by(const struct csrform *f, EVP_PKEY *key)
{
	const struct csrform_algorithm *a = csrform_find_algorithm(f);
	EVP_MD_CTX *md = a && EVP_PKEY_is_a(key, a->key) == 1 ? EVP_MD_CTX_new() : NULL;
	bool is_good = md &&
		       EVP_DigestVerifyInit_ex(md, NULL, a->digest, NULL, NULL, key, NULL) == 1 &&
		       EVP_DigestVerify(md, f->signature.at, der_len(&f->signature), f->info.at,
					der_len(&f->info)) == 1;

	EVP_MD_CTX_free(md);
	return is_good;
}
