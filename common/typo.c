/* SPDX-License-Identifier: MIT */
#include "common/typo.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define TYPO_SLIPS_MAX 2

/* The distances of one beginning of @a to every beginning of @b. */
struct typo_row {
	unsigned int to[TYPO_NAME_MAX + 1];
};

static unsigned int typo_least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Fills the row of the first @i letters of @a from the two rows before it. */
static void typo_fill(struct typo_row rows[3], size_t i, const char *a, const char *b)
{
	struct typo_row *row = &rows[i % 3];
	const struct typo_row *before = &rows[(i + 2) % 3], *before_that = &rows[(i + 1) % 3];

	row->to[0] = (unsigned int)i;
	for (size_t j = 1; b[j - 1]; j++) {
		unsigned int least = before->to[j - 1] + (a[i - 1] != b[j - 1]);

		least = typo_least(least, before->to[j] + 1);
		least = typo_least(least, row->to[j - 1] + 1);
		if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
			least = typo_least(least, before_that->to[j - 2] + 1);
		row->to[j] = least;
	}
}

unsigned int typo_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	struct typo_row rows[3];

	if (n > TYPO_NAME_MAX || m > TYPO_NAME_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0].to[j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++)
		typo_fill(rows, i, a, b);
	return rows[n % 3].to[m];
}

bool typo_is_likely(const char *written, const char *meant)
{
	unsigned int slips = typo_distance(written, meant);

	return slips <= TYPO_SLIPS_MAX && strlen(written) > 2 * (size_t)slips;
}
