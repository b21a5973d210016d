/* SPDX-License-Identifier: MIT */
/* The identity check of a certificate: DER of one certificate, which TLS hands over before anything
 * is known about the peer. Whatever it accepts must be safe to log, to compare and to store. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>

#include "certs/denylist.h"
#include "certs/peerid.h"

static const char *const fuzz_peerid_providers[] = { "athenz.aws.us-east-1", "p" };

/* Aborts unless the text ends in its field and is printable ASCII without blanks and capitals. */
static void fuzz_peerid_check_text(const char *text, size_t size, bool may_have_capitals)
{
	const char *end = memchr(text, '\0', size);

	if (!end)
		abort();
	for (; text < end; text++) {
		if (*text <= ' ' || *text > '~' || *text == ',' || *text == '/')
			abort();
		if (!may_have_capitals && *text >= 'A' && *text <= 'Z')
			abort();
	}
}

static void fuzz_peerid_check_principal(const char *principal)
{
	const char *dot = strrchr(principal, '.');

	if (!dot || dot == principal || dot[1] == '\0' || strchr(principal, ':'))
		abort();
}

static const char *const fuzz_peerid_roles[] = { "a:role.b", "vespa.tenant:role.reader" };
static const char fuzz_peerid_denied[] = "principal a.b\nserial 1\ninstance i-666\n";

static void fuzz_peerid_check_rule(const struct peerid *id, const struct peerid_rule *rule)
{
	if (rule->need_instance && strcmp(id->provider, fuzz_peerid_providers[0]) != 0 &&
	    strcmp(id->provider, fuzz_peerid_providers[1]) != 0)
		abort();
	if (id->role[0] != '\0' &&
	    (!rule->n_roles || (strcmp(id->role, fuzz_peerid_roles[0]) != 0 &&
				strcmp(id->role, fuzz_peerid_roles[1]) != 0)))
		abort();
	if (rule->deny && (strcmp(id->principal, "a.b") == 0 || strcmp(id->serial, "01") == 0 ||
			   strcmp(id->instance_id, "i-666") == 0))
		abort();
}

static void fuzz_peerid_check(const struct peerid *id, const struct peerid_rule *rule)
{
	fuzz_peerid_check_text(id->principal, sizeof(id->principal), false);
	fuzz_peerid_check_text(id->provider, sizeof(id->provider), false);
	fuzz_peerid_check_text(id->instance_id, sizeof(id->instance_id), true);
	fuzz_peerid_check_text(id->serial, sizeof(id->serial), false);
	fuzz_peerid_check_principal(id->principal);
	if (id->serial[strspn(id->serial, "0123456789abcdef")] != '\0' || id->serial[0] == '\0')
		abort();
	if ((id->provider[0] == '\0') != (id->instance_id[0] == '\0'))
		abort();
	fuzz_peerid_check_rule(id, rule);
}

static void fuzz_peerid_read(const X509 *cert, const struct peerid_rule *rule)
{
	enum pst code = PST_NONE;
	struct peerid id;

	int r = peerid_read(cert, rule, &id, &code);

	if (r == 0)
		fuzz_peerid_check(&id, rule);
	else if (r == -EPERM && (code < PST_CN_COUNT || code > PST_SAN_LIMIT) &&
		 code != PST_CERT_FIELD && (code != PST_PEER_DENIED || !rule->deny))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct peerid_rule host = { .need_instance = true,
					  .providers = fuzz_peerid_providers,
					  .n_providers = 2 };
	const struct peerid_rule any = { .need_instance = false };
	struct peerid_rule roles = { .roles = fuzz_peerid_roles, .n_roles = 2 };
	X509 *cert = d2i_X509(NULL, &data, (long)size);
	struct denylist *deny = NULL;
	char error[DENYLIST_ERROR_MAX];

	if (!cert)
		return 0;
	if (denylist_parse("deny", fuzz_peerid_denied, sizeof(fuzz_peerid_denied) - 1, &deny,
			   error) < 0)
		abort();
	roles.deny = deny;
	fuzz_peerid_read(cert, &host);
	fuzz_peerid_read(cert, &any);
	fuzz_peerid_read(cert, &roles);
	denylist_free(deny);
	X509_free(cert);
	return 0;
}
