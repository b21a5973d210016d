/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/gwstats.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "common/files.h"

/* The place of @code in the counters, GWSTATS_CODES_MAX when it has none. */
static size_t gwstats_index(enum pst code)
{
	size_t n;
	const struct pst_info *all = pst_all(&n);

	for (size_t i = 0; i < n && i < GWSTATS_CODES_MAX; i++)
		if (all[i].code == code)
			return i;
	return GWSTATS_CODES_MAX;
}

void gwstats_count(struct gwstats *s, enum pst code)
{
	size_t at = gwstats_index(code);

	if (at == GWSTATS_CODES_MAX)
		return;
	s->by_code[at]++;
	s->changed = true;
}

uint64_t gwstats_of(const struct gwstats *s, enum pst code)
{
	size_t at = gwstats_index(code);

	return at == GWSTATS_CODES_MAX ? 0 : s->by_code[at];
}

static void gwstats_print_codes(const struct gwstats *s, struct buf *b)
{
	size_t n;
	const struct pst_info *all = pst_all(&n);

	buf_add(b, "# HELP postern_gateway_events_total Refusals and faults by message code.\n"
		   "# TYPE postern_gateway_events_total counter\n");
	for (size_t i = 0; i < n && i < GWSTATS_CODES_MAX; i++)
		if (s->by_code[i])
			buf_addf(b, "postern_gateway_events_total{code=\"PST-%04u\"} %" PRIu64 "\n",
				 (unsigned int)all[i].code, s->by_code[i]);
}

void gwstats_print(const struct gwstats *s, struct buf *b)
{
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} rows[] = {
		{ "leases", "gauge", "Leases in the store.", s->leases },
		{ "workers", "gauge", "Workers that run.", s->workers },
		{ "granted_total", "counter", "Exchanges granted.", s->granted },
		{ "batches_total", "counter", "Transactions that granted something.", s->batches },
		{ "expired_total", "counter", "Leases that ended.", s->expired },
		{ "swept_total", "counter", "Kernel peers without a lease, removed.", s->swept },
		{ "dropped_total", "counter", "Leases without a kernel peer, dropped.",
		  s->dropped },
		{ "cut_total", "counter", "Tunnels cut off because of the deny-list.", s->cut },
		{ "deny_entries", "gauge", "Entries of the deny-list in force.", s->denied },
		{ "worker_starts_total", "counter", "Workers started.", s->starts },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_addf(b, "# HELP postern_gateway_%s %s\n", rows[i].name, rows[i].help);
		buf_addf(b, "# TYPE postern_gateway_%s %s\n", rows[i].name, rows[i].type);
		buf_addf(b, "postern_gateway_%s %" PRIu64 "\n", rows[i].name, rows[i].value);
	}
	gwstats_print_codes(s, b);
}

int gwstats_write(struct gwstats *s, const char *path)
{
	_cleanup_(buf_release) struct buf b = buf_init(GWSTATS_TEXT_MAX);
	int r;

	gwstats_print(s, &b);
	r = buf_done(&b);
	if (r == 0)
		r = files_write(path, b.text, b.len, 0644);
	if (r == 0)
		s->changed = false;
	return r;
}
