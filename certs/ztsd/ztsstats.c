/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsstats.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/files.h"

/* The last one stands for all others. */
static const unsigned int ztsstats_statuses[ZTSSTATS_STATUSES] = { 200, 201, 400, 401, 403,
								   404, 405, 413, 429, 500,
								   503, 504, 0 };

void ztsstats_answer(struct ztsstats *s, enum ztsroute_kind route, unsigned int status)
{
	size_t i = 0;

	while (i < ZTSSTATS_STATUSES - 1 && ztsstats_statuses[i] != status)
		i++;
	if (route < ZTSROUTE_N)
		s->answers[route][i]++;
}

void ztsstats_count(struct ztsstats *s, enum pst code)
{
	size_t n;
	const struct pst_info *all = pst_all(&n);

	for (size_t i = 0; i < n && i < ZTSSTATS_CODES_MAX; i++)
		if (all[i].code == code)
			s->by_code[i]++;
}

static void ztsstats_head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP postern_ztsd_%s %s\n# TYPE postern_ztsd_%s %s\n", name, help, name,
		 type);
}

static void ztsstats_print_answers(const struct ztsstats *s, struct buf *b)
{
	ztsstats_head(b, "answers_total", "counter", "Answers by route and status.");
	for (size_t route = 0; route < ZTSROUTE_N; route++) {
		for (size_t i = 0; i < ZTSSTATS_STATUSES; i++) {
			char status[16] = "other";

			if (!s->answers[route][i])
				continue;
			if (ztsstats_statuses[i])
				snprintf(status, sizeof(status), "%u", ztsstats_statuses[i]);
			buf_addf(b,
				 "postern_ztsd_answers_total{route=\"%s\",status=\"%s\"} %" PRIu64
				 "\n",
				 ztsroute_name((enum ztsroute_kind)route), status,
				 s->answers[route][i]);
		}
	}
}

static void ztsstats_print_codes(const struct ztsstats *s, struct buf *b)
{
	size_t n;
	const struct pst_info *all = pst_all(&n);

	ztsstats_head(b, "refused_total", "counter", "Refusals and faults by message code.");
	for (size_t i = 0; i < n && i < ZTSSTATS_CODES_MAX; i++)
		if (s->by_code[i])
			buf_addf(b, "postern_ztsd_refused_total{code=\"PST-%04u\"} %" PRIu64 "\n",
				 (unsigned int)all[i].code, s->by_code[i]);
}

void ztsstats_print(const struct ztsstats *s, struct buf *b)
{
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} rows[] = {
		{ "records", "gauge", "Instances in the store.", s->records },
		{ "ca_expires_seconds", "gauge", "When the CA itself expires, since 1970.",
		  s->ca_expires_wall },
		{ "server_expires_seconds", "gauge",
		  "When the certificate of the listener expires, since 1970.",
		  s->server_expires_wall },
		{ "ca_key_usable", "gauge", "Whether the CA's key could sign when last asked.",
		  s->ca_key_usable },
		{ "registered_total", "counter", "Certificates issued to registrations.",
		  s->issued[0] },
		{ "refreshed_total", "counter", "Certificates issued to refreshes.", s->issued[1] },
		{ "commits_total", "counter", "Transactions made durable.", s->commits.batches },
		{ "committed_total", "counter", "Records in them.", s->commits.jobs },
		{ "commit_failures_total", "counter", "Transactions that failed.",
		  s->commits.failed },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ztsstats_head(b, rows[i].name, rows[i].type, rows[i].help);
		buf_addf(b, "postern_ztsd_%s %" PRIu64 "\n", rows[i].name, rows[i].value);
	}
	ztsstats_print_answers(s, b);
	ztsstats_print_codes(s, b);
}

int ztsstats_write(const struct ztsstats *s, const char *path)
{
	_cleanup_(buf_release) struct buf b = buf_init(ZTSSTATS_TEXT_MAX);
	int r;

	ztsstats_print(s, &b);
	r = buf_done(&b);
	return r == 0 ? files_write(path, b.text, b.len, 0644) : r;
}
