/* SPDX-License-Identifier: MIT */
/* certs/athenz: the body of a request, first byte: odd = a registration, even = a refresh. What is
 * taken is clean, can be written, and comes back the same; what is refused has a printable
 * reason. */
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

static void check_equal(const struct athenz_request *a, const struct athenz_request *b)
{
	check(!strcmp(a->provider, b->provider) && !strcmp(a->domain, b->domain));
	check(!strcmp(a->service, b->service) && !strcmp(a->evidence, b->evidence));
	check(!strcmp(a->csr, b->csr) && !strcmp(a->hostname, b->hostname));
	check(!strcmp(a->name_space, b->name_space) && !strcmp(a->cloud, b->cloud));
	check(!strcmp(a->instance_id, b->instance_id) && a->expiry_min == b->expiry_min);
}

static void check_clean(const struct athenz_request *r, bool registering)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ/ ";

	check(registering == (r->domain[0] != '\0') && registering == (r->service[0] != '\0'));
	check(!strpbrk(r->provider, upper) && !strpbrk(r->domain, upper));
	check(!strpbrk(r->service, upper) && !strchr(r->service, '.'));
	check(strlen(r->domain) + 1 + strlen(r->service) < PRINCIPAL_MAX && r->expiry_min >= 0);
	check(strlen(r->csr) <= ATHENZ_CSR_MAX && strlen(r->evidence) <= ATHENZ_EVIDENCE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool registering = size && (data[0] & 1);
	struct athenz_request request, again;
	struct athenz_problem problem = { "" };
	char *text = NULL;

	if (!size)
		return 0;
	if (athenz_decode_request((const char *)data + 1, size - 1, registering, &request,
				  &problem) < 0) {
		check(!strncmp(problem.text, "Invalid ", 8));
		for (const char *p = problem.text; *p; p++)
			check(*p >= 0x20 && *p <= 0x7e);
		return 0;
	}
	check_clean(&request, registering);
	check(athenz_encode_request(&request, registering, &text) == 0);
	check(athenz_decode_request(text, strlen(text), registering, &again, &problem) == 0);
	check_equal(&request, &again);
	athenz_request_release(&request);
	athenz_request_release(&again);
	free(text);
	return 0;
}
