/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "common/tlsserver.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/mkchain.h"

/* A root, a CA below it, a server below that, and one right below the root. */
static struct {
	EVP_PKEY *key;
	X509 *root, *sub, *weak, *deep, *of_weak, *flat;
} test_tlsserver;

static X509 *test_tlsserver_make(X509 *issuer, const char *cn, bool is_ca, const char *digest)
{
	const struct mkchain spec = { .key = test_tlsserver.key,
				      .issuer = issuer,
				      .issuer_key = test_tlsserver.key,
				      .cn = cn,
				      .not_before = 1577836800,
				      .not_after = 2524608000,
				      .is_ca = is_ca,
				      .digest = digest };

	return mkchain_make(&spec);
}

static void test_tlsserver_set_up(void)
{
	test_tlsserver.key = EVP_EC_gen("P-256");
	if (!test_tlsserver.key)
		exit(2);
	test_tlsserver.root = test_tlsserver_make(NULL, "root", true, NULL);
	test_tlsserver.sub = test_tlsserver_make(test_tlsserver.root, "sub", true, NULL);
	test_tlsserver.weak = test_tlsserver_make(test_tlsserver.root, "weak", true, "SHA1");
	test_tlsserver.deep = test_tlsserver_make(test_tlsserver.sub, "deep", false, NULL);
	test_tlsserver.of_weak = test_tlsserver_make(test_tlsserver.weak, "w", false, NULL);
	test_tlsserver.flat = test_tlsserver_make(test_tlsserver.root, "flat", false, NULL);
}

static void test_tlsserver_tear_down(void)
{
	X509_free(test_tlsserver.root);
	X509_free(test_tlsserver.sub);
	X509_free(test_tlsserver.weak);
	X509_free(test_tlsserver.deep);
	X509_free(test_tlsserver.of_weak);
	X509_free(test_tlsserver.flat);
	EVP_PKEY_free(test_tlsserver.key);
}

/* One or two certificates in a file. */
static void test_tlsserver_write(const char *name, X509 *first, X509 *second)
{
	char *one = mkchain_pem(first), *two = second ? mkchain_pem(second) : NULL, *all = NULL;

	if (asprintf(&all, "%s%s", one, two ? two : "") < 0)
		exit(2);
	CU_ASSERT_EQUAL(tmpdir_write(name, all, strlen(all)), 0);
	free(one);
	free(two);
	free(all);
}

static int test_tlsserver_open(SSL_CTX **ret, const char **ret_what)
{
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX];
	const struct tlsserver_files files = { .cert = tmpdir_path(cert, "cert"),
					       .key = tmpdir_path(key, "key"),
					       .ca = tmpdir_path(ca, "ca") };
	char *pem = mkchain_key_pem(test_tlsserver.key, NULL);

	CU_ASSERT_EQUAL(tmpdir_write("key", pem, strlen(pem)), 0);
	free(pem);
	return tlsserver_open(&files, ret, ret_what);
}

/* Whether exactly @want is sent behind the certificate; NULL = nothing, and nothing is looked for
 * in each handshake either. */
static void test_tlsserver_sends(const X509 *want)
{
	_cleanup_(tlsserver_freep) SSL_CTX *ctx = NULL;
	STACK_OF(X509) *chain = NULL;
	const char *what = "";

	CU_ASSERT_EQUAL(test_tlsserver_open(&ctx, &what), 0);
	if (!ctx)
		return;
	CU_ASSERT_EQUAL(SSL_CTX_get0_chain_certs(ctx, &chain), 1);
	CU_ASSERT_PTR_NOT_NULL(chain);
	CU_ASSERT_EQUAL(sk_X509_num(chain), want ? 1 : 0);
	if (want && sk_X509_num(chain) == 1)
		CU_ASSERT_EQUAL(X509_cmp(sk_X509_value(chain, 0), want), 0);
}

static void test_tlsserver_chain_of_file(void)
{
	test_tlsserver_write("cert", test_tlsserver.deep, test_tlsserver.sub);
	test_tlsserver_write("ca", test_tlsserver.root, NULL);
	test_tlsserver_sends(test_tlsserver.sub);
}

static void test_tlsserver_chain_of_ca(void)
{
	test_tlsserver_write("cert", test_tlsserver.deep, NULL);
	test_tlsserver_write("ca", test_tlsserver.root, test_tlsserver.sub);
	test_tlsserver_sends(test_tlsserver.sub);
}

static void test_tlsserver_no_chain(void)
{
	test_tlsserver_write("cert", test_tlsserver.flat, NULL);
	test_tlsserver_write("ca", test_tlsserver.root, NULL);
	test_tlsserver_sends(NULL);
	/* who signs clients need not be who signed us */
	test_tlsserver_write("cert", test_tlsserver.deep, NULL);
	test_tlsserver_sends(NULL);
}

static void test_tlsserver_refused(const char *text)
{
	_cleanup_(tlsserver_freep) SSL_CTX *ctx = NULL;
	const char *what = "";

	CU_ASSERT_EQUAL(test_tlsserver_open(&ctx, &what), -EINVAL);
	CU_ASSERT_PTR_NULL(ctx);
	CU_ASSERT_STRING_EQUAL(what, text);
}

static void test_tlsserver_refuses(void)
{
	test_tlsserver_write("cert", test_tlsserver.of_weak, NULL);
	test_tlsserver_write("ca", test_tlsserver.root, test_tlsserver.weak);
	test_tlsserver_refused("the chain of the certificate is too weak");
	CU_ASSERT_EQUAL(tmpdir_write("ca", "", 0), 0);
	test_tlsserver_refused("the CA file cannot be read");
	CU_ASSERT_EQUAL(tmpdir_write("cert", "", 0), 0);
	test_tlsserver_refused("the certificate file cannot be read");
}

/* ---- who is let in ---- */

enum { TEST_TLSSERVER_LINKS_MAX = 7 };

/* One certificate of a client's chain. */
struct test_link {
	const char *cn, *key; /* key: NULL for P-256 */
	const char *usage, *constraints, *digest;
	const char *uri;
	uint64_t not_before, not_after; /* 0: good since 2020, until 2050 */
	bool is_no_ca;
};

/* A client's chain from below the root on; the last is its own. */
struct test_chain {
	const char *about;
	struct test_link links[TEST_TLSSERVER_LINKS_MAX];
	int want; /* X509_V_... */
	bool sends_leaf_only, knows_all, knows_sub_only;
};

static EVP_PKEY *test_tlsserver_key(const char *kind)
{
	if (!kind)
		return EVP_EC_gen("P-256");
	if (!strncmp(kind, "RSA-", 4))
		return EVP_RSA_gen(strcmp(kind, "RSA-1024") ? 2048U : 1024U);
	return !strcmp(kind, "ED25519") ? EVP_PKEY_Q_keygen(NULL, NULL, kind) : EVP_EC_gen(kind);
}

struct test_client {
	X509 *certs[TEST_TLSSERVER_LINKS_MAX];
	EVP_PKEY *keys[TEST_TLSSERVER_LINKS_MAX];
	size_t n;
};

static void test_tlsserver_make_client(const struct test_chain *c, struct test_client *ret)
{
	for (size_t i = 0; i < TEST_TLSSERVER_LINKS_MAX && c->links[i].cn; i++) {
		const struct test_link *l = &c->links[i];
		bool is_leaf = i + 1 == TEST_TLSSERVER_LINKS_MAX || !c->links[i + 1].cn;
		const struct mkchain spec = {
			.key = ret->keys[i] = test_tlsserver_key(l->key),
			.issuer = i ? ret->certs[i - 1] : test_tlsserver.root,
			.issuer_key = i ? ret->keys[i - 1] : test_tlsserver.key,
			.cn = l->cn,
			.uris = { l->uri },
			.not_before = l->not_before ? l->not_before : 1577836800,
			.not_after = l->not_after ? l->not_after : 2524608000,
			.is_ca = !is_leaf && !l->is_no_ca,
			.usage = l->usage,
			.constraints = l->constraints,
			.digest = l->digest,
		};

		ret->certs[ret->n++] = mkchain_make(&spec);
	}
}

static void test_tlsserver_free_client(struct test_client *c)
{
	for (size_t i = 0; i < c->n; i++) {
		X509_free(c->certs[i]);
		EVP_PKEY_free(c->keys[i]);
	}
}

/* What the server has as its file of CAs. */
static void test_tlsserver_write_cas(const struct test_chain *c, const struct test_client *client)
{
	if (c->knows_sub_only)
		test_tlsserver_write("ca", client->certs[0], NULL);
	else
		test_tlsserver_write("ca", test_tlsserver.root,
				     c->knows_all ? client->certs[0] : NULL);
	test_tlsserver_write("cert", test_tlsserver.flat, NULL);
}

static SSL *test_tlsserver_connect(const struct test_chain *c, const struct test_client *client)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0); /* it is the server that judges */
	CU_ASSERT_EQUAL(SSL_CTX_use_certificate(ctx, client->certs[client->n - 1]), 1);
	CU_ASSERT_EQUAL(SSL_CTX_use_PrivateKey(ctx, client->keys[client->n - 1]), 1);
	for (size_t i = client->n - 1; i > 0 && !c->sends_leaf_only; i--)
		CU_ASSERT_EQUAL(SSL_CTX_add1_chain_cert(ctx, client->certs[i - 1]), 1);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return ssl;
}

/* Lets both talk until neither gets any further. */
static bool test_tlsserver_shake(SSL *client, SSL *server)
{
	BIO *one = NULL, *other = NULL;
	int a = 0, b = 0;
	char none;

	if (BIO_new_bio_pair(&one, 1 << 17, &other, 1 << 17) != 1)
		exit(2);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, other, other);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 20 && (a != 1 || b != 1); i++) {
		a = SSL_do_handshake(client);
		b = SSL_do_handshake(server);
	}
	(void)SSL_read(client, &none, 1); /* tickets come behind the handshake */
	return b == 1;
}

static void test_tlsserver_tries(const struct test_chain *c)
{
	_cleanup_(tlsserver_freep) SSL_CTX *ctx = NULL;
	struct test_client client = { .n = 0 };
	const char *what = "";
	SSL *from, *to;

	test_tlsserver_make_client(c, &client);
	test_tlsserver_write_cas(c, &client);
	CU_ASSERT_EQUAL(test_tlsserver_open(&ctx, &what), 0);
	if (!ctx)
		exit(2);
	from = test_tlsserver_connect(c, &client);
	to = SSL_new(ctx);
	CU_ASSERT_EQUAL(test_tlsserver_shake(from, to), c->want == X509_V_OK);
	if (SSL_get_verify_result(to) != c->want)
		fprintf(stderr, "%s: %s\n", c->about,
			X509_verify_cert_error_string(SSL_get_verify_result(to)));
	CU_ASSERT_EQUAL(SSL_get_verify_result(to), c->want);
	/* A session proves who came once; nobody is let in with it again. */
	CU_ASSERT_FALSE(SSL_SESSION_is_resumable(SSL_get0_session(from)));
	SSL_free(from);
	SSL_free(to);
	test_tlsserver_free_client(&client);
}

static void test_tlsserver_lets_in(void)
{
	static const struct test_chain cases[] = {
		{ "any use", { { "h" } }, X509_V_OK },
		{ "a client", { { "h", .usage = "clientAuth" } }, X509_V_OK },
		{ "client and server", { { "h", .usage = "serverAuth,clientAuth" } }, X509_V_OK },
		{ "P-384", { { "h", "P-384" } }, X509_V_OK },
		{ "P-521", { { "h", "P-521" } }, X509_V_OK },
		{ "Ed25519", { { "h", "ED25519" } }, X509_V_OK },
		{ "RSA 2048", { { "h", "RSA-2048" } }, X509_V_OK },
		{ "a CA between, sent", { { "sub" }, { "h" } }, X509_V_OK },
		{ "a CA between, known",
		  { { "sub" }, { "h" } },
		  X509_V_OK,
		  .sends_leaf_only = true,
		  .knows_all = true },
		{ "four CAs between", { { "a" }, { "b" }, { "c" }, { "d" }, { "h" } }, X509_V_OK },
		{ "names as they may be",
		  { { "sub", .constraints = "permitted;URI:instanceid" },
		    { "h", .uri = "athenz://instanceid/p/i" } },
		  X509_V_OK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		test_tlsserver_tries(&cases[i]);
}

static void test_tlsserver_keeps_out(void)
{
	static const struct test_chain cases[] = {
		{ "a server", { { "h", .usage = "serverAuth" } }, X509_V_ERR_INVALID_PURPOSE },
		{ "code", { { "h", .usage = "codeSigning" } }, X509_V_ERR_INVALID_PURPOSE },
		{ "RSA 1024", { { "h", "RSA-1024" } }, X509_V_ERR_EE_KEY_TOO_SMALL },
		{ "SHA-1", { { "h", .digest = "SHA1" } }, X509_V_ERR_CA_MD_TOO_WEAK },
		{ "over", { { "h", .not_after = 1577836801 } }, X509_V_ERR_CERT_HAS_EXPIRED },
		{ "not begun",
		  { { "h", .not_before = 2524607000 } },
		  X509_V_ERR_CERT_NOT_YET_VALID },
		{ "a CA between, neither sent nor known",
		  { { "sub" }, { "h" } },
		  X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		  .sends_leaf_only = true },
		{ "a CA between, known without its root",
		  { { "sub" }, { "h" } },
		  X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
		  .knows_sub_only = true },
		{ "a CA between that is over",
		  { { "sub", .not_after = 1577836801 }, { "h" } },
		  X509_V_ERR_CERT_HAS_EXPIRED },
		{ "a weak CA between",
		  { { "sub", "RSA-1024" }, { "h" } },
		  X509_V_ERR_CA_KEY_TOO_SMALL },
		{ "a CA between with SHA-1",
		  { { "sub", .digest = "SHA1" }, { "h" } },
		  X509_V_ERR_CA_MD_TOO_WEAK },
		{ "a CA between for servers only",
		  { { "sub", .usage = "serverAuth" }, { "h" } },
		  X509_V_ERR_INVALID_PURPOSE },
		{ "signed by a host",
		  { { "host", .is_no_ca = true }, { "h" } },
		  X509_V_ERR_INVALID_CA },
		{ "five CAs between",
		  { { "a" }, { "b" }, { "c" }, { "d" }, { "e" }, { "h" } },
		  X509_V_ERR_CERT_CHAIN_TOO_LONG },
		{ "names as they may not be",
		  { { "sub", .constraints = "permitted;URI:other" },
		    { "h", .uri = "athenz://instanceid/p/i" } },
		  X509_V_ERR_PERMITTED_VIOLATION },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		test_tlsserver_tries(&cases[i]);
}

static const struct tap_test test_tlsserver_tests[] = {
	{ "the chain of the file", test_tlsserver_chain_of_file },
	{ "the chain of the CA file", test_tlsserver_chain_of_ca },
	{ "no chain", test_tlsserver_no_chain },
	{ "what cannot be used", test_tlsserver_refuses },
	{ "chains that are good", test_tlsserver_lets_in },
	{ "chains that are not", test_tlsserver_keeps_out },
	{ 0 },
};

static const struct tap_suite test_tlsserver_suites[] = {
	{ "tlsserver", test_tlsserver_tests, test_tlsserver_set_up, test_tlsserver_tear_down },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_tlsserver_suites);
}
