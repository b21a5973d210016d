/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliplan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netpolicy/cli/clijson.h"
#include "netpolicy/cli/cliwait.h"
#include "netpolicy/prove/prove.h"

/* Both policies, and what was found. Names of grants and claims are lines of text. */
struct cliplan {
	struct policy *before, *after;
	struct prove_changes changes;
	struct buf added, removed;
};

static void cliplan_releasep(struct cliplan *p)
{
	policy_free(p->before);
	policy_free(p->after);
	prove_release_changes(&p->changes);
	buf_release(&p->added);
	buf_release(&p->removed);
}

static void cliplan_grant_text(const struct policy *p, const struct policy_grant *g, char *ret,
			       size_t cap)
{
	int n = snprintf(ret, cap, "grant %s from %s via %s max %u s, tcp", g->name,
			 p->nets[g->net].name, g->via == POLICY_VIA_TUNNEL ? "tun" : "up",
			 g->max_s);

	for (size_t i = 0; i < g->ports.n && n > 0 && (size_t)n < cap; i++)
		n += snprintf(ret + n, cap - (size_t)n,
			      g->ports.list[i].low == g->ports.list[i].high ? " %u" : " %u-%u",
			      g->ports.list[i].low, g->ports.list[i].high);
}

/* A claim with how much it says: when a line of it vanishes, it shows. */
static void cliplan_claim_text(const struct policy *p, size_t claim, char *ret, size_t cap)
{
	size_t lines = 0;

	for (size_t i = 0; i < p->n_says; i++)
		lines += p->says[i].claim == claim;
	snprintf(ret, cap, "claim \"%s\", %zu line%s", p->claims[claim].text, lines,
		 lines == 1 ? "" : "s");
}

static bool cliplan_text(const struct policy *p, size_t i, char *ret, size_t cap)
{
	if (i < p->n_grants)
		cliplan_grant_text(p, &p->grants[i], ret, cap);
	else if (i - p->n_grants < p->n_claims)
		cliplan_claim_text(p, i - p->n_grants, ret, cap);
	else
		return false;
	return true;
}

/* Grants and claims of @a that @b has not in the same words. */
static void cliplan_compare(const struct policy *a, const struct policy *b, struct buf *to)
{
	char mine[512], theirs[512];

	for (size_t i = 0; cliplan_text(a, i, mine, sizeof(mine)); i++) {
		bool found = false;

		for (size_t j = 0; !found && cliplan_text(b, j, theirs, sizeof(theirs)); j++)
			found = !strcmp(mine, theirs);
		if (!found)
			buf_addf(to, "%s\n", mine);
	}
}

static int cliplan_prove(struct cliplan *p)
{
	CLIWAIT("comparing all packets");
	_cleanup_(terms_release) struct terms before = { 0 }, after = { 0 };
	int r = terms_make(p->before, &before);

	if (r == 0)
		r = terms_make(p->after, &after);
	if (r == 0)
		r = prove_changes(&before, &after, &p->changes);
	cliplan_compare(p->after, p->before, &p->added);
	cliplan_compare(p->before, p->after, &p->removed);
	return r < 0 ? r : buf_done(&p->added) < 0 ? -ENOMEM : buf_done(&p->removed);
}

static void cliplan_print_changes(const struct prove_changes *changes, bool newly_allowed)
{
	char packet[PROVE_TEXT_MAX];
	bool is_first = true;

	for (size_t i = 0; i < changes->n; i++) {
		const struct prove_change *change = &changes->list[i];

		if (change->newly_allowed != newly_allowed)
			continue;
		if (is_first)
			printf("%s:\n", newly_allowed ? "newly allows" : "newly denies");
		is_first = false;
		printf("  %s  (%s)\n    for example: %s\n", change->set,
		       change->because[0] ? change->because : "implied",
		       prove_packet_text(&change->example, packet));
	}
}

static void cliplan_print(const struct cliplan *p, bool is_same)
{
	printf("from %s version %u to %s version %u:%s\n", p->before->name, p->before->version,
	       p->after->name, p->after->version, is_same ? " nothing changes" : "");
	cliplan_print_changes(&p->changes, true);
	cliplan_print_changes(&p->changes, false);
	if (p->changes.n_left_out)
		printf("and %zu more sets\n", p->changes.n_left_out);
	cli_print_lines("adds     ", p->added.text);
	cli_print_lines("removes  ", p->removed.text);
	if (p->before->enforce != p->after->enforce)
		printf("denials are %s\n", p->after->enforce ? "enforced again" : "only logged");
}

static json_t *cliplan_json_changes(const struct prove_changes *changes)
{
	json_t *list = json_array();
	char packet[PROVE_TEXT_MAX];

	for (size_t i = 0; i < changes->n; i++) {
		const struct prove_change *change = &changes->list[i];

		json_array_append_new(list, json_pack("{sb ss ss ss}", "allows",
						      change->newly_allowed, "set", change->set,
						      "because", change->because, "example",
						      prove_packet_text(&change->example, packet)));
	}
	return list;
}

static int cliplan_print_json(const struct cliplan *p, bool is_same)
{
	json_t *root = json_pack(
		"{sb s{ss sI} s{ss sI} so sI so so}", "same", is_same, "from", "name",
		p->before->name, "version", (json_int_t)p->before->version, "to", "name",
		p->after->name, "version", (json_int_t)p->after->version, "changes",
		cliplan_json_changes(&p->changes), "left_out", (json_int_t)p->changes.n_left_out,
		"adds", clijson_lines(p->added.text), "removes", clijson_lines(p->removed.text));

	return clijson_print(root, stdout);
}

/* Nothing loaded yet is a policy that allows nothing of its own. */
static int cliplan_load(const struct cli *c, struct cliplan *p)
{
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	int r = cli_load(c, &p->after);

	if (r != CLI_OK)
		return r;
	r = cli_load_saved(c, &file, &p->before);
	if (r == 0 && p->before)
		return CLI_OK;
	if (r == -ENOENT)
		log_error("no %s/" CLI_BATCH_NAME ": nothing was loaded here before, so "
			  "everything is new; 'netpolicy compile --effective' prints it",
			  c->state_dir);
	else if (r == 0)
		log_error("%s/" CLI_BATCH_NAME " holds no page to compare with", c->state_dir);
	return CLI_TROUBLE;
}

int cliplan_run(const struct cli *c)
{
	_cleanup_(cliplan_releasep) struct cliplan p = { .added = buf_init(1 << 20),
							 .removed = buf_init(1 << 20) };
	bool is_same;
	int r = cliplan_load(c, &p);

	if (r != CLI_OK)
		return r;
	r = cliplan_prove(&p);
	if (r < 0) {
		log_error("cannot compare: %s", strerror(-r));
		return CLI_TROUBLE;
	}
	is_same = p.changes.n == 0 && !p.added.len && !p.removed.len &&
		  p.before->enforce == p.after->enforce;
	if (!c->json)
		cliplan_print(&p, is_same);
	else if (cliplan_print_json(&p, is_same) < 0)
		return CLI_TROUBLE;
	return !cli_is_printed() ? CLI_TROUBLE : is_same ? CLI_OK : CLI_DRIFT;
}
