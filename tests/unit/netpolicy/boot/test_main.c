/* SPDX-License-Identifier: MIT */
/* netpolicy-boot with every kind of saved policy: the good one is loaded, and with any other the
 * host is closed, which is said. */
#include <byteswap.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/attr.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/nftfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct compilewire_reply test_good; /* compiled once */
static uint8_t *test_bytes;                /* of its file */
static size_t test_len;

static bool test_ready(void)
{
	struct batchfile f = { .about = "a good policy" };

	nftfixture_once(0, "", &test_good);
	f.batch = test_good.batch;
	f.batch_len = test_good.batch_len;
	f.expected = test_good.expected;
	if (!test_bytes)
		CU_ASSERT_EQUAL(batchfile_encode(&f, &test_bytes, &test_len), 0);
	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth");
	return test_bytes;
}

/* Output and exit status of a boot with @len bytes as the saved policy; free() it. */
static char *test_boot(const void *bytes, size_t len)
{
	char command[PATH_MAX + 256];

	CU_ASSERT_EQUAL(tmpdir_write("policy.batch", bytes, len), 0);
	snprintf(command, sizeof(command),
		 "%s/netpolicy/netpolicy-boot --state-dir %s 2>&1; echo status $?",
		 getenv("POSTERN_TEST_BUILD"), tmpdir_get());
	return netns_output(command);
}

static void test_expect(const char *what, const char *out, const char *word, int status)
{
	char tail[16];

	snprintf(tail, sizeof(tail), "status %d", status);
	CU_PASS("ran");
	if (!out || !strstr(out, word) || !strstr(out, tail))
		tap_fail(__FILE__, __LINE__, "%s: '%s' and '%s' are not in: %s", what, word, tail,
			 out);
}

/* Three directions with policy drop and a last rule that drops: not open. */
static void test_is_closed(const char *what)
{
	char *out = netns_output("nft list table inet postern | grep -c 'policy drop'; "
				 "nft list table inet postern | grep -c 'closed:'");

	if (!out || strncmp(out, "3\n", 2) != 0 || !strcmp(out, "3\n0"))
		tap_fail(__FILE__, __LINE__, "%s: not closed: %s", what, out);
	free(out);
}

static void test_boot_good(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	char *out;

	if (!test_ready())
		return;
	out = test_boot(test_bytes, test_len);
	test_expect("good", out, "loaded the last good policy: a good policy", 0);
	free(out);
	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	CU_ASSERT_EQUAL(applier_check(k, &test_good.expected, &result), 0);
	/* Again, over itself. */
	out = test_boot(test_bytes, test_len);
	test_expect("again", out, "loaded the last good policy", 0);
	free(out);
}

/* Cut at every 64 bytes. Everything is one namespace: the closed policy replaces itself. */
static void test_boot_every_cut(void)
{
	if (!test_ready())
		return;
	for (size_t len = 0; len < test_len; len += 64) {
		char what[32], *out = test_boot(test_bytes, len);

		snprintf(what, sizeof(what), "cut at %zu", len);
		test_expect(what, out, "loaded the closed policy", 1);
		test_expect(what, out, "PST-3007", 1);
		free(out);
	}
	test_is_closed("cut");
}

static void test_boot_damage(void)
{
	if (!test_ready())
		return;
	for (size_t i = 0; i < 64; i++) {
		size_t at = tap_random_below(48 + test_good.batch_len);
		char what[32], *out;

		if (at >= 40 && at < 48)
			at = 0; /* the sum of what boot does not read */
		test_bytes[at] ^= (uint8_t)(1 + tap_random_below(255));
		out = test_boot(test_bytes, test_len);
		snprintf(what, sizeof(what), "damage at %zu", at);
		test_expect(what, out, "loaded the closed policy", 1);
		free(out);
		free(test_bytes);
		test_bytes = NULL;
		if (!test_ready())
			return;
	}
}

/* The file of a batch that is not ours but whole, checked as if an enemy had written it. */
static void test_boot_with_batch(const char *what, const uint8_t *batch, const char *word)
{
	struct batchfile f = { .about = "forged", .batch_len = test_good.batch_len };
	uint8_t *bytes = NULL;
	size_t len = 0;
	char *out;

	f.batch = (uint8_t *)batch;
	CU_ASSERT_EQUAL(batchfile_encode(&f, &bytes, &len), 0);
	out = test_boot(bytes, len);
	test_expect(what, out, word, 1);
	test_expect(what, out, "loaded the closed policy", 1);
	test_is_closed(what);
	free(out);
	free(bytes);
}

/* All headers of messages as a machine of the other byte order would have written them. */
static void test_swap(uint8_t *batch)
{
	size_t at = 0;

	while (at + sizeof(struct nlmsghdr) <= test_good.batch_len) {
		struct nlmsghdr *nlh = (void *)(batch + at);
		size_t len = NLMSG_ALIGN(nlh->nlmsg_len);

		nlh->nlmsg_len = bswap_32(nlh->nlmsg_len);
		nlh->nlmsg_type = bswap_16(nlh->nlmsg_type);
		nlh->nlmsg_flags = bswap_16(nlh->nlmsg_flags);
		at += len;
	}
}

static void test_boot_foreign(void)
{
	uint8_t *batch, *name;

	if (!test_ready())
		return;
	batch = malloc(test_good.batch_len);
	if (!batch)
		return;
	/* For other tables: the same length, another name. */
	memcpy(batch, test_good.batch, test_good.batch_len);
	for (name = batch;
	     (name = memmem(name, (size_t)(batch + test_good.batch_len - name), "postern", 8));)
		name[0] = 'P';
	test_boot_with_batch("foreign", batch, "a table that is not ours: Postern");
	memcpy(batch, test_good.batch, test_good.batch_len);
	test_swap(batch);
	test_boot_with_batch("foreign byte order", batch, "PST-3003");
	/* Sound and ours, yet the kernel refuses it: a jump to nowhere. */
	memcpy(batch, test_good.batch, test_good.batch_len);
	name = batch;
	for (uint8_t *p = batch;
	     (p = memmem(p, (size_t)(batch + test_good.batch_len - p), "from_up", 8)); p++)
		name = p;
	name[0] = 'F';
	test_boot_with_batch("refused by the kernel", batch, "PST-3004");
	free(batch);
}

static void test_boot_other_version(void)
{
	char *out;

	if (!test_ready())
		return;
	test_bytes[8] = 1;
	out = test_boot(test_bytes, test_len);
	test_bytes[8] = 2;
	test_expect("old", out, "written by another version of this program", 1);
	free(out);
}

static void test_boot_odd_files(void)
{
	char path[PATH_MAX], command[PATH_MAX + 256], *out;

	if (!test_ready())
		return;
	tmpdir_path(path, "policy.batch");
	for (int i = 0; i < 4; i++) {
		(void)remove(path);
		if (i == 1)
			CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
		if (i == 2)
			CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
		if (i == 3)
			CU_ASSERT_EQUAL(symlink("/nonexistent/x", path), 0);
		snprintf(command, sizeof(command),
			 "timeout 10 %s/netpolicy/netpolicy-boot --state-dir %s 2>&1; "
			 "echo status $?",
			 getenv("POSTERN_TEST_BUILD"), tmpdir_get());
		out = netns_output(command);
		test_expect("odd file", out, "loaded the closed policy", 1);
		test_is_closed("odd file");
		free(out);
	}
	CU_ASSERT_EQUAL(unlink(path), 0);
}

/* While netpolicyd holds the tables, nothing is lost by trying. */
static void test_boot_owned(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	char *out;

	if (!test_ready())
		return;
	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	CU_ASSERT_EQUAL(applier_apply(k, test_good.batch, test_good.batch_len, NULL, &result), 0);
	if (applier_own(k) != 0) {
		tap_skip("tables cannot be owned on this kernel");
		return;
	}
	netns_run("ip link set eth0 up");
	out = test_boot(test_bytes, test_len);
	test_expect("owned", out, "PST-3013", 3);
	free(out);
	netns_run("ip -o link show up | grep -q eth0");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_good.expected, &result), 0);
}

/* A boot that gets no netlink sockets, those of @when (strace's words). free() it. */
static char *test_boot_deaf(const char *when)
{
	char command[PATH_MAX + 256];

	netns_run("ip link set eth0 up");
	snprintf(command, sizeof(command),
		 "ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null "
		 "-e inject=socket:error=EPROTONOSUPPORT:when=%s "
		 "%s/netpolicy/netpolicy-boot --state-dir %s 2>&1; echo status $?",
		 when, getenv("POSTERN_TEST_BUILD"), tmpdir_get());
	return netns_output(command);
}

/* When the kernel cannot be spoken to, the links are down; when that cannot be done either, it says
 * what that means. */
static void test_boot_nothing_works(void)
{
	char *out;

	if (!test_ready())
		return;
	out = test_boot_deaf("1");
	test_expect("no nf_tables", out, "took 1 links down", 2);
	test_expect("no nf_tables", out, "PST-3004", 2);
	free(out);
	netns_expect("ip -o link show up | awk '{ print $2 }'", "lo:");
	out = test_boot_deaf("1+");
	test_expect("no netlink", out, "THIS HOST IS OPEN", 2);
	free(out);
}

static const struct tap_test test_boot_tests[] = {
	{ "the good one", test_boot_good },
	{ "every cut", test_boot_every_cut },
	{ "damage", test_boot_damage },
	{ "foreign", test_boot_foreign },
	{ "another version", test_boot_other_version },
	{ "no file, and what is none", test_boot_odd_files },
	{ "netpolicyd owns the tables", test_boot_owned },
	{ "nothing works", test_boot_nothing_works },
	{ 0 },
};

static const struct tap_suite test_boot_suites[] = {
	{ "boot", test_boot_tests },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_boot_suites);

	compilewire_release_reply(&test_good);
	free(test_bytes);
	return r;
}
