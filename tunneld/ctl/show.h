/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The status as text for people and as JSON for machines, one report behind both.
 */
#include <stdio.h>

#include "tunneld/ctl/ask.h"

struct show_report {
	const struct status *status; /* NULL when tunneld could not be asked */
	const char *trouble;         /* why it could not */
	enum ask_policy policy;
};

/* The judgement over tunnels and policy together. */
enum status_health show_health(const struct show_report *report);

/* One sentence in printable ASCII: the reason for the judgement. Writes at most @cap bytes to
 * @ret. */
void show_reason(const struct show_report *report, char *ret, size_t cap);

/* Writes the report for people; colour when @colour. */
void show_text(const struct show_report *report, bool colour, FILE *to);

/* Writes the report as one JSON object. Errors: 0; -ENOMEM. */
int show_json(const struct show_report *report, FILE *to) _warn_unused_;
