/* SPDX-License-Identifier: MIT */
/* The parts of a job that the whole worker (test_main) does not reach. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "certs/fetch/fetchrun.h"
#include "certs/fetch/httpcall.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/fetch/standca.h"

#define TEST_FETCHRUN_SAN "URI:athenz://instanceid/p.q/i-1"

static struct standca test_fetchrun_ca;
static struct fetchrun test_fetchrun;

static void test_fetchrun_setup(void)
{
	test_fetchrun = (struct fetchrun){ .started_ns = clk_now_ns() };
	test_fetchrun.job.kind = FETCHJOB_CHECK;
	test_fetchrun.job.conf.timeout_ms = 60000;
}

static void test_fetchrun_teardown(void)
{
	fetchrun_release(&test_fetchrun);
	fetchrun_release(&test_fetchrun); /* again is no harm */
}

static struct fetchfiles_text test_fetchrun_text(const char *text)
{
	return (struct fetchfiles_text){ (uint8_t *)strdup(text), strlen(text) };
}

/* A stored pair of a.b, instance i-1 of p.q. */
static void test_fetchrun_store(const struct standca_spec *spec)
{
	struct fetchfiles *f = &test_fetchrun.files;
	struct standca_pair pair;

	fetchfiles_release(f);
	standca_issue(&test_fetchrun_ca, spec, &pair);
	f->key = test_fetchrun_text(pair.key);
	f->cert = test_fetchrun_text(pair.cert);
	f->ca = test_fetchrun_text(test_fetchrun_ca.pem);
	standca_free_pair(&pair);
	test_fetchrun.result = (struct fetchjob_result){ 0 };
}

static void test_fetchrun_network(void)
{
	CU_ASSERT_TRUE(fetchrun_needs_network(FETCHJOB_IDENTIFY));
	CU_ASSERT_TRUE(fetchrun_needs_network(FETCHJOB_REGISTER));
	CU_ASSERT_TRUE(fetchrun_needs_network(FETCHJOB_REFRESH));
	CU_ASSERT_FALSE(fetchrun_needs_network(FETCHJOB_CHECK));
}

static void test_fetchrun_checks(void)
{
	static const struct standca_spec good = { .cn = "a.b", .san = TEST_FETCHRUN_SAN };
	static const struct standca_spec nameless = { .cn = "a.b" };
	static const struct standca_spec over = { .cn = "a.b",
						  .san = TEST_FETCHRUN_SAN,
						  .to_s = -60 };
	static const struct standca_spec soon = { .cn = "a.b",
						  .san = TEST_FETCHRUN_SAN,
						  .from_s = ZTSCALL_SKEW_S - 20 };
	static const struct standca_spec late = { .cn = "a.b",
						  .san = TEST_FETCHRUN_SAN,
						  .from_s = ZTSCALL_SKEW_S + 20 };
	static const struct {
		const struct standca_spec *spec;
		const char *principal;
		enum pst code;
	} rows[] = {
		{ &good, "", PST_NONE },
		{ &good, "a.b", PST_NONE },
		{ &good, "a.c", PST_PRINCIPAL_UNEXPECTED },
		{ &nameless, "", PST_PAIR_UNUSABLE },
		{ &over, "", PST_CERT_EXPIRED },
		{ &soon, "", PST_NONE },
		{ &late, "", PST_CLOCK_WRONG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fetchjob_self *self = &test_fetchrun.job.self;

		snprintf(self->principal, sizeof(self->principal), "%s", rows[i].principal);
		test_fetchrun_store(rows[i].spec);
		fetchrun_work(&test_fetchrun);
		if (test_fetchrun.result.code != rows[i].code)
			tap_fail(__FILE__, __LINE__, "%zu: PST-%04u %s", i,
				 (unsigned int)test_fetchrun.result.code,
				 test_fetchrun.result.detail);
		CU_ASSERT_STRING_EQUAL(test_fetchrun.result.self.principal, "a.b");
		CU_ASSERT_TRUE(test_fetchrun.result.serial[0] != '\0');
		CU_ASSERT_TRUE(test_fetchrun.result.not_before_wall <
			       test_fetchrun.result.not_after_wall);
	}
}

/* The operator's CA counts for more than the one that lies beside the pair. */
static void test_fetchrun_pin(void)
{
	static const struct standca_spec good = { .cn = "a.b", .san = TEST_FETCHRUN_SAN };
	struct standca other;

	standca_init("other", &other);
	test_fetchrun_store(&good);
	test_fetchrun.files.ca_pin = test_fetchrun_text(other.pem);
	fetchrun_work(&test_fetchrun);
	CU_ASSERT_EQUAL(test_fetchrun.result.code, PST_CERT_UNTRUSTED);
	standca_release(&other);
}

static void test_fetchrun_look_ups(void)
{
	struct certconf *conf = &test_fetchrun.job.conf;

	snprintf(conf->zts_url, sizeof(conf->zts_url), "https://[::1]:1/zts/v1");
	snprintf(conf->sts_url, sizeof(conf->sts_url), "https://sts.{region}.invalid");
	/* These ask nobody for certificates, so no name matters. */
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), 0);
	test_fetchrun.job.kind = FETCHJOB_IDENTIFY;
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), 0);
	test_fetchrun.job.kind = FETCHJOB_REGISTER;
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), -EPERM);
	CU_ASSERT_EQUAL(test_fetchrun.result.code, PST_STS_FAILED);
	CU_ASSERT_TRUE(strstr(test_fetchrun.result.detail, "region") != NULL);
	snprintf(test_fetchrun.job.self.region, FETCHJOB_REGION_MAX, "us-east-1");
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), -EPERM);
	CU_ASSERT_EQUAL(test_fetchrun.result.code, PST_STS_FAILED);
	CU_ASSERT_TRUE(strstr(test_fetchrun.result.detail, "sts.us-east-1.invalid") != NULL);
	conf->sts_address = (struct ip6_endpoint){ IN6ADDR_LOOPBACK_INIT, 4 };
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), 0);
	CU_ASSERT_STRING_EQUAL(test_fetchrun.sts.connect_to, "::[::1]:4");
	conf->sts_address.port = 0;
	conf->credentials = CERTCONF_NO_CREDENTIALS;
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), 0);
	conf->credentials = CERTCONF_ASSUME_ROLE;
	conf->attestation = CERTCONF_TOKEN;
	CU_ASSERT_EQUAL(fetchrun_look_up(&test_fetchrun), 0);
}

/* Nobody answers, and that is a result. */
static void test_fetchrun_no_imds(void)
{
	struct certconf *conf = &test_fetchrun.job.conf;

	test_fetchrun.job.kind = FETCHJOB_IDENTIFY;
	conf->n_imds = 1;
	snprintf(conf->imds[0], sizeof(conf->imds[0]), "http://[::1]:1");
	fetchrun_work(&test_fetchrun);
	CU_ASSERT_EQUAL(test_fetchrun.result.code, PST_IMDS_UNREACHABLE);
}

static void test_fetchrun_starved(void)
{
	test_fetchrun.job.kind = FETCHJOB_IDENTIFY;
	test_fetchrun.job.conf.n_imds = 1;
	snprintf(test_fetchrun.job.conf.imds[0], 64, "http://[::1]:1");
	torture_arm(0);
	fetchrun_work(&test_fetchrun);
	CU_ASSERT_TRUE(torture_disarm());
	CU_ASSERT_EQUAL(test_fetchrun.result.code, PST_FETCH_DIED);
	CU_ASSERT_STRING_EQUAL(test_fetchrun.result.detail, "out of memory");
}

static void test_fetchrun_sends(void)
{
	const struct chan_op *ops;
	struct fetchjob_result got;
	struct fetchjob_part part;
	struct chan_msg msg;
	int pair[2];
	size_t n_ops;

	ops = fetchjob_ops(&n_ops);
	test_fetchrun.pair = (struct ztscall_pair){ strdup("the key"), strdup("the cert"),
						    strdup("the ca") };
	test_fetchrun.result.code = PST_ZTS_BUSY;
	CU_ASSERT_EQUAL(chan_pair(pair), 0);
	CU_ASSERT_EQUAL(fetchrun_send(&test_fetchrun, pair[0]), 0);
	for (int file = FETCHJOB_KEY; file <= FETCHJOB_CA; file++) {
		CU_ASSERT_EQUAL(chan_recv(pair[1], ops, n_ops, &msg), 0);
		CU_ASSERT_EQUAL(fetchjob_decode_part(&msg, &part), 0);
		CU_ASSERT_EQUAL(part.file, (enum fetchjob_file)file);
		CU_ASSERT_EQUAL(memcmp(part.bytes, "the ", 4), 0);
		chan_msg_release(&msg);
	}
	CU_ASSERT_EQUAL(chan_recv(pair[1], ops, n_ops, &msg), 0);
	CU_ASSERT_EQUAL(fetchjob_decode_result(&msg, &got), 0);
	CU_ASSERT_EQUAL(got.code, PST_ZTS_BUSY);
	chan_msg_release(&msg);
	close(pair[1]);
	CU_ASSERT_EQUAL(fetchrun_send(&test_fetchrun, pair[0]), -EPIPE);
	close(pair[0]);
}

/* A reader that never reads. */
static void test_fetchrun_full(void)
{
	static char large[FETCHJOB_CA_MAX + 1];
	int small = 4096;
	int pair[2];

	memset(large, 'x', FETCHJOB_CA_MAX);
	test_fetchrun.pair = (struct ztscall_pair){ strdup("k"), strdup("c"), strdup(large) };
	CU_ASSERT_EQUAL(chan_pair(pair), 0);
	CU_ASSERT_EQUAL(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	CU_ASSERT_EQUAL(fetchrun_send(&test_fetchrun, pair[0]), -ETIMEDOUT);
	close(pair[0]);
	close(pair[1]);
}

/* Reads all that comes; in a child, so that the writer has to wait for it. */
static int test_fetchrun_read_all(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct chan_op *ops;
	struct fetchjob_part part;
	struct chan_msg msg;
	size_t n_ops, len = 0;
	int r = 0;

	ops = fetchjob_ops(&n_ops);
	while (r == 0 && poll(&p, 1, 60000) == 1) {
		r = chan_recv(fd, ops, n_ops, &msg);
		if (r == 0 && fetchjob_decode_part(&msg, &part) == 0)
			len += part.len;
	}
	return len == FETCHJOB_CA_MAX + 2 ? 0 : 1;
}

static void test_fetchrun_waits(void)
{
	static char large[FETCHJOB_CA_MAX + 1];
	int small = 4096;
	int status = -1;
	int pair[2];
	pid_t pid;

	memset(large, 'x', FETCHJOB_CA_MAX);
	test_fetchrun.pair = (struct ztscall_pair){ strdup("k"), strdup("c"), strdup(large) };
	CU_ASSERT_EQUAL(chan_pair(pair), 0);
	CU_ASSERT_EQUAL(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		syscall(SYS_exit_group, test_fetchrun_read_all(pair[1]));
	}
	close(pair[1]);
	CU_ASSERT_EQUAL(fetchrun_send(&test_fetchrun, pair[0]), 0);
	close(pair[0]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static const struct tap_test test_fetchrun_tests[] = {
	{ "who needs a network", test_fetchrun_network },
	{ "checks", test_fetchrun_checks },
	{ "pinned CA", test_fetchrun_pin },
	{ "looks up", test_fetchrun_look_ups },
	{ "no metadata service", test_fetchrun_no_imds },
	{ "out of memory", test_fetchrun_starved },
	{ "sends", test_fetchrun_sends },
	{ "full channel", test_fetchrun_full },
	{ "waits for the reader", test_fetchrun_waits },
	{ 0 },
};

static const struct tap_suite test_fetchrun_suites[] = {
	{ "fetchrun", test_fetchrun_tests, test_fetchrun_setup, test_fetchrun_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r;

	if (httpcall_warm_up() < 0)
		return 2;
	standca_init("test authority", &test_fetchrun_ca);
	r = tap_main(argc, argv, test_fetchrun_suites);
	standca_release(&test_fetchrun_ca);
	return r;
}
