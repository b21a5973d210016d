/* SPDX-License-Identifier: MIT */
#include "certs/certd/certtell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/timetext.h"

/* Metrics are a convenience: without them the certificate is renewed all the same. */
static void certtell_metrics(struct certtell *t, const struct certstat *s,
			     const struct certshow_counts *counts)
{
	char path[FILES_PATH_MAX], *text = NULL;
	int r = certshow_metrics(s, counts, &text);

	snprintf(path, sizeof(path), "%s/%s", t->run_dir, CERTSHOW_METRICS);
	if (r == 0)
		r = files_write(path, text, strlen(text), 0644);
	if (r < 0 && !t->cannot_count)
		log_warning("cannot write %s: %s; going on without it", path, strerror(-r));
	t->cannot_count = r < 0;
	free(text);
}

void certtell_update(struct certtell *t, bool is_news, const struct certstat *s,
		     const struct certshow_counts *counts)
{
	char text[NOTIFY_STATUS_MAX], age[24];
	int r;

	if (t->has_told && !is_news && t->was_ready == s->ready)
		return;
	if (s->ready)
		snprintf(text, sizeof(text), "%.120s, certificate valid for another %s",
			 s->self.principal, timetext_span(s->not_after - s->now_wall, age));
	else
		snprintf(text, sizeof(text), "not ready: %.180s", s->reason);
	r = s->ready && !t->told_ready ? notify_ready(text) : notify_status(text);
	if (r < 0)
		log_debug("no answer from the service manager");
	if (s->ready && !t->was_ready)
		log_info("ready: %s", text);
	else if (!s->ready && t->was_ready)
		log_error("not ready any more: %s", s->reason);
	t->told_ready = t->told_ready || s->ready;
	t->was_ready = s->ready;
	t->has_told = true;
	certtell_metrics(t, s, counts);
}
