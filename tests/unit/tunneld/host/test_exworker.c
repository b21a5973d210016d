/* SPDX-License-Identifier: MIT */
/* The real worker program against a real TLS server on loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/tunneld/host/exserver.h"
#include "tunneld/host/exworker.h"
#include "tunneld/proto/bind.h"
#include "tunneld/proto/exresp.h"

#define TEST_EXWORKER_WAIT_NS (120 * CLK_NS_PER_S)
#define TEST_EXWORKER_MARK 0x504f

static const struct ip6_prefix test_exworker_hosts = {
	.addr = { .s6_addr = { 0xfd, 1, 2, 3, 4, 5, 6, 7 } }, .len = 64
};

/* Its host address is derived in test_exworker_prepare(), as a configuration server does. */
static struct offer test_exworker_offer = {
	.zone = "prod",
	.gateway_name = "cfg1",
	.gateway_key = { .bytes = { 9 } },
	.gateway_addr = { .s6_addr = { 0xfd, 9 } },
	.endpoints = { { { .s6_addr = { 0x20, 1, 0xd, 0xb8 } }, 51820 } },
	.n_endpoints = 1,
	.routes = { { { .s6_addr = { 0xfd, 9 } }, 128 } },
	.n_routes = 1,
	.mtu = 1280,
	.epoch = 1760000000,
	.renew_after_s = 3600,
	.expires_after_s = 86400,
};

/* What differs from an exchange that succeeds. */
struct test_exworker_case {
	const char *name;
	const char *server; /* name of its certificate; NULL: a silent server */
	const char *host;   /* name of our certificate and key */
	const char *key;    /* name of our key, when it is another */
	const char *ca;     /* file */
	const char *principal;
	const char *head; /* HTTP status and headers; NULL: the connection is closed */
	const char *body; /* NULL: the offer */
	size_t blanks;    /* behind the body */
	int tls_version;
	bool require_post_quantum;
	const char *deny; /* text of the deny-list; NULL: there is none */
	const char *zone; /* that the host believes to be in; NULL: the right one */
	enum pst code;
	const char *detail; /* part of the detail, may be NULL */
};

#define TEST_EXWORKER_OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static const struct test_exworker_case test_exworker_cases[] = {
	{ .name = "granted", .code = PST_NONE },
	{ .name = "address of somebody else", .zone = "other", .code = PST_RESPONSE_ADDRESS },
	{ .name = "our certificate names no instance",
	  .host = "h-none",
	  .code = PST_IDENTITY_FILES },
	{ .name = "silent server", .server = "", .code = PST_EXCHANGE_TIMEOUT, .detail = "TLS" },
	{ .name = "wrong CA", .server = "s-other", .code = PST_CERT_UNTRUSTED },
	{ .name = "wrong principal",
	  .principal = "vespa.other.cfg",
	  .code = PST_PRINCIPAL_UNEXPECTED,
	  .detail = "vespa.vespa.cfg" },
	{ .name = "expired", .server = "s-expired", .code = PST_CERT_EXPIRED },
	{ .name = "not yet valid", .server = "s-not-yet", .code = PST_CERT_EXPIRED },
	{ .name = "server of a role", .server = "s-role", .code = PST_ROLE_CERT },
	{ .name = "denied server", .deny = "principal vespa.vespa.cfg\n", .code = PST_PEER_DENIED },
	{ .name = "another is denied", .deny = "principal vespa.vespa.cfg2\n", .code = PST_NONE },
	{ .name = "bad deny-list",
	  .deny = "# line 1\nvespa.vespa.cfg2\n",
	  .code = PST_DENYLIST_UNUSABLE,
	  .detail = "deny:2: a line is" },
	{ .name = "two common names", .server = "s-two-cn", .code = PST_CN_COUNT },
	{ .name = "our certificate refused", .host = "h-other", .code = PST_CERT_REFUSED },
	{ .name = "our certificate expired", .host = "h-expired", .code = PST_CERT_REFUSED },
	{ .name = "TLS 1.2 only", .tls_version = TLS1_2_VERSION, .code = PST_TLS_HANDSHAKE },
	{ .name = "missing certificate",
	  .host = "absent",
	  .code = PST_IDENTITY_FILES,
	  .detail = "No such file" },
	{ .name = "another's key",
	  .key = "h-other",
	  .code = PST_IDENTITY_FILES,
	  .detail = "belong" },
	{ .name = "CA file without certificate", .ca = "h.key.pem", .code = PST_IDENTITY_FILES },
	{ .name = "body too large", .blanks = EXRESP_BYTES_MAX, .code = PST_BODY_TOO_LARGE },
	{ .name = "bad JSON", .body = "{", .code = PST_JSON_SYNTAX },
	{ .name = "no content type", .head = "HTTP/1.1 200 OK\r\n", .code = PST_CONTENT_TYPE },
	{ .name = "wrong content type",
	  .head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
	  .code = PST_CONTENT_TYPE },
	{ .name = "another program's page",
	  .head = "HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\n",
	  .body = "<html>}",
	  .code = PST_HTTP_STATUS,
	  .detail = "502" },
	{ .name = "no redirects",
	  .head = "HTTP/1.1 302 Found\r\nLocation: https://[::1]:1/\r\n",
	  .code = PST_HTTP_STATUS,
	  .detail = "302" },
	{ .name = "refusal of ours",
	  .head = "HTTP/1.1 429 Later\r\nContent-Type: application/json\r\n",
	  .body = "{\"code\":\"PST-1202\",\"message\":\"slot 7\",\"retry_after_s\":30}",
	  .code = PST_RETRY_LATER,
	  .detail = "slot 7" },
	{ .name = "refusal in our own name",
	  .head = "HTTP/1.1 403 No\r\nContent-Type: application/json\r\n",
	  .body = "{\"code\":\"PST-2001\",\"message\":\"x\"}",
	  .code = PST_HTTP_STATUS,
	  .detail = "403" },
	{ .name = "closed without an answer", .head = "", .code = PST_HTTP_STATUS },
};

static char test_exworker_pki[64];

/* Runs tests/lab/pki @verb DIRECTORY with at most three more words, NULL for none. */
static void test_exworker_make(const char *verb, const char *name, const char *option,
			       const char *value)
{
	char pki[PATH_MAX];
	const char *const argv[] = { pki, verb, tmpdir_get(), name, option, value, NULL };
	int status = -1;
	pid_t pid;

	snprintf(pki, sizeof(pki), "%s/tests/lab/pki", getenv("POSTERN_TEST_SOURCE"));
	if (posix_spawn(&pid, pki, NULL, NULL, (char *const *)argv, environ) == 0)
		waitpid(pid, &status, 0);
	if (status != 0)
		tap_fail(__FILE__, __LINE__, "failed: %s %s", verb, name ? name : "");
}

static void test_exworker_prepare(void)
{
	if (test_exworker_pki[0])
		return;
	snprintf(test_exworker_pki, sizeof(test_exworker_pki), "made");
	test_exworker_make("init", NULL, NULL, NULL);
	test_exworker_make("host", "h", NULL, NULL);
	test_exworker_make("host", "h-other", "--ca", "other");
	test_exworker_make("host", "h-expired", "--expired", NULL);
	test_exworker_make("host", "h-none", "--no-instance", NULL);
	CU_ASSERT_EQUAL(bind_address(&test_exworker_hosts, "prod", "athenz.aws.us-east-1",
				     "i-0123456789abcdef0", &test_exworker_offer.host_addr),
			0);
	test_exworker_make("server", "s", NULL, NULL);
	test_exworker_make("server", "s-other", "--ca", "other");
	test_exworker_make("server", "s-expired", "--expired", NULL);
	test_exworker_make("server", "s-not-yet", "--not-yet", NULL);
	test_exworker_make("server", "s-two-cn", "--two-cn", NULL);
	test_exworker_make("server", "s-role", "--role", NULL);
}

static void test_exworker_path(char path[static EXJOB_PATH_MAX], const char *name,
			       const char *suffix)
{
	snprintf(path, EXJOB_PATH_MAX, "%s/%s%s", tmpdir_get(), name, suffix);
}

static void test_exworker_job(const struct test_exworker_case *c, int port, struct exjob_start *ret)
{
	const char *host = c->host ? c->host : "h";

	*ret = (struct exjob_start){
		.timeout_ms = c->server && !*c->server ? 500 : 60000,
		.require_post_quantum = c->require_post_quantum,
		.hosts_prefix = test_exworker_hosts,
		.request = { .public_key = { .bytes = { 7 } },
			     .hostname = "h1",
			     .software = "postern/0",
			     .boot_id = "01234567-89ab-cdef-0123-456789abcdef" },
	};
	snprintf(ret->authority, sizeof(ret->authority), "[::1]:%d", port);
	snprintf(ret->principal, sizeof(ret->principal), "%s",
		 c->principal ? c->principal : "vespa.vespa.cfg");
	snprintf(ret->zone, sizeof(ret->zone), "%s", c->zone ? c->zone : "prod");
	test_exworker_path(ret->cert, host, ".cert.pem");
	test_exworker_path(ret->key, c->key ? c->key : host, ".key.pem");
	test_exworker_path(ret->ca, c->ca ? c->ca : "ca.pem", "");
	if (!c->deny)
		return;
	CU_ASSERT_EQUAL(tmpdir_write("deny", c->deny, strlen(c->deny)), 0);
	test_exworker_path(ret->deny_file, "deny", "");
}

static int test_exworker_begin(struct exworker *w, const struct exjob_start *job, int port)
{
	struct ip6_endpoint to = { .addr = IN6ADDR_LOOPBACK_INIT, .port = (uint16_t)port };

	exworker_init(w);
	return exworker_start(w, job, &to, TEST_EXWORKER_MARK, clk_now_ns());
}

/* Waits for the end, at most for a time that no case needs. */
static void test_exworker_end(struct exworker *w, struct exjob_result *ret)
{
	uint64_t deadline_ns = clk_now_ns() + TEST_EXWORKER_WAIT_NS;

	while (exworker_finish(w, clk_now_ns(), ret) == EXWORKER_E_RUNNING) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };

		if (clk_now_ns() > deadline_ns || poll(&p, 1, 1000) < 0) {
			tap_fail(__FILE__, __LINE__, "no end");
			exworker_stop(w);
			return;
		}
	}
	CU_ASSERT_EQUAL(w->pid, 0);
	CU_ASSERT_EQUAL(w->fd, -1);
}

static char *test_exworker_reply(const struct test_exworker_case *c, size_t *ret_len)
{
	char *offer = NULL, *reply = NULL;
	const char *body = c->body;
	int n;

	CU_ASSERT_EQUAL(exresp_encode(&test_exworker_offer, &offer), 0);
	if (!body)
		body = offer;
	n = asprintf(&reply, "%sContent-Length: %zu\r\n\r\n%s%*s",
		     c->head ? c->head : TEST_EXWORKER_OK, strlen(body) + c->blanks, body,
		     (int)c->blanks, "");
	free(offer);
	*ret_len = n < 0 ? 0 : (size_t)n;
	return reply;
}

/* The same key on both ends, or the tunnel would be dead. */
static void test_exworker_check_grant(struct exserver *server, const struct exjob_result *result)
{
	struct bind_psk_input in = {
		.host_key = { .bytes = { 7 } },
		.gateway_key = test_exworker_offer.gateway_key,
		.host_addr = test_exworker_offer.host_addr,
		.epoch = test_exworker_offer.epoch,
	};
	struct secret exported, psk;

	CU_ASSERT_TRUE(exserver_exported(server, &exported));
	CU_ASSERT_EQUAL(bind_psk(&exported, &in, &psk), 0);
	CU_ASSERT_TRUE(secret_equal(&psk, &result->psk));
	CU_ASSERT_STRING_EQUAL(result->offer.zone, "prod");
	CU_ASSERT_TRUE(strstr(result->group, "25519") != NULL);
	CU_ASSERT_TRUE(result->connect_us <= result->tls_us && result->tls_us < result->total_us);
}

static void test_exworker_try(const struct test_exworker_case *c)
{
	char cert[EXJOB_PATH_MAX], key[EXJOB_PATH_MAX], ca[EXJOB_PATH_MAX];
	struct exserver_spec spec = { .tls_version = c->tls_version ? c->tls_version :
								      TLS1_3_VERSION };
	struct exjob_result result = { .code = PST_NETLINK };
	struct exserver server;
	struct exjob_start job;
	struct exworker worker;
	char *reply = test_exworker_reply(c, &spec.reply_len);

	test_exworker_path(cert, c->server ? c->server : "s", ".cert.pem");
	test_exworker_path(key, c->server ? c->server : "s", ".key.pem");
	test_exworker_path(ca, "ca.pem", "");
	if (!c->server || *c->server) {
		spec.cert = cert;
		spec.key = key;
		spec.ca = ca;
		spec.reply = c->head && !*c->head ? NULL : reply;
	}
	exserver_start(&spec, &server);
	test_exworker_job(c, server.port, &job);
	CU_ASSERT_EQUAL(test_exworker_begin(&worker, &job, server.port), 0);
	test_exworker_end(&worker, &result);
	if (result.code != c->code || (c->detail && !strstr(result.detail, c->detail)))
		tap_fail(__FILE__, __LINE__, "%s: PST-%04u %s", c->name, (unsigned int)result.code,
			 result.detail);
	if (result.code == PST_NONE)
		test_exworker_check_grant(&server, &result);
	CU_ASSERT_EQUAL(result.retry_after_s, c->code == PST_RETRY_LATER ? 30 : 0);
	exserver_stop(&server);
	free(reply);
}

static bool test_exworker_can_run(void)
{
	if (geteuid() != 0) {
		tap_skip("needs root: SO_MARK takes CAP_NET_ADMIN");
		return false;
	}
	test_exworker_prepare();
	return true;
}

static void test_exworker_every_case(void)
{
	if (!test_exworker_can_run())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(test_exworker_cases); i++)
		test_exworker_try(&test_exworker_cases[i]);
}

static void test_exworker_post_quantum(void)
{
	struct test_exworker_case c = { .name = "post-quantum", .require_post_quantum = true };

	if (!test_exworker_can_run())
		return;
	c.code = OpenSSL_version_num() < 0x30500000L ? PST_PQ_REQUIRED : PST_NONE;
	test_exworker_try(&c);
}

/* Loopback may refuse at once or when the worker looks. */
static void test_exworker_refused(void)
{
	static const struct exserver_spec silent = { 0 };
	struct test_exworker_case c = { 0 };
	struct exjob_result result = { 0 };
	struct exserver server;
	struct exjob_start job;
	struct exworker w;
	int r;

	if (!test_exworker_can_run())
		return;
	exserver_start(&silent, &server);
	exserver_stop(&server); /* its port is closed now */
	test_exworker_job(&c, server.port, &job);
	r = test_exworker_begin(&w, &job, server.port);
	if (r == 0) {
		test_exworker_end(&w, &result);
		CU_ASSERT_EQUAL(result.code, PST_TCP_CONNECT);
	} else {
		CU_ASSERT_EQUAL(r, -ECONNREFUSED);
		CU_ASSERT_EQUAL(w.pid, 0);
	}
}

/* A worker that waits for a silent server, for the tests that look at it. */
static void test_exworker_hang(struct exserver *server, struct exworker *w)
{
	static const struct exserver_spec silent = { 0 };
	static const struct test_exworker_case c = { 0 };
	struct exjob_start job;

	exserver_start(&silent, server);
	test_exworker_job(&c, server->port, &job);
	CU_ASSERT_EQUAL(test_exworker_begin(w, &job, server->port), 0);
}

static void test_exworker_killed(void)
{
	struct exjob_result result = { 0 };
	struct exserver server;
	struct exworker w;

	if (!test_exworker_can_run())
		return;
	test_exworker_hang(&server, &w);
	kill(w.pid, SIGKILL);
	test_exworker_end(&w, &result);
	CU_ASSERT_EQUAL(result.code, PST_WORKER_DIED);
	CU_ASSERT_TRUE(strstr(result.detail, "signal 9") != NULL);
	exserver_stop(&server);
}

static void test_exworker_late(void)
{
	struct exjob_result result = { 0 };
	struct ip6_endpoint to = { .addr = IN6ADDR_LOOPBACK_INIT, .port = 1 };
	struct exjob_start job = { 0 };
	struct exserver server;
	struct exworker w;
	pid_t pid;

	if (!test_exworker_can_run())
		return;
	test_exworker_hang(&server, &w);
	pid = w.pid;
	CU_ASSERT_EQUAL(exworker_start(&w, &job, &to, TEST_EXWORKER_MARK, 0), -EBUSY);
	CU_ASSERT_EQUAL(exworker_finish(&w, w.deadline_ns - 1, &result), EXWORKER_E_RUNNING);
	CU_ASSERT_EQUAL(exworker_finish(&w, w.deadline_ns, &result), 0);
	CU_ASSERT_EQUAL(result.code, PST_EXCHANGE_TIMEOUT);
	CU_ASSERT_EQUAL(kill(pid, 0), -1);
	CU_ASSERT_EQUAL(exworker_finish(&w, 0, &result), EXWORKER_E_IDLE);
	exworker_stop(&w);
	exserver_stop(&server);
}

/* A line of /proc/PID/status, "" while it is not there. */
static void test_exworker_proc(pid_t pid, const char *key, char *ret, size_t cap)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	ret[0] = '\0';
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			snprintf(ret, cap, "%s", line + strlen(key));
	if (f)
		fclose(f);
}

static void test_exworker_has_no_power(void)
{
	static const char *const want[][2] = {
		{ "CapEff:", "\t0000000000000000\n" },        { "CapPrm:", "\t0000000000000000\n" },
		{ "CapBnd:", "\t0000000000000000\n" },        { "NoNewPrivs:", "\t1\n" },
		{ "Uid:", "\t65534\t65534\t65534\t65534\n" },
	};
	uint64_t deadline_ns = clk_now_ns() + TEST_EXWORKER_WAIT_NS;
	struct exserver server;
	struct exworker w;
	char text[256] = "";

	if (!test_exworker_can_run())
		return;
	test_exworker_hang(&server, &w);
	while (strcmp(text, "\t2\n") && clk_now_ns() < deadline_ns) {
		test_exworker_proc(w.pid, "Seccomp:", text, sizeof(text));
		poll(NULL, 0, 1);
	}
	CU_ASSERT_STRING_EQUAL(text, "\t2\n");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		test_exworker_proc(w.pid, want[i][0], text, sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, want[i][1]);
	}
	exworker_stop(&w);
	exserver_stop(&server);
}

/* A worker that answers with something else, or cannot be started. */
static void test_exworker_liar(void)
{
	static const char script[] = "#!/bin/sh\nprintf x >&3\nexec sleep 60\n";
	struct exjob_result result = { 0 };
	char path[PATH_MAX], good[PATH_MAX];
	struct exserver server;
	struct exworker w;

	if (!test_exworker_can_run())
		return;
	snprintf(good, sizeof(good), "%s", getenv("POSTERN_LIBEXECDIR"));
	setenv("POSTERN_LIBEXECDIR", tmpdir_get(), 1);
	CU_ASSERT_EQUAL(tmpdir_write("tunneld-exchange", script, sizeof(script) - 1), 0);
	CU_ASSERT_EQUAL(chmod(tmpdir_path(path, "tunneld-exchange"), 0700), 0);
	test_exworker_hang(&server, &w);
	test_exworker_end(&w, &result);
	CU_ASSERT_EQUAL(result.code, PST_WORKER_FRAME);
	exserver_stop(&server);
	setenv("POSTERN_LIBEXECDIR", good, 1);
}

static const struct tap_test test_exworker_tests[] = {
	{ "every case", test_exworker_every_case },
	{ "post-quantum", test_exworker_post_quantum },
	{ "refused", test_exworker_refused },
	{ "killed", test_exworker_killed },
	{ "late", test_exworker_late },
	{ "has no power", test_exworker_has_no_power },
	{ "liar", test_exworker_liar },
	{ 0 },
};

static const struct tap_suite test_exworker_suites[] = {
	{ "exworker", test_exworker_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	char dir[PATH_MAX];

	if (!getenv("POSTERN_TEST_BUILD") || !getenv("POSTERN_TEST_SOURCE")) {
		fputs("not run by meson: POSTERN_TEST_BUILD, POSTERN_TEST_SOURCE are unset\n",
		      stderr);
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/tunneld/exchange", getenv("POSTERN_TEST_BUILD"));
	setenv("POSTERN_LIBEXECDIR", dir, 1);
	/* The leak check at the end of the worker would break its sandbox. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	return tap_main(argc, argv, test_exworker_suites);
}
