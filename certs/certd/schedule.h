/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What certd does next, and when: one attempt at a time through IDENTIFY, CHECK, REGISTER or
 * REFRESH, PROVE. Pure: times come in, decisions come out. All spread of times is computed from the
 * seed, so that a fleet that boots at once does not act at once and a restart does not roll again.
 * Source: docs/man/certd.8, "Times" and "Failures".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"

#define SCHEDULE_SLOW_S 900             /* at least, after a refusal that only people can mend */
#define SCHEDULE_RETRY_AFTER_MAX_S 3600 /* an issuer's Retry-After counts up to this */
#define SCHEDULE_HOLD_MAX_S 900         /* a new certificate's notBefore is waited for so long */
#define SCHEDULE_LATE_AGAIN_S 3600      /* the alarm about a late renewal is repeated */
#define SCHEDULE_PROOFS_MAX 4           /* a new pair is proven so often before it is given up */
#define SCHEDULE_TIMEOUT_MIN_MS 2000    /* of one attempt, however short the certificate's life */
#define SCHEDULE_NEVER UINT64_MAX

enum schedule_step {
	SCHEDULE_NONE,
	SCHEDULE_IDENTIFY, /* who is this host */
	SCHEDULE_CHECK,    /* is the stored pair whole, ours and valid */
	SCHEDULE_REGISTER,
	SCHEDULE_REFRESH,
	SCHEDULE_PROVE, /* is the fetched pair whole, ours and valid */
	SCHEDULE_STEP_N,
};

/* What is known about the stored pair. */
enum schedule_stored {
	SCHEDULE_UNCHECKED, /* there is one */
	SCHEDULE_ABSENT,    /* there is none */
	SCHEDULE_BAD,       /* it was checked and is of no use now */
	SCHEDULE_GOOD,
};

struct schedule_now {
	uint64_t ns;   /* boot time */
	uint64_t wall; /* seconds since 1970 */
};

/* From the configuration, seconds. */
struct schedule_limits {
	uint32_t retry_min_s, retry_max_s, renew_max_s;
};

/* A pair that is in use. Seconds since 1970. */
struct schedule_pair {
	uint64_t not_before, not_after;
	uint64_t since; /* when it came; an issuer may set notBefore back */
	uint64_t renew; /* computed */
};

struct schedule {
	struct schedule_limits limits;
	uint64_t seed;
	enum schedule_step running; /* SCHEDULE_NONE: nothing */
	enum schedule_stored stored;
	struct schedule_pair pair; /* meaningful with SCHEDULE_GOOD */
	bool identified;           /* in this boot */
	bool asks_again;           /* identify before the next request */
	bool rechecks;             /* look at a bad pair again before the next request */
	bool fetched;              /* a new pair waits to be proven, until @held_wall at most */
	bool must_register;        /* the issuer refreshes the pair no more */
	bool suspect;              /* a refresh found fault with the stored pair */
	bool seemed_over;          /* the good pair, when a step failed */
	bool urged;                /* somebody asked for an attempt now */
	bool clock_set;            /* while the step ran */
	unsigned int failures;     /* in a row */
	unsigned int proofs;       /* of the fetched pair that failed, not because of it */
	uint64_t spread;           /* of the pair: a number made of its serial */
	uint64_t renew_ns;         /* pair.renew by the clock that nobody sets */
	uint64_t held_wall;        /* notBefore of the fetched pair; 0 = prove it at once */
	uint64_t retry_ns;         /* nothing is done before it */
	uint64_t floor_ns;         /* the issuer is not asked before it, come what may */
	uint64_t hold_ns;          /* ... nor before this, but when somebody urges */
	uint64_t healed_wall;      /* when a revocation was answered; 0 = none since a refresh */
	uint64_t late_ns;          /* next alarm about a late renewal */
	enum pst last_code;
};

struct schedule_plan {
	enum schedule_step step; /* SCHEDULE_NONE: nothing to wait for */
	uint64_t at_ns;          /* boot time; in the past = now */
};

/* What a failure leads to. */
struct schedule_verdict {
	uint64_t wait_s; /* until the next step; 0 = as soon as the floor allows */
	bool alarm;      /* people have to act */
	bool heals;      /* the next step registers afresh, once */
	bool holds;      /* the issuer is not asked before, also by another process */
};

/* "identify", "refresh"... Static. */
const char *schedule_step_name(enum schedule_step step);

/* A number made of texts, for schedule_seed(). */
uint64_t schedule_hash(uint64_t h, const char *text);

/* The boot time at which the other clock shows @wall, @now->ns for what has passed. */
uint64_t schedule_at_ns(const struct schedule_now *now, uint64_t wall);

/* Starts: nobody identified, @has_pair tells whether there is a pair to check. Keeps no pointer. */
void schedule_init(struct schedule *s, const struct schedule_limits *limits, bool has_pair,
		   uint64_t seed);

/* Honours what an earlier process did: no request before the floor of its last one at
 * @last_wall, nor before @hold_wall, nor a second healing soon after @healed_wall. 0 = none.
 * Times in the future (the clock was set) count as now. */
void schedule_resume(struct schedule *s, uint64_t last_wall, uint64_t hold_wall,
		     uint64_t healed_wall, const struct schedule_now *now);

/* The next step and its time; SCHEDULE_NONE while a step runs. */
struct schedule_plan schedule_next(const struct schedule *s, const struct schedule_now *now);

/* @step begins. Errors: 0; -EBUSY when one runs. */
int schedule_on_start(struct schedule *s, enum schedule_step step,
		      const struct schedule_now *now) _warn_unused_;

/* The running step failed. Gives what follows; s->fetched tells whether the new pair is kept. */
struct schedule_verdict schedule_on_failed(struct schedule *s, enum pst code,
					   uint32_t retry_after_s, const struct schedule_now *now);

/* IDENTIFY succeeded, or the state of this boot says it; @seed is the host's from now on. A pair of
 * another @seed is checked again. */
void schedule_on_identified(struct schedule *s, uint64_t seed);

/* REGISTER or REFRESH gave a pair: it is proven next. */
void schedule_on_fetched(struct schedule *s);

/* PROVE found nothing wrong but a notBefore ahead: proven again then. The old pair stays. */
void schedule_on_held(struct schedule *s, uint64_t not_before);

/* The stored pair was found good, or the fetched one proven and put in its place (@is_new; then a
 * refresh that succeeded also ends the memory of a revocation). @serial spreads the renewal. */
void schedule_on_pair(struct schedule *s, const struct schedule_pair *pair, const char *serial,
		      bool is_new, const struct schedule_now *now);

/* CHECK: the stored pair is of no use as the clock stood; looked at again if it was set since. */
void schedule_on_bad_pair(struct schedule *s, enum pst code);

/* The stored pair was taken away, because it is another instance's. */
void schedule_on_withdrawn(struct schedule *s);

/* Another store is open now, with a pair in it or not; a pair that was fetched is lost. */
void schedule_on_store(struct schedule *s, bool has_pair);

/* The clock was set: what failed because of it is tried at once, also what fails because of it in
 * the step that runs. */
void schedule_on_clock(struct schedule *s, const struct schedule_now *now);

/* Somebody wants an attempt now, due or not; only the floor stays. One that runs counts. A valid
 * pair that the issuer refused as revoked is tried again, for people may have forgiven it; to a
 * refusal the answer is then a registration, once. */
void schedule_urge(struct schedule *s);

/* Whether a pair of this instance is there and valid at @wall. */
bool schedule_is_ready(const struct schedule *s, uint64_t wall);

/* When to alarm next about a renewal that is late, SCHEDULE_NEVER = not in sight. */
uint64_t schedule_late_at(const struct schedule *s, const struct schedule_now *now);
/* Whether that time has come; moves it on. */
bool schedule_take_late(struct schedule *s, const struct schedule_now *now);

/* The time one attempt may take: @conf_ms, less when the certificate ends soon. */
uint32_t schedule_timeout_ms(const struct schedule *s, uint32_t conf_ms, uint64_t wall);
