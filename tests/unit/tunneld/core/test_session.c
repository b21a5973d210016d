/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/core/session.h"

#define TEST_SESSION_S UINT64_C(1000000000)
#define TEST_SESSION_T0 (1000 * TEST_SESSION_S) /* boot time */
#define TEST_SESSION_WALL UINT64_C(1760000000)
#define TEST_SESSION_DAY 86400

static const struct offer test_session_offer = {
	.zone = "prod",
	.gateway_name = "cfg1",
	.gateway_key = { .bytes = { 9 } },
	.epoch = 1760000000,
	.renew_after_s = 3600,
	.expires_after_s = TEST_SESSION_DAY,
};

/* What happens to a session, as in the table of session.h. Each comes 1 s after T0. */
enum test_session_event {
	TEST_SESSION_START,
	TEST_SESSION_GRANTED,
	TEST_SESSION_FAILED,
	TEST_SESSION_SEEN,
	TEST_SESSION_OLD,
	TEST_SESSION_OVER,
	TEST_SESSION_LOST,
	TEST_SESSION_EVENT_N,
};

static const enum session_state test_session_table[TEST_SESSION_EVENT_N][SESSION_STATE_N] = {
	/* WAIT, EXCHANGE, HANDSHAKE, UP, STALE, EXPIRED */
	[TEST_SESSION_START] = { SESSION_EXCHANGE, SESSION_EXCHANGE, SESSION_HANDSHAKE, SESSION_UP,
				 SESSION_STALE, SESSION_EXPIRED },
	[TEST_SESSION_GRANTED] = { SESSION_HANDSHAKE, SESSION_HANDSHAKE, SESSION_HANDSHAKE,
				   SESSION_UP, SESSION_HANDSHAKE, SESSION_HANDSHAKE },
	[TEST_SESSION_FAILED] = { SESSION_WAIT, SESSION_WAIT, SESSION_HANDSHAKE, SESSION_UP,
				  SESSION_STALE, SESSION_EXPIRED },
	[TEST_SESSION_SEEN] = { SESSION_WAIT, SESSION_EXCHANGE, SESSION_UP, SESSION_UP, SESSION_UP,
				SESSION_EXPIRED },
	[TEST_SESSION_OLD] = { SESSION_WAIT, SESSION_EXCHANGE, SESSION_HANDSHAKE, SESSION_STALE,
			       SESSION_STALE, SESSION_EXPIRED },
	[TEST_SESSION_OVER] = { SESSION_WAIT, SESSION_EXCHANGE, SESSION_EXPIRED, SESSION_EXPIRED,
				SESSION_EXPIRED, SESSION_EXPIRED },
	[TEST_SESSION_LOST] = { SESSION_WAIT, SESSION_EXCHANGE, SESSION_WAIT, SESSION_WAIT,
				SESSION_WAIT, SESSION_WAIT },
};

static void test_session_grant(struct session *s, uint64_t now_ns)
{
	session_on_start(s);
	session_on_granted(s, &test_session_offer, now_ns, TEST_SESSION_WALL);
}

/* Brings a session into @state at T0 by events only. */
static void test_session_reach(struct session *s, enum session_state state)
{
	uint64_t lease_ns = TEST_SESSION_DAY * TEST_SESSION_S;

	session_init(s, "cfg1", "h1.example", TEST_SESSION_T0);
	if (state == SESSION_WAIT)
		return;
	if (state == SESSION_EXCHANGE) {
		session_on_start(s);
		return;
	}
	test_session_grant(s,
			   state == SESSION_EXPIRED ? TEST_SESSION_T0 - lease_ns : TEST_SESSION_T0);
	if (state == SESSION_UP || state == SESSION_STALE)
		session_on_kernel(s, TEST_SESSION_WALL, 0, 0, TEST_SESSION_T0, TEST_SESSION_WALL);
	if (state == SESSION_STALE)
		session_on_kernel(s, TEST_SESSION_WALL - SESSION_STALE_S, 0, 0,
				  TEST_SESSION_T0 + SESSION_STALE_S * TEST_SESSION_S,
				  TEST_SESSION_WALL + SESSION_STALE_S);
	if (state == SESSION_EXPIRED)
		session_on_kernel(s, 0, 0, 0, TEST_SESSION_T0, TEST_SESSION_WALL);
}

static struct session_change test_session_apply(struct session *s, enum test_session_event event)
{
	uint64_t now_ns = TEST_SESSION_T0 + TEST_SESSION_S, wall = TEST_SESSION_WALL + 1;
	uint64_t later_s = SESSION_STALE_S + 10;

	switch (event) {
	case TEST_SESSION_START:
		return session_on_start(s);
	case TEST_SESSION_GRANTED:
		return session_on_granted(s, &test_session_offer, now_ns, wall);
	case TEST_SESSION_FAILED:
		return session_on_failed(s, PST_TCP_CONNECT, 0, now_ns);
	case TEST_SESSION_SEEN:
		return session_on_kernel(s, wall + later_s, 1, 1, now_ns + later_s * TEST_SESSION_S,
					 wall + later_s);
	case TEST_SESSION_OLD:
		return session_on_kernel(s, s->handshake_wall, 1, 1,
					 now_ns + later_s * TEST_SESSION_S, wall + later_s);
	case TEST_SESSION_OVER:
		return session_on_kernel(s, wall, 1, 1,
					 s->lease.held ? s->lease.expires_ns : now_ns, wall);
	case TEST_SESSION_LOST:
		return session_on_lost(s, now_ns);
	case TEST_SESSION_EVENT_N:
		break;
	}
	return (struct session_change){ 0 };
}

static void test_session_every_state_and_event(void)
{
	for (unsigned int event = 0; event < TEST_SESSION_EVENT_N; event++) {
		for (unsigned int from = 0; from < SESSION_STATE_N; from++) {
			enum session_state to = test_session_table[event][from];
			struct session_change change;
			struct session s;

			test_session_reach(&s, (enum session_state)from);
			CU_ASSERT_EQUAL(s.state, from);
			change = test_session_apply(&s, (enum test_session_event)event);
			if (s.state != to)
				tap_fail(__FILE__, __LINE__, "event %u in %s gives %s, not %s",
					 event, session_state_name((enum session_state)from),
					 session_state_name(s.state), session_state_name(to));
			CU_ASSERT_EQUAL(change.moved, from != to);
			CU_ASSERT_EQUAL(change.from, from);
			CU_ASSERT_EQUAL(change.to, to);
		}
	}
}

static void test_session_first_exchange_at_once(void)
{
	struct session s;

	session_init(&s, "cfg1", "h1.example", TEST_SESSION_T0);
	CU_ASSERT_EQUAL(s.state, SESSION_WAIT);
	CU_ASSERT_EQUAL(session_missing(&s), PST_NONE);
	CU_ASSERT_TRUE(session_wants_exchange(&s, TEST_SESSION_T0));
	CU_ASSERT_FALSE(session_wants_exchange(&s, TEST_SESSION_T0 - 1));
	CU_ASSERT_EQUAL(session_deadline(&s), TEST_SESSION_T0);
	session_on_start(&s);
	CU_ASSERT_FALSE(session_wants_exchange(&s, UINT64_MAX));
	CU_ASSERT_EQUAL(session_deadline(&s), UINT64_MAX);
	CU_ASSERT_EQUAL(s.n_exchanges, 1);
}

static void test_session_names_are_cut(void)
{
	char name[2 * OFFER_NAME_MAX];
	struct session s;

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	session_init(&s, name, name, 0);
	CU_ASSERT_EQUAL(strlen(s.name), OFFER_NAME_MAX - 1);
	CU_ASSERT_EQUAL(strlen(s.host), OFFER_NAME_MAX - 1);
}

static void test_session_state_names(void)
{
	for (unsigned int i = 0; i < SESSION_STATE_N; i++)
		for (unsigned int j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(session_state_name((enum session_state)i),
						   session_state_name((enum session_state)j));
	CU_ASSERT_STRING_EQUAL(session_state_name(SESSION_STATE_N), "?");
}

static void test_session_first_missing_condition(void)
{
	static const enum pst codes[SESSION_STATE_N] = {
		[SESSION_HANDSHAKE] = PST_NO_HANDSHAKE,
		[SESSION_STALE] = PST_HANDSHAKE_STALE,
		[SESSION_EXPIRED] = PST_LEASE_EXPIRED,
	};
	struct session s;

	for (unsigned int i = 0; i < SESSION_STATE_N; i++) {
		test_session_reach(&s, (enum session_state)i);
		CU_ASSERT_EQUAL(session_missing(&s), codes[i]);
	}
	test_session_reach(&s, SESSION_EXCHANGE);
	session_on_failed(&s, PST_CERT_EXPIRED, 0, TEST_SESSION_T0);
	CU_ASSERT_EQUAL(session_missing(&s), PST_CERT_EXPIRED);
}

static void test_session_lease_deadlines(void)
{
	struct session s;
	uint64_t renew_s;

	test_session_reach(&s, SESSION_HANDSHAKE);
	renew_s = (s.lease.renew_ns - TEST_SESSION_T0) / TEST_SESSION_S;
	CU_ASSERT_TRUE(renew_s >= 3240 && renew_s <= 3600);
	CU_ASSERT_EQUAL(s.lease.expires_ns, TEST_SESSION_T0 + TEST_SESSION_DAY * TEST_SESSION_S);
	CU_ASSERT_EQUAL(s.lease.granted_wall, TEST_SESSION_WALL);
	CU_ASSERT_EQUAL(session_deadline(&s), s.lease.renew_ns);
	CU_ASSERT_FALSE(session_wants_exchange(&s, s.lease.renew_ns - 1));
	CU_ASSERT_TRUE(session_wants_exchange(&s, s.lease.renew_ns));
	session_on_start(&s);
	CU_ASSERT_EQUAL(session_deadline(&s), s.lease.expires_ns);
	/* One nanosecond before its end a lease is good. */
	session_on_kernel(&s, 0, 0, 0, s.lease.expires_ns - 1, TEST_SESSION_WALL);
	CU_ASSERT_EQUAL(s.state, SESSION_HANDSHAKE);
	session_on_kernel(&s, 0, 0, 0, s.lease.expires_ns, TEST_SESSION_WALL);
	CU_ASSERT_EQUAL(s.state, SESSION_EXPIRED);
}

static void test_session_renewal_jitter_is_fixed(void)
{
	uint64_t first = 0;
	unsigned int n_other = 0;

	for (unsigned int i = 0; i < 20; i++) {
		struct session s, again;
		char host[16];

		snprintf(host, sizeof(host), "h%u", i);
		session_init(&s, "cfg1", host, TEST_SESSION_T0);
		test_session_grant(&s, TEST_SESSION_T0);
		session_init(&again, "cfg1", host, 0);
		test_session_grant(&again, TEST_SESSION_T0);
		test_session_grant(&again, TEST_SESSION_T0);
		CU_ASSERT_EQUAL(s.lease.renew_ns, again.lease.renew_ns);
		first = i ? first : s.lease.renew_ns;
		n_other += s.lease.renew_ns != first;
	}
	CU_ASSERT_EQUAL(n_other, 19);
}

static void test_session_backoff(void)
{
	uint64_t cap_s = 1;
	struct session s, twin;

	session_init(&s, "cfg1", "h1.example", TEST_SESSION_T0);
	session_init(&twin, "cfg1", "h1.example", 0);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t now_ns = TEST_SESSION_T0 + i * TEST_SESSION_S, wait_ns;

		session_on_start(&s);
		session_on_failed(&s, PST_EXCHANGE_TIMEOUT, 0, now_ns);
		session_on_failed(&twin, PST_EXCHANGE_TIMEOUT, 0, now_ns);
		wait_ns = s.exchange_at_ns - now_ns;
		CU_ASSERT_TRUE(wait_ns >= cap_s * TEST_SESSION_S / 2 &&
			       wait_ns <= cap_s * TEST_SESSION_S);
		CU_ASSERT_EQUAL(twin.exchange_at_ns, s.exchange_at_ns);
		cap_s = cap_s >= 30 ? 60 : 2 * cap_s;
	}
	CU_ASSERT_EQUAL(s.n_failed, 100);
	CU_ASSERT_EQUAL(s.last_code, PST_EXCHANGE_TIMEOUT);
	session_on_start(&s);
	session_on_granted(&s, &test_session_offer, TEST_SESSION_T0, TEST_SESSION_WALL);
	CU_ASSERT_EQUAL(s.n_failed, 0);
	CU_ASSERT_EQUAL(s.last_code, PST_NONE);
}

static void test_session_server_wish(void)
{
	static const struct {
		uint32_t asked_s;
		uint64_t wait_s;
	} rows[] = {
		{ 1, 1 },
		{ 59, 59 },
		{ 61, 61 },
		{ SESSION_RETRY_MAX_S - 1, SESSION_RETRY_MAX_S - 1 },
		{ SESSION_RETRY_MAX_S, SESSION_RETRY_MAX_S },
		{ SESSION_RETRY_MAX_S + 1, SESSION_RETRY_MAX_S },
		{ UINT32_MAX, SESSION_RETRY_MAX_S },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct session s;

		test_session_reach(&s, SESSION_EXCHANGE);
		session_on_failed(&s, PST_RETRY_LATER, rows[i].asked_s, TEST_SESSION_T0);
		CU_ASSERT_EQUAL(s.exchange_at_ns,
				TEST_SESSION_T0 + rows[i].wait_s * TEST_SESSION_S);
	}
}

static void test_session_gateway_with_new_key(void)
{
	struct offer other = test_session_offer;
	struct session s;

	other.gateway_key.bytes[0]++;
	test_session_reach(&s, SESSION_UP);
	session_on_start(&s);
	session_on_granted(&s, &other, TEST_SESSION_T0, TEST_SESSION_WALL);
	CU_ASSERT_EQUAL(s.state, SESSION_HANDSHAKE);
}

/* A peer that vanished while its lease is renewed. */
static void test_session_lost_while_renewing(void)
{
	struct session s;

	test_session_reach(&s, SESSION_UP);
	session_on_start(&s);
	session_on_lost(&s, TEST_SESSION_T0);
	CU_ASSERT_EQUAL(s.state, SESSION_EXCHANGE);
	CU_ASSERT_FALSE(s.lease.held);
	CU_ASSERT_FALSE(session_wants_exchange(&s, UINT64_MAX));
	session_on_failed(&s, PST_TCP_CONNECT, 0, TEST_SESSION_T0);
	CU_ASSERT_EQUAL(s.state, SESSION_WAIT);
}

/* A vanished peer hurries the next exchange, but does not lift a back-off. */
static void test_session_lost_keeps_backoff(void)
{
	struct session s;
	uint64_t at_ns;

	test_session_reach(&s, SESSION_UP);
	session_on_lost(&s, TEST_SESSION_T0 + 1);
	CU_ASSERT_TRUE(session_wants_exchange(&s, TEST_SESSION_T0 + 1));
	test_session_reach(&s, SESSION_UP);
	session_on_start(&s);
	session_on_failed(&s, PST_TCP_CONNECT, 0, TEST_SESSION_T0);
	at_ns = s.exchange_at_ns;
	session_on_lost(&s, TEST_SESSION_T0 + 1);
	CU_ASSERT_EQUAL(s.exchange_at_ns, at_ns);
}

static void test_session_adopts_a_lease(void)
{
	struct session old, s;
	uint64_t renew_ns, expires_ns;

	test_session_reach(&old, SESSION_UP);
	renew_ns = old.lease.renew_ns;
	expires_ns = old.lease.expires_ns;
	session_init(&s, "cfg1", "h1.example", TEST_SESSION_T0 + TEST_SESSION_S);
	session_adopt(&s, &old.lease, TEST_SESSION_T0 + TEST_SESSION_S);
	CU_ASSERT_EQUAL(s.state, SESSION_HANDSHAKE);
	CU_ASSERT_FALSE(session_wants_exchange(&s, renew_ns - 1));
	CU_ASSERT_TRUE(session_wants_exchange(&s, renew_ns));
	/* The tunnel lived on: up with the first look at the kernel. */
	session_on_kernel(&s, TEST_SESSION_WALL - 100, 5, 6, TEST_SESSION_T0 + TEST_SESSION_S,
			  TEST_SESSION_WALL);
	CU_ASSERT_EQUAL(s.state, SESSION_UP);
	CU_ASSERT_EQUAL(s.rx_bytes, 5);
	CU_ASSERT_EQUAL(s.tx_bytes, 6);
	session_init(&s, "cfg1", "h1.example", expires_ns);
	session_adopt(&s, &old.lease, expires_ns);
	CU_ASSERT_EQUAL(s.state, SESSION_EXPIRED);
	CU_ASSERT_TRUE(session_wants_exchange(&s, expires_ns));
}

static void test_session_stale_limit(void)
{
	struct session s;
	uint64_t end_ns = TEST_SESSION_T0 + SESSION_STALE_S * TEST_SESSION_S;

	test_session_reach(&s, SESSION_UP);
	session_on_kernel(&s, TEST_SESSION_WALL, 0, 0, end_ns - 1,
			  TEST_SESSION_WALL + SESSION_STALE_S - 1);
	CU_ASSERT_EQUAL(s.state, SESSION_UP);
	CU_ASSERT_FALSE(session_wants_exchange(&s, end_ns - 1));
	session_on_kernel(&s, TEST_SESSION_WALL, 0, 0, end_ns, TEST_SESSION_WALL + SESSION_STALE_S);
	CU_ASSERT_EQUAL(s.state, SESSION_STALE);
	CU_ASSERT_TRUE(session_wants_exchange(&s, end_ns));
}

/* The wall clock jumps by a year in either direction: nothing follows from it. */
static void test_session_clock_jump(void)
{
	struct session s;
	uint64_t year_s = 365 * TEST_SESSION_DAY, now_ns = TEST_SESSION_T0;

	test_session_reach(&s, SESSION_UP);
	for (int back = 0; back < 2; back++) {
		uint64_t wall = back ? TEST_SESSION_WALL - year_s : TEST_SESSION_WALL + year_s;

		session_on_kernel(&s, TEST_SESSION_WALL, 0, 0, now_ns + TEST_SESSION_S, wall);
		CU_ASSERT_EQUAL(s.state, SESSION_UP);
	}
	/* A dead tunnel is not kept up by a clock that went back either. */
	session_on_kernel(&s, TEST_SESSION_WALL, 0, 0, now_ns + SESSION_STALE_S * TEST_SESSION_S,
			  TEST_SESSION_WALL - year_s);
	CU_ASSERT_EQUAL(s.state, SESSION_STALE);
	/* A handshake dated by the new clock counts. */
	session_on_kernel(&s, TEST_SESSION_WALL - year_s, 0, 0, now_ns + 211 * TEST_SESSION_S,
			  TEST_SESSION_WALL - year_s + 1);
	CU_ASSERT_EQUAL(s.state, SESSION_UP);
}

/* A simulated week, second by second. */
struct test_session_world {
	unsigned int loss; /* exchanges of 100 that fail */
	bool udp_blocked;  /* no handshake ever comes */
	bool clock_jumps;
	uint64_t down_from_s, down_until_s; /* neither exchanges nor handshakes */
};

struct test_session_run {
	struct session s;
	uint64_t now_s, wall, handshake_wall;
	uint64_t worker_ends_s; /* 0 = no worker */
	uint64_t state_s[SESSION_STATE_N];
	unsigned int n_started, n_failed;
	uint64_t longest_wait_s; /* from a failure to the next start */
	uint64_t failed_at_s;
};

static bool test_session_is_down(const struct test_session_world *w,
				 const struct test_session_run *r)
{
	return r->now_s >= w->down_from_s && r->now_s < w->down_until_s;
}

static void test_session_run_worker(const struct test_session_world *w, struct test_session_run *r)
{
	uint64_t now_ns = r->now_s * TEST_SESSION_S;

	if (session_wants_exchange(&r->s, now_ns)) {
		if (r->worker_ends_s)
			tap_fail(__FILE__, __LINE__, "two workers at %llu s",
				 (unsigned long long)r->now_s);
		if (r->failed_at_s && r->now_s - r->failed_at_s > r->longest_wait_s)
			r->longest_wait_s = r->now_s - r->failed_at_s;
		r->failed_at_s = 0;
		session_on_start(&r->s);
		r->n_started++;
		r->worker_ends_s = r->now_s + 1 + tap_random_below(15);
	} else if (r->worker_ends_s && r->now_s >= r->worker_ends_s) {
		r->worker_ends_s = 0;
		if (!test_session_is_down(w, r) && tap_random_below(100) >= w->loss) {
			session_on_granted(&r->s, &test_session_offer, now_ns, r->wall);
		} else {
			session_on_failed(&r->s, PST_EXCHANGE_TIMEOUT, 0, now_ns);
			r->failed_at_s = r->now_s;
			r->n_failed++;
		}
	}
}

static void test_session_simulate(const struct test_session_world *w, uint64_t n_s,
				  struct test_session_run *r)
{
	uint64_t shaken_s = 0;

	*r = (struct test_session_run){ .wall = TEST_SESSION_WALL };
	session_init(&r->s, "cfg1", "h1.example", 0);
	for (r->now_s = 1; r->now_s <= n_s; r->now_s++, r->wall++) {
		if (w->clock_jumps && tap_random_below(20000) == 0)
			r->wall += tap_random_below(2 * 86400) - 86400;
		test_session_run_worker(w, r);
		if (r->s.lease.held && r->s.state != SESSION_EXPIRED && !w->udp_blocked &&
		    !test_session_is_down(w, r) && r->now_s >= shaken_s + 120) {
			shaken_s = r->now_s;
			r->handshake_wall = r->wall;
		}
		if (r->now_s % 5 == 0)
			session_on_kernel(&r->s, r->handshake_wall, 0, 0, r->now_s * TEST_SESSION_S,
					  r->wall);
		r->state_s[r->s.state]++;
	}
}

static void test_session_week_with_losses(void)
{
	static const struct test_session_world world = { .loss = 30, .clock_jumps = true };

	for (unsigned int i = 0; i < 5; i++) {
		struct test_session_run r;

		test_session_simulate(&world, 7 * TEST_SESSION_DAY, &r);
		/* 24 renewals per day, up to a tenth early: at most 27, and what was lost again. */
		CU_ASSERT_TRUE(r.n_started - r.n_failed <= 7 * 27);
		CU_ASSERT_TRUE(r.n_started - r.n_failed >= 7 * 23);
		CU_ASSERT_TRUE(r.n_failed > 0);
		CU_ASSERT_TRUE(r.longest_wait_s <= 61);
		CU_ASSERT_EQUAL(r.state_s[SESSION_STALE], 0);
		CU_ASSERT_EQUAL(r.state_s[SESSION_EXPIRED], 0);
		CU_ASSERT_TRUE(r.state_s[SESSION_UP] >= 7 * TEST_SESSION_DAY - 300);
	}
}

/* Two days without the server: stale, expired, and up again within a back-off. */
static void test_session_week_with_outage(void)
{
	static const struct test_session_world world = {
		.down_from_s = 2 * TEST_SESSION_DAY,
		.down_until_s = 4 * TEST_SESSION_DAY,
	};
	struct test_session_run r;

	test_session_simulate(&world, 7 * TEST_SESSION_DAY, &r);
	CU_ASSERT_TRUE(r.longest_wait_s <= 61);
	CU_ASSERT_TRUE(r.n_failed <= 2 * TEST_SESSION_DAY / 30);
	CU_ASSERT_TRUE(r.state_s[SESSION_EXPIRED] >= TEST_SESSION_DAY);
	CU_ASSERT_TRUE(r.state_s[SESSION_EXPIRED] <= TEST_SESSION_DAY + 3600 + 120);
	CU_ASSERT_TRUE(r.state_s[SESSION_UP] >= 5 * TEST_SESSION_DAY - 600);
	CU_ASSERT_EQUAL(r.s.state, SESSION_UP);
}

/* Exchanges work, WireGuard does not get through: no storm of exchanges. */
static void test_session_week_with_blocked_udp(void)
{
	static const struct test_session_world world = { .udp_blocked = true };
	struct test_session_run r;

	test_session_simulate(&world, 7 * TEST_SESSION_DAY, &r);
	CU_ASSERT_EQUAL(r.state_s[SESSION_UP], 0);
	CU_ASSERT_EQUAL(session_missing(&r.s), PST_NO_HANDSHAKE);
	CU_ASSERT_TRUE(r.n_started <= 7 * (TEST_SESSION_DAY / SESSION_PATIENCE_LAST_S) + 10);
	CU_ASSERT_TRUE(r.n_started >=
		       7 * TEST_SESSION_DAY / (SESSION_PATIENCE_LAST_S * 5 / 4 + 20));
}

static const struct tap_test test_session_tests[] = {
	{ "every state and event", test_session_every_state_and_event },
	{ "first exchange at once", test_session_first_exchange_at_once },
	{ "names are cut", test_session_names_are_cut },
	{ "state names", test_session_state_names },
	{ "first missing condition", test_session_first_missing_condition },
	{ "lease deadlines", test_session_lease_deadlines },
	{ "renewal jitter is fixed", test_session_renewal_jitter_is_fixed },
	{ "back-off", test_session_backoff },
	{ "server's wish", test_session_server_wish },
	{ "gateway with a new key", test_session_gateway_with_new_key },
	{ "lost while renewing", test_session_lost_while_renewing },
	{ "lost keeps the back-off", test_session_lost_keeps_backoff },
	{ "adopts a lease", test_session_adopts_a_lease },
	{ "stale limit", test_session_stale_limit },
	{ "clock jump", test_session_clock_jump },
	{ "week with losses", test_session_week_with_losses },
	{ "week with an outage", test_session_week_with_outage },
	{ "week with blocked UDP", test_session_week_with_blocked_udp },
	{ 0 },
};

static const struct tap_suite test_session_suites[] = {
	{ "session", test_session_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_session_suites);
}
