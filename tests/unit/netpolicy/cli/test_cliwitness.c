/* SPDX-License-Identifier: MIT */
/* A kernel that lies: explain and prove must notice, say so and not call it proved. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "netpolicy/cli/cliexplain.h"
#include "netpolicy/cli/cliprove.h"
#include "netpolicy/cli/cliwitness.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

/* How the stand-in for the kernel answers. */
static enum { SAYS_TRUE, SAYS_OTHER_VERDICT, SAYS_OTHER_LINE, SAYS_NOTHING, SAYS_NO } mood;

int __wrap_oracle_ask(const struct oracle_job *job, const struct terms_packet *packets, size_t n,
		      struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX]);

int __wrap_oracle_ask(const struct oracle_job *job, const struct terms_packet *packets, size_t n,
		      struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX])
{
	_cleanup_(terms_release) struct terms t = { 0 };

	if (mood == SAYS_NO) {
		snprintf(ret_error, ORACLE_ERROR_MAX, "the stand-in does not want to");
		return -EPERM;
	}
	CU_ASSERT_EQUAL(terms_make(job->policy, &t), 0);
	for (size_t i = 0; i < n; i++) {
		struct terms_answer answer = terms_decide(&t, &packets[i]);

		ret[i] = (struct oracle_answer){ .verdict = answer.verdict, .ct = packets[i].ct };
		snprintf(ret[i].comment, sizeof(ret[i].comment), "%s remark", answer.item->where);
		if (mood == SAYS_OTHER_VERDICT)
			ret[i].verdict = answer.verdict == TERMS_ACCEPT ? TERMS_DROP : TERMS_ACCEPT;
		if (mood == SAYS_OTHER_LINE)
			snprintf(ret[i].comment, sizeof(ret[i].comment), "policy.conf:88");
		if (mood == SAYS_NOTHING)
			ret[i].error = -ENODATA;
	}
	return 0;
}

static char said[65536];

/* Runs a command with standard output and error into a file, and keeps what it said. */
static int run(int (*command)(const struct cli *c), const struct cli *c)
{
	char path[PATH_MAX];
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), code;
	int fd = open(tmpdir_path(path, "said"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	code = command(c);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(fd);
	close(out);
	close(err);
	return code;
}

#define EXPECT_SAID(words)                                                                         \
	do {                                                                                       \
		CU_PASS("looked");                                                                 \
		if (!strstr(said, (words)))                                                        \
			tap_fail(__FILE__, __LINE__, "did not say '%s': %s", (words), said);       \
	} while (0)

static const char page[] = "policy demo 1\n"
			   "host tier compute\n"
			   "link up eth0\n"
			   "net archive 2001:db8:53::/48\n"
			   "to archive allow tcp 443 \"remark\"\n"
			   "claim \"IPv6 keeps working\" { always out via up icmpv6 nd }\n";

static char words[][32] = { "out", "eth0", "tcp", "[host]:4000", "[2001:db8:53::9]:443" };
static char *const packet[] = { words[0], words[1], words[2], words[3], words[4] };

static struct cli make(char path[PATH_MAX])
{
	char libexec[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("policy.conf", page, strlen(page)), 0);
	snprintf(libexec, sizeof(libexec), "%s/netpolicy", getenv("POSTERN_TEST_BUILD") ?: "build");
	setenv("POSTERN_LIBEXECDIR", libexec, 1);
	return (struct cli){ .page = tmpdir_path(path, "policy.conf"),
			     .config = "/nonexistent",
			     .state_dir = "/nonexistent",
			     .run_dir = "/nonexistent",
			     .page_only = true,
			     .n_words = ARRAY_SIZE(packet),
			     .words = packet };
}

static void test_true(void)
{
	char path[PATH_MAX];
	struct cli c = make(path);

	mood = SAYS_TRUE;
	CU_ASSERT_EQUAL(run(cliexplain_run, &c), CLI_OK);
	EXPECT_SAID("ALLOWED");
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_OK);
	EXPECT_SAID("all claims hold");
}

/* A page with more borders than are tried says so. */
static void test_cut(void)
{
	_cleanup_(buf_release) struct buf text = buf_init(1 << 20);
	char path[PATH_MAX];
	struct cli c = make(path);

	mood = SAYS_TRUE;
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_OK);
	EXPECT_SAID("packets at all borders");
	buf_add(&text, page);
	buf_add(&text, "net many 2001:db8:7::/48\n");
	for (unsigned int port = 1; port < 3000; port += 2)
		buf_addf(&text, "from many allow tcp %u\n", port);
	CU_ASSERT_EQUAL_FATAL(buf_done(&text), 0);
	CU_ASSERT_EQUAL(tmpdir_write("policy.conf", text.text, text.len), 0);
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_OK);
	EXPECT_SAID("kernel: 10000 packets at some of the borders, 10000 agree");
	c.json = true;
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_OK);
	EXPECT_SAID("\"all_borders\":false");
}

static void test_other_verdict(void)
{
	char path[PATH_MAX];
	struct cli c = make(path);

	mood = SAYS_OTHER_VERDICT;
	CU_ASSERT_EQUAL(run(cliexplain_run, &c), CLI_TROUBLE);
	EXPECT_SAID("PST-3018");
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_TROUBLE);
	EXPECT_SAID("PST-3018");
	EXPECT_SAID(" 0 agree");
	c.json = true;
	CU_ASSERT_EQUAL(run(cliexplain_run, &c), CLI_TROUBLE);
	EXPECT_SAID("\"agrees\": false");
}

static void test_other_line(void)
{
	char path[PATH_MAX];
	struct cli c = make(path);

	mood = SAYS_OTHER_LINE;
	CU_ASSERT_EQUAL(run(cliexplain_run, &c), CLI_TROUBLE);
	EXPECT_SAID("PST-3018");
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_TROUBLE);
	EXPECT_SAID("PST-3018");
}

static void test_nothing(void)
{
	char path[PATH_MAX];
	struct cli c = make(path);

	mood = SAYS_NOTHING;
	CU_ASSERT_EQUAL(run(cliexplain_run, &c), CLI_OK);
	EXPECT_SAID("PST-3017");
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_TROUBLE);
	EXPECT_SAID("could not be made here");
}

static void test_no(void)
{
	char path[PATH_MAX];
	struct cli c = make(path);

	mood = SAYS_NO;
	CU_ASSERT_EQUAL(run(cliexplain_run, &c), CLI_OK);
	EXPECT_SAID("PST-3017 the stand-in does not want to");
	CU_ASSERT_EQUAL(run(cliprove_run, &c), CLI_TROUBLE);
	EXPECT_SAID("PST-3017 the stand-in does not want to");
}

static void test_agree(void)
{
	struct terms_item item = { .where = "policy.conf:1" };
	struct terms_answer model = { TERMS_ACCEPT, false, &item };
	struct oracle_answer kernel = { .verdict = TERMS_ACCEPT, .comment = "policy.conf:1" };

	CU_ASSERT_TRUE(cliwitness_agree(&model, &kernel));
	snprintf(kernel.comment, sizeof(kernel.comment), "policy.conf:1 words");
	CU_ASSERT_TRUE(cliwitness_agree(&model, &kernel));
	snprintf(kernel.comment, sizeof(kernel.comment), "policy.conf:11");
	CU_ASSERT_FALSE(cliwitness_agree(&model, &kernel));
	kernel.comment[0] = '\0';
	CU_ASSERT_FALSE(cliwitness_agree(&model, &kernel));
	item.where[0] = '\0';
	CU_ASSERT_TRUE(cliwitness_agree(&model, &kernel));
	/* Both ways to say no are no. */
	model.verdict = TERMS_REJECT;
	kernel.verdict = TERMS_DROP;
	CU_ASSERT_TRUE(cliwitness_agree(&model, &kernel));
	kernel.verdict = TERMS_ACCEPT;
	CU_ASSERT_FALSE(cliwitness_agree(&model, &kernel));
}

static const struct tap_test tests[] = {
	{ "a kernel that tells the truth", test_true },
	{ "more borders than packets", test_cut },
	{ "another verdict", test_other_verdict },
	{ "another line", test_other_line },
	{ "no trace", test_nothing },
	{ "no kernel", test_no },
	{ "what agreement is", test_agree },
	{ 0 },
};

static const struct tap_suite suites[] = { { "cliwitness", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	log_open("test", LOG_LEVEL_INFO);
	return tap_main(argc, argv, suites);
}
