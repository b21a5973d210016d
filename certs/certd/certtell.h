/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What certd says of itself unasked: readiness to the service manager and into the log, metrics
 * into a file.
 */
#include <stdbool.h>

#include "certs/certd/certshow.h"
#include "certs/certd/certstat.h"

struct certtell {
	const char *run_dir;
	bool was_ready, told_ready;
	bool has_told;     /* anything yet */
	bool cannot_count; /* told once */
};

/* Tells @s and @counts, when @is_news or when readiness has changed. Logs a change. Borrows both;
 * t->run_dir must be set. */
void certtell_update(struct certtell *t, bool is_news, const struct certstat *s,
		     const struct certshow_counts *counts);
