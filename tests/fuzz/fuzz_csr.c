/* SPDX-License-Identifier: MIT */
/* A signing request, as ztsd gets it from anybody: PEM, or for the fuzzer's ease the DER inside it;
 * or "+", two bytes of length, a subject of that length and the attributes, which become a request
 * that is signed here, because no change survives a signature. Whatever is accepted must be safe to
 * log and to compare, and OpenSSL must read the same names and the same key in it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certs/csr.h"
#include "certs/der.h"

#define FUZZ_CSR_BEGIN "-----BEGIN CERTIFICATE REQUEST-----\n"
#define FUZZ_CSR_END "\n-----END CERTIFICATE REQUEST-----\n"

enum { FUZZ_CSR_DER_MAX = 8192 };

/* Aborts unless the text ends in its field and is printable ASCII from @from on. */
static void fuzz_csr_check_text(const char *text, size_t size, char from)
{
	const char *end = memchr(text, '\0', size);

	if (!end)
		abort();
	for (; text < end; text++) {
		if (*text < from || *text > '~')
			abort();
	}
}

static void fuzz_csr_check(const struct csr *c)
{
	fuzz_csr_check_text(c->common_name, sizeof(c->common_name), ' ');
	fuzz_csr_check_text(c->country, sizeof(c->country), ' ');
	fuzz_csr_check_text(c->organization, sizeof(c->organization), ' ');
	fuzz_csr_check_text(c->organizational_unit, sizeof(c->organizational_unit), ' ');
	if (c->n_names > CSR_SANS_MAX || !c->key)
		abort();
	for (size_t i = 0; i < c->n_names; i++) {
		fuzz_csr_check_text(c->names[i].text, sizeof(c->names[i].text), '!');
		if (c->names[i].text[0] == '\0')
			abort();
	}
}

/* Aborts unless the subject has this field once, as this text, or not at all for "". */
static int fuzz_csr_compare_field(const X509_REQ *req, int nid, const char *text)
{
	const X509_NAME *subject = X509_REQ_get_subject_name(req);
	int at = X509_NAME_get_index_by_NID(subject, nid, -1);
	unsigned char *utf8 = NULL;

	if ((at >= 0) != (text[0] != '\0'))
		abort();
	if (at < 0)
		return 0;
	if (ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))) <
		    0 ||
	    strcmp((const char *)utf8, text) != 0)
		abort();
	OPENSSL_free(utf8);
	return 1;
}

static void fuzz_csr_compare_subject(const X509_REQ *req, const struct csr *c)
{
	int n = fuzz_csr_compare_field(req, NID_commonName, c->common_name);

	n += fuzz_csr_compare_field(req, NID_countryName, c->country);
	n += fuzz_csr_compare_field(req, NID_organizationName, c->organization);
	n += fuzz_csr_compare_field(req, NID_organizationalUnitName, c->organizational_unit);
	if (X509_NAME_entry_count(X509_REQ_get_subject_name(req)) != n)
		abort();
}

static void fuzz_csr_compare_name(const GENERAL_NAME *san, const struct csr_name *name)
{
	static const int types[] = { GEN_DNS, GEN_URI, GEN_IPADD, GEN_EMAIL }; /* as enum csr_san */
	unsigned char address[16];
	const void *want = name->kind == CSR_IP ? (const void *)address : name->text;
	size_t len = strlen(name->text);
	int type;
	const ASN1_STRING *have = GENERAL_NAME_get0_value(san, &type);

	if (name->kind == CSR_IP && inet_pton(AF_INET, name->text, address) == 1)
		len = 4;
	else if (name->kind == CSR_IP && inet_pton(AF_INET6, name->text, address) == 1)
		len = 16;
	if (type != types[name->kind] || (size_t)ASN1_STRING_length(have) != len ||
	    memcmp(ASN1_STRING_get0_data(have), want, len) != 0)
		abort();
}

static void fuzz_csr_compare_names(X509_REQ *req, const struct csr *c)
{
	X509_EXTENSIONS *list = X509_REQ_get_extensions(req);
	int critical = -1;
	GENERAL_NAMES *sans = list ? X509V3_get_d2i(list, NID_subject_alt_name, &critical, NULL) :
				     NULL;
	int n = sans ? sk_GENERAL_NAME_num(sans) : 0;

	if ((size_t)n != c->n_names || (!sans && critical != -1))
		abort();
	for (int i = 0; i < n; i++)
		fuzz_csr_compare_name(sk_GENERAL_NAME_value(sans, i), &c->names[i]);
	GENERAL_NAMES_free(sans);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

/* OpenSSL may refuse what is accepted: it looks into attributes that nobody here sees. */
static void fuzz_csr_compare(const char *pem, size_t len, const struct csr *c)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	const unsigned char *der;
	EVP_PKEY *key;

	BIO_free(bio);
	if (!req)
		return;
	der = c->key;
	key = d2i_PUBKEY(NULL, &der, (long)c->key_len);
	if (!key || der != c->key + c->key_len || X509_REQ_verify(req, key) != 1 ||
	    EVP_PKEY_eq(X509_REQ_get0_pubkey(req), key) != 1)
		abort();
	EVP_PKEY_free(key);
	fuzz_csr_compare_subject(req, c);
	fuzz_csr_compare_names(req, c);
	X509_REQ_free(req);
}

static void fuzz_csr_read(const char *pem, size_t len)
{
	struct csr c = { 0 };
	const char *why = NULL;
	int r = csr_read(pem, len, &c, &why);

	if (r == 0) {
		fuzz_csr_check(&c);
		fuzz_csr_compare(pem, len, &c);
	}
	if (r == -EBADMSG && !why)
		abort();
	csr_release(&c);
}

static void fuzz_csr_wrap(const uint8_t *der, size_t size)
{
	char pem[sizeof(FUZZ_CSR_BEGIN) + sizeof(FUZZ_CSR_END) + FUZZ_CSR_DER_MAX * 2];
	size_t len = sizeof(FUZZ_CSR_BEGIN) - 1;

	if (size > FUZZ_CSR_DER_MAX)
		return;
	memcpy(pem, FUZZ_CSR_BEGIN, len);
	/* Lines of 48 bytes: longer ones PEM does not take. */
	for (size_t n; size > 0; der += n, size -= n) {
		n = size < 48 ? size : 48;
		len += (size_t)EVP_EncodeBlock((unsigned char *)pem + len, der, (int)n);
		if (n < size)
			pem[len++] = '\n';
	}
	memcpy(pem + len, FUZZ_CSR_END, sizeof(FUZZ_CSR_END) - 1);
	fuzz_csr_read(pem, len + sizeof(FUZZ_CSR_END) - 1);
}

/* What every request that is signed here has in common: made at the first. */
static EVP_PKEY *fuzz_csr_key(void)
{
	static EVP_PKEY *key;

	if (!key)
		key = EVP_EC_gen(SN_X9_62_prime256v1);
	if (!key)
		abort();
	return key;
}

static void fuzz_csr_put_key(struct der_out *out)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(fuzz_csr_key(), &der);

	if (len <= 0)
		abort();
	der_put(out, der, (size_t)len);
	OPENSSL_free(der);
}

static void fuzz_csr_put_signature(struct der_out *out, const unsigned char *text, size_t text_len)
{
	unsigned char signature[128];
	size_t len = sizeof(signature);
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (!md || EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, fuzz_csr_key()) != 1 ||
	    EVP_DigestSign(md, signature, &len, text, text_len) != 1)
		abort();
	EVP_MD_CTX_free(md);
	der_put(out, signature, len);
	der_put(out, "", 1);
	der_wrap(out, DER_BIT_STRING, 0);
}

static void fuzz_csr_sign(const uint8_t *data, size_t size)
{
	static const unsigned char ecdsa[] = { DER_OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };
	unsigned char info_bytes[FUZZ_CSR_DER_MAX], bytes[FUZZ_CSR_DER_MAX];
	struct der_out info = der_begin(info_bytes, sizeof(info_bytes));
	struct der_out out = der_begin(bytes, sizeof(bytes));
	size_t subject = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];

	if (size < 2 || subject > size - 2)
		return;
	der_put(&info, data + 2 + subject, size - 2 - subject);
	fuzz_csr_put_key(&info);
	der_put(&info, data + 2, subject);
	der_put_element(&info, DER_INTEGER, "", 1);
	der_wrap(&info, DER_SEQUENCE, 0);
	if (info.failed)
		return;
	fuzz_csr_put_signature(&out, info.at, der_mark(&info));
	der_put_element(&out, DER_SEQUENCE, ecdsa, sizeof(ecdsa));
	der_put(&out, info.at, der_mark(&info));
	der_wrap(&out, DER_SEQUENCE, 0);
	if (!out.failed)
		fuzz_csr_wrap(out.at, der_mark(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == '-')
		fuzz_csr_read((const char *)data, size);
	else if (size > 0 && data[0] == '+')
		fuzz_csr_sign(data + 1, size - 1);
	else
		fuzz_csr_wrap(data, size);
	return 0;
}
