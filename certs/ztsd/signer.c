/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/signer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/store.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "certs/keypair.h"
#include "common/files.h"
#include "common/secret.h"

#define SIGNER_SERIAL_BYTES 20 /* the most that RFC 5280, section 4.1.2.2 allows */

/* What is the same in every certificate is encoded once. */
struct signer {
	EVP_PKEY *key;
	X509 *cert;
	const EVP_MD *digest;
	X509_EXTENSION *constraints, *authority_key, *usage, *usage_rsa;
	char *bundle;
	uint64_t expires_wall;
};

static void signer_free_cert(X509 **p)
{
	X509_free(*p);
}

static void signer_free_names(GENERAL_NAMES **p)
{
	GENERAL_NAMES_free(*p);
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

/* Ed25519 and its like bring their own digest; for them there is none to name. */
static const EVP_MD *signer_digest(EVP_PKEY *key)
{
	int nid = NID_undef;

	if (EVP_PKEY_get_default_digest_nid(key, &nid) == 2 && nid == NID_undef)
		return NULL;
	return EVP_sha256();
}

/* Whoever has this key can be anybody: a file that all may read is not taken. */
static const char *signer_distrust(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	return st.st_mode & 07 ? "everybody may read or write this key: chmod o=" : NULL;
}

static EVP_PKEY *signer_load_file(const char *path, const char **ret_what)
{
	_cleanup_(files_freep) uint8_t *pem = NULL;
	_cleanup_(signer_free_bio) BIO *bio = NULL;
	EVP_PKEY *key = NULL;
	size_t len = 0;
	int r;

	*ret_what = signer_distrust(path);
	if (*ret_what)
		return NULL;
	r = files_read(path, KEYPAIR_KEY_MAX, &pem, &len);
	*ret_what = r < 0 ? strerror(-r) : "no private key in PEM, or one with a passphrase";
	if (r < 0)
		return NULL;
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
	secret_wipe_bytes(pem, len);
	return key;
}

static EVP_PKEY *signer_load_uri(const char *uri)
{
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
	EVP_PKEY *key = NULL;

	while (store && !key && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (!info && OSSL_STORE_error(store))
			break;
		if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
			key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	return key;
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

static int signer_load(struct signer *s, const char *cert_path, const char *key,
		       char ret_why[static SIGNER_WHY_MAX])
{
	const char *what = "no private key can be had from it; is OpenSSL's provider for such "
			   "URIs installed and set up?";
	int r = signer_load_cert(s, cert_path);

	if (r < 0)
		return signer_fail(
			ret_why, r == -EINVAL ? "not a readable certificate in PEM" : strerror(-r),
			cert_path);
	s->key = *key == '/' ? signer_load_file(key, &what) : signer_load_uri(key);
	if (!s->key)
		return signer_fail(ret_why, what, key);
	if (X509_check_private_key(s->cert, s->key) != 1)
		return signer_fail(ret_why, "the key does not belong to the CA's certificate", key);
	if (X509_check_ca(s->cert) != 1 || !(X509_get_key_usage(s->cert) & KU_KEY_CERT_SIGN))
		return signer_fail(ret_why, "not the certificate of a CA", cert_path);
	s->digest = signer_digest(s->key);
	return 0;
}

static X509_EXTENSION *signer_make_usage(bool rsa)
{
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	X509_EXTENSION *ext = NULL;

	/* Bit 0: digitalSignature; bit 2: keyEncipherment. Source: RFC 5280, section 4.2.1.3 */
	if (bits && ASN1_BIT_STRING_set_bit(bits, 0, 1) == 1 &&
	    (!rsa || ASN1_BIT_STRING_set_bit(bits, 2, 1) == 1))
		ext = X509V3_EXT_i2d(NID_key_usage, 1, bits);
	ASN1_BIT_STRING_free(bits);
	return ext;
}

static X509_EXTENSION *signer_make_constraints(void)
{
	BASIC_CONSTRAINTS *none = BASIC_CONSTRAINTS_new();
	X509_EXTENSION *ext = none ? X509V3_EXT_i2d(NID_basic_constraints, 1, none) : NULL;

	BASIC_CONSTRAINTS_free(none);
	return ext;
}

/* The CA's own key identifier; a CA without one is named by the hash of its key. */
static X509_EXTENSION *signer_make_authority_key(const X509 *cert)
{
	const ASN1_OCTET_STRING *own = X509_get0_subject_key_id((X509 *)cert);
	AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
	X509_EXTENSION *ext = NULL;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len;

	if (id && own)
		id->keyid = ASN1_OCTET_STRING_dup(own);
	else if (id && X509_pubkey_digest(cert, EVP_sha1(), hash, &len) == 1 &&
		 (id->keyid = ASN1_OCTET_STRING_new()))
		(void)ASN1_OCTET_STRING_set(id->keyid, hash, (int)len);
	if (id && id->keyid)
		ext = X509V3_EXT_i2d(NID_authority_key_identifier, 0, id);
	AUTHORITY_KEYID_free(id);
	return ext;
}

int signer_open(const char *cert_path, const char *key, struct signer **ret,
		char ret_why[static SIGNER_WHY_MAX])
{
	_cleanup_(signer_freep) struct signer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = signer_load(s, cert_path, key, ret_why);
	if (r < 0)
		return r;
	s->constraints = signer_make_constraints();
	s->authority_key = signer_make_authority_key(s->cert);
	s->usage = signer_make_usage(false);
	s->usage_rsa = signer_make_usage(true);
	if (!s->constraints || !s->authority_key || !s->usage || !s->usage_rsa)
		return -ENOMEM;
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

/* 0 when OpenSSL took it. */
static int signer_said(int ok)
{
	return ok == 1 ? 0 : -EIO;
}

/* V_ASN1_UTF8STRING and not MBSTRING_UTF8, which would refuse more than 64 characters. */
static int signer_add_name(X509_NAME *subject, int nid, int type, const char *text)
{
	if (!text || !*text)
		return 0;
	return signer_said(X509_NAME_add_entry_by_NID(subject, nid, type,
						      (const unsigned char *)text, -1, -1, 0));
}

static int signer_add_subject(X509 *cert, const struct signer_order *o)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int r = signer_add_name(subject, NID_countryName, V_ASN1_PRINTABLESTRING, o->country);

	if (r == 0)
		r = signer_add_name(subject, NID_organizationName, V_ASN1_UTF8STRING,
				    o->organization);
	if (r == 0)
		r = signer_add_name(subject, NID_organizationalUnitName, V_ASN1_UTF8STRING,
				    o->organizational_unit);
	if (r == 0)
		r = signer_add_name(subject, NID_commonName, V_ASN1_UTF8STRING, o->common_name);
	return r;
}

static int signer_set_serial(X509 *cert, const char *hex)
{
	BIGNUM *number = NULL;
	int r = -EIO;

	if (BN_hex2bn(&number, hex) > 0 && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)))
		r = 0;
	BN_free(number);
	return r;
}

/* Whole times only: UTCTime until 2049, as RFC 5280 wants it. */
static int signer_set_times(X509 *cert, const struct signer_order *o)
{
	if (!ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)o->not_before_wall) ||
	    !ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)o->not_after_wall))
		return -EIO;
	return 0;
}

static int signer_set_address(GENERAL_NAME *name, const char *text)
{
	unsigned char bytes[16];
	ASN1_OCTET_STRING *string = ASN1_OCTET_STRING_new();
	int len = inet_pton(AF_INET, text, bytes) == 1  ? 4 :
		  inet_pton(AF_INET6, text, bytes) == 1 ? 16 :
							  0;

	if (!string || !len || ASN1_OCTET_STRING_set(string, bytes, len) != 1) {
		ASN1_OCTET_STRING_free(string);
		return -EIO;
	}
	GENERAL_NAME_set0_value(name, GEN_IPADD, string);
	return 0;
}

static int signer_set_text(GENERAL_NAME *name, int type, const char *text)
{
	ASN1_IA5STRING *string = ASN1_IA5STRING_new();

	if (!string || ASN1_STRING_set(string, text, -1) != 1) {
		ASN1_IA5STRING_free(string);
		return -EIO;
	}
	GENERAL_NAME_set0_value(name, type, string);
	return 0;
}

static int signer_set_name(GENERAL_NAME *to, const struct csr_name *name)
{
	switch (name->kind) {
	case CSR_DNS:
		return signer_set_text(to, GEN_DNS, name->text);
	case CSR_URI:
		return signer_set_text(to, GEN_URI, name->text);
	case CSR_IP:
		return signer_set_address(to, name->text);
	case CSR_EMAIL:
		break; /* no rule lets one through */
	}
	return -EIO;
}

static int signer_add_sans(X509 *cert, const struct signer_order *o)
{
	_cleanup_(signer_free_names) GENERAL_NAMES *sans = GENERAL_NAMES_new();

	if (!sans)
		return -ENOMEM;
	for (size_t i = 0; i < o->n_names; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();

		if (!name || signer_set_name(name, o->names[i]) < 0 ||
		    sk_GENERAL_NAME_push(sans, name) <= 0) {
			GENERAL_NAME_free(name);
			return -EIO;
		}
	}
	if (!o->n_names)
		return 0;
	return signer_said(X509_add1_ext_i2d(cert, NID_subject_alt_name, sans, 0, 0));
}

static int signer_add_purposes(X509 *cert, unsigned int purposes)
{
	EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
	int r = usage ? 0 : -ENOMEM;

	if (r == 0 && (purposes & SIGNER_PURPOSE_CLIENT))
		r = sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_client_auth)) > 0 ? 0 : -ENOMEM;
	if (r == 0 && (purposes & SIGNER_PURPOSE_SERVER))
		r = sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_server_auth)) > 0 ? 0 : -ENOMEM;
	if (r == 0)
		r = signer_said(X509_add1_ext_i2d(cert, NID_ext_key_usage, usage, 0, 0));
	sk_ASN1_OBJECT_free(usage); /* the objects are static */
	return r;
}

static int signer_add_extensions(const struct signer *s, X509 *cert, const struct signer_order *o)
{
	X509_EXTENSION *usage = EVP_PKEY_is_a(o->key, "RSA") ? s->usage_rsa : s->usage;
	int r = 0;

	if (X509_add_ext(cert, s->constraints, -1) != 1 || X509_add_ext(cert, usage, -1) != 1 ||
	    X509_add_ext(cert, s->authority_key, -1) != 1)
		r = -EIO;
	if (r == 0)
		r = signer_add_purposes(cert, o->purposes);
	if (r == 0)
		r = signer_add_sans(cert, o);
	return r;
}

/* An EC key goes in as the bytes that it is. X509_set_pubkey() encodes a key and decodes the result
 * again, which costs more than the signature. */
static int signer_set_ec_key(X509 *cert, EVP_PKEY *key)
{
	X509_PUBKEY *to = X509_get_X509_PUBKEY(cert);
	unsigned char *point = NULL;
	char group[64];
	size_t len, group_len;
	int curve;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), &group_len) != 1)
		return -EIO;
	curve = OBJ_txt2nid(group);
	len = EVP_PKEY_get1_encoded_public_key(key, &point);
	if (curve != NID_undef && len &&
	    X509_PUBKEY_set0_param(to, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
				   OBJ_nid2obj(curve), point, (int)len) == 1)
		return 0; /* has taken the point */
	OPENSSL_free(point);
	return -EIO;
}

static int signer_set_key(X509 *cert, EVP_PKEY *key)
{
	if (EVP_PKEY_is_a(key, "EC"))
		return signer_set_ec_key(cert, key);
	return signer_said(X509_set_pubkey(cert, key));
}

/* What a root and what it signs have in common. */
static int signer_fill(X509 *cert, const struct signer_order *o)
{
	int r = X509_set_version(cert, X509_VERSION_3) == 1 ? 0 : -EIO;

	if (r == 0)
		r = signer_set_serial(cert, o->serial);
	if (r == 0)
		r = signer_set_times(cert, o);
	if (r == 0)
		r = signer_add_subject(cert, o);
	if (r == 0)
		r = signer_set_key(cert, o->key);
	return r;
}

/* Gives *ret as PEM. */
static int signer_write(X509 *cert, char **ret)
{
	_cleanup_(signer_free_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	if (!bio || PEM_write_bio_X509(bio, cert) != 1)
		return -EIO;
	len = BIO_get_mem_data(bio, &text);
	*ret = strndup(text, (size_t)len);
	return *ret ? 0 : -ENOMEM;
}

int signer_issue(const struct signer *s, const struct signer_order *order, char **ret)
{
	_cleanup_(signer_free_cert) X509 *cert = X509_new();
	int r = cert ? 0 : -ENOMEM;

	if (r == 0)
		r = signer_fill(cert, order);
	if (r == 0)
		r = signer_said(X509_set_issuer_name(cert, X509_get_subject_name(s->cert)));
	if (r == 0)
		r = signer_add_extensions(s, cert, order);
	if (r == 0)
		r = X509_sign(cert, s->key, s->digest) > 0 ? 0 : -EIO;
	if (r == 0)
		r = signer_write(cert, ret);
	ERR_clear_error();
	return r;
}

static int signer_add_root_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int r;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	r = ext ? signer_said(X509_add_ext(cert, ext, -1)) : -EIO;
	X509_EXTENSION_free(ext);
	return r;
}

int signer_make_root(const struct signer_order *order, char **ret)
{
	_cleanup_(signer_free_cert) X509 *cert = X509_new();
	int r = cert ? 0 : -ENOMEM;

	if (r == 0)
		r = signer_fill(cert, order);
	if (r == 0)
		r = signer_said(X509_set_issuer_name(cert, X509_get_subject_name(cert)));
	/* It signs end entities only. */
	if (r == 0)
		r = signer_add_root_extension(cert, NID_basic_constraints,
					      "critical,CA:TRUE,pathlen:0");
	if (r == 0)
		r = signer_add_root_extension(cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	if (r == 0)
		r = signer_add_root_extension(cert, NID_subject_key_identifier, "hash");
	if (r == 0)
		r = X509_sign(cert, order->key, signer_digest(order->key)) > 0 ? 0 : -EIO;
	if (r == 0)
		r = signer_write(cert, ret);
	ERR_clear_error();
	return r;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	X509_EXTENSION_free(s->constraints);
	X509_EXTENSION_free(s->authority_key);
	X509_EXTENSION_free(s->usage);
	X509_EXTENSION_free(s->usage_rsa);
	X509_free(s->cert);
	EVP_PKEY_free(s->key);
	free(s->bundle);
	free(s);
}

void signer_freep(struct signer **p)
{
	signer_free(*p);
}
