/* SPDX-License-Identifier: MIT */
#include "certs/certd/certlife.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certd/certview.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/spawn.h"
#include "common/timetext.h"

static struct schedule_now certlife_now(void)
{
	return (struct schedule_now){ clk_now_ns(), clk_now_wall() };
}

static struct certview certlife_view(const struct certlife *l)
{
	return (struct certview){ &l->schedule, &l->memo.state, certlife_now() };
}

void certlife_fill(const struct certlife *l, struct certstat *ret)
{
	struct certview view = certlife_view(l);

	certview_fill(&view, ret);
	ret->uptime_s = (uint32_t)((view.now.ns - l->started_ns) / CLK_NS_PER_S);
	memcpy(ret->sia_dir, l->conf->sia_dir, sizeof(ret->sia_dir));
}

/* ---- memory ---- */

/* A revocation was answered by what the schedule decided. */
static void certlife_save(struct certlife *l)
{
	l->memo.state.healed_wall = l->schedule.healed_wall;
	certmemo_save(&l->memo);
}

static uint64_t certlife_seed(const struct fetchjob_self *self)
{
	uint64_t h = schedule_hash(schedule_hash(0, self->principal), self->instance_id);

	return schedule_hash(h, self->provider);
}

/* Who we were counts for the boot in which it was found out; what the issuer said, always. */
static void certlife_remember(struct certlife *l)
{
	const struct schedule_limits limits = {
		.retry_min_s = l->conf->retry_min_s,
		.retry_max_s = l->conf->retry_max_s,
		.renew_max_s = l->conf->renew_max_s,
	};
	const struct certstate *state = &l->memo.state;
	struct schedule_now now = certlife_now();

	schedule_init(&l->schedule, &limits, l->store.current, schedule_hash(0, l->memo.boot_id));
	schedule_resume(&l->schedule, state->asked_wall, state->hold_wall, state->healed_wall,
			&now);
	if (certmemo_knows_self(&l->memo))
		schedule_on_identified(&l->schedule, certlife_seed(&state->self));
}

/* ---- failures ---- */

/* Notes @text in printable form: a path may hold anything, and who reads the memory or the status
 * takes nothing else. */
static void certlife_note_detail(struct certlife *l, const char *text)
{
	char *to = l->memo.state.last_detail;

	snprintf(to, sizeof(l->memo.state.last_detail), "%s", text);
	for (; *to; to++)
		if (*to < 0x20 || *to > 0x7e)
			*to = '?';
}

/* The running step failed. @detail: may be "". */
static void certlife_fail(struct certlife *l, enum pst code, uint32_t retry_after_s,
			  const char *detail)
{
	struct schedule_now now = certlife_now();
	enum schedule_step step = l->schedule.running;
	char next[CERTVIEW_TEXT], left[CERTVIEW_TEXT];
	struct schedule_verdict v;
	struct certview view;

	fetchworker_forget(&l->worker);
	v = schedule_on_failed(&l->schedule, code, retry_after_s, &now);
	if (!l->schedule.fetched)
		siastore_discard(&l->store);
	if (v.holds)
		l->memo.state.hold_wall = now.wall + v.wait_s;
	l->memo.state.last_step = step;
	l->memo.state.last_wall = now.wall;
	l->memo.state.last_code = code;
	certlife_note_detail(l, detail);
	certshow_count(&l->counts, code);
	view = certlife_view(l);
	log_pst(v.alarm ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, code, "%s: %s%s%s; %s; %s",
		schedule_step_name(step), pst_text(code), *detail ? ": " : "", detail,
		certview_next(&view, v, next), certview_left(&view, left));
	if (v.alarm)
		log_error("what to do: %s", pst_find(code)->action);
	certlife_save(l);
}

static void certlife_fail_store(struct certlife *l, int error)
{
	char detail[CONF_VALUE_MAX + 64];

	snprintf(detail, sizeof(detail), "%s: %s", l->conf->sia_dir, strerror(-error));
	certlife_fail(l, PST_STORE_WRITE, 0, detail);
}

static void certlife_fail_spawn(struct certlife *l, int error)
{
	char path[FILES_PATH_MAX], detail[FETCHJOB_DETAIL_MAX];

	if (spawn_find(FETCHWORKER_NAME, path, sizeof(path)) < 0)
		snprintf(path, sizeof(path), FETCHWORKER_NAME);
	snprintf(detail, sizeof(detail), "%.150s cannot be started: %s", path, strerror(-error));
	certlife_fail(l, PST_FETCH_DIED, 0, detail);
}

static void certlife_succeed(struct certlife *l, enum schedule_step step)
{
	l->memo.state.last_step = step;
	l->memo.state.last_wall = clk_now_wall();
	l->memo.state.last_code = PST_NONE;
	l->memo.state.last_detail[0] = '\0';
}

/* ---- who this host is ---- */

/* Names and provider of an instance may change; its id does not, and the files are bound to it. */
static bool certlife_is_other(const struct certlife *l, const struct fetchjob_self *self)
{
	return strcmp(self->instance_id, l->memo.state.self.instance_id) != 0;
}

static bool certlife_is_us(const struct certlife *l, const struct fetchjob_self *self)
{
	return !certlife_is_other(l, self) &&
	       !strcmp(self->provider, l->memo.state.self.provider) &&
	       !strcmp(self->principal, l->memo.state.self.principal);
}

/* The pair in use, or the memory, is another instance's: the disk is a copy. */
static void certlife_withdraw(struct certlife *l, const char *was)
{
	int r = siastore_withdraw(&l->store);

	log_pst(LOG_LEVEL_ERROR, PST_INSTANCE_CHANGED,
		"%s: it is of %s, this host is %s; withdrawn, registering afresh",
		pst_text(PST_INSTANCE_CHANGED), *was ? was : "an unknown one",
		l->memo.state.self.instance_id);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_WRITE,
			"%s/current: %s; it could not be withdrawn", l->conf->sia_dir,
			strerror(-r));
	schedule_on_withdrawn(&l->schedule);
	certshow_count(&l->counts, PST_INSTANCE_CHANGED);
	l->memo.state.serial[0] = '\0';
	l->memo.state.since_wall = 0;
	l->memo.state.hold_wall = 0;
}

static void certlife_on_identified(struct certlife *l, const struct fetchjob_result *result)
{
	bool changed = l->memo.state.self.principal[0] && certlife_is_other(l, &result->self);
	char was[PRINCIPAL_INSTANCE_MAX];

	memcpy(was, l->memo.state.self.instance_id, sizeof(was));
	if (!certlife_is_us(l, &result->self))
		log_info("this host is %s, instance %s of %s", result->self.principal,
			 result->self.instance_id, result->self.provider);
	certmemo_identify(&l->memo, &result->self);
	if (changed && l->store.current) {
		certlife_withdraw(l, was);
	} else if (changed) {
		schedule_on_withdrawn(&l->schedule); /* what was held against the other one */
		l->memo.state.hold_wall = 0;
	}
	schedule_on_identified(&l->schedule, certlife_seed(&l->memo.state.self));
	certlife_save(l);
}

/* ---- pairs ---- */

static void certlife_log_pair(const struct certlife *l, const char *what)
{
	const struct schedule_pair *p = &l->schedule.pair;
	uint64_t wall = clk_now_wall();
	char left[24], renew[24];

	log_info("%s, serial %s: valid for another %s, renewal in %s", what, l->memo.state.serial,
		 timetext_span(p->not_after > wall ? p->not_after - wall : 0, left),
		 timetext_span(p->renew > wall ? p->renew - wall : 0, renew));
}

static void certlife_adopt(struct certlife *l, const struct fetchjob_result *result)
{
	struct schedule_pair pair = {
		.not_before = result->not_before_wall,
		.not_after = result->not_after_wall,
		.since = result->not_before_wall,
	};
	struct schedule_now now = certlife_now();
	int r;

	/* A note from a time at which the clock was ahead does not count. */
	if (!strcmp(l->memo.state.serial, result->serial) && l->memo.state.since_wall &&
	    l->memo.state.since_wall <= now.wall)
		pair.since = l->memo.state.since_wall;
	memcpy(l->memo.state.serial, result->serial, sizeof(l->memo.state.serial));
	schedule_on_pair(&l->schedule, &pair, result->serial, false, &now);
	l->told_bad = PST_NONE;
	r = siastore_name(&l->store, l->memo.state.self.principal);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_WRITE,
			"names in %s: %s; readers may not find the "
			"certificate; tried again with the next one",
			l->conf->sia_dir, strerror(-r));
	certlife_log_pair(l, "stored certificate is good");
	if (pair.not_before > clk_now_wall())
		log_pst(LOG_LEVEL_WARNING, PST_CLOCK_WRONG,
			"by the clock of this host it is not valid yet; it is used when its "
			"time has come, or the clock is set");
}

/* Whether the verdict is about the moment rather than about the pair. */
static bool certlife_is_passing(enum pst code)
{
	return code == PST_CLOCK_WRONG || code == PST_FETCH_DIED || code == PST_FETCH_FRAME ||
	       code == PST_IDENTITY_FILES;
}

/* It is looked at before every registration: said once, unless it changes. */
static void certlife_tell_bad(struct certlife *l, const struct fetchjob_result *result)
{
	log_pst(l->told_bad == result->code ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, result->code,
		"stored certificate: %s%s%s; registering afresh", pst_text(result->code),
		*result->detail ? ": " : "", result->detail);
	l->told_bad = result->code;
}

/* Whatever else is wrong with a pair that names another instance: it is not ours to keep. */
static void certlife_on_checked(struct certlife *l, const struct fetchjob_result *result)
{
	const struct fetchjob_self *self = &result->self;

	if (certlife_is_passing(result->code)) {
		certlife_fail(l, result->code, 0, result->detail);
		return;
	}
	if (result->code == PST_INSTANCE_CHANGED ||
	    (self->instance_id[0] && certlife_is_other(l, self))) {
		certlife_withdraw(l, self->instance_id);
	} else if (result->code == PST_NONE) {
		certlife_adopt(l, result);
	} else {
		schedule_on_bad_pair(&l->schedule, result->code);
		if (l->schedule.stored == SCHEDULE_BAD)
			certlife_tell_bad(l, result);
	}
	certlife_save(l);
}

static void certlife_on_fetched(struct certlife *l, const struct fetchjob_result *result)
{
	const struct fetchworker_files *f = l->worker.files;
	const struct siastore_pair pair = {
		.key = f->key,
		.cert = f->cert,
		.ca = f->ca,
		.key_len = f->key_len,
		.cert_len = f->cert_len,
		.ca_len = f->ca_len,
	};
	int r = siastore_stage(&l->store, &pair);

	fetchworker_forget(&l->worker);
	if (r < 0) {
		certlife_fail_store(l, r);
		return;
	}
	log_debug("%s: the issuer gave serial %s in %u ms; proving it",
		  schedule_step_name(l->schedule.running), result->serial, result->total_ms);
	certlife_succeed(l, l->schedule.running);
	schedule_on_fetched(&l->schedule);
}

static void certlife_accept(struct certlife *l, const struct fetchjob_result *result)
{
	struct schedule_now now = certlife_now();
	struct schedule_pair pair = {
		.not_before = result->not_before_wall,
		.not_after = result->not_after_wall,
		.since = now.wall,
	};
	int r = siastore_commit(&l->store, l->memo.state.self.principal);

	if (r < 0) {
		certlife_fail_store(l, r);
		return;
	}
	if (r == SIASTORE_E_LATE)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_WRITE,
			"%s: the new certificate is in use, but a "
			"name is missing or it may not outlive a power cut; look at the disk",
			l->conf->sia_dir);
	schedule_on_pair(&l->schedule, &pair, result->serial, true, &now);
	memcpy(l->memo.state.serial, result->serial, sizeof(l->memo.state.serial));
	l->memo.state.since_wall = l->schedule.pair.since;
	l->memo.state.done_wall = pair.since;
	l->memo.state.hold_wall = 0;
	l->told_bad = PST_NONE;
	certshow_count(&l->counts, PST_NONE);
	certlife_log_pair(l, l->memo.state.last_step == SCHEDULE_REGISTER ? "registered" :
									    "refreshed");
	certlife_save(l);
}

/* What the second worker says against it, the first should have said: whatever it is, that
 * certificate is not used. */
static void certlife_reject(struct certlife *l, const struct fetchjob_result *result)
{
	char detail[FETCHJOB_DETAIL_MAX + 128];

	if (certlife_is_passing(result->code)) {
		certlife_fail(l, result->code, 0, result->detail);
		return;
	}
	snprintf(detail, sizeof(detail), "PST-%04u %s: %s", (unsigned int)result->code,
		 pst_text(result->code), result->detail);
	certlife_fail(l, PST_ISSUED_REFUSED, 0, detail);
}

static void certlife_on_proven(struct certlife *l, const struct fetchjob_result *result)
{
	uint64_t wall = clk_now_wall();
	char age[24];

	if (result->code != PST_NONE) {
		certlife_reject(l, result);
	} else if (!certlife_is_us(l, &result->self)) {
		certlife_fail(l, PST_ISSUED_REFUSED, 0, "it is somebody else's");
	} else if (result->not_after_wall <= wall) {
		certlife_fail(l, PST_CLOCK_WRONG, 0, "the new certificate is already over");
	} else if (result->not_before_wall > wall + SCHEDULE_HOLD_MAX_S) {
		certlife_fail(l, PST_CLOCK_WRONG, 0, "the new certificate begins far ahead");
	} else if (result->not_before_wall > wall) {
		log_pst(LOG_LEVEL_WARNING, PST_CLOCK_WRONG,
			"the new certificate begins in %s by the clock of this host; it is used "
			"then, or when the clock is set",
			timetext_span(result->not_before_wall - wall, age));
		schedule_on_held(&l->schedule, result->not_before_wall);
	} else {
		certlife_accept(l, result);
	}
}

/* ---- steps ---- */

static void certlife_on_result(struct certlife *l, const struct fetchjob_result *result)
{
	switch (l->schedule.running) {
	case SCHEDULE_CHECK:
		certlife_on_checked(l, result);
		return;
	case SCHEDULE_PROVE:
		certlife_on_proven(l, result);
		return;
	case SCHEDULE_IDENTIFY:
	case SCHEDULE_REGISTER:
	case SCHEDULE_REFRESH:
		if (result->code != PST_NONE)
			certlife_fail(l, result->code, result->retry_after_s, result->detail);
		else if (l->schedule.running == SCHEDULE_IDENTIFY)
			certlife_on_identified(l, result);
		else
			certlife_on_fetched(l, result);
		return;
	case SCHEDULE_NONE:
	case SCHEDULE_STEP_N:
		break;
	}
}

bool certlife_finish(struct certlife *l)
{
	struct fetchjob_result result;

	if (fetchworker_finish(&l->worker, clk_now_ns(), &result) != 0)
		return false;
	certlife_on_result(l, &result);
	return true;
}

static enum fetchjob_kind certlife_kind(enum schedule_step step)
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

static int certlife_fill_job(const struct certlife *l, enum schedule_step step,
			     struct fetchjob_start *ret)
{
	*ret = (struct fetchjob_start){ .kind = certlife_kind(step), .conf = *l->conf };
	ret->conf.timeout_ms = schedule_timeout_ms(&l->schedule, l->conf->timeout_ms,
						   clk_now_wall());
	if (step != SCHEDULE_IDENTIFY)
		ret->self = l->memo.state.self;
	if (step == SCHEDULE_IDENTIFY || step == SCHEDULE_REGISTER)
		return 0;
	return siastore_path(&l->store, l->conf->sia_dir, step == SCHEDULE_PROVE, ret->pair_dir,
			     sizeof(ret->pair_dir));
}

/* Says which directory or file is in the way. */
static int certlife_open_store(struct certlife *l)
{
	int r = siastore_open(&l->store, l->conf->sia_dir);

	if (r == -EPERM)
		log_error(
			"%s: it and keys, certs and .pairs in it must belong to this user or root "
			"and be writable for their owner only",
			l->conf->sia_dir);
	else if (r == -EEXIST)
		log_error("%s/current is not a link of certd; move it away", l->conf->sia_dir);
	else if (r == -EBUSY)
		log_error("%s: another certd works there", l->conf->sia_dir);
	else if (r < 0)
		log_error("%s: %s", l->conf->sia_dir, strerror(-r));
	return r;
}

/* The directory may have been taken away, or another one put in its place. What is in it is another
 * pair, or none: the plan is another one then. Errors: 0; 1 when it was opened anew; -errno. */
static int certlife_mind_store(struct certlife *l)
{
	int r;

	if (siastore_is_same(&l->store, l->conf->sia_dir))
		return 0;
	log_warning("%s: it is gone, or another directory than before; opening it anew",
		    l->conf->sia_dir);
	siastore_close(&l->store);
	l->store = (struct siastore)SIASTORE_INIT;
	r = certlife_open_store(l);
	schedule_on_store(&l->schedule, l->store.current);
	return r < 0 ? r : 1;
}

/* Before the issuer is asked: there must be room for what it gives, and a process that dies now
 * must not ask at once again. */
static int certlife_before_asking(struct certlife *l, const struct schedule_now *now)
{
	int r = siastore_try(&l->store);

	if (r < 0)
		return r;
	l->memo.state.asked_wall = now->wall;
	certlife_save(l);
	return 0;
}

static int certlife_spawn(struct certlife *l, enum schedule_step step,
			  const struct schedule_now *now)
{
	struct fetchjob_start job;
	int r = certlife_fill_job(l, step, &job);

	return r < 0 ? r : fetchworker_start(&l->worker, &job, now->ns);
}

/* Gives whether it could not begin. */
static bool certlife_start(struct certlife *l, enum schedule_step step)
{
	bool asks = step == SCHEDULE_REGISTER || step == SCHEDULE_REFRESH;
	struct schedule_now now = certlife_now();
	int r = step == SCHEDULE_IDENTIFY ? 0 : certlife_mind_store(l);

	if (r > 0 || schedule_on_start(&l->schedule, step, &now) < 0)
		return false;
	if (r == 0 && asks)
		r = certlife_before_asking(l, &now);
	if (r < 0) {
		certlife_fail_store(l, r);
		return true;
	}
	r = certlife_spawn(l, step, &now);
	if (r == 0)
		return false;
	certlife_fail_spawn(l, r);
	return true;
}

bool certlife_advance(struct certlife *l)
{
	struct schedule_now now = certlife_now();
	struct schedule_plan plan = schedule_next(&l->schedule, &now);
	struct certview view = certlife_view(l);
	char left[CERTVIEW_TEXT];

	if (schedule_take_late(&l->schedule, &now))
		log_pst(LOG_LEVEL_ERROR, PST_RENEWAL_LATE, "%s: %s; %u failures in a row",
			pst_text(PST_RENEWAL_LATE), certview_left(&view, left),
			l->schedule.failures);
	if (plan.step == SCHEDULE_NONE || plan.at_ns > now.ns)
		return false;
	return certlife_start(l, plan.step);
}

void certlife_on_clock(struct certlife *l)
{
	struct schedule_now now = certlife_now();

	log_info("the clock was set; looking at all times again");
	schedule_on_clock(&l->schedule, &now);
}

void certlife_urge(struct certlife *l)
{
	schedule_urge(&l->schedule);
}

/* ---- when ---- */

static uint64_t certlife_earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

uint64_t certlife_wake_ns(const struct certlife *l)
{
	struct schedule_now now = certlife_now();
	const struct schedule_pair *p = &l->schedule.pair;
	uint64_t at_ns = certlife_earlier(schedule_next(&l->schedule, &now).at_ns,
					  schedule_late_at(&l->schedule, &now));

	if (l->worker.pid)
		at_ns = certlife_earlier(at_ns, l->worker.deadline_ns);
	if (l->schedule.stored != SCHEDULE_GOOD)
		return at_ns;
	if (p->not_before > now.wall)
		return certlife_earlier(at_ns, schedule_at_ns(&now, p->not_before));
	if (p->not_after > now.wall)
		return certlife_earlier(at_ns, schedule_at_ns(&now, p->not_after));
	return at_ns;
}

/* ---- start and end ---- */

void certlife_init(struct certlife *l, const struct certconf *conf, const char *state_dir)
{
	*l = (struct certlife){
		.conf = conf,
		.state_dir = state_dir,
		.store = SIASTORE_INIT,
		.started_ns = clk_now_ns(),
	};
	fetchworker_init(&l->worker);
}

int certlife_open(struct certlife *l)
{
	int r = certlife_open_store(l);

	if (r == 0)
		r = certmemo_open(&l->memo, l->state_dir, l->conf);
	if (r == 0)
		certlife_remember(l);
	return r;
}

void certlife_close(struct certlife *l)
{
	fetchworker_stop(&l->worker);
	siastore_discard(&l->store);
	siastore_close(&l->store);
}
