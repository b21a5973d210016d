/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clijson.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#define CLIJSON_FLAGS (JSON_INDENT(2) | JSON_SORT_KEYS)

static int clijson_print(json_t *root, FILE *to)
{
	int r = !root ? -ENOMEM : json_dumpf(root, to, CLIJSON_FLAGS) < 0 ? -EIO : 0;

	json_decref(root);
	if (r == 0 && (fputc('\n', to) == EOF || fflush(to)))
		r = -EIO;
	return r;
}

static json_t *clijson_names(const char (*names)[IFNAMSIZ], size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *clijson_nets(const struct policy *p)
{
	json_t *nets = json_object();

	for (size_t i = 0; i < p->n_nets; i++) {
		const struct policy_prefixes *set = &p->nets[i].prefixes;
		json_t *list = json_array();
		char text[IP6_PREFIX_TEXT];

		for (size_t j = 0; j < set->n; j++)
			json_array_append_new(
				list, json_string(policy_format_prefix(&set->list[j], text)));
		json_object_set_new(nets, p->nets[i].name, list);
	}
	return nets;
}

static void clijson_port(json_t *rule, const struct policy_port *port)
{
	if (port->proto == POLICY_ANY)
		return;
	json_object_set_new(rule, "proto", json_string(port->proto == POLICY_TCP ? "tcp" : "udp"));
	json_object_set_new(rule, "ports", json_pack("[ii]", port->low, port->high));
}

static json_t *clijson_rule(const struct policy *p, const struct policy_rule *r)
{
	json_t *rule = json_pack("{ss ss ss si ss}", "direction",
				 r->dir == POLICY_IN ? "in" : "out", "via",
				 r->via == POLICY_VIA_TUNNEL ? "tunnel" : "uplink", "net",
				 p->nets[r->net].name, "row", (int)r->row, "from", r->why);

	clijson_port(rule, &r->port);
	if (r->is_marked)
		json_object_set_new(rule, "mark", json_integer(p->mark));
	if (r->is_for_user)
		json_object_set_new(rule, "uid", json_integer(r->uid));
	return rule;
}

int clijson_policy(const struct policy *p, const char *about, FILE *to)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < p->n_rules; i++)
		json_array_append_new(rules, clijson_rule(p, &p->rules[i]));
	return clijson_print(json_pack("{ss ss sI sb sI so so so so}", "about", about, "name",
				       p->name, "version", (json_int_t)p->version, "enforce",
				       p->enforce, "log_rate", (json_int_t)p->log_rate, "uplinks",
				       clijson_names(p->uplinks, p->n_uplinks), "tunnels",
				       clijson_names(p->tunnels, p->n_tunnels), "nets",
				       clijson_nets(p), "rules", rules),
			     to);
}

static json_t *clijson_lines(const char *text)
{
	json_t *list = json_array();

	while (text && *text) {
		size_t n = strcspn(text, "\n");

		json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == '\n');
	}
	return list;
}

int clijson_check(const struct clijson_check *what, FILE *to)
{
	const struct applier_result *result = what->result;

	return clijson_print(json_pack("{ss sb sI sI so so so}", "about", what->about, "equal",
				       what->code == 0, "code", (json_int_t)what->pst,
				       "differences", (json_int_t)result->diff.n, "lines",
				       clijson_lines(result->diff.lines.text), "guards_pending",
				       clijson_names(result->pending, result->n_pending), "foreign",
				       clijson_lines(what->foreign)),
			     to);
}
