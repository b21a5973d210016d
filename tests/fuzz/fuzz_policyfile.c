/* SPDX-License-Identifier: MIT */
/* netpolicy/parse/policyfile: the input is a page of policy. What is accepted keeps the limits of
 * the model; what is refused says why, in one printable line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int find_user(const char *name, uint32_t *ret)
{
	*ret = 1000 + (uint32_t)strlen(name);
	return name[0] == 'x' ? -ENOENT : 0;
}

static void check_rule(const struct policy *p, const struct policy_rule *rule)
{
	check(rule->net < p->n_nets && rule->ports.n <= POLICY_PORTS_MAX);
	check(rule->users.n <= POLICY_RULE_USERS_MAX && rule->row >= 6 && rule->row <= 15);
	check(rule->where[0] && !strpbrk(rule->where, "\"\\ \n"));
	check(!strpbrk(rule->remark, "\"\\\n"));
	for (size_t i = 0; i < rule->users.n; i++)
		check(rule->users.at[i] < p->n_users);
	for (size_t i = 0; i < rule->ports.n; i++)
		check(rule->ports.list[i].low &&
		      rule->ports.list[i].low <= rule->ports.list[i].high);
}

static void check_policy(const struct policy *p)
{
	check(policy_is_name(p->name) && p->n_uplinks && p->n_uplinks <= POLICY_UPLINKS_MAX);
	check(p->n_tunnels <= POLICY_TUNNELS_MAX && p->n_nets <= POLICY_NETS_MAX);
	check(p->config_net == POLICY_NONE || p->config_net < p->n_nets);
	for (size_t i = 0; i < p->n_nets; i++)
		check(policy_is_name(p->nets[i].name) &&
		      p->nets[i].is_any == (p->nets[i].prefixes.n == 0));
	for (size_t i = 0; i < p->n_rules; i++)
		check_rule(p, &p->rules[i]);
	for (size_t i = 0; i < p->n_says; i++)
		check(p->says[i].claim < p->n_claims && p->says[i].n_excepts <= POLICY_EXCEPTS_MAX);
}

static void check_error(const struct policyfile_error *error)
{
	check(error->text[0] && memchr(error->text, '\0', sizeof(error->text)));
	for (const char *c = error->text; *c; c++)
		check(*c >= 0x20 && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policyfile_error error = { "" };
	struct policy *p = NULL;
	char *text = malloc(size + 1);

	check(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (policyfile_load_text("policy.conf", text, find_user, &p, &error) == 0)
		check_policy(p);
	else
		check_error(&error);
	policy_free(p);
	free(text);
	return 0;
}
