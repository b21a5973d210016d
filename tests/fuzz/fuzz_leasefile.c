/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/host/leasefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Taken or not, no count lies outside its array and no lease ends before it begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct leasefile file;

	if (leasefile_parse(data, size, &file) < 0)
		return 0;
	if (file.n_entries > STATUS_SERVERS_MAX)
		abort();
	for (size_t i = 0; i < file.n_entries; i++) {
		const struct session_lease *lease = &file.entries[i].lease;

		if (lease->granted_ns > lease->expires_ns ||
		    lease->offer.n_routes > OFFER_ROUTES_MAX)
			abort();
	}
	return 0;
}
