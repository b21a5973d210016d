/* SPDX-License-Identifier: MIT */
/*
 * The issuer over real TLS, with an attestor that does as it is told. The server runs in a thread;
 * only the client's side asserts.
 */
#include <errno.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certs/keypair.h"
#include "certs/ztsd/ztsserve.h"
#include "common/buf.h"
#include "common/clk.h"
#include "common/httpsd.h"
#include "common/log.h"
#include "common/tlsserver.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/ztsd/ztsfixture.h"
#include "tests/unit/tunneld/gateway/client.h"

#define INSTANCE "/zts/v1/instance/prov.tok/dom.a/svc/i-01"
#define URI "athenz://instanceid/prov.tok/i-01"

static struct {
	struct ztsfixture f;
	SSL_CTX *tls;
	int listen_fd, stop[2];
	uint16_t port;
	struct ztsserve *serve;
	struct ztsstats stats;
	struct event *on_stop;
	pthread_t thread;
} test_ztsserve;

static void test_ztsserve_on_stop(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static void *test_ztsserve_main(void *arg)
{
	event_base_dispatch(test_ztsserve.f.base);
	return NULL;
}

static void test_ztsserve_listen(void)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(sa);
	int off = 0;

	test_ztsserve.listen_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (setsockopt(test_ztsserve.listen_fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
	    bind(test_ztsserve.listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    getsockname(test_ztsserve.listen_fd, (struct sockaddr *)&sa, &len) < 0)
		exit(2);
	test_ztsserve.port = ntohs(sa.sin6_port);
}

static void test_ztsserve_open(const char *settings)
{
	struct ztsfixture *f = &test_ztsserve.f;
	struct tlsserver_files files = { .client_optional = true };
	const char *what = "";
	struct ztsserve_spec spec;

	ztsfixture_open(f, settings, "");
	test_ztsserve_listen();
	files.cert = f->conf->cert;
	files.key = f->conf->key;
	files.ca = f->conf->client_ca;
	if (tlsserver_open(&files, &test_ztsserve.tls, &what) < 0 || pipe(test_ztsserve.stop) < 0)
		exit(2);
	test_ztsserve.stats = (struct ztsstats){ .records = 0 };
	spec = (struct ztsserve_spec){ .conf = f->conf,
				       .tls = test_ztsserve.tls,
				       .listen_fd = test_ztsserve.listen_fd,
				       .env = &f->env,
				       .stats = &test_ztsserve.stats,
				       .seed = 1 };
	test_ztsserve.on_stop = event_new(f->base, test_ztsserve.stop[0], EV_READ,
					  test_ztsserve_on_stop, f->base);
	if (ztsserve_open(f->base, &spec, &test_ztsserve.serve) < 0 ||
	    event_add(test_ztsserve.on_stop, NULL) < 0 ||
	    pthread_create(&test_ztsserve.thread, NULL, test_ztsserve_main, NULL) != 0)
		exit(2);
}

static void test_ztsserve_close(void)
{
	if (write(test_ztsserve.stop[1], "", 1) != 1)
		exit(2);
	pthread_join(test_ztsserve.thread, NULL);
	ztsfixture_close_waits(&test_ztsserve.f);
	ztsserve_close(test_ztsserve.serve);
	event_free(test_ztsserve.on_stop);
	event_base_loop(test_ztsserve.f.base, EVLOOP_NONBLOCK);
	SSL_CTX_free(test_ztsserve.tls);
	close(test_ztsserve.listen_fd);
	close(test_ztsserve.stop[0]);
	close(test_ztsserve.stop[1]);
	ztsfixture_close(&test_ztsserve.f);
}

static void test_ztsserve_setup(void)
{
	test_ztsserve_open("requests_per_minute = 0");
}

static void test_ztsserve_write_file(const char *name, const char *kind, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.%s.pem", test_ztsserve.f.dir, name, kind);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		exit(2);
}

/* Makes @pem the certificate that the client called @name presents. */
static void test_ztsserve_have(const char *name, const char *pem)
{
	char *key = NULL;

	if (keypair_write_key(test_ztsserve.f.key, &key) < 0)
		exit(2);
	test_ztsserve_write_file(name, "cert", pem);
	test_ztsserve_write_file(name, "key", key);
	free(key);
}

/* One request of the client @name, NULL for one without a certificate. */
static struct client_reply test_ztsserve_ask(const char *name, const char *method,
					     const char *target, const char *body)
{
	struct client_reply reply = { .status = 0 };
	struct client c;
	_cleanup_(buf_release) struct buf b = buf_init(256 * 1024);

	buf_addf(&b,
		 "%s %s HTTP/1.1\r\nHost: zts\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 method, target, strlen(body), body);
	if (client_connect(&c, test_ztsserve.port) &&
	    client_shake(&c, test_ztsserve.f.dir, name, TLS1_3_VERSION) &&
	    client_write(&c, b.text, b.len))
		reply = client_read(&c);
	client_close(&c);
	return reply;
}

static void test_ztsserve_expect(const struct client_reply *r, int status, const char *text)
{
	if (r->status != status || !strstr(r->text, text))
		tap_fail(__FILE__, __LINE__, "%d %s: got %d %s", status, text, r->status, r->text);
	CU_PASS("");
}

/* The certificate in an answer. free() it. */
static char *test_ztsserve_cert(const struct client_reply *r)
{
	struct athenz_identity identity;
	const char *body = client_body(r);
	char *pem = NULL;

	if (athenz_decode_identity(body, strlen(body), &identity) < 0)
		return NULL;
	CU_ASSERT_STRING_EQUAL(identity.name, "dom.a.svc");
	CU_ASSERT_STRING_EQUAL(identity.provider, "prov.tok");
	CU_ASSERT_STRING_EQUAL(identity.instance_id, "i-01");
	CU_ASSERT_STRING_EQUAL(identity.signer, signer_bundle(test_ztsserve.f.signer));
	pem = strdup(identity.cert);
	athenz_identity_release(&identity);
	return pem;
}

/* Registers, and has the client @name present the certificate. */
static void test_ztsserve_register(const char *name)
{
	char *body = ztsfixture_make_body(&test_ztsserve.f, &(struct ztsfixture_body){ 0 });
	struct client_reply r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance", body);
	char *pem = test_ztsserve_cert(&r);

	test_ztsserve_expect(&r, 201, "Location: " INSTANCE "\r\n");
	test_ztsserve_expect(&r, 201, "Strict-Transport-Security: max-age=31536000");
	if (pem)
		test_ztsserve_have(name, pem);
	free(pem);
	free(body);
}

/* Refreshes as @name; what comes is presented by @next. */
static struct client_reply test_ztsserve_refresh(const char *name, const char *next)
{
	char *body = ztsfixture_make_body(&test_ztsserve.f,
					  &(struct ztsfixture_body){ .refreshing = true });
	struct client_reply r = test_ztsserve_ask(name, "POST", INSTANCE, body);
	char *pem = r.status == 200 ? test_ztsserve_cert(&r) : NULL;

	if (pem)
		test_ztsserve_have(next, pem);
	free(pem);
	free(body);
	return r;
}

static void test_ztsserve_life(void)
{
	struct client_reply r;

	test_ztsserve_register("one");
	r = test_ztsserve_refresh("one", "two");
	test_ztsserve_expect(&r, 200, "x509Certificate");
	CU_ASSERT_PTR_NULL(strstr(r.text, "Location"));
	r = test_ztsserve_refresh("one", "two"); /* its answer was lost */
	test_ztsserve_expect(&r, 200, "x509Certificate");
	r = test_ztsserve_refresh("two", "three");
	test_ztsserve_expect(&r, 200, "x509Certificate");
	r = test_ztsserve_refresh("one", "four");
	test_ztsserve_expect(&r, 403, "\"message\":\"Certificate revoked\",\"code\":403");
	r = test_ztsserve_refresh("three", "four");
	test_ztsserve_expect(&r, 403, "Certificate revoked");
	test_ztsserve_register("five");
	r = test_ztsserve_refresh("five", "six");
	test_ztsserve_expect(&r, 200, "x509Certificate");
}

static void test_ztsserve_routes(void)
{
	static const struct {
		const char *method, *target;
		int status;
		const char *text;
	} cases[] = {
		{ "GET", "/zts/v1/status", 200, "\"message\":\"OK\",\"code\":200" },
		{ "GET", "/zts/v1/cacerts/athenz", 200, "{\"name\":\"athenz\",\"certs\":\"-----" },
		{ "GET", "/zts/v1/cacerts/x", 404, "\"message\":\"No such bundle\",\"code\":404" },
		{ "GET", "/zts/v1/cacerts/x%zz", 404, "No such bundle" },
		{ "GET", "/zts/v1/instance", 405, "Allow: POST\r\n" },
		{ "PUT", INSTANCE, 405, "Allow: POST, DELETE\r\n" },
		{ "GET", INSTANCE, 405, "Allow: POST, DELETE\r\n" },
		{ "POST", "/zts/v1/status", 405, "Allow: GET\r\n" },
		{ "POST", "/zts/v1/rolecert", 404, "Not Found" },
		{ "GET", "/", 404, "Not Found" },
		{ "POST", "/zts/v1/instance/", 400, "Invalid Object" },
		{ "POST", "/zts/v1/instance/a%20b/d/s/i", 400,
		  "Invalid InstanceRefreshInformation error" },
		{ "POST", INSTANCE, 401, "\"message\":\"Invalid credentials\",\"code\":401" },
		{ "POST", INSTANCE, 401, "WWW-Authenticate: AthenzX509Certificate realm=" },
		{ "DELETE", INSTANCE, 401, "Invalid credentials" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client_reply r = test_ztsserve_ask(NULL, cases[i].method, cases[i].target,
							  "");

		test_ztsserve_expect(&r, cases[i].status, cases[i].text);
	}
}

/* Bytes as they are. */
static struct client_reply test_ztsserve_send(const char *text)
{
	struct client_reply reply = { .status = 0 };
	struct client c;

	if (client_connect(&c, test_ztsserve.port) &&
	    client_shake(&c, test_ztsserve.f.dir, NULL, TLS1_3_VERSION) &&
	    client_write(&c, text, strlen(text)))
		reply = client_read(&c);
	client_close(&c);
	return reply;
}

/* Whoever stands in front may see two requests where we see one: one is all that a connection has,
 * whatever follows. */
static void test_ztsserve_smuggled(void)
{
#define POST "POST /zts/v1/instance HTTP/1.1\r\nHost: zts\r\n"
#define SECOND "GET /zts/v1/status HTTP/1.1\r\nHost: zts\r\n\r\n"
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ SECOND SECOND, 200 },
		{ POST "Content-Length: 2\r\n\r\n{}" SECOND, 400 },
		{ POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND,
		  400 },
		{ POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SECOND,
		  400 },
		{ POST "Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}" SECOND, 400 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client_reply r = test_ztsserve_send(cases[i].text);
		const char *first = strstr(r.text, "HTTP/1.1 ");

		test_ztsserve_expect(&r, cases[i].status, "Connection: close\r\n");
		if (first && strstr(first + 1, "HTTP/1.1 "))
			tap_fail(__FILE__, __LINE__, "%s: answered twice", cases[i].text);
	}
#undef POST
#undef SECOND
}

/* A request line and headers at their limit. */
static void test_ztsserve_bombs(void)
{
	static const char head[] = "GET /zts/v1/status HTTP/1.1\r\nX: ";
	struct client_reply r;
	char text[16384];
	int fits = HTTPSD_HEADERS_MAX - (int)strlen(head) - 64, over = 12000;

	snprintf(text, sizeof(text), "%s%0*d\r\n\r\n", head, fits, 0);
	r = test_ztsserve_send(text);
	test_ztsserve_expect(&r, 200, "OK");
	snprintf(text, sizeof(text), "%s%0*d\r\n\r\n", head, over, 0);
	r = test_ztsserve_send(text);
	CU_ASSERT_NOT_EQUAL(r.status, 200);
	CU_ASSERT_PTR_NULL(strstr(r.text, "\"OK\""));
}

/* The same instance, written in another way. */
static void test_ztsserve_encoded(void)
{
	static const struct {
		const char *target;
		int status;
		const char *text;
	} cases[] = {
		{ "/zts/v1/instance/prov%2Etok/DOM.a/s%76c/%69-01", 200, "x509Certificate" },
		{ "/zts/v1/instance/prov.tok/dom.a/svc/i-01?x=y", 200, "x509Certificate" },
		{ "/zts/v1/instance/prov.tok/dom.a/svc/I-01", 400, "instance id mismatch" },
		{ "/zts/v1/instance/prov.tok/dom.a/svc%2Fi-01", 400, "pattern mismatch" },
		{ "/zts/v1/instance/prov.tok/dom.a/svc/i-01%00", 400, "pattern mismatch" },
		{ INSTANCE "/", 400, "pattern mismatch" },
	};
	char *body = ztsfixture_make_body(&test_ztsserve.f,
					  &(struct ztsfixture_body){ .refreshing = true });

	test_ztsserve_register("one");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client_reply r = test_ztsserve_ask("one", "POST", cases[i].target, body);

		test_ztsserve_expect(&r, cases[i].status, cases[i].text);
	}
	free(body);
}

/* As Vespa's client registers. */
static void test_ztsserve_slash(void)
{
	char *body = ztsfixture_make_body(&test_ztsserve.f, &(struct ztsfixture_body){ 0 });
	struct client_reply r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance/", body);

	test_ztsserve_expect(&r, 201, "Location: " INSTANCE "\r\n");
	free(body);
}

/* Each certificate of ours that is not good enough. */
static void test_ztsserve_credentials(void)
{
	static const struct {
		const char *about;
		struct ztsfixture_cert cert;
		int status;
		const char *text;
	} cases[] = {
		{ "another service",
		  { .cn = "dom.a.web", .uri = URI },
		  400,
		  "Principal mismatch: dom.a.web vs. dom.a.svc" },
		{ "another instance",
		  { .cn = "dom.a.svc", .uri = "athenz://instanceid/prov.tok/i-02" },
		  400,
		  "CSR validation failed - instance id mismatch" },
		{ "no instance",
		  { .cn = "dom.a.svc" },
		  400,
		  "CSR validation failed - instance id mismatch" },
		{ "restricted",
		  { .cn = "dom.a.svc", .ou = "prov.tok:restricted", .uri = URI },
		  401,
		  "certificate is mTLS restricted" },
		{ "a role", { .cn = "dom.a:role.svc", .uri = URI }, 401, "Invalid credentials" },
		{ "no principal", { .cn = "localhost", .uri = URI }, 401, "Invalid credentials" },
		{ "not on record",
		  { .cn = "dom.a.svc", .uri = URI },
		  403,
		  "Unable to find certificate record" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *pem = ztsfixture_make_cert(&test_ztsserve.f, &cases[i].cert);
		struct client_reply r;

		test_ztsserve_have("odd", pem);
		r = test_ztsserve_refresh("odd", "none");
		test_ztsserve_expect(&r, cases[i].status, cases[i].text);
		free(pem);
	}
}

/* TLS itself refuses it: there is an alert and no answer. */
static void test_ztsserve_expired(void)
{
	struct ztsfixture_cert old = { .cn = "dom.a.svc",
				       .uri = URI,
				       .not_before_wall = clk_now_wall() - 100,
				       .not_after_wall = clk_now_wall() - 10 };
	char *pem = ztsfixture_make_cert(&test_ztsserve.f, &old);
	struct client_reply r;

	test_ztsserve_have("old", pem);
	r = test_ztsserve_refresh("old", "none");
	CU_ASSERT_EQUAL(r.status, 0);
	r = test_ztsserve_ask("old", "GET", "/zts/v1/status", "");
	CU_ASSERT_EQUAL(r.status, 0);
	free(pem);
}

/* A client may present what it has when it registers; what is bad is refused all the same. */
static void test_ztsserve_register_with_cert(void)
{
	struct ztsfixture_cert host = { .cn = "dom.other.host" }, role = { .cn = "dom.a:role.svc" };
	char *body = ztsfixture_make_body(&test_ztsserve.f, &(struct ztsfixture_body){ 0 });
	char *pem = ztsfixture_make_cert(&test_ztsserve.f, &host);
	struct client_reply r;

	test_ztsserve_have("host", pem);
	r = test_ztsserve_ask("host", "POST", "/zts/v1/instance", body);
	test_ztsserve_expect(&r, 201, "x509Certificate");
	free(pem);
	pem = ztsfixture_make_cert(&test_ztsserve.f, &role);
	test_ztsserve_have("role", pem);
	r = test_ztsserve_ask("role", "POST", "/zts/v1/instance", body);
	test_ztsserve_expect(&r, 401, "Invalid credentials");
	free(pem);
	free(body);
}

static void test_ztsserve_deletes_nothing(void)
{
	struct client_reply r;

	test_ztsserve_register("one");
	r = test_ztsserve_ask("one", "DELETE", INSTANCE, "");
	test_ztsserve_expect(&r, 403, "not authorized to delete instances");
	r = test_ztsserve_refresh("one", "two");
	test_ztsserve_expect(&r, 200, "x509Certificate");
}

static void test_ztsserve_large(void)
{
	char *body = malloc(ATHENZ_REQUEST_MAX + 2);
	struct client_reply r;

	CU_ASSERT_PTR_NOT_NULL(body);
	if (!body)
		return;
	memset(body, ' ', ATHENZ_REQUEST_MAX + 1);
	body[ATHENZ_REQUEST_MAX + 1] = '\0';
	r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance", body);
	test_ztsserve_expect(&r, 413, "\"message\":\"Payload Too Large\",\"code\":413");
	body[ATHENZ_REQUEST_MAX] = '\0';
	r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance", body);
	test_ztsserve_expect(&r, 400, "Invalid Object");
	free(body);
}

static void test_ztsserve_limited(void)
{
	struct client_reply r;

	test_ztsserve_close();
	test_ztsserve_open("requests_per_minute = 1\nrequest_burst = 2");
	for (int i = 0; i < 2; i++) {
		r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance", "");
		test_ztsserve_expect(&r, 400, "Invalid Object");
	}
	r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance", "");
	test_ztsserve_expect(&r, 429, "Retry-After: ");
	test_ztsserve_expect(&r, 429, "\"message\":\"Too many requests");
	r = test_ztsserve_ask(NULL, "GET", "/zts/v1/status", ""); /* health is not limited */
	test_ztsserve_expect(&r, 200, "OK");
}

/* What PST_RATE_LIMITED and the others are counted as, read when the server has ended. */
static void test_ztsserve_counts(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(ZTSSTATS_TEXT_MAX);
	struct client_reply r;

	test_ztsserve_close();
	test_ztsserve_open("requests_per_minute = 1\nrequest_burst = 1");
	test_ztsserve_register("one");
	r = test_ztsserve_refresh("one", "two");
	test_ztsserve_expect(&r, 429, "Too many");
	test_ztsserve_close();
	ztsstats_print(&test_ztsserve.stats, &b);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "postern_ztsd_registered_total 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "{route=\"register\",status=\"201\"} 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "{route=\"instance\",status=\"429\"} 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "refused_total{code=\"PST-5007\"} 1\n"));
	test_ztsserve_setup();
}

static bool test_ztsserve_enter(struct client *c, const char *source)
{
	return client_connect_from(c, source, test_ztsserve.port) &&
	       client_shake(c, test_ztsserve.f.dir, NULL, TLS1_3_VERSION);
}

/* One more from @source is closed, and its first flight not answered. */
static void test_ztsserve_expect_crowd(const char *source)
{
	struct client c;

	CU_ASSERT_TRUE(client_connect_from(&c, source, test_ztsserve.port));
	(void)client_shake_begin(&c, test_ztsserve.f.dir, NULL);
	if (!client_is_turned_away(&c))
		tap_fail(__FILE__, __LINE__, "%s is let in", source);
	client_close(&c);
}

static void test_ztsserve_expect_served(struct client *c, const char *source)
{
	static const char text[] = "GET /zts/v1/status HTTP/1.1\r\nHost: zts\r\n\r\n";
	struct client_reply r = { .status = 0 };

	if (client_write(c, text, sizeof(text) - 1))
		r = client_read(c);
	if (r.status != 200)
		tap_fail(__FILE__, __LINE__, "%s: got %d", source, r.status);
	client_close(c);
}

/* Each source fills its places, whoever else did, and has one again when one of them ends. */
static void test_ztsserve_crowd(void)
{
	static const char *const sources[] = { "::ffff:127.0.0.2", "::ffff:127.0.0.3", "::1" };
	uint64_t end_ns = clk_now_ns() + CLIENT_TIMEOUT_S * CLK_NS_PER_S;
	struct client c[ARRAY_SIZE(sources)][2];
	bool again = false;

	test_ztsserve_close();
	test_ztsserve_open("conns_per_source = 2");
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		CU_ASSERT_TRUE(test_ztsserve_enter(&c[i][0], sources[i]));
		CU_ASSERT_TRUE(test_ztsserve_enter(&c[i][1], sources[i]));
		test_ztsserve_expect_crowd(sources[i]);
	}
	test_ztsserve_expect_served(&c[0][0], sources[0]);
	while (!again && clk_now_ns() < end_ns) { /* the server sees the end in its own time */
		again = test_ztsserve_enter(&c[0][0], sources[0]);
		if (!again)
			client_close(&c[0][0]);
	}
	CU_ASSERT_TRUE(again);
	test_ztsserve_expect_crowd(sources[0]);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		test_ztsserve_expect_served(&c[i][0], sources[i]);
		test_ztsserve_expect_served(&c[i][1], sources[i]);
	}
}

/* Those that were let in still stand when the server ends. */
static void test_ztsserve_crowd_counts(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(ZTSSTATS_TEXT_MAX);
	struct client c;

	test_ztsserve_close();
	test_ztsserve_open("conns_per_source = 1");
	CU_ASSERT_TRUE(test_ztsserve_enter(&c, "::1"));
	test_ztsserve_expect_crowd("::1");
	test_ztsserve_close();
	client_close(&c);
	ztsstats_print(&test_ztsserve.stats, &b);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "refused_total{code=\"PST-5007\"} 1\n"));
	test_ztsserve_setup();
}

/* Where there is no memory for TLS nobody is served without. */
static void test_ztsserve_no_memory(void)
{
	static const char ask[] = "GET /zts/v1/status HTTP/1.1\r\nHost: zts\r\n\r\n";
	struct client_reply r;
	char text[32] = "";
	struct client c;

	torture_arm(0);
	CU_ASSERT_TRUE(client_connect(&c, test_ztsserve.port));
	CU_ASSERT_EQUAL(send(c.fd, ask, strlen(ask), MSG_NOSIGNAL), (ssize_t)strlen(ask));
	CU_ASSERT_TRUE(recv(c.fd, text, sizeof(text) - 1, MSG_WAITALL) > 0);
	CU_ASSERT_TRUE(torture_disarm());
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " 503 "));
	client_close(&c);
	r = test_ztsserve_send(ask);
	test_ztsserve_expect(&r, 200, "OK");
}

static void test_ztsserve_denied(void)
{
	static const char list[] = "principal dom.a.svc\n";
	char why[DENYLIST_ERROR_MAX];
	struct denylist *deny = NULL;
	struct client_reply r;

	test_ztsserve_register("one");
	CU_ASSERT_EQUAL(denylist_parse("test", list, sizeof(list) - 1, &deny, why), 0);
	/* The server looks at it while it has a request, and there is none now. */
	test_ztsserve.f.env.deny = deny;
	r = test_ztsserve_refresh("one", "two");
	test_ztsserve_expect(&r, 403, "Certificate revoked");
	test_ztsserve_close();
	denylist_free(deny);
	test_ztsserve_setup();
}

/* Who is denied may not even vouch for another. */
static void test_ztsserve_denied_host(void)
{
	static const char list[] = "principal dom.other.host\n";
	struct ztsfixture_cert host = { .cn = "dom.other.host" };
	char *body = ztsfixture_make_body(&test_ztsserve.f, &(struct ztsfixture_body){ 0 });
	char *pem = ztsfixture_make_cert(&test_ztsserve.f, &host);
	char why[DENYLIST_ERROR_MAX];
	struct denylist *deny = NULL;
	struct client_reply r;

	test_ztsserve_have("host", pem);
	CU_ASSERT_EQUAL(denylist_parse("test", list, sizeof(list) - 1, &deny, why), 0);
	test_ztsserve.f.env.deny = deny;
	r = test_ztsserve_ask("host", "POST", "/zts/v1/instance", body);
	test_ztsserve_expect(&r, 403, "Certificate revoked");
	r = test_ztsserve_ask(NULL, "POST", "/zts/v1/instance", body);
	test_ztsserve_expect(&r, 201, "x509Certificate");
	test_ztsserve_close();
	denylist_free(deny);
	free(body);
	free(pem);
	test_ztsserve_setup();
}

/* A serial, which only the check of the presented certificate can know. */
static void test_ztsserve_denied_serial(void)
{
	struct ztsfixture_cert spec = { .cn = "dom.a.svc", .uri = URI };
	char *pem = ztsfixture_make_cert(&test_ztsserve.f, &spec);
	X509 *cert = ztsfixture_parse(pem);
	char list[128], why[DENYLIST_ERROR_MAX];
	struct denylist *deny = NULL;
	struct client_reply r;
	struct peerid id;
	enum pst code;

	CU_ASSERT_EQUAL(peerid_read(cert, &(struct peerid_rule){ 0 }, &id, &code), 0);
	snprintf(list, sizeof(list), "serial %s\n", id.serial);
	CU_ASSERT_EQUAL(denylist_parse("test", list, strlen(list), &deny, why), 0);
	test_ztsserve_have("listed", pem);
	r = test_ztsserve_refresh("listed", "none");
	test_ztsserve_expect(&r, 403, "Unable to find certificate record");
	test_ztsserve.f.env.deny = deny;
	r = test_ztsserve_refresh("listed", "none");
	test_ztsserve_expect(&r, 403, "Certificate revoked");
	test_ztsserve_close();
	denylist_free(deny);
	X509_free(cert);
	free(pem);
	test_ztsserve_setup();
}

static const struct tap_test test_ztsserve_tests[] = {
	{ "register, refresh, revoke, heal", test_ztsserve_life },
	{ "every route", test_ztsserve_routes },
	{ "one request in a connection", test_ztsserve_smuggled },
	{ "headers at their limit", test_ztsserve_bombs },
	{ "paths in other writings", test_ztsserve_encoded },
	{ "a slash behind the path", test_ztsserve_slash },
	{ "certificates that are not good enough", test_ztsserve_credentials },
	{ "an expired certificate", test_ztsserve_expired },
	{ "a registration with a certificate", test_ztsserve_register_with_cert },
	{ "an instance does not delete itself", test_ztsserve_deletes_nothing },
	{ "a body at its limit", test_ztsserve_large },
	{ "too many requests", test_ztsserve_limited },
	{ "counters", test_ztsserve_counts },
	{ "connections of one source at their limit", test_ztsserve_crowd },
	{ "connections of one source are counted", test_ztsserve_crowd_counts },
	{ "no memory for a connection", test_ztsserve_no_memory },
	{ "the deny-list", test_ztsserve_denied },
	{ "a denied host that registers another", test_ztsserve_denied_host },
	{ "a serial on the deny-list", test_ztsserve_denied_serial },
	{ 0 },
};

static const struct tap_suite test_ztsserve_suites[] = {
	{ "ztsserve", test_ztsserve_tests, test_ztsserve_setup, test_ztsserve_close },
	{ 0 },
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	log_open("ztsd", LOG_LEVEL_ERROR);
	return tap_main(argc, argv, test_ztsserve_suites);
}
