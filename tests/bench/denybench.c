/* SPDX-License-Identifier: MIT */
/*
 * How long a gateway takes to cut off who is denied, and what its loop does meanwhile: leases with
 * their peers in the store and in WireGuard, some of them listed; the sweep step by step as the
 * keeper makes it, exchanges in between. Called by tests/bench/deny; in a network namespace of its
 * own.
 *
 *   bench-deny DIR LEASES DENIED
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/denylist.h"
#include "common/clk.h"
#include "tests/bench/benchrow.h"
#include "tunneld/gateway/denyfeed.h"
#include "tunneld/gateway/granter.h"
#include "tunneld/gateway/gwkernel.h"
#include "tunneld/kern/wgdev.h"

#define BENCH_TENANT "vespa.tenant.acme.aws-123456789012.tenant-host"
#define BENCH_PROVIDER "athenz.aws.us-east-1"
#define BENCH_LEASES_MAX 60000
#define BENCH_BATCH 64 /* exchanges at a time while the store is filled */

static const char bench_conf[] = "[gateway]\n"
				 "name = cfg1\n"
				 "zone = bench\n"
				 "endpoints = [2001:db8:c::1]:51820\n"
				 "address = fd12:3456:789a::1\n"
				 "hosts_prefix = fd12:3456:789a:1::/64\n"
				 "providers = " BENCH_PROVIDER "\n"
				 "[identity]\n"
				 "cert = /nowhere\n"
				 "key = /nowhere\n"
				 "ca = /nowhere\n"
				 "[tenants]\n"
				 "allow = " BENCH_TENANT "\n";

struct bench {
	struct gwconf *conf;
	struct leasedb *db;
	struct gwstats stats;
	struct granter *granter;
	unsigned int n_cut, n_refused;
};

static void bench_die(const char *what, int r)
{
	fprintf(stderr, "bench-deny: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void bench_set_up(struct bench *b, const char *dir)
{
	struct conf_error error = { .text = "" };
	struct secret key;
	struct wgkey public_key;
	const char *what = "make a network namespace";
	char path[256];
	int r = unshare(CLONE_NEWNET) < 0 ? -errno : 0;

	memset(key.bytes, 0x40, sizeof(key.bytes));
	if (gwconf_load_text("bench", bench_conf, &b->conf, &error) < 0)
		bench_die(error.text, -EINVAL);
	if (r == 0)
		r = gwkernel_set_up(b->conf, &key, &public_key, &what);
	if (r < 0)
		bench_die(what, r);
	snprintf(path, sizeof(path), "%s/leases.db", dir);
	r = leasedb_open(path, &b->db);
	if (r == 0)
		r = granter_new(b->conf, b->db, &b->stats, &b->granter);
	if (r < 0)
		bench_die(path, r);
}

static struct gwframe_grant bench_grant(uint32_t n)
{
	struct gwframe_grant g = {
		.principal = BENCH_TENANT,
		.provider = BENCH_PROVIDER,
		.epoch = clk_now_wall(),
		.cert_expires_wall = clk_now_wall() + 3600,
	};
	uint32_t spread = htonl(n * 2654435761U); /* keys in no order, as in life */

	snprintf(g.instance_id, sizeof(g.instance_id), "i-%017x", n);
	snprintf(g.serial, sizeof(g.serial), "%x", 0x1000000 + n);
	memset(g.host_key.bytes, 0x11, sizeof(g.host_key.bytes));
	memcpy(g.host_key.bytes, &spread, sizeof(spread));
	memset(g.psk.bytes, 0x22, sizeof(g.psk.bytes));
	g.host_addr = (struct in6_addr){ 0 };
	(void)inet_pton(AF_INET6, "fd12:3456:789a:1::", &g.host_addr);
	spread = htonl(n + 1);
	memcpy(g.host_addr.s6_addr + 12, &spread, sizeof(spread));
	return g;
}

static void bench_on_answer(const struct granter_from *from, const struct gwframe_grant *grant,
			    const struct gwframe_answer *answer, void *ctx)
{
	struct bench *b = ctx;

	b->n_refused += answer->code != PST_NONE;
}

static void bench_on_cut(const struct gate_lease *lease, const char *by, void *ctx)
{
	struct bench *b = ctx;

	b->n_cut++;
}

/* One batch of @n exchanges from host number @from on. */
static void bench_exchange(struct bench *b, uint32_t from, uint32_t n)
{
	const struct granter_from who = { 0 };
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct gwframe_grant g = bench_grant(from + i);

		r = granter_add(b->granter, &who, &g);
	}
	if (r == 0)
		r = granter_run(b->granter, clk_now_wall(), bench_on_answer, b);
	if (r < 0)
		bench_die("exchange", r);
}

/* @n_denied instances among @n. */
static struct denylist *bench_list(uint32_t n, uint32_t n_denied)
{
	struct denylist *d = NULL;
	int r = denylist_new(n_denied, (size_t)n_denied * 20, &d);

	for (uint32_t i = 0; i < n_denied && r == 0; i++)
		r = denylist_add(d, DENYLIST_INSTANCE,
				 bench_grant((uint32_t)((uint64_t)i * n / n_denied)).instance_id);
	if (r < 0)
		bench_die("list", r);
	return d;
}

/* What the keeper does with a list of the largest size, message by message. */
static void bench_feed(void)
{
	static struct benchrow row;
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
	_cleanup_(denylist_freep) struct denylist *d = bench_list(DENYLIST_ENTRIES_MAX,
								  DENYLIST_ENTRIES_MAX);
	static struct chan_msg msg;
	uint64_t from = clk_now_ns();
	size_t at = 0;
	int r;

	denyfeed_encode_head(d, &msg);
	r = denyfeed_decode(&f, &msg);
	while (r == 0 && at < denylist_size(d)) {
		denyfeed_encode_part(d, &at, &msg);
		benchrow_start(&row);
		r = denyfeed_decode(&f, &msg);
		benchrow_stop(&row);
	}
	if (r < 0 || !denyfeed_is_whole(&f))
		bench_die("feed", r);
	benchrow_print(&row, "a message of the longest list", NULL);
	printf("the longest list, %zu entries: %.1f ms\n", denylist_size(f.list),
	       (double)(clk_now_ns() - from) / 1e6);
}

static void bench_sweep(struct bench *b, uint32_t n, uint32_t n_denied)
{
	static struct benchrow steps, exchanges;
	_cleanup_(denylist_freep) struct denylist *d = bench_list(n, n_denied);
	uint64_t from = clk_now_ns(), last = 0, in_exchanges = 0;
	unsigned int n_steps = 0, n_before;
	bool more = true;

	b->n_refused = 0;
	granter_deny(b->granter, d);
	while (more) {
		uint64_t at;

		n_before = b->n_cut;
		benchrow_start(&steps);
		if (granter_sweep(b->granter, bench_on_cut, b, &more) != 0)
			bench_die(granter_error(b->granter), -EIO);
		benchrow_stop(&steps);
		if (b->n_cut > n_before)
			last = clk_now_ns() - from - in_exchanges;
		at = clk_now_ns();
		benchrow_start(&exchanges);
		bench_exchange(b, n + n_steps++, 1);
		benchrow_stop(&exchanges);
		in_exchanges += clk_now_ns() - at;
	}
	benchrow_print(&steps, "a step of the sweep", NULL);
	benchrow_print(&exchanges, "an exchange between two steps", NULL);
	printf("%u of %u leases cut off: the last %.0f ms after the list came, the whole sweep "
	       "%.0f ms\n",
	       b->n_cut, n, (double)last / 1e6, (double)(clk_now_ns() - from - in_exchanges) / 1e6);
	if (b->n_cut != n_denied || b->n_refused)
		bench_die("not those who are listed", -EIO);
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint32_t n = argc == 4 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	uint32_t n_denied = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;

	if (!n || n > BENCH_LEASES_MAX || !n_denied || n_denied > n) {
		fputs("usage: bench-deny DIR LEASES DENIED\n", stderr);
		return 64;
	}
	bench_set_up(&b, argv[1]);
	for (uint32_t at = 0; at < n; at += BENCH_BATCH)
		bench_exchange(&b, at, n - at < BENCH_BATCH ? n - at : BENCH_BATCH);
	benchrow_head("deny: listed hosts lose their tunnels");
	bench_sweep(&b, n, n_denied);
	bench_feed();
	granter_free(b.granter);
	leasedb_close(b.db);
	gwconf_free(b.conf);
	return 0;
}
