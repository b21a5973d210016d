/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliprove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netpolicy/cli/cliattest.h"
#include "netpolicy/cli/cligate.h"
#include "netpolicy/cli/cliwait.h"

static void cliprove_release(struct cliprove *p)
{
	prove_release_report(&p->report);
	prove_release_deads(&p->deads);
	terms_release(&p->terms);
	cli_release(&p->work);
	clihost_release(&p->host);
}

const char *cliprove_outcome_name(enum prove_outcome outcome)
{
	static const char *const names[] = { "holds", "violated", "undecided" };

	return names[outcome];
}

enum prove_outcome cliprove_outcome(const struct cliprove *p, const struct prove_say *say)
{
	const struct policy_match *match = &p->work.policy->says[say->say].match;
	bool in = !match->has_dir || match->dir == POLICY_IN;
	bool out = !match->has_dir || match->dir == POLICY_OUT;

	/* What the model violates no host can mend. */
	if (say->outcome != PROVE_HOLDS || !p->with_host)
		return say->outcome;
	return clihost_holds(&p->host.assumptions, in, out) ? PROVE_HOLDS : PROVE_UNDECIDED;
}

static int cliprove_model(struct cliprove *p)
{
	CLIWAIT("proving");
	int r = terms_make(p->work.policy, &p->terms);

	if (r == 0)
		r = prove_claims(&p->terms, &p->report);
	if (r < 0) {
		log_error("cannot prove: %s", strerror(-r));
		return CLI_TROUBLE;
	}
	p->is_deads_known = prove_dead_rules(&p->terms, &p->deads) == 0;
	return CLI_OK;
}

static int cliprove_judge(const struct cliprove *p)
{
	/* A kernel that was to be asked and told nothing leaves its link of the proof open. */
	bool is_sure = !p->with_kernel || p->witness.n > 0;
	int code = is_sure && p->witness.n == p->witness.n_agree ? CLI_OK : CLI_TROUBLE;

	for (size_t i = 0; i < p->report.n; i++) {
		enum prove_outcome outcome = cliprove_outcome(p, &p->report.list[i]);

		if (outcome == PROVE_VIOLATED)
			return CLI_DRIFT;
		if (outcome == PROVE_UNDECIDED)
			code = CLI_TROUBLE;
	}
	return code;
}

static void cliprove_print_claim(const struct cliprove *p, const struct prove_say *say)
{
	const struct policy *policy = p->work.policy;
	const struct policy_say *line = &policy->says[say->say];
	_cleanup_(buf_release) struct buf text = buf_init(4096);
	enum prove_outcome outcome = cliprove_outcome(p, say);
	char packet[PROVE_TEXT_MAX];

	if (say->outcome != PROVE_HOLDS) {
		cligate_describe(&p->terms, say, &text);
		printf("%-9s PST-%d %s\n", outcome == PROVE_VIOLATED ? "VIOLATED" : "UNDECIDED",
		       PST_POLICY_CLAIM, text.text ? text.text : "");
		return;
	}
	printf("%-9s %s: claim \"%s\"%s%s\n", outcome == PROVE_HOLDS ? "HOLDS" : "UNDECIDED",
	       line->where, policy->claims[line->claim].text,
	       outcome == PROVE_HOLDS ? "" : ": it holds in the page, but see the assumptions",
	       say->is_empty ? ": but no packet is what it speaks of" : "");
	if (say->but_sockets)
		printf("          but for packet sockets, which only the guard stops: %s\n",
		       prove_packet_text(&say->socket_witness, packet));
}

static void cliprove_print_deads(const struct cliprove *p)
{
	if (!p->is_deads_known)
		printf("lines that decide nothing: too large to tell\n");
	for (size_t i = 0; i < p->deads.n; i++) {
		const struct prove_dead *dead = &p->deads.list[i];
		const char *line = p->work.policy->rules[dead->rule].where;
		const char *by = dead->because[0] ? dead->because :
						    "what is implied or several lines";

		if (dead->is_never)
			printf("%s can never match: no packet fits\n", line);
		else if (dead->is_redundant)
			printf("%s could go: what it allows is allowed without it by %s\n", line,
			       by);
		else
			printf("%s decides nothing: every packet of it is decided before by %s\n",
			       line, by);
	}
}

static void cliprove_print_host(const struct clihost *host)
{
	printf("assumptions: %zu, broken %zu, unknown %zu\n", host->assumptions.n,
	       host->assumptions.n_broken, host->assumptions.n_unknown);
	for (size_t i = 0; i < host->assumptions.n; i++) {
		const struct assume_row *row = &host->assumptions.list[i];
		bool is_bad = row->bears_on && row->outcome != ASSUME_HOLDS;

		printf("  %-7s %s%s%s: %s\n",
		       row->bears_on ? assume_outcome_name(row->outcome) : "note",
		       is_bad ? "PST-3019 " : "", row->id,
		       row->bears_on == ASSUME_ON_IN  ? " (in)" :
		       row->bears_on == ASSUME_ON_OUT ? " (out)" :
							"",
		       row->text);
	}
}

static void cliprove_print_witness(const struct cliwitness *w)
{
	char packet[PROVE_TEXT_MAX];

	if (!w->was_asked) {
		printf("kernel: not asked: PST-%d %s\n", PST_ORACLE_FAILED, w->error);
		return;
	}
	printf("kernel: %zu packets at %s borders, %zu agree", w->n,
	       w->was_cut ? "some of the" : "all", w->n_agree);
	if (w->n_skipped)
		printf(", %zu could not be made here", w->n_skipped);
	printf("\n");
	for (size_t i = 0; i < w->n_shown; i++)
		printf("  PST-%d model and kernel do not agree on: %s\n", PST_POLICY_MISMATCH,
		       prove_packet_text(&w->shown[i], packet));
}

/* The code in words. */
static const char *cliprove_result(const struct cliprove *p)
{
	if (p->code != CLI_TROUBLE)
		return p->code == CLI_OK ? "all claims hold" : "a claim is violated";
	for (size_t i = 0; i < p->report.n; i++)
		if (cliprove_outcome(p, &p->report.list[i]) == PROVE_UNDECIDED)
			return "not decidable under these assumptions";
	return p->witness.was_asked ?
		       "the claims hold, but model and kernel do not agree" :
		       "the claims hold, but the kernel could not be asked ('--no-kernel' asks "
		       "the model alone)";
}

static void cliprove_print(const struct cliprove *p)
{
	for (size_t i = 0; i < p->report.n; i++)
		cliprove_print_claim(p, &p->report.list[i]);
	if (!p->report.n)
		printf("the page makes no claims\n");
	cliprove_print_deads(p);
	if (p->with_kernel)
		cliprove_print_witness(&p->witness);
	if (p->with_host)
		cliprove_print_host(&p->host);
	printf("%s: %s%s\n", p->work.file.about, cliprove_result(p),
	       p->with_host ? "" : "; of the page alone, nothing is said about a host");
}

static int cliprove_make(const struct cli *c, struct cliprove *p)
{
	int r = cli_prepare(c, &p->work);

	if (r == CLI_OK)
		r = cliprove_model(p);
	if (r == CLI_OK && (p->with_host || p->with_kernel))
		r = cli_compile(c, &p->work);
	if (r == CLI_OK && p->with_host)
		r = clihost_look(c, &p->work, &p->host);
	if (r == CLI_OK && p->with_kernel)
		cliwitness_run(&p->work, &p->terms, &p->witness);
	return r;
}

int cliprove_run(const struct cli *c)
{
	_cleanup_(cliprove_release) struct cliprove p = { .with_host = !c->page_only,
							  .with_kernel = !c->no_kernel };
	_cleanup_(clisign_closep) struct clisign_signer *signer = NULL;
	int r = cliattest_open(c, &signer);

	if (r == CLI_OK)
		r = cliprove_make(c, &p);
	if (r != CLI_OK)
		return r;
	p.code = cliprove_judge(&p);
	if (c->json || c->output)
		r = cliattest_write(c, &p, signer);
	if (r == CLI_OK && !c->json)
		cliprove_print(&p);
	return r == CLI_OK && cli_is_printed() ? p.code : CLI_TROUBLE;
}
