/* SPDX-License-Identifier: MIT */
#include "certs/keypair.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#define KEYPAIR_RSA_BITS_MIN 2048
#define KEYPAIR_RSA_BITS_MAX 4096
/* Bits of an RSA exponent: from 65537 on, and not so long that a check takes seconds. */
#define KEYPAIR_RSA_E_BITS_MIN 17
#define KEYPAIR_RSA_E_BITS_MAX 64
#define KEYPAIR_CHAIN_MAX 4      /* certificates between ours and the CA */
#define KEYPAIR_SECURITY_LEVEL 2 /* 112 bits. Source: SSL_CTX_set_security_level(3) */

/* The three texts, read. */
struct keypair_parsed {
	EVP_PKEY *key;
	X509 *cert;
	STACK_OF(X509) * chain; /* what follows ours */
	STACK_OF(X509) * cas;
};

/* What came of the check. */
struct keypair_verdict {
	enum pst code;
	const char *detail; /* static */
	bool no_memory;
};

static struct keypair_verdict keypair_say(enum pst code, const char *detail)
{
	return (struct keypair_verdict){ .code = code, .detail = detail };
}

static void keypair_free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void keypair_free_key_context(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static void keypair_free_number(BIGNUM **n)
{
	BN_free(*n);
}

static void keypair_free_store(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void keypair_free_store_context(X509_STORE_CTX **ctx)
{
	X509_STORE_CTX_free(*ctx);
}

static void keypair_free_certs(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
}

static void keypair_release(struct keypair_parsed *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->cert);
	keypair_free_certs(&p->chain);
	keypair_free_certs(&p->cas);
}

/* Empties the thread's error queue. Gives whether an allocation had failed: lack of memory must not
 * be taken for a bad pair. */
static bool keypair_drain_errors(void)
{
	bool no_memory = false;
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		no_memory |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
	return no_memory;
}

static const char *keypair_judge_rsa(const EVP_PKEY *key)
{
	_cleanup_(keypair_free_number) BIGNUM *e = NULL;
	int bits = EVP_PKEY_get_bits(key);

	if (bits < KEYPAIR_RSA_BITS_MIN)
		return "the RSA key has fewer than 2048 bits";
	if (bits > KEYPAIR_RSA_BITS_MAX)
		return "the RSA key has more than 4096 bits";
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return "the RSA key has no exponent";
	if (!BN_is_odd(e) || BN_num_bits(e) < KEYPAIR_RSA_E_BITS_MIN ||
	    BN_num_bits(e) > KEYPAIR_RSA_E_BITS_MAX)
		return "the RSA exponent is even, below 65537 or above 64 bits";
	return NULL;
}

static const char *keypair_judge_ec(const EVP_PKEY *key)
{
	char group[32];
	size_t len;
	int is_explicit = 0;

	if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1 ||
	    (strcmp(group, SN_X9_62_prime256v1) != 0 && strcmp(group, SN_secp384r1) != 0))
		return "the curve of the key is neither P-256 nor P-384";
	if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
				   &is_explicit) == 1 &&
	    is_explicit)
		return "the curve of the key is spelled out instead of named";
	return NULL;
}

const char *keypair_judge_key(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return keypair_judge_rsa(key);
	case EVP_PKEY_EC:
		return keypair_judge_ec(key);
	default:
		return "the key is neither EC nor RSA";
	}
}

int keypair_generate(enum certconf_key type, EVP_PKEY **ret)
{
	EVP_PKEY *key = NULL;

	ERR_clear_error();
	switch (type) {
	case CERTCONF_EC_P256:
		key = EVP_EC_gen(SN_X9_62_prime256v1);
		break;
	case CERTCONF_RSA_2048:
		key = EVP_RSA_gen(2048);
		break;
	case CERTCONF_RSA_3072:
		key = EVP_RSA_gen(3072);
		break;
	}
	ERR_clear_error();
	if (!key)
		return -EIO;
	*ret = key;
	return 0;
}

static int keypair_encode_key(EVP_PKEY *key, char **ret)
{
	/* Wipes what it held, also when it grows. */
	_cleanup_(keypair_free_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	if (!bio || PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return -EIO;
	len = BIO_get_mem_data(bio, &bytes);
	if (len <= 0 || len > KEYPAIR_KEY_MAX)
		return -EIO;
	*ret = strndup(bytes, (size_t)len);
	return *ret ? 0 : -ENOMEM;
}

int keypair_write_key(EVP_PKEY *key, char **ret)
{
	char *pem = NULL;
	int r;

	ERR_clear_error();
	r = keypair_encode_key(key, &pem);
	if (keypair_drain_errors() && r != 0)
		return -ENOMEM;
	if (r == 0)
		*ret = pem;
	return r;
}

/* Instead of OpenSSL's own, which would ask at the terminal. */
static int keypair_no_password(char *to, int size, int is_writing, void *user)
{
	return -1;
}

/* NULL when there is nothing in it, or more than @max bytes. */
static BIO *keypair_open_text(const char *text, size_t len, size_t max)
{
	return len > 0 && len <= max ? BIO_new_mem_buf(text, (int)len) : NULL;
}

/* Whether the last error says only that there is no further block. */
static bool keypair_is_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

/* Reads all certificates up to the end; text between them does not matter. */
static bool keypair_take_certs(BIO *bio, STACK_OF(X509) * to)
{
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, keypair_no_password, NULL))) {
		if (sk_X509_push(to, cert) <= 0) {
			X509_free(cert);
			return false;
		}
	}
	if (!keypair_is_end() || sk_X509_num(to) == 0)
		return false;
	ERR_clear_error();
	return true;
}

/* Gives NULL when there is none, or one that cannot be read. */
static struct stack_st_X509 *keypair_parse_certs(const char *pem, size_t len, size_t max)
{
	_cleanup_(keypair_free_bio) BIO *bio = keypair_open_text(pem, len, max);
	_cleanup_(keypair_free_certs) STACK_OF(X509) *certs = sk_X509_new_null();

	if (!bio || !certs || !keypair_take_certs(bio, certs))
		return NULL;
	return steal_ptr(certs);
}

int keypair_read_certs(const char *pem, size_t len, struct stack_st_X509 **ret)
{
	STACK_OF(X509) * certs;

	ERR_clear_error();
	certs = keypair_parse_certs(pem, len, INT_MAX);
	if (keypair_drain_errors() && !certs)
		return -ENOMEM;
	if (!certs)
		return -EBADMSG;
	*ret = certs;
	return 0;
}

static const char *keypair_parse_key(const struct keypair_pem *pem, struct keypair_parsed *p)
{
	_cleanup_(keypair_free_bio)
		BIO *bio = keypair_open_text(pem->key, pem->key_len, KEYPAIR_KEY_MAX);

	if (bio)
		p->key = PEM_read_bio_PrivateKey(bio, NULL, keypair_no_password, NULL);
	return p->key ? NULL : "the key file holds no private key in PEM that can be read";
}

static const char *keypair_parse_cert(const struct keypair_pem *pem, struct keypair_parsed *p)
{
	p->chain = keypair_parse_certs(pem->cert, pem->cert_len, KEYPAIR_CERT_MAX);
	if (!p->chain)
		return "the certificate file holds no certificate in PEM, or one nobody can read";
	p->cert = sk_X509_shift(p->chain);
	return NULL;
}

static const char *keypair_parse_cas(const struct keypair_pem *pem, struct keypair_parsed *p)
{
	p->cas = keypair_parse_certs(pem->ca, pem->ca_len, KEYPAIR_CA_MAX);
	return p->cas ? NULL : "the CA file holds no certificate in PEM, or one nobody can read";
}

/* X509_check_private_key() alone compares the public halves, and a file may hold any two. */
static const char *keypair_match(const struct keypair_parsed *p)
{
	_cleanup_(keypair_free_key_context) EVP_PKEY_CTX *ctx = NULL;

	if (X509_check_private_key(p->cert, p->key) != 1)
		return "the key does not belong to the certificate";
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p->key, NULL);
	if (!ctx || EVP_PKEY_pairwise_check(ctx) != 1)
		return "the two halves of the key do not belong together";
	return NULL;
}

static struct keypair_verdict keypair_parse(const struct keypair_pem *pem, struct keypair_parsed *p)
{
	const char *why = keypair_parse_key(pem, p);

	if (!why)
		why = keypair_parse_cert(pem, p);
	if (!why)
		why = keypair_parse_cas(pem, p);
	if (!why)
		why = keypair_judge_key(p->key);
	if (!why)
		why = keypair_match(p);
	return keypair_say(why ? PST_PAIR_UNUSABLE : PST_NONE, why);
}

static bool keypair_read_time(const ASN1_TIME *time, uint64_t *ret)
{
	struct tm tm;
	time_t wall;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	wall = timegm(&tm);
	if (wall < 0)
		return false;
	*ret = (uint64_t)wall;
	return true;
}

static struct keypair_verdict keypair_read_times(const X509 *cert, struct keypair_facts *facts)
{
	if (!keypair_read_time(X509_get0_notBefore(cert), &facts->not_before_wall) ||
	    !keypair_read_time(X509_get0_notAfter(cert), &facts->not_after_wall))
		return keypair_say(PST_CERT_FIELD, "a date of the certificate cannot be used");
	return keypair_say(PST_NONE, NULL);
}

/* Not by a rule of peerid: whose it is shall be known also when it is not ours. */
static struct keypair_verdict keypair_compare(const struct keypair_want *want,
					      const struct peerid *id)
{
	enum pst code = PST_NONE;

	if (want->instance_id && want->provider && !id->instance_id[0])
		code = PST_INSTANCE_ID;
	else if (want->provider && strcmp(want->provider, id->provider) != 0)
		code = PST_PROVIDER_DENIED;
	else if (want->principal && strcmp(want->principal, id->principal) != 0)
		code = PST_PRINCIPAL_UNEXPECTED;
	return keypair_say(code, code ? pst_text(code) : NULL);
}

static struct keypair_verdict keypair_read_names(const X509 *cert, const struct keypair_want *want,
						 struct keypair_facts *facts)
{
	const struct peerid_rule rule = { 0 };
	enum pst code;

	switch (peerid_read(cert, &rule, &facts->id, &code)) {
	case 0:
		break;
	case -EPERM:
		return keypair_say(code, pst_text(code));
	default:
		return (struct keypair_verdict){ .code = PST_CERT_FIELD, .no_memory = true };
	}
	return keypair_compare(want, &facts->id);
}

/* The moment at which the chain is judged: now, or the nearest one in the life of the certificate,
 * because that it is over, or has not begun, is a verdict of its own. OpenSSL takes notAfter itself
 * for over. */
static time_t keypair_moment(const struct keypair_want *want, const struct keypair_facts *facts)
{
	uint64_t at = want->now_wall;

	if (at >= facts->not_after_wall)
		at = facts->not_after_wall > 0 ? facts->not_after_wall - 1 : 0;
	if (at < facts->not_before_wall)
		at = facts->not_before_wall;
	return (time_t)at;
}

static X509_STORE *keypair_make_store(STACK_OF(X509) * cas)
{
	X509_STORE *store = X509_STORE_new();

	for (int i = 0; store && i < sk_X509_num(cas); i++) {
		if (X509_STORE_add_cert(store, sk_X509_value(cas, i)) != 1) {
			X509_STORE_free(store);
			store = NULL;
		}
	}
	return store;
}

static int keypair_set_params(X509_STORE_CTX *ctx, time_t moment)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_VERIFY_PARAM_set_time(param, moment);
	X509_VERIFY_PARAM_set_depth(param, KEYPAIR_CHAIN_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, KEYPAIR_SECURITY_LEVEL);
	return X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
}

static struct keypair_verdict keypair_verify(const struct keypair_parsed *p, time_t moment)
{
	_cleanup_(keypair_free_store) X509_STORE *store = keypair_make_store(p->cas);
	_cleanup_(keypair_free_store_context) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error;

	if (!store || !ctx || X509_STORE_CTX_init(ctx, store, p->cert, p->chain) != 1 ||
	    keypair_set_params(ctx, moment) != 1)
		return keypair_say(PST_CERT_UNTRUSTED, "OpenSSL failed");
	if (X509_verify_cert(ctx) == 1)
		return keypair_say(PST_NONE, NULL);
	error = X509_STORE_CTX_get_error(ctx);
	return (struct keypair_verdict){
		.code = error == X509_V_OK ? PST_CERT_UNTRUSTED : peerid_verify_code(error),
		.detail = X509_verify_cert_error_string(error),
		.no_memory = error == X509_V_ERR_OUT_OF_MEM,
	};
}

static struct keypair_verdict keypair_check_life(const struct keypair_want *want,
						 struct keypair_facts *facts)
{
	if (want->instance_id && strcmp(want->instance_id, facts->id.instance_id) != 0)
		return keypair_say(PST_INSTANCE_CHANGED, "the instance id in it is another one");
	if (facts->not_before_wall > want->now_wall &&
	    facts->not_before_wall - want->now_wall > want->skew_s)
		return keypair_say(PST_CLOCK_WRONG,
				   "by the clock of this host it is not valid for a while");
	facts->expired = want->now_wall >= facts->not_after_wall;
	if (facts->expired)
		return keypair_say(PST_CERT_EXPIRED, "the certificate is over");
	return keypair_say(PST_NONE, NULL);
}

static struct keypair_verdict keypair_judge(const struct keypair_pem *pem,
					    const struct keypair_want *want,
					    struct keypair_facts *facts)
{
	_cleanup_(keypair_release) struct keypair_parsed p = { 0 };
	struct keypair_verdict v = keypair_parse(pem, &p);

	if (v.code == PST_NONE)
		v = keypair_read_times(p.cert, facts);
	if (v.code == PST_NONE)
		v = keypair_read_names(p.cert, want, facts);
	if (v.code == PST_NONE)
		v = keypair_verify(&p, keypair_moment(want, facts));
	if (v.code == PST_NONE)
		v = keypair_check_life(want, facts);
	return v;
}

int keypair_check(const struct keypair_pem *pem, const struct keypair_want *want,
		  struct keypair_facts *ret, enum pst *ret_code,
		  char ret_detail[static KEYPAIR_DETAIL_MAX])
{
	struct keypair_facts facts = { 0 };
	struct keypair_verdict v;

	ERR_clear_error();
	v = keypair_judge(pem, want, &facts);
	v.no_memory |= keypair_drain_errors();
	if (v.no_memory && v.code != PST_NONE)
		return -ENOMEM;
	*ret = facts;
	if (v.code == PST_NONE)
		return 0;
	*ret_code = v.code;
	(void)snprintf(ret_detail, KEYPAIR_DETAIL_MAX, "%s", v.detail);
	return -EPERM;
}
