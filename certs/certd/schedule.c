/* SPDX-License-Identifier: MIT */
#include "certs/certd/schedule.h"

#include <errno.h>

#define SCHEDULE_NS_PER_S UINT64_C(1000000000)
#define SCHEDULE_DOUBLINGS_MAX 16 /* of the back-off; retry_max_s is reached long before */

const char *schedule_step_name(enum schedule_step step)
{
	static const char *const names[] = {
		[SCHEDULE_NONE] = "nothing",    [SCHEDULE_IDENTIFY] = "identify",
		[SCHEDULE_CHECK] = "check",     [SCHEDULE_REGISTER] = "register",
		[SCHEDULE_REFRESH] = "refresh", [SCHEDULE_PROVE] = "prove",
	};

	return step < SCHEDULE_STEP_N ? names[step] : "?";
}

/* FNV-1a; the NUL separates the texts. */
uint64_t schedule_hash(uint64_t h, const char *text)
{
	do
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++);
	return h;
}

/* FNV leaves its low bits poorly mixed. Source: the finaliser of MurmurHash3. */
static uint64_t schedule_mix(uint64_t h)
{
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

/* A number in @low...@high that depends on the host, @purpose and @n only. */
static uint64_t schedule_pick(const struct schedule *s, const char *purpose, uint64_t n,
			      uint64_t low, uint64_t high)
{
	uint64_t h = schedule_mix(schedule_hash(s->seed, purpose) ^ schedule_mix(n + 1));

	return high > low ? low + h % (high - low + 1) : low;
}

static uint64_t schedule_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t schedule_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A time of a certificate may lie so far ahead that no timer has room for it. */
uint64_t schedule_at_ns(const struct schedule_now *now, uint64_t wall)
{
	uint64_t ahead = wall > now->wall ? wall - now->wall : 0;

	if (ahead > (SCHEDULE_NEVER - 1 - now->ns) / SCHEDULE_NS_PER_S)
		return SCHEDULE_NEVER - 1;
	return now->ns + ahead * SCHEDULE_NS_PER_S;
}

static bool schedule_has_valid(const struct schedule *s, uint64_t wall)
{
	return s->stored == SCHEDULE_GOOD && wall >= s->pair.not_before && wall < s->pair.not_after;
}

/* Seconds of life left; 0 without a valid pair. */
static uint64_t schedule_left(const struct schedule *s, uint64_t wall)
{
	return schedule_has_valid(s, wall) ? s->pair.not_after - wall : 0;
}

/* The shortest time between two attempts: retry_min_s, or a twelfth of a life that is so short that
 * retry_min_s would let it end. */
static uint64_t schedule_unit_s(const struct schedule *s, uint64_t wall)
{
	uint64_t life = s->pair.not_after - s->pair.since;

	if (!schedule_has_valid(s, wall))
		return s->limits.retry_min_s;
	return schedule_min(s->limits.retry_min_s, schedule_max(1, life / 12));
}

void schedule_init(struct schedule *s, const struct schedule_limits *limits, bool has_pair,
		   uint64_t seed)
{
	*s = (struct schedule){
		.limits = *limits,
		.seed = seed,
		.stored = has_pair ? SCHEDULE_UNCHECKED : SCHEDULE_ABSENT,
	};
}

/* @wall as boot time, not more than @max_s ahead; what has passed, or was noted under another
 * clock, is now. */
static uint64_t schedule_soon(const struct schedule_now *now, uint64_t wall, uint64_t max_s)
{
	if (wall <= now->wall || wall - now->wall > max_s)
		return now->ns;
	return schedule_at_ns(now, wall);
}

void schedule_resume(struct schedule *s, uint64_t last_wall, uint64_t hold_wall,
		     uint64_t healed_wall, const struct schedule_now *now)
{
	uint64_t slow = schedule_max(s->limits.retry_max_s, SCHEDULE_RETRY_AFTER_MAX_S);

	s->healed_wall = schedule_min(healed_wall, now->wall);
	s->floor_ns = schedule_soon(now, last_wall ? last_wall + s->limits.retry_min_s : 0,
				    s->limits.retry_min_s);
	s->hold_ns = schedule_soon(now, hold_wall, slow + slow / 4 + 1);
}

/* Where the pair alone leads: the step and the wall time for it. */
static enum schedule_step schedule_wanted(const struct schedule *s, uint64_t wall,
					  uint64_t *ret_wall)
{
	*ret_wall = 0;
	if (s->fetched) {
		*ret_wall = s->held_wall;
		return SCHEDULE_PROVE;
	}
	if (!s->identified || s->asks_again)
		return SCHEDULE_IDENTIFY;
	if (s->stored == SCHEDULE_UNCHECKED || s->rechecks)
		return SCHEDULE_CHECK;
	if (s->must_register || s->stored != SCHEDULE_GOOD || wall >= s->pair.not_after)
		return SCHEDULE_REGISTER;
	*ret_wall = s->pair.renew;
	return SCHEDULE_REFRESH;
}

/* The time for a step by the clock that people set; a renewal comes by the other one as well, for a
 * clock that is set back must not carry it past the end that everybody else sees. */
static uint64_t schedule_due_ns(const struct schedule *s, enum schedule_step step, uint64_t wall,
				const struct schedule_now *now)
{
	uint64_t at_ns = schedule_at_ns(now, wall);

	if (step != SCHEDULE_REFRESH)
		return at_ns;
	return s->urged ? now->ns : schedule_max(schedule_min(at_ns, s->renew_ns), now->ns);
}

/* Before this the issuer is not asked. */
static uint64_t schedule_gate(const struct schedule *s)
{
	return s->urged ? s->floor_ns : schedule_max(s->floor_ns, s->hold_ns);
}

struct schedule_plan schedule_next(const struct schedule *s, const struct schedule_now *now)
{
	struct schedule_plan plan = { .at_ns = SCHEDULE_NEVER };
	uint64_t wall;

	if (s->running != SCHEDULE_NONE)
		return plan;
	plan.step = schedule_wanted(s, now->wall, &wall);
	plan.at_ns = schedule_due_ns(s, plan.step, wall, now);
	if (!s->urged)
		plan.at_ns = schedule_max(plan.at_ns, s->retry_ns);
	if (plan.step == SCHEDULE_REGISTER || plan.step == SCHEDULE_REFRESH)
		plan.at_ns = schedule_max(plan.at_ns, schedule_gate(s));
	return plan;
}

int schedule_on_start(struct schedule *s, enum schedule_step step, const struct schedule_now *now)
{
	if (s->running != SCHEDULE_NONE)
		return -EBUSY;
	s->running = step;
	s->clock_set = false;
	if (step == SCHEDULE_CHECK)
		s->rechecks = false;
	if (step != SCHEDULE_REGISTER && step != SCHEDULE_REFRESH)
		return 0;
	s->urged = false;
	s->retry_ns = 0; /* somebody urged: what follows this step must not wait, either */
	s->floor_ns = now->ns + schedule_unit_s(s, now->wall) * SCHEDULE_NS_PER_S;
	return 0;
}

/* Full jitter between the shortest wait and a bound that doubles with every failure; never so long
 * that less than seven more attempts fit into what is left of the certificate's life. */
static uint64_t schedule_backoff(const struct schedule *s, uint64_t wall)
{
	uint64_t low = schedule_unit_s(s, wall), left = schedule_left(s, wall);
	unsigned int n = s->failures < SCHEDULE_DOUBLINGS_MAX ? s->failures :
								SCHEDULE_DOUBLINGS_MAX;
	uint64_t high = schedule_min((uint64_t)s->limits.retry_min_s << n, s->limits.retry_max_s);

	if (left)
		high = schedule_min(high, left / 8);
	return schedule_pick(s, "back-off", s->failures ^ wall << 16, low, high);
}

/* Those who were told the same time must not come back in one moment. */
static uint64_t schedule_told(const struct schedule *s, uint64_t wait, uint32_t told_s,
			      uint64_t wall)
{
	uint64_t left = schedule_left(s, wall), told = told_s;

	if (!told)
		return wait;
	told = schedule_min(told, SCHEDULE_RETRY_AFTER_MAX_S);
	told = schedule_pick(s, "retry after", wall, told, told + told / 4 + 1);
	if (left)
		told = schedule_min(told, left / 2);
	return schedule_max(wait, told);
}

/* Only people can mend these: with the same question the answer stays the same. */
static bool schedule_is_for_people(enum pst code)
{
	return code == PST_ZTS_REFUSED || code == PST_ZTS_BOOT_WINDOW || code == PST_ISSUED_REFUSED;
}

/* These, too, but what is missing may come at any moment and costs the issuer nothing. */
static bool schedule_is_alarming(enum pst code)
{
	return code == PST_NAME_UNKNOWN || code == PST_TOKEN_FILE || code == PST_IDENTITY_FILES ||
	       code == PST_ZTS_IDENTITY;
}

static uint64_t schedule_slow(const struct schedule *s, uint64_t at_least, uint64_t wall)
{
	uint64_t wait = schedule_max(s->limits.retry_max_s, at_least);

	return schedule_pick(s, "slow", wall, wait, wait + wait / 4);
}

/* A slow wait is no reason to let a valid certificate end: a host may not get another one. */
static uint64_t schedule_in_life(const struct schedule *s, uint64_t wait, uint64_t wall)
{
	uint64_t left = schedule_left(s, wall);

	return left ? schedule_min(wait, schedule_max(left / 2, schedule_unit_s(s, wall))) : wait;
}

/* The first revocation after a refresh that worked is healed with a new registration at once.
 * Another one means that somebody else goes on using our name, or that an operator means it. */
static struct schedule_verdict schedule_revoked(struct schedule *s, uint64_t wall)
{
	struct schedule_verdict v = { .heals = s->healed_wall == 0 &&
					       s->running == SCHEDULE_REFRESH };

	s->must_register = true;
	s->healed_wall = schedule_max(wall, 1);
	if (v.heals)
		return v;
	v.alarm = true;
	v.wait_s = schedule_slow(s, 0, wall);
	return v;
}

/* What is wrong with the files, not with the issuer. */
static bool schedule_is_pair(enum pst code)
{
	return code == PST_PAIR_UNUSABLE || code == PST_INSTANCE_CHANGED ||
	       (code >= PST_CN_COUNT && code <= PST_CERT_FIELD);
}

/* Perhaps we are not who we think: an instance profile can be exchanged while the host runs. */
static bool schedule_is_about_us(enum pst code)
{
	return code == PST_ZTS_ATTESTATION || code == PST_INSTANCE_CHANGED ||
	       code == PST_ZTS_REFUSED || code == PST_STS_FAILED;
}

/* What says nothing about the pair that was to be proven: it is proven again, a few times. */
static bool schedule_is_passing(enum pst code)
{
	return code == PST_FETCH_DIED || code == PST_FETCH_FRAME || code == PST_IDENTITY_FILES ||
	       code == PST_STORE_WRITE;
}

static struct schedule_verdict schedule_judge(struct schedule *s, enum pst code,
					      uint32_t retry_after_s, uint64_t wall)
{
	struct schedule_verdict v = { 0 };

	if (code == PST_ZTS_REVOKED)
		return schedule_revoked(s, wall);
	if (s->running != SCHEDULE_IDENTIFY && schedule_is_about_us(code))
		s->asks_again = true;
	if (schedule_is_for_people(code)) {
		v.alarm = true;
		v.wait_s = schedule_in_life(s, schedule_slow(s, SCHEDULE_SLOW_S, wall), wall);
	} else if (s->must_register && s->running == SCHEDULE_REGISTER &&
		   code == PST_ZTS_ATTESTATION) {
		v.alarm = true; /* the one attempt to heal was answered with no */
		v.wait_s = schedule_slow(s, 0, wall);
	} else {
		v.alarm = schedule_is_alarming(code);
		v.wait_s = schedule_backoff(s, wall);
	}
	v.wait_s = schedule_told(s, v.wait_s, retry_after_s, wall);
	return v;
}

/* What the failure of the running step says about other times and other pairs. */
static void schedule_note(struct schedule *s, enum pst code, uint64_t wall)
{
	s->fetched = s->running == SCHEDULE_PROVE && schedule_is_passing(code) &&
		     ++s->proofs < SCHEDULE_PROOFS_MAX;
	/* A trouble of the moment may have made it look bad, and the issuer wants no new one. */
	if (s->running == SCHEDULE_REGISTER)
		s->rechecks = s->stored == SCHEDULE_BAD;
	s->seemed_over = s->stored == SCHEDULE_GOOD && !s->must_register &&
			 (s->running == SCHEDULE_REGISTER || !schedule_has_valid(s, wall));
}

struct schedule_verdict schedule_on_failed(struct schedule *s, enum pst code,
					   uint32_t retry_after_s, const struct schedule_now *now)
{
	struct schedule_verdict v;

	s->failures++;
	s->last_code = code;
	s->urged = false;
	schedule_note(s, code, now->wall);
	v = schedule_judge(s, code, retry_after_s, now->wall);
	/* Behind the wait, which must not outlast a pair that may be good after all. */
	if (s->running == SCHEDULE_REFRESH && schedule_is_pair(code)) {
		s->stored = SCHEDULE_UNCHECKED;
		s->suspect = true;
	}
	s->running = SCHEDULE_NONE;
	s->retry_ns = now->ns + v.wait_s * SCHEDULE_NS_PER_S;
	/* A clock that is set ends other waits, but neither what the issuer has asked for nor what
	 * a revocation leads to. */
	v.holds = retry_after_s || (v.alarm && s->healed_wall);
	if (v.holds)
		s->hold_ns = s->retry_ns;
	if (s->clock_set)
		schedule_on_clock(s, now);
	return v;
}

void schedule_on_identified(struct schedule *s, uint64_t seed)
{
	s->running = SCHEDULE_NONE;
	s->identified = true;
	s->asks_again = false;
	if (s->seed != seed && s->stored == SCHEDULE_GOOD)
		s->stored = SCHEDULE_UNCHECKED; /* somebody else's, or ours under another name */
	s->seed = seed;
}

void schedule_on_fetched(struct schedule *s)
{
	s->running = SCHEDULE_NONE;
	s->fetched = true;
	s->held_wall = 0;
	s->proofs = 0;
}

void schedule_on_held(struct schedule *s, uint64_t not_before)
{
	s->running = SCHEDULE_NONE;
	s->held_wall = not_before;
	s->last_code = PST_CLOCK_WRONG;
}

/* Between 1/2 and 2/3 of the life, or of the longest time between renewals where that is less. */
static uint64_t schedule_renewal(const struct schedule *s)
{
	uint64_t life = s->pair.not_after - s->pair.since;
	uint64_t last = schedule_min(life * 2 / 3, s->limits.renew_max_s);

	return s->pair.since + schedule_pick(s, "renewal", s->spread, last - last / 4, last);
}

/* What was held against us, failed, or was asked for, was about the pair before. */
static void schedule_forgive(struct schedule *s)
{
	if (!s->must_register)
		s->healed_wall = 0; /* a refresh, or a registration that healed nothing */
	s->must_register = false;
	s->urged = false;
	s->hold_ns = 0;
}

/* Waits begun when no valid pair was known, or under another clock, are no reason to let one
 * end. */
static void schedule_hurry(struct schedule *s, const struct schedule_now *now)
{
	uint64_t left = schedule_left(s, now->wall), at_ns;

	if (!left)
		return;
	at_ns = now->ns + schedule_in_life(s, left, now->wall) * SCHEDULE_NS_PER_S;
	s->retry_ns = schedule_min(s->retry_ns, at_ns);
	s->hold_ns = schedule_min(s->hold_ns, at_ns);
}

void schedule_on_pair(struct schedule *s, const struct schedule_pair *pair, const char *serial,
		      bool is_new, const struct schedule_now *now)
{
	if (is_new)
		schedule_forgive(s);
	s->running = SCHEDULE_NONE;
	s->stored = SCHEDULE_GOOD;
	s->pair = *pair;
	if (pair->since < pair->not_before || pair->since >= pair->not_after)
		s->pair.since = pair->not_before;
	s->spread = schedule_hash(0, serial);
	s->pair.renew = schedule_renewal(s);
	s->renew_ns = schedule_at_ns(now, s->pair.renew);
	schedule_hurry(s, now);
	s->fetched = false;
	s->seemed_over = false;
	s->late_ns = 0;
	/* One that is refused again and again for what a check does not see must not be tried ever
	 * faster. */
	if (s->suspect && !is_new)
		return;
	s->suspect = false;
	s->failures = 0;
	s->last_code = PST_NONE;
	s->retry_ns = 0;
}

void schedule_on_bad_pair(struct schedule *s, enum pst code)
{
	s->running = SCHEDULE_NONE;
	s->stored = s->clock_set ? SCHEDULE_UNCHECKED : SCHEDULE_BAD;
	s->last_code = code;
}

void schedule_on_withdrawn(struct schedule *s)
{
	s->running = SCHEDULE_NONE;
	s->stored = SCHEDULE_ABSENT;
	s->must_register = s->rechecks = s->suspect = s->seemed_over = false;
	s->fetched = false;
	s->healed_wall = 0;
	s->hold_ns = 0;
}

void schedule_on_store(struct schedule *s, bool has_pair)
{
	s->stored = has_pair ? SCHEDULE_UNCHECKED : SCHEDULE_ABSENT;
	s->fetched = false;
	s->rechecks = false;
}

/* What a wrong clock leads to: an issuer that does not take our certificate may see that it is
 * over, when we do not. */
static bool schedule_is_clock(enum pst code)
{
	return code == PST_CLOCK_WRONG || code == PST_CERT_REFUSED;
}

void schedule_on_clock(struct schedule *s, const struct schedule_now *now)
{
	bool rejudge = s->stored == SCHEDULE_BAD && s->running == SCHEDULE_NONE && !s->fetched;
	bool was_over = s->seemed_over && schedule_has_valid(s, now->wall);

	s->clock_set = s->running != SCHEDULE_NONE;
	s->held_wall = 0;
	if (rejudge)
		s->stored = SCHEDULE_UNCHECKED;
	if (s->stored == SCHEDULE_GOOD && s->pair.since > now->wall) {
		s->pair.since = s->pair.not_before; /* it came under a clock that was ahead */
		s->pair.renew = schedule_renewal(s);
	}
	schedule_hurry(s, now);
	if (!rejudge && !was_over && !schedule_is_clock(s->last_code))
		return;
	s->seemed_over = false;
	s->failures = 0;
	s->retry_ns = 0;
}

void schedule_urge(struct schedule *s)
{
	if (s->running == SCHEDULE_REGISTER || s->running == SCHEDULE_REFRESH ||
	    s->running == SCHEDULE_PROVE)
		return;
	s->urged = true;
	if (!s->must_register)
		return;
	s->must_register = false;
	s->healed_wall = 0;
	s->hold_ns = 0;
}

bool schedule_is_ready(const struct schedule *s, uint64_t wall)
{
	return s->identified && schedule_has_valid(s, wall);
}

uint64_t schedule_late_at(const struct schedule *s, const struct schedule_now *now)
{
	uint64_t start = s->pair.since, left = schedule_left(s, now->wall);
	uint64_t quarter = (s->pair.not_after - start) / 4;

	if (!left)
		return SCHEDULE_NEVER;
	if (left > quarter)
		return schedule_at_ns(now, s->pair.not_after - quarter);
	return schedule_max(s->late_ns, now->ns);
}

bool schedule_take_late(struct schedule *s, const struct schedule_now *now)
{
	if (schedule_late_at(s, now) > now->ns)
		return false;
	s->late_ns = now->ns + SCHEDULE_LATE_AGAIN_S * SCHEDULE_NS_PER_S;
	return true;
}

uint32_t schedule_timeout_ms(const struct schedule *s, uint32_t conf_ms, uint64_t wall)
{
	uint64_t left = schedule_left(s, wall);
	uint64_t ms = schedule_max(left * 1000 / 4, SCHEDULE_TIMEOUT_MIN_MS);

	return left && ms < conf_ms ? (uint32_t)ms : conf_ms;
}
