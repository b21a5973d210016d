/* SPDX-License-Identifier: MIT */
/* Calls against real servers on loopback that do what servers should not. */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/fetch/httpcall.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/fetch/standca.h"
#include "tests/unit/certs/fetch/webstub.h"

#define TEST_HTTPCALL_MAX 1000  /* bytes of an answer */
#define TEST_HTTPCALL_BETWEEN 6 /* authorities that may be between a server and one of ours */
#define TEST_HTTPCALL_LONG_S 60 /* for what comes, however slow the machine is */

/* What the stand-in says. */
struct test_httpcall_script {
	const char *headers;
	const char *body;
	const char *raw;  /* the whole answer in place of them */
	size_t blanks;    /* behind the body */
	size_t head_fill; /* bytes in one more header */
	int status;
	bool chunked, cut, hang;
};

static struct standca test_httpcall_ca, test_httpcall_other_ca;
static char test_httpcall_url[128];
static struct httpcall_answer test_httpcall_answer;
static char test_httpcall_detail[HTTPCALL_DETAIL_MAX];

static void test_httpcall_say_body(const struct test_httpcall_script *s, FILE *out)
{
	size_t len = strlen(s->body ? s->body : "") + s->blanks;

	if (s->chunked)
		fprintf(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", len);
	else
		fprintf(out, "Content-Length: %zu\r\n\r\n", len + (s->cut ? 1 : 0));
	fprintf(out, "%s%*s", s->body ? s->body : "", (int)s->blanks, "");
	if (s->chunked)
		fputs("\r\n0\r\n\r\n", out);
}

static bool test_httpcall_say(const char *request, FILE *out, void *user)
{
	const struct test_httpcall_script *s = user;

	if (s->raw) {
		fputs(s->raw, out);
		return s->hang;
	}
	fprintf(out, "HTTP/1.1 %d X\r\n%s", s->status ? s->status : 200,
		s->headers ? s->headers : "");
	if (s->head_fill)
		fprintf(out, "X: %0*d\r\n", (int)s->head_fill, 0);
	test_httpcall_say_body(s, out);
	return s->hang;
}

static void test_httpcall_start(struct test_httpcall_script *script, struct webstub *ret)
{
	const struct webstub_spec spec = { .answer = test_httpcall_say, .user = script };

	webstub_start(&spec, ret);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "http://[::1]:%d/a", ret->port);
}

static struct httpcall test_httpcall_default(void)
{
	return (struct httpcall){
		.method = "GET",
		.url = test_httpcall_url,
		.answer_max = TEST_HTTPCALL_MAX,
		.timeout_ms = TEST_HTTPCALL_LONG_S * 1000,
		.deadline_ns = clk_now_ns() + TEST_HTTPCALL_LONG_S * CLK_NS_PER_S,
	};
}

static int test_httpcall_run(const struct httpcall *c)
{
	httpcall_release(&test_httpcall_answer);
	test_httpcall_detail[0] = '\0';
	return httpcall_run(c, &test_httpcall_answer, test_httpcall_detail);
}

/* One call to a server of its own. */
static int test_httpcall_try(struct test_httpcall_script *script)
{
	struct webstub server;
	struct httpcall c;
	int r;

	test_httpcall_start(script, &server);
	c = test_httpcall_default();
	r = test_httpcall_run(&c);
	webstub_stop(&server);
	return r;
}

static void test_httpcall_teardown(void)
{
	httpcall_release(&test_httpcall_answer);
}

static void test_httpcall_sends(void)
{
	static const char *const headers[] = { "X-One: 1", "Content-Type: text/x" };
	struct test_httpcall_script script = { .body = "hello", .status = 404 };
	struct webstub server;
	struct httpcall c;

	test_httpcall_start(&script, &server);
	c = test_httpcall_default();
	c.method = "POST";
	c.headers = headers;
	c.n_headers = ARRAY_SIZE(headers);
	c.body = "a=b";
	c.body_len = 3;
	CU_ASSERT_EQUAL(test_httpcall_run(&c), 0);
	CU_ASSERT_EQUAL(test_httpcall_answer.status, 404);
	CU_ASSERT_EQUAL(test_httpcall_answer.body_len, 5);
	CU_ASSERT_STRING_EQUAL(test_httpcall_answer.body, "hello");
	CU_ASSERT_EQUAL(test_httpcall_answer.retry_after_s, 0);
	CU_ASSERT_TRUE(strncmp(server.log->text, "POST /a HTTP/1.1\r\n", 18) == 0);
	CU_ASSERT_TRUE(strstr(server.log->text, "\r\nX-One: 1\r\n") != NULL);
	CU_ASSERT_TRUE(strstr(server.log->text, "\r\nContent-Type: text/x\r\n") != NULL);
	CU_ASSERT_TRUE(strstr(server.log->text, "\r\nUser-Agent: SIA-POSTERN ") != NULL);
	CU_ASSERT_STRING_EQUAL(webstub_body(server.log->text), "a=b");
	c = test_httpcall_default();
	c.method = "PUT";
	CU_ASSERT_EQUAL(test_httpcall_run(&c), 0);
	CU_ASSERT_TRUE(strstr(server.log->text, "PUT /a HTTP/1.1\r\n") != NULL);
	CU_ASSERT_EQUAL(server.log->n_connections, 2);
	webstub_stop(&server);
}

static void test_httpcall_body_limit(void)
{
	for (int chunked = 0; chunked < 2; chunked++) {
		struct test_httpcall_script s = { .blanks = TEST_HTTPCALL_MAX - 1,
						  .chunked = chunked };

		CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
		CU_ASSERT_EQUAL(test_httpcall_answer.body_len, TEST_HTTPCALL_MAX - 1);
		s.blanks++;
		CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
		CU_ASSERT_EQUAL(test_httpcall_answer.body_len, TEST_HTTPCALL_MAX);
		s.blanks++;
		CU_ASSERT_EQUAL(test_httpcall_try(&s), HTTPCALL_E_LARGE);
		CU_ASSERT_PTR_NULL(test_httpcall_answer.body);
		CU_ASSERT_TRUE(strstr(test_httpcall_detail, "1000 bytes") != NULL);
	}
}

/* What comes piece by piece is put together. */
static void test_httpcall_body_in_pieces(void)
{
	struct test_httpcall_script s = { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
						 "\r\n3\r\none\r\n5\r\n, two\r\n0\r\n\r\n" };

	CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
	CU_ASSERT_STRING_EQUAL(test_httpcall_answer.body, "one, two");
	CU_ASSERT_EQUAL(test_httpcall_answer.body_len, strlen("one, two"));
}

static void test_httpcall_head_limit(void)
{
	/* The status line, the length, the end, and the frame of the filling header. */
	const size_t frame = strlen("HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\nX: \r\n");
	struct test_httpcall_script s = { .head_fill = HTTPCALL_HEAD_MAX - frame - 1 };

	CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
	s.head_fill++;
	CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
	s.head_fill++;
	CU_ASSERT_EQUAL(test_httpcall_try(&s), HTTPCALL_E_LARGE);
}

/* Heads before the answer and lines behind it count as well. */
static void test_httpcall_head_floods(void)
{
	static const struct {
		const char *before, *flood;
	} rows[] = {
		{ "", "HTTP/1.1 103 Early Hints\r\n\r\n" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n" },
	};
	static char raw[2 * HTTPCALL_HEAD_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct test_httpcall_script s = { .raw = raw, .hang = true };
		size_t len = strlen(rows[i].before), step = strlen(rows[i].flood);

		memcpy(raw, rows[i].before, len);
		for (; len + step < sizeof(raw); len += step)
			memcpy(raw + len, rows[i].flood, step);
		raw[len] = '\0';
		CU_ASSERT_EQUAL(test_httpcall_try(&s), HTTPCALL_E_LARGE);
	}
}

/* Nobody asked for a compressed answer: what comes is taken as it is, so that a small one cannot
 * become a large one. */
static void test_httpcall_compressed(void)
{
	struct test_httpcall_script s = { .headers = "Content-Encoding: gzip\r\n",
					  .body = "\x1f\x8b" };

	CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
	CU_ASSERT_EQUAL(test_httpcall_answer.body_len, 2);
}

static void test_httpcall_retry_after(void)
{
	static const struct {
		const char *header;
		uint32_t seconds;
	} rows[] = {
		{ "", 0 },
		{ "Retry-After: 0\r\n", 0 },
		{ "Retry-After: 1\r\n", 1 },
		{ "Retry-After: 30\r\n", 30 },
		{ "Retry-After: -5\r\n", 0 },
		{ "Retry-After: soon\r\n", 0 },
		{ "Retry-After: 21599\r\n", 21599 },
		{ "Retry-After: 21600\r\n", 21600 },
		{ "Retry-After: 21601\r\n", HTTPCALL_RETRY_MAX_S },
		{ "Retry-After: Fri, 31 Dec 2049 23:59:59 GMT\r\n", HTTPCALL_RETRY_MAX_S },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct test_httpcall_script s = { .status = 429, .headers = rows[i].header };

		CU_ASSERT_EQUAL(test_httpcall_try(&s), 0);
		if (test_httpcall_answer.retry_after_s != rows[i].seconds)
			tap_fail(__FILE__, __LINE__, "%s: %u", rows[i].header,
				 test_httpcall_answer.retry_after_s);
	}
}

static void test_httpcall_no_redirect(void)
{
	struct test_httpcall_script there = { .body = "there" };
	struct test_httpcall_script here = { .status = 302 };
	struct webstub target;
	char header[160];

	test_httpcall_start(&there, &target);
	snprintf(header, sizeof(header), "Location: %s\r\n", test_httpcall_url);
	here.headers = header;
	CU_ASSERT_EQUAL(test_httpcall_try(&here), 0);
	CU_ASSERT_EQUAL(test_httpcall_answer.status, 302);
	CU_ASSERT_EQUAL(target.log->n_connections, 0);
	webstub_stop(&target);
}

static void test_httpcall_no_proxy(void)
{
	static const char *const names[] = { "http_proxy",  "HTTP_PROXY", "https_proxy",
					     "HTTPS_PROXY", "all_proxy",  "ALL_PROXY" };
	struct test_httpcall_script answer = { .body = "direct" };
	struct test_httpcall_script proxy_answer = { .body = "proxy" };
	struct webstub proxy;

	test_httpcall_start(&proxy_answer, &proxy);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		setenv(names[i], test_httpcall_url, 1);
	CU_ASSERT_EQUAL(test_httpcall_try(&answer), 0);
	CU_ASSERT_STRING_EQUAL(test_httpcall_answer.body, "direct");
	CU_ASSERT_EQUAL(proxy.log->n_connections, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	webstub_stop(&proxy);
}

static void test_httpcall_nobody(void)
{
	struct test_httpcall_script script = { 0 };
	struct webstub server;
	struct httpcall c;

	test_httpcall_start(&script, &server);
	webstub_stop(&server); /* its port is closed now */
	c = test_httpcall_default();
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_CONNECT);
	CU_ASSERT_TRUE(test_httpcall_detail[0] != '\0');
}

/* Silent from the start, in the headers, in the body. */
static void test_httpcall_slow(void)
{
	static const char *const beginnings[] = {
		"", "HTTP/1.1 200 OK\r\nContent-Le",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(beginnings); i++) {
		struct test_httpcall_script script = { .raw = beginnings[i / 2], .hang = true };
		struct webstub server;
		struct httpcall c;
		uint64_t before_ns = clk_now_ns();

		test_httpcall_start(&script, &server);
		c = test_httpcall_default();
		/* The call's own limit, and what is left of everything. */
		if (i % 2)
			c.timeout_ms = 200;
		else
			c.deadline_ns = before_ns + 200 * CLK_NS_PER_MS;
		CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_TIMEOUT);
		CU_ASSERT_TRUE(clk_now_ns() - before_ns < TEST_HTTPCALL_LONG_S / 2 * CLK_NS_PER_S);
		webstub_stop(&server);
	}
}

/* An address that takes no connection ends the call long before its time is over; the kernel would
 * give up only after two minutes, and say something else. */
static void test_httpcall_connects_in_time(void)
{
	struct webstub_full server;
	struct httpcall c;

	webstub_fill(&server);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "http://[::1]:%d/", server.port);
	for (int whole = 0; whole < 2; whole++) {
		c = test_httpcall_default();
		c.deadline_ns += 3600 * CLK_NS_PER_S;
		c.timeout_ms = whole ? 200 : 3600 * 1000;
		c.connect_ms = whole ? 0 : 200;
		CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_TIMEOUT);
	}
	webstub_unfill(&server);
}

static void test_httpcall_no_time(void)
{
	struct test_httpcall_script script = { 0 };
	struct webstub server;
	struct httpcall c;

	test_httpcall_start(&script, &server);
	c = test_httpcall_default();
	c.deadline_ns = clk_now_ns();
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_TIMEOUT);
	CU_ASSERT_TRUE(strstr(test_httpcall_detail, "no time") != NULL);
	CU_ASSERT_EQUAL(server.log->n_connections, 0);
	webstub_stop(&server);
}

static void test_httpcall_broken(void)
{
	struct test_httpcall_script scripts[] = {
		{ .raw = "hello\n" },
		{ .raw = "" },
		{ .body = "cut", .cut = true },
		{ .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		int r = test_httpcall_try(&scripts[i]);

		CU_ASSERT_EQUAL(r, HTTPCALL_E_BROKEN);
		CU_ASSERT_TRUE(test_httpcall_detail[0] != '\0');
	}
}

static int test_httpcall_memory_run(void *ctx)
{
	struct httpcall c = test_httpcall_default();

	return test_httpcall_run(&c);
}

static void test_httpcall_memory(void)
{
	struct test_httpcall_script script = { .body = "x" };
	struct webstub server;

	test_httpcall_start(&script, &server);
	CU_ASSERT_TRUE(torture(test_httpcall_memory_run, NULL) >= 1);
	webstub_stop(&server);
}

/* --- TLS --- */

struct test_httpcall_tls {
	const char *name;
	struct standca_spec server;
	bool server_by_other; /* signed by an authority that we do not trust */
	int tls_max;
	const char *ciphers;   /* of TLS 1.2, that the server has */
	unsigned int rsa_bits; /* of the server's key; 0 = EC */
	bool wants_client;
	int client; /* 0 none, 1 good, 2 of another authority, 3 expired */
	bool plain; /* the server talks no TLS */
	int result;
};

#define TEST_HTTPCALL_SAN "DNS:issuer.example,IP:::1"

static const struct test_httpcall_tls test_httpcall_tls_rows[] = {
	{ .name = "good" },
	{ .name = "TLS 1.2", .tls_max = TLS1_2_VERSION },
	{ .name = "TLS 1.1", .tls_max = TLS1_1_VERSION, .result = HTTPCALL_E_BROKEN },
	{ .name = "TLS 1.2, no AEAD",
	  .tls_max = TLS1_2_VERSION,
	  .ciphers = "ECDHE-ECDSA-AES256-SHA384",
	  .result = HTTPCALL_E_BROKEN },
	{ .name = "TLS 1.2, no forward secrecy",
	  .tls_max = TLS1_2_VERSION,
	  .ciphers = "AES256-GCM-SHA384",
	  .rsa_bits = 2048,
	  .result = HTTPCALL_E_BROKEN },
	{ .name = "RSA", .rsa_bits = 2048 },
	{ .name = "a weak key", .rsa_bits = 1024, .result = HTTPCALL_E_PEER },
	{ .name = "another authority", .server_by_other = true, .result = HTTPCALL_E_PEER },
	{ .name = "another name",
	  .server = { .san = "DNS:other.example" },
	  .result = HTTPCALL_E_PEER },
	{ .name = "clients only", .server = { .eku = "clientAuth" }, .result = HTTPCALL_E_PEER },
	{ .name = "over", .server = { .to_s = -60 }, .result = HTTPCALL_E_CLOCK },
	{ .name = "not yet valid", .server = { .from_s = 600 }, .result = HTTPCALL_E_CLOCK },
	{ .name = "over and of another authority",
	  .server = { .to_s = -60 },
	  .server_by_other = true,
	  .result = HTTPCALL_E_PEER },
	{ .name = "client", .wants_client = true, .client = 1 },
	{ .name = "client, TLS 1.2", .wants_client = true, .client = 1, .tls_max = TLS1_2_VERSION },
	{ .name = "no client", .wants_client = true, .result = HTTPCALL_E_REFUSED },
	{ .name = "client of another authority",
	  .wants_client = true,
	  .client = 2,
	  .result = HTTPCALL_E_REFUSED },
	{ .name = "client of another authority, TLS 1.2",
	  .wants_client = true,
	  .client = 2,
	  .tls_max = TLS1_2_VERSION,
	  .result = HTTPCALL_E_REFUSED },
	{ .name = "client over", .wants_client = true, .client = 3, .result = HTTPCALL_E_REFUSED },
	{ .name = "no TLS there", .plain = true, .result = HTTPCALL_E_BROKEN },
};

static void test_httpcall_make_client(int kind, struct standca_pair *ret)
{
	const struct standca_spec spec = { .cn = "a.b", .to_s = kind == 3 ? -60 : 0 };

	if (kind)
		standca_issue(kind == 2 ? &test_httpcall_other_ca : &test_httpcall_ca, &spec, ret);
}

static void test_httpcall_try_tls(const struct test_httpcall_tls *row)
{
	struct test_httpcall_script script = { .body = "secret" };
	struct standca_spec server_spec = row->server;
	struct standca_pair pair = { 0 }, client = { 0 };
	struct webstub_spec spec = { .answer = test_httpcall_say,
				     .user = &script,
				     .tls_max = row->tls_max,
				     .ciphers = row->ciphers };
	struct httpcall_tls tls = { .ca = test_httpcall_ca.pem,
				    .ca_len = strlen(test_httpcall_ca.pem) };
	struct webstub server;
	struct httpcall c;
	int r;

	if (!server_spec.san)
		server_spec.san = TEST_HTTPCALL_SAN;
	server_spec.rsa_bits = row->rsa_bits;
	standca_issue(row->server_by_other ? &test_httpcall_other_ca : &test_httpcall_ca,
		      &server_spec, &pair);
	test_httpcall_make_client(row->client, &client);
	spec.cert = row->plain ? NULL : pair.cert;
	spec.key = pair.key;
	spec.client_ca = row->wants_client ? test_httpcall_ca.pem : NULL;
	webstub_start(&spec, &server);
	tls.cert = client.cert;
	tls.cert_len = client.cert ? strlen(client.cert) : 0;
	tls.key = client.key;
	tls.key_len = client.key ? strlen(client.key) : 0;
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "https://[::1]:%d/", server.port);
	c = test_httpcall_default();
	c.tls = &tls;
	r = test_httpcall_run(&c);
	if (r != row->result)
		tap_fail(__FILE__, __LINE__, "%s: %d %s", row->name, r, test_httpcall_detail);
	CU_ASSERT_TRUE(r == 0 || test_httpcall_detail[0] != '\0');
	CU_ASSERT_EQUAL(server.log->n_requests > 0, r == 0);
	webstub_stop(&server);
	standca_free_pair(&pair);
	standca_free_pair(&client);
}

static void test_httpcall_every_tls(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_httpcall_tls_rows); i++)
		test_httpcall_try_tls(&test_httpcall_tls_rows[i]);
}

/* A name leads where we say, and its certificate is checked for the name. */
static void test_httpcall_named(void)
{
	struct test_httpcall_script script = { .body = "x" };
	const struct standca_spec cert_spec = { .san = "DNS:issuer.example" };
	struct webstub_spec spec = { .answer = test_httpcall_say, .user = &script };
	struct httpcall_tls tls = { .ca = test_httpcall_ca.pem,
				    .ca_len = strlen(test_httpcall_ca.pem) };
	struct standca_pair pair;
	struct webstub server;
	struct httpcall c;
	char entry[64];

	standca_issue(&test_httpcall_ca, &cert_spec, &pair);
	spec.cert = pair.cert;
	spec.key = pair.key;
	webstub_start(&spec, &server);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "https://issuer.example:%d/",
		 server.port);
	c = test_httpcall_default();
	c.tls = &tls;
	c.resolve = entry;
	snprintf(entry, sizeof(entry), "issuer.example:%d:[::1]", server.port);
	CU_ASSERT_EQUAL(test_httpcall_run(&c), 0);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "https://issuer.example/");
	c.resolve = NULL;
	c.connect_to = entry;
	snprintf(entry, sizeof(entry), "::[::1]:%d", server.port);
	CU_ASSERT_EQUAL(test_httpcall_run(&c), 0);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "https://another.example/");
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_PEER);
	CU_ASSERT_EQUAL(server.log->n_requests, 2);
	webstub_stop(&server);
	standca_free_pair(&pair);
}

/* A server that shows its certificate and @n authorities between it and ours. */
static int test_httpcall_try_chain(size_t n)
{
	struct test_httpcall_script script = { .body = "x" };
	const struct standca_spec cert_spec = { .san = TEST_HTTPCALL_SAN };
	struct webstub_spec spec = { .answer = test_httpcall_say, .user = &script };
	struct httpcall_tls tls = { .ca = test_httpcall_ca.pem,
				    .ca_len = strlen(test_httpcall_ca.pem) };
	struct standca between[TEST_HTTPCALL_BETWEEN + 1];
	const struct standca *last = &test_httpcall_ca;
	char name[] = "a", *shown = NULL;
	struct standca_pair pair;
	struct webstub server;
	struct httpcall c;
	size_t len;
	FILE *out = open_memstream(&shown, &len);
	int r;

	for (size_t i = 0; i < n; i++, name[0]++) {
		standca_init_below(last, name, &between[i]);
		last = &between[i];
	}
	standca_issue(last, &cert_spec, &pair);
	fputs(pair.cert, out);
	for (size_t i = n; i > 0; i--)
		fputs(between[i - 1].pem, out);
	fclose(out);
	spec.cert = shown;
	spec.key = pair.key;
	webstub_start(&spec, &server);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "https://[::1]:%d/", server.port);
	c = test_httpcall_default();
	c.tls = &tls;
	r = test_httpcall_run(&c);
	webstub_stop(&server);
	standca_free_pair(&pair);
	for (size_t i = 0; i < n; i++)
		standca_release(&between[i]);
	free(shown);
	return r;
}

static void test_httpcall_chain_limit(void)
{
	CU_ASSERT_EQUAL(test_httpcall_try_chain(TEST_HTTPCALL_BETWEEN - 1), 0);
	CU_ASSERT_EQUAL(test_httpcall_try_chain(TEST_HTTPCALL_BETWEEN), 0);
	CU_ASSERT_EQUAL(test_httpcall_try_chain(TEST_HTTPCALL_BETWEEN + 1), HTTPCALL_E_PEER);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_httpcall_detail, "too long"));
}

/* Neither a plain call where TLS is meant nor the other way round. */
static void test_httpcall_protocols(void)
{
	struct test_httpcall_script script = { .body = "x" };
	struct httpcall_tls tls = { .ca = test_httpcall_ca.pem,
				    .ca_len = strlen(test_httpcall_ca.pem) };
	struct webstub server;
	struct httpcall c;

	test_httpcall_start(&script, &server);
	c = test_httpcall_default();
	c.tls = &tls;
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_BROKEN);
	c.tls = NULL;
	c.url = "file:///etc/hostname";
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_BROKEN);
	c.url = "https://[::1]:1/";
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_BROKEN);
	CU_ASSERT_EQUAL(server.log->n_connections, 0);
	webstub_stop(&server);
}

/* Text that holds no certificate trusts nobody, and not the system's CAs either. */
static void test_httpcall_no_ca(void)
{
	static const char nothing[] = "no certificate";
	struct test_httpcall_script script = { .body = "x" };
	struct httpcall_tls tls = { .ca = nothing, .ca_len = sizeof(nothing) - 1 };
	const struct standca_spec cert_spec = { .san = TEST_HTTPCALL_SAN };
	struct webstub_spec spec = { .answer = test_httpcall_say, .user = &script };
	struct standca_pair pair;
	struct webstub server;
	struct httpcall c;

	standca_issue(&test_httpcall_ca, &cert_spec, &pair);
	spec.cert = pair.cert;
	spec.key = pair.key;
	webstub_start(&spec, &server);
	snprintf(test_httpcall_url, sizeof(test_httpcall_url), "https://[::1]:%d/", server.port);
	c = test_httpcall_default();
	c.tls = &tls;
	CU_ASSERT_EQUAL(test_httpcall_run(&c), HTTPCALL_E_PEER);
	webstub_stop(&server);
	standca_free_pair(&pair);
}

static const struct tap_test test_httpcall_plain_tests[] = {
	{ "sends", test_httpcall_sends },
	{ "body limit", test_httpcall_body_limit },
	{ "body in pieces", test_httpcall_body_in_pieces },
	{ "head limit", test_httpcall_head_limit },
	{ "head floods", test_httpcall_head_floods },
	{ "compressed", test_httpcall_compressed },
	{ "retry after", test_httpcall_retry_after },
	{ "no redirect", test_httpcall_no_redirect },
	{ "no proxy", test_httpcall_no_proxy },
	{ "nobody there", test_httpcall_nobody },
	{ "slow", test_httpcall_slow },
	{ "connects in time", test_httpcall_connects_in_time },
	{ "no time left", test_httpcall_no_time },
	{ "broken answers", test_httpcall_broken },
	{ "out of memory", test_httpcall_memory },
	{ 0 },
};

static const struct tap_test test_httpcall_tls_tests[] = {
	{ "every case", test_httpcall_every_tls }, { "chain limit", test_httpcall_chain_limit },
	{ "names", test_httpcall_named },          { "protocols", test_httpcall_protocols },
	{ "no CA", test_httpcall_no_ca },          { 0 },
};

static const struct tap_suite test_httpcall_suites[] = {
	{ "plain", test_httpcall_plain_tests, NULL, test_httpcall_teardown },
	{ "TLS", test_httpcall_tls_tests, NULL, test_httpcall_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r;

	if (httpcall_warm_up() < 0)
		return 2;
	standca_init("test authority", &test_httpcall_ca);
	standca_init("other authority", &test_httpcall_other_ca);
	r = tap_main(argc, argv, test_httpcall_suites);
	standca_release(&test_httpcall_ca);
	standca_release(&test_httpcall_other_ca);
	return r;
}
