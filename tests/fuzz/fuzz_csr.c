/* SPDX-License-Identifier: MIT */
/* A signing request, as ztsd gets it from anybody: PEM, or for the fuzzer's ease the DER inside it.
 * Whatever is accepted must be safe to log and to compare. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "certs/csr.h"

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

/* What is accepted OpenSSL's own reader takes, too, and finds the same in it. */
static void fuzz_csr_compare(const char *pem, size_t len, const struct csr *c)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	int n_fields = !!c->common_name[0] + !!c->country[0] + !!c->organization[0] +
		       !!c->organizational_unit[0];

	if (!req || X509_NAME_entry_count(X509_REQ_get_subject_name(req)) != n_fields ||
	    EVP_PKEY_eq(X509_REQ_get0_pubkey(req), c->key) != 1 ||
	    X509_REQ_verify(req, c->key) != 1)
		abort();
	X509_REQ_free(req);
	BIO_free(bio);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == '-')
		fuzz_csr_read((const char *)data, size);
	else
		fuzz_csr_wrap(data, size);
	return 0;
}
