/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliexplain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netpolicy/cli/clijson.h"
#include "netpolicy/cli/cliwait.h"
#include "netpolicy/cli/cliwitness.h"
#include "netpolicy/observe/rulecount.h"
#include "netpolicy/oracle/oracle.h"
#include "netpolicy/prove/prove.h"

struct cliexplain {
	struct cli_work work;
	struct terms terms;
	struct terms_packet packet;
	struct terms_answer model;
	int kernel_error; /* 0; -errno: the kernel could not be asked */
	bool is_asked;
	struct oracle_answer kernel;
	char error[ORACLE_ERROR_MAX];
	bool is_counted;
	struct rulecount count; /* of the deciding rule on this host */
	size_t n_ways;
	struct prove_way ways[PROVE_WAYS_MAX];
};

static void cliexplain_release(struct cliexplain *e)
{
	terms_release(&e->terms);
	cli_release(&e->work);
}

/* The kernel in a scratch namespace; not that of the host. */
static int cliexplain_ask(const struct cli *c, struct cliexplain *e)
{
	CLIWAIT("asking the kernel");
	struct oracle_job job = { .policy = e->work.policy };
	int r = cli_compile(c, &e->work);

	if (r != CLI_OK)
		return r;
	job.batch = e->work.file.batch;
	job.batch_len = e->work.file.batch_len;
	e->kernel_error = oracle_ask(&job, &e->packet, 1, &e->kernel, e->error);
	e->is_asked = e->kernel_error == 0;
	if (e->is_asked && e->kernel.error) {
		e->kernel_error = e->kernel.error;
		e->is_asked = false;
		snprintf(e->error, sizeof(e->error), "%s",
			 e->kernel.error == -EOPNOTSUPP ?
				 "such a packet cannot be made here" :
			 e->kernel.error == -ENODATA ?
				 "it never came to our chains" :
				 "its trace and its way contradict each other");
	}
	return CLI_OK;
}

/* How often the rule decided on this host. Only root may know; that it is not known is no error. */
static void cliexplain_count(struct cliexplain *e)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;

	if (e->is_asked && e->kernel.comment[0] && kernio_open(&k) == 0)
		e->is_counted = rulecount_read(k, !strcmp(e->kernel.table, "postern_guard"),
					       e->kernel.chain, e->kernel.comment,
					       &e->count) == 0 &&
				e->count.n_rules > 0;
}

static bool cliexplain_agrees(const struct cliexplain *e)
{
	struct terms_packet met = e->packet;
	struct terms_answer model;

	met.ct = e->kernel.ct;
	model = terms_decide(&e->terms, &met);
	return cliwitness_agree(&model, &e->kernel);
}

static const char *cliexplain_word(enum terms_verdict v)
{
	return v == TERMS_ACCEPT ? "ALLOWED" : "DENIED";
}

static void cliexplain_print_model(const struct cliexplain *e)
{
	const struct terms_item *item = e->model.item;
	char packet[PROVE_TEXT_MAX];

	printf("%s  %s\n", cliexplain_word(e->model.verdict),
	       prove_packet_text(&e->packet, packet));
	if (item)
		printf("model    %s%s%s, row %u%s: %s\n", item->where,
		       item->where[0] && item->what[0] ? " " : "", item->what, item->row,
		       e->model.by_guard ? ", guard" : "", terms_verdict_name(e->model.verdict));
}

static void cliexplain_print_kernel(const struct cliexplain *e)
{
	if (!e->is_asked) {
		printf("kernel   not asked: PST-%d %s\n", PST_ORACLE_FAILED, e->error);
		return;
	}
	printf("kernel   %s: table %s, chain %s, %s%s%s, %u rules met\n",
	       terms_verdict_name(e->kernel.verdict), e->kernel.table, e->kernel.chain,
	       e->kernel.comment[0] ? "\"" : "",
	       e->kernel.comment[0] ? e->kernel.comment : "the chain's policy",
	       e->kernel.comment[0] ? "\"" : "", e->kernel.n_rules);
	if (e->kernel.ct != e->packet.ct)
		printf("         conntrack takes the packet for something else than was asked\n");
	if (e->is_counted)
		printf("live     %llu packets, %llu bytes decided by that rule on this host\n",
		       (unsigned long long)e->count.packets, (unsigned long long)e->count.bytes);
}

static void cliexplain_print(const struct cliexplain *e, bool with_kernel)
{
	cliexplain_print_model(e);
	if (with_kernel)
		cliexplain_print_kernel(e);
	for (size_t i = 0; i < e->n_ways; i++)
		printf("%s %s (%s)\n", i ? "        " : "nearest ", e->ways[i].change,
		       e->ways[i].because[0] ? e->ways[i].because : "implied");
	if (e->model.verdict != TERMS_ACCEPT && !e->n_ways)
		printf("nearest  nothing like it is allowed\n");
}

static json_t *cliexplain_json_ways(const struct cliexplain *e)
{
	json_t *list = json_array();
	char packet[PROVE_TEXT_MAX];

	for (size_t i = 0; i < e->n_ways; i++)
		json_array_append_new(list,
				      json_pack("{ss ss ss}", "change", e->ways[i].change,
						"because", e->ways[i].because, "packet",
						prove_packet_text(&e->ways[i].packet, packet)));
	return list;
}

static int cliexplain_print_json(const struct cliexplain *e, bool with_kernel)
{
	const struct terms_item *item = e->model.item;
	char packet[PROVE_TEXT_MAX];
	json_t *root = json_pack("{ss sb s{ss ss ss sI sb} so}", "packet",
				 prove_packet_text(&e->packet, packet), "allowed",
				 e->model.verdict == TERMS_ACCEPT, "model", "verdict",
				 terms_verdict_name(e->model.verdict), "where",
				 item ? item->where : "", "what", item ? item->what : "", "row",
				 (json_int_t)(item ? item->row : 0), "guard", e->model.by_guard,
				 "nearest", cliexplain_json_ways(e));

	if (with_kernel && e->is_asked)
		json_object_set_new(
			root, "kernel",
			json_pack("{ss ss ss ss sI sb}", "verdict",
				  terms_verdict_name(e->kernel.verdict), "table", e->kernel.table,
				  "chain", e->kernel.chain, "comment", e->kernel.comment, "rules",
				  (json_int_t)e->kernel.n_rules, "agrees", cliexplain_agrees(e)));
	else if (with_kernel)
		json_object_set_new(root, "kernel", json_pack("{ss}", "error", e->error));
	if (e->is_counted)
		json_object_set_new(root, "live",
				    json_pack("{sI sI}", "packets", (json_int_t)e->count.packets,
					      "bytes", (json_int_t)e->count.bytes));
	return clijson_print(root, stdout);
}

static int cliexplain_model(const struct cli *c, struct cliexplain *e)
{
	char error[POLICY_ERROR_MAX] = "";
	int r = cli_prepare(c, &e->work);

	if (r != CLI_OK)
		return r;
	if (prove_packet_parse(e->work.policy, c->n_words, c->words, &e->packet, error) < 0) {
		log_error("not a packet: %s", error);
		return CLI_USAGE;
	}
	r = terms_make(e->work.policy, &e->terms);
	if (r == 0) {
		e->model = terms_decide(&e->terms, &e->packet);
		if (e->model.verdict != TERMS_ACCEPT)
			r = prove_ways(&e->terms, &e->packet, e->ways, &e->n_ways);
	}
	if (r < 0)
		log_error("cannot reason about it: %s", strerror(-r));
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

int cliexplain_run(const struct cli *c)
{
	_cleanup_(cliexplain_release) struct cliexplain e = { 0 };
	int r = cliexplain_model(c, &e);

	if (r == CLI_OK && !c->no_kernel)
		r = cliexplain_ask(c, &e);
	if (r != CLI_OK)
		return r;
	cliexplain_count(&e);
	if (!c->json)
		cliexplain_print(&e, !c->no_kernel);
	else if (cliexplain_print_json(&e, !c->no_kernel) < 0)
		return CLI_TROUBLE;
	if (!cli_is_printed())
		return CLI_TROUBLE;
	if (e.is_asked && !cliexplain_agrees(&e)) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_MISMATCH,
			"the model says %s, the kernel %s; the kernel is right",
			terms_verdict_name(e.model.verdict), terms_verdict_name(e.kernel.verdict));
		return CLI_TROUBLE;
	}
	return e.model.verdict == TERMS_ACCEPT ? CLI_OK : CLI_DRIFT;
}
