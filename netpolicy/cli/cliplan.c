/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliplan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netpolicy/cli/clijson.h"
#include "netpolicy/cli/cliwait.h"
#include "netpolicy/model/sha256.h"
#include "netpolicy/parse/policyfmt.h"
#include "netpolicy/prove/prove.h"

#define CLIPLAN_WORDS_MAX (8 * 1024 * 1024) /* 1,024 lines of claims with 16 exceptions each */

/* Both policies, and what was found. What no packet shows is lines of text. */
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

static void cliplan_put_grant(const struct policy *p, const struct policy_grant *g, struct buf *to)
{
	buf_addf(to, "grant %s from %s via %s max %u s, tcp", g->name, p->nets[g->net].name,
		 g->via == POLICY_VIA_TUNNEL ? "tun" : "up", g->max_s);
	for (size_t i = 0; i < g->ports.n; i++)
		buf_addf(to, g->ports.list[i].low == g->ports.list[i].high ? " %u" : " %u-%u",
			 g->ports.list[i].low, g->ports.list[i].high);
	buf_add(to, "\n");
}

static void cliplan_put_links(const char *kind, const char (*names)[IFNAMSIZ], size_t n,
			      struct buf *to)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(to, "link %s %s\n", kind, names[i]);
}

static void cliplan_put_say(const struct policy *p, const struct policy_say *say, struct buf *to)
{
	buf_addf(to, "claim \"%s\": ", p->claims[say->claim].text);
	policyfmt_say(p, say, to);
	buf_add(to, "\n");
}

static bool cliplan_is_claimed(const struct policy *p, size_t net)
{
	for (size_t i = 0; i < p->n_says; i++) {
		if (p->says[i].match.net == net)
			return true;
		for (size_t k = 0; k < p->says[i].n_excepts; k++)
			if (p->says[i].excepts[k].net == net)
				return true;
	}
	return false;
}

/* With another network under its name a claim says something else. */
static void cliplan_put_net(const struct policy_net *net, struct buf *to)
{
	_cleanup_(buf_release) struct buf list = buf_init(CLIPLAN_WORDS_MAX);
	char digest[SHA256_TEXT] = "", text[IP6_PREFIX_TEXT];

	for (size_t i = 0; i < net->prefixes.n; i++)
		buf_addf(&list, "%s\n", policy_format_prefix(&net->prefixes.list[i], text));
	if (buf_done(&list) == 0)
		sha256_text(list.text, list.len, digest);
	buf_addf(to, "net %s, of which claims speak: %zu prefix%s, sha256 %.16s\n", net->name,
		 net->prefixes.n, net->prefixes.n == 1 ? "" : "es", digest);
}

/* What the page says and no packet of the model shows, one a line. */
static void cliplan_describe(const struct policy *p, struct buf *to)
{
	buf_addf(to, "host tier %s\nlog %u\n", policy_tier_name(p->tier), p->log_rate);
	cliplan_put_links("up", p->uplinks, p->n_uplinks, to);
	cliplan_put_links("tun", p->tunnels, p->n_tunnels, to);
	for (size_t i = 0; i < p->n_nets; i++)
		if (cliplan_is_claimed(p, i) && !p->nets[i].is_any)
			cliplan_put_net(&p->nets[i], to);
	for (size_t i = 0; i < p->n_grants; i++)
		cliplan_put_grant(p, &p->grants[i], to);
	for (size_t i = 0; i < p->n_says; i++)
		cliplan_put_say(p, &p->says[i], to);
}

static bool cliplan_has_line(const char *lines, const char *line, size_t len)
{
	for (; *lines; lines += strcspn(lines, "\n") + 1)
		if (!strncmp(lines, line, len))
			return true;
	return false;
}

/* Lines of @mine that are not among @theirs. */
static void cliplan_compare(const char *mine, const char *theirs, struct buf *to)
{
	while (*mine) {
		size_t len = strcspn(mine, "\n") + 1;

		if (!cliplan_has_line(theirs, mine, len))
			buf_addf(to, "%.*s", (int)len, mine);
		mine += len;
	}
}

static int cliplan_compare_words(struct cliplan *p)
{
	_cleanup_(buf_release) struct buf before = buf_init(CLIPLAN_WORDS_MAX);
	_cleanup_(buf_release) struct buf after = buf_init(CLIPLAN_WORDS_MAX);
	int r;

	cliplan_describe(p->before, &before);
	cliplan_describe(p->after, &after);
	r = buf_done(&before);
	if (r == 0)
		r = buf_done(&after);
	if (r < 0)
		return r;
	cliplan_compare(after.text, before.text, &p->added);
	cliplan_compare(before.text, after.text, &p->removed);
	r = buf_done(&p->added);
	return r < 0 ? r : buf_done(&p->removed);
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
	return r < 0 ? r : cliplan_compare_words(p);
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
	_cleanup_(cliplan_releasep) struct cliplan p = { .added = buf_init(CLIPLAN_WORDS_MAX),
							 .removed = buf_init(CLIPLAN_WORDS_MAX) };
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
