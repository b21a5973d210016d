/* SPDX-License-Identifier: MIT */
/* The oracle answers as this page must, and children that are none of ours do not fool it. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clk.h"
#include "common/files.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/oracle/oracle.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/policyfixture.h"

static int test_compile(const struct policy *p, struct compilewire_reply *ret)
{
	_cleanup_(buf_release) struct buf text = buf_init(EMIT_TEXT_MAX);
	struct compilewire_request q = { .n_devices = (uint8_t)p->n_uplinks };
	int r = emit_policy(p, &text);

	*ret = (struct compilewire_reply){ 0 };
	if (r < 0)
		return r;
	memcpy(q.devices, p->uplinks, sizeof(p->uplinks));
	q.text = text.text;
	q.text_len = text.len;
	return compiler_run(&q, ret);
}

/* A small policy, compiled once. */
static const char test_lines[] = "tier public 2001:db8:100:1::/64 10.128.32.0/20\n"
				 "net archive 2001:db8:53::/48\n"
				 "from public allow tcp 4443 \"service\"\n"
				 "to archive allow tcp 443 user archive\n"
				 "grant ssh tcp 22 from config via tun max 4h\n";

static struct {
	struct policy *policy;
	struct compilewire_reply reply;
	struct oracle_job job;
} test_small;

static bool test_make_small(void)
{
	char error[POLICY_ERROR_MAX] = "";

	policyfixture_use_build();
	if (test_small.policy)
		return test_small.job.batch;
	test_small.policy = policyfixture_build(test_lines, error);
	if (!test_small.policy || test_compile(test_small.policy, &test_small.reply) < 0) {
		tap_fail(__FILE__, __LINE__, "%s %s", error, test_small.reply.error);
		return false;
	}
	test_small.job = (struct oracle_job){ test_small.policy, test_small.reply.batch,
					      test_small.reply.batch_len };
	return true;
}

static bool test_can_ask(void)
{
	static char words[ORACLE_ERROR_MAX + 64];
	struct terms_packet packet = { .dir = POLICY_IN, .family = 6, .link = TERMS_UP };
	struct oracle_answer answer;
	char why[ORACLE_ERROR_MAX];
	int r;

	if (!test_make_small())
		return false;
	r = oracle_ask(&test_small.job, &packet, 1, &answer, why);
	if (r == -EPERM || r == -ENOENT || r == -EACCES || r == -ENODEV) {
		snprintf(words, sizeof(words), "the oracle cannot work here: %s", why);
		tap_skip(words);
	} else if (r < 0) {
		tap_fail(__FILE__, __LINE__, "%s", why);
	}
	return r == 0;
}

struct test_case {
	const char *far, *near;
	struct terms_packet packet; /* the rest */
	int error;
	enum terms_verdict verdict;
	const char *comment; /* how it begins */
};

#define TEST_IN(l, p) .dir = POLICY_IN, .link = TERMS_##l, .proto = IPPROTO_##p, .hop_limit = 64
#define TEST_OUT(l, p) .dir = POLICY_OUT, .link = TERMS_##l, .proto = IPPROTO_##p, .hop_limit = 64
/* No user namespace has this user; where there may be none, as in a chroot, it is one like
 * others. */
#define TEST_NO_UID 4294967294
#define TEST_HOST "2001:db8:ffff::7"

static const struct test_case test_cases[] = {
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:16 service" },
	{ "2001:db8:100:1:ffff:ffff:ffff:ffff",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:16 service" },
	{ "2001:db8:100:2::",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4444 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(UP, UDP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(TUN, TCP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(OTHER, TCP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "::ffff:10.128.32.1",
	  "::ffff:10.0.0.7",
	  { TEST_IN(UP, TCP), .family = 4, .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:16 service" },
	{ "::ffff:10.128.48.0",
	  "::ffff:10.0.0.7",
	  { TEST_IN(UP, TCP), .family = 4, .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4443, .facts = TERMS_OWN_SOURCE },
	  0,
	  TERMS_DROP,
	  "row 1" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4443, .facts = TERMS_NO_WAY_BACK },
	  0,
	  TERMS_DROP,
	  "row 1" },
	{ "2001:db8:100:1::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 999, .near_port = 4443 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:16 service" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(LO, TCP), .far_port = 999, .near_port = 1 },
	  0,
	  TERMS_ACCEPT,
	  "row 1" },
	{ "fe80::1",
	  "fe80::7",
	  { .dir = POLICY_IN,
	    .link = TERMS_UP,
	    .proto = IPPROTO_ICMPV6,
	    .hop_limit = 255,
	    .icmp_type = 135,
	    .ct = TERMS_UNTRACKED },
	  0,
	  TERMS_ACCEPT,
	  "row 2" },
	{ "fe80::1",
	  "fe80::7",
	  { TEST_IN(UP, ICMPV6), .icmp_type = 135, .ct = TERMS_UNTRACKED },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, ICMPV6), .icmp_type = 129, .ct = TERMS_ESTABLISHED },
	  0,
	  TERMS_ACCEPT,
	  "row 4" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, ICMPV6), .icmp_type = 128 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, ICMPV6), .icmp_type = 2, .ct = TERMS_RELATED },
	  0,
	  TERMS_ACCEPT,
	  "row 2" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 443, .near_port = 999, .ct = TERMS_ESTABLISHED },
	  0,
	  TERMS_ACCEPT,
	  "row 4" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 443, .near_port = 999 },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 443, .near_port = 999, .ct = TERMS_INVALID },
	  0,
	  TERMS_DROP,
	  "row 4" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, UDP), .far_port = 443, .near_port = 999, .ct = TERMS_UNTRACKED },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_IN(UP, TCP), .far_port = 443, .near_port = 999, .ct = TERMS_RELATED },
	  -EOPNOTSUPP,
	  0,
	  "" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_IN(TUN, TCP), .far_port = 999, .near_port = 22 },
	  0,
	  TERMS_DROP,
	  "policy.conf:18" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_IN(TUN, TCP), .far_port = 999, .near_port = 22, .grants = 1 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:18" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_IN(TUN, TCP), .far_port = 999, .near_port = 22, .ct = TERMS_ESTABLISHED },
	  0,
	  TERMS_DROP,
	  "policy.conf:18" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(TUN, TCP), .far_port = 999, .near_port = 22, .ct = TERMS_ESTABLISHED },
	  0,
	  TERMS_DROP,
	  "policy.conf:18" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(TUN, TCP), .far_port = 999, .near_port = 22, .ct = TERMS_ESTABLISHED,
	    .grants = 1 },
	  0,
	  TERMS_ACCEPT,
	  "row 4" },
	{ "2001:db8:53::1",
	  TEST_HOST,
	  { TEST_OUT(UP, TCP), .far_port = 443, .near_port = 999, .has_uid = true, .uid = 1002 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:17" },
	{ "2001:db8:53::1",
	  TEST_HOST,
	  { TEST_OUT(UP, TCP), .far_port = 443, .near_port = 999, .has_uid = true, .uid = 1001 },
	  0,
	  TERMS_REJECT,
	  "row 16" },
	{ "2001:db8:53::1",
	  TEST_HOST,
	  { TEST_OUT(UP, TCP), .far_port = 443, .near_port = 999, .has_uid = true,
	    .uid = TEST_NO_UID },
	  -EOPNOTSUPP,
	  TERMS_REJECT,
	  "row 16" },
	{ "2001:db8:53::1",
	  TEST_HOST,
	  { TEST_OUT(UP, TCP), .far_port = 443, .near_port = 999 },
	  0,
	  TERMS_REJECT,
	  "row 16" },
	{ "2001:db8:53::1",
	  "2001:db8:eeee::1",
	  { TEST_OUT(UP, TCP), .far_port = 443, .near_port = 999, .has_uid = true, .uid = 1002,
	    .facts = TERMS_FALSE_SOURCE },
	  0,
	  TERMS_DROP,
	  "row 1" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 51820, .near_port = 51820, .mark = 0x504f },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:10" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 51820, .near_port = 51820, .mark = 0x504e },
	  0,
	  TERMS_REJECT,
	  "row 11" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(TUN, UDP), .far_port = 1, .near_port = 2 },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:12" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 9, .near_port = 9, .from_packet_socket = true },
	  0,
	  TERMS_DROP,
	  "row 11" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 51820, .near_port = 9, .mark = 0x504f,
	    .from_packet_socket = true },
	  0,
	  TERMS_ACCEPT,
	  "policy.conf:10" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 9, .near_port = 9, .from_packet_socket = true },
	  0,
	  TERMS_ACCEPT,
	  "row 11" },
	{ "2001:db8:a::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 9, .near_port = 9, .from_packet_socket = true,
	    .facts = TERMS_FALSE_FRAME },
	  0,
	  TERMS_DROP,
	  "row 16" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(UP, UDP), .far_port = 9, .near_port = 9, .from_packet_socket = true,
	    .facts = TERMS_LATER_FRAGMENT },
	  0,
	  TERMS_DROP,
	  "row 11" },
	{ "2001:db8:c::1",
	  TEST_HOST,
	  { TEST_OUT(TUN, UDP), .far_port = 9, .near_port = 9, .from_packet_socket = true },
	  0,
	  TERMS_ACCEPT,
	  "" },
	{ "ff02::1",
	  TEST_HOST,
	  { TEST_IN(UP, UDP), .far_port = 9, .near_port = 9 },
	  -ENODATA,
	  0,
	  "" },
};

static void test_expect(const struct test_case *want, const struct oracle_answer *got)
{
	bool is_made = want->packet.has_uid && want->packet.uid == TEST_NO_UID && !got->error;

	/* Without root there is no other user. */
	if (geteuid() != 0 && got->error == -EOPNOTSUPP)
		return;
	if ((!is_made && got->error != want->error) ||
	    (!got->error && (got->verdict != want->verdict ||
			     strncmp(got->comment, want->comment, strlen(want->comment)) != 0)))
		tap_fail(__FILE__, __LINE__,
			 "far %s near_port %u far_port %u: %s, error %d, %s %s '%s'", want->far,
			 want->packet.near_port, want->packet.far_port,
			 terms_verdict_name(got->verdict), got->error, got->table, got->chain,
			 got->comment);
}

static void test_oracle_knows(void)
{
	struct terms_packet packets[ARRAY_SIZE(test_cases)];
	struct oracle_answer answers[ARRAY_SIZE(test_cases)];
	char error[ORACLE_ERROR_MAX];

	if (!test_can_ask())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(test_cases); i++) {
		packets[i] = test_cases[i].packet;
		packets[i].family = packets[i].family ? packets[i].family : 6;
		CU_ASSERT_EQUAL(inet_pton(AF_INET6, test_cases[i].far, &packets[i].far), 1);
		CU_ASSERT_EQUAL(inet_pton(AF_INET6, test_cases[i].near, &packets[i].near), 1);
	}
	CU_ASSERT_EQUAL(
		oracle_ask(&test_small.job, packets, ARRAY_SIZE(test_cases), answers, error), 0);
	for (size_t i = 0; i < ARRAY_SIZE(test_cases); i++)
		test_expect(&test_cases[i], &answers[i]);
}

/* Many packets, and how long they take. */
static void test_oracle_many(void)
{
	static struct terms_packet packets[10000];
	static struct oracle_answer answers[10000];
	char error[ORACLE_ERROR_MAX];
	uint64_t start;
	size_t n_bad = 0;

	if (!test_can_ask())
		return;
	for (size_t i = 0; i < 10000; i++) {
		packets[i] = test_cases[i % 2].packet;
		packets[i].family = 6;
		packets[i].far_port = (uint16_t)(1000 + i);
		inet_pton(AF_INET6, test_cases[0].far, &packets[i].far);
		inet_pton(AF_INET6, TEST_HOST, &packets[i].near);
	}
	start = clk_now_ns();
	CU_ASSERT_EQUAL(oracle_ask(&test_small.job, packets, 10000, answers, error), 0);
	tap_note("10000 packets in %.3f s", (double)(clk_now_ns() - start) / CLK_NS_PER_S);
	for (size_t i = 0; i < 10000; i++)
		n_bad += answers[i].error != 0 || answers[i].verdict != TERMS_ACCEPT;
	CU_ASSERT_EQUAL(n_bad, 0);
}

static void test_oracle_limits(void)
{
	struct oracle_job bad = test_small.job;
	struct terms_packet *packets = calloc(ORACLE_PACKETS_MAX + 1, sizeof(*packets));
	struct oracle_answer answer;
	char error[ORACLE_ERROR_MAX];

	if (!packets || !test_can_ask()) {
		free(packets);
		return;
	}
	bad = test_small.job;
	CU_ASSERT_EQUAL(oracle_ask(&bad, packets, ORACLE_PACKETS_MAX + 1, &answer, error), -E2BIG);
	CU_ASSERT_EQUAL(oracle_ask(&bad, packets, 0, &answer, error), 0);
	bad.batch_len -= 4;
	CU_ASSERT_TRUE(oracle_ask(&bad, packets, 0, &answer, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "the batch: "));
	free(packets);
}

/* The first packet comes from the zone and has the grant when it @is_granted. */
static void test_ask_granted(struct oracle *session, bool is_granted, enum terms_ct ct,
			     enum terms_verdict want)
{
	struct terms_packet packet = { TEST_IN(TUN, TCP), .family = 6,          .far_port = 999,
				       .near_port = 22,   .grants = is_granted, .ct = ct };
	struct oracle_job job = test_small.job;
	struct oracle_answer answer = { 0 };
	char error[ORACLE_ERROR_MAX] = "";

	job.session = session;
	inet_pton(AF_INET6, "2001:db8:c::1", &packet.far);
	inet_pton(AF_INET6, TEST_HOST, &packet.near);
	if (oracle_ask(&job, &packet, 1, &answer, error) < 0 || answer.error ||
	    answer.verdict != want || answer.ct != ct)
		tap_fail(__FILE__, __LINE__, "%s: %s, error %d, ct %d, '%s'", error,
			 terms_verdict_name(answer.verdict), answer.error, answer.ct,
			 answer.comment);
}

/* One child for many questions: none leaves anything to the next, neither a grant, nor what
 * conntrack knows, nor an error. */
static void test_oracle_stays(void)
{
	_cleanup_(oracle_closep) struct oracle *session = NULL;
	struct oracle_job bad;
	struct terms_packet packet = { .family = 6 };
	struct oracle_answer answer;
	char error[ORACLE_ERROR_MAX];

	if (!test_can_ask() || oracle_open(&session) < 0)
		return;
	test_ask_granted(session, true, TERMS_NEW, TERMS_ACCEPT);
	test_ask_granted(session, false, TERMS_NEW, TERMS_DROP);
	test_ask_granted(session, true, TERMS_ESTABLISHED, TERMS_ACCEPT);
	test_ask_granted(session, false, TERMS_NEW, TERMS_DROP);
	test_ask_granted(session, false, TERMS_ESTABLISHED, TERMS_DROP);
	bad = test_small.job;
	bad.session = session;
	bad.batch_len -= 4;
	CU_ASSERT_TRUE(oracle_ask(&bad, &packet, 1, &answer, error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "the batch: "));
	test_ask_granted(session, true, TERMS_NEW, TERMS_ACCEPT);
}

/* The second grant has no set for IPv6: nothing is asked, and the first does not stay. */
static void test_oracle_half_granted(void)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char error[ORACLE_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p =
		policyfixture_build("net old 10.9.0.0/16\n"
				    "grant ssh tcp 22 from config via tun max 4h\n"
				    "grant www tcp 80 from old via tun max 4h\n",
				    error);
	struct terms_packet packets[2];
	struct oracle_job job = { .policy = p };
	struct oracle_answer answers[2] = { 0 };

	if (!test_can_ask())
		return;
	CU_ASSERT_FATAL(p && test_compile(p, &reply) == 0);
	job.batch = reply.batch;
	job.batch_len = reply.batch_len;
	packets[0] = (struct terms_packet){ TEST_IN(TUN, TCP), .family = 6,     .far_port = 999,
					    .near_port = 22,   .ct = TERMS_NEW, .grants = 3 };
	inet_pton(AF_INET6, "2001:db8:c::1", &packets[0].far);
	inet_pton(AF_INET6, TEST_HOST, &packets[0].near);
	packets[1] = packets[0];
	packets[1].grants = 0;
	CU_ASSERT_EQUAL(oracle_ask(&job, packets, 2, answers, error), 0);
	CU_ASSERT_EQUAL(answers[0].error, -EOPNOTSUPP);
	CU_ASSERT_EQUAL(answers[1].error, 0);
	CU_ASSERT_EQUAL(answers[1].verdict, TERMS_DROP);
}

/* The links of one question are not there for the next. */
static void test_oracle_other_links(void)
{
	_cleanup_(oracle_closep) struct oracle *session = NULL;
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char error[ORACLE_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p = policyfixture_page(
		"policy host 1\nhost tier compute\nlink up eth7\ndns allow\n", error);
	struct oracle_job job = { .policy = p };
	struct terms_packet packet = { TEST_OUT(TUN, UDP), .family = 6 };
	struct oracle_answer answer = { 0 };

	if (!test_can_ask() || oracle_open(&session) < 0)
		return;
	CU_ASSERT_FATAL(p && test_compile(p, &reply) == 0);
	job.session = session;
	job.batch = reply.batch;
	job.batch_len = reply.batch_len;
	inet_pton(AF_INET6, "fd00:ec2::253", &packet.far);
	inet_pton(AF_INET6, TEST_HOST, &packet.near);
	packet.far_port = 53;
	packet.near_port = 999;
	test_ask_granted(session, true, TERMS_NEW, TERMS_ACCEPT);
	CU_ASSERT_EQUAL(oracle_ask(&job, &packet, 1, &answer, error), 0);
	CU_ASSERT_EQUAL(answer.error, -EOPNOTSUPP); /* a tunnel was there before */
	packet.link = TERMS_UP;
	CU_ASSERT_EQUAL(oracle_ask(&job, &packet, 1, &answer, error), 0);
	CU_ASSERT_TRUE(answer.error == 0 && answer.verdict == TERMS_ACCEPT);
	test_ask_granted(session, true, TERMS_NEW, TERMS_ACCEPT);
}

/* More packets than there are zones: a new child, and nobody notices. */
static void test_oracle_many_questions(void)
{
	_cleanup_(oracle_closep) struct oracle *session = NULL;
	static struct terms_packet packets[ORACLE_PACKETS_MAX];
	static struct oracle_answer answers[ORACLE_PACKETS_MAX];
	struct oracle_job job = test_small.job;
	char error[ORACLE_ERROR_MAX] = "";

	if (!test_can_ask() || oracle_open(&session) < 0)
		return;
	job = test_small.job;
	job.session = session;
	/* A mark on what comes in cannot be made: quick. */
	for (size_t i = 0; i < ORACLE_PACKETS_MAX; i++)
		packets[i] = (struct terms_packet){ TEST_IN(UP, TCP), .family = 6, .mark = 1 };
	test_ask_granted(session, true, TERMS_NEW, TERMS_ACCEPT);
	CU_ASSERT_EQUAL(oracle_ask(&job, packets, ORACLE_PACKETS_MAX - 1, answers, error), 0);
	test_ask_granted(session, true, TERMS_ESTABLISHED, TERMS_ACCEPT);
	CU_ASSERT_EQUAL(oracle_ask(&job, packets, ORACLE_PACKETS_MAX, answers, error), 0);
	test_ask_granted(session, true, TERMS_NEW, TERMS_ACCEPT);
}

/* Hears the question out, as one that ended at once might not be heard itself. */
#define TEST_STAY "; cat <&3 >/dev/null 2>&1"

/* Children that are none of ours. */
static void test_oracle_hostile_child(void)
{
	static const struct {
		const char *script;
		int error;
		const char *word;
	} rows[] = {
		{ "exit 0", -EPIPE, "without an answer" },
		{ "printf nonsense >&3" TEST_STAY, -EBADMSG, "not one" },
		{ "kill -SEGV $$", -EPIPE, "signal 11" },
		{ "printf '\\0\\0\\0\\0' >&3" TEST_STAY, -EBADMSG, "not one" },
		{ "printf '\\16\\0\\0\\0abc' >&3", -EPIPE, "without an answer" },
		/* no error, no rules, no verdicts, although one was asked for */
		{ "printf '\\16\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0' >&3" TEST_STAY,
		  -EBADMSG, "not one" },
	};
	struct terms_packet packet = { .family = 6 };
	struct oracle_answer answer;
	char error[ORACLE_ERROR_MAX], path[PATH_MAX], text[256];

	if (!test_make_small())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int n = snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", rows[i].script);

		tmpdir_path(path, ORACLE_PROGRAM);
		CU_ASSERT_EQUAL(files_write(path, text, (size_t)n, 0755), 0);
		setenv("POSTERN_LIBEXECDIR", tmpdir_get(), 1);
		CU_ASSERT_EQUAL(oracle_ask(&test_small.job, &packet, 1, &answer, error),
				rows[i].error);
		if (!strstr(error, rows[i].word))
			tap_fail(__FILE__, __LINE__, "%s: '%s'", rows[i].script, error);
	}
	setenv("POSTERN_LIBEXECDIR", "/nonexistent", 1);
	CU_ASSERT_EQUAL(oracle_ask(&test_small.job, &packet, 1, &answer, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, ORACLE_PROGRAM));
}

static const struct tap_test test_oracle_tests[] = {
	{ "knows what this page means", test_oracle_knows },
	{ "ten thousand packets", test_oracle_many },
	{ "limits, a batch that is none", test_oracle_limits },
	{ "a child that stays", test_oracle_stays },
	{ "a grant that has no set for the family", test_oracle_half_granted },
	{ "a child that stays, other links", test_oracle_other_links },
	{ "a child that stays, more packets than zones", test_oracle_many_questions },
	{ "children that are none of ours", test_oracle_hostile_child },
	{ 0 },
};

static const struct tap_suite test_suites[] = {
	{ "oracle", test_oracle_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_suites);
}
