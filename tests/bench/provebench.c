/* SPDX-License-Identifier: MIT */
/*
 * provebench [RUNS]: the time of netpolicy/prove for pages of 60 lines with lists of 0, 1,000,
 * 10,000 and 100,000 random /64 prefixes: eight claims, lines that could go, the difference of two
 * versions. Prints median and worst in ms of CPU time, the memory of the diagrams, and the ratio to
 * sorting the same prefixes in the same run (of 10,000 for the page without a list).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netpolicy/prove/prove.h"

#define PROVEBENCH_RUNS 11
#define PROVEBENCH_RUNS_MAX 1000
#define PROVEBENCH_LINES 60
#define PROVEBENCH_NETS 20

static uint64_t provebench_state = 1;

/* splitmix64; always the same prefixes. */
static uint64_t provebench_random(void)
{
	uint64_t z = provebench_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static double provebench_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void provebench_need(int r)
{
	if (r == 0)
		return;
	fprintf(stderr, "provebench: %s\n", strerror(-r));
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

struct provebench_times {
	double ms[PROVEBENCH_RUNS_MAX];
	size_t n;
};

static int provebench_order(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double provebench_median(struct provebench_times *t)
{
	qsort(t->ms, t->n, sizeof(t->ms[0]), provebench_order);
	return t->ms[t->n / 2];
}

static void provebench_print(const char *what, size_t n, struct provebench_times *t, double sort_ms)
{
	double median = provebench_median(t);

	printf("%-8s %6zu prefixes: median %9.2f ms, worst %9.2f ms, %zu runs, %7.1f x sorting\n",
	       what, n, median, t->ms[t->n - 1], t->n, sort_ms > 0 ? median / sort_ms : 0);
}

static double provebench_sort(size_t n, size_t runs)
{
	static struct provebench_times times;

	times.n = 0;
	for (size_t i = 0; i < runs; i++) {
		struct policy_prefixes set = { 0 };
		double start;

		provebench_fill(&set, n);
		start = provebench_now_ms();
		policy_merge(&set);
		times.ms[times.n++] = provebench_now_ms() - start;
		policy_release_prefixes(&set);
	}
	return provebench_median(&times);
}

/* One cold run of each. */
static void provebench_once(const struct policy *p, const struct policy *other,
			    struct provebench_times times[static 3], size_t *ret_bytes)
{
	struct terms t, u;
	struct prove_report report;
	struct prove_deads deads;
	struct prove_changes changes;
	double start = provebench_now_ms();

	provebench_need(terms_make(p, &t));
	provebench_need(prove_claims(&t, &report));
	times[0].ms[times[0].n++] = provebench_now_ms() - start;
	*ret_bytes = report.bytes;
	start = provebench_now_ms();
	provebench_need(prove_dead_rules(&t, &deads));
	times[1].ms[times[1].n++] = provebench_now_ms() - start;
	start = provebench_now_ms();
	provebench_need(terms_make(other, &u));
	provebench_need(prove_changes(&u, &t, &changes));
	times[2].ms[times[2].n++] = provebench_now_ms() - start;
	prove_release_report(&report);
	prove_release_deads(&deads);
	prove_release_changes(&changes);
	terms_release(&t);
	terms_release(&u);
}

static void provebench_size(size_t n, size_t runs)
{
	static struct provebench_times times[3];
	static const char *const names[] = { "claims", "dead", "changes" };
	struct policy *p = provebench_page(n, PROVEBENCH_LINES);
	struct policy *other = provebench_page(0, PROVEBENCH_LINES - 1);
	double sort_ms = provebench_sort(n ? n : 10000, runs);
	size_t bytes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		times[i].n = 0;
	for (size_t i = 0; i < runs; i++)
		provebench_once(p, other, times, &bytes);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		provebench_print(names[i], n, &times[i], sort_ms);
	printf("%-8s %6zu prefixes: %.1f MiB of diagrams for the claims\n", "memory", n,
	       (double)bytes / (1 << 20));
	policy_free(p);
	policy_free(other);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 0, 1000, 10000, 100000 };
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : PROVEBENCH_RUNS;

	if (runs == 0 || runs > PROVEBENCH_RUNS_MAX) {
		fprintf(stderr, "usage: provebench [RUNS]   1 to %d\n", PROVEBENCH_RUNS_MAX);
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		provebench_size(sizes[i], runs);
	return 0;
}
