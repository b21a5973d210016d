/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliwitness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/cli/cliwait.h"
#include "netpolicy/prove/prove.h"

/* Comments begin with the line: "policy.conf:17 log sync". What is implied is worded by each side
 * in its own way. */
static bool cliwitness_same_line(const char *where, const char *comment)
{
	size_t n = strlen(where);

	return n == 0 || (!strncmp(comment, where, n) && (comment[n] == ' ' || !comment[n]));
}

bool cliwitness_agree(const struct terms_answer *model, const struct oracle_answer *kernel)
{
	if ((model->verdict == TERMS_ACCEPT) != (kernel->verdict == TERMS_ACCEPT))
		return false;
	return model->verdict != TERMS_ACCEPT || !model->item ||
	       cliwitness_same_line(model->item->where, kernel->comment);
}

static void cliwitness_count(const struct terms *t, const struct terms_packet *packet,
			     const struct oracle_answer *kernel, struct cliwitness *ret)
{
	struct terms_packet met = *packet;
	struct terms_answer model;

	if (kernel->error == -EOPNOTSUPP || kernel->error == -ENODATA) {
		ret->n_skipped++;
		return;
	}
	/* Conntrack has the last word on what a packet is to it. */
	met.ct = kernel->error ? met.ct : kernel->ct;
	model = terms_decide(t, &met);
	ret->n++;
	if (kernel->error == 0 && cliwitness_agree(&model, kernel))
		ret->n_agree++;
	else if (ret->n_shown < CLIWITNESS_SHOWN)
		ret->shown[ret->n_shown++] = met;
}

void cliwitness_run(const struct cli_work *w, const struct terms *t, struct cliwitness *ret)
{
	CLIWAIT("asking the kernel");
	struct oracle_job job = { w->policy, w->file.batch, w->file.batch_len };
	struct terms_packet *packets = NULL;
	struct oracle_answer *answers = NULL;
	size_t n = 0;
	int r = prove_witnesses(t, CLIWITNESS_MAX, &packets, &n);

	*ret = (struct cliwitness){ 0 };
	if (r == 0) {
		answers = calloc(n ? n : 1, sizeof(answers[0]));
		r = answers ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = oracle_ask(&job, packets, n, answers, ret->error);
	ret->was_asked = r == 0;
	ret->was_cut = n == CLIWITNESS_MAX;
	for (size_t i = 0; r == 0 && i < n; i++)
		cliwitness_count(t, &packets[i], &answers[i], ret);
	if (r < 0 && !ret->error[0])
		snprintf(ret->error, sizeof(ret->error), "%s", strerror(-r));
	free(packets);
	free(answers);
}
