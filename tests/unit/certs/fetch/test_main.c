/* SPDX-License-Identifier: MIT */
/* The real worker program, through its channel, against stand-ins for the cloud and the issuer. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/fetchjob.h"
#include "common/chan.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/spawn.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/fetch/standca.h"
#include "tests/unit/certs/fetch/stubaws.h"
#include "tests/unit/certs/fetch/stubzts.h"
#include "tests/unit/certs/fetch/webstub.h"

#define TEST_MAIN_JOB_MS 60000 /* an RSA key takes its time */
#define TEST_MAIN_WAIT_MS 120000
#define TEST_MAIN_NOBODY 65534
#define TEST_MAIN_PROGRAM_MAX (64 * 1024 * 1024) /* bytes of certd-fetch, sanitizers included */

/* What came back from one worker. */
struct test_main_got {
	char key[FETCHJOB_KEY_MAX + 1], cert[FETCHJOB_CERT_MAX + 1], ca[FETCHJOB_CA_MAX + 1];
	struct fetchjob_result result;
	bool has_result;
	int status; /* of waitpid() */
};

static struct standca test_main_ca;
static struct standca_pair test_main_server;
static struct webstub test_main_imds, test_main_sts, test_main_zts;
static struct stubaws test_main_aws;
static struct stubsts test_main_sts_script;
static struct stubzts test_main_zts_script;
static bool test_main_zts_is_v4;
static struct fetchjob_start test_main_job;
static struct test_main_got test_main_got;

static void test_main_address(const struct webstub *server, struct ip6_endpoint *ret)
{
	*ret = (struct ip6_endpoint){ IN6ADDR_LOOPBACK_INIT, (uint16_t)server->port };
}

static void test_main_start_servers(void)
{
	const struct webstub_spec imds = { .answer = stubaws_answer, .user = &test_main_aws };
	struct webstub_spec tls = { .answer = stubaws_answer_sts,
				    .user = &test_main_sts_script,
				    .cert = test_main_server.cert,
				    .key = test_main_server.key };

	test_main_zts_script.ca = &test_main_ca;
	webstub_start(&imds, &test_main_imds);
	webstub_start(&tls, &test_main_sts);
	tls.answer = stubzts_answer;
	tls.user = &test_main_zts_script;
	tls.is_v4 = test_main_zts_is_v4;
	tls.client_ca = test_main_ca.pem;
	tls.client_optional = true;
	webstub_start(&tls, &test_main_zts);
}

static void test_main_configure(struct certconf *conf)
{
	*conf = (struct certconf){ .timeout_ms = TEST_MAIN_JOB_MS,
				   .provider_prefix = "athenz.aws",
				   .zts_url = "https://zts.example:4443/zts/v1",
				   .sts_url = "https://sts.{region}.example",
				   .n_imds = 1,
				   .document_signature = "pkcs7",
				   .suffixes = { "aws.athenz.example" },
				   .n_suffixes = 1,
				   .spiffe = true,
				   .spiffe_namespace = "default",
				   .signing_algorithm = "ES384",
				   .token_duration_s = 300 };
	snprintf(conf->imds[0], sizeof(conf->imds[0]), "http://[::1]:%d", test_main_imds.port);
	test_main_address(&test_main_zts, &conf->zts_address);
	test_main_address(&test_main_sts, &conf->sts_address);
	snprintf(conf->zts_ca, sizeof(conf->zts_ca), "%s/ca.pem", tmpdir_get());
	snprintf(conf->sts_ca, sizeof(conf->sts_ca), "%s/ca.pem", tmpdir_get());
}

static void test_main_setup(void)
{
	test_main_aws = (struct stubaws){ 0 };
	test_main_sts_script = (struct stubsts){ 0 };
	test_main_zts_script = (struct stubzts){ 0 };
	CU_ASSERT_EQUAL(tmpdir_write("ca.pem", test_main_ca.pem, strlen(test_main_ca.pem)), 0);
	test_main_job = (struct fetchjob_start){ .kind = FETCHJOB_IDENTIFY };
}

/* After a test has said what the servers are to do. */
static void test_main_begin(void)
{
	test_main_start_servers();
	test_main_configure(&test_main_job.conf);
}

static void test_main_end(void)
{
	webstub_stop(&test_main_imds);
	webstub_stop(&test_main_sts);
	webstub_stop(&test_main_zts);
}

static char test_main_program[PATH_MAX];

static int test_main_spawn(pid_t *ret_pid)
{
	const char *const as_root[] = { "certd-fetch", "--user", "nobody", NULL };
	const char *const as_user[] = { "certd-fetch", NULL };
	_cleanup_(closep) int theirs = -1;
	_cleanup_(closep) int ours = -1;
	struct spawn_spec spec = { .path = test_main_program,
				   .argv = geteuid() == 0 ? as_root : as_user,
				   .extra_fd = -1 };
	int pair[2];
	int r;

	r = chan_pair(pair);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	spec.chan_fd = theirs;
	r = spawn_start(&spec, ret_pid);
	return r < 0 ? r : steal_fd(&ours);
}

static void test_main_append(char *to, size_t cap, const struct fetchjob_part *part)
{
	size_t len = strlen(to);

	CU_ASSERT_TRUE(len + part->len < cap);
	if (len + part->len >= cap)
		return;
	memcpy(to + len, part->bytes, part->len);
	to[len + part->len] = '\0';
}

static void test_main_take(const struct chan_msg *msg)
{
	struct fetchjob_part part;

	if (msg->op->type == FETCHJOB_RESULT) {
		CU_ASSERT_EQUAL(fetchjob_decode_result(msg, &test_main_got.result), 0);
		test_main_got.has_result = true;
		return;
	}
	CU_ASSERT_FALSE(test_main_got.has_result);
	CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &part), 0);
	if (part.file == FETCHJOB_KEY)
		test_main_append(test_main_got.key, sizeof(test_main_got.key), &part);
	else if (part.file == FETCHJOB_CERT)
		test_main_append(test_main_got.cert, sizeof(test_main_got.cert), &part);
	else
		test_main_append(test_main_got.ca, sizeof(test_main_got.ca), &part);
}

/* Takes messages until the worker has ended. */
static void test_main_listen(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;
	int r = 0;

	ops = fetchjob_ops(&n_ops);
	while (r == 0 || r == -EAGAIN) {
		if (poll(&p, 1, TEST_MAIN_WAIT_MS) != 1) {
			tap_fail(__FILE__, __LINE__, "the worker does not end");
			return;
		}
		r = chan_recv(fd, ops, n_ops, &msg);
		if (r == 0)
			test_main_take(&msg);
		chan_msg_release(&msg);
	}
	CU_ASSERT_EQUAL(r, CHAN_E_CLOSED);
}

static int test_main_send(pid_t *ret_pid)
{
	struct chan_msg msg;
	int fd;

	memset(&test_main_got, 0, sizeof(test_main_got));
	CU_ASSERT_EQUAL(fetchjob_encode_start(&test_main_job, &msg), 0);
	fd = test_main_spawn(ret_pid);
	CU_ASSERT_TRUE(fd >= 0);
	if (fd >= 0)
		CU_ASSERT_EQUAL(chan_send(fd, &msg), 0);
	chan_msg_release(&msg);
	return fd;
}

/* Runs test_main_job to its end. */
static void test_main_run(void)
{
	pid_t pid;
	int fd = test_main_send(&pid);

	if (fd < 0)
		return;
	test_main_listen(fd);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, &test_main_got.status, 0);
}

static void test_main_expect(unsigned int line, enum pst code, const char *detail)
{
	const struct test_main_got *g = &test_main_got;

	CU_ASSERT_TRUE(g->has_result);
	CU_ASSERT_EQUAL(g->status, 0);
	if (!g->has_result || g->result.code != code || !strstr(g->result.detail, detail))
		tap_fail(__FILE__, line, "status %x PST-%04u %s", g->status,
			 (unsigned int)g->result.code, g->result.detail);
	if (code)
		CU_ASSERT_STRING_EQUAL(g->key, "");
}

static void test_main_store_pair(void)
{
	CU_ASSERT_EQUAL(tmpdir_write("key.pem", test_main_got.key, strlen(test_main_got.key)), 0);
	CU_ASSERT_EQUAL(tmpdir_write("cert.pem", test_main_got.cert, strlen(test_main_got.cert)),
			0);
	CU_ASSERT_EQUAL(tmpdir_write("ca.cert.pem", test_main_got.ca, strlen(test_main_got.ca)), 0);
	snprintf(test_main_job.pair_dir, sizeof(test_main_job.pair_dir), "%s", tmpdir_get());
}

/* Identify, register, check, refresh, check: the life of an instance. */
static void test_main_whole_life(void)
{
	char first_serial[FETCHJOB_SERIAL_MAX];

	test_main_begin();
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_STRING_EQUAL(test_main_got.result.self.principal, "acme.prod.tenant-host");
	CU_ASSERT_STRING_EQUAL(test_main_got.key, "");
	test_main_job.self = test_main_got.result.self;
	test_main_job.kind = FETCHJOB_REGISTER;
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_TRUE(strstr(test_main_got.key, "BEGIN EC PRIVATE KEY") != NULL);
	CU_ASSERT_STRING_EQUAL(test_main_got.ca, test_main_ca.pem);
	CU_ASSERT_STRING_EQUAL(test_main_got.result.self.instance_id, STUBAWS_INSTANCE);
	CU_ASSERT_EQUAL(test_main_got.result.http_status, 201);
	snprintf(first_serial, sizeof(first_serial), "%s", test_main_got.result.serial);
	test_main_store_pair();
	test_main_job.kind = FETCHJOB_CHECK;
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_STRING_EQUAL(test_main_got.result.serial, first_serial);
	test_main_job.kind = FETCHJOB_REFRESH;
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_STRING_NOT_EQUAL(test_main_got.result.serial, first_serial);
	test_main_store_pair();
	test_main_job.kind = FETCHJOB_CHECK;
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_EQUAL(test_main_zts.log->n_requests, 2);
	CU_ASSERT_EQUAL(test_main_sts.log->n_requests, 2);
	test_main_end();
}

static void test_main_be_known(void)
{
	test_main_job.self = (struct fetchjob_self){ .principal = "acme.prod.tenant-host",
						     .provider = "athenz.aws.us-east-1",
						     .instance_id = STUBAWS_INSTANCE,
						     .region = "us-east-1",
						     .account = "123456789012" };
}

/* Where the system's resolver leads to differs from host to host. */
static bool test_main_localhost_is_v4(void)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	bool is_v4;

	CU_ASSERT_EQUAL(getaddrinfo("localhost", NULL, &hints, &list), 0);
	is_v4 = list && list->ai_family == AF_INET;
	freeaddrinfo(list);
	return is_v4;
}

/* Other keys, a JWT, and a name that has to be looked up. */
static void test_main_variants(void)
{
	test_main_zts_is_v4 = test_main_localhost_is_v4();
	test_main_begin();
	test_main_zts_is_v4 = false;
	test_main_be_known();
	test_main_job.kind = FETCHJOB_REGISTER;
	test_main_job.conf.key_type = CERTCONF_RSA_2048;
	test_main_job.conf.credentials = CERTCONF_WEB_IDENTITY;
	test_main_job.conf.private_ip = true;
	snprintf(test_main_job.conf.zts_url, sizeof(test_main_job.conf.zts_url),
		 "https://localhost:%d/zts/v1", test_main_zts.port);
	test_main_job.conf.zts_address.port = 0;
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_TRUE(strstr(test_main_got.key, "BEGIN RSA PRIVATE KEY") != NULL);
	CU_ASSERT_TRUE(strstr(test_main_zts.log->text, STUBAWS_JWT) != NULL);
	CU_ASSERT_PTR_NULL(strstr(test_main_zts.log->text, "rolesecret"));
	test_main_end();
}

/* Without a cloud. */
static void test_main_token(void)
{
	struct certconf *conf = &test_main_job.conf;

	CU_ASSERT_EQUAL(tmpdir_write("token", "a.token\n", 8), 0);
	test_main_begin();
	conf->attestation = CERTCONF_TOKEN;
	snprintf(conf->token_file, sizeof(conf->token_file), "%s/token", tmpdir_get());
	snprintf(conf->domain, sizeof(conf->domain), "acme.prod");
	snprintf(conf->service, sizeof(conf->service), "cfg");
	snprintf(conf->provider, sizeof(conf->provider), "sys.lab");
	snprintf(conf->instance_id, sizeof(conf->instance_id), "cfg1");
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_STRING_EQUAL(test_main_got.result.self.instance_id, "cfg1");
	test_main_job.self = test_main_got.result.self;
	test_main_job.kind = FETCHJOB_REGISTER;
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_TRUE(strstr(test_main_zts.log->text, "\"attestationData\":\"a.token\"") != NULL);
	CU_ASSERT_EQUAL(test_main_imds.log->n_connections, 0);
	CU_ASSERT_EQUAL(test_main_sts.log->n_connections, 0);
	test_main_end();
}

/* The largest bundle of CAs is more than the channel holds at a time. */
static void test_main_large_ca(void)
{
	static char large[FETCHJOB_CA_MAX + 1];
	size_t len = strlen(test_main_ca.pem);

	memset(large, '#', FETCHJOB_CA_MAX);
	memcpy(large, test_main_ca.pem, len);
	for (size_t i = len; i < FETCHJOB_CA_MAX; i += 60)
		large[i] = '\n';
	CU_ASSERT_EQUAL(tmpdir_write("pin.pem", large, FETCHJOB_CA_MAX), 0);
	test_main_begin();
	test_main_be_known();
	test_main_job.kind = FETCHJOB_REGISTER;
	snprintf(test_main_job.conf.ca_pin, sizeof(test_main_job.conf.ca_pin), "%s/pin.pem",
		 tmpdir_get());
	test_main_run();
	test_main_expect(__LINE__, PST_NONE, "");
	CU_ASSERT_EQUAL(strlen(test_main_got.ca), FETCHJOB_CA_MAX);
	CU_ASSERT_STRING_EQUAL(test_main_got.ca, large);
	test_main_end();
}

static void test_main_refusals(void)
{
	test_main_zts_script.status = 403;
	test_main_zts_script.body = "{\"code\":403,\"message\":\"Certificate revoked\"}";
	test_main_zts_script.headers = "Retry-After: 9\r\n";
	test_main_begin();
	test_main_be_known();
	test_main_job.kind = FETCHJOB_REGISTER;
	test_main_run();
	test_main_expect(__LINE__, PST_ZTS_REVOKED, "Certificate revoked");
	CU_ASSERT_EQUAL(test_main_got.result.http_status, 403);
	CU_ASSERT_EQUAL(test_main_got.result.retry_after_s, 9);
	snprintf(test_main_job.self.instance_id, sizeof(test_main_job.self.instance_id), "i-1");
	test_main_run();
	test_main_expect(__LINE__, PST_INSTANCE_CHANGED, "not i-1");
	snprintf(test_main_job.conf.zts_ca, sizeof(test_main_job.conf.zts_ca), "/nonexistent/ca");
	test_main_run();
	test_main_expect(__LINE__, PST_IDENTITY_FILES, "/nonexistent/ca");
	test_main_end();
}

static void test_main_unknown_name(void)
{
	test_main_begin();
	test_main_be_known();
	test_main_job.kind = FETCHJOB_REGISTER;
	snprintf(test_main_job.conf.zts_url, sizeof(test_main_job.conf.zts_url),
		 "https://no.such.invalid/zts/v1");
	test_main_job.conf.zts_address.port = 0;
	test_main_run();
	test_main_expect(__LINE__, PST_ZTS_UNREACHABLE, "no.such.invalid");
	CU_ASSERT_EQUAL(test_main_imds.log->n_connections, 0);
	test_main_end();
}

/* The status of an answer is told only by the one that the result is about. */
static void test_main_nobody_there(void)
{
	test_main_begin();
	test_main_be_known();
	test_main_job.kind = FETCHJOB_REGISTER;
	test_main_job.conf.zts_address.port = 1;
	test_main_run();
	test_main_expect(__LINE__, PST_ZTS_UNREACHABLE, "zts.example");
	CU_ASSERT_EQUAL(test_main_got.result.http_status, 0);
	CU_ASSERT_EQUAL(test_main_sts.log->n_requests, 1);
	test_main_end();
}

/* A pair that is over, damaged or another's is told apart without asking anybody, and a refresh
 * with it does not begin. */
static void test_main_bad_pairs(void)
{
	static const struct {
		const char *san;
		long to_s;
		enum pst code;
	} rows[] = {
		{ "URI:athenz://instanceid/athenz.aws.us-east-1/" STUBAWS_INSTANCE, 0, PST_NONE },
		{ "URI:athenz://instanceid/athenz.aws.us-east-1/" STUBAWS_INSTANCE, -60,
		  PST_CERT_EXPIRED },
		{ "URI:athenz://instanceid/athenz.aws.us-east-1/i-1", 0, PST_INSTANCE_CHANGED },
	};

	test_main_begin();
	test_main_be_known();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const struct standca_spec spec = { .cn = "acme.prod.tenant-host",
						   .san = rows[i / 2].san,
						   .to_s = rows[i / 2].to_s };
		struct standca_pair pair;

		standca_issue(&test_main_ca, &spec, &pair);
		memset(&test_main_got, 0, sizeof(test_main_got));
		snprintf(test_main_got.key, sizeof(test_main_got.key), "%s", pair.key);
		snprintf(test_main_got.cert, sizeof(test_main_got.cert), "%s", pair.cert);
		snprintf(test_main_got.ca, sizeof(test_main_got.ca), "%s", test_main_ca.pem);
		test_main_store_pair();
		test_main_job.kind = i % 2 ? FETCHJOB_REFRESH : FETCHJOB_CHECK;
		test_main_run();
		test_main_expect(__LINE__, rows[i / 2].code, "");
		standca_free_pair(&pair);
	}
	CU_ASSERT_EQUAL(test_main_zts.log->n_connections, 1);
	CU_ASSERT_EQUAL(tmpdir_write("cert.pem", "x", 1), 0);
	test_main_job.kind = FETCHJOB_CHECK;
	test_main_run();
	test_main_expect(__LINE__, PST_PAIR_UNUSABLE, "");
	test_main_end();
}

/* The line @key of /proc/PID/status, "" while it is not there. */
static void test_main_proc(pid_t pid, const char *key, char *ret, size_t cap)
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

static void test_main_has_no_power(void)
{
	static const char *const want[][2] = {
		{ "CapEff:", "\t0000000000000000\n" },        { "CapPrm:", "\t0000000000000000\n" },
		{ "CapBnd:", "\t0000000000000000\n" },        { "NoNewPrivs:", "\t1\n" },
		{ "Uid:", "\t65534\t65534\t65534\t65534\n" },
	};
	uint64_t deadline_ns = clk_now_ns() + TEST_MAIN_WAIT_MS * CLK_NS_PER_MS;
	char text[256] = "";
	pid_t pid;
	int fd;

	if (geteuid() != 0) {
		tap_skip("needs root, to give it away");
		return;
	}
	test_main_aws.get_hangs = true;
	test_main_begin();
	fd = test_main_send(&pid);
	while (strcmp(text, "\t2\n") && clk_now_ns() < deadline_ns) {
		test_main_proc(pid, "Seccomp:", text, sizeof(text));
		poll(NULL, 0, 1);
	}
	CU_ASSERT_STRING_EQUAL(text, "\t2\n");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		test_main_proc(pid, want[i][0], text, sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, want[i][1]);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	test_main_end();
}

enum { TEST_MAIN_DONE = 7, TEST_MAIN_UNREACHABLE = 8 };

/* Registers as the user that the test's child has become; gives its exit status. */
static int test_main_as_nobody(void)
{
	const gid_t group = TEST_MAIN_NOBODY;

	if (setgroups(1, &group) < 0 || setgid(group) < 0 || setuid(TEST_MAIN_NOBODY) < 0)
		return 1;
	if (access(test_main_program, X_OK) < 0)
		return TEST_MAIN_UNREACHABLE;
	test_main_run();
	if (test_main_got.has_result && test_main_got.result.code == PST_NONE &&
	    test_main_got.key[0] && test_main_got.status == 0)
		return TEST_MAIN_DONE;
	fprintf(stderr, "PST-%04u %s\n", (unsigned int)test_main_got.result.code,
		test_main_got.result.detail);
	return 1;
}

/* Copies the program to where anybody may run it, for the checkout may be closed. */
static void test_main_copy_program(void)
{
	char path[PATH_MAX];
	uint8_t *bytes = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL(files_read(test_main_program, TEST_MAIN_PROGRAM_MAX, &bytes, &len), 0);
	CU_ASSERT_EQUAL(tmpdir_write("certd-fetch", bytes, len), 0);
	free(bytes);
	CU_ASSERT_EQUAL(chmod(tmpdir_path(path, "certd-fetch"), 0755), 0);
	CU_ASSERT_EQUAL(chmod(tmpdir_get(), 0711), 0);
	snprintf(test_main_program, sizeof(test_main_program), "%s", path);
	CU_ASSERT_EQUAL(chmod(tmpdir_path(path, "ca.pem"), 0644), 0);
}

/* As certd starts it: without any power from the beginning. */
static void test_main_started_as_nobody(void)
{
	char program[PATH_MAX];
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		tap_skip("needs root, to become somebody else");
		return;
	}
	memcpy(program, test_main_program, sizeof(program));
	test_main_begin();
	test_main_be_known();
	test_main_job.kind = FETCHJOB_REGISTER;
	test_main_copy_program();
	pid = fork();
	if (pid == 0)
		syscall(SYS_exit_group, test_main_as_nobody());
	waitpid(pid, &status, 0);
	memcpy(test_main_program, program, sizeof(program));
	test_main_end();
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_MAIN_UNREACHABLE)
		tap_skip("the folder for temporary files is closed to other users");
	else
		CU_ASSERT_EQUAL(WEXITSTATUS(status), TEST_MAIN_DONE);
}

/* What is no job ends the worker without a result. */
static void test_main_no_job(void)
{
	pid_t pid;
	int fd = test_main_spawn(&pid);
	int status = 0;

	CU_ASSERT_EQUAL(send(fd, "x", 1, 0), 1);
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 1);
	close(fd);
	fd = test_main_spawn(&pid);
	close(fd); /* certd is gone */
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 1);
}

/* Runs the program by hand; gives its exit status and what it wrote. */
static int test_main_by_hand(const char *option, const char *value, char *ret, size_t cap)
{
	int status = -1;
	int text[2];
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	CU_ASSERT_EQUAL(pipe2(text, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(text[1], STDOUT_FILENO);
		dup2(text[1], STDERR_FILENO);
		close(SPAWN_CHAN_FD);
		execl(test_main_program, "certd-fetch", option, value, NULL);
		syscall(SYS_exit_group, 127);
	}
	close(text[1]);
	while ((n = read(text[0], ret + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
	close(text[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_main_options(void)
{
	static const struct {
		const char *option, *value;
		int status;
		const char *text;
	} rows[] = {
		{ "--version", NULL, 0, "certd-fetch 0." },
		{ "--help", NULL, 0, "usage: certd-fetch" },
		{ "--bogus", NULL, 64, "" },
		{ "--user", "no.such.user", 64, "unknown user no.such.user" },
		{ NULL, NULL, 64, "usage: certd-fetch" },
	};
	char text[1024];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(test_main_by_hand(rows[i].option, rows[i].value, text,
						  sizeof(text)),
				rows[i].status);
		if (!strstr(text, rows[i].text))
			tap_fail(__FILE__, __LINE__, "%s: %s",
				 rows[i].option ? rows[i].option : "nothing", text);
	}
}

static const struct tap_test test_main_tests[] = {
	{ "a whole life", test_main_whole_life },
	{ "variants", test_main_variants },
	{ "token", test_main_token },
	{ "large CA", test_main_large_ca },
	{ "refusals", test_main_refusals },
	{ "unknown name", test_main_unknown_name },
	{ "nobody there", test_main_nobody_there },
	{ "bad pairs", test_main_bad_pairs },
	{ "has no power", test_main_has_no_power },
	{ "started as nobody", test_main_started_as_nobody },
	{ "no job", test_main_no_job },
	{ "options", test_main_options },
	{ 0 },
};

static const struct tap_suite test_main_suites[] = {
	{ "certd-fetch", test_main_tests, test_main_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct standca_spec server = { .san = "DNS:zts.example,DNS:sts.us-east-1.example,"
						    "DNS:localhost" };
	int r;

	if (!getenv("POSTERN_TEST_BUILD")) {
		fputs("not run by meson: POSTERN_TEST_BUILD is unset\n", stderr);
		return 2;
	}
	snprintf(test_main_program, sizeof(test_main_program), "%s/certs/fetch/certd-fetch",
		 getenv("POSTERN_TEST_BUILD"));
	/* The leak check at the end of the worker would break its sandbox. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	standca_init("test authority", &test_main_ca);
	standca_issue(&test_main_ca, &server, &test_main_server);
	r = tap_main(argc, argv, test_main_suites);
	standca_free_pair(&test_main_server);
	standca_release(&test_main_ca);
	return r;
}
