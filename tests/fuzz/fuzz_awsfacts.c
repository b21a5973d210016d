/* SPDX-License-Identifier: MIT */
/* certs/athenz: what comes from IMDS, and the evidence made of it. The first byte chooses:
 * document, credentials, profile, evidence. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_word(const char *text)
{
	check(text && *text);
	for (; *text; text++)
		check(*text > 0x20 && *text <= 0x7e);
}

static void check_document(const char *bytes, size_t len)
{
	struct athenz_document d;

	if (athenz_decode_document(bytes, len, &d) < 0)
		return;
	check(d.account[0] && !d.account[strspn(d.account, "0123456789")]);
	check(principal_is_instance_id(d.instance_id, strlen(d.instance_id)));
	check(d.region[0] && !strpbrk(d.region, "./:@"));
	check(d.pending_wall <= 253402300799);
}

static void check_credentials(const char *bytes, size_t len)
{
	struct athenz_evidence e = { .role = "" };

	if (athenz_decode_credentials(bytes, len, &e) == 0) {
		check_word(e.access);
		check_word(e.secret);
		check_word(e.token);
	}
	athenz_evidence_release(&e);
}

static void check_profile(const char *bytes, size_t len)
{
	char arn[200];

	if (athenz_decode_profile(bytes, len, arn, sizeof(arn)) == 0)
		check_word(arn);
}

static void check_same(const char *a, const char *b)
{
	check(!a == !b && (!a || !strcmp(a, b)));
}

static void check_evidence(const char *bytes, size_t len)
{
	struct athenz_evidence e, again;
	char *text = NULL;

	if (athenz_decode_evidence(bytes, len, &e) < 0)
		return;
	check(!e.access == !e.secret && !e.access == !e.token);
	check(athenz_encode_evidence(&e, &text) == 0);
	check(athenz_decode_evidence(text, strlen(text), &again) == 0);
	check_same(e.role, again.role);
	check_same(e.document, again.document);
	check_same(e.signature, again.signature);
	check_same(e.access, again.access);
	check_same(e.secret, again.secret);
	check_same(e.token, again.token);
	check_same(e.identity_token, again.identity_token);
	athenz_evidence_release(&e);
	athenz_evidence_release(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const char *, size_t) = { check_document, check_credentials,
								check_profile, check_evidence };

	if (size)
		checks[data[0] % ARRAY_SIZE(checks)]((const char *)data + 1, size - 1);
	return 0;
}
