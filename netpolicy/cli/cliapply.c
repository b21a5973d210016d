/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliapply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/timetext.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/applylock.h"
#include "netpolicy/cli/cliask.h"
#include "netpolicy/cli/cligate.h"
#include "netpolicy/cli/cliwait.h"

#define CLIAPPLY_TRY_S 600 /* of try without --for */
#define CLIAPPLY_NO_DAEMON "start it; without it nobody could take the policy back in time"

/* The state directory and its lock, under which all who write batches work. */
static int cliapply_lock(const struct cli *c, int *ret)
{
	int r = files_make_dir(c->state_dir, 0755);

	if (r < 0) {
		log_error("the state directory %s cannot be used: %s", c->state_dir, strerror(-r));
		return CLI_TROUBLE;
	}
	r = applylock_take(c->state_dir, clk_now_ns() + APPLYLOCK_WAIT_MS * CLK_NS_PER_MS, ret);
	if (r == 0)
		return CLI_OK;
	log_error("%s/" APPLYLOCK_NAME ": %s; nothing was done", c->state_dir,
		  r == -EBUSY ? "another netpolicy or netpolicyd works here" : strerror(-r));
	return CLI_TROUBLE;
}

static int cliapply_save(const struct cli *c, const char *name, const struct batchfile *file)
{
	char path[FILES_PATH_MAX];
	int r = cli_path(c->state_dir, name, path);

	if (r != CLI_OK)
		return r;
	r = batchfile_write(path, file);
	if (r < 0)
		log_error("cannot write %s: %s", path, strerror(-r));
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

/* netpolicyd takes the file once; nothing is kept of the one before. */
static int cliapply_save_next(const struct cli *c, const struct batchfile *file)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	char path[FILES_PATH_MAX];
	size_t len;
	int r = cli_path(c->state_dir, CLI_NEXT_NAME, path);

	if (r != CLI_OK)
		return r;
	r = batchfile_encode(file, &bytes, &len);
	if (r == 0)
		r = files_write(path, bytes, len, 0600);
	if (r < 0)
		log_error("cannot write %s: %s", path, strerror(-r));
	return r < 0 ? CLI_TROUBLE : CLI_OK;
}

static void cliapply_tell_loaded(const char *about, const struct applier_result *result)
{
	log_info("%s is %s%s", about, result->was_current ? "already loaded" : "loaded",
		 result->was_replaced ?
			 ", not in place: something of ours had been replaced; live grants ended" :
			 "");
	for (size_t i = 0; i < result->n_pending; i++)
		log_warning("no guard on %s: the interface does not exist yet; apply again later",
			    result->pending[i]);
}

/* Into the kernel by ourselves, and read back. */
static int cliapply_put(const struct batchfile *file)
{
	CLIWAIT("loading");
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	int r = cli_open(&k);

	if (r != CLI_OK)
		return r;
	r = applier_apply(k, file->batch, file->batch_len, &file->expected, &result);
	if (r == -EPERM && result.error[0]) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_OWNED, "%s; the old rules stay", result.error);
		return CLI_DRIFT;
	}
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "%s%s; the old rules stay",
			result.error[0] ? result.error : strerror(-r),
			r == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
		return CLI_DRIFT;
	}
	if (r == APPLIER_E_DRIFT) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_DRIFT,
			"loaded, but the kernel holds something else: %zu difference%s; 'netpolicy "
			"check' tells whether that stays so",
			result.diff.n, result.diff.n == 1 ? "" : "s");
		cli_print_lines("  ", result.diff.lines.text);
		return CLI_DRIFT;
	}
	cliapply_tell_loaded(file->about, &result);
	return CLI_OK;
}

static bool cliapply_is_there(const struct cli *c, int *ret)
{
	struct ctlwire_request q = { .op = CTLWIRE_STATUS };
	struct ctlwire_answer a;
	int r = cliask(c, &q, &a);

	*ret = r < 0 ? CLI_TROUBLE : CLI_OK;
	return r == 0;
}

static void cliapply_tell_pending(const struct ctlwire_request *q)
{
	char span[TIMETEXT_MAX];

	if (q->is_trial)
		log_info("denials are logged and let through; the policy before is back in %s",
			 timetext_span(q->seconds, span));
	else if (q->seconds)
		log_info("the policy before is back in %s unless you say 'netpolicy confirm'",
			 timetext_span(q->seconds, span));
}

/* Through netpolicyd, which checks, loads, reads back, saves, and keeps the time. */
static int cliapply_ask(const struct cli *c, const struct batchfile *file)
{
	struct ctlwire_request q = { .op = CTLWIRE_APPLY,
				     .seconds = c->seconds,
				     .is_trial = c->log_only };
	struct ctlwire_answer a;
	int r = cliapply_save_next(c, file);

	if (r == CLI_OK)
		r = cliask_must(c, &q, CLIAPPLY_NO_DAEMON, &a);
	if (r != CLI_OK)
		return r;
	log_info("%s is loaded", file->about);
	cliapply_tell_pending(&q);
	return cliask_tell(&a);
}

static int cliapply_load(const struct cli *c, const struct batchfile *file)
{
	int r;

	if (cliapply_is_there(c, &r))
		return cliapply_ask(c, file);
	if (r != CLI_OK)
		return r;
	if (c->seconds) {
		log_pst(LOG_LEVEL_ERROR, PST_NETPOLICYD_SILENT,
			"no netpolicyd at %s/" CLIASK_SOCKET_NAME "; " CLIAPPLY_NO_DAEMON,
			c->run_dir);
		return CLI_TROUBLE;
	}
	r = cliapply_put(file);
	if (r != CLI_OK || cliapply_save(c, CLI_BATCH_NAME, file) == CLI_OK)
		return r;
	log_error("the policy is loaded but not saved: the next boot loads the one before");
	return CLI_TROUBLE;
}

/* What the compiler without power gave is ours; here it must be closed too. */
static int cliapply_check(const struct batchfile *file)
{
	char error[BATCH_ERROR_MAX] = "";

	if (batch_check(file->batch, file->batch_len, error) == 0)
		return CLI_OK;
	log_pst(LOG_LEVEL_ERROR, PST_BATCH_REFUSED, "%s; nothing was done", error);
	return CLI_TROUBLE;
}

/* The page is read once: what passed the gate is what is loaded, whoever writes meanwhile. */
static int cliapply_make(const struct cli *c, struct cli_work *ret)
{
	int r = cli_prepare(c, ret);

	if (r == CLI_OK)
		r = cligate_pass(c, ret->policy);
	if (r == CLI_OK)
		r = cli_compile(c, ret);
	return r == CLI_OK && !c->log_only ? cliapply_check(&ret->file) : r;
}

int cliapply_run(const struct cli *c)
{
	_cleanup_(cli_release) struct cli_work w = { 0 };
	_cleanup_(closep) int lock = -1;
	int r = cliapply_make(c, &w);

	if (r == CLI_OK)
		r = cliapply_lock(c, &lock);
	if (r != CLI_OK)
		return r;
	if (!c->boot_only)
		return cliapply_load(c, &w.file);
	r = cliapply_save(c, CLI_BATCH_NAME, &w.file);
	if (r == CLI_OK)
		log_info("%s is saved for the next boot, not loaded", w.file.about);
	return r;
}

int cliapply_try(const struct cli *c)
{
	struct cli with = *c;

	if (!c->log_only) {
		log_error("say what to try: 'netpolicy try --log-only [--for 10m]'");
		return CLI_USAGE;
	}
	if (!with.seconds)
		with.seconds = CLIAPPLY_TRY_S;
	return cliapply_run(&with);
}

int cliapply_confirm(const struct cli *c)
{
	struct ctlwire_request q = { .op = CTLWIRE_CONFIRM };
	struct ctlwire_answer a;
	int r = cliask_must(c, &q, "nothing waits for a confirmation", &a);

	if (r != CLI_OK)
		return r;
	if (!a.text[0])
		log_info("confirmed: this policy stays");
	return cliask_tell(&a);
}

/* The file first, because it can be changed back without harm. */
static int cliapply_rollback_alone(const struct cli *c)
{
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	char path[FILES_PATH_MAX], error[BATCH_ERROR_MAX] = "";
	int r = cli_path(c->state_dir, CLI_BATCH_NAME, path);

	if (r != CLI_OK)
		return r;
	r = batchfile_rollback(path);
	if (r < 0) {
		log_error("there is no policy before this one: %s.prev: %s", path, strerror(-r));
		return CLI_DRIFT;
	}
	r = batchfile_read(path, &file);
	if (r == 0)
		r = batch_check(file.batch, file.batch_len, error);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_BATCH_UNREADABLE, "the policy before: %s",
			error[0] ? error : batchfile_strerror(r));
	r = r < 0 ? CLI_TROUBLE : cliapply_put(&file);
	if (r != CLI_OK && batchfile_rollback(path) < 0)
		log_error("%s cannot be put back: run 'netpolicy apply'", path);
	return r;
}

/* By its name: who rolls back twice wants to know where that led. */
static void cliapply_tell_back(const struct cli *c)
{
	struct ctlwire_request q = { .op = CTLWIRE_STATUS };
	struct ctlwire_answer a;

	if (cliask(c, &q, &a) == 0 && a.status.about[0])
		log_info("the policy before is back: %s", a.status.about);
	else
		log_info("the policy before is back");
}

int cliapply_rollback(const struct cli *c)
{
	struct ctlwire_request q = { .op = CTLWIRE_ROLLBACK };
	_cleanup_(closep) int lock = -1;
	struct ctlwire_answer a;
	int r = cliapply_lock(c, &lock);

	if (r != CLI_OK)
		return r;
	r = cliask(c, &q, &a);
	if (r == CLIASK_E_ABSENT)
		return cliapply_rollback_alone(c);
	if (r < 0)
		return CLI_TROUBLE;
	if (a.result == 0)
		cliapply_tell_back(c);
	return cliask_tell(&a);
}

int cliapply_unload(const struct cli *c)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r;

	if (!c->yes) {
		log_error("this opens the host; say 'netpolicy unload --yes' to do it");
		return CLI_USAGE;
	}
	if (cliapply_is_there(c, &r)) {
		log_error("netpolicyd runs and would put the rules back; stop it first");
		return CLI_DRIFT;
	}
	r = r == CLI_OK ? cli_open(&k) : r;
	if (r != CLI_OK)
		return r;
	r = applier_unload(k);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "cannot remove our tables: %s%s",
			strerror(-r), r == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
		return CLI_DRIFT;
	}
	log_warning("our tables are gone: this host is open");
	return CLI_OK;
}
