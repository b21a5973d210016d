/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/driftlog.h"

#include <string.h>

static void driftlog_clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e)
			*s = '?';
}

/* A program that is started again and again has another pid each time. */
static bool driftlog_is_same(const struct ctlwire_drift *a, const struct ctlwire_drift *b)
{
	return !strcmp(a->command, b->command) && !strcmp(a->what, b->what);
}

static void driftlog_forget_one(struct driftlog *l)
{
	size_t oldest = 0;

	for (size_t i = 1; i < l->n; i++)
		if (l->last_seen[i] < l->last_seen[oldest])
			oldest = i;
	l->n--;
	memmove(&l->rows[oldest], &l->rows[oldest + 1], (l->n - oldest) * sizeof(l->rows[0]));
	memmove(&l->last_seen[oldest], &l->last_seen[oldest + 1],
		(l->n - oldest) * sizeof(l->last_seen[0]));
}

const struct ctlwire_drift *driftlog_add(struct driftlog *l, const struct ctlwire_drift *d)
{
	struct ctlwire_drift clean = *d;
	size_t i = 0;

	driftlog_clean(clean.command);
	driftlog_clean(clean.what);
	while (i < l->n && !driftlog_is_same(&l->rows[i], &clean))
		i++;
	if (i == l->n) {
		if (l->n == DRIFTLOG_MAX)
			driftlog_forget_one(l);
		i = l->n++;
		clean.id = ++l->next_id;
		clean.times = 0;
		l->rows[i] = clean;
	}
	l->last_seen[i] = ++l->n_seen;
	l->rows[i].pid = clean.pid;
	l->rows[i].n_differences = clean.n_differences;
	if (l->rows[i].times < UINT32_MAX)
		l->rows[i].times++;
	if (clean.repair_us > l->rows[i].repair_us)
		l->rows[i].repair_us = clean.repair_us;
	return &l->rows[i];
}

size_t driftlog_list(const struct driftlog *l, uint64_t first_id,
		     struct ctlwire_drift ret[static CTLWIRE_LIST_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < l->n && n < CTLWIRE_LIST_MAX; i++)
		if (l->rows[i].id >= first_id)
			ret[n++] = l->rows[i];
	return n;
}
