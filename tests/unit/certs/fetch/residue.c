/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/fetch/residue.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static const char *const *residue_secrets;
static unsigned int residue_found;

void residue_begin(const char *const *secrets)
{
	residue_secrets = secrets;
	residue_found = 0;
}

unsigned int residue_end(void)
{
	residue_secrets = NULL;
	return residue_found;
}

void __real_free(void *p);
void __wrap_free(void *p);

/* Up to the first NUL: what lies behind it may be what a library left there before. */
void __wrap_free(void *p)
{
	size_t len = p && residue_secrets ? strnlen(p, malloc_usable_size(p)) : 0;

	for (size_t i = 0; len && residue_secrets[i]; i++)
		residue_found += memmem(p, len, residue_secrets[i], strlen(residue_secrets[i])) !=
				 NULL;
	__real_free(p);
}
