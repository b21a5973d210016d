/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/mkcsr.h"
#include "tests/unit/certs/ztsd/fakeattestor.h"
#include "tests/unit/certs/ztsd/ztsfixture.h"

#define ROUTE                                                                                      \
	{                                                                                          \
		.kind = ZTSROUTE_INSTANCE, .provider = "prov.tok", .domain = "dom.a",              \
		.service = "svc", .instance_id = "i-01"                                            \
	}

static struct ztsfixture test_issuance;

/* How the last one ended. */
static struct {
	unsigned int n_done, status;
	enum pst code;
	char message[ATHENZ_MESSAGE_MAX];
	char principal[PRINCIPAL_MAX], instance_id[PRINCIPAL_INSTANCE_MAX];
	char serial[SIGNER_SERIAL_MAX];
	char *cert;
} test_issuance_got;

static void test_issuance_forget(void)
{
	free(test_issuance_got.cert);
	memset(&test_issuance_got, 0, sizeof(test_issuance_got));
}

static void test_issuance_setup(void)
{
	ztsfixture_open(&test_issuance, "backdate_s = 10", "");
}

static void test_issuance_teardown(void)
{
	ztsfixture_close(&test_issuance);
	test_issuance_forget();
}

static void test_issuance_reopen(const char *settings, const char *provider)
{
	test_issuance_teardown();
	ztsfixture_open(&test_issuance, settings, provider);
}

static void test_issuance_done(void *user, const struct issuance_result *r)
{
	test_issuance_got.n_done++;
	test_issuance_got.status = r->status;
	test_issuance_got.code = r->code;
	snprintf(test_issuance_got.message, sizeof(test_issuance_got.message), "%s",
		 r->message ? r->message : "");
	snprintf(test_issuance_got.principal, PRINCIPAL_MAX, "%s", r->principal);
	snprintf(test_issuance_got.instance_id, PRINCIPAL_INSTANCE_MAX, "%s", r->instance_id);
	snprintf(test_issuance_got.serial, SIGNER_SERIAL_MAX, "%s", r->serial);
	test_issuance_got.cert = r->cert ? strdup(r->cert) : NULL;
}

static void test_issuance_start(struct issuance_asker *asker, const char *body)
{
	test_issuance_forget();
	asker->body = body;
	asker->body_len = strlen(body);
	if (IN6_IS_ADDR_UNSPECIFIED(&asker->source))
		asker->source = in6addr_loopback;
	issuance_start(&test_issuance.env, asker, test_issuance_done, NULL);
}

static void test_issuance_wait(void)
{
	while (!test_issuance_got.n_done && event_base_loop(test_issuance.base, EVLOOP_ONCE) == 0)
		;
}

/* Does one request and waits for its end. */
static void test_issuance_do(struct issuance_asker *asker, const struct ztsfixture_body *b)
{
	char *body = ztsfixture_make_body(&test_issuance, b);

	test_issuance_start(asker, body);
	free(body);
	test_issuance_wait();
	CU_ASSERT_EQUAL(test_issuance_got.n_done, 1);
}

static void test_issuance_register(const struct ztsfixture_body *b)
{
	struct issuance_asker asker = { .route = NULL };

	test_issuance_do(&asker, b);
}

/* What was presented: the certificate with that serial of dom.a.svc's instance i-01. */
static struct peerid test_issuance_id(const char *serial)
{
	struct peerid id = { .principal = "dom.a.svc",
			     .provider = "prov.tok",
			     .instance_id = "i-01",
			     .not_before_wall = clk_now_wall() - 10 };

	snprintf(id.serial, sizeof(id.serial), "%s", serial);
	return id;
}

static void test_issuance_refresh(const char *serial)
{
	struct ztsroute route = ROUTE;
	struct peerid id = test_issuance_id(serial);
	struct issuance_asker asker = { .route = &route, .id = &id };

	test_issuance_do(&asker, &(struct ztsfixture_body){ .refreshing = true });
}

static void test_issuance_expect(unsigned int status, enum pst code, const char *message)
{
	if (test_issuance_got.status != status || test_issuance_got.code != code ||
	    strncmp(test_issuance_got.message, message, strlen(message)) != 0)
		tap_fail(__FILE__, __LINE__, "%u %s: got %u PST-%04u %s", status, message,
			 test_issuance_got.status, test_issuance_got.code,
			 test_issuance_got.message);
	CU_ASSERT_EQUAL(test_issuance_got.cert != NULL, status < 300);
}

static void test_issuance_registers(void)
{
	uint64_t now = clk_now_wall();
	struct peerid id;
	enum pst code;
	X509 *cert;

	test_issuance_register(&(struct ztsfixture_body){ .evidence = "later" });
	test_issuance_expect(201, PST_NONE, "");
	if (!test_issuance_got.cert)
		return;
	cert = ztsfixture_parse(test_issuance_got.cert);
	CU_ASSERT_EQUAL(peerid_read(cert, &(struct peerid_rule){ 0 }, &id, &code), 0);
	CU_ASSERT_STRING_EQUAL(id.principal, "dom.a.svc");
	CU_ASSERT_STRING_EQUAL(id.provider, "prov.tok");
	CU_ASSERT_STRING_EQUAL(id.instance_id, "i-01");
	CU_ASSERT_STRING_EQUAL(id.serial, test_issuance_got.serial);
	CU_ASSERT_TRUE(id.not_before_wall >= now - 10 && id.not_before_wall <= now);
	CU_ASSERT_TRUE(id.expires_wall >= now + 604800 && id.expires_wall <= now + 604810);
	CU_ASSERT_EQUAL(X509_check_host(cert, "svc.dom-a.aws.example", 0, 0, NULL), 1);
	CU_ASSERT_STRING_EQUAL(fakeattestor_dns(), "svc.dom-a.aws.example ");
	CU_ASSERT_STRING_EQUAL(fakeattestor_claim(),
			       "register prov.tok dom.a.svc i-01 account 123456789012");
	test_issuance_refresh(id.serial);
	test_issuance_expect(200, PST_NONE, "");
	CU_ASSERT_STRING_EQUAL(fakeattestor_claim(),
			       "refresh prov.tok dom.a.svc i-01 account 123456789012");
	X509_free(cert);
}

static void test_issuance_serial_rule(void)
{
	char first[SIGNER_SERIAL_MAX], second[SIGNER_SERIAL_MAX], third[SIGNER_SERIAL_MAX];

	test_issuance_refresh("aa");
	test_issuance_expect(403, PST_RECORD_MISSING, "Unable to find certificate record");
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	memcpy(first, test_issuance_got.serial, sizeof(first));
	test_issuance_refresh(first);
	test_issuance_expect(200, PST_NONE, "");
	memcpy(second, test_issuance_got.serial, sizeof(second));
	/* An answer that was lost. */
	test_issuance_refresh(first);
	test_issuance_expect(200, PST_NONE, "");
	memcpy(third, test_issuance_got.serial, sizeof(third));
	test_issuance_refresh(third);
	test_issuance_expect(200, PST_NONE, "");
	test_issuance_refresh(second);
	test_issuance_expect(403, PST_INSTANCE_REVOKED, "Certificate revoked");
	test_issuance_refresh(third);
	test_issuance_expect(403, PST_INSTANCE_REVOKED, "Certificate revoked");
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(201, PST_NONE, "");
	test_issuance_refresh(test_issuance_got.serial);
	test_issuance_expect(200, PST_NONE, "");
}

static void test_issuance_blocked(void)
{
	struct ztsdb_key key = { "prov.tok", "dom.a", "svc", "i-01" };

	test_issuance_register(&(struct ztsfixture_body){ 0 });
	CU_ASSERT_EQUAL(ztsdb_revoke(test_issuance.db, &key), 0);
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(403, PST_INSTANCE_REVOKED, "Certificate revoked");
	/* The reset covers certificates by the time they were made, not by their back-dated one. */
	CU_ASSERT_EQUAL(ztsdb_reset(test_issuance.db, &key, clk_now_wall() - 5), 0);
	test_issuance_refresh("aa");
	test_issuance_expect(403, PST_INSTANCE_REVOKED, "Certificate revoked");
	CU_ASSERT_EQUAL(ztsdb_reset(test_issuance.db, &key, clk_now_wall() + 1), 0);
	test_issuance_refresh("aa");
	test_issuance_expect(200, PST_NONE, "");
}

/* The registry's side of a request, in the order of Athenz. */
static void test_issuance_registry(void)
{
	static const struct {
		struct ztsfixture_body body;
		unsigned int status;
		const char *message;
	} cases[] = {
		{ { .domain = "dom.none" }, 404, "Domain not found: dom.none" },
		{ { .domain = "dom.none", .provider = "prov.none" }, 404, "Domain not found" },
		{ { .service = "none" }, 400, "Service not registered in domain" },
		{ { .service = "none", .provider = "prov.none" },
		  400,
		  "Service not registered in domain" },
		{ { .provider = "prov.none" },
		  403,
		  "provider 'prov.none' not authorized to launch instances in Athenz" },
		/* In the registry, but no longer in the configuration. */
		{ { .provider = "prov.gone" },
		  403,
		  "provider 'prov.gone' not authorized to launch instances in Athenz" },
		{ { .service = "web" },
		  403,
		  "provider 'prov.tok' not authorized to launch dom.a.web instances" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		test_issuance_register(&cases[i].body);
		test_issuance_expect(cases[i].status, PST_LAUNCH_DENIED, cases[i].message);
	}
}

static void test_issuance_bodies(void)
{
	static const struct {
		const char *body, *message;
	} cases[] = {
		{ "", "Invalid Object" },
		{ "{", "Invalid Object" },
		{ "[]", "Invalid Object" },
		{ "{}", "Invalid InstanceRegisterInformation error" },
		{ "{\"provider\":\"p q\",\"domain\":\"d\",\"service\":\"s\",\"attestationData\":"
		  "\"x\"}",
		  "Invalid InstanceRegisterInformation error" },
	};
	struct issuance_asker asker = { .route = NULL };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		test_issuance_start(&asker, cases[i].body);
		test_issuance_wait();
		test_issuance_expect(400, PST_REQUEST_INVALID, cases[i].message);
	}
	test_issuance_register(&(struct ztsfixture_body){ .evidence = "" });
	test_issuance_expect(400, PST_REQUEST_INVALID,
			     "attestation data is required for x509 certificate request");
	test_issuance_register(&(struct ztsfixture_body){ .csr = "" });
	test_issuance_expect(400, PST_REQUEST_INVALID, "no csr provided");
}

static void test_issuance_requests(void)
{
	char *other = ztsfixture_csr(&test_issuance, "prov.aws", "i-01");

	test_issuance_register(&(struct ztsfixture_body){ .csr = "garbage" });
	test_issuance_expect(400, PST_CSR_REFUSED, "unable to parse PKCS10 CSR");
	test_issuance_register(&(struct ztsfixture_body){ .csr = other });
	test_issuance_expect(400, PST_CSR_REFUSED,
			     "CSR validation failed - provider mismatch in instance id");
	test_issuance_register(
		&(struct ztsfixture_body){ .domain = "dom.short", .evidence = "ok" });
	test_issuance_expect(400, PST_CSR_REFUSED,
			     "CSR validation failed - Unable to validate CSR common name");
	free(other);
}

#define CN(literal) MKCSR_FIELD(NID_commonName, literal)
#define DNS(literal) MKCERT_NAME(GEN_DNS, literal)
#define URI(literal) MKCERT_NAME(GEN_URI, literal)
#define ID URI("athenz://instanceid/prov.tok/i-01")
#define BAD "CSR validation failed - "

/* Real requests, of each kind that has words of its own in Athenz. */
static void test_issuance_rules(void)
{
	static const struct {
		struct mkcsr csr;
		const char *message; /* NULL = good */
	} cases[] = {
		{ { .fields = { CN("dom.a.svc") }, .sans = { DNS("svc.dom-a.aws.example"), ID } },
		  NULL },
		{ { .fields = { CN("dom.a.svc"), CN("dom.a.svc") }, .sans = { ID } },
		  "unable to parse PKCS10 CSR: a field of the subject is there twice" },
		{ { .fields = { CN("dom.a.web") }, .sans = { ID } },
		  BAD "Unable to validate CSR common name" },
		{ { .fields = { CN("dom.a.svc") } }, BAD "InstanceId cannot be empty" },
		{ { .fields = { CN("dom.a.svc") }, .sans = { ID, DNS("svc.dom-a.evil.example") } },
		  BAD "svc.dom-a.evil.example does not end with provider/service configured suffix "
		      "or hostname" },
		{ { .fields = { MKCSR_FIELD(NID_organizationName, "Other"), CN("dom.a.svc") },
		    .sans = { ID } },
		  BAD "Unable to validate Subject O Field" },
		{ { .fields = { CN("dom.a.svc") }, .sans = { ID, URI("spiffe://dom.a/sa/web") } },
		  BAD "Unable to validate SPIFFE URI" },
		{ { .fields = { CN("dom.a.svc") },
		    .sans = { ID, URI("spiffe://dom.a/sa/svc"), URI("spiffe://dom.a/sa/svc") } },
		  BAD "Invalid SPIFFE URI present in CSR" },
		{ { .fields = { CN("dom.a.svc") },
		    .sans = { ID, URI("athenz://instanceid/prov.tok/i-02") } },
		  BAD "more than one instance id" },
		{ { .fields = { CN("dom.a.svc") },
		    .sans = { ID, MKCERT_NAME(GEN_EMAIL, "dom.a.svc@aws.example") } },
		  BAD "unsupported email" },
		{ { .fields = { CN("dom.a.svc") },
		    .sans = { ID, MKCERT_NAME(GEN_IPADD, "\x0a\x00\x00\x01") } },
		  BAD "Unable to validate IP address: 10.0.0.1" },
	};

	test_issuance_reopen("organizations = Acme", "");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mkcsr spec = cases[i].csr;
		uint64_t n = 9;
		char *csr;

		spec.key = test_issuance.key;
		csr = mkcsr_make(&spec);
		test_issuance_register(&(struct ztsfixture_body){ .csr = csr });
		test_issuance_expect(cases[i].message ? 400 : 201,
				     cases[i].message ? PST_CSR_REFUSED : PST_NONE,
				     cases[i].message ? cases[i].message : "");
		CU_ASSERT_EQUAL(ztsdb_count(test_issuance.db, &n), 0);
		CU_ASSERT_EQUAL(n, 1); /* the good one, which came first */
		free(csr);
	}
}

/* A certificate has what was checked and no more, whatever else was asked for. */
static void test_issuance_drops_extensions(void)
{
	static const struct mkcsr asked = { .fields = { CN("dom.a.svc") },
					    .sans = { ID },
					    .has_challenge = true,
					    .has_usage = true };
	static const int expect[] = { NID_basic_constraints, NID_key_usage,
				      NID_authority_key_identifier, NID_ext_key_usage,
				      NID_subject_alt_name };
	struct mkcsr spec = asked;
	X509 *cert;
	char *csr;

	spec.key = test_issuance.key;
	csr = mkcsr_make(&spec);
	test_issuance_register(&(struct ztsfixture_body){ .csr = csr });
	free(csr);
	test_issuance_expect(201, PST_NONE, "");
	if (!test_issuance_got.cert)
		return;
	cert = ztsfixture_parse(test_issuance_got.cert);
	CU_ASSERT_EQUAL(X509_get_ext_count(cert), ARRAY_SIZE(expect));
	for (size_t i = 0; i < ARRAY_SIZE(expect); i++)
		CU_ASSERT_TRUE(X509_get_ext_by_NID(cert, expect[i], -1) >= 0);
	CU_ASSERT_EQUAL(X509_check_ca(cert), 0);
	CU_ASSERT_EQUAL(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT | XKU_SSL_SERVER);
	CU_ASSERT_EQUAL(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	X509_free(cert);
}

/* One of several requests that are under way together. */
struct test_issuance_flight {
	unsigned int status;
	char serial[SIGNER_SERIAL_MAX];
};

static void test_issuance_landed(void *user, const struct issuance_result *r)
{
	struct test_issuance_flight *f = user;

	test_issuance_got.n_done++;
	f->status = r->status;
	snprintf(f->serial, sizeof(f->serial), "%s", r->serial);
}

/* A refresh with @serial, or a registration when that is NULL. */
static void test_issuance_send(const char *serial, struct test_issuance_flight *ret)
{
	struct ztsroute route = ROUTE;
	struct peerid id = test_issuance_id(serial ? serial : "");
	struct issuance_asker asker = { .route = serial ? &route : NULL,
					.id = serial ? &id : NULL,
					.source = in6addr_loopback };
	char *body = ztsfixture_make_body(&test_issuance,
					  &(struct ztsfixture_body){ .refreshing = serial });

	asker.body = body;
	asker.body_len = strlen(body);
	issuance_start(&test_issuance.env, &asker, test_issuance_landed, ret);
	free(body);
}

static void test_issuance_land(unsigned int n)
{
	while (test_issuance_got.n_done < n &&
	       event_base_loop(test_issuance.base, EVLOOP_ONCE) == 0)
		;
	test_issuance_forget();
}

/* Two at a time with one certificate: both are answered and the second counts. Who was given the
 * first is found out when he comes again: there must be two of them. */
static void test_issuance_two_at_a_time(void)
{
	struct test_issuance_flight one = { 0 }, two = { 0 };
	char first[SIGNER_SERIAL_MAX];

	test_issuance_register(&(struct ztsfixture_body){ 0 });
	memcpy(first, test_issuance_got.serial, sizeof(first));
	test_issuance_forget();
	test_issuance_send(first, &one);
	test_issuance_send(first, &two);
	test_issuance_land(2);
	CU_ASSERT_EQUAL(one.status, 200);
	CU_ASSERT_EQUAL(two.status, 200);
	test_issuance_refresh(two.serial);
	test_issuance_expect(200, PST_NONE, "");
	test_issuance_refresh(one.serial);
	test_issuance_expect(403, PST_INSTANCE_REVOKED, "Certificate revoked");
}

/* A registration behind a refresh that is under way ends all certificates from before. */
static void test_issuance_registers_meanwhile(void)
{
	struct test_issuance_flight refresh = { 0 }, again = { 0 };
	char first[SIGNER_SERIAL_MAX];

	test_issuance_register(&(struct ztsfixture_body){ 0 });
	memcpy(first, test_issuance_got.serial, sizeof(first));
	test_issuance_forget();
	test_issuance_send(first, &refresh);
	test_issuance_send(NULL, &again);
	test_issuance_land(2);
	CU_ASSERT_EQUAL(refresh.status, 200);
	CU_ASSERT_EQUAL(again.status, 201);
	test_issuance_refresh(again.serial);
	test_issuance_expect(200, PST_NONE, "");
	test_issuance_refresh(refresh.serial);
	test_issuance_expect(403, PST_INSTANCE_REVOKED, "Certificate revoked");
}

static void test_issuance_attestation(void)
{
	static const struct {
		const char *evidence;
		unsigned int status;
		enum pst code;
		const char *message;
	} cases[] = {
		{ "bad", 403, PST_ATTESTATION_REFUSED,
		  "unable to verify attestation data: no proof clientIP: ::1" },
		{ "timeout", 504, PST_ATTESTATION_TIMEOUT,
		  "attestation timed out: nobody answers" },
		{ "fail", 500, PST_ATTESTATION_REFUSED,
		  "unable to get instance for provider: our own trouble" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t n = 9;

		test_issuance_register(&(struct ztsfixture_body){ .evidence = cases[i].evidence });
		test_issuance_expect(cases[i].status, cases[i].code, cases[i].message);
		CU_ASSERT_EQUAL(ztsdb_count(test_issuance.db, &n), 0);
		CU_ASSERT_EQUAL(n, 0);
	}
}

/* Who is presented, against path and request. */
static void test_issuance_refresh_names(void)
{
	static const struct {
		struct ztsroute route;
		const char *principal, *provider, *id;
		const char *message;
	} cases[] = {
		{ ROUTE, "dom.a.web", "prov.tok", "i-01",
		  "Principal mismatch: dom.a.web vs. dom.a.svc" },
		{ ROUTE, "dom.a.svc", "prov.tok", "i-02",
		  "CSR validation failed - instance id mismatch" },
		{ ROUTE, "dom.a.svc", "", "", "CSR validation failed - instance id mismatch" },
		{ ROUTE, "dom.a.svc", "prov.aws", "i-01",
		  "CSR validation failed - provider mismatch" },
		{ { .kind = ZTSROUTE_INSTANCE,
		    .provider = "prov.tok",
		    .domain = "dom.a",
		    .service = "svc",
		    .instance_id = "i-02" },
		  "dom.a.svc",
		  "prov.tok",
		  "i-01",
		  "CSR validation failed - instance id mismatch" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peerid id = test_issuance_id("aa");
		struct issuance_asker asker = { .route = &cases[i].route, .id = &id };

		snprintf(id.principal, sizeof(id.principal), "%s", cases[i].principal);
		snprintf(id.provider, sizeof(id.provider), "%s", cases[i].provider);
		snprintf(id.instance_id, sizeof(id.instance_id), "%s", cases[i].id);
		test_issuance_do(&asker, &(struct ztsfixture_body){ .refreshing = true });
		CU_ASSERT_EQUAL(test_issuance_got.status, 400);
		if (strncmp(test_issuance_got.message, cases[i].message,
			    strlen(cases[i].message)) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", cases[i].message,
				 test_issuance_got.message);
	}
}

static void test_issuance_sources(void)
{
	struct issuance_asker asker = { .route = NULL };

	test_issuance_reopen("", "sources = 2001:db8::/32 10.0.0.0/8");
	test_issuance_register(&(struct ztsfixture_body){ .domain = "dom.none" });
	test_issuance_expect(403, PST_LAUNCH_DENIED, "Unknown IP: ::1 for Provider: prov.tok");
	asker.source = (struct in6_addr){ { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } } };
	test_issuance_do(&asker, &(struct ztsfixture_body){ 0 });
	test_issuance_expect(201, PST_NONE, "");
	asker.source = (struct in6_addr){ { { [10] = 0xff, 0xff, 10, 1, 2, 3 } } };
	test_issuance_do(&asker, &(struct ztsfixture_body){ 0 });
	test_issuance_expect(201, PST_NONE, "");
	asker.source = (struct in6_addr){ { { [10] = 0xff, 0xff, 11, 1, 2, 3 } } };
	test_issuance_do(&asker, &(struct ztsfixture_body){ 0 });
	test_issuance_expect(403, PST_LAUNCH_DENIED, "Unknown IP: 11.1.2.3 for Provider");
}

static void test_issuance_unit(void)
{
	static const char cn[] = "dom.a.svc", ou[] = "nobody",
			  uri[] = "athenz://instanceid/"
				  "prov.tok/i-01";
	struct mkcsr spec = { .key = test_issuance.key,
			      .fields = { MKCSR_FIELD(NID_organizationalUnitName, ou),
					  MKCSR_FIELD(NID_commonName, cn) },
			      .sans = { MKCERT_NAME(GEN_URI, uri) } };
	char *csr = mkcsr_make(&spec);

	/* Attestation comes first, as in Athenz. */
	test_issuance_register(&(struct ztsfixture_body){ .csr = csr, .evidence = "bad" });
	test_issuance_expect(403, PST_ATTESTATION_REFUSED, "unable to verify");
	test_issuance_register(&(struct ztsfixture_body){ .csr = csr });
	test_issuance_expect(400, PST_CSR_REFUSED, "CSR Subject OrgUnit validation failed");
	free(csr);
}

/* Seconds from now until the certificate ends. */
static uint64_t test_issuance_lifetime(void)
{
	X509 *cert;
	struct peerid id = { .expires_wall = 0 };
	enum pst code;

	if (!test_issuance_got.cert)
		return 0;
	cert = ztsfixture_parse(test_issuance_got.cert);
	CU_ASSERT_EQUAL(peerid_read(cert, &(struct peerid_rule){ 0 }, &id, &code), 0);
	X509_free(cert);
	return id.expires_wall - id.not_before_wall;
}

static void test_issuance_lifetimes(void)
{
	static const struct {
		const char *settings;
		int32_t minutes;
		uint64_t expect;
	} cases[] = {
		{ "default_lifetime_s = 7", 0, 7 },
		{ "min_lifetime_s = 90", 1, 90 },
		{ "min_lifetime_s = 60", 1, 60 },
		{ "max_lifetime_s = 604801", 10080, 604800 },
		{ "max_lifetime_s = 604801", 10081, 604801 },
		{ "", INT32_MAX, 2592000 },
		{ "max_lifetime_s = 31622400", INT32_MAX, 2592000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char settings[128];
		uint64_t got;

		snprintf(settings, sizeof(settings), "backdate_s = 0\n%s", cases[i].settings);
		test_issuance_reopen(settings, "");
		test_issuance_register(&(struct ztsfixture_body){ .expiry_min = cases[i].minutes });
		test_issuance_expect(201, PST_NONE, "");
		got = test_issuance_lifetime();
		/* The CA of the fixture lasts 30 days from a moment before. */
		if (got != cases[i].expect &&
		    !(cases[i].expect == 2592000 && got <= 2592000 && got > 2592000 - 60))
			tap_fail(__FILE__, __LINE__, "%s: %llu", settings, (unsigned long long)got);
	}
}

/* The cap of a domain goes before the shortest lifetime. */
static void test_issuance_cap(void)
{
	static const char cn[] = "dom.short.svc", uri[] = "athenz://instanceid/prov.tok/i-01";
	struct mkcsr spec = { .fields = { MKCSR_FIELD(NID_commonName, cn) },
			      .sans = { MKCERT_NAME(GEN_URI, uri) } };
	char *csr;

	test_issuance_reopen("backdate_s = 0", "");
	spec.key = test_issuance.key;
	csr = mkcsr_make(&spec);
	test_issuance_register(
		&(struct ztsfixture_body){ .csr = csr, .domain = "dom.short", .expiry_min = 100 });
	test_issuance_expect(201, PST_NONE, "");
	CU_ASSERT_EQUAL(test_issuance_lifetime(), 30);
	CU_ASSERT_STRING_EQUAL(fakeattestor_claim(),
			       "register prov.tok dom.short.svc i-01 account ");
	free(csr);
}

static void test_issuance_closed(void)
{
	test_issuance.env.is_closed = true;
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(500, PST_DENYLIST_UNUSABLE, "unable to read the deny-list");
	test_issuance_reopen("read_only = yes", "");
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(400, PST_REQUEST_INVALID, "Server in Maintenance Read-Only mode");
}

static void test_issuance_denied(void)
{
	static const char list[] = "instance i-01\n";
	char why[DENYLIST_ERROR_MAX];
	struct denylist *deny = NULL;

	CU_ASSERT_EQUAL(denylist_parse("test", list, sizeof(list) - 1, &deny, why), 0);
	test_issuance.env.deny = deny;
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(403, PST_PEER_DENIED, "Certificate revoked");
	denylist_free(deny);
}

/* Nothing is issued that is not on record, and it goes on as soon as there is room. */
static void test_issuance_put_account(const char *account)
{
	struct ztsdb_domain d = { .name = "dom.a" };

	snprintf(d.account, sizeof(d.account), "%s", account);
	CU_ASSERT_EQUAL(ztsdb_put_domain(test_issuance.db, &d), 0);
}

static void test_issuance_remove_right(void)
{
	struct ztsdb_service right = { "dom.a", "svc", "prov.aws" };

	CU_ASSERT_EQUAL(ztsdb_remove_service(test_issuance.db, &right), 0);
}

/* What happens while the attestor asks: @how 0 nothing, 1 a denial, 2 the deny-list breaks, 3 the
 * account is another, 4 the right is gone. */
static void test_issuance_meanwhile_one(int how)
{
	char *csr = ztsfixture_csr(&test_issuance, "prov.aws", "i-01");
	char *body = ztsfixture_make_body(
		&test_issuance, &(struct ztsfixture_body){
					.provider = "prov.aws", .evidence = "later", .csr = csr });
	struct issuance_asker asker = { .route = NULL };
	char why[DENYLIST_ERROR_MAX];
	struct denylist *deny = NULL;

	test_issuance_start(&asker, body);
	CU_ASSERT_EQUAL(test_issuance_got.n_done, 0);
	CU_ASSERT_EQUAL(denylist_parse("deny", "instance i-01", 13, &deny, why), 0);
	test_issuance.env.deny = how == 1 ? deny : NULL;
	test_issuance.env.is_closed = how == 2;
	if (how == 3)
		test_issuance_put_account("999999999999");
	if (how == 4)
		test_issuance_remove_right();
	test_issuance_wait();
	test_issuance.env.deny = NULL;
	test_issuance.env.is_closed = false;
	test_issuance_put_account("123456789012");
	denylist_free(deny);
	free(body);
	free(csr);
}

static void test_issuance_meanwhile(void)
{
	test_issuance_meanwhile_one(0);
	test_issuance_expect(201, PST_NONE, "");
	test_issuance_meanwhile_one(1);
	test_issuance_expect(403, PST_PEER_DENIED, "Certificate revoked");
	test_issuance_meanwhile_one(2);
	test_issuance_expect(500, PST_DENYLIST_UNUSABLE, "unable to read the deny-list");
	test_issuance_meanwhile_one(3);
	test_issuance_expect(403, PST_ATTESTATION_REFUSED,
			     "unable to verify attestation data: the account of the domain");
	test_issuance_meanwhile_one(4);
	test_issuance_expect(403, PST_LAUNCH_DENIED,
			     "provider 'prov.aws' not authorized to launch dom.a.svc instances");
}

static void test_issuance_full_disk(void)
{
	struct rlimit old, small = { 0 };

	test_issuance_register(&(struct ztsfixture_body){ 0 });
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	setrlimit(RLIMIT_FSIZE, &old);
	test_issuance_expect(500, PST_RECORDS_FAILED, "unable to update cert db");
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(201, PST_NONE, "");
}

/* A CA that has expired signs nothing, and nothing is recorded. */
static void test_issuance_signer_fails(void)
{
	struct signer_order order = { .common_name = "Old CA", .not_before_wall = 1000 };
	char serial[SIGNER_SERIAL_MAX], path[320], key[320], why[SIGNER_WHY_MAX] = "";
	char *pem = NULL;
	EVP_PKEY *ca = NULL;
	FILE *f;
	uint64_t n = 9;

	snprintf(key, sizeof(key), "%s/ca.key.pem", test_issuance.dir);
	f = fopen(key, "r");
	CU_ASSERT_PTR_NOT_NULL(f);
	if (!f)
		return;
	ca = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	order.key = ca;
	order.serial = serial;
	order.not_after_wall = clk_now_wall() - 1;
	CU_ASSERT_EQUAL(signer_make_serial(serial), 0);
	CU_ASSERT_EQUAL(signer_make_root(&order, NULL, &pem), 0);
	EVP_PKEY_free(ca);
	snprintf(path, sizeof(path), "%s/old.pem", test_issuance.dir);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL(f);
	if (f) {
		fputs(pem, f);
		fclose(f);
	}
	free(pem);
	signer_free(test_issuance.signer);
	test_issuance.signer = NULL;
	CU_ASSERT_EQUAL(signer_open(path, &(struct cakey_spec){ .key = key }, &test_issuance.signer,
				    why),
			0);
	test_issuance.env.signer = test_issuance.signer;
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(500, PST_SIGNER_FAILED, "unable to generate identity");
	CU_ASSERT_EQUAL(ztsdb_count(test_issuance.db, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

/* A key that is away: nothing is issued, and no record moves on. */
static void test_issuance_key_is_down(void)
{
	char cert[320], key[320], why[SIGNER_WHY_MAX];
	uint64_t n = 9;

	snprintf(cert, sizeof(cert), "%s/ca.cert.pem", test_issuance.dir);
	snprintf(key, sizeof(key), "file:%s/ca.key.pem", test_issuance.dir);
	signer_free(test_issuance.signer);
	test_issuance.signer = NULL;
	CU_ASSERT_EQUAL(signer_open(cert, &(struct cakey_spec){ .key = key }, &test_issuance.signer,
				    why),
			0);
	test_issuance.env.signer = test_issuance.signer;
	if (!test_issuance.signer)
		return;
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	test_issuance_expect(500, PST_SIGNER_FAILED, "unable to generate identity");
	CU_ASSERT_EQUAL(ztsdb_count(test_issuance.db, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(signer_start(test_issuance.signer, why), 0);
	test_issuance_register(&(struct ztsfixture_body){ 0 });
	CU_ASSERT_EQUAL(test_issuance_got.status, 201);
}

/* Who waits is answered when the program ends. */
static void test_issuance_ends(void)
{
	struct issuance_asker asker = { .route = NULL };
	char *body = ztsfixture_make_body(&test_issuance,
					  &(struct ztsfixture_body){ .evidence = "hold" });

	test_issuance_start(&asker, body);
	CU_ASSERT_EQUAL(test_issuance_got.n_done, 0);
	ztsfixture_close_waits(&test_issuance);
	CU_ASSERT_EQUAL(test_issuance_got.n_done, 1);
	CU_ASSERT_EQUAL(test_issuance_got.status, 500);
	free(body);
}

static const struct tap_test test_issuance_tests[] = {
	{ "a registration", test_issuance_registers },
	{ "current, previous and stale serials", test_issuance_serial_rule },
	{ "an operator's revocation and reset", test_issuance_blocked },
	{ "the registry says no", test_issuance_registry },
	{ "bodies that are none", test_issuance_bodies },
	{ "signing requests that break a rule", test_issuance_requests },
	{ "requests that are refused in Athenz' words", test_issuance_rules },
	{ "other extensions", test_issuance_drops_extensions },
	{ "two refreshes at a time", test_issuance_two_at_a_time },
	{ "a registration while a refresh is under way", test_issuance_registers_meanwhile },
	{ "attestation says no", test_issuance_attestation },
	{ "a refresh in the name of another", test_issuance_refresh_names },
	{ "sources that are allowed", test_issuance_sources },
	{ "the organisational unit, after attestation", test_issuance_unit },
	{ "lifetimes within the limits", test_issuance_lifetimes },
	{ "the cap of a domain", test_issuance_cap },
	{ "closed and read-only", test_issuance_closed },
	{ "the deny-list without a certificate", test_issuance_denied },
	{ "rights that go while the attestor asks", test_issuance_meanwhile },
	{ "a full disk", test_issuance_full_disk },
	{ "a CA that has expired", test_issuance_signer_fails },
	{ "a CA's key that is away", test_issuance_key_is_down },
	{ "the end while one waits", test_issuance_ends },
	{ 0 },
};

static const struct tap_suite test_issuance_suites[] = {
	{ "issuance", test_issuance_tests, test_issuance_setup, test_issuance_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_issuance_suites);
}
