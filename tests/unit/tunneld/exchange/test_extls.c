/* SPDX-License-Identifier: MIT */
/* The TLS half of an exchange against a server in the same process. */
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "certs/denylist.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/exchange/excert.h"
#include "tunneld/exchange/extls.h"
#include "tunneld/proto/bind.h"

#define TEST_EXTLS_PRINCIPAL "vespa.vespa.cfg"

static struct extls test_extls_it;
static struct excert test_extls_cert;
static SSL_CTX *test_extls_server_ctx, *test_extls_client_ctx;
static SSL *test_extls_server, *test_extls_client;

/* A server with the certificate of @cn, which the client trusts. */
static void test_extls_prepare(const char *cn, bool expired)
{
	excert_release(&test_extls_cert);
	excert_make(cn, expired, &test_extls_cert);
	SSL_CTX_free(test_extls_server_ctx);
	SSL_CTX_free(test_extls_client_ctx);
	test_extls_server_ctx = SSL_CTX_new(TLS_server_method());
	test_extls_client_ctx = SSL_CTX_new(TLS_client_method());
	excert_use(&test_extls_cert, test_extls_server_ctx);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(test_extls_client_ctx), test_extls_cert.cert);
	extls_wipe(&test_extls_it);
	extls_init(&test_extls_it, TEST_EXTLS_PRINCIPAL, NULL, false);
}

static void test_extls_hang_up(void)
{
	SSL_free(test_extls_client);
	SSL_free(test_extls_server);
	test_extls_client = test_extls_server = NULL;
}

static void test_extls_setup(void)
{
	test_extls_prepare(TEST_EXTLS_PRINCIPAL, false);
}

static void test_extls_teardown(void)
{
	test_extls_hang_up();
	SSL_CTX_free(test_extls_server_ctx);
	SSL_CTX_free(test_extls_client_ctx);
	test_extls_server_ctx = test_extls_client_ctx = NULL;
	excert_release(&test_extls_cert);
	extls_wipe(&test_extls_it);
}

/* Attaches and lets both ends talk until nothing moves any more. Gives the code. */
static enum pst test_extls_connect(void)
{
	BIO *a = NULL, *b = NULL;
	char byte;

	CU_ASSERT_EQUAL(extls_attach(&test_extls_it, test_extls_client_ctx), 0);
	test_extls_hang_up();
	test_extls_server = SSL_new(test_extls_server_ctx);
	test_extls_client = SSL_new(test_extls_client_ctx);
	CU_ASSERT_EQUAL(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(test_extls_server, a, a);
	SSL_set_bio(test_extls_client, b, b);
	SSL_set_accept_state(test_extls_server);
	SSL_set_connect_state(test_extls_client);
	for (int i = 0; i < 5; i++) {
		SSL_do_handshake(test_extls_client);
		SSL_do_handshake(test_extls_server);
	}
	SSL_read(test_extls_client, &byte, 1); /* tickets, or an alert about our certificate */
	return test_extls_it.code;
}

/* Refused with @code, and nothing was taken out of the handshake. */
static void test_extls_expect_refusal(unsigned int line, enum pst code, const char *detail)
{
	enum pst got = test_extls_connect();

	if (got != code || (detail && !strstr(test_extls_it.detail, detail)))
		tap_fail(__FILE__, line, "PST-%04u %s", (unsigned int)got, test_extls_it.detail);
	CU_ASSERT_FALSE(test_extls_it.finished);
	CU_ASSERT_TRUE(secret_is_zero(&test_extls_it.exported));
}

static void test_extls_finished(void)
{
	struct extls *t = &test_extls_it;
	struct secret at_server;

	CU_ASSERT_EQUAL(test_extls_connect(), PST_NONE);
	CU_ASSERT_TRUE(t->finished);
	CU_ASSERT_TRUE(t->finished_ns > 0);
	CU_ASSERT_EQUAL(SSL_version(test_extls_client), TLS1_3_VERSION);
	CU_ASSERT_EQUAL(bind_export(test_extls_server, &at_server), 0);
	CU_ASSERT_TRUE(secret_equal(&at_server, &t->exported));
	CU_ASSERT_TRUE(strstr(t->group, "25519") != NULL);
	extls_wipe(t);
	CU_ASSERT_TRUE(secret_is_zero(&t->exported));
}

/* A ticket of the first connection is not kept, or the PSK of the second would prove nothing. */
static void test_extls_no_resumption(void)
{
	CU_ASSERT_EQUAL(test_extls_connect(), PST_NONE);
	CU_ASSERT_EQUAL(SSL_CTX_get_session_cache_mode(test_extls_client_ctx), SSL_SESS_CACHE_OFF);
	CU_ASSERT_EQUAL(SSL_CTX_sess_number(test_extls_client_ctx), 0);
}

static void test_extls_what_is_demanded(void)
{
	SSL_CTX *ctx = test_extls_client_ctx;

	CU_ASSERT_EQUAL(extls_attach(&test_extls_it, ctx), 0);
	CU_ASSERT_EQUAL(SSL_CTX_get_min_proto_version(ctx), TLS1_3_VERSION);
	CU_ASSERT_EQUAL(SSL_CTX_get_security_level(ctx), 2);
	CU_ASSERT_EQUAL(SSL_CTX_get_verify_depth(ctx), 4);
	CU_ASSERT_EQUAL(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_PEER);
}

/* The serial of excert's certificates is 1. */
static void test_extls_denied(void)
{
	static const struct {
		const char *text;
		enum pst code;
	} rows[] = {
		{ "principal " TEST_EXTLS_PRINCIPAL, PST_PEER_DENIED },
		{ "serial 1", PST_PEER_DENIED },
		{ "serial 2\ninstance 1\nprincipal vespa.vespa.other", PST_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(denylist_freep) struct denylist *deny = NULL;
		char error[DENYLIST_ERROR_MAX];

		CU_ASSERT_EQUAL(denylist_parse("deny", rows[i].text, strlen(rows[i].text), &deny,
					       error),
				0);
		test_extls_prepare(TEST_EXTLS_PRINCIPAL, false);
		extls_init(&test_extls_it, TEST_EXTLS_PRINCIPAL, deny, false);
		CU_ASSERT_EQUAL(test_extls_connect(), rows[i].code);
		CU_ASSERT_EQUAL(test_extls_it.finished, rows[i].code == PST_NONE);
	}
}

static void test_extls_other_principal(void)
{
	test_extls_prepare("vespa.other.cfg", false);
	test_extls_expect_refusal(__LINE__, PST_PRINCIPAL_UNEXPECTED,
				  "server is vespa.other.cfg, expected vespa.vespa.cfg");
	/* Neither a longer nor a shorter name is near enough. */
	test_extls_prepare(TEST_EXTLS_PRINCIPAL "x", false);
	test_extls_expect_refusal(__LINE__, PST_PRINCIPAL_UNEXPECTED, NULL);
	test_extls_prepare("vespa.vespa", false);
	test_extls_expect_refusal(__LINE__, PST_PRINCIPAL_UNEXPECTED, NULL);
}

static void test_extls_no_principal(void)
{
	test_extls_prepare(NULL, false);
	test_extls_expect_refusal(__LINE__, PST_CN_COUNT, "server certificate");
	test_extls_prepare("cfg", false);
	test_extls_expect_refusal(__LINE__, PST_CN_FORMAT, NULL);
}

static void test_extls_expired(void)
{
	test_extls_prepare(TEST_EXTLS_PRINCIPAL, true);
	test_extls_expect_refusal(__LINE__, PST_CERT_EXPIRED, "expired");
}

static void test_extls_untrusted(void)
{
	X509_STORE *empty = X509_STORE_new();

	SSL_CTX_set_cert_store(test_extls_client_ctx, empty);
	test_extls_expect_refusal(__LINE__, PST_CERT_UNTRUSTED, NULL);
}

/* What goes wrong later is only the echo of what went wrong first. */
static void test_extls_first_reason(void)
{
	test_extls_prepare("vespa.other.cfg", false);
	CU_ASSERT_EQUAL(test_extls_connect(), PST_PRINCIPAL_UNEXPECTED);
	SSL_CTX_set_cert_store(test_extls_client_ctx, X509_STORE_new());
	CU_ASSERT_EQUAL(test_extls_connect(), PST_PRINCIPAL_UNEXPECTED);
	CU_ASSERT_TRUE(strstr(test_extls_it.detail, "vespa.other.cfg") != NULL);
}

static void test_extls_old_server(void)
{
	SSL_CTX_set_max_proto_version(test_extls_server_ctx, TLS1_2_VERSION);
	test_extls_expect_refusal(__LINE__, PST_TLS_HANDSHAKE, "protocol version");
}

static void test_extls_no_common_group(void)
{
	CU_ASSERT_EQUAL(SSL_CTX_set1_groups_list(test_extls_server_ctx, "P-256"), 1);
	test_extls_expect_refusal(__LINE__, PST_TLS_HANDSHAKE, "handshake failure");
}

static void test_extls_post_quantum(void)
{
	struct extls *t = &test_extls_it;
	int r;

	extls_init(t, TEST_EXTLS_PRINCIPAL, NULL, true);
	r = extls_attach(t, test_extls_client_ctx);
	if (OpenSSL_version_num() < 0x30500000L) {
		CU_ASSERT_EQUAL(r, -EOPNOTSUPP);
		CU_ASSERT_EQUAL(t->code, PST_PQ_REQUIRED);
		return;
	}
	/* There is no way back to a classic group. */
	CU_ASSERT_EQUAL(SSL_CTX_set1_groups_list(test_extls_server_ctx, "X25519"), 1);
	test_extls_expect_refusal(__LINE__, PST_TLS_HANDSHAKE, NULL);
}

/* Stands in for the server's check of our certificate; @user is the error it finds. */
static int test_extls_find_error(X509_STORE_CTX *store, void *user)
{
	X509_STORE_CTX_set_error(store, *(const int *)user);
	return 0;
}

/* Alerts about our certificate come after the handshake, and are told apart from the rest. */
static void test_extls_alerts(void)
{
	static const struct {
		int error;
		enum pst code;
	} rows[] = {
		{ X509_V_ERR_CERT_HAS_EXPIRED, PST_CERT_REFUSED },
		{ X509_V_ERR_CERT_REVOKED, PST_CERT_REFUSED },
		{ X509_V_ERR_CERT_REJECTED, PST_CERT_REFUSED },
		{ X509_V_ERR_INVALID_PURPOSE, PST_CERT_REFUSED },
		{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, PST_CERT_REFUSED },
		{ X509_V_ERR_CERT_SIGNATURE_FAILURE, PST_TLS_HANDSHAKE },
		{ X509_V_ERR_OUT_OF_MEM, PST_TLS_HANDSHAKE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int error = rows[i].error;
		enum pst got;

		test_extls_setup();
		excert_use(&test_extls_cert, test_extls_client_ctx);
		SSL_CTX_set_verify(test_extls_server_ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(test_extls_server_ctx, test_extls_find_error,
						 &error);
		got = test_extls_connect();
		if (got != rows[i].code || !strstr(test_extls_it.detail, "alert from the server: "))
			tap_fail(__FILE__, __LINE__, "row %zu: PST-%04u %s", i, (unsigned int)got,
				 test_extls_it.detail);
	}
}

static void test_extls_certificate_required(void)
{
	SSL_CTX_set_verify(test_extls_server_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   NULL);
	CU_ASSERT_EQUAL(test_extls_connect(), PST_CERT_REFUSED);
}

static const struct tap_test test_extls_tests[] = {
	{ "finished", test_extls_finished },
	{ "no resumption", test_extls_no_resumption },
	{ "what is demanded", test_extls_what_is_demanded },
	{ "denied server", test_extls_denied },
	{ "other principal", test_extls_other_principal },
	{ "no principal", test_extls_no_principal },
	{ "expired", test_extls_expired },
	{ "untrusted", test_extls_untrusted },
	{ "first reason", test_extls_first_reason },
	{ "old server", test_extls_old_server },
	{ "no common group", test_extls_no_common_group },
	{ "post-quantum", test_extls_post_quantum },
	{ "alerts", test_extls_alerts },
	{ "certificate required", test_extls_certificate_required },
	{ 0 },
};

static const struct tap_suite test_extls_suites[] = {
	{ "extls", test_extls_tests, test_extls_setup, test_extls_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_extls_suites);
}
