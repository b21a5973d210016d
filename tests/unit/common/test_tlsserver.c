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

static const struct tap_test test_tlsserver_tests[] = {
	{ "the chain of the file", test_tlsserver_chain_of_file },
	{ "the chain of the CA file", test_tlsserver_chain_of_ca },
	{ "no chain", test_tlsserver_no_chain },
	{ "what cannot be used", test_tlsserver_refuses },
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
