/* SPDX-License-Identifier: MIT */
#include "certs/certd/certview.h"

#include <stdio.h>
#include <string.h>

#include "common/clk.h"
#include "common/timetext.h"

/* The first condition that a host which is not ready lacks, in words. */
static const char *certview_missing(const struct schedule *s, uint64_t wall)
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
	return "the certificate has ended";
}

static void certview_fill_reason(const struct certview *v, struct certstat *ret)
{
	enum pst code = v->schedule->last_code;
	const char *detail = v->state->last_code == code ? v->state->last_detail : "";

	ret->reason_code = code;
	if (code)
		snprintf(ret->reason, sizeof(ret->reason), "%s; PST-%04u %s%s%s",
			 certview_missing(v->schedule, ret->now_wall), (unsigned int)code,
			 pst_text(code), *detail ? ": " : "", detail);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s",
			 certview_missing(v->schedule, ret->now_wall));
}

static uint64_t certview_to_wall(const struct schedule_now *now, uint64_t at_ns)
{
	if (at_ns == SCHEDULE_NEVER)
		return 0;
	if (at_ns <= now->ns)
		return now->wall;
	return now->wall + (at_ns - now->ns + CLK_NS_PER_S - 1) / CLK_NS_PER_S;
}

void certview_fill(const struct certview *v, struct certstat *ret)
{
	const struct schedule *s = v->schedule;
	struct schedule_plan plan = schedule_next(s, &v->now);

	*ret = (struct certstat){
		.now_wall = v->now.wall,
		.ready = schedule_is_ready(s, v->now.wall),
		.self = v->state->self,
		.running = s->running,
		.last_step = v->state->last_step,
		.last_wall = v->state->last_wall,
		.last_code = v->state->last_code,
		.next_step = plan.step,
		.next_wall = certview_to_wall(&v->now, plan.at_ns),
		.done_wall = v->state->done_wall,
		.failures = s->failures,
	};
	memcpy(ret->last_detail, v->state->last_detail, sizeof(ret->last_detail));
	if (s->stored == SCHEDULE_GOOD) {
		memcpy(ret->serial, v->state->serial, sizeof(ret->serial));
		ret->not_before = s->pair.not_before;
		ret->not_after = s->pair.not_after;
		ret->renew = s->pair.renew;
	}
	if (!ret->ready)
		certview_fill_reason(v, ret);
}

const char *certview_left(const struct certview *v, char ret[static CERTVIEW_TEXT])
{
	char age[24];

	if (schedule_is_ready(v->schedule, v->now.wall))
		snprintf(ret, CERTVIEW_TEXT, "the present certificate is valid for another %s",
			 timetext_span(v->schedule->pair.not_after - v->now.wall, age));
	else
		snprintf(ret, CERTVIEW_TEXT, "no valid certificate is in use");
	return ret;
}

const char *certview_next(const struct certview *v, struct schedule_verdict verdict,
			  char ret[static CERTVIEW_TEXT])
{
	struct schedule_plan plan = schedule_next(v->schedule, &v->now);
	uint64_t wait_s = certview_to_wall(&v->now, plan.at_ns) - v->now.wall;
	char age[24];

	snprintf(ret, CERTVIEW_TEXT, "%s%s%s in %s", verdict.alarm ? "somebody must act; " : "",
		 verdict.heals ? "once afresh with a new key: " : "", schedule_step_name(plan.step),
		 timetext_span(wait_s, age));
	return ret;
}
