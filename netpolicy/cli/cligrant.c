/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cligrant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/timetext.h"
#include "common/typo.h"
#include "netpolicy/cli/cliask.h"
#include "netpolicy/cli/clijson.h"
#include "netpolicy/cli/clistatus.h"

#define CLIGRANT_NO_DAEMON "only netpolicyd keeps grants and their ends; start it"

static int cligrant_refuse(const char *what, const char *object, const char *why)
{
	log_pst(LOG_LEVEL_ERROR, PST_GRANT_REFUSED, "%s %s: %s", what, object, why);
	return CLI_DRIFT;
}

static const struct policy_grant *cligrant_find(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_grants; i++)
		if (!strcmp(p->grants[i].name, name))
			return &p->grants[i];
	return NULL;
}

static int cligrant_refuse_name(const struct policy *p, const char *name)
{
	char text[256] = "no such grant in the policy";
	size_t n = strlen(text);

	for (size_t i = 0; i < p->n_grants && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "; it offers ",
				      p->grants[i].name);
	for (size_t i = 0; i < p->n_grants; i++)
		if (typo_is_likely(name, p->grants[i].name))
			snprintf(text, sizeof(text),
				 "no such grant in the policy; did you mean %s?",
				 p->grants[i].name);
	return cligrant_refuse("grant", name, text);
}

static bool cligrant_has(const struct policy_net *net, const struct in6_addr *addr)
{
	if (net->is_any)
		return !IN6_IS_ADDR_V4MAPPED(addr);
	for (size_t i = 0; i < net->prefixes.n; i++)
		if (ip6_prefix_has(&net->prefixes.list[i], addr))
			return true;
	return false;
}

/* Against the policy that is loaded. Without one netpolicyd alone judges. */
static int cligrant_check(const struct cli *c, const char *name, const char *address,
			  const struct in6_addr *addr)
{
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	_cleanup_(policy_freep) struct policy *p = NULL;
	const struct policy_grant *grant;
	char why[192], span[TIMETEXT_MAX];

	if (cli_load_saved(c, &file, &p) < 0 || !p)
		return CLI_OK;
	grant = cligrant_find(p, name);
	if (!grant)
		return cligrant_refuse_name(p, name);
	if (!cligrant_has(&p->nets[grant->net], addr)) {
		snprintf(why, sizeof(why), "is not in %s, from where %s grants %s",
			 p->nets[grant->net].name, grant->where, name);
		return cligrant_refuse("address", address, why);
	}
	if (c->seconds > grant->max_s) {
		snprintf(why, sizeof(why), "%s allows at most %s", grant->where,
			 timetext_span(grant->max_s, span));
		return cligrant_refuse("grant", name, why);
	}
	return CLI_OK;
}

static int cligrant_ask(const struct cli *c, const struct ctlwire_request *q, const char *done)
{
	struct ctlwire_answer a;
	int r = cliask_must(c, q, CLIGRANT_NO_DAEMON, &a);

	if (r != CLI_OK)
		return r;
	if (q->op == CTLWIRE_GRANT_ADD)
		printf("%llu\n", (unsigned long long)a.id);
	log_info("grant %llu %s", (unsigned long long)(q->op == CTLWIRE_GRANT_ADD ? a.id : q->id),
		 done);
	r = cliask_tell(&a);
	return cli_is_printed() ? r : CLI_TROUBLE;
}

/* The reason ends in logs and lists. */
static int cligrant_check_why(const char *why)
{
	json_auto_t *text = json_string(why); /* NULL for what is no UTF-8 */
	char limit[64];
	bool is_clean = text != NULL;

	snprintf(limit, sizeof(limit), "it has %zu bytes, at most %d fit", strlen(why),
		 CTLWIRE_WHY_MAX - 1);
	if (strlen(why) >= CTLWIRE_WHY_MAX)
		return cligrant_refuse("reason", "of --why", limit);
	for (const char *at = why; *at; at++)
		is_clean = is_clean && (unsigned char)*at >= ' ' && *at != 0x7f;
	return is_clean ? CLI_OK :
			  cligrant_refuse("reason", "of --why",
					  "it is not one line of UTF-8 without control characters");
}

static int cligrant_add(const struct cli *c)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .seconds = c->seconds };
	const char *name = c->words[1], *address = c->words[2];
	struct ip6_prefix prefix;
	char done[64], span[TIMETEXT_MAX];
	int r;

	if (!policy_is_name(name))
		return cligrant_refuse("grant", name, "is not a name");
	if (policy_parse_prefix(address, &prefix) < 0 || prefix.len != 128)
		return cligrant_refuse("address", address, "is not one IPv6 or IPv4 address");
	r = c->why ? cligrant_check_why(c->why) : CLI_OK;
	if (r == CLI_OK)
		r = cligrant_check(c, name, address, &prefix.addr);
	if (r != CLI_OK)
		return r;
	snprintf(q.name, sizeof(q.name), "%s", name);
	q.addr = prefix.addr;
	cliask_who(q.who);
	snprintf(q.why, sizeof(q.why), "%s", c->why ? c->why : "");
	snprintf(done, sizeof(done), "is live for %s", timetext_span(q.seconds, span));
	return cligrant_ask(c, &q, done);
}

static bool cligrant_id(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static int cligrant_change(const struct cli *c, enum ctlwire_op op)
{
	struct ctlwire_request q = { .op = op, .seconds = c->seconds };
	char done[64], span[TIMETEXT_MAX];

	if (!cligrant_id(c->words[1], &q.id)) {
		log_error("'%s' is not the number of a grant; 'netpolicy grant list' shows them",
			  c->words[1]);
		return CLI_USAGE;
	}
	cliask_who(q.who);
	snprintf(done, sizeof(done), "%s%s", op == CTLWIRE_GRANT_END ? "has ended" : "is live for ",
		 op == CTLWIRE_GRANT_END ? "" : timetext_span(q.seconds, span));
	return cligrant_ask(c, &q, done);
}

static void cligrant_print_offers(const struct policy *p)
{
	char span[TIMETEXT_MAX];

	for (size_t i = 0; p && i < p->n_grants; i++)
		printf("offered: %s from %s, at most %s (%s)\n", p->grants[i].name,
		       p->nets[p->grants[i].net].name, timetext_span(p->grants[i].max_s, span),
		       p->grants[i].where);
}

static int cligrant_list(const struct cli *c)
{
	_cleanup_(clistatus_release) struct clistatus s = { 0 };
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	_cleanup_(policy_freep) struct policy *p = NULL;
	size_t live = 0;
	int r = clistatus_ask(c, &s);

	if (r != CLI_OK)
		return r;
	if (!s.is_there) {
		log_pst(LOG_LEVEL_ERROR, PST_NETPOLICYD_SILENT,
			"no netpolicyd at %s/" CLIASK_SOCKET_NAME "; " CLIGRANT_NO_DAEMON,
			c->run_dir);
		return CLI_TROUBLE;
	}
	if (c->json)
		return clijson_print(clistatus_grants_json(&s), stdout) < 0 ? CLI_TROUBLE : CLI_OK;
	if (cli_load_saved(c, &file, &p) == 0)
		cligrant_print_offers(p);
	for (size_t i = 0; i < s.n_grants; i++)
		live += s.grants[i].left_s > 0;
	printf("live: %zu\n", live);
	for (size_t i = 0; i < s.n_grants; i++)
		clistatus_print_grant(&s.grants[i]);
	return cli_is_printed() ? CLI_OK : CLI_TROUBLE;
}

static int cligrant_misuse(const char *what)
{
	log_error("%s; 'netpolicy grant add NAME ADDRESS --for 1h', 'grant renew ID --for 1h', "
		  "'grant end ID', 'grant list'",
		  what);
	return CLI_USAGE;
}

int cligrant_run(const struct cli *c)
{
	static const struct {
		const char *name;
		int n_words; /* itself included */
		bool needs_time;
	} verbs[] = {
		{ "add", 3, true }, { "renew", 2, true }, { "end", 2, false }, { "list", 1, false }
	};
	size_t i = 0;

	while (i < ARRAY_SIZE(verbs) && strcmp(c->words[0], verbs[i].name) != 0)
		i++;
	if (i == ARRAY_SIZE(verbs) || c->n_words != verbs[i].n_words)
		return cligrant_misuse("not understood");
	if (verbs[i].needs_time != (c->seconds > 0))
		return cligrant_misuse(c->seconds ? "--for is not for this" :
						    "for how long? say --for TIME");
	if (i == 0)
		return cligrant_add(c);
	if (i == 3)
		return cligrant_list(c);
	return cligrant_change(c, i == 1 ? CTLWIRE_GRANT_RENEW : CTLWIRE_GRANT_END);
}
