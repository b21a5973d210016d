/* SPDX-License-Identifier: MIT */
/* The parts of an exchange that a whole one (test_exworker) does not reach. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "certs/denylist.h"
#include "common/clk.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tests/unit/tunneld/exchange/excert.h"
#include "tunneld/exchange/excall.h"

#define TEST_SWITCH_LOADS 10000
#define TEST_SWITCH_NS (4 * CLK_NS_PER_S) /* the loads end after this in any case */

static struct exjob_start test_excall_job;
static struct excall_identity test_excall_id;
static struct exjob_result test_excall_result;

static void test_excall_path(char path[static EXJOB_PATH_MAX], const char *name)
{
	snprintf(path, EXJOB_PATH_MAX, "%s/%s", tmpdir_get(), name);
}

/* A job with a good identity. */
static void test_excall_setup(void)
{
	struct exjob_start *job = &test_excall_job;
	struct excert cert;

	*job = (struct exjob_start){ .timeout_ms = 300,
				     .authority = "[::1]:1",
				     .principal = "vespa.vespa.cfg",
				     .request = {
					     .public_key = { .bytes = { 7 } },
					     .hostname = "h1",
					     .software = "postern/0",
					     .boot_id = "01234567-89ab-cdef-0123-456789abcdef" } };
	test_excall_path(job->cert, "cert.pem");
	test_excall_path(job->key, "key.pem");
	test_excall_path(job->ca, "ca.pem");
	excert_make("a.b", false, &cert);
	excert_write_cert(&cert, "cert.pem");
	excert_write_cert(&cert, "ca.pem");
	excert_write_key(&cert, "key.pem");
	excert_release(&cert);
	test_excall_result = (struct exjob_result){ 0 };
}

static void test_excall_teardown(void)
{
	excall_release(&test_excall_id);
	exjob_result_wipe(&test_excall_result);
}

static int test_excall_load(void)
{
	excall_release(&test_excall_id);
	test_excall_result = (struct exjob_result){ 0 };
	return excall_load(&test_excall_job, &test_excall_id, &test_excall_result);
}

static void test_excall_expect_refusal(unsigned int line, int error, const char *detail)
{
	int r = test_excall_load();

	CU_ASSERT_EQUAL(r, error);
	if (test_excall_result.code != PST_IDENTITY_FILES ||
	    !strstr(test_excall_result.detail, detail))
		tap_fail(__FILE__, line, "%d PST-%04u %s", r, (unsigned int)test_excall_result.code,
			 test_excall_result.detail);
}

static void test_excall_loads(void)
{
	CU_ASSERT_EQUAL(test_excall_load(), 0);
	CU_ASSERT_EQUAL(test_excall_result.code, PST_NONE);
	CU_ASSERT_TRUE(strstr((char *)test_excall_id.key, "PRIVATE KEY") != NULL);
	CU_ASSERT_EQUAL(test_excall_id.cert_len, test_excall_id.ca_len);
	excall_release(&test_excall_id);
	CU_ASSERT_PTR_NULL(test_excall_id.key);
	CU_ASSERT_EQUAL(test_excall_id.key_len, 0);
	excall_release(&test_excall_id); /* again is no harm */
}

static void test_excall_missing_files(void)
{
	char *const paths[] = { test_excall_job.cert, test_excall_job.key, test_excall_job.ca };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		test_excall_setup();
		/* A name that would clear a terminal is shown without its power. */
		snprintf(paths[i], EXJOB_PATH_MAX, "/nonexistent/\033[2J\xff");
		test_excall_expect_refusal(__LINE__, -ENOENT,
					   "/nonexistent/?[2J?: No such file or directory");
	}
}

static void test_excall_not_pem(void)
{
	CU_ASSERT_EQUAL(tmpdir_write("cert.pem", "x", 1), 0);
	test_excall_expect_refusal(__LINE__, -EINVAL, "no PEM certificate");
	test_excall_setup();
	CU_ASSERT_EQUAL(tmpdir_write("key.pem", "", 0), 0);
	test_excall_expect_refusal(__LINE__, -EINVAL, "no PEM private key");
}

static void test_excall_another_key(void)
{
	struct excert other;

	excert_make("a.b", false, &other);
	excert_write_key(&other, "key.pem");
	excert_release(&other);
	test_excall_expect_refusal(__LINE__, -EINVAL, "does not belong");
}

static void test_excall_largest_file(void)
{
	static char bytes[EXCALL_PEM_MAX + 1];

	CU_ASSERT_EQUAL(tmpdir_write("ca.pem", bytes, EXCALL_PEM_MAX - 1), 0);
	CU_ASSERT_EQUAL(test_excall_load(), 0);
	CU_ASSERT_EQUAL(tmpdir_write("ca.pem", bytes, EXCALL_PEM_MAX), 0);
	CU_ASSERT_EQUAL(test_excall_load(), 0);
	CU_ASSERT_EQUAL(test_excall_id.ca_len, EXCALL_PEM_MAX);
	CU_ASSERT_EQUAL(tmpdir_write("ca.pem", bytes, EXCALL_PEM_MAX + 1), 0);
	test_excall_expect_refusal(__LINE__, -EFBIG, "ca.pem");
}

static void test_excall_deny_list(void)
{
	snprintf(test_excall_job.deny_file, EXJOB_PATH_MAX, "/nonexistent/deny");
	CU_ASSERT_EQUAL(test_excall_load(), -ENOENT);
	CU_ASSERT_EQUAL(test_excall_result.code, PST_DENYLIST_UNUSABLE);
	CU_ASSERT_STRING_EQUAL(test_excall_result.detail,
			       "/nonexistent/deny: No such file or directory");
	test_excall_path(test_excall_job.deny_file, "deny");
	CU_ASSERT_EQUAL(tmpdir_write("deny", "serial x\n", 9), 0);
	CU_ASSERT_EQUAL(test_excall_load(), -EINVAL);
	CU_ASSERT_EQUAL(test_excall_result.code, PST_DENYLIST_UNUSABLE);
	CU_ASSERT_EQUAL(tmpdir_write("deny", "serial 1\n", 9), 0);
	CU_ASSERT_EQUAL(test_excall_load(), 0);
	CU_ASSERT_EQUAL(test_excall_result.code, PST_NONE);
	CU_ASSERT_EQUAL(denylist_size(test_excall_id.deny), 1);
}

/* Two good pairs, each in a directory of its own as certd keeps them. */
struct test_excall_pair {
	uint8_t *cert, *key; /* owned */
	size_t cert_len, key_len;
};

static void test_excall_make_pair(const char *dir, struct test_excall_pair *ret)
{
	char path[EXJOB_PATH_MAX], name[64];
	struct excert cert;

	test_excall_path(path, dir);
	CU_ASSERT_TRUE(mkdir(path, 0700) == 0 || errno == EEXIST);
	excert_make("a.b", false, &cert);
	snprintf(name, sizeof(name), "%s/cert.pem", dir);
	excert_write_cert(&cert, name);
	test_excall_path(path, name);
	CU_ASSERT_EQUAL(files_read(path, EXCALL_PEM_MAX, &ret->cert, &ret->cert_len), 0);
	snprintf(name, sizeof(name), "%s/ca.pem", dir);
	excert_write_cert(&cert, name);
	snprintf(name, sizeof(name), "%s/key.pem", dir);
	excert_write_key(&cert, name);
	test_excall_path(path, name);
	CU_ASSERT_EQUAL(files_read(path, EXCALL_PEM_MAX, &ret->key, &ret->key_len), 0);
	excert_release(&cert);
}

/* Lets "current" lead to @dir, in one step. Gives false when that fails. */
static bool test_excall_switch(const char *dir)
{
	char link[EXJOB_PATH_MAX], fresh[EXJOB_PATH_MAX];

	test_excall_path(link, "current");
	test_excall_path(fresh, "current.new");
	return symlink(dir, fresh) == 0 && rename(fresh, link) == 0;
}

/* A child that switches as fast as it can until it is killed. */
static pid_t test_excall_start_switching(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent && test_excall_switch("one") && test_excall_switch("two"))
		continue;
	_exit(1);
}

static bool test_excall_is(const struct test_excall_pair *pair)
{
	return test_excall_id.cert_len == pair->cert_len &&
	       test_excall_id.key_len == pair->key_len &&
	       memcmp(test_excall_id.cert, pair->cert, pair->cert_len) == 0 &&
	       memcmp(test_excall_id.key, pair->key, pair->key_len) == 0;
}

/* Loads again and again; counts how often it was which pair, and stops at anything else. */
static void test_excall_load_often(const struct test_excall_pair pairs[2], unsigned int n[2])
{
	uint64_t end_ns = clk_now_ns() + TEST_SWITCH_NS;

	for (unsigned int i = 0; i < TEST_SWITCH_LOADS && clk_now_ns() < end_ns; i++) {
		int r = test_excall_load();

		if (r == 0 && test_excall_is(&pairs[0])) {
			n[0]++;
		} else if (r == 0 && test_excall_is(&pairs[1])) {
			n[1]++;
		} else {
			tap_fail(__FILE__, __LINE__, "load %u: %d, %s", i, r,
				 r < 0 ? test_excall_result.detail : "a mixed pair");
			return;
		}
	}
}

static void test_excall_switched_meanwhile(void)
{
	struct test_excall_pair pairs[2] = { { .cert = NULL }, { .cert = NULL } };
	unsigned int n[2] = { 0, 0 };
	int status = 0;
	pid_t pid;

	test_excall_make_pair("one", &pairs[0]);
	test_excall_make_pair("two", &pairs[1]);
	CU_ASSERT_TRUE(test_excall_switch("one"));
	test_excall_path(test_excall_job.cert, "current/cert.pem");
	test_excall_path(test_excall_job.key, "current/key.pem");
	test_excall_path(test_excall_job.ca, "current/ca.pem");
	pid = test_excall_start_switching();
	test_excall_load_often(pairs, n);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status)); /* it switched to the end */
	CU_ASSERT_TRUE(n[0] > 0 && n[1] > 0);
	tap_note("%u and %u loads", n[0], n[1]);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		free(pairs[i].cert);
		free(pairs[i].key);
	}
}

/* Runs on @fd, which stays the caller's. */
static enum pst test_excall_run(int fd)
{
	CU_ASSERT_EQUAL(test_excall_load(), 0);
	excall_run(&test_excall_job, &test_excall_id, fd, &test_excall_result);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFD) >= 0);
	CU_ASSERT_TRUE(secret_is_zero(&test_excall_result.psk));
	return test_excall_result.code;
}

/* A socket that cannot be written looks like one that is not connected yet. */
static void test_excall_connecting_for_ever(void)
{
	static const char fill[4096];
	int fds[2];

	CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	while (send(fds[0], fill, sizeof(fill), MSG_NOSIGNAL) > 0)
		continue;
	CU_ASSERT_EQUAL(test_excall_run(fds[0]), PST_EXCHANGE_TIMEOUT);
	CU_ASSERT_TRUE(test_excall_result.total_us >= 300000);
	CU_ASSERT_EQUAL(test_excall_result.connect_us, 0);
	closep(&fds[0]);
	closep(&fds[1]);
}

/* Gives a listener on loopback, and a socket that is or will be connected to it. */
static int test_excall_connect(int *ret_listen_fd)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret_listen_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL(bind(*ret_listen_fd, (struct sockaddr *)&to, sizeof(to)), 0);
	CU_ASSERT_EQUAL(listen(*ret_listen_fd, 1), 0);
	CU_ASSERT_EQUAL(getsockname(*ret_listen_fd, (struct sockaddr *)&to, &len), 0);
	snprintf(test_excall_job.authority, sizeof(test_excall_job.authority), "[::1]:%d",
		 ntohs(to.sin6_port));
	CU_ASSERT_TRUE(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
		       errno == EINPROGRESS);
	return fd;
}

/* The other end talks, but not TLS; then it says nothing and leaves. */
static void test_excall_no_tls(void)
{
	static const char page[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	int listen_fd, fd, peer;

	test_excall_job.timeout_ms = 10000;
	for (int talks = 1; talks >= 0; talks--) {
		fd = test_excall_connect(&listen_fd);
		peer = accept(listen_fd, NULL, NULL);
		if (talks)
			CU_ASSERT_EQUAL(send(peer, page, sizeof(page) - 1, 0), sizeof(page) - 1);
		shutdown(peer, SHUT_WR);
		CU_ASSERT_EQUAL(test_excall_run(fd), PST_TLS_HANDSHAKE);
		CU_ASSERT_STRING_EQUAL(test_excall_result.group, "");
		CU_ASSERT_EQUAL(test_excall_result.tls_us, 0);
		closep(&peer);
		closep(&fd);
		closep(&listen_fd);
	}
}

static void test_excall_out_of_memory(void)
{
	int fds[2];

	CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	CU_ASSERT_EQUAL(test_excall_load(), 0);
	torture_arm(0);
	excall_run(&test_excall_job, &test_excall_id, fds[0], &test_excall_result);
	CU_ASSERT_TRUE(torture_disarm());
	CU_ASSERT_EQUAL(test_excall_result.code, PST_WORKER_DIED);
	closep(&fds[0]);
	closep(&fds[1]);
}

static const struct tap_test test_excall_tests[] = {
	{ "loads", test_excall_loads },
	{ "missing files", test_excall_missing_files },
	{ "not PEM", test_excall_not_pem },
	{ "another key", test_excall_another_key },
	{ "largest file", test_excall_largest_file },
	{ "deny-list", test_excall_deny_list },
	{ "switched meanwhile", test_excall_switched_meanwhile },
	{ "connecting for ever", test_excall_connecting_for_ever },
	{ "no TLS", test_excall_no_tls },
	{ "out of memory", test_excall_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_excall_suites[] = {
	{ "excall", test_excall_tests, test_excall_setup, test_excall_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	if (excall_warm_up() < 0)
		return 2;
	return tap_main(argc, argv, test_excall_suites);
}
