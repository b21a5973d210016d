/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What people are told about the identity: the status, and the words with which lines of the log
 * end. Changes nothing and reads no clock.
 */
#include "certs/certd/certstat.h"
#include "certs/certd/certstate.h"
#include "certs/certd/schedule.h"

#define CERTVIEW_TEXT 64 /* bytes with NUL of "again in 42 s" */

/* What is looked at. Borrowed. */
struct certview {
	const struct schedule *schedule;
	const struct certstate *state;
	struct schedule_now now;
};

/* Fills the status, but for uptime_s, sia_dir and renew_refused, which become 0. */
void certview_fill(const struct certview *v, struct certstat *ret);

/* How long the certificate that is in use lasts, or that there is none. Gives @ret. */
const char *certview_left(const struct certview *v, char ret[static CERTVIEW_TEXT]);

/* What follows from a failure of which the schedule has made @verdict. Gives @ret. */
const char *certview_next(const struct certview *v, struct schedule_verdict verdict,
			  char ret[static CERTVIEW_TEXT]);
