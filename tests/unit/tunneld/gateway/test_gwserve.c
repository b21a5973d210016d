/* SPDX-License-Identifier: MIT */
/*
 * A real gatewayd-worker, in its sandbox, between a client that the test controls and a keeper
 * that is the test: each bad input is refused with its code and no grant is asked for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "common/spawn.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/tunneld/gateway/client.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/gwserve.h"
#include "tunneld/gateway/starter.h"
#include "tunneld/proto/bind.h"
#include "tunneld/proto/exreq.h"
#include "tunneld/proto/exresp.h"
#include "tunneld/proto/gwframe.h"

#define TEST_DEADLINE_MS 60000 /* for anything that must come */
#define TEST_SOON_MS 200       /* for what must not come */
/* request_timeout_ms of the worker: far above what a test takes, but one waits for it, with a body
 * that is far too large. */
#define TEST_REQUEST_MS 10000
#define TEST_SLOW_MS 700 /* the same where the limit itself is tried */
#define TEST_CONNS_MAX 4
#define TEST_CONNS_PER_SOURCE 3

static char test_worker_path[PATH_MAX], test_pki_path[PATH_MAX];
static char test_dir[PATH_MAX - 64], test_conf[PATH_MAX];
static struct gwconf *test_gwconf;
static int test_chan = -1;
static uint16_t test_port;
static pid_t test_pid;
#define TEST_DENIED "i-666"
#define TEST_ROLE "vespa.tenant.acme.aws-123456789012:role.tenant-host"

static const struct wgkey test_gateway_key = { { 9 } };

/* ---- set-up ---- */

static void test_die(const char *what)
{
	perror(what);
	exit(2);
}

static void test_run(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		test_die(argv[2]);
}

static void test_make_certificates(void)
{
	static const char *const rows[][6] = {
		{ "server", "cfg1" },
		{ "host", "good" },
		{ "host", "expired", "--expired" },
		{ "host", "early", "--not-yet" },
		{ "host", "foreign", "--ca", "other" },
		{ "host", "twins", "--two-cn" },
		{ "host", "role", "--role", "--service", "other" },
		{ "host", "reader", "--role" },
		{ "host", "denied", "--instance", TEST_DENIED },
		{ "host", "stray", "--no-instance" },
		{ "host", "cloud", "--provider", "athenz.other" },
		{ "host", "tenant", "--tenant", "evil" },
	};
	const char *init[] = { "/bin/bash", test_pki_path, "init", test_dir, NULL };

	test_run(init);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *argv[] = { "/bin/bash", test_pki_path, rows[i][0], test_dir, rows[i][1],
				       rows[i][2],  rows[i][3],    rows[i][4], NULL };

		test_run(argv);
	}
}

static void test_write_conf(int request_ms)
{
	static char text[8192];
	struct conf_error error;
	int n = snprintf(
		text, sizeof(text),
		"[gateway]\nname = cfg1\nzone = prod\nendpoints = [2001:db8:c::1]:51820\n"
		"address = fd12:3456:789a::1\nhosts_prefix = fd12:3456:789a:1::/64\n"
		"providers = " GWFIXTURE_PROVIDER "\nrequest_timeout_ms = %d\nconns_max = %d\n"
		"conns_per_source = %d\n"
		"[identity]\ncert = %s/cfg1.cert.pem\nkey = %s/cfg1.key.pem\nca = %s/ca.pem\n"
		"deny_file = %s/deny\n[tenants]\nallow = " GWFIXTURE_TENANT
		"\nallow_roles = " TEST_ROLE "\n",
		request_ms, TEST_CONNS_MAX, TEST_CONNS_PER_SOURCE, test_dir, test_dir, test_dir,
		test_dir);
	static const char deny[] = "instance " TEST_DENIED "\n";

	gwconf_free(test_gwconf);
	test_gwconf = NULL;
	if (tmpdir_write("gateway.conf", text, (size_t)n) < 0 ||
	    tmpdir_write("deny", deny, sizeof(deny) - 1) < 0 ||
	    gwconf_load(tmpdir_path(test_conf, "gateway.conf"), &test_gwconf, &error) < 0)
		test_die("gateway.conf");
}

static int test_listen(void)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), off = 0;

	/* Listening already: what comes before the worker is ready waits for it. */
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		test_die("listen");
	test_port = ntohs(sa.sin6_port);
	return fd;
}

static void test_make_files(void)
{
	if (*test_dir)
		return;
	snprintf(test_dir, sizeof(test_dir), "%s", tmpdir_get());
	test_make_certificates();
	test_write_conf(TEST_REQUEST_MS);
}

static void test_start(int request_ms)
{
	const char *const argv[] = { "gatewayd-worker", "--config", test_conf, NULL };
	struct gwframe_hello hello = { .gateway_key = test_gateway_key };
	struct spawn_spec spec = { .path = test_worker_path, .argv = argv };
	struct chan_msg msg;
	int pair[2];

	test_make_files();
	test_write_conf(request_ms);
	if (chan_pair(pair) < 0)
		test_die("chan_pair");
	spec.chan_fd = pair[1];
	spec.extra_fd = test_listen();
	if (spawn_start(&spec, &test_pid) < 0)
		test_die(test_worker_path);
	close(pair[1]);
	close(spec.extra_fd);
	test_chan = pair[0];
	if (gwframe_encode_hello(0, &hello, &msg) < 0 || chan_send(test_chan, &msg) < 0)
		test_die("hello");
}

static void test_setup(void)
{
	test_start(TEST_REQUEST_MS);
}

static void test_slow_setup(void)
{
	test_start(TEST_SLOW_MS);
}

/* The worker ends with its keeper, and in good order. */
static void test_teardown(void)
{
	int status = -1;

	closep(&test_chan);
	CU_ASSERT_EQUAL(waitpid(test_pid, &status, 0), test_pid);
	if (status != 0)
		tap_fail(__FILE__, __LINE__, "the worker ended with wait status %d", status);
}

/* ---- the keeper's side ---- */

/* Waits for the next frame; false when none comes. */
static bool test_receive(struct chan_msg *msg, int ms)
{
	struct pollfd p = { .fd = test_chan, .events = POLLIN };
	size_t n_ops;
	const struct chan_op *ops = gwframe_ops(&n_ops);

	return poll(&p, 1, ms) == 1 && chan_recv(test_chan, ops, n_ops, msg) == 0;
}

/* The next frame counts @code, and nothing was granted. */
static void test_expect_count(enum pst code, const char *what)
{
	struct gwframe_count count = { .code = PST_NONE };
	struct chan_msg msg = { .fd = -1 };

	if (!test_receive(&msg, TEST_DEADLINE_MS))
		tap_fail(__FILE__, __LINE__, "%s: not counted", what);
	else if (msg.op->type != GWFRAME_COUNT || gwframe_decode_count(&msg, &count) < 0)
		tap_fail(__FILE__, __LINE__, "%s: a frame of type %u instead of a count", what,
			 msg.op->type);
	else if (count.code != code)
		tap_fail(__FILE__, __LINE__, "%s: counted as PST-%04u, not PST-%04u", what,
			 (unsigned int)count.code, (unsigned int)code);
	CU_ASSERT_FALSE(test_receive(&msg, 0));
}

static void test_answer(uint32_t seq, enum pst code, uint32_t retry_after_s)
{
	struct gwframe_answer answer = { .code = code, .retry_after_s = retry_after_s };
	struct chan_msg msg;

	CU_ASSERT_EQUAL(gwframe_encode_answer(seq, &answer, &msg), 0);
	CU_ASSERT_EQUAL(chan_send(test_chan, &msg), 0);
}

/* ---- the client's side ---- */

/* A request for @path with the @len bytes of @body. */
static struct client_reply test_post(const char *who, const char *path, const char *type,
				     const char *body, size_t len)
{
	struct client_reply reply = { .status = 0 };
	struct client c = { .fd = -1 };
	char head[512];
	int n = snprintf(
		head, sizeof(head),
		"POST %s HTTP/1.1\r\nHost: cfg1\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		path, type, len);

	if (client_connect(&c, test_port) && client_shake(&c, test_dir, who, TLS1_3_VERSION) &&
	    client_write(&c, head, (size_t)n)) {
		(void)client_write(&c, body, len); /* may be cut off with an answer */
		reply = client_read(&c);
	}
	client_close(&c);
	return reply;
}

static void test_expect_error(const struct client_reply *reply, int status, enum pst code,
			      const char *what)
{
	struct exresp_error error = { .code = PST_NONE };
	const char *body = client_body(reply);

	if (exresp_decode_error(body, strlen(body), &error) < 0)
		tap_fail(__FILE__, __LINE__, "%s: not an error body: '%.80s'", what, reply->text);
	if (reply->status != status || error.code != code)
		tap_fail(__FILE__, __LINE__, "%s: %d with PST-%04u, expected %d with PST-%04u",
			 what, reply->status, (unsigned int)error.code, status, (unsigned int)code);
	if (strcasestr(reply->text, "\r\nserver:"))
		tap_fail(__FILE__, __LINE__, "%s: the server tells its name", what);
}

static const char test_key[] = "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/* A request body with @key; @more goes in front of the closing brace. Static. */
static const char *test_body(const char *key, const char *more)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		 "{\"version\":1,\"public_key\":\"%s\",\"hostname\":\"h1\",\"software\":\"t/1\","
		 "\"boot_id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"%s}",
		 key, more);
	return text;
}

/* ---- tests ---- */

static void test_open(struct client *c, const char *who, const char *body)
{
	char text[2048];
	int n = snprintf(text, sizeof(text),
			 "POST " GWSERVE_PATH
			 " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; "
			 "charset=UTF-8\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(body), body);

	CU_ASSERT_TRUE(client_connect(c, test_port));
	CU_ASSERT_TRUE(client_shake(c, test_dir, who, TLS1_3_VERSION));
	CU_ASSERT_TRUE(client_write(c, text, (size_t)n));
}

static void test_open_good(struct client *c, const char *body)
{
	test_open(c, "good", body);
}

/* The host derives the same PSK from its end of the same TLS session. */
static void test_check_grant(const struct gwframe_grant *grant, SSL *ssl)
{
	struct bind_psk_input in = { .host_key = { { 9 } }, .gateway_key = test_gateway_key };
	struct secret exported, psk = { 0 };
	uint64_t now = clk_now_wall();

	CU_ASSERT_STRING_EQUAL(grant->principal, GWFIXTURE_TENANT);
	CU_ASSERT_STRING_EQUAL(grant->provider, GWFIXTURE_PROVIDER);
	CU_ASSERT_STRING_EQUAL(grant->instance_id, "i-0123456789abcdef0");
	CU_ASSERT_TRUE(grant->epoch <= now && grant->epoch + 10 > now);
	CU_ASSERT_TRUE(grant->cert_expires_wall > now);
	CU_ASSERT_EQUAL(bind_address(&test_gwconf->hosts_prefix, "prod", GWFIXTURE_PROVIDER,
				     "i-0123456789abcdef0", &in.host_addr),
			0);
	CU_ASSERT_TRUE(ip6_addr_equal(&in.host_addr, &grant->host_addr));
	in.epoch = grant->epoch;
	CU_ASSERT_EQUAL(bind_export(ssl, &exported), 0);
	CU_ASSERT_EQUAL(bind_psk(&exported, &in, &psk), 0);
	CU_ASSERT_TRUE(secret_equal(&psk, &grant->psk));
}

static void test_gwserve_grants(void)
{
	struct client c = { .fd = -1 };
	struct gwframe_grant grant = { .epoch = 0 };
	struct chan_msg msg = { .fd = -1 };
	struct offer offer = { .epoch = 0 };
	struct client_reply reply;
	enum pst code;

	test_open_good(&c, test_body(test_key, ""));
	CU_ASSERT_TRUE(test_receive(&msg, TEST_DEADLINE_MS));
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &grant), 0);
	test_check_grant(&grant, c.ssl);
	test_answer(msg.seq, PST_NONE, 0);
	reply = client_read(&c);
	CU_ASSERT_EQUAL(reply.status, 200);
	CU_ASSERT_EQUAL(
		exresp_decode(client_body(&reply), strlen(client_body(&reply)), &offer, &code), 0);
	CU_ASSERT_EQUAL(offer.epoch, grant.epoch);
	CU_ASSERT_TRUE(ip6_addr_equal(&offer.host_addr, &grant.host_addr));
	CU_ASSERT_TRUE(wgkey_equal(&offer.gateway_key, &test_gateway_key));
	CU_ASSERT_STRING_EQUAL(offer.zone, "prod");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.text, "Connection: close"));
	CU_ASSERT_PTR_NULL(strcasestr(reply.text, "\r\nserver:"));
	CU_ASSERT_FALSE(SSL_SESSION_is_resumable(SSL_get_session(c.ssl)));
	client_close(&c);
}

/* The certificate of a role that is configured: served as the principal who acts in it. */
static void test_gwserve_grants_role(void)
{
	struct client c = { .fd = -1 };
	struct gwframe_grant grant = { .epoch = 0 };
	struct chan_msg msg = { .fd = -1 };

	test_open(&c, "reader", test_body(test_key, ""));
	CU_ASSERT_TRUE(test_receive(&msg, TEST_DEADLINE_MS));
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &grant), 0);
	test_check_grant(&grant, c.ssl);
	test_answer(msg.seq, PST_NONE, 0);
	CU_ASSERT_EQUAL(client_read(&c).status, 200);
	client_close(&c);
}

static void test_gwserve_passes_refusals_on(void)
{
	static const struct {
		enum pst code;
		uint32_t retry_after_s;
		int status;
	} rows[] = {
		{ PST_KEY_TAKEN, 0, 409 },       { PST_ADDRESS_TAKEN, 0, 409 },
		{ PST_GATEWAY_BUSY, 7, 503 },    { PST_STORE_FAILED, 10, 503 },
		{ PST_GATEWAY_KERNEL, 11, 503 }, { PST_TENANT_DENIED, 0, 403 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct client c = { .fd = -1 };
		struct chan_msg msg = { .fd = -1 };
		struct client_reply reply;
		char header[40] = "";

		test_open_good(&c, test_body(test_key, ""));
		CU_ASSERT_TRUE(test_receive(&msg, TEST_DEADLINE_MS));
		test_answer(msg.seq, rows[i].code, rows[i].retry_after_s);
		reply = client_read(&c);
		test_expect_error(&reply, rows[i].status, rows[i].code, "refused by the keeper");
		if (rows[i].retry_after_s)
			snprintf(header, sizeof(header), "Retry-After: %u\r\n",
				 rows[i].retry_after_s);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply.text, header));
		client_close(&c);
	}
}

/* A client that leaves while the keeper works is no harm. */
static void test_gwserve_client_leaves(void)
{
	struct client c = { .fd = -1 };
	struct chan_msg msg = { .fd = -1 };

	test_open_good(&c, test_body(test_key, ""));
	CU_ASSERT_TRUE(test_receive(&msg, TEST_DEADLINE_MS));
	client_close(&c);
	test_answer(msg.seq, PST_NONE, 0);
	test_gwserve_grants();
}

static void test_gwserve_bad_bodies(void)
{
	static char large[100 * 1024];
	const char *good = test_body(test_key, "");
	static char edge[EXREQ_BYTES_MAX + 2];
	const struct {
		const char *what, *body;
		size_t len; /* 0 = strlen */
		int status;
		enum pst code;
	} rows[] = {
		{ "one byte over", edge, EXREQ_BYTES_MAX + 1, 413, PST_BODY_TOO_LARGE },
		{ "far too large", large, sizeof(large), 413, PST_BODY_TOO_LARGE },
		{ "at the limit, but blank", edge, EXREQ_BYTES_MAX, 400, PST_JSON_SYNTAX },
		{ "empty", "", 0, 400, PST_JSON_SYNTAX },
		{ "truncated", good, strlen(good) - 1, 400, PST_JSON_SYNTAX },
		{ "not UTF-8", "{\"version\":1,\"public_key\":\"\xff\xfe\"}", 0, 400,
		  PST_JSON_SYNTAX },
		{ "array", "[1]", 0, 400, PST_JSON_MEMBER },
		{ "no members", "{}", 0, 400, PST_JSON_MEMBER },
		{ "duplicate", "{\"version\":1,\"version\":1}", 0, 400, PST_JSON_DUPLICATE },
		{ "unknown member", "{\"version\":1,\"admin\":true}", 0, 400, PST_JSON_UNKNOWN },
		{ "deep", "{\"version\":[[[[[[[[[[1]]]]]]]]]]}", 0, 400, PST_JSON_DEPTH },
	};

	memset(large, ' ', sizeof(large));
	memset(edge, ' ', sizeof(edge));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = rows[i].len ? rows[i].len : strlen(rows[i].body);
		struct client_reply reply = test_post("good", GWSERVE_PATH, "application/json",
						      rows[i].body, len);

		test_expect_error(&reply, rows[i].status, rows[i].code, rows[i].what);
		test_expect_count(rows[i].code, rows[i].what);
	}
}

static void test_gwserve_bad_values(void)
{
	static const struct {
		const char *what, *key, *more;
		enum pst code;
	} rows[] = {
		{ "not canonical", "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", "",
		  PST_KEY_FORMAT },
		{ "short", "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "", PST_KEY_FORMAT },
		{ "url alphabet", "-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "",
		  PST_KEY_FORMAT },
		{ "zero", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", PST_KEY_WEAK },
		{ "one", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", PST_KEY_WEAK },
		{ "low order", "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=", "", PST_KEY_WEAK },
		{ "unknown member", test_key, ",\"root\":1", PST_JSON_UNKNOWN },
	};
	const char *version_2 = "{\"version\":2,\"public_key\":\"\",\"hostname\":\"h\","
				"\"software\":\"s\",\"boot_id\":\"\"}";
	struct client_reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *body = test_body(rows[i].key, rows[i].more);

		reply = test_post("good", GWSERVE_PATH, "application/json", body, strlen(body));
		test_expect_error(&reply, 400, rows[i].code, rows[i].what);
		test_expect_count(rows[i].code, rows[i].what);
	}
	reply = test_post("good", GWSERVE_PATH, "application/json", version_2, strlen(version_2));
	test_expect_error(&reply, 400, PST_PROTOCOL_VERSION, "version 2");
	test_expect_count(PST_PROTOCOL_VERSION, "version 2");
}

static void test_gwserve_bad_types(void)
{
	static const char *const types[] = {
		"text/plain",
		"application/jsonx",
		"application/json; charset=latin1",
		"application/json; charset=utf-8; x=1",
		"application/json x",
		"",
	};
	const char *body = test_body(test_key, "");

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct client_reply reply = test_post("good", GWSERVE_PATH, types[i], body,
						      strlen(body));

		test_expect_error(&reply, 415, PST_CONTENT_TYPE, types[i]);
		test_expect_count(PST_CONTENT_TYPE, types[i]);
	}
}

/* Sends @text as it is; the reply goes to *@ret. */
static void test_raw(const char *text, struct client_reply *ret)
{
	struct client c = { .fd = -1 };

	CU_ASSERT_TRUE(client_connect(&c, test_port));
	CU_ASSERT_TRUE(client_shake(&c, test_dir, "good", TLS1_3_VERSION));
	CU_ASSERT_TRUE(client_write(&c, text, strlen(text)));
	*ret = client_read(&c);
	client_close(&c);
}

static void test_gwserve_bad_requests(void)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{ "GET " GWSERVE_PATH " HTTP/1.1\r\nHost: x\r\n\r\n", 405 },
		{ "DELETE " GWSERVE_PATH " HTTP/1.1\r\nHost: x\r\n\r\n", 405 },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404 },
		{ "POST " GWSERVE_PATH "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404 },
		{ "POST " GWSERVE_PATH "?x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404 },
	};
	struct client_reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_raw(rows[i].text, &reply);
		test_expect_error(&reply, rows[i].status, PST_HTTP_REQUEST, rows[i].text);
		CU_ASSERT_EQUAL(!strstr(reply.text, "\r\nAllow: POST\r\n"), rows[i].status != 405);
		test_expect_count(PST_HTTP_REQUEST, rows[i].text);
	}
	test_raw("rubbish\r\n\r\n", &reply);
	CU_ASSERT_EQUAL(reply.status, 400);
	test_expect_count(PST_HTTP_REQUEST, "not HTTP");
}

static void test_gwserve_request_is_cut(void)
{
	static const char text[] = "POST " GWSERVE_PATH " HTTP/1.1\r\nContent-Length: 100\r\n\r\n{";
	struct client c = { .fd = -1 };

	CU_ASSERT_TRUE(client_connect(&c, test_port));
	CU_ASSERT_TRUE(client_shake(&c, test_dir, "good", TLS1_3_VERSION));
	CU_ASSERT_TRUE(client_write(&c, text, sizeof(text) - 1));
	client_close(&c);
	test_expect_count(PST_HTTP_REQUEST, "cut in its body");
}

static void test_gwserve_certificates(void)
{
	static const struct {
		const char *who; /* NULL = none */
		int status;      /* 0 = refused by TLS, without an answer */
		enum pst code;
	} rows[] = {
		{ NULL, 0, PST_CERT_MISSING },        { "expired", 0, PST_CERT_EXPIRED },
		{ "early", 0, PST_CERT_EXPIRED },     { "foreign", 0, PST_CERT_UNTRUSTED },
		{ "twins", 403, PST_CN_COUNT },       { "role", 403, PST_ROLE_CERT },
		{ "stray", 403, PST_INSTANCE_ID },    { "cloud", 403, PST_PROVIDER_DENIED },
		{ "tenant", 403, PST_TENANT_DENIED }, { "denied", 403, PST_PEER_DENIED },
	};
	const char *body = test_body(test_key, "");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *what = rows[i].who ? rows[i].who : "none";
		struct client_reply reply = test_post(rows[i].who, GWSERVE_PATH, "application/json",
						      body, strlen(body));

		if (rows[i].status)
			test_expect_error(&reply, rows[i].status, rows[i].code, what);
		else
			CU_ASSERT_EQUAL(reply.status, 0);
		test_expect_count(rows[i].code, what);
	}
}

static void test_gwserve_old_tls(void)
{
	struct client c = { .fd = -1 };

	CU_ASSERT_TRUE(client_connect(&c, test_port));
	CU_ASSERT_FALSE(client_shake(&c, test_dir, "good", TLS1_2_VERSION));
	client_close(&c);
	test_expect_count(PST_TLS_HANDSHAKE, "TLS 1.2");
}

/* Waits until the other end cuts the connection, sending @drip again and again meanwhile. Gives
 * whether it does. */
static bool test_drip(struct client *c, const char *drip)
{
	uint64_t end = clk_now_ns() + TEST_DEADLINE_MS * CLK_NS_PER_MS;

	while (!client_is_readable(c, 20)) {
		if (clk_now_ns() > end)
			return false;
		if (*drip && !client_write(c, drip, 1))
			break;
	}
	return true;
}

/* @start: before it connected. */
static void test_expect_cut(struct client *c, const char *drip, uint64_t start, const char *what)
{
	bool cut = test_drip(c, drip);
	uint64_t ms = (clk_now_ns() - start) / CLK_NS_PER_MS;

	if (!cut || ms < TEST_SLOW_MS / 2)
		tap_fail(__FILE__, __LINE__, "%s: %d after %llu ms", what, cut,
			 (unsigned long long)ms);
	test_expect_count(PST_SLOW_REQUEST, what);
	client_close(c);
}

static void test_gwserve_slow(void)
{
	static const char head[] = "POST " GWSERVE_PATH
				   " HTTP/1.1\r\nContent-Type: application/json\r\n"
				   "Content-Length: 4000\r\n\r\n";
	static const struct {
		const char *request, *drip, *what;
	} rows[] = {
		{ NULL, "", "never begins TLS" },
		{ "", "", "never sends a request" },
		{ "", "P", "drips its request line" },
		{ head, " ", "drips its body" },
	};

	/* A machine that is too slow for the handshake has its connection cut, too. */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t start = clk_now_ns();
		struct client c = { .fd = -1 };
		const char *request = rows[i].request;

		CU_ASSERT_TRUE(client_connect(&c, test_port));
		if (request && client_shake(&c, test_dir, "good", TLS1_3_VERSION))
			(void)client_write(&c, request, strlen(request));
		test_expect_cut(&c, rows[i].drip, start, rows[i].what);
	}
}

/* The limit of connections: one more waits in the kernel until another one ends. */
static void test_gwserve_connections(void)
{
	static const char *const sources[] = { "::1", "::ffff:127.0.0.1" };
	struct client c[TEST_CONNS_MAX + 1];

	for (size_t i = 0; i < TEST_CONNS_MAX; i++) {
		CU_ASSERT_TRUE(client_connect_from(&c[i], sources[i % 2], test_port));
		CU_ASSERT_TRUE(client_shake(&c[i], test_dir, "good", TLS1_3_VERSION));
	}
	CU_ASSERT_TRUE(client_connect(&c[TEST_CONNS_MAX], test_port));
	CU_ASSERT_TRUE(client_shake_begin(&c[TEST_CONNS_MAX], test_dir, "good"));
	CU_ASSERT_FALSE(client_is_readable(&c[TEST_CONNS_MAX], TEST_SOON_MS));
	client_close(&c[0]);
	CU_ASSERT_TRUE(client_is_readable(&c[TEST_CONNS_MAX], TEST_DEADLINE_MS));
	CU_ASSERT_TRUE(client_shake_on(&c[TEST_CONNS_MAX]));
	for (size_t i = 1; i <= TEST_CONNS_MAX; i++)
		client_close(&c[i]);
}

/* One source at its limit: one more is closed without an answer, others do not notice. */
static void test_gwserve_crowd(void)
{
	struct client c[TEST_CONNS_PER_SOURCE], more;

	for (size_t i = 0; i < TEST_CONNS_PER_SOURCE; i++) {
		CU_ASSERT_TRUE(client_connect(&c[i], test_port));
		CU_ASSERT_TRUE(client_shake(&c[i], test_dir, "good", TLS1_3_VERSION));
	}
	CU_ASSERT_TRUE(client_connect(&more, test_port));
	(void)client_shake_begin(&more, test_dir, "good");
	CU_ASSERT_TRUE(client_is_turned_away(&more));
	client_close(&more);
	test_expect_count(PST_RATE_LIMITED, "one more of a source");
	CU_ASSERT_TRUE(client_connect_from(&more, "::ffff:127.0.0.1", test_port));
	CU_ASSERT_TRUE(client_shake(&more, test_dir, "good", TLS1_3_VERSION));
	client_close(&more);
	for (size_t i = 0; i < TEST_CONNS_PER_SOURCE; i++)
		client_close(&c[i]);
}

static void test_gwserve_drains(void)
{
	struct client c = { .fd = -1 };
	struct pollfd p = { .fd = test_chan, .events = POLLIN };
	struct chan_msg msg = { .fd = -1 };
	struct client_reply reply;
	uint32_t seq;

	test_open_good(&c, test_body(test_key, ""));
	CU_ASSERT_TRUE(test_receive(&msg, TEST_DEADLINE_MS));
	seq = msg.seq;
	gwframe_init_drain(0, &msg);
	CU_ASSERT_EQUAL(chan_send(test_chan, &msg), 0);
	/* What has begun is finished, then the worker ends by itself. */
	test_answer(seq, PST_NONE, 0);
	reply = client_read(&c);
	CU_ASSERT_EQUAL(reply.status, 200);
	client_close(&c);
	CU_ASSERT_EQUAL(poll(&p, 1, TEST_DEADLINE_MS), 1);
	CU_ASSERT_TRUE(p.revents & POLLHUP);
}

/* Gives the exit status of a worker that only reads its files. */
static int test_check_files(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		execl(test_worker_path, "gatewayd-worker", "--config", test_conf, "--check", NULL);
		_exit(127);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Fail closed: without its deny-list no worker starts. */
static void test_gwserve_needs_its_files(void)
{
	static const char good[] = "instance " TEST_DENIED "\n", bad[] = "instance\n";
	char deny[PATH_MAX], cert[PATH_MAX], aside[PATH_MAX];

	tmpdir_path(deny, "deny");
	tmpdir_path(cert, "cfg1.cert.pem");
	tmpdir_path(aside, "aside");
	CU_ASSERT_EQUAL(test_check_files(), 0);
	CU_ASSERT_EQUAL(tmpdir_write("deny", bad, sizeof(bad) - 1), 0);
	CU_ASSERT_EQUAL(test_check_files(), STARTER_EXIT_DENYLIST);
	CU_ASSERT_EQUAL(unlink(deny), 0);
	CU_ASSERT_EQUAL(test_check_files(), STARTER_EXIT_DENYLIST);
	CU_ASSERT_EQUAL(tmpdir_write("deny", good, sizeof(good) - 1), 0);
	CU_ASSERT_EQUAL(rename(cert, aside), 0);
	CU_ASSERT_EQUAL(test_check_files(), 1);
	CU_ASSERT_EQUAL(rename(aside, cert), 0);
	CU_ASSERT_EQUAL(test_check_files(), 0);
}

static const struct tap_test test_gwserve_tests[] = {
	{ "grants, with the PSK of this very session", test_gwserve_grants },
	{ "grants to a role that is configured", test_gwserve_grants_role },
	{ "passes the keeper's refusals on", test_gwserve_passes_refusals_on },
	{ "a client that leaves", test_gwserve_client_leaves },
	{ "bad bodies", test_gwserve_bad_bodies },
	{ "bad keys and members", test_gwserve_bad_values },
	{ "bad content types", test_gwserve_bad_types },
	{ "bad requests", test_gwserve_bad_requests },
	{ "a request cut short", test_gwserve_request_is_cut },
	{ "certificates", test_gwserve_certificates },
	{ "TLS 1.2", test_gwserve_old_tls },
	{ "connections at their limit", test_gwserve_connections },
	{ "connections of one source at their limit", test_gwserve_crowd },
	{ "drains", test_gwserve_drains },
	{ 0 },
};

static const struct tap_test test_slow_tests[] = {
	{ "slow clients", test_gwserve_slow },
	{ 0 },
};

static const struct tap_test test_files_tests[] = {
	{ "no worker without them", test_gwserve_needs_its_files },
	{ 0 },
};

static const struct tap_suite test_gwserve_suites[] = {
	{ "gwserve", test_gwserve_tests, test_setup, test_teardown },
	{ "slow", test_slow_tests, test_slow_setup, test_teardown },
	{ "files", test_files_tests, test_make_files, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	const char *build = getenv("POSTERN_TEST_BUILD"), *source = getenv("POSTERN_TEST_SOURCE");

	if (!build || !source) {
		fputs("set POSTERN_TEST_BUILD to the build folder and POSTERN_TEST_SOURCE\n",
		      stderr);
		return 2;
	}
	snprintf(test_worker_path, sizeof(test_worker_path), "%s/tunneld/gateway/gatewayd-worker",
		 build);
	snprintf(test_pki_path, sizeof(test_pki_path), "%s/tests/lab/pki", source);
	/* The worker's sandbox does not let the leak checker work. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	signal(SIGPIPE, SIG_IGN);
	return tap_main(argc, argv, test_gwserve_suites);
}
