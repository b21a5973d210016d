/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/proto/status.h"

static struct status test_status_in, test_status_out;
static struct chan_msg test_status_msg;

/* The largest status there is. */
static void test_status_setup(void)
{
	struct status *s = &test_status_in;

	memset(s, 0, sizeof(*s));
	memset(s->zone, 'z', sizeof(s->zone) - 1);
	memset(s->interface, 'i', sizeof(s->interface) - 1);
	s->now_wall = UINT64_MAX;
	s->uptime_s = 1;
	s->n_repairs = 2;
	s->n_overruns = 3;
	s->n_malformed = 4;
	for (s->n_servers = 0; s->n_servers < STATUS_SERVERS_MAX; s->n_servers++) {
		struct status_server *v = &s->servers[s->n_servers];

		memset(v->name, 'n', sizeof(v->name) - 1);
		memset(v->detail, 'd', sizeof(v->detail) - 1);
		memset(v->group, 'g', sizeof(v->group) - 1);
		v->state = SESSION_UP;
		v->missing = PST_NO_HANDSHAKE;
		v->last_code = PST_TCP_CONNECT;
		v->leased = true;
		v->endpoint.port = 65535;
		v->epoch = v->handshake_wall = v->rx_bytes = v->tx_bytes = UINT64_MAX;
		v->renew_in_s = v->expires_in_s = v->next_try_s = v->n_exchanges = v->n_failed = 7;
	}
}

static int test_status_through(void)
{
	int r = status_encode(&test_status_in, &test_status_msg);

	return r < 0 ? r : status_decode(&test_status_msg, &test_status_out);
}

static void test_status_round_trip_of_the_largest(void)
{
	static struct chan_msg again;

	CU_ASSERT_EQUAL(test_status_through(), 0);
	/* By its bytes on the wire: the structures have padding. */
	CU_ASSERT_EQUAL(status_encode(&test_status_out, &again), 0);
	CU_ASSERT_EQUAL(again.len, test_status_msg.len);
	CU_ASSERT_EQUAL(memcmp(again.body, test_status_msg.body, again.len), 0);
	CU_ASSERT_EQUAL(test_status_out.n_servers, STATUS_SERVERS_MAX);
	test_status_in.n_servers = STATUS_SERVERS_MAX + 1;
	CU_ASSERT_EQUAL(test_status_through(), -EMSGSIZE);
}

static void test_status_bad(void)
{
	test_status_in.servers[15].state = SESSION_STATE_N;
	CU_ASSERT_EQUAL(test_status_through(), -EBADMSG);
	test_status_setup();
	test_status_in.servers[0].detail[0] = '\x1b';
	CU_ASSERT_EQUAL(test_status_through(), -EBADMSG);
	test_status_setup();
	test_status_in.servers[0].detail[0] = '\xc3';
	CU_ASSERT_EQUAL(test_status_through(), -EBADMSG);
	status_encode_ask(&test_status_msg);
	CU_ASSERT_EQUAL(status_decode(&test_status_msg, &test_status_out), -EBADMSG);
}

static void test_status_truncated(void)
{
	CU_ASSERT_EQUAL(status_encode(&test_status_in, &test_status_msg), 0);
	for (test_status_msg.len--; test_status_msg.len; test_status_msg.len--)
		CU_ASSERT_EQUAL(status_decode(&test_status_msg, &test_status_out), -EBADMSG);
}

static void test_status_judgement(void)
{
	struct status s = { 0 };

	CU_ASSERT_EQUAL(status_health(&s), STATUS_DOWN);
	for (unsigned int state = 0; state < SESSION_STATE_N; state++) {
		s.n_servers = 1;
		s.servers[0].state = (enum session_state)state;
		CU_ASSERT_EQUAL(status_health(&s), state == SESSION_UP ? STATUS_OK : STATUS_DOWN);
		s.n_servers = 3;
		s.servers[1].state = s.servers[2].state = SESSION_UP;
		CU_ASSERT_EQUAL(status_health(&s),
				state == SESSION_UP ? STATUS_OK : STATUS_DEGRADED);
	}
	CU_ASSERT_STRING_EQUAL(status_health_name(STATUS_OK), "OK");
	CU_ASSERT_STRING_EQUAL(status_health_name(STATUS_DEGRADED), "DEGRADED");
	CU_ASSERT_STRING_EQUAL(status_health_name(STATUS_DOWN), "DOWN");
}

static const struct tap_test test_status_tests[] = {
	{ "round trip of the largest", test_status_round_trip_of_the_largest },
	{ "bad", test_status_bad },
	{ "truncated", test_status_truncated },
	{ "judgement", test_status_judgement },
	{ 0 },
};

static const struct tap_suite test_status_suites[] = {
	{ "status", test_status_tests, test_status_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_status_suites);
}
