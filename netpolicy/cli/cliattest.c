/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliattest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/timetext.h"
#include "netpolicy/cli/clijson.h"
#include "netpolicy/model/sha256.h"

#include "config.h"

int cliattest_open(const struct cli *c, struct clisign_signer **ret)
{
	char error[CLISIGN_ERROR_MAX] = "";

	if (!c->key && !c->certificate)
		return CLI_OK;
	if (!c->key || !c->certificate || !c->output) {
		log_error("a signature needs --sign KEY, --cert FILE and -o FILE");
		return CLI_USAGE;
	}
	if (clisign_open(c->key, c->certificate, ret, error) == 0)
		return CLI_OK;
	log_error("cannot sign: %s", error);
	return CLI_TROUBLE;
}

static json_t *cliattest_claims(const struct cliprove *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->report.n; i++) {
		const struct prove_say *say = &p->report.list[i];
		const struct policy_say *line = &p->work.policy->says[say->say];
		const struct terms_item *item = say->lets.item;
		bool is_violated = say->outcome == PROVE_VIOLATED;
		char packet[PROVE_TEXT_MAX];
		json_t *row = json_pack("{ss ss ss ss ss sb}", "claim",
					p->work.policy->claims[line->claim].text, "where",
					line->where, "kind", line->is_never ? "never" : "always",
					"page", cliprove_outcome_name(say->outcome), "outcome",
					cliprove_outcome_name(cliprove_outcome(p, say)),
					"speaks_of_nothing", say->is_empty);

		if (say->but_sockets)
			json_object_set_new(
				row, "but_packet_sockets",
				json_string(prove_packet_text(&say->socket_witness, packet)));
		if (is_violated)
			json_object_set_new(row, "witness",
					    json_string(prove_packet_text(&say->witness, packet)));
		if (is_violated && item)
			json_object_set_new(row, "decided_by",
					    json_string(item->where[0] ? item->where : item->what));
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *cliattest_assumptions(const struct assume_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(
			list, json_pack("{ss ss sb sb ss}", "id", r->list[i].id, "outcome",
					assume_outcome_name(r->list[i].outcome), "bears_on_in",
					(r->list[i].bears_on & ASSUME_ON_IN) != 0, "bears_on_out",
					(r->list[i].bears_on & ASSUME_ON_OUT) != 0, "text",
					r->list[i].text));
	return list;
}

static json_t *cliattest_deads(const struct cliprove *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->deads.n; i++)
		json_array_append_new(list,
				      json_pack("{ss sb sb ss}", "where",
						p->work.policy->rules[p->deads.list[i].rule].where,
						"no_packet", p->deads.list[i].is_never, "redundant",
						p->deads.list[i].is_redundant, "because",
						p->deads.list[i].because));
	return list;
}

static json_t *cliattest_witness(const struct cliwitness *w)
{
	json_t *list = json_array();
	char packet[PROVE_TEXT_MAX];

	for (size_t i = 0; i < w->n_shown; i++)
		json_array_append_new(list, json_string(prove_packet_text(&w->shown[i], packet)));
	return json_pack("{sb sb sI sI sI so}", "asked", w->was_asked, "all_borders",
			 w->was_asked && !w->was_cut, "packets", (json_int_t)w->n, "agree",
			 (json_int_t)w->n_agree, "not_made", (json_int_t)w->n_skipped,
			 "disagreements", list);
}

static json_t *cliattest_policy(const struct cliprove *p)
{
	const struct policy *policy = p->work.policy;

	return json_pack("{ss sI ss ss ss sb}", "name", policy->name, "version",
			 (json_int_t)policy->version, "tier", policy_tier_name(policy->tier),
			 "sha256", p->work.file.digest, "about", p->work.file.about, "enforced",
			 policy->enforce);
}

static json_t *cliattest_host_name(const struct clisign_signer *signer)
{
	const struct clisign_identity *id = signer ? clisign_identity(signer) : NULL;
	struct utsname name;
	json_t *root = json_object();

	if (uname(&name) == 0) {
		json_object_set_new(root, "name", json_string(name.nodename));
		json_object_set_new(root, "kernel", json_string(name.release));
	}
	if (id) {
		json_object_set_new(root, "common_name", json_string(id->common_name));
		json_object_set_new(root, "uri", json_string(id->uri));
		json_object_set_new(root, "certificate_sha256", json_string(id->certificate));
	}
	return root;
}

/* What is loaded and watched on this host. */
static void cliattest_add_host(json_t *root, const struct clihost *host)
{
	json_object_set_new(root, "assumptions", cliattest_assumptions(&host->assumptions));
	json_object_set_new(root, "foreign_hooks", clijson_lines(host->check.foreign.text));
	json_object_set_new(root, "kernel",
			    json_pack("{sb sb ss ss sI sI}", "read", host->is_read, "equal",
				      host->is_read && host->check.code == CLI_OK, "dump_sha256",
				      host->dump, "expected_sha256", host->expected, "differences",
				      (json_int_t)host->check.result.diff.n, "generation",
				      (json_int_t)host->generation));
	json_object_set_new(root, "netpolicyd",
			    json_pack("{sb sb sb sb sI sI}", "answers", host->status.is_there,
				      "intact", host->status.state.is_intact, "owner",
				      host->status.state.is_owner, "pending",
				      host->status.state.is_pending, "repairs",
				      (json_int_t)host->status.state.n_repairs, "overruns",
				      (json_int_t)host->status.state.n_overruns));
	json_object_set_new(root, "grants", clistatus_grants_json(&host->status));
	json_object_set_new(root, "drift_log", clistatus_drifts_json(&host->status));
}

static json_t *cliattest_json(const struct cliprove *p, const struct clisign_signer *signer)
{
	static const char *const results[] = { "holds", "violated", "undecided" };
	uint64_t now = clk_now_wall();
	char text[TIMETEXT_MAX];
	json_t *root = json_pack("{ss ss sI ss ss so so so so s{ss}}", "format", CLIATTEST_FORMAT,
				 "time", timetext_stamp(now, text), "time_unix", (json_int_t)now,
				 "scope", p->with_host ? "host" : "page", "result",
				 results[p->code], "host", cliattest_host_name(signer), "policy",
				 cliattest_policy(p), "claims", cliattest_claims(p),
				 "decide_nothing", cliattest_deads(p), "versions", "postern",
				 POSTERN_VERSION);
	char digest[SHA256_TEXT];

	if (!root)
		return NULL;
	if (p->work.file.batch_len) {
		sha256_text(p->work.file.batch, p->work.file.batch_len, digest);
		json_object_set_new(root, "batch",
				    json_pack("{ss sI}", "sha256", digest, "bytes",
					      (json_int_t)p->work.file.batch_len));
	}
	if (p->with_kernel)
		json_object_set_new(root, "witnesses", cliattest_witness(&p->witness));
	if (p->with_host)
		cliattest_add_host(root, &p->host);
	return root;
}

static int cliattest_save(const struct cli *c, const char *bytes, size_t len,
			  const struct clisign_signer *signer)
{
	_cleanup_(files_freep) uint8_t *signature = NULL;
	char path[FILES_PATH_MAX];
	size_t n = 0;
	int r = signer ? clisign_sign(signer, bytes, len, &signature, &n) : 0;

	if (snprintf(path, sizeof(path), "%s.sig", c->output) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	if (r == 0 && signer)
		r = files_write(path, signature, n, 0644);
	if (r == 0)
		r = files_write(c->output, bytes, len, 0644);
	if (r < 0) {
		log_error("cannot write %s: %s", c->output, strerror(-r));
		return CLI_TROUBLE;
	}
	if (signer)
		log_info("check it with: openssl x509 -in %s -pubkey -noout >pub.pem && "
			 "openssl dgst -sha256 -verify pub.pem -signature %s %s",
			 c->certificate, path, c->output);
	return CLI_OK;
}

int cliattest_write(const struct cli *c, const struct cliprove *p,
		    const struct clisign_signer *signer)
{
	json_t *root = cliattest_json(p, signer);
	char *bytes = NULL;
	size_t len = 0;
	int r = clijson_bytes(root, &bytes, &len);

	json_decref(root);
	if (r < 0) {
		log_error("cannot write the statement: %s", strerror(-r));
		return CLI_TROUBLE;
	}
	r = c->output ? cliattest_save(c, bytes, len, signer) : CLI_OK;
	if (r == CLI_OK && c->json)
		fputs(bytes, stdout);
	free(bytes);
	return r;
}
