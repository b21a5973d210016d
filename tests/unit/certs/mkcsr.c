/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/mkcsr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static void mkcsr_need(bool ok)
{
	if (ok)
		return;
	ERR_print_errors_fp(stderr);
	abort();
}

static void mkcsr_set_subject(X509_REQ *req, const struct mkcsr *spec)
{
	X509_NAME *name = X509_REQ_get_subject_name(req);

	for (size_t i = 0; i < MKCSR_FIELDS_MAX && spec->fields[i].bytes; i++) {
		const struct mkcsr_field *f = &spec->fields[i];

		mkcsr_need(X509_NAME_add_entry_by_NID(name, f->nid, f->type,
						      (const unsigned char *)f->bytes, (int)f->len,
						      -1, f->is_same_set ? -1 : 0));
	}
}

static void mkcsr_push_san(GENERAL_NAMES *sans, const struct mkcert_name *san)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string;

	mkcsr_need(name != NULL);
	if (san->type == GEN_RID) {
		name->type = GEN_RID;
		name->d.registeredID = OBJ_txt2obj(san->bytes, 1);
	} else {
		string = ASN1_STRING_type_new(san->type == GEN_IPADD ? V_ASN1_OCTET_STRING :
								       V_ASN1_IA5STRING);
		mkcsr_need(string && ASN1_STRING_set(string, san->bytes, (int)san->len));
		GENERAL_NAME_set0_value(name, san->type, string);
	}
	mkcsr_need(sk_GENERAL_NAME_push(sans, name) > 0);
}

static void mkcsr_push(X509_EXTENSIONS **list, int nid, const char *content, size_t len)
{
	ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	mkcsr_need(string &&
		   ASN1_OCTET_STRING_set(string, (const unsigned char *)content, (int)len));
	extension = X509_EXTENSION_create_by_NID(NULL, nid, 0, string);
	mkcsr_need(extension && X509v3_add_ext(list, extension, -1));
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(string);
}

static void mkcsr_push_sans(X509_EXTENSIONS **list, const struct mkcsr *spec)
{
	GENERAL_NAMES *sans = GENERAL_NAMES_new();
	unsigned char *der = NULL;
	int len;

	for (size_t i = 0; i < MKCSR_SANS_MAX && spec->sans[i].bytes; i++)
		mkcsr_push_san(sans, &spec->sans[i]);
	len = i2d_GENERAL_NAMES(sans, &der);
	mkcsr_need(len > 0);
	for (int n = spec->is_san_twice ? 2 : 1; n > 0; n--)
		mkcsr_push(list, NID_subject_alt_name, (const char *)der, (size_t)len);
	OPENSSL_free(der);
	GENERAL_NAMES_free(sans);
}

/* Gives the encoded list, or NULL for none. */
static unsigned char *mkcsr_encode_extensions(const struct mkcsr *spec, int *ret_len)
{
	X509_EXTENSIONS *list = NULL;
	unsigned char *der = NULL;

	if (spec->raw_extensions) {
		*ret_len = (int)spec->raw_extensions_len;
		return OPENSSL_memdup(spec->raw_extensions, spec->raw_extensions_len);
	}
	if (spec->has_usage)
		mkcsr_push(&list, NID_key_usage, "\x03\x02\x05\xa0", 4);
	if (spec->raw_san)
		mkcsr_push(&list, NID_subject_alt_name, spec->raw_san, spec->raw_san_len);
	else if (spec->sans[0].bytes)
		mkcsr_push_sans(&list, spec);
	if (!list)
		return NULL;
	*ret_len = i2d_X509_EXTENSIONS(list, &der);
	mkcsr_need(*ret_len > 0);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return der;
}

static void mkcsr_set_extensions(X509_REQ *req, const struct mkcsr *spec)
{
	int nid = spec->is_microsoft ? NID_ms_ext_req : NID_ext_req;
	int type = spec->raw_type ? spec->raw_type : V_ASN1_SEQUENCE;
	int len = 0;
	unsigned char *der = mkcsr_encode_extensions(spec, &len);
	X509_ATTRIBUTE *attribute;

	if (!der)
		return;
	attribute = X509_ATTRIBUTE_create_by_NID(NULL, nid, type, der, len);
	mkcsr_need(attribute != NULL);
	if (spec->is_value_twice)
		mkcsr_need(X509_ATTRIBUTE_set1_data(attribute, type, der, len));
	mkcsr_need(X509_REQ_add1_attr(req, attribute));
	/* OpenSSL adds no kind of attribute twice: the second changes its kind afterwards. */
	if (spec->is_attribute_twice) {
		mkcsr_need(X509_REQ_add1_attr_by_NID(req, NID_ms_ext_req, type, der, len));
		mkcsr_need(X509_ATTRIBUTE_set1_object(X509_REQ_get_attr(req, 1),
						      OBJ_nid2obj(NID_ext_req)));
	}
	X509_ATTRIBUTE_free(attribute);
	OPENSSL_free(der);
}

static void mkcsr_set_challenge(X509_REQ *req)
{
	mkcsr_need(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, V_ASN1_UTF8STRING,
					     (const unsigned char *)"open", 4));
}

char *mkcsr_pem(const char *name, const unsigned char *der, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long n;

	mkcsr_need(bio && PEM_write_bio(bio, name, "", der, (long)len) > 0);
	n = BIO_get_mem_data(bio, &bytes);
	text = strndup(bytes, (size_t)n);
	mkcsr_need(text != NULL);
	BIO_free(bio);
	return text;
}

static void mkcsr_sign(X509_REQ *req, const struct mkcsr *spec)
{
	const EVP_MD *digest = spec->digest ? EVP_get_digestbyname(spec->digest) : EVP_sha256();

	mkcsr_need(X509_REQ_sign(req, spec->signer ? spec->signer : spec->key,
				 EVP_PKEY_get_base_id(spec->key) == EVP_PKEY_ED25519 ? NULL :
										       digest) > 0);
}

/* In the bytes, for OpenSSL 3.5 sets no version but the good one; the signature is void then. */
static X509_REQ *mkcsr_change_version(X509_REQ *req, long version)
{
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(req, &der);
	const unsigned char *at = der;
	long n;
	int tag, class;

	mkcsr_need(len > 0);
	/* the request and what of it is signed; then type, length and value of the version */
	for (int i = 0; i < 2; i++)
		mkcsr_need(!(ASN1_get_object(&at, &n, &tag, &class, der + len - at) & 0x80));
	mkcsr_need(memcmp(at, "\x02\x01\x00", 3) == 0);
	der[at - der + 2] = (unsigned char)version;
	at = der;
	X509_REQ_free(req);
	req = d2i_X509_REQ(NULL, &at, len);
	mkcsr_need(req != NULL);
	OPENSSL_free(der);
	return req;
}

char *mkcsr_make(const struct mkcsr *spec)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	char *pem;
	int len;

	mkcsr_need(req && X509_REQ_set_version(req, X509_REQ_VERSION_1) &&
		   X509_REQ_set_pubkey(req, spec->key));
	mkcsr_set_subject(req, spec);
	mkcsr_set_extensions(req, spec);
	if (spec->has_challenge)
		mkcsr_set_challenge(req);
	mkcsr_sign(req, spec);
	if (spec->version != X509_REQ_VERSION_1) {
		req = mkcsr_change_version(req, spec->version);
		mkcsr_sign(req, spec);
	}
	len = i2d_X509_REQ(req, &der);
	mkcsr_need(len > 0);
	if (spec->has_rest) {
		der = OPENSSL_realloc(der, (size_t)len + 1);
		mkcsr_need(der != NULL);
		der[len++] = 0;
	}
	pem = mkcsr_pem("CERTIFICATE REQUEST", der, (size_t)len);
	OPENSSL_free(der);
	X509_REQ_free(req);
	return pem;
}
