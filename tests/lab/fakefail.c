/* SPDX-License-Identifier: MIT */
/*
 * An issuer that breaks down after its work was done, preloaded into ztsd of the lab (LD_PRELOAD):
 * each answer that says 200 or 201 leaves as a 500. What it signed is signed, and what it noted is
 * noted.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "common/attr.h"

#define FAKEFAIL_GOOD "HTTP/1.1 20"
#define FAKEFAIL_BAD "HTTP/1.1 500"

_public_ int SSL_write(SSL *ssl, const void *bytes, int len)
{
	static int (*next)(SSL * ssl, const void *bytes, int len);
	char *changed;
	int r;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "SSL_write");
	if (len < (int)strlen(FAKEFAIL_BAD) || memcmp(bytes, FAKEFAIL_GOOD, strlen(FAKEFAIL_GOOD)))
		return next(ssl, bytes, len);
	changed = malloc((size_t)len);
	if (!changed)
		abort();
	memcpy(changed, bytes, (size_t)len);
	memcpy(changed, FAKEFAIL_BAD, strlen(FAKEFAIL_BAD));
	r = next(ssl, changed, len);
	free(changed);
	return r;
}
