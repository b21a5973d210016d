/* SPDX-License-Identifier: MIT */
#include "certs/certd/certagent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "certs/certd/certshow.h"
#include "certs/certd/certsock.h"
#include "certs/certd/certstate.h"
#include "certs/certd/fetchworker.h"
#include "certs/certd/schedule.h"
#include "certs/certd/siastore.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/timetext.h"

#define CERTAGENT_WAIT_TEXT 64 /* bytes with NUL of "again in 42 s" */
#define CERTAGENT_FAR_S                                                                            \
	(INT64_C(1) << 33) /* the year 2242: a timer that only notices a set clock */

struct certagent {
	const struct certconf *conf;
	const struct certagent_paths *paths;
	struct schedule schedule;
	struct siastore store;
	struct fetchworker worker;
	struct certsock sock;
	struct certstate state;
	struct certshow_counts counts;
	char boot_id[CERTSTATE_BOOT_ID];
	uint64_t fingerprint; /* of the settings that decide who the host is */
	uint64_t started_ns;
	int signal_fd, timer_fd, clock_fd;
	bool stops;
	bool was_ready, told_ready;
	bool cannot_save, cannot_count; /* told once */
	enum pst told_bad;              /* what was last said of the stored pair */
};

static struct schedule_now certagent_now(void)
{
	return (struct schedule_now){ clk_now_ns(), clk_now_wall() };
}

static const char *certagent_path(const char *dir, const char *name,
				  char ret[static FILES_PATH_MAX])
{
	snprintf(ret, FILES_PATH_MAX, "%s/%s", dir, name);
	return ret;
}

/* ---- what is told ---- */

/* The first condition that is missing, in words; "" when there is none. */
static const char *certagent_missing(const struct schedule *s, uint64_t wall)
{
	if (!s->identified)
		return "who this host is has not been found out yet";
	if (s->stored == SCHEDULE_UNCHECKED)
		return "the stored certificate has not been checked yet";
	if (s->stored == SCHEDULE_ABSENT)
		return "there is no certificate yet";
	if (s->stored == SCHEDULE_BAD)
		return "the stored certificate cannot be used";
	if (wall < s->pair.not_before)
		return "by the clock of this host the certificate is not valid yet";
	if (wall >= s->pair.not_after)
		return "the certificate has ended";
	return "";
}

static void certagent_fill_reason(const struct certagent *a, struct certstat *ret)
{
	enum pst code = a->schedule.last_code;
	const char *detail = a->state.last_code == code ? a->state.last_detail : "";

	ret->reason_code = code;
	if (code)
		snprintf(ret->reason, sizeof(ret->reason), "%s; PST-%04u %s%s%s",
			 certagent_missing(&a->schedule, ret->now_wall), (unsigned int)code,
			 pst_text(code), *detail ? ": " : "", detail);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s",
			 certagent_missing(&a->schedule, ret->now_wall));
}

static uint64_t certagent_to_wall(const struct schedule_now *now, uint64_t at_ns)
{
	if (at_ns == SCHEDULE_NEVER)
		return 0;
	if (at_ns <= now->ns)
		return now->wall;
	return now->wall + (at_ns - now->ns + CLK_NS_PER_S - 1) / CLK_NS_PER_S;
}

static void certagent_fill_status(const struct certagent *a, struct certstat *ret)
{
	const struct schedule *s = &a->schedule;
	struct schedule_now now = certagent_now();
	struct schedule_plan plan = schedule_next(s, &now);

	*ret = (struct certstat){
		.now_wall = now.wall,
		.uptime_s = (uint32_t)((now.ns - a->started_ns) / CLK_NS_PER_S),
		.ready = schedule_is_ready(s, now.wall),
		.self = a->state.self,
		.running = s->running,
		.last_step = a->state.last_step,
		.last_wall = a->state.last_wall,
		.last_code = a->state.last_code,
		.next_step = plan.step,
		.next_wall = certagent_to_wall(&now, plan.at_ns),
		.done_wall = a->state.done_wall,
		.failures = s->failures,
	};
	memcpy(ret->last_detail, a->state.last_detail, sizeof(ret->last_detail));
	memcpy(ret->sia_dir, a->conf->sia_dir, sizeof(ret->sia_dir));
	if (s->stored == SCHEDULE_GOOD) {
		memcpy(ret->serial, a->state.serial, sizeof(ret->serial));
		ret->not_before = s->pair.not_before;
		ret->not_after = s->pair.not_after;
		ret->renew = s->pair.renew;
	}
	if (!ret->ready)
		certagent_fill_reason(a, ret);
}

/* Metrics and memory are a convenience: without them the certificate is renewed all the same. */
static void certagent_note_write(bool *told, const char *path, int r)
{
	if (r < 0 && !*told)
		log_warning("cannot write %s: %s; going on without it", path, strerror(-r));
	*told = r < 0;
}

static void certagent_save(struct certagent *a)
{
	char path[FILES_PATH_MAX];

	a->state.healed_wall = a->schedule.healed_wall;
	certagent_path(a->paths->state_dir, CERTSTATE_NAME, path);
	certagent_note_write(&a->cannot_save, path, certstate_write(path, &a->state));
}

static void certagent_write_metrics(struct certagent *a, const struct certstat *s)
{
	char path[FILES_PATH_MAX], *text = NULL;
	int r = certshow_metrics(s, &a->counts, &text);

	certagent_path(a->paths->run_dir, CERTSHOW_METRICS, path);
	if (r == 0)
		r = files_write(path, text, strlen(text), 0644);
	certagent_note_write(&a->cannot_count, path, r);
	free(text);
}

/* After every change: the service manager, the metrics, and a line when readiness changed. */
static void certagent_tell(struct certagent *a)
{
	char text[NOTIFY_STATUS_MAX], age[24];
	struct certstat s;
	int r;

	certagent_fill_status(a, &s);
	if (s.ready)
		snprintf(text, sizeof(text), "%.120s, certificate valid for another %s",
			 s.self.principal, timetext_span(s.not_after - s.now_wall, age));
	else
		snprintf(text, sizeof(text), "not ready: %.180s", s.reason);
	r = s.ready && !a->told_ready ? notify_ready(text) : notify_status(text);
	if (r < 0)
		log_debug("no answer from the service manager");
	if (s.ready && !a->was_ready)
		log_info("ready: %s", text);
	else if (!s.ready && a->was_ready)
		log_error("not ready any more: %s", s.reason);
	a->told_ready = a->told_ready || s.ready;
	a->was_ready = s.ready;
	certagent_write_metrics(a, &s);
}

static const char *certagent_left(const struct certagent *a, char ret[static CERTAGENT_WAIT_TEXT])
{
	uint64_t wall = clk_now_wall();
	char age[24];

	if (schedule_is_ready(&a->schedule, wall))
		snprintf(ret, CERTAGENT_WAIT_TEXT,
			 "the present certificate is valid for another %s",
			 timetext_span(a->schedule.pair.not_after - wall, age));
	else
		snprintf(ret, CERTAGENT_WAIT_TEXT, "no valid certificate is in use");
	return ret;
}

/* ---- failures ---- */

/* What the schedule makes of it, in words. */
static void certagent_describe(const struct certagent *a, struct schedule_verdict v,
			       char ret[static CERTAGENT_WAIT_TEXT])
{
	struct schedule_now now = certagent_now();
	struct schedule_plan plan = schedule_next(&a->schedule, &now);
	uint64_t wait_s = certagent_to_wall(&now, plan.at_ns) - now.wall;
	char age[24];

	snprintf(ret, CERTAGENT_WAIT_TEXT, "%s%s%s in %s", v.alarm ? "somebody must act; " : "",
		 v.heals ? "once afresh with a new key: " : "", schedule_step_name(plan.step),
		 timetext_span(wait_s, age));
}

/* The running step failed. @detail: printable, may be "". */
static void certagent_fail(struct certagent *a, enum pst code, uint32_t retry_after_s,
			   const char *detail)
{
	struct schedule_now now = certagent_now();
	enum schedule_step step = a->schedule.running;
	char next[CERTAGENT_WAIT_TEXT], left[CERTAGENT_WAIT_TEXT];
	struct schedule_verdict v;

	fetchworker_forget(&a->worker);
	v = schedule_on_failed(&a->schedule, code, retry_after_s, &now);
	if (!a->schedule.fetched)
		siastore_discard(&a->store);
	if (v.alarm && a->schedule.healed_wall)
		a->state.hold_wall = now.wall + v.wait_s;
	a->state.last_step = step;
	a->state.last_wall = now.wall;
	a->state.last_code = code;
	snprintf(a->state.last_detail, sizeof(a->state.last_detail), "%s", detail);
	certshow_count(&a->counts, code);
	certagent_describe(a, v, next);
	log_pst(v.alarm ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, code, "%s: %s%s%s; %s; %s",
		schedule_step_name(step), pst_text(code), *detail ? ": " : "", detail, next,
		certagent_left(a, left));
	if (v.alarm)
		log_error("what to do: %s", pst_find(code)->action);
	certagent_save(a);
}

static void certagent_succeed(struct certagent *a, enum schedule_step step)
{
	a->state.last_step = step;
	a->state.last_wall = clk_now_wall();
	a->state.last_code = PST_NONE;
	a->state.last_detail[0] = '\0';
}

/* ---- who this host is ---- */

static uint64_t certagent_seed(const struct fetchjob_self *self)
{
	return schedule_hash(schedule_hash(0, self->principal), self->instance_id);
}

static bool certagent_is_other(const struct fetchjob_self *a, const struct fetchjob_self *b)
{
	return strcmp(a->instance_id, b->instance_id) != 0 || strcmp(a->provider, b->provider) != 0;
}

/* The pair in use, or the memory, is another instance's: the disk is a copy. */
static void certagent_withdraw(struct certagent *a, const char *was)
{
	int r = siastore_withdraw(&a->store);

	log_pst(LOG_LEVEL_ERROR, PST_INSTANCE_CHANGED,
		"%s: it is of %s, this host is %s; withdrawn, registering afresh",
		pst_text(PST_INSTANCE_CHANGED), *was ? was : "an unknown one",
		a->state.self.instance_id);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_WRITE,
			"%s/current: %s; it could not be withdrawn", a->conf->sia_dir,
			strerror(-r));
	schedule_on_withdrawn(&a->schedule);
	certshow_count(&a->counts, PST_INSTANCE_CHANGED);
	a->state.serial[0] = '\0';
	a->state.since_wall = 0;
	a->state.hold_wall = 0;
}

static void certagent_on_identified(struct certagent *a, const struct fetchjob_result *result)
{
	char was[PRINCIPAL_INSTANCE_MAX];
	bool changed = a->state.self.principal[0] &&
		       certagent_is_other(&a->state.self, &result->self);

	memcpy(was, a->state.self.instance_id, sizeof(was));
	if (changed || strcmp(a->state.self.principal, result->self.principal) != 0)
		log_info("this host is %s, instance %s of %s", result->self.principal,
			 result->self.instance_id, result->self.provider);
	a->state.self = result->self;
	a->state.conf = a->fingerprint;
	memcpy(a->state.boot_id, a->boot_id, sizeof(a->state.boot_id));
	if (changed && a->store.current) {
		certagent_withdraw(a, was);
	} else if (changed) {
		schedule_on_withdrawn(&a->schedule); /* what was held against the other one */
		a->state.hold_wall = 0;
	}
	schedule_on_identified(&a->schedule, certagent_seed(&a->state.self));
	certagent_save(a);
}

/* ---- pairs ---- */

static void certagent_log_pair(const struct certagent *a, const char *what)
{
	const struct schedule_pair *p = &a->schedule.pair;
	uint64_t wall = clk_now_wall();
	char left[24], renew[24];

	log_info("%s, serial %s: valid for another %s, renewal in %s", what, a->state.serial,
		 timetext_span(p->not_after > wall ? p->not_after - wall : 0, left),
		 timetext_span(p->renew > wall ? p->renew - wall : 0, renew));
}

static void certagent_adopt(struct certagent *a, const struct fetchjob_result *result)
{
	struct schedule_pair pair = {
		.not_before = result->not_before_wall,
		.not_after = result->not_after_wall,
		.since = result->not_before_wall,
	};
	struct schedule_now now = certagent_now();
	int r;

	/* A note from a time at which the clock was ahead does not count. */
	if (!strcmp(a->state.serial, result->serial) && a->state.since_wall &&
	    a->state.since_wall <= now.wall)
		pair.since = a->state.since_wall;
	memcpy(a->state.serial, result->serial, sizeof(a->state.serial));
	schedule_on_pair(&a->schedule, &pair, result->serial, false, &now);
	a->told_bad = PST_NONE;
	r = siastore_name(&a->store, a->state.self.principal);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_WRITE,
			"names in %s: %s; readers may not find the "
			"certificate; tried again with the next one",
			a->conf->sia_dir, strerror(-r));
	certagent_log_pair(a, "stored certificate is good");
	if (pair.not_before > clk_now_wall())
		log_pst(LOG_LEVEL_WARNING, PST_CLOCK_WRONG,
			"by the clock of this host it is not valid yet; it is used when its "
			"time has come, or the clock is set");
}

/* Whether the verdict is about the moment rather than about the pair. */
static bool certagent_is_passing(enum pst code)
{
	return code == PST_CLOCK_WRONG || code == PST_FETCH_DIED || code == PST_FETCH_FRAME ||
	       code == PST_IDENTITY_FILES;
}

static void certagent_on_checked(struct certagent *a, const struct fetchjob_result *result)
{
	if (result->code == PST_INSTANCE_CHANGED ||
	    (result->code == PST_NONE && certagent_is_other(&result->self, &a->state.self))) {
		certagent_withdraw(a, result->self.instance_id);
	} else if (result->code == PST_NONE) {
		certagent_adopt(a, result);
	} else if (certagent_is_passing(result->code)) {
		certagent_fail(a, result->code, 0, result->detail);
		return;
	} else {
		/* It is looked at before every registration: said once, unless it changes. */
		log_pst(a->told_bad == result->code ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
			result->code, "stored certificate: %s%s%s; registering afresh",
			pst_text(result->code), *result->detail ? ": " : "", result->detail);
		a->told_bad = result->code;
		schedule_on_bad_pair(&a->schedule, result->code);
	}
	certagent_save(a);
}

static void certagent_on_fetched(struct certagent *a, const struct fetchjob_result *result)
{
	const struct fetchworker_files *f = a->worker.files;
	const struct siastore_pair pair = {
		.key = f->key,
		.cert = f->cert,
		.ca = f->ca,
		.key_len = f->key_len,
		.cert_len = f->cert_len,
		.ca_len = f->ca_len,
	};
	int r = siastore_stage(&a->store, &pair);

	fetchworker_forget(&a->worker);
	if (r < 0) {
		certagent_fail(a, PST_STORE_WRITE, 0, strerror(-r));
		return;
	}
	log_debug("%s: the issuer gave serial %s in %u ms; proving it",
		  schedule_step_name(a->schedule.running), result->serial, result->total_ms);
	certagent_succeed(a, a->schedule.running);
	schedule_on_fetched(&a->schedule);
}

static void certagent_accept(struct certagent *a, const struct fetchjob_result *result)
{
	struct schedule_now now = certagent_now();
	struct schedule_pair pair = {
		.not_before = result->not_before_wall,
		.not_after = result->not_after_wall,
		.since = now.wall,
	};
	int r = siastore_commit(&a->store, a->state.self.principal);

	if (r < 0) {
		certagent_fail(a, PST_STORE_WRITE, 0, strerror(-r));
		return;
	}
	if (r == SIASTORE_E_LATE)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_WRITE,
			"%s: the new certificate is in use, but a "
			"name is missing or it may not outlive a power cut; look at the disk",
			a->conf->sia_dir);
	schedule_on_pair(&a->schedule, &pair, result->serial, true, &now);
	memcpy(a->state.serial, result->serial, sizeof(a->state.serial));
	a->state.since_wall = a->schedule.pair.since;
	a->state.done_wall = pair.since;
	a->state.hold_wall = 0;
	a->told_bad = PST_NONE;
	certshow_count(&a->counts, PST_NONE);
	certagent_log_pair(a, a->state.last_step == SCHEDULE_REGISTER ? "registered" : "refreshed");
	certagent_save(a);
}

/* What the second worker says against it, the first should have said: whatever it is, that
 * certificate is not used. */
static void certagent_reject(struct certagent *a, const struct fetchjob_result *result)
{
	char detail[FETCHJOB_DETAIL_MAX + 128];

	if (certagent_is_passing(result->code)) {
		certagent_fail(a, result->code, 0, result->detail);
		return;
	}
	snprintf(detail, sizeof(detail), "PST-%04u %s: %s", (unsigned int)result->code,
		 pst_text(result->code), result->detail);
	certagent_fail(a, PST_ISSUED_REFUSED, 0, detail);
}

static void certagent_on_proven(struct certagent *a, const struct fetchjob_result *result)
{
	uint64_t wall = clk_now_wall();
	char age[24];

	if (result->code != PST_NONE) {
		certagent_reject(a, result);
	} else if (strcmp(result->self.principal, a->state.self.principal) != 0 ||
		   certagent_is_other(&result->self, &a->state.self)) {
		certagent_fail(a, PST_ISSUED_REFUSED, 0, "it is somebody else's");
	} else if (result->not_before_wall > wall + SCHEDULE_HOLD_MAX_S) {
		certagent_fail(a, PST_CLOCK_WRONG, 0, "the new certificate begins far ahead");
	} else if (result->not_before_wall > wall) {
		log_pst(LOG_LEVEL_WARNING, PST_CLOCK_WRONG,
			"the new certificate begins in %s by the clock of this host; it is used "
			"then, or when the clock is set",
			timetext_span(result->not_before_wall - wall, age));
		schedule_on_held(&a->schedule, result->not_before_wall);
	} else {
		certagent_accept(a, result);
	}
}

/* ---- steps ---- */

static void certagent_on_result(struct certagent *a, const struct fetchjob_result *result)
{
	switch (a->schedule.running) {
	case SCHEDULE_CHECK:
		certagent_on_checked(a, result);
		return;
	case SCHEDULE_PROVE:
		certagent_on_proven(a, result);
		return;
	case SCHEDULE_IDENTIFY:
	case SCHEDULE_REGISTER:
	case SCHEDULE_REFRESH:
		if (result->code != PST_NONE)
			certagent_fail(a, result->code, result->retry_after_s, result->detail);
		else if (a->schedule.running == SCHEDULE_IDENTIFY)
			certagent_on_identified(a, result);
		else
			certagent_on_fetched(a, result);
		return;
	case SCHEDULE_NONE:
	case SCHEDULE_STEP_N:
		break;
	}
}

static void certagent_finish(struct certagent *a)
{
	struct fetchjob_result result;

	if (fetchworker_finish(&a->worker, clk_now_ns(), &result) != 0)
		return;
	certagent_on_result(a, &result);
	certagent_tell(a);
}

static enum fetchjob_kind certagent_kind(enum schedule_step step)
{
	switch (step) {
	case SCHEDULE_IDENTIFY:
		return FETCHJOB_IDENTIFY;
	case SCHEDULE_REGISTER:
		return FETCHJOB_REGISTER;
	case SCHEDULE_REFRESH:
		return FETCHJOB_REFRESH;
	case SCHEDULE_CHECK:
	case SCHEDULE_PROVE:
	case SCHEDULE_NONE:
	case SCHEDULE_STEP_N:
		break;
	}
	return FETCHJOB_CHECK;
}

static int certagent_fill_job(const struct certagent *a, enum schedule_step step,
			      struct fetchjob_start *ret)
{
	*ret = (struct fetchjob_start){ .kind = certagent_kind(step), .conf = *a->conf };
	ret->conf.timeout_ms = schedule_timeout_ms(&a->schedule, a->conf->timeout_ms,
						   clk_now_wall());
	if (step != SCHEDULE_IDENTIFY)
		ret->self = a->state.self;
	if (step == SCHEDULE_IDENTIFY || step == SCHEDULE_REGISTER)
		return 0;
	return siastore_path(&a->store, a->conf->sia_dir, step == SCHEDULE_PROVE, ret->pair_dir,
			     sizeof(ret->pair_dir));
}

/* Says which directory or file is in the way. */
static int certagent_open_store(struct certagent *a)
{
	int r = siastore_open(&a->store, a->conf->sia_dir);

	if (r == -EPERM)
		log_error(
			"%s: it and keys, certs and .pairs in it must belong to this user or root "
			"and be writable for their owner only",
			a->conf->sia_dir);
	else if (r == -EEXIST)
		log_error("%s/current is not a link of certd; move it away", a->conf->sia_dir);
	else if (r == -EBUSY)
		log_error("%s: another certd works there", a->conf->sia_dir);
	else if (r < 0)
		log_error("%s: %s", a->conf->sia_dir, strerror(-r));
	return r;
}

/* The directory may have been taken away, or another one put in its place. What is in it is another
 * pair, or none: the plan is another one then. Errors: 0; 1 when it was opened anew; -errno. */
static int certagent_mind_store(struct certagent *a)
{
	int r;

	if (siastore_is_same(&a->store, a->conf->sia_dir))
		return 0;
	log_warning("%s: it is gone, or another directory than before; opening it anew",
		    a->conf->sia_dir);
	siastore_close(&a->store);
	a->store = (struct siastore)SIASTORE_INIT;
	r = certagent_open_store(a);
	schedule_on_store(&a->schedule, a->store.current);
	return r < 0 ? r : 1;
}

/* A step that needs the store, and cannot have it. */
static void certagent_fail_store(struct certagent *a, int error)
{
	certagent_fail(a, PST_STORE_WRITE, 0, strerror(-error));
	certagent_tell(a);
}

static void certagent_start(struct certagent *a, enum schedule_step step)
{
	char detail[FETCHJOB_DETAIL_MAX];
	bool asks = step == SCHEDULE_REGISTER || step == SCHEDULE_REFRESH;
	struct schedule_now now = certagent_now();
	struct fetchjob_start job;
	int r = step == SCHEDULE_IDENTIFY ? 0 : certagent_mind_store(a);

	if (r > 0 || schedule_on_start(&a->schedule, step, &now) < 0)
		return;
	if (r == 0 && asks)
		r = siastore_try(&a->store);
	if (r < 0) {
		certagent_fail_store(a, r);
		return;
	}
	if (asks) {
		/* Before it is asked: a process that dies now must not ask at once again. */
		a->state.asked_wall = now.wall;
		certagent_save(a);
	}
	r = certagent_fill_job(a, step, &job);
	if (r == 0)
		r = fetchworker_start(&a->worker, &job, now.ns);
	if (r == 0)
		return;
	snprintf(detail, sizeof(detail), "certd-fetch cannot be started: %s", strerror(-r));
	certagent_fail(a, PST_FETCH_DIED, 0, detail);
	certagent_tell(a);
}

/* Starts what is due. */
static void certagent_advance(struct certagent *a)
{
	struct schedule_now now = certagent_now();
	struct schedule_plan plan = schedule_next(&a->schedule, &now);
	char left[CERTAGENT_WAIT_TEXT];

	if (schedule_take_late(&a->schedule, &now))
		log_pst(LOG_LEVEL_ERROR, PST_RENEWAL_LATE, "%s: %s; %u failures in a row",
			pst_text(PST_RENEWAL_LATE), certagent_left(a, left), a->schedule.failures);
	if (a->was_ready != schedule_is_ready(&a->schedule, now.wall))
		certagent_tell(a);
	if (plan.step != SCHEDULE_NONE && plan.at_ns <= now.ns)
		certagent_start(a, plan.step);
}

/* ---- loop ---- */

static void certagent_earlier(uint64_t *at_ns, uint64_t other_ns)
{
	if (other_ns < *at_ns)
		*at_ns = other_ns;
}

/* When something is due: the next step, an alarm, the end of the worker's patience, or a change of
 * readiness, which is told. */
static uint64_t certagent_deadline(const struct certagent *a)
{
	struct schedule_now now = certagent_now();
	const struct schedule_pair *p = &a->schedule.pair;
	uint64_t at_ns = schedule_next(&a->schedule, &now).at_ns;

	certagent_earlier(&at_ns, schedule_late_at(&a->schedule, &now));
	if (a->worker.pid)
		certagent_earlier(&at_ns, a->worker.deadline_ns);
	if (a->schedule.stored != SCHEDULE_GOOD)
		return at_ns;
	if (p->not_before > now.wall)
		certagent_earlier(&at_ns, schedule_at_ns(&now, p->not_before));
	else if (p->not_after > now.wall)
		certagent_earlier(&at_ns, schedule_at_ns(&now, p->not_after));
	return at_ns;
}

static int certagent_arm(struct certagent *a)
{
	uint64_t at_ns = certagent_deadline(a);
	struct itimerspec when = { 0 };

	if (at_ns != SCHEDULE_NEVER) {
		when.it_value.tv_sec = (time_t)(at_ns / CLK_NS_PER_S);
		/* Never 0, which would switch the timer off. */
		when.it_value.tv_nsec = (long)(at_ns % CLK_NS_PER_S) | 1;
	}
	return timerfd_settime(a->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

static int certagent_watch_clock(struct certagent *a)
{
	const struct itimerspec far = { .it_value.tv_sec = CERTAGENT_FAR_S };

	return timerfd_settime(a->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far,
			       NULL) < 0 ?
		       -errno :
		       0;
}

static void certagent_on_clock(struct certagent *a)
{
	struct schedule_now now = certagent_now();
	uint64_t n;

	if (read(a->clock_fd, &n, sizeof(n)) >= 0 || errno != ECANCELED)
		return;
	log_info("the clock was set; looking at all times again");
	schedule_on_clock(&a->schedule, &now);
	if (certagent_watch_clock(a) < 0)
		log_error("cannot watch the clock any more: %s", strerror(errno));
}

static void certagent_on_signal(struct certagent *a)
{
	struct signalfd_siginfo si;

	if (read(a->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGHUP || si.ssi_signo == SIGUSR1) {
		log_info("signal %u: trying now", si.ssi_signo);
		schedule_urge(&a->schedule);
		return;
	}
	log_info("signal %u: ending; the files stay as they are", si.ssi_signo);
	a->stops = true;
}

static void certagent_on_ask(void *user, bool renews, struct certstat *ret)
{
	struct certagent *a = user;

	if (renews) {
		log_info("asked to try now");
		schedule_urge(&a->schedule);
		certagent_advance(a);
	}
	certagent_fill_status(a, ret);
}

static int certagent_turn(struct certagent *a)
{
	struct pollfd fds[] = {
		{ .fd = a->signal_fd, .events = POLLIN }, { .fd = a->timer_fd, .events = POLLIN },
		{ .fd = a->clock_fd, .events = POLLIN },  { .fd = a->sock.fd, .events = POLLIN },
		{ .fd = a->worker.fd, .events = POLLIN },
	};
	uint64_t n;

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		certagent_on_signal(a);
	if (fds[1].revents && read(a->timer_fd, &n, sizeof(n)) < 0)
		log_debug("the timer was set anew");
	if (fds[2].revents)
		certagent_on_clock(a);
	if (fds[3].revents)
		certsock_serve(&a->sock, certagent_on_ask, a);
	return 0;
}

int certagent_run(struct certagent *a)
{
	int r = 0;

	certagent_tell(a);
	while (r == 0 && !a->stops) {
		certagent_finish(a);
		certagent_advance(a);
		r = certagent_arm(a);
		if (r == 0)
			r = certagent_turn(a);
	}
	if (r < 0)
		log_error("cannot wait for anything any more: %s", strerror(-r));
	notify_stopping();
	return r;
}

/* ---- start and end ---- */

static uint64_t certagent_fingerprint(const struct certconf *c)
{
	uint64_t h = schedule_hash((uint64_t)c->attestation, c->domain);

	h = schedule_hash(h, c->service);
	h = schedule_hash(h, c->provider);
	h = schedule_hash(h, c->provider_prefix);
	h = schedule_hash(h, c->instance_id);
	for (size_t i = 0; i < c->n_imds; i++)
		h = schedule_hash(h, c->imds[i]);
	return h;
}

static int certagent_read_boot_id(char ret[static CERTSTATE_BOOT_ID])
{
	_cleanup_(files_freep) uint8_t *text = NULL;
	size_t len;
	int r = files_read("/proc/sys/kernel/random/boot_id", 64, &text, &len);

	if (r < 0)
		return r;
	if (len < CERTSTATE_BOOT_ID - 1)
		return -EBADMSG;
	memcpy(ret, text, CERTSTATE_BOOT_ID - 1);
	ret[CERTSTATE_BOOT_ID - 1] = '\0';
	return 0;
}

/* Who we were counts for the boot in which it was found out; what the issuer said, always. */
static void certagent_remember(struct certagent *a)
{
	const struct schedule_limits limits = {
		.retry_min_s = a->conf->retry_min_s,
		.retry_max_s = a->conf->retry_max_s,
		.renew_max_s = a->conf->renew_max_s,
	};
	struct schedule_now now = certagent_now();
	char path[FILES_PATH_MAX];
	int r = certstate_read(certagent_path(a->paths->state_dir, CERTSTATE_NAME, path),
			       &a->state);

	if (r < 0 && r != -ENOENT)
		log_warning("%s: %s; identifying afresh", path, strerror(-r));
	schedule_init(&a->schedule, &limits, a->store.current, schedule_hash(0, a->boot_id));
	if (r < 0)
		return;
	schedule_resume(&a->schedule, a->state.asked_wall, a->state.hold_wall, a->state.healed_wall,
			&now);
	if (a->state.self.principal[0] && !strcmp(a->state.boot_id, a->boot_id) &&
	    a->state.conf == a->fingerprint)
		schedule_on_identified(&a->schedule, certagent_seed(&a->state.self));
}

static int certagent_open_signals(struct certagent *a)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	a->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	a->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (a->signal_fd < 0 || a->timer_fd < 0 || a->clock_fd < 0)
		return -errno;
	return certagent_watch_clock(a);
}

static int certagent_open_socket(struct certagent *a)
{
	char path[FILES_PATH_MAX];
	int r = certsock_open(&a->sock, certagent_path(a->paths->run_dir, CERTSTAT_SOCKET, path));

	if (r == -EADDRINUSE)
		log_error("%s: another certd listens there", path);
	else if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r;
}

static void certagent_closep(struct certagent **a)
{
	certagent_close(*a);
}

int certagent_open(const struct certconf *conf, const struct certagent_paths *paths,
		   struct certagent **ret)
{
	_cleanup_(certagent_closep) struct certagent *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->conf = conf;
	a->paths = paths;
	a->signal_fd = a->timer_fd = a->clock_fd = a->sock.fd = -1;
	a->store = (struct siastore)SIASTORE_INIT;
	a->started_ns = clk_now_ns();
	a->fingerprint = certagent_fingerprint(conf);
	fetchworker_init(&a->worker);
	r = certagent_read_boot_id(a->boot_id);
	if (r == 0)
		r = certagent_open_signals(a);
	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	if (r == 0)
		r = certagent_open_socket(a);
	if (r == 0)
		r = certagent_open_store(a);
	if (r < 0)
		return r;
	certagent_remember(a);
	*ret = steal_ptr(a);
	return 0;
}

void certagent_close(struct certagent *a)
{
	if (!a)
		return;
	fetchworker_stop(&a->worker);
	siastore_discard(&a->store);
	siastore_close(&a->store);
	certsock_close(&a->sock);
	closep(&a->signal_fd);
	closep(&a->timer_fd);
	closep(&a->clock_fd);
	free(a);
}
