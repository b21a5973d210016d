/* SPDX-License-Identifier: MIT */
#include "certs/csrform.h"

#include <openssl/asn1t.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <pthread.h>

/* As ASN1_SEQUENCE_enc() would say it of a type that has a typedef. */
static const ASN1_AUX csrform_info_aux = {
	.flags = ASN1_AFLG_ENCODING,
	.enc_offset = offsetof(struct csrform_info, bytes),
};

ASN1_SEQUENCE(csrform_info) = {
	ASN1_SIMPLE(struct csrform_info, version, ASN1_INTEGER),
	ASN1_SIMPLE(struct csrform_info, subject, X509_NAME),
	ASN1_SIMPLE(struct csrform_info, key, ASN1_SEQUENCE),
	ASN1_IMP_SET_OF_OPT(struct csrform_info, attributes, X509_ATTRIBUTE, 0),
} static_ASN1_SEQUENCE_END_ref(struct csrform_info, csrform_info)

ASN1_SEQUENCE(csrform) = {
	ASN1_SIMPLE(struct csrform, info, csrform_info),
	ASN1_SIMPLE(struct csrform, algorithm, X509_ALGOR),
	ASN1_SIMPLE(struct csrform, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END_name(struct csrform, csrform)

/* Made for the first key, and kept until the program ends. */
static struct {
	pthread_mutex_t lock;
	OSSL_DECODER_CTX *decoder;
	EVP_PKEY *key; /* where the decoder puts it; NULL in between */
} csrform_keys = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct csrform *csrform_decode(const unsigned char *der, long len, bool *ret_left)
{
	_cleanup_(csrform_freep) struct csrform *f = NULL;
	const unsigned char *at = der;

	f = (struct csrform *)ASN1_item_d2i(NULL, &at, len, ASN1_ITEM_rptr(csrform));
	*ret_left = f && at != der + len;
	return *ret_left ? NULL : steal_ptr(f);
}

/* Under the lock. */
static EVP_PKEY *csrform_run_decoder(const ASN1_STRING *der)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(der);
	size_t left = (size_t)ASN1_STRING_length(der);
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

EVP_PKEY *csrform_decode_key(const struct csrform *f)
{
	EVP_PKEY *key;

	pthread_mutex_lock(&csrform_keys.lock);
	key = csrform_run_decoder(f->info->key);
	pthread_mutex_unlock(&csrform_keys.lock);
	return key;
}

bool csrform_is_signed_by(const struct csrform *f, EVP_PKEY *key)
{
	return ASN1_item_verify(ASN1_ITEM_rptr(csrform_info), f->algorithm, f->signature, f->info,
				key) == 1;
}

void csrform_freep(struct csrform **p)
{
	ASN1_item_free((ASN1_VALUE *)*p, ASN1_ITEM_rptr(csrform));
}
