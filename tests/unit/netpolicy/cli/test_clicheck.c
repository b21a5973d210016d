/* SPDX-License-Identifier: MIT */
/* check against a kernel that holds what another nft made of the same page. Real nf_tables, in a
 * network namespace of its own. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "netpolicy/cli/clicheck.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/nftfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

/* The same ports, as one and as two comparisons: so differ 1.0.6 and 1.1.3. */
static const char test_words[] = "add rule inet postern from_up tcp dport 80-90 accept\n";
static const char test_other_words[] =
	"add rule inet postern from_up tcp dport >= 80 tcp dport <= 90 accept\n";

static struct compilewire_reply test_old, test_new; /* compiled once */

struct test_place {
	char path[PATH_MAX];
	struct cli cli;
	struct batchfile saved, page; /* borrow of the two above */
};

/* The kernel holds what is saved. False: the test is skipped. */
static bool test_ready(struct test_place *t)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	nftfixture_once(0, test_words, &test_old);
	nftfixture_once(0, test_other_words, &test_new);
	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth");
	*t = (struct test_place){
		.saved = { .about = "policy p version 1 sha256 1234",
			   .batch = test_old.batch,
			   .batch_len = test_old.batch_len,
			   .expected = test_old.expected },
		.page = { .about = "policy p version 1 sha256 1234",
			  .batch = test_new.batch,
			  .batch_len = test_new.batch_len,
			  .expected = test_new.expected },
	};
	t->cli.state_dir = tmpdir_get();
	tmpdir_path(t->path, CLI_BATCH_NAME);
	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	CU_ASSERT_EQUAL(applier_apply(k, test_old.batch, test_old.batch_len, &test_old.expected,
				      &result),
			0);
	CU_ASSERT_EQUAL(batchfile_write(t->path, &t->saved), 0);
	return true;
}

static void test_expect(struct test_place *t, int code, bool is_reworded)
{
	_cleanup_(clicheck_release) struct clicheck what = { 0 };

	CU_ASSERT_EQUAL(clicheck_page(&t->cli, &t->page, &what), CLI_OK);
	CU_ASSERT_EQUAL(what.code, code);
	CU_ASSERT_EQUAL(what.is_reworded, is_reworded);
	CU_ASSERT_PTR_EQUAL(what.about, t->page.about);
	CU_ASSERT_EQUAL(what.pst, code == CLI_OK ? 0 : PST_POLICY_DRIFT);
	CU_ASSERT_EQUAL(!what.result.diff.n, code == CLI_OK);
}

static void test_clicheck_other_words(void)
{
	struct test_place t;

	if (!test_ready(&t))
		return;
	test_expect(&t, CLI_OK, true);
	t.page.expected = test_old.expected;
	test_expect(&t, CLI_OK, false);
}

/* The saved policy is another one, damaged, or not there; or the kernel does not hold it either. */
static void test_clicheck_drift(void)
{
	struct test_place t;

	if (!test_ready(&t))
		return;
	netns_run("nft add rule inet postern from_up tcp dport 23 accept");
	test_expect(&t, CLI_DRIFT, false);
	netns_run("nft delete rule inet postern from_up handle "
		  "$(nft -a list chain inet postern from_up | sed -n 's/.*dport 23 .*handle //p')");
	test_expect(&t, CLI_OK, true);
	t.page.about[strlen(t.page.about) - 1] = '5';
	test_expect(&t, CLI_DRIFT, false);
	t.page.about[strlen(t.page.about) - 1] = '4';
	CU_ASSERT_EQUAL(truncate(t.path, 100), 0);
	test_expect(&t, CLI_DRIFT, false);
	CU_ASSERT_EQUAL(unlink(t.path), 0);
	test_expect(&t, CLI_DRIFT, false);
}

static const struct tap_test test_clicheck_tests[] = {
	{ "the same in other words", test_clicheck_other_words },
	{ "another one is drift", test_clicheck_drift },
	{ 0 },
};

static const struct tap_suite test_clicheck_suites[] = {
	{ "clicheck", test_clicheck_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_clicheck_suites);

	compilewire_release_reply(&test_old);
	compilewire_release_reply(&test_new);
	return r;
}
