/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/ztsd/cainit.h"
#include "certs/ztsd/signer.h"
#include "common/clk.h"
#include "common/tlsserver.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static struct cainit_spec test_cainit_spec(const char *dir)
{
	return (struct cainit_spec){ .dir = dir,
				     .name = "Test CA",
				     .days = 10,
				     .names = { "zts.example", "::1", "192.0.2.1" },
				     .n_names = 3 };
}

static mode_t test_cainit_mode(const char *dir, const char *name)
{
	char path[PATH_MAX + 32];
	struct stat st = { .st_mode = 0 };

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* All of it is what ztsd takes. */
static void test_cainit_makes(void)
{
	char dir[PATH_MAX], why[CAINIT_WHY_MAX] = "", cert[PATH_MAX + 32], key[PATH_MAX + 32];
	char ca[PATH_MAX + 32], ca_key[PATH_MAX + 32];
	struct cainit_spec spec = test_cainit_spec(tmpdir_path(dir, "made"));
	uint64_t now = clk_now_wall();
	struct tlsserver_files files = { .cert = cert, .key = key, .ca = ca };
	struct signer *signer = NULL;
	const char *what = "";
	SSL_CTX *ctx = NULL;
	X509 *leaf;

	CU_ASSERT_EQUAL(cainit_make(&spec, now, why), 0);
	snprintf(cert, sizeof(cert), "%s/server.cert.pem", dir);
	snprintf(key, sizeof(key), "%s/server.key.pem", dir);
	snprintf(ca, sizeof(ca), "%s/ca.cert.pem", dir);
	snprintf(ca_key, sizeof(ca_key), "%s/ca.key.pem", dir);
	CU_ASSERT_EQUAL(test_cainit_mode(dir, "ca.key.pem"), 0600);
	CU_ASSERT_EQUAL(test_cainit_mode(dir, "server.key.pem"), 0600);
	CU_ASSERT_EQUAL(test_cainit_mode(dir, "ca.cert.pem"), 0644);
	CU_ASSERT_EQUAL(test_cainit_mode(dir, "server.cert.pem"), 0644);
	CU_ASSERT_EQUAL(signer_open(ca, &(struct cakey_spec){ .key = ca_key }, &signer, why), 0);
	if (signer)
		CU_ASSERT_EQUAL(signer_expires_wall(signer), now + 10 * 86400);
	signer_free(signer);
	CU_ASSERT_EQUAL(tlsserver_open(&files, &ctx, &what), 0);
	if (!ctx)
		return;
	leaf = SSL_CTX_get0_certificate(ctx);
	CU_ASSERT_EQUAL(X509_check_host(leaf, "zts.example", 0, 0, NULL), 1);
	CU_ASSERT_EQUAL(X509_check_ip_asc(leaf, "::1", 0), 1);
	CU_ASSERT_EQUAL(X509_check_ip_asc(leaf, "192.0.2.1", 0), 1);
	SSL_CTX_free(ctx);
}

/* The key is there already, here by a URI as one in a token is. */
static void test_cainit_takes_key(void)
{
	char dir[PATH_MAX], why[CAINIT_WHY_MAX] = "", cert[PATH_MAX + 32], uri[PATH_MAX + 32];
	struct cainit_spec spec = test_cainit_spec(tmpdir_path(dir, "first"));
	struct signer *signer = NULL;

	CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), 0);
	snprintf(uri, sizeof(uri), "file:%s/ca.key.pem", dir);
	spec = test_cainit_spec(tmpdir_path(dir, "second"));
	spec.ca_key.key = uri;
	CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), 0);
	snprintf(cert, sizeof(cert), "%s/ca.key.pem", dir);
	CU_ASSERT_NOT_EQUAL(access(cert, F_OK), 0);
	snprintf(cert, sizeof(cert), "%s/ca.cert.pem", dir);
	CU_ASSERT_EQUAL(signer_open(cert, &(struct cakey_spec){ .key = uri + 5 }, &signer, why), 0);
	signer_free(signer);
	CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), -EEXIST);
	spec.dir = tmpdir_path(dir, "third");
	spec.ca_key.key = "file:/nowhere/key.pem";
	CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "file:/nowhere/key.pem: No such file"));
}

/* Any of the four stands in its way, and nothing changes. */
static void test_cainit_replaces_nothing(void)
{
	static const char *const names[] = { "ca.key.pem", "ca.cert.pem", "server.key.pem",
					     "server.cert.pem" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char dir[PATH_MAX], name[64], why[CAINIT_WHY_MAX] = "", path[PATH_MAX + 32];
		struct cainit_spec spec;

		snprintf(name, sizeof(name), "there-%zu", i);
		spec = test_cainit_spec(tmpdir_path(dir, name));
		CU_ASSERT_EQUAL(mkdir(dir, 0755), 0);
		snprintf(name, sizeof(name), "there-%zu/%s", i, names[i]);
		CU_ASSERT_EQUAL(tmpdir_write(name, "mine", 4), 0);
		CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), -EEXIST);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, names[i]));
		for (size_t other = 0; other < ARRAY_SIZE(names); other++) {
			snprintf(path, sizeof(path), "%s/%s", dir, names[other]);
			CU_ASSERT_EQUAL(access(path, F_OK) == 0, other == i);
		}
	}
}

static void test_cainit_refuses(void)
{
	char dir[PATH_MAX], why[CAINIT_WHY_MAX] = "";
	struct cainit_spec spec = test_cainit_spec(tmpdir_path(dir, "file/none"));

	CU_ASSERT_EQUAL(tmpdir_write("file", "", 0), 0);
	CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), -ENOTDIR);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "file/none"));
	spec = test_cainit_spec(tmpdir_path(dir, "bad"));
	spec.names[1] = "not a name";
	CU_ASSERT_EQUAL(cainit_make(&spec, clk_now_wall(), why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "not a name"));
	CU_ASSERT_NOT_EQUAL(access(dir, F_OK), 0);
}

static const struct tap_test test_cainit_tests[] = {
	{ "makes what ztsd takes", test_cainit_makes },
	{ "a CA for a key that is there", test_cainit_takes_key },
	{ "replaces nothing", test_cainit_replaces_nothing },
	{ "bad names and directories", test_cainit_refuses },
	{ 0 },
};

static const struct tap_suite test_cainit_suites[] = {
	{ "cainit", test_cainit_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_cainit_suites);
}
