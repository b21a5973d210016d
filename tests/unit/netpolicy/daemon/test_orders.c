/* SPDX-License-Identifier: MIT */
/* What root asks for: policies for good and for a while, and grants; over a real kernel. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/pst.h"
#include "netpolicy/daemon/orders.h"
#include "netpolicy/daemon/warden.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/daemon/lawfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct lawfixture test_f;
static struct batchfile test_laws[4]; /* policies 1...3, compiled once */

static void test_put(const char *name, unsigned int n)
{
	char path[PATH_MAX + 64];

	if (!test_laws[n].batch)
		lawfixture_make(n, &test_laws[n]);
	snprintf(path, sizeof(path), "%s/%s", test_f.dir, name);
	CU_ASSERT_EQUAL(batchfile_write(path, &test_laws[n]), 0);
}

/* A running netpolicyd that enforces policy 1; policy 2 is the next one. */
static bool test_ready(const char *option)
{
	if (!lawfixture_begin(&test_f))
		return false;
	test_put(LAWFILE_SAVED, 1);
	test_put(LAWFILE_NEXT, 2);
	lawfixture_start(&test_f, option);
	return true;
}

static void test_end(void)
{
	lawfixture_end(&test_f);
}

/* True when policy @n is in the kernel and the daemon says so, and @saved in the file. */
static bool test_is(unsigned int n, unsigned int saved)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	const struct ctlwire_status *s = lawfixture_status(&test_f);
	char about[32], path[PATH_MAX + 64], command[128];
	char *text;
	bool is_there;

	snprintf(about, sizeof(about), "policy %u", n);
	snprintf(path, sizeof(path), "%s/" LAWFILE_SAVED, test_f.dir);
	snprintf(command, sizeof(command),
		 "nft list chain inet postern services | grep -c 'dport "
		 "%u '",
		 n);
	text = netns_output(command);
	is_there = text && !strcmp(text, "1") && !strcmp(s->about, about) && s->is_intact;
	free(text);
	snprintf(about, sizeof(about), "policy %u", saved);
	return is_there && !strcmp(s->boot_about, about) && batchfile_read(path, &f) == 0 &&
	       !strcmp(f.about, about) && f.page_len;
}

static void test_orders_apply(void)
{
	const struct ctlwire_answer *a;

	if (!test_ready(NULL))
		return;
	CU_ASSERT_TRUE(test_is(1, 1));
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 0)->result, 0);
	CU_ASSERT_TRUE(test_is(2, 2));
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_ROLLBACK, 0)->result, 0);
	CU_ASSERT_TRUE(test_is(1, 1));
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_ROLLBACK, 0)->result, 0);
	CU_ASSERT_TRUE(test_is(2, 2));
	netns_run("rm %s/" LAWFILE_SAVED ".prev", test_f.dir);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_ROLLBACK, 0)->result, -ENOENT);
	netns_run("echo damaged > %s/" LAWFILE_SAVED ".prev", test_f.dir);
	a = lawfixture_do(&test_f, CTLWIRE_ROLLBACK, 0);
	CU_ASSERT_TRUE(a->result < 0 && a->text[0]);
	CU_ASSERT_TRUE(test_is(2, 2));
	test_end();
}

/* Nothing that is not a batch of ours goes in, and what is there stays. */
static void test_orders_refuse(void)
{
	const struct ctlwire_answer *a;
	struct ctlwire_request q = { .op = CTLWIRE_APPLY, .seconds = ORDERS_CONFIRM_MAX_S + 1 };
	struct batchfile foreign;
	char path[PATH_MAX + 64];

	if (!test_ready(NULL))
		return;
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -EINVAL);
	q.seconds = 0;
	q.is_trial = true;
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -EINVAL);
	foreign = test_laws[2];
	foreign.batch = malloc(foreign.batch_len);
	if (foreign.batch)
		memcpy(foreign.batch, test_laws[2].batch, foreign.batch_len);
	for (uint8_t *p = foreign.batch;
	     p && (p = memmem(p, (size_t)(foreign.batch + foreign.batch_len - p), "postern", 7));)
		*p = 'q';
	snprintf(path, sizeof(path), "%s/" LAWFILE_NEXT, test_f.dir);
	CU_ASSERT_EQUAL(batchfile_write(path, &foreign), 0);
	free(foreign.batch);
	a = lawfixture_do(&test_f, CTLWIRE_APPLY, 0);
	CU_ASSERT_TRUE(a->result == -EBADMSG && a->pst == PST_BATCH_REFUSED && a->text[0]);
	netns_run("echo damaged > %s/" LAWFILE_NEXT, test_f.dir);
	a = lawfixture_do(&test_f, CTLWIRE_APPLY, 0);
	CU_ASSERT_TRUE(a->result == -EBADMSG && a->pst == PST_BATCH_UNREADABLE);
	netns_run("rm %s/" LAWFILE_NEXT, test_f.dir);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 60)->result, -ENOENT);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_CONFIRM, 0)->result, -ENOENT);
	CU_ASSERT_TRUE(test_is(1, 1));
	test_end();
}

/* What lets everything through can be tried, and never be loaded for good. */
static void test_orders_open(void)
{
	static const uint8_t drop[] = { 8, 0, NFTA_CHAIN_POLICY, 0, 0, 0, 0, NF_DROP };
	struct ctlwire_request q = { .op = CTLWIRE_APPLY, .seconds = 60, .is_trial = true };
	_cleanup_(batchfile_release) struct batchfile open = { 0 };
	const struct ctlwire_answer *a;
	uint8_t *p;

	if (!test_ready(NULL))
		return;
	lawfixture_make(2, &open);
	p = open.batch ? memmem(open.batch, open.batch_len, drop, sizeof(drop)) : NULL;
	CU_ASSERT_PTR_NOT_NULL(p);
	if (p)
		p[7] = NF_ACCEPT;
	lawfixture_write_again(&test_f, &open);
	for (unsigned int seconds = 0; seconds <= 60; seconds += 60) {
		a = lawfixture_do(&test_f, CTLWIRE_APPLY, seconds);
		CU_ASSERT_TRUE(a->result == -EBADMSG && a->pst == PST_BATCH_REFUSED);
	}
	CU_ASSERT_TRUE(test_is(1, 1));
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	CU_ASSERT_TRUE(test_is(2, 1));
	test_end();
}

/* The kernel refuses what the walk over the headers could not see. */
static void test_orders_kernel_refuses(void)
{
	_cleanup_(batchfile_release) struct batchfile bad = { 0 };
	const struct ctlwire_answer *a;
	char path[PATH_MAX + 64];
	uint8_t *name = NULL;

	if (!test_ready(NULL))
		return;
	lawfixture_make(2, &bad);
	/* A rule for a chain that nobody made. */
	for (uint8_t *p = bad.batch;
	     bad.batch && (p = memmem(p, (size_t)(bad.batch + bad.batch_len - p), "services", 9));
	     p++)
		name = p;
	if (name)
		*name = 'q';
	snprintf(path, sizeof(path), "%s/" LAWFILE_NEXT, test_f.dir);
	CU_ASSERT_EQUAL(batchfile_write(path, &bad), 0);
	a = lawfixture_do(&test_f, CTLWIRE_APPLY, 0);
	CU_ASSERT_TRUE(a->result < 0 && a->pst == PST_POLICY_KERNEL && a->text[0]);
	CU_ASSERT_TRUE(test_is(1, 1));
	test_end();
}

/* For a while: confirmed, rolled back, or over. */
static void test_orders_pending(void)
{
	const struct ctlwire_status *s;
	uint64_t end_ns;

	if (!test_ready(NULL))
		return;
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 60)->result, 0);
	s = lawfixture_status(&test_f);
	CU_ASSERT_TRUE(s->is_pending && !s->is_trial);
	CU_ASSERT_TRUE(s->pending_left_s > 50 && s->pending_left_s <= 60);
	CU_ASSERT_TRUE(test_is(2, 1));
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_CONFIRM, 0)->result, 0);
	CU_ASSERT_TRUE(test_is(2, 2));
	CU_ASSERT_FALSE(lawfixture_status(&test_f)->is_pending);
	test_put(LAWFILE_NEXT, 3);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 60)->result, 0);
	CU_ASSERT_TRUE(test_is(3, 2));
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_ROLLBACK, 0)->result, 0);
	CU_ASSERT_TRUE(test_is(2, 2));
	test_put(LAWFILE_NEXT, 3);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 1)->result, 0);
	end_ns = clk_now_ns() + 60 * CLK_NS_PER_S;
	while (lawfixture_status(&test_f)->is_pending && clk_now_ns() < end_ns)
		;
	CU_ASSERT_TRUE(test_is(2, 2));
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3012"));
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_CONFIRM, 0)->result, -ENOENT);
	test_end();
}

/* A crash is no confirmation; a trial cannot be confirmed. */
static void test_orders_unconfirmed(void)
{
	struct ctlwire_request q = { .op = CTLWIRE_APPLY, .seconds = 60, .is_trial = true };

	if (!test_ready(NULL))
		return;
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	CU_ASSERT_TRUE(lawfixture_status(&test_f)->is_trial);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_CONFIRM, 0)->result, -EPERM);
	CU_ASSERT_TRUE(test_is(2, 1));
	lawfixture_stop(&test_f, SIGKILL);
	lawfixture_start(&test_f, NULL);
	CU_ASSERT_TRUE(test_is(1, 1));
	CU_ASSERT_FALSE(lawfixture_status(&test_f)->is_pending);
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3012"));
	/* With nothing to go back to it is the closed policy. */
	netns_run("rm %s/" LAWFILE_SAVED, test_f.dir);
	test_put(LAWFILE_NEXT, 2);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 1)->result, 0);
	lawfixture_wait("nft list chain inet postern input | grep -q 'closed: ND'");
	test_end();
}

/* A policy for a while that cannot be remembered ends all the same. */
static void test_orders_pending_disk(void)
{
	if (!test_ready(NULL))
		return;
	netns_run("mkdir -p %s/" LAWFILE_PENDING "/x", test_f.dir);
	CU_ASSERT_TRUE(lawfixture_do(&test_f, CTLWIRE_APPLY, 1)->result < 0);
	lawfixture_wait("nft list chain inet postern services | grep -q 'dport 1 '");
	CU_ASSERT_TRUE(test_is(1, 1));
	CU_ASSERT_FALSE(lawfixture_status(&test_f)->is_pending);
	test_end();
}

/* Nothing to go back to: by hand, by a signal, as by the deadline, it is the closed policy. */
static void test_orders_no_way_back(void)
{
	static const char closed[] = "nft list chain inet postern input | grep -q 'closed: ND'";

	if (!test_ready(NULL))
		return;
	netns_run("rm %s/" LAWFILE_SAVED, test_f.dir);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 600)->result, 0);
	CU_ASSERT_TRUE(lawfixture_do(&test_f, CTLWIRE_ROLLBACK, 0)->result < 0);
	lawfixture_wait(closed);
	CU_ASSERT_FALSE(lawfixture_status(&test_f)->is_pending);
	test_put(LAWFILE_NEXT, 2);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 600)->result, 0);
	lawfixture_wait("nft list chain inet postern services | grep -q 'dport 2 '");
	kill(test_f.pid, SIGHUP);
	lawfixture_wait(closed);
	test_end();
}

/* A file that somebody exchanged is not what was tried. */
static void test_orders_exchanged(void)
{
	if (!test_ready(NULL))
		return;
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 60)->result, 0);
	test_put(LAWFILE_PENDING, 3);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_CONFIRM, 0)->result, -ESTALE);
	CU_ASSERT_TRUE(test_is(2, 1));
	test_end();
}

static struct ctlwire_request test_grant(const char *addr, unsigned int seconds)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .seconds = seconds };

	snprintf(q.name, sizeof(q.name), "ssh");
	snprintf(q.who, sizeof(q.who), "anna");
	snprintf(q.why, sizeof(q.why), "ticket 12");
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, addr, &q.addr), 1);
	return q;
}

static const char test_live[] = "nft list set inet postern grant_ssh6 | grep -q 2001:db8::9";
static const char test_not_live[] = "! nft list set inet postern grant_ssh6 | grep -q 2001:db8::9";

static void test_orders_grants(void)
{
	struct ctlwire_request q = test_grant("2001:db8::9", 1000);
	const struct ctlwire_answer *a;

	if (!test_ready("--no-owner"))
		return;
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->id, 1);
	lawfixture_wait(test_live);
	a = lawfixture_ask(&test_f, &q);
	CU_ASSERT_TRUE(a->result == -EEXIST && a->id == 1 && a->pst == PST_GRANT_REFUSED);
	q = test_grant("::ffff:10.1.2.3", 1000);
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->id, 2);
	lawfixture_wait("nft list set inet postern grant_ssh4 | grep -q 10.1.2.3");
	a = lawfixture_do(&test_f, CTLWIRE_GRANT_LIST, 0);
	CU_ASSERT_TRUE(a->n == 2 && a->grants[0].id == 1 && a->grants[1].id == 2);
	CU_ASSERT_TRUE(a->grants[0].left_s > 900 && a->grants[0].left_s <= 1000);
	CU_ASSERT_STRING_EQUAL(a->grants[0].who, "anna");
	CU_ASSERT_STRING_EQUAL(a->grants[0].why, "ticket 12");
	q = (struct ctlwire_request){ .op = CTLWIRE_GRANT_RENEW, .id = 1, .seconds = 3600 };
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	CU_ASSERT_TRUE(lawfixture_do(&test_f, CTLWIRE_GRANT_LIST, 0)->grants[0].left_s > 3500);
	/* Another policy, a flush, a stranger: the grants stay and only they. */
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 0)->result, 0);
	lawfixture_wait(test_live);
	netns_run("nft flush ruleset");
	lawfixture_wait(test_live);
	netns_run("nft flush set inet postern grant_ssh6");
	lawfixture_wait(test_live);
	netns_run("nft add element inet postern grant_ssh6 '{ 2001:db8::8 timeout 1h }'");
	lawfixture_wait("! nft list set inet postern grant_ssh6 | grep -q 2001:db8::8");
	q = (struct ctlwire_request){ .op = CTLWIRE_GRANT_END, .id = 1 };
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	lawfixture_wait(test_not_live);
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -ENOENT);
	CU_ASSERT_EQUAL(lawfixture_status(&test_f)->n_grants, 1);
	test_end();
}

static void test_orders_grant_limits(void)
{
	struct ctlwire_request q = test_grant("2001:db8::9", 3601);
	static const char *const elsewhere[] = { "2001:db9::1", "::ffff:11.0.0.1", "::1" };
	const struct ctlwire_answer *a;

	if (!test_ready(NULL))
		return;
	a = lawfixture_ask(&test_f, &q);
	CU_ASSERT_TRUE(a->result == -EINVAL && a->pst == PST_GRANT_REFUSED);
	q.seconds = 0;
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -EINVAL);
	q.seconds = 60;
	q.name[0] = 'x';
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		q = test_grant(elsewhere[i], 60);
		CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -EINVAL);
	}
	q = test_grant("2001:db8::9", 3600);
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	q = (struct ctlwire_request){ .op = CTLWIRE_GRANT_RENEW, .id = 1, .seconds = 3601 };
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, -EINVAL);
	test_end();
}

/* Deadlines outlive a restart; what ends is taken out and told; a damaged book grants nothing. */
static void test_orders_grant_lives(void)
{
	struct ctlwire_request q = test_grant("2001:db8::9", 3000);
	const struct ctlwire_answer *a;

	if (!test_ready(NULL))
		return;
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	lawfixture_stop(&test_f, SIGKILL);
	netns_run("nft delete table inet postern");
	lawfixture_start(&test_f, NULL);
	lawfixture_wait(test_live);
	a = lawfixture_do(&test_f, CTLWIRE_GRANT_LIST, 0);
	CU_ASSERT_TRUE(a->n == 1 && a->grants[0].left_s > 2900 && a->grants[0].left_s <= 3000);
	q = (struct ctlwire_request){ .op = CTLWIRE_GRANT_RENEW, .id = 1, .seconds = 1 };
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	lawfixture_wait(test_not_live);
	while (lawfixture_status(&test_f)->n_grants)
		;
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "grant 1 ended"));
	q = test_grant("2001:db8::9", 3000);
	CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->id, 2);
	lawfixture_stop(&test_f, SIGKILL);
	netns_run("printf x >> %s/grants", test_f.dir);
	lawfixture_start(&test_f, NULL);
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3016"));
	lawfixture_wait(test_not_live);
	netns_run("test -s %s/grants.bad && test ! -e %s/grants", test_f.dir, test_f.dir);
	test_end();
}

static const struct tap_test test_orders_tests[] = {
	{ "apply and rollback", test_orders_apply },
	{ "what is refused", test_orders_refuse },
	{ "open only to try", test_orders_open },
	{ "what the kernel refuses", test_orders_kernel_refuses },
	{ "for a while", test_orders_pending },
	{ "never confirmed", test_orders_unconfirmed },
	{ "for a while, on a full disk", test_orders_pending_disk },
	{ "for a while, with nothing before", test_orders_no_way_back },
	{ "exchanged before it was confirmed", test_orders_exchanged },
	{ "grants", test_orders_grants },
	{ "limits of grants", test_orders_grant_limits },
	{ "grants over restarts", test_orders_grant_lives },
	{ 0 },
};

static const struct tap_suite test_orders_suites[] = {
	{ "orders", test_orders_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_orders_suites);

	for (size_t i = 0; i < ARRAY_SIZE(test_laws); i++)
		batchfile_release(&test_laws[i]);
	return r;
}
