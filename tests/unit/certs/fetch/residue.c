/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/fetch/residue.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static const char *const *residue_secrets;
static bool residue_whole;
static unsigned int residue_found;

void residue_begin(const char *const *secrets, bool whole)
{
	residue_secrets = secrets;
	residue_whole = whole;
	residue_found = 0;
}

unsigned int residue_end(void)
{
	residue_secrets = NULL;
	return residue_found;
}

void __real_free(void *p);
void __wrap_free(void *p);

void __wrap_free(void *p)
{
	size_t len = p && residue_secrets ? malloc_usable_size(p) : 0;

	if (len && !residue_whole)
		len = strnlen(p, len);
	for (size_t i = 0; len && residue_secrets[i]; i++)
		residue_found += memmem(p, len, residue_secrets[i], strlen(residue_secrets[i])) !=
				 NULL;
	__real_free(p);
}
