/* SPDX-License-Identifier: MIT */
/*
 * The time of netpolicy/prove for pages of 60 lines with lists of 0, 1,000, 10,000 and 100,000
 * random /64 prefixes, beside sorting the same prefixes in the same run (10,000 for the page
 * without a list); then packets through the kernel. Called by tests/bench/prove.
 *
 *   bench-prove [RUNS]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/oracle/oracle.h"
#include "netpolicy/prove/prove.h"
#include "tests/bench/benchrow.h"

#define PROVEBENCH_RUNS 11
#define PROVEBENCH_LINES 60
#define PROVEBENCH_NETS 20
#define PROVEBENCH_PACKETS 10000 /* goal: 0.5 s */
#define PROVEBENCH_ASKS 5

static uint64_t provebench_state = 1;

/* splitmix64; always the same prefixes. */
static uint64_t provebench_random(void)
{
	uint64_t z = provebench_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void provebench_need(int r)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench-prove: %s\n", strerror(-r));
	exit(2);
}

/* @n random /64 of 2a00::/12. */
static void provebench_fill(struct policy_prefixes *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ip6_prefix p = { .len = 64 };
		uint64_t bits = provebench_random();

		memcpy(p.addr.s6_addr, &bits, sizeof(bits));
		p.addr.s6_addr[0] = 0x2a;
		p.addr.s6_addr[1] &= 0x0f;
		provebench_need(policy_add_prefix(to, &p));
	}
}

static size_t provebench_net(struct policy *p, const char *name, const char *prefix)
{
	struct ip6_prefix one;
	size_t at;

	provebench_need(policy_add_net(p, name, &at));
	provebench_need(policy_parse_prefix(prefix, &one));
	provebench_need(policy_add_prefix(&p->nets[at].prefixes, &one));
	return at;
}

static void provebench_line(struct policy *p, size_t i)
{
	struct policy_rule rule = {
		.dir = i % 2 ? POLICY_IN : POLICY_OUT,
		.via = i % 5 ? POLICY_VIA_UPLINK : POLICY_VIA_TUNNEL,
		.net = 2 + i % PROVEBENCH_NETS,
		.ports = { 2,
			   { { POLICY_TCP, (uint16_t)(100 + 7 * i), (uint16_t)(103 + 7 * i) },
			     { POLICY_UDP, (uint16_t)(5000 + i), (uint16_t)(5000 + i) } } },
		.row = 15,
	};

	if (rule.dir == POLICY_OUT && i % 4 == 0)
		rule.users = (struct policy_users){ 1, { (uint16_t)(i % p->n_users) } };
	snprintf(rule.where, sizeof(rule.where), "policy.conf:%zu", 30 + i);
	provebench_need(policy_add_rule(p, &rule));
}

static void provebench_claims(struct policy *p)
{
	for (size_t i = 0; i < 8; i++) {
		struct policy_say say = { .is_never = i < 6, .n_excepts = i < 6 };

		say.match = (struct policy_match){ .has_dir = true,
						   .dir = i % 2 ? POLICY_IN : POLICY_OUT,
						   .is_new = i % 3 == 0,
						   .net = i % 4 == 0 ? i / 4 : POLICY_NONE,
						   .grant = POLICY_NONE };
		if (!say.is_never)
			say.match.n_icmp6 = 2;
		say.match.icmp6[0] = 135;
		say.match.icmp6[1] = 136;
		say.excepts[0] = (struct policy_match){ .via = POLICY_VIA_ANY,
							.net = 2 + i,
							.grant = POLICY_NONE };
		provebench_need(policy_add_say(p, &say));
	}
}

/* One list of @n, which a third of the lines name. */
static struct policy *provebench_page(size_t n, size_t n_lines)
{
	struct policy *p = policy_new();
	uint16_t user;

	if (!p)
		provebench_need(-ENOMEM);
	p->n_uplinks = p->n_tunnels = 1;
	p->config_net = provebench_net(p, "config", "2001:db8:c0::/48");
	p->gateways_net = provebench_net(p, "gateways", "fd12::/64");
	for (size_t i = 0; i < PROVEBENCH_NETS; i++) {
		char name[16], prefix[32];

		snprintf(name, sizeof(name), "net%zu", i);
		snprintf(prefix, sizeof(prefix), "2001:db8:%zx::/48", i + 1);
		provebench_net(p, name, prefix);
	}
	provebench_fill(&p->nets[2].prefixes, n);
	for (uint32_t i = 0; i < 6; i++)
		provebench_need(policy_add_user(p, "", 1000 + i, &user));
	for (size_t i = 0; i < n_lines; i++)
		provebench_line(p, i);
	for (size_t i = 0; i < p->n_rules; i += 3)
		p->rules[i].net = 2;
	provebench_claims(p);
	policy_finish(p);
	return p;
}

enum {
	PROVEBENCH_SORT,
	PROVEBENCH_CLAIMS,
	PROVEBENCH_DEAD,
	PROVEBENCH_CHANGES,
	PROVEBENCH_EXPLAIN,
	PROVEBENCH_ROWS
};

static struct benchrow provebench_rows[PROVEBENCH_ROWS];

static void provebench_sort(size_t n)
{
	struct policy_prefixes set = { 0 };

	provebench_fill(&set, n);
	benchrow_start(&provebench_rows[PROVEBENCH_SORT]);
	policy_merge(&set);
	benchrow_stop(&provebench_rows[PROVEBENCH_SORT]);
	policy_release_prefixes(&set);
}

/* As "netpolicy explain" without the kernel: the model, one packet, its ways to pass. */
static void provebench_explain(const struct policy *p)
{
	static const struct terms_packet packet = { .dir = POLICY_OUT,
						    .link = TERMS_UP,
						    .family = 6,
						    .proto = 6,
						    .near_port = 4000,
						    .far_port = 9,
						    .hop_limit = 64,
						    .ct = TERMS_NEW };
	struct prove_way ways[PROVE_WAYS_MAX];
	struct terms_packet asked = packet;
	struct ip6_prefix at;
	struct terms t;
	size_t n;

	provebench_need(policy_parse_prefix("2001:db8:3::9/128", &at));
	asked.far = at.addr;
	provebench_need(policy_parse_prefix("2001:db8:ffff::1/128", &at));
	asked.near = at.addr;
	benchrow_start(&provebench_rows[PROVEBENCH_EXPLAIN]);
	provebench_need(terms_make(p, &t));
	(void)terms_decide(&t, &asked);
	provebench_need(prove_ways(&t, &asked, ways, &n));
	benchrow_stop(&provebench_rows[PROVEBENCH_EXPLAIN]);
	terms_release(&t);
}

/* One cold run of each. */
static void provebench_once(const struct policy *p, const struct policy *other, size_t *ret_bytes)
{
	struct terms t, u;
	struct prove_report report;
	struct prove_deads deads;
	struct prove_changes changes;

	benchrow_start(&provebench_rows[PROVEBENCH_CLAIMS]);
	provebench_need(terms_make(p, &t));
	provebench_need(prove_claims(&t, &report));
	benchrow_stop(&provebench_rows[PROVEBENCH_CLAIMS]);
	*ret_bytes = report.bytes;
	benchrow_start(&provebench_rows[PROVEBENCH_DEAD]);
	provebench_need(prove_dead_rules(&t, &deads));
	benchrow_stop(&provebench_rows[PROVEBENCH_DEAD]);
	benchrow_start(&provebench_rows[PROVEBENCH_CHANGES]);
	provebench_need(terms_make(other, &u));
	provebench_need(prove_changes(&u, &t, &changes));
	benchrow_stop(&provebench_rows[PROVEBENCH_CHANGES]);
	prove_release_report(&report);
	prove_release_deads(&deads);
	prove_release_changes(&changes);
	terms_release(&t);
	terms_release(&u);
}

static void provebench_size(size_t n, size_t runs)
{
	static const char *const names[] = { "sorting the prefixes", "claims",
					     "lines that could go", "changes of a version",
					     "explain" };
	struct policy *p = provebench_page(n, PROVEBENCH_LINES);
	struct policy *other = provebench_page(0, PROVEBENCH_LINES - 1);
	struct benchrow_base base = { 0 };
	size_t bytes = 0;
	char title[64];

	for (size_t i = 0; i < runs; i++) {
		provebench_sort(n ? n : 10000);
		provebench_once(p, other, &bytes);
		provebench_explain(p);
	}
	snprintf(title, sizeof(title), "60 lines, %zu prefixes", n);
	benchrow_head(title);
	for (size_t i = 0; i < PROVEBENCH_ROWS; i++) {
		struct benchrow_base row = benchrow_print(&provebench_rows[i], names[i],
							  i ? &base : NULL);

		if (i == 0)
			base = row;
	}
	printf("  %-26s %.1f MB\n", "diagrams of the claims", (double)bytes / 1e6);
	policy_free(p);
	policy_free(other);
}

static void provebench_compile(struct policy *p, struct compilewire_reply *ret)
{
	_cleanup_(buf_release) struct buf text = buf_init(EMIT_TEXT_MAX);
	struct compilewire_request q = { .n_devices = 1, .devices = { "eth0" } };

	snprintf(p->uplinks[0], sizeof(p->uplinks[0]), "eth0");
	snprintf(p->tunnels[0], sizeof(p->tunnels[0]), "postern0");
	provebench_need(emit_policy(p, &text));
	q.text = text.text;
	q.text_len = text.len;
	if (compiler_run(&q, ret) < 0) {
		fprintf(stderr, "bench-prove: %s\n", ret->error);
		exit(2);
	}
}

/* The witnesses of the page, again and again up to PROVEBENCH_PACKETS. */
static void provebench_packets(void)
{
	static struct benchrow find, ask;
	struct terms_packet *some = NULL, *all = calloc(PROVEBENCH_PACKETS, sizeof(*all));
	struct oracle_answer *answers = calloc(PROVEBENCH_PACKETS, sizeof(*answers));
	struct policy *p = provebench_page(0, PROVEBENCH_LINES);
	struct compilewire_reply reply = { 0 };
	struct benchrow_base base;
	struct oracle_job job = { .policy = p };
	size_t n = 0, unmade = 0;
	struct terms t;

	provebench_need(all && answers ? 0 : -ENOMEM);
	provebench_compile(p, &reply);
	job.batch = reply.batch;
	job.batch_len = reply.batch_len;
	provebench_need(terms_make(p, &t));
	for (size_t i = 0; i < PROVEBENCH_ASKS; i++) {
		char error[ORACLE_ERROR_MAX] = "";

		free(some);
		benchrow_start(&find);
		provebench_need(prove_witnesses(&t, PROVEBENCH_PACKETS, &some, &n));
		benchrow_stop(&find);
		for (size_t k = 0; k < PROVEBENCH_PACKETS; k++)
			all[k] = some[k % n];
		benchrow_start(&ask);
		if (oracle_ask(&job, all, PROVEBENCH_PACKETS, answers, error) < 0) {
			printf("packets through the kernel: left out: %s\n", error);
			return;
		}
		benchrow_stop(&ask);
	}
	for (size_t k = 0; k < PROVEBENCH_PACKETS; k++)
		unmade += answers[k].error != 0;
	benchrow_head("10,000 packets at the borders of the page (goal: 0.5 s)");
	base = benchrow_print(&find, "found", NULL);
	benchrow_print(&ask, "sent and traced", &base);
	printf("  %-26s %zu different, %zu of 10,000 gave no verdict\n", "packets", n, unmade);
	free(some);
	free(all);
	free(answers);
	compilewire_release_reply(&reply);
	terms_release(&t);
	policy_free(p);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 0, 1000, 10000, 100000 };
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : PROVEBENCH_RUNS;

	if (runs == 0 || runs > BENCHROW_RUNS_MAX) {
		fprintf(stderr, "usage: bench-prove [RUNS]   1 to %d\n", BENCHROW_RUNS_MAX);
		return 64;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		provebench_size(sizes[i], runs);
	provebench_packets();
	return 0;
}
