/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/files.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/apply/batch.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/nftfixture.h"
#include "tests/unit/netpolicy/policyfixture.h"

#define TEST_PROGRAM_MAX (64 * 1024 * 1024) /* bytes of netpolicy-compile, sanitizers included */

static int test_run(const char *text, struct compilewire_reply *ret)
{
	struct compilewire_request q = { .n_devices = 2, .devices = { "eth0", "eth1.5" } };

	policyfixture_use_build();
	q.text = (char *)text;
	q.text_len = strlen(text);
	return compiler_run(&q, ret);
}

/* The checked-in texts load, twice with the same bytes. */
static void test_compiler_golden(void)
{
	static const char *const names[] = { "smallest.nft", "everything.nft", "not-enforced.nft",
					     "two-uplinks.nft" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_(compilewire_release_reply) struct compilewire_reply a = { 0 };
		_cleanup_(compilewire_release_reply) struct compilewire_reply b = { 0 };
		char *text = policyfixture_golden(names[i]);

		CU_ASSERT_PTR_NOT_NULL(text);
		if (!text)
			continue;
		if (test_run(text, &a) < 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", names[i], a.error);
		CU_ASSERT_EQUAL(test_run(text, &b), 0);
		CU_ASSERT_TRUE(a.batch_len > 1000 && a.batch_len == b.batch_len);
		if (a.batch_len == b.batch_len && a.batch)
			CU_ASSERT_EQUAL(memcmp(a.batch, b.batch, a.batch_len), 0);
		CU_ASSERT_TRUE(a.expected.n > 40);
		free(text);
	}
}

static bool test_is_same(const struct compilewire_reply *a, const struct compilewire_reply *b)
{
	_cleanup_(parcel_release) struct parcel one = { 0 };
	_cleanup_(parcel_release) struct parcel other = { 0 };

	return compilewire_put_reply(a, &one) == 0 && compilewire_put_reply(b, &other) == 0 &&
	       one.len == other.len && !memcmp(one.bytes, other.bytes, one.len);
}

/* @text by a child of its own and by that of @c, whatever it has compiled before. */
static void test_both_ways(struct compiler *c, const char *name, const char *device)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply alone = { 0 };
	_cleanup_(compilewire_release_reply) struct compilewire_reply after = { 0 };
	struct compilewire_request q = { .n_devices = 2, .devices = { "eth0" } };

	q.text = policyfixture_golden(name);
	CU_ASSERT_PTR_NOT_NULL(q.text);
	if (!q.text)
		return;
	q.text_len = strlen(q.text);
	snprintf(q.devices[1], sizeof(q.devices[1]), "%s", device);
	if (compiler_run(&q, &alone) < 0 || compiler_next(c, &q, &after) < 0)
		tap_fail(__FILE__, __LINE__, "%s: %s %s", name, alone.error, after.error);
	else if (!test_is_same(&alone, &after))
		tap_fail(__FILE__, __LINE__, "%s: other bytes, or another dump", name);
	free(q.text);
}

/* One child for many texts: bytes and dump do not depend on what was there before. */
static void test_compiler_stays(void)
{
	_cleanup_(compiler_closep) struct compiler *c = NULL;

	policyfixture_use_build();
	CU_ASSERT_EQUAL(compiler_open(&c), 0);
	if (!c)
		return;
	test_both_ways(c, "everything.nft", "eth1.5");
	test_both_ways(c, "smallest.nft", "eth1.5");
	test_both_ways(c, "everything.nft", "eth1.5");
	test_both_ways(c, "not-enforced.nft", "eth1.5");
	test_both_ways(c, "two-uplinks.nft", "eth1");
	test_both_ways(c, "smallest.nft", "eth1.5");
}

/* After an error there is a new child. */
static void test_compiler_goes_on(void)
{
	_cleanup_(compiler_closep) struct compiler *c = NULL;
	_cleanup_(compilewire_release_reply) struct compilewire_reply bad = { 0 };
	struct compilewire_request q = { .text = (char *)"nonsense\n", .text_len = 9 };

	policyfixture_use_build();
	CU_ASSERT_EQUAL(compiler_open(&c), 0);
	if (!c)
		return;
	test_both_ways(c, "smallest.nft", "eth9");
	CU_ASSERT_EQUAL(compiler_next(c, &q, &bad), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(bad.error, "syntax error"));
	test_both_ways(c, "smallest.nft", "eth9");
}

/* Copies the program to where anybody may execute it: the tree may lie in a folder that is
 * closed to others, the installed place does not. */
static int test_publish_program(void)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	char from[PATH_MAX], to[PATH_MAX];
	size_t len;

	policyfixture_use_build();
	if (spawn_find("netpolicy-compile", from, sizeof(from)) < 0 ||
	    files_read(from, TEST_PROGRAM_MAX, &bytes, &len) < 0)
		return -1;
	tmpdir_path(to, "netpolicy-compile");
	if (files_write(to, bytes, len, 0755) < 0)
		return -1;
	return chmod(tmpdir_get(), 0755);
}

/* The child of a test that has no privilege: compiles and writes the bytes to @fd. */
static void test_as_nobody(const char *text, int fd)
{
	struct compilewire_request q = { .n_devices = 2, .devices = { "eth0", "eth1.5" } };
	struct compilewire_reply reply = { 0 };

	setenv("POSTERN_LIBEXECDIR", tmpdir_get(), 1);
	q.text = (char *)text;
	q.text_len = strlen(text);
	if (sandbox_drop(65534, 65534, 0) < 0 || compiler_run(&q, &reply) < 0)
		_exit(1);
	_exit(write(fd, reply.batch, reply.batch_len) == (ssize_t)reply.batch_len ? 0 : 2);
}

/* A chroot or a container may not: then only root can compile, and nothing can be switched off. */
static bool test_has_userns(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void test_compiler_same_bytes_for_nobody(void)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char *text = policyfixture_golden("smallest.nft");
	static uint8_t bytes[65536];
	size_t len = 0;
	int ends[2], status = -1;
	ssize_t n;
	pid_t pid;

	if (geteuid() != 0) {
		free(text);
		tap_skip("only root can become nobody");
		return;
	}
	if (!test_has_userns()) {
		free(text);
		tap_skip("no user namespaces here, as in a chroot");
		return;
	}
	CU_ASSERT_EQUAL(test_publish_program(), 0);
	CU_ASSERT_EQUAL(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		test_as_nobody(text, ends[1]);
	close(ends[1]);
	while ((n = read(ends[0], bytes + len, sizeof(bytes) - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(test_run(text, &reply), 0);
	CU_ASSERT_EQUAL(len, reply.batch_len);
	if (len == reply.batch_len && reply.batch)
		CU_ASSERT_EQUAL(memcmp(bytes, reply.batch, len), 0);
	free(text);
}

/* The child: whether the reason is told when a user compiles what only root can send. A newer
 * library sends it in pieces, which everybody may. */
static void test_too_large_for_nobody(const char *text, size_t reply_len)
{
	struct compilewire_request q = { .n_devices = 1, .devices = { "eth0" } };
	struct compilewire_reply reply = { 0 };

	setenv("POSTERN_LIBEXECDIR", tmpdir_get(), 1);
	q.text = (char *)text;
	q.text_len = strlen(text);
	if (sandbox_drop(65534, 65534, 0) < 0)
		_exit(1);
	if (compiler_run(&q, &reply) == 0)
		_exit(reply.batch_len == reply_len ? 0 : 3);
	_exit(strstr(reply.error, "only be compiled by root") ? 0 : 2);
}

static void test_compiler_size_for_nobody(void)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char *text = nftfixture_text(20000, "");
	int status = -1;
	pid_t pid;

	if (geteuid() != 0 || !test_has_userns()) {
		free(text);
		tap_skip("only root can become nobody, and user namespaces are needed");
		return;
	}
	CU_ASSERT_EQUAL(nftfixture_compile(text, &reply), 0);
	CU_ASSERT_EQUAL(test_publish_program(), 0);
	pid = fork();
	if (pid == 0)
		test_too_large_for_nobody(text, reply.batch_len);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(reply.mode, COMPILEWIRE_USERNS);
	free(text);
}

static int test_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Runs as root of a user namespace in which no further one may be made. Writes the mode and the
 * length of the batch to @fd. */
static void test_without_userns(const char *text, int go, int fd)
{
	struct compilewire_reply reply = { 0 };
	size_t answer[2];
	char byte;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || write(fd, "u", 1) != 1 ||
	    read(go, &byte, 1) != 1 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
	    test_write_file("/proc/sys/user/max_user_namespaces", "0") < 0)
		_exit(3);
	if (test_run(text, &reply) < 0)
		_exit(1);
	answer[0] = reply.mode;
	answer[1] = reply.batch_len;
	_exit(write(fd, answer, sizeof(answer)) == sizeof(answer) ? 0 : 2);
}

/* Every id is itself in there: what the child drops to must exist. */
static void test_map_ids(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	CU_ASSERT_EQUAL(test_write_file(path, "0 0 70000"), 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	CU_ASSERT_EQUAL(test_write_file(path, "0 0 70000"), 0);
}

static void test_compiler_userns_switched_off(void)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char *text = policyfixture_golden("smallest.nft");
	size_t answer[2] = { 0 };
	int go[2], ends[2], status = -1;
	char byte = 0;
	pid_t pid;

	if (geteuid() != 0) {
		free(text);
		tap_skip("only root can map ids");
		return;
	}
	if (!test_has_userns()) {
		free(text);
		tap_skip("no user namespaces here, as in a chroot");
		return;
	}
	CU_ASSERT_TRUE(pipe(ends) == 0 && pipe(go) == 0);
	pid = fork();
	if (pid == 0)
		test_without_userns(text, go[0], ends[1]);
	close(ends[1]);
	CU_ASSERT_EQUAL(read(ends[0], &byte, 1), 1);
	test_map_ids(pid);
	CU_ASSERT_EQUAL(write(go[1], "g", 1), 1);
	CU_ASSERT_EQUAL(read(ends[0], answer, sizeof(answer)), sizeof(answer));
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(answer[0], COMPILEWIRE_NETNS);
	CU_ASSERT_EQUAL(test_run(text, &reply), 0);
	CU_ASSERT_EQUAL(reply.mode, COMPILEWIRE_USERNS);
	CU_ASSERT_EQUAL(answer[1], reply.batch_len);
	close(ends[0]);
	close(go[0]);
	close(go[1]);
	free(text);
}

/* libnftables calls select(): the child must not inherit what would break it. */
static void test_compiler_many_descriptors(void)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	char *text = policyfixture_golden("smallest.nft");
	struct rlimit files;
	int fds[1100];

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < 2000) {
		free(text);
		tap_skip("the limit of open files is too low");
		return;
	}
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fds[i] = open("/dev/null", O_RDONLY);
	CU_ASSERT_EQUAL(test_run(text, &reply), 0);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	free(text);
}

static void test_compiler_refuses(void)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{ "nonsense\n", "syntax error" },
		{ "add table inet postern\nadd rule inet postern nowhere accept\n", ":2:" },
		{ "add table inet postern\n", "incomplete" },
		{ "add table inet other\n", "not ours" },
		{ "add table ip postern\n", "not ours" },
		{ "add table inet postern\nadd chain inet postern x "
		  "{ type nat hook output priority -10; }\n",
		  "filter" },
		{ "add table inet postern\nadd chain inet postern x "
		  "{ type filter hook input priority 0; }\n",
		  "priority" },
		{ "add table inet postern\nadd chain inet postern c\n"
		  "add rule inet postern c meta mark set 1\n",
		  "changes the packet: meta" },
		{ "add table inet postern\nadd chain inet postern c\n"
		  "add rule inet postern c ct mark set 1\n",
		  "changes the packet: ct" },
		{ "add table inet postern\nadd chain inet postern c\n"
		  "add rule inet postern c ip6 hoplimit set 1\n",
		  "changes the packet: payload" },
		{ "add table inet postern\nadd chain inet postern c\n"
		  "add rule inet postern c notrack\n",
		  "do not use: notrack" },
		{ "add table inet postern\n"
		  "add set inet postern s { type ipv4_addr; limit rate 1/second; }\n",
		  "more than a counter in set: s" },
		{ "add table inet postern\nadd quota inet postern q { over 1 bytes }\n",
		  "no counter: q" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };

		CU_ASSERT_TRUE(test_run(rows[i].text, &reply) < 0);
		if (!strstr(reply.error, rows[i].word))
			tap_fail(__FILE__, __LINE__, "'%s' is not in '%s'", rows[i].word,
				 reply.error);
	}
}

static void test_compiler_is_missing(void)
{
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	struct compilewire_request q = { 0 };

	setenv("POSTERN_LIBEXECDIR", "/nonexistent", 1);
	CU_ASSERT_EQUAL(compiler_run(&q, &reply), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply.error, "netpolicy-compile"));
}

static const struct tap_test test_compiler_tests[] = {
	{ "the golden texts, twice the same", test_compiler_golden },
	{ "a child that stays gives the same", test_compiler_stays },
	{ "a child that stays goes on after errors", test_compiler_goes_on },
	{ "the same bytes for nobody", test_compiler_same_bytes_for_nobody },
	{ "a size that is for root", test_compiler_size_for_nobody },
	{ "user namespaces are switched off", test_compiler_userns_switched_off },
	{ "many descriptors", test_compiler_many_descriptors },
	{ "refuses", test_compiler_refuses },
	{ "is missing", test_compiler_is_missing },
	{ 0 },
};

static const struct tap_suite test_compiler_suites[] = {
	{ "compiler", test_compiler_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_compiler_suites);
}
