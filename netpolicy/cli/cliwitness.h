/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Model and kernel on the same packets: the compiled batch in a scratch namespace against
 * terms_decide().
 */
#include "netpolicy/cli/cli.h"
#include "netpolicy/model/terms.h"
#include "netpolicy/oracle/oracle.h"

#define CLIWITNESS_MAX 10000
#define CLIWITNESS_SHOWN 10 /* disagreements that are told */

struct cliwitness {
	bool was_cut;      /* there are more borders than CLIWITNESS_MAX packets tell */
	bool was_asked;    /* else @error says why not */
	size_t n, n_agree; /* packets; those on which both agree */
	size_t n_skipped;  /* that cannot be made here */
	size_t n_shown;
	struct terms_packet shown[CLIWITNESS_SHOWN]; /* on which they do not agree */
	char error[ORACLE_ERROR_MAX];
};

/* True when verdict and line are the same. */
bool cliwitness_agree(const struct terms_answer *model, const struct oracle_answer *kernel);

/* Makes packets at all borders and asks both. Errors are in ret->error. */
void cliwitness_run(const struct cli_work *w, const struct terms *t, struct cliwitness *ret);
