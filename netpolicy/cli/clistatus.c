/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clistatus.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/timetext.h"
#include "netpolicy/cli/cliask.h"
#include "netpolicy/cli/clicheck.h"
#include "netpolicy/cli/clijson.h"

/* Asks for one list from row to row. */
static int clistatus_list(const struct cli *c, enum ctlwire_op op, void **list, size_t *n)
{
	size_t unit = op == CTLWIRE_GRANT_LIST ? sizeof(struct ctlwire_grant) :
						 sizeof(struct ctlwire_drift);
	struct ctlwire_request q = { .op = op };
	struct ctlwire_answer a = { .n = CTLWIRE_LIST_MAX };

	while (a.n == CTLWIRE_LIST_MAX && *n < CLISTATUS_ROWS_MAX) {
		int r = cliask_must(c, &q, "it ended just now", &a);
		void *more;

		if (r != CLI_OK)
			return r;
		more = reallocarray(*list, *n + a.n + 1, unit);
		if (!more)
			return CLI_TROUBLE;
		*list = more;
		memcpy((char *)*list + *n * unit,
		       op == CTLWIRE_GRANT_LIST ? (void *)a.grants : (void *)a.drifts, a.n * unit);
		*n += a.n;
		if (a.n)
			q.id = 1 + (op == CTLWIRE_GRANT_LIST ? a.grants[a.n - 1].id :
							       a.drifts[a.n - 1].id);
	}
	return CLI_OK;
}

int clistatus_ask(const struct cli *c, struct clistatus *ret)
{
	struct ctlwire_request q = { .op = CTLWIRE_STATUS };
	void *grants = NULL, *drifts = NULL;
	struct ctlwire_answer a;
	int r;

	*ret = (struct clistatus){ 0 };
	r = cliask(c, &q, &a);
	if (r == CLIASK_E_ABSENT)
		return CLI_OK;
	if (r < 0 || a.result < 0)
		return CLI_TROUBLE;
	ret->is_there = true;
	ret->state = a.status;
	r = clistatus_list(c, CTLWIRE_GRANT_LIST, &grants, &ret->n_grants);
	ret->grants = grants;
	if (r == CLI_OK)
		r = clistatus_list(c, CTLWIRE_DRIFT_LIST, &drifts, &ret->n_drifts);
	ret->drifts = drifts;
	return r == CLI_OK ? CLI_OK : CLI_TROUBLE;
}

static const char *clistatus_addr(const struct in6_addr *addr, char ret[static INET6_ADDRSTRLEN])
{
	struct ip6_prefix p = { *addr, 128 };
	char text[IP6_PREFIX_TEXT];

	snprintf(ret, INET6_ADDRSTRLEN, "%.45s", policy_format_prefix(&p, text));
	return ret;
}

static uint64_t clistatus_wall(int64_t at)
{
	return at > 0 ? (uint64_t)at : 0;
}

void clistatus_print_grant(const struct ctlwire_grant *g)
{
	char addr[INET6_ADDRSTRLEN], left[TIMETEXT_MAX], until[TIMETEXT_MAX];

	printf("  %llu  %s for %s, ", (unsigned long long)g->id, g->name,
	       clistatus_addr(&g->addr, addr));
	if (g->left_s)
		printf("%s left, until %s", timetext_span(g->left_s, left),
		       timetext_stamp(clistatus_wall(g->until_s), until));
	else
		printf("not live: ends now, or is not offered by the policy that is enforced");
	printf(", by %s%s%s\n", g->who, g->why[0] ? ": " : "", g->why);
}

static void clistatus_print_drift(const struct ctlwire_drift *d)
{
	char at[TIMETEXT_MAX];

	printf("  %s  %s (pid %u), %u time%s, repaired within %u us: %s%s\n",
	       timetext_stamp(clistatus_wall(d->at_s), at), d->command[0] ? d->command : "unknown",
	       d->pid, d->times, d->times == 1 ? "" : "s", d->repair_us, d->what,
	       d->n_differences > 1 ? ", and more" : "");
}

static void clistatus_print(const struct clistatus *s)
{
	const struct ctlwire_status *state = &s->state;
	char span[TIMETEXT_MAX], started[TIMETEXT_MAX], checked[TIMETEXT_MAX];

	printf("%s: %s\n", state->is_intact ? "INTACT" : "NOT INTACT",
	       state->about[0] ? state->about : "no policy");
	if (strcmp(state->about, state->boot_about) != 0)
		printf("at boot: %s\n",
		       state->boot_about[0] ? state->boot_about : "the closed policy");
	if (state->is_pending)
		printf("%s: the policy before is back in %s%s\n",
		       state->is_trial ? "TRIAL" : "PENDING",
		       timetext_span(state->pending_left_s, span),
		       state->is_trial ? "" : " unless you say 'netpolicy confirm'");
	printf("netpolicyd since %s, last look %s, generation %u, %s\n",
	       timetext_stamp(clistatus_wall(state->started_s), started),
	       timetext_stamp(clistatus_wall(state->checked_s), checked), state->generation,
	       state->is_owner ? "owner of the tables" : "not owner of the tables");
	printf("grants: %zu\n", s->n_grants);
	for (size_t i = 0; i < s->n_grants; i++)
		clistatus_print_grant(&s->grants[i]);
	printf("repairs: %llu, events lost: %llu\n", (unsigned long long)state->n_repairs,
	       (unsigned long long)state->n_overruns);
	for (size_t i = 0; i < s->n_drifts; i++)
		clistatus_print_drift(&s->drifts[i]);
}

json_t *clistatus_grants_json(const struct clistatus *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_grants; i++) {
		const struct ctlwire_grant *g = &s->grants[i];
		char addr[INET6_ADDRSTRLEN];

		json_array_append_new(
			list, json_pack("{sI ss ss sI sI ss ss}", "id", (json_int_t)g->id, "name",
					g->name, "address", clistatus_addr(&g->addr, addr), "until",
					(json_int_t)g->until_s, "left_s", (json_int_t)g->left_s,
					"who", g->who, "why", g->why));
	}
	return list;
}

json_t *clistatus_drifts_json(const struct clistatus *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_drifts; i++) {
		const struct ctlwire_drift *d = &s->drifts[i];

		json_array_append_new(
			list, json_pack("{sI sI sI ss sI sI ss sI}", "id", (json_int_t)d->id, "at",
					(json_int_t)d->at_s, "pid", (json_int_t)d->pid, "command",
					d->command, "times", (json_int_t)d->times, "repair_us",
					(json_int_t)d->repair_us, "what", d->what, "differences",
					(json_int_t)d->n_differences));
	}
	return list;
}

static json_t *clistatus_json(const struct clistatus *s)
{
	const struct ctlwire_status *state = &s->state;
	json_t *root = json_pack(
		"{sb ss ss sb sb sb sb sI sI sI sI sI sI}", "netpolicyd", s->is_there, "about",
		state->about, "boot_about", state->boot_about, "intact", state->is_intact, "owner",
		state->is_owner, "pending", state->is_pending, "trial", state->is_trial,
		"pending_left_s", (json_int_t)state->pending_left_s, "generation",
		(json_int_t)state->generation, "repairs", (json_int_t)state->n_repairs, "overruns",
		(json_int_t)state->n_overruns, "started", (json_int_t)state->started_s, "checked",
		(json_int_t)state->checked_s);

	json_object_set_new(root, "grants", clistatus_grants_json(s));
	json_object_set_new(root, "drifts", clistatus_drifts_json(s));
	return root;
}

/* Without the daemon: what is saved, and whether the kernel holds that. */
static void clistatus_print_alone(const struct cli *c)
{
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	_cleanup_(clicheck_release) struct clicheck what = { 0 };
	int r = cli_load_saved(c, &file, NULL);

	if (r == -EACCES || r == -EPERM)
		return; /* it was said that it cannot be read: who knows what it is */
	if (r < 0) {
		printf("no policy%s is saved in %s: at boot the closed one is loaded\n",
		       r == -ENOENT ? "" : " that can be used", c->state_dir);
		return;
	}
	printf("at boot: %s\n", file.about);
	if (clicheck_look(&file, &what) != CLI_OK)
		return;
	printf("the kernel %s it", what.code == CLI_OK ? "holds" : "does not hold");
	if (what.code != CLI_OK)
		printf(": PST-%d: %zu difference%s", what.pst, what.result.diff.n,
		       what.result.diff.n == 1 ? "" : "s");
	printf("; nobody repairs it\n");
}

int clistatus_run(const struct cli *c)
{
	_cleanup_(clistatus_release) struct clistatus s = { 0 };
	int r = clistatus_ask(c, &s);

	if (r != CLI_OK)
		return r;
	if (c->json && clijson_print(clistatus_json(&s), stdout) < 0)
		return CLI_TROUBLE;
	if (!s.is_there) {
		if (!c->json)
			clistatus_print_alone(c);
		fflush(stdout);
		log_pst(LOG_LEVEL_ERROR, PST_NETPOLICYD_SILENT,
			"no netpolicyd at %s/" CLIASK_SOCKET_NAME, c->run_dir);
		return CLI_TROUBLE;
	}
	if (!c->json)
		clistatus_print(&s);
	if (!cli_is_printed())
		return CLI_TROUBLE;
	return s.state.is_intact && !s.state.is_pending ? CLI_OK : CLI_DRIFT;
}

void clistatus_release(struct clistatus *s)
{
	free(s->grants);
	free(s->drifts);
	*s = (struct clistatus){ 0 };
}
