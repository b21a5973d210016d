/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cligate.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "netpolicy/cli/cliwait.h"

static const char *cligate_where(const struct terms_answer *answer)
{
	return answer->item && answer->item->where[0] ? answer->item->where : "what is implied";
}

void cligate_describe(const struct terms *t, const struct prove_say *say, struct buf *to)
{
	const struct policy_say *line = &t->policy->says[say->say];
	const char *what = say->lets.item ? say->lets.item->what : "";
	char packet[PROVE_TEXT_MAX];

	buf_addf(to, "%s: claim \"%s\": ", line->where, t->policy->claims[line->claim].text);
	if (say->outcome == PROVE_UNDECIDED) {
		buf_add(to, "too large to decide");
		return;
	}
	buf_addf(to, "%s %s%s%s%s: %s", cligate_where(&say->lets),
		 line->is_never ? "lets through" : "stops", *what ? " (" : "", what,
		 *what ? ")" : "", prove_packet_text(&say->witness, packet));
}

/* Sees whether the tunnel has a way out at all: whatever the page allows, it does so on its
 * uplinks. Errors: 0; -EINVAL with words in @ret_error. */
static int cligate_find_uplink(const struct policy *p, char ret_error[static POLICY_ERROR_MAX])
{
	for (size_t i = 0; i < p->n_uplinks; i++)
		if (if_nametoindex(p->uplinks[i]))
			return 0;
	snprintf(ret_error, POLICY_ERROR_MAX,
		 "no interface of 'link up' exists on this host, %s for one; name those that do",
		 p->uplinks[0]);
	return -EINVAL;
}

int cligate_load_zone(const struct cli *c, struct zoneconf *ret)
{
	struct conf_error error = { 0 };
	int r = zoneconf_load(c->config, ret, &error);

	/* The words begin with the file. */
	if (r < 0 && error.text[0])
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_CONFIG, "%s", error.text);
	else if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_CONFIG, "%s: %s", c->config, strerror(-r));
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

/* Adds what the tunnel needs as claims. */
static int cligate_add_tunnel(const struct cli *c, struct policy *p)
{
	_cleanup_(zoneconf_release) struct zoneconf zone = { 0 };
	char reason[POLICY_ERROR_MAX] = "";
	int r;

	if (access(c->config, F_OK) < 0 && errno == ENOENT) {
		if (c->verbose)
			log_info("no %s: not compared with a tunnel", c->config);
		return CLI_OK;
	}
	if (cligate_load_zone(c, &zone) != CLI_OK)
		return CLI_TROUBLE;
	r = zoneconf_claims(&zone, p, reason);
	if (r == 0 && !c->boot_only)
		r = cligate_find_uplink(p, reason);
	if (r == 0)
		return CLI_OK;
	log_pst(c->force ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, PST_POLICY_CUTS_TUNNEL, "%s",
		reason[0] ? reason : strerror(-r));
	if (r != -EINVAL)
		return CLI_TROUBLE;
	return c->force ? CLI_OK : CLI_DRIFT;
}

static void cligate_warn_empty(const struct terms *t, const struct prove_say *say)
{
	const struct policy_say *line = &t->policy->says[say->say];

	if (say->is_empty)
		log_warning("%s: claim \"%s\" holds, but no packet is what it speaks of",
			    line->where, t->policy->claims[line->claim].text);
}

/* The line that would let the tunnel through. */
static void cligate_advise(const struct policy_say *line, struct buf *to)
{
	const struct policy_match *m = &line->match;

	if (!line->is_never && m->has_mark && m->ports.n == 1)
		buf_addf(to, "; the tunnel needs 'to config via up allow %s %u mark 0x%x'",
			 m->ports.list[0].proto == POLICY_UDP ? "udp" : "tcp", m->ports.list[0].low,
			 m->mark);
}

/* Most often a typing error; the others lead outside all the same. */
static void cligate_warn_links(const struct policy *p)
{
	for (size_t i = 0; i < p->n_uplinks; i++)
		if (!if_nametoindex(p->uplinks[i]))
			log_warning("there is no interface %s of 'link up' on this host now; is it "
				    "the right name?",
				    p->uplinks[i]);
}

/* @n_own: lines of claims before those of the tunnel. */
static int cligate_judge(const struct cli *c, const struct terms *t,
			 const struct prove_report *report, size_t n_own)
{
	enum log_level level = c->force ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR;
	int worst = CLI_OK;

	for (size_t i = 0; i < report->n; i++) {
		const struct prove_say *say = &report->list[i];
		_cleanup_(buf_release) struct buf text = buf_init(4096);

		cligate_warn_empty(t, say);
		if (say->outcome == PROVE_HOLDS)
			continue;
		cligate_describe(t, say, &text);
		if (say->say >= n_own)
			cligate_advise(&t->policy->says[say->say], &text);
		log_pst(level, say->say < n_own ? PST_POLICY_CLAIM : PST_POLICY_CUTS_TUNNEL, "%s",
			text.text ? text.text : "out of memory");
		worst = CLI_DRIFT;
	}
	return c->force ? CLI_OK : worst;
}

static int cligate_prove(const struct cli *c, const struct policy *p, size_t n_own)
{
	CLIWAIT("proving the claims");
	_cleanup_(prove_release_report) struct prove_report report = { 0 };
	_cleanup_(terms_release) struct terms terms = { 0 };
	int r = terms_make(p, &terms);

	if (r == 0)
		r = prove_claims(&terms, &report);
	if (r < 0) {
		log_error("cannot prove the claims: %s", strerror(-r));
		return c->force ? CLI_OK : CLI_TROUBLE;
	}
	return cligate_judge(c, &terms, &report, n_own);
}

int cligate_pass(const struct cli *c, struct policy *p)
{
	size_t n_own = p->n_says;
	int tunnel, r;

	/* A trial is proved as what it tries: nothing holds while denials are let through. */
	p->enforce = true;
	tunnel = cligate_add_tunnel(c, p);
	if (tunnel == CLI_TROUBLE)
		return tunnel;
	r = cligate_prove(c, p, n_own);
	if (r == CLI_OK && tunnel == CLI_OK)
		cligate_warn_links(p);
	return r != CLI_OK ? r : tunnel;
}
