/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/mkcert.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/attr.h"

static void mkcert_free_sans(GENERAL_NAMES **sans)
{
	GENERAL_NAMES_free(*sans);
}

static void mkcert_free_extension(X509_EXTENSION **extension)
{
	X509_EXTENSION_free(*extension);
}

static void mkcert_free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void mkcert_free_cert(X509 **cert)
{
	X509_free(*cert);
}

/* V_ASN1_… instead of MBSTRING_…: the bytes go in as they are, of any length. */
static bool mkcert_set_cns(X509 *cert, const struct mkcert *spec)
{
	static const struct mkcert_name common_ou = MKCERT_NAME(V_ASN1_UTF8STRING, "tests.example");
	const struct mkcert_name *ou = spec->ou.bytes ? &spec->ou : &common_ou;
	X509_NAME *name = X509_get_subject_name(cert);

	if (!spec->has_no_ou &&
	    !X509_NAME_add_entry_by_NID(name, NID_organizationalUnitName, ou->type,
					(const unsigned char *)ou->bytes, (int)ou->len, -1, 0))
		return false;
	for (size_t i = 0; i < MKCERT_CNS_MAX && spec->cns[i].bytes; i++) {
		const struct mkcert_name *cn = &spec->cns[i];

		if (!X509_NAME_add_entry_by_NID(name, NID_commonName, cn->type,
						(const unsigned char *)cn->bytes, (int)cn->len, -1,
						i > 0 && spec->is_one_rdn ? -1 : 0))
			return false;
	}
	return true;
}

/* The number of bytes of another kind's value must fit that kind. */
static GENERAL_NAME *mkcert_new_san(const struct mkcert_name *san)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = ASN1_STRING_type_new(san->type == GEN_IPADD ? V_ASN1_OCTET_STRING :
									    V_ASN1_IA5STRING);

	if (name && string && ASN1_STRING_set(string, san->bytes, (int)san->len)) {
		GENERAL_NAME_set0_value(name, san->type, string);
		return name;
	}
	GENERAL_NAME_free(name);
	ASN1_STRING_free(string);
	return NULL;
}

static bool mkcert_set_sans(X509 *cert, const struct mkcert *spec)
{
	_cleanup_(mkcert_free_sans) GENERAL_NAMES *sans = GENERAL_NAMES_new();

	for (size_t i = 0; i < MKCERT_SANS_MAX && spec->sans[i].bytes; i++) {
		GENERAL_NAME *san = mkcert_new_san(&spec->sans[i]);

		if (!san || !sk_GENERAL_NAME_push(sans, san))
			return false;
	}
	if (!spec->sans[0].bytes)
		return true;
	for (int n = spec->is_san_twice ? 2 : 1; n > 0; n--) {
		if (X509_add1_ext_i2d(cert, NID_subject_alt_name, sans, 0, X509V3_ADD_APPEND) != 1)
			return false;
	}
	return true;
}

static bool mkcert_set_raw_san(X509 *cert, const struct mkcert *spec)
{
	_cleanup_(mkcert_free_extension) X509_EXTENSION *extension = NULL;
	ASN1_OCTET_STRING *content = ASN1_OCTET_STRING_new();

	if (content && ASN1_OCTET_STRING_set(content, (const unsigned char *)spec->raw_san,
					     (int)spec->raw_san_len))
		extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, content);
	ASN1_OCTET_STRING_free(content);
	return extension && X509_add_ext(cert, extension, -1);
}

static bool mkcert_set_serial(X509 *cert, const struct mkcert *spec)
{
	ASN1_INTEGER *serial = X509_get_serialNumber(cert);

	if (!spec->serial)
		return ASN1_INTEGER_set(serial, 1);
	serial->type = spec->is_serial_negative ? V_ASN1_NEG_INTEGER : V_ASN1_INTEGER;
	return ASN1_STRING_set(serial, spec->serial, (int)spec->serial_len);
}

static bool mkcert_set_time(ASN1_TIME *time, const char *text)
{
	time->type = V_ASN1_GENERALIZEDTIME;
	return ASN1_STRING_set(time, text, -1);
}

static bool mkcert_set_times(X509 *cert, const struct mkcert *spec)
{
	return mkcert_set_time(X509_getm_notBefore(cert),
			       spec->not_before ? spec->not_before : "20200101000000Z") &&
	       mkcert_set_time(X509_getm_notAfter(cert),
			       spec->not_after ? spec->not_after : "20500101000000Z");
}

static X509 *mkcert_reread(X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	const unsigned char *at = der;
	X509 *again = len > 0 ? d2i_X509(NULL, &at, len) : NULL;

	OPENSSL_free(der);
	return again;
}

X509 *mkcert_make(const struct mkcert *spec)
{
	_cleanup_(mkcert_free_cert) X509 *cert = X509_new();
	_cleanup_(mkcert_free_key) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!cert || !key || !X509_set_version(cert, X509_VERSION_3) ||
	    !mkcert_set_serial(cert, spec) || !mkcert_set_times(cert, spec) ||
	    !mkcert_set_cns(cert, spec) || !X509_set_pubkey(cert, key))
		return NULL;
	if (!(spec->raw_san ? mkcert_set_raw_san(cert, spec) : mkcert_set_sans(cert, spec)))
		return NULL;
	if (!X509_set_issuer_name(cert, X509_get_subject_name(cert)) || !X509_sign(cert, key, NULL))
		return NULL;
	return mkcert_reread(cert);
}
