/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/nearway.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static const struct {
	const char *name, *prefix;
} test_nets[] = { { "config", "2001:db8:c0::/48" },
		  { "one", "2001:db8:a::/48" },
		  { "old", "10.1.0.0/16" } };

static void test_add_rule(struct policy *p, const struct policy_rule *rule)
{
	CU_ASSERT_EQUAL(policy_add_rule(p, rule), 0);
	snprintf(p->rules[p->n_rules - 1].where, POLICY_WHERE_MAX, "p:%zu", p->n_rules);
}

/* p:1 from one tcp 4443; p:2 to one tcp 443 user app; p:3 to config tcp 4443 marked; p:4 from
 * config via tun tcp 9100; p:5 from old tcp 22; grant ssh from config via tun tcp 22. */
static struct policy *test_policy(void)
{
	const struct policy_grant grant = { .name = "ssh",
					    .ports = { 1, { { POLICY_TCP, 22, 22 } } },
					    .via = POLICY_VIA_TUNNEL,
					    .where = "p:9" };
	struct policy *p = policy_new();
	uint16_t user;

	p->n_uplinks = p->n_tunnels = 1;
	snprintf(p->uplinks[0], IFNAMSIZ, "eth0");
	snprintf(p->tunnels[0], IFNAMSIZ, "postern0");
	for (size_t i = 0; i < ARRAY_SIZE(test_nets); i++) {
		struct ip6_prefix prefix;
		size_t at;

		CU_ASSERT_EQUAL(policy_add_net(p, test_nets[i].name, &at), 0);
		CU_ASSERT_EQUAL(policy_parse_prefix(test_nets[i].prefix, &prefix), 0);
		CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[at].prefixes, &prefix), 0);
	}
	p->config_net = 0;
	CU_ASSERT_EQUAL(policy_add_user(p, "app", 1001, &user), 0);
	test_add_rule(p, &(struct policy_rule){ .dir = POLICY_IN,
						.net = 1,
						.ports = { 1, { { POLICY_TCP, 4443, 4443 } } } });
	test_add_rule(p, &(struct policy_rule){ .dir = POLICY_OUT,
						.net = 1,
						.users = { 1, { 0 } },
						.ports = { 1, { { POLICY_TCP, 443, 443 } } } });
	test_add_rule(p, &(struct policy_rule){ .dir = POLICY_OUT,
						.has_mark = true,
						.mark = 0x504f,
						.ports = { 1, { { POLICY_TCP, 4443, 4443 } } } });
	test_add_rule(p, &(struct policy_rule){ .dir = POLICY_IN,
						.via = POLICY_VIA_TUNNEL,
						.ports = { 1, { { POLICY_TCP, 9100, 9100 } } } });
	test_add_rule(p, &(struct policy_rule){ .dir = POLICY_IN,
						.net = 2,
						.ports = { 1, { { POLICY_TCP, 22, 22 } } } });
	CU_ASSERT_EQUAL(policy_add_grant(p, &grant), 0);
	return p;
}

static void test_parse(const struct policy *p, const char *text, struct terms_packet *ret)
{
	char copy[256], error[POLICY_ERROR_MAX] = "", *words[20], *save = NULL;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w && n < 20; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (prove_packet_parse(p, n, words, ret, error) < 0)
		tap_fail(__FILE__, __LINE__, "%s: %s", text, error);
}

static void test_nearway_rows(void)
{
	static const struct {
		const char *packet, *ways; /* each "change (line); " */
	} rows[] = {
		{ "in tcp [2001:db8:a::5]:4000 [host]:4443", "" },
		{ "in tcp [2001:db8:a::5]:4000 [host]:4444", "port 4443 (p:1); " },
		{ "in udp [2001:db8:a::5]:4000 [host]:4443", "tcp (p:1); " },
		{ "in tun tcp [2001:db8:a::5]:4000 [host]:4443", "via up (p:1); " },
		{ "out tcp [2001:db8:a::5]:443", "user app (p:2); " },
		{ "out tcp [2001:db8:a::5]:443 uid 7", "user app (p:2); " },
		{ "out tcp [2001:db8:a::5]:80 uid 7", "port 443 and user app (p:2); " },
		{ "out tcp [2001:db8:c0::5]:4443", "mark 0x504f (p:3); " },
		{ "out tcp [host]:100 [2001:db8:c0::5]:4443",
		  "mark 0x504f and source port 1124 (p:3); " },
		{ "in tun tcp [2001:db8:c0::5]:9 [host]:22",
		  "port 9100 (p:4); a live grant ssh (p:9); " },
		{ "in tcp 10.2.0.5:9 [host]:22", "from 10.1.0.5 (old) (p:5); " },
		{ "in tcp [2001:db8:a::5]:4000 [host]:4443 invalid",
		  "as a new connection (p:1); " },
		{ "in tcp [2001:db8:a::5]:4000 [host]:4443 own-source",
		  "without what the host knows against it (p:1); " },
		{ "out tcp [2001:db8:c0::5]:4443 packet-socket", "mark 0x504f (p:3); " },
		{ "in icmpv6 echo-request 2001:db8:a::5", "" },
	};
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(terms_release) struct terms t = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct prove_way ways[PROVE_WAYS_MAX];
		struct terms_packet packet = { 0 };
		char text[2048] = "";
		size_t n = 99;

		test_parse(p, rows[i].packet, &packet);
		CU_ASSERT_EQUAL(prove_ways(&t, &packet, ways, &n), 0);
		for (size_t j = 0; j < n && j < PROVE_WAYS_MAX; j++) {
			size_t len = strlen(text);

			snprintf(text + len, sizeof(text) - len, "%s (%s); ", ways[j].change,
				 ways[j].because);
		}
		if (strncmp(text, rows[i].ways, strlen(rows[i].ways)) != 0 ||
		    (!rows[i].ways[0] && n > 0))
			tap_fail(__FILE__, __LINE__, "%s: %s", rows[i].packet, text);
	}
}

/* How many of the fields that can change are other ones. */
static int test_distance(const struct terms_packet *a, const struct terms_packet *b)
{
	return (a->link != b->link) + (a->near_port != b->near_port) +
	       (a->far_port != b->far_port) + (a->has_uid != b->has_uid || a->uid != b->uid) +
	       (a->mark != b->mark) + (a->grants != b->grants) + (a->proto != b->proto) +
	       !ip6_addr_equal(&a->far, &b->far) + (a->ct != b->ct) +
	       (a->from_packet_socket != b->from_packet_socket) + (a->facts != b->facts);
}

/* Every way passes by the line it names, and the first is among the nearest: no random packet that
 * differs in less passes by a line. */
static void test_nearway_random(void)
{
	size_t n_ways = 0;

	for (int round = 0; round < 60; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(terms_release) struct terms t = { 0 };

		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		for (int i = 0; i < 20; i++) {
			struct prove_way ways[PROVE_WAYS_MAX];
			struct terms_packet k;
			size_t n = 99;

			tinypolicy_packet(&k);
			CU_ASSERT_EQUAL(prove_ways(&t, &k, ways, &n), 0);
			CU_ASSERT_TRUE(n <= PROVE_WAYS_MAX);
			if (terms_decide(&t, &k).verdict == TERMS_ACCEPT)
				CU_ASSERT_EQUAL(n, 0);
			for (size_t j = 0; j < n; j++) {
				struct terms_answer a = terms_decide(&t, &ways[j].packet);

				CU_ASSERT_EQUAL(a.verdict, TERMS_ACCEPT);
				CU_ASSERT_STRING_EQUAL(a.item->where, ways[j].because);
				CU_ASSERT_TRUE(ways[j].change[0]);
				CU_ASSERT_TRUE(test_distance(&k, &ways[j].packet) >= 1);
				CU_ASSERT_TRUE(j == 0 ||
					       test_distance(&k, &ways[j - 1].packet) <=
						       test_distance(&k, &ways[j].packet));
				n_ways++;
			}
		}
	}
	tap_note("%zu ways", n_ways);
	CU_ASSERT_TRUE(n_ways > 100);
}

static int test_torture_run(void *ctx)
{
	const struct terms *t = ctx;
	struct prove_way ways[PROVE_WAYS_MAX];
	struct terms_packet packet = { 0 };
	size_t n;

	test_parse(t->policy, "in tcp [2001:db8:a::5]:4000 [host]:4444", &packet);
	return prove_ways(t, &packet, ways, &n);
}

static void test_nearway_no_memory(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(terms_release) struct terms t = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_TRUE(torture(test_torture_run, &t) > 8);
}

static const struct tap_test test_nearway[] = {
	{ "the nearest allowed change", test_nearway_rows },
	{ "random policies and packets", test_nearway_random },
	{ "out of memory", test_nearway_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "nearway", test_nearway }, { 0 } };

	return tap_main(argc, argv, suites);
}
