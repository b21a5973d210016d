/* SPDX-License-Identifier: MIT */
/* A certificate and a bundle of CAs beside a key of ours, as certd gets them from an issuer. Input:
 * two texts in PEM with a NUL between them, or for the fuzzer's ease two bytes with the length of
 * the certificate in DER, that, and one CA in DER. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "certs/keypair.h"

enum {
	FUZZ_KEYPAIR_NOW = 1790000000, /* the seeds are valid then */
	FUZZ_KEYPAIR_SKEW = 60,
};

/* Made for this, and of no other use. The certificates of the seeds are for it. */
static const char fuzz_keypair_key[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIHTl4QPDezKEc9+ejFc9WH939fpqPVTj1nyzamJ45VOmoAoGCCqGSM49\n"
	"AwEHoUQDQgAEYfly7d5p7zsm5JHQC8DIuB82rOmnbBKLVvACUkPOUZbjvCKKRvvQ\n"
	"eo1UwzjLtcy3hI6xdMEWeSFcUTpK8s4E3g==\n"
	"-----END EC PRIVATE KEY-----\n";

static void fuzz_keypair_check_line(const char *text, size_t size)
{
	const char *end = memchr(text, '\0', size);

	if (!end)
		abort();
	for (; text < end; text++) {
		if (*text < ' ' || *text > '~')
			abort();
	}
}

static void fuzz_keypair_check_facts(const struct keypair_facts *f, const struct keypair_want *want)
{
	fuzz_keypair_check_line(f->id.principal, sizeof(f->id.principal));
	fuzz_keypair_check_line(f->id.instance_id, sizeof(f->id.instance_id));
	if (f->expired || f->not_before_wall > want->now_wall + want->skew_s ||
	    f->not_after_wall <= want->now_wall || f->id.principal[0] == '\0')
		abort();
	if (want->instance_id && strcmp(want->instance_id, f->id.instance_id) != 0)
		abort();
}

static void fuzz_keypair_try(const struct keypair_pem *pem, const struct keypair_want *want)
{
	char detail[KEYPAIR_DETAIL_MAX] = "";
	struct keypair_facts facts = { 0 };
	enum pst code = PST_NONE;
	int r = keypair_check(pem, want, &facts, &code, detail);

	if (r == 0) {
		fuzz_keypair_check_facts(&facts, want);
	} else if (r == -EPERM) {
		fuzz_keypair_check_line(detail, sizeof(detail));
		if (!pst_find(code) || (facts.expired && code != PST_CERT_EXPIRED))
			abort();
	}
}

static void fuzz_keypair_run(const struct keypair_pem *pem)
{
	const struct keypair_want ours = {
		.principal = "vespa.host",
		.provider = "p",
		.instance_id = "i-1",
		.now_wall = FUZZ_KEYPAIR_NOW,
		.skew_s = FUZZ_KEYPAIR_SKEW,
	};
	const struct keypair_want any = { .now_wall = FUZZ_KEYPAIR_NOW };

	fuzz_keypair_try(pem, &ours);
	fuzz_keypair_try(pem, &any);
}

static BIO *fuzz_keypair_wrap(const uint8_t *der, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio(bio, "CERTIFICATE", "", der, (long)len) <= 0)
		abort();
	return bio;
}

static void fuzz_keypair_der(struct keypair_pem pem, const uint8_t *data, size_t size)
{
	size_t len = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
	BIO *cert, *ca;
	char *text;

	/* Of nothing there is no PEM. */
	if (len == 0 || len >= size - 2)
		return;
	cert = fuzz_keypair_wrap(data + 2, len);
	ca = fuzz_keypair_wrap(data + 2 + len, size - 2 - len);
	pem.cert_len = (size_t)BIO_get_mem_data(cert, &text);
	pem.cert = text;
	pem.ca_len = (size_t)BIO_get_mem_data(ca, &text);
	pem.ca = text;
	fuzz_keypair_run(&pem);
	BIO_free(cert);
	BIO_free(ca);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keypair_pem pem = { .key = fuzz_keypair_key,
				   .key_len = sizeof(fuzz_keypair_key) - 1 };
	const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;

	if (size == 0 || data[0] != '-' || !nul) {
		fuzz_keypair_der(pem, data, size);
		return 0;
	}
	pem.cert = (const char *)data;
	pem.cert_len = (size_t)(nul - data);
	pem.ca = (const char *)nul + 1;
	pem.ca_len = size - pem.cert_len - 1;
	fuzz_keypair_run(&pem);
	return 0;
}
