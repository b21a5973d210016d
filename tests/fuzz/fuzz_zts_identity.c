/* SPDX-License-Identifier: MIT */
/* certs/athenz: what an issuer answers, as an identity and as an error. An identity that is taken
 * is clean, can be written, and comes back the same; an error is always one printable line. */
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

static void check_error(const char *bytes, size_t len)
{
	struct athenz_error error, again;
	char *text = NULL;

	athenz_decode_error(bytes, len, &error);
	check(error.code == 0 || (error.code >= 100 && error.code <= 599));
	for (const char *p = error.message; *p; p++)
		check(*p >= 0x20 && *p <= 0x7e);
	check(athenz_classify(error.code, error.message) == PST_NONE ||
	      pst_find((unsigned int)athenz_classify(error.code, error.message)));
	check(athenz_encode_error(&error, &text) == 0);
	athenz_decode_error(text, strlen(text), &again);
	check(again.code == error.code && !strcmp(again.message, error.message));
	free(text);
}

static void check_identity(const char *bytes, size_t len)
{
	struct athenz_identity identity, again;
	struct principal p;
	char *text = NULL;

	if (athenz_decode_identity(bytes, len, &identity) < 0)
		return;
	check(principal_parse(identity.name, strlen(identity.name), &p) == 0);
	check(!strcmp(p.name, identity.name) && identity.provider[0] && identity.cert[0]);
	check(principal_is_instance_id(identity.instance_id, strlen(identity.instance_id)));
	check(athenz_encode_identity(&identity, &text) == 0);
	check(athenz_decode_identity(text, strlen(text), &again) == 0);
	check(!strcmp(identity.provider, again.provider) && !strcmp(identity.name, again.name));
	check(!strcmp(identity.cert, again.cert) && !strcmp(identity.signer, again.signer));
	athenz_identity_release(&identity);
	athenz_identity_release(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_error((const char *)data, size);
	check_identity((const char *)data, size);
	return 0;
}
