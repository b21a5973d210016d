/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/log.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/foreign.h"
#include "netpolicy/cli/clijson.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/parse/policyfile.h"

static int cli_load(const struct cli *c, struct policy **ret)
{
	struct policyfile_error error = { "" };

	if (policyfile_load(c->page, policyfile_system_user, ret, &error) == 0)
		return CLI_OK;
	log_pst(LOG_LEVEL_ERROR, PST_POLICY_CONFIG, "%s", error.text);
	return CLI_TROUBLE;
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

int cli_prepare(const struct cli *c, struct cli_work *ret)
{
	int r;

	*ret = (struct cli_work){ .text = buf_init(EMIT_TEXT_MAX) };
	if (cli_load(c, &ret->policy) != CLI_OK)
		return CLI_TROUBLE;
	r = emit_policy(ret->policy, &ret->text);
	if (r == 0)
		r = cli_about(ret->policy, ret->file.about, sizeof(ret->file.about));
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_COMPILE, "cannot write the rules: %s",
			strerror(-r));
		return CLI_TROUBLE;
	}
	if (!ret->policy->enforce)
		log_warning(
			"[policy] enforce = no: what is not allowed is counted and let through");
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

int cli_make(const struct cli *c, struct cli_work *ret)
{
	struct compilewire_request q = { 0 };
	int r = cli_prepare(c, ret);

	if (r != CLI_OK)
		return r;
	q.n_devices = (uint8_t)ret->policy->n_uplinks;
	memcpy(q.devices, ret->policy->uplinks, sizeof(ret->policy->uplinks));
	return cli_compile_text(c, &q, ret);
}

/* Text that somebody wrote, for policies that are not made from a configuration. */
static int cli_make_text(const struct cli *c, struct cli_work *ret)
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

int cli_show(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	int r = cli_prepare(c, &w);

	if (r != CLI_OK)
		return r;
	return fputs(w.text.text, stdout) < 0 || fflush(stdout) ? CLI_TROUBLE : CLI_OK;
}

static int cli_save(const char *path, const struct batchfile *file)
{
	int r = batchfile_write(path, file);

	if (r < 0) {
		log_error("cannot write %s: %s", path, strerror(-r));
		return CLI_TROUBLE;
	}
	return CLI_OK;
}

int cli_compile(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	int r = c->text ? cli_make_text(c, &w) : cli_make(c, &w);

	return r == CLI_OK ? cli_save(c->output, &w.file) : r;
}

static int cli_open(struct kernio **ret)
{
	int r = kernio_open(ret);

	if (r == 0)
		return CLI_OK;
	log_error("cannot speak to nf_tables: %s%s", strerror(-r),
		  r == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
	return CLI_TROUBLE;
}

static void cli_log_pending(const struct applier_result *result)
{
	for (size_t i = 0; i < result->n_pending; i++)
		log_warning("no guard on %s: the interface does not exist yet; apply again later",
			    result->pending[i]);
}

static void cli_log_loaded(const struct cli_work *w, const struct applier_result *result)
{
	log_info("%s is %s%s", w->file.about, result->was_current ? "already loaded" : "loaded",
		 result->was_replaced ? ", not in place: something of ours had been replaced" : "");
	cli_log_pending(result);
}

/* Into the kernel, and read back. */
static int cli_put(const struct cli_work *w)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	int r = cli_open(&k);

	if (r != CLI_OK)
		return r;
	r = applier_apply(k, w->file.batch, w->file.batch_len, &w->file.expected, &result);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "%s; the old rules stay",
			result.error[0] ? result.error : strerror(-r));
		return CLI_DRIFT;
	}
	if (r == APPLIER_E_DRIFT) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_DRIFT,
			"loaded, but the kernel holds something "
			"else:\n%s",
			result.diff.lines.text);
		return CLI_DRIFT;
	}
	cli_log_loaded(w, &result);
	return CLI_OK;
}

int cli_apply(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	char path[FILES_PATH_MAX];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/" CLI_BATCH_NAME, c->state_dir) >=
		    sizeof(path) ||
	    files_make_dir(c->state_dir, 0755) < 0) {
		log_error("the state directory %s cannot be used", c->state_dir);
		return CLI_TROUBLE;
	}
	r = cli_make(c, &w);
	if (r == CLI_OK && !c->boot_only)
		r = cli_put(&w);
	if (r == CLI_OK)
		r = cli_save(path, &w.file);
	if (r == CLI_OK && c->boot_only)
		log_info("%s is saved for the next boot, not loaded", w.file.about);
	return r;
}

static void cli_print_lines(const char *prefix, const char *lines)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		printf("%s%.*s\n", prefix, (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

static void cli_print_check(const char *about, const struct clijson_check *what)
{
	const struct applier_result *result = what->result;

	if (what->code == CLI_OK)
		printf("OK: the kernel holds %s\n", about);
	else
		printf("DRIFT: PST-%d: the kernel does not hold %s: %zu difference%s\n", what->pst,
		       about, result->diff.n, result->diff.n == 1 ? "" : "s");
	cli_print_lines("  ", result->diff.lines.text);
	for (size_t i = 0; i < result->n_pending; i++)
		printf("note: no guard on %s: the interface does not exist\n", result->pending[i]);
	cli_print_lines("note: another program's chain at our hook: ", what->foreign);
}

/* Reads the kernel, compares, prints. */
static int cli_compare(const struct cli *c, const struct cli_work *w)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	_cleanup_(buf_release) struct buf foreign = buf_init(FOREIGN_BYTES_MAX);
	struct clijson_check what = { .about = w->file.about, .result = &result };
	int r = cli_open(&k);

	if (r != CLI_OK)
		return r;
	r = applier_check(k, &w->file.expected, &result);
	if (r >= 0 && foreign_list(k, &foreign) < 0)
		r = -EIO;
	if (r < 0) {
		log_error("cannot read the kernel's rules: %s", strerror(-r));
		return CLI_TROUBLE;
	}
	what.code = r == 0 ? CLI_OK : CLI_DRIFT;
	what.pst = r == 0                   ? PST_NONE :
		   result.diff.is_absent[0] ? PST_POLICY_ABSENT :
					      PST_POLICY_DRIFT;
	what.foreign = foreign.text;
	if (!c->json)
		cli_print_check(w->file.about, &what);
	else if (clijson_check(&what, stdout) < 0)
		return CLI_TROUBLE;
	return what.code;
}

int cli_check(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	int r = cli_make(c, &w);

	return r == CLI_OK ? cli_compare(c, &w) : r;
}

int cli_unload(const struct cli *c)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r;

	if (!c->yes) {
		log_error("this opens the host; say 'netpolicy unload --yes' to do it");
		return CLI_USAGE;
	}
	r = cli_open(&k);
	if (r != CLI_OK)
		return r;
	r = applier_unload(k);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "cannot remove our tables: %s",
			strerror(-r));
		return CLI_DRIFT;
	}
	log_warning("our tables are gone: this host is open");
	return CLI_OK;
}

void cli_release(struct cli_work *w)
{
	policy_free(w->policy);
	buf_release(&w->text);
	batchfile_release(&w->file);
	*w = (struct cli_work){ 0 };
}
