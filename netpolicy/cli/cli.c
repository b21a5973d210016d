/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/log.h"
#include "common/printed.h"
#include "netpolicy/cli/cliwait.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/parse/policyfile.h"
#include "netpolicy/parse/policyjson.h"

static bool cli_is_json(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && !strcmp(dot, ".json");
}

/* What is wrong in JSON is named by its place in it; which file that is must be said as well. */
static int cli_refuse_page(const struct policyfile_error *error, const char *path, int r)
{
	bool is_json = cli_is_json(path);

	if (error->text[0])
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_CONFIG, "%s%s%s", is_json ? path : "",
			is_json ? ": " : "", error->text);
	else
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_CONFIG, "cannot read %s: %s", path,
			strerror(-r));
	return CLI_TROUBLE;
}

static int cli_load_json(const char *path, struct policy **ret, struct policyfile_error *error)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r = files_read(path, POLICYJSON_BYTES_MAX, &bytes, &len);

	return r < 0 ? r : policyjson_read(bytes, len, policyfile_system_user, ret, error);
}

int cli_load(const struct cli *c, struct policy **ret)
{
	CLIWAIT("reading the page");
	struct policyfile_error error = { "" };
	int r = cli_is_json(c->page) ?
			cli_load_json(c->page, ret, &error) :
			policyfile_load(c->page, policyfile_system_user, ret, &error);

	if (r < 0)
		return cli_refuse_page(&error, c->page, r);
	if (c->log_only)
		(*ret)->enforce = false;
	return CLI_OK;
}

/* The line that boot and apply print: which policy this is. */
static int cli_about(const struct policy *p, char *ret, size_t cap)
{
	char digest[65];
	int r = emit_digest(p, digest);

	if (r == 0)
		snprintf(ret, cap, "policy %s version %u sha256 %.16s%s", p->name, p->version,
			 digest, p->enforce ? "" : ", not enforced");
	return r;
}

/* What netpolicyd may grant. */
static int cli_add_grants(const struct policy *p, struct batchfile *file)
{
	static const struct ip6_prefix everything = { 0 };

	file->grants = calloc(p->n_grants ? p->n_grants : 1, sizeof(file->grants[0]));
	if (!file->grants)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_grants; i++) {
		const struct policy_net *net = &p->nets[p->grants[i].net];
		const struct ip6_prefix *list = net->is_any ? &everything : net->prefixes.list;
		struct batchfile_grant *to = &file->grants[file->n_grants++];

		snprintf(to->name, sizeof(to->name), "%s", p->grants[i].name);
		to->max_s = p->grants[i].max_s;
		to->n_nets = net->is_any ? 1 : net->prefixes.n;
		to->nets = calloc(to->n_nets ? to->n_nets : 1, sizeof(to->nets[0]));
		if (!to->nets)
			return -ENOMEM;
		memcpy(to->nets, list, to->n_nets * sizeof(to->nets[0]));
	}
	return 0;
}

/* The page goes into the batch file: what is loaded can then be compared with what is written. */
static int cli_add_page(const struct policy *p, struct batchfile *file)
{
	_cleanup_(buf_release) struct buf json = buf_init(BATCHFILE_PAGE_MAX);
	int r = policyjson_write(p, &json);

	if (r == 0)
		r = policyjson_digest(p, file->digest);
	file->page_len = json.len;
	if (r == 0)
		r = buf_steal(&json, &file->page);
	return r;
}

int cli_prepare(const struct cli *c, struct cli_work *ret)
{
	int r;

	*ret = (struct cli_work){ .text = buf_init(EMIT_TEXT_MAX) };
	if (cli_load(c, &ret->policy) != CLI_OK)
		return CLI_TROUBLE;
	r = emit_policy(ret->policy, &ret->text);
	if (r == 0)
		r = cli_about(ret->policy, ret->file.about, sizeof(ret->file.about));
	if (r == 0)
		r = cli_add_page(ret->policy, &ret->file);
	if (r == 0)
		r = cli_add_grants(ret->policy, &ret->file);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_COMPILE, "cannot write the rules: %s",
			strerror(-r));
		return CLI_TROUBLE;
	}
	return CLI_OK;
}

/* Errors of libnftables come in one line with bars; people read lines. */
static void cli_log_compile(const struct compilewire_reply *reply)
{
	char text[COMPILEWIRE_ERROR_MAX];
	char *save = NULL;

	snprintf(text, sizeof(text), "%s", reply->error);
	for (char *line = strtok_r(text, "|", &save); line; line = strtok_r(NULL, "|", &save))
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_COMPILE, "%s", line);
}

/* Compiles w->text. @q: the stand-ins to make. */
static int cli_compile_text(const struct cli *c, struct compilewire_request *q, struct cli_work *w)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	CLIWAIT("compiling");

	q->text = w->text.text;
	q->text_len = w->text.len;
	if (compiler_run(q, &reply) < 0) {
		cli_log_compile(&reply);
		return CLI_TROUBLE;
	}
	if (c->verbose)
		log_info("compiled %s: %zu bytes", compiler_mode_text(reply.mode), reply.batch_len);
	w->file.batch = steal_ptr(reply.batch);
	w->file.batch_len = reply.batch_len;
	w->file.expected = reply.expected;
	reply.expected = (struct kdump){ 0 };
	return CLI_OK;
}

int cli_compile(const struct cli *c, struct cli_work *w)
{
	struct compilewire_request q = { .n_devices = (uint8_t)w->policy->n_uplinks };

	memcpy(q.devices, w->policy->uplinks, sizeof(w->policy->uplinks));
	return cli_compile_text(c, &q, w);
}

int cli_make(const struct cli *c, struct cli_work *ret)
{
	int r = cli_prepare(c, ret);

	return r == CLI_OK ? cli_compile(c, ret) : r;
}

int cli_make_text(const struct cli *c, struct cli_work *ret)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	struct compilewire_request q = { 0 };
	size_t len;
	int r = files_read(c->text, EMIT_TEXT_MAX, &bytes, &len);

	*ret = (struct cli_work){ .text = buf_init(EMIT_TEXT_MAX) };
	if (r == 0) {
		buf_add(&ret->text, (const char *)bytes);
		r = buf_done(&ret->text);
	}
	if (r < 0) {
		log_error("cannot read %s: %s", c->text, strerror(-r));
		return CLI_TROUBLE;
	}
	snprintf(ret->file.about, sizeof(ret->file.about), "text of %.200s", c->text);
	return cli_compile_text(c, &q, ret);
}

int cli_open(struct kernio **ret)
{
	int r = kernio_open(ret);

	if (r == 0)
		return CLI_OK;
	log_error("cannot speak to nf_tables: %s%s", strerror(-r),
		  r == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
	return CLI_TROUBLE;
}

int cli_path(const char *dir, const char *name, char ret[static 4096])
{
	if ((size_t)snprintf(ret, FILES_PATH_MAX, "%s/%s", dir, name) < FILES_PATH_MAX)
		return CLI_OK;
	log_error("the path %.64s... is too long", dir);
	return CLI_TROUBLE;
}

int cli_load_saved(const struct cli *c, struct batchfile *ret, struct policy **ret_policy)
{
	struct policyfile_error error = { "" };
	char path[FILES_PATH_MAX];
	int r = cli_path(c->state_dir, CLI_BATCH_NAME, path) == CLI_OK ? 0 : -ENAMETOOLONG;

	*ret = (struct batchfile){ 0 };
	if (r == 0)
		r = batchfile_read(path, ret);
	if (r < 0 && r != -ENOENT)
		log_pst(LOG_LEVEL_ERROR, PST_BATCH_UNREADABLE, "%s: %s", path,
			batchfile_strerror(r));
	if (r < 0 || !ret_policy || !ret->page_len)
		return r;
	r = policyjson_read(ret->page, ret->page_len, NULL, ret_policy, &error);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_BATCH_UNREADABLE, "the page in %s: %s", path,
			error.text[0] ? error.text : strerror(-r));
	return r;
}

void cli_print_lines(const char *prefix, const char *lines)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		printf("%s%.*s\n", prefix, (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

bool cli_is_printed(void)
{
	return printed_all("netpolicy");
}

void cli_release(struct cli_work *w)
{
	policy_free(w->policy);
	buf_release(&w->text);
	batchfile_release(&w->file);
	*w = (struct cli_work){ 0 };
}
