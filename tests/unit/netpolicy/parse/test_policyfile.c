/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "netpolicy/parse/policyfile.h"
#include "common/buf.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/parse/pagetry.h"

static struct policyfile_error error;

static void put(const char *name, const char *text)
{
	CU_ASSERT_EQUAL(tmpdir_write(name, text, strlen(text)), 0);
}

static void make_dir(const char *name)
{
	char path[PATH_MAX];

	CU_ASSERT(mkdir(tmpdir_path(path, name), 0700) == 0 || errno == EEXIST);
}

static void drop(const char *name)
{
	char path[PATH_MAX];

	unlink(tmpdir_path(path, name));
}

static int load(const char *name, struct policy **ret)
{
	char path[PATH_MAX];

	return policyfile_load(tmpdir_path(path, name), pagetry_user, ret, &error);
}

/* Loads and expects an error that holds @want. */
static void refuse(const char *name, int want_r, const char *want)
{
	struct policy *p = NULL;
	int r = load(name, &p);

	CU_ASSERT_EQUAL(r, want_r);
	CU_ASSERT_PTR_NULL(p);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, want));
	if (r != want_r || !strstr(error.text, want))
		tap_note("%d \"%s\", wanted %d \"%s\"", r, error.text, want_r, want);
	policy_free(p);
}

static void test_files(void)
{
	struct policy *p = NULL;

	make_dir("sub");
	make_dir("policy.d");
	put("policy.conf", PAGETRY_BASE "include sub/a.conf\nto c allow tcp 1\n");
	put("sub/a.conf", "include b.conf\nnet c file list\nto b allow tcp 2\n");
	put("sub/b.conf", "# nothing\nnet b 2001:db8:b::/48\n");
	put("sub/list", "# c\n2001:db8:cc::/48 10.0.0.0/8 # two\n\n2001:db8:cd::/48");
	put("policy.d/20.conf", "to b allow tcp 3\n");
	put("policy.d/10.conf", "to c allow tcp 4\n");
	put("policy.d/.hidden.conf", "nonsense\n");
	put("policy.d/note.txt", "nonsense\n");
	CU_ASSERT_EQUAL(load("policy.conf", &p), 0);
	if (!p) {
		tap_note("%s", error.text);
		return;
	}
	CU_ASSERT_EQUAL(p->n_rules, 6);
	CU_ASSERT_STRING_EQUAL(p->rules[2].where, "sub/a.conf:3");
	CU_ASSERT_STRING_EQUAL(p->rules[3].where, "policy.conf:11");
	CU_ASSERT_STRING_EQUAL(p->rules[4].where, "policy.d/10.conf:1");
	CU_ASSERT_STRING_EQUAL(p->rules[5].where, "policy.d/20.conf:1");
	CU_ASSERT_STRING_EQUAL(p->nets[3].where, "sub/b.conf:2");
	CU_ASSERT_EQUAL(p->nets[4].prefixes.n, 2 + 0);
	policy_free(p);
	put("policy.d/20.conf", "to b allow tcp\n");
	refuse("policy.conf", -EINVAL, "policy.d/20.conf:1:15: expected a port");
	CU_ASSERT_STRING_EQUAL(error.file, "policy.d/20.conf");
	CU_ASSERT_EQUAL(error.line, 1);
	CU_ASSERT_EQUAL(error.column, 15);
	put("policy.d/20.conf", "policy x 1\n");
	refuse("policy.conf", -EINVAL,
	       "policy.d/20.conf:1:8: 'policy' is already declared at policy.conf:1");
	put("sub/list", "2001:db8:cc::/48\nx\n");
	refuse("policy.conf", -EINVAL, "sub/list:2:1: expected a prefix");
	put("sub/list", "# none\n");
	refuse("policy.conf", -EINVAL, "sub/list:2:1: a list without a prefix");
	drop("sub/list");
	refuse("policy.conf", -EINVAL, "sub/a.conf:2:12: cannot read 'list': No such file");
	drop("policy.d/20.conf");
	drop("policy.d/10.conf");
}

static void test_kinds_of_files(void)
{
	char path[PATH_MAX];
	struct policy *p = NULL;

	refuse("absent.conf", -ENOENT, "absent.conf: cannot read it: No such file");
	put("odd.conf", PAGETRY_BASE "include fifo\n");
	CU_ASSERT_EQUAL(mkfifo(tmpdir_path(path, "fifo"), 0600), 0);
	refuse("odd.conf", -EINVAL, "odd.conf:10:9: cannot read 'fifo': it is not a regular file");
	refuse("fifo", -EINVAL, "fifo: cannot read it: it is not a regular file");
	put("odd.conf", PAGETRY_BASE "include /dev/zero\n");
	refuse("odd.conf", -EINVAL, "it is not a regular file");
	put("odd.conf", PAGETRY_BASE "include sub\n");
	make_dir("sub");
	refuse("odd.conf", -EINVAL, "it is not a regular file");
	/* A link is as good as what it leads to. */
	CU_ASSERT_EQUAL(symlink("odd.conf", tmpdir_path(path, "link.conf")), 0);
	put("odd.conf", PAGETRY_BASE);
	CU_ASSERT_EQUAL(load("link.conf", &p), 0);
	policy_free(p);
	make_dir("odd.d");
	CU_ASSERT_EQUAL(symlink("nowhere", tmpdir_path(path, "odd.d/x.conf")), 0);
	refuse("odd.conf", -EINVAL, "odd.d/x.conf: cannot read it: No such file");
	drop("odd.d/x.conf");
	tmpdir_write("odd.conf", PAGETRY_BASE "log\0", sizeof(PAGETRY_BASE "log\0") - 1);
	refuse("odd.conf", -EINVAL, "odd.conf:10:4: a NUL byte");
}

static void test_loops(void)
{
	char name[32], text[64];
	struct policy *p = NULL;

	put("loop.conf", PAGETRY_BASE "include loop.conf\n");
	refuse("loop.conf", -EINVAL, "loop.conf:10:9: cannot read 'loop.conf': it was read before");
	put("loop.conf", PAGETRY_BASE "include one\n");
	put("one", "include ./two\n");
	put("two", "include ../nosuch/one\n");
	refuse("loop.conf", -EINVAL, "./two:1:9: cannot read '../nosuch/one'");
	put("two", "include one\n");
	refuse("loop.conf", -EINVAL, "it was read before");
	/* The page is at depth 0. */
	for (int depth = POLICYFILE_DEPTH_MAX - 1; depth <= POLICYFILE_DEPTH_MAX + 1; depth++) {
		put("deep.conf", PAGETRY_BASE "include d1\n");
		for (int i = 1; i <= depth; i++) {
			snprintf(name, sizeof(name), "d%d", i);
			snprintf(text, sizeof(text), i < depth ? "include d%d\n" : "# %d\n", i + 1);
			put(name, text);
		}
		if (depth > POLICYFILE_DEPTH_MAX)
			refuse("deep.conf", -EINVAL, "files include files more than 8 deep");
		else
			CU_ASSERT_EQUAL(load("deep.conf", &p), 0);
		policy_free(steal_ptr(p));
	}
}

static void test_limits(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(1 << 20);
	struct policy *p = NULL;
	char name[32];

	for (unsigned int i = 0; i <= POLICYFILE_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		put(name, "# nothing\n");
	}
	buf_add(&b, PAGETRY_BASE);
	for (unsigned int i = 0; i < POLICYFILE_FILES_MAX; i++) {
		buf_addf(&b, "include f%u\n", i);
		if (i != POLICYFILE_FILES_MAX - 2 && i != POLICYFILE_FILES_MAX - 1)
			continue;
		put("many.conf", b.text);
		CU_ASSERT_EQUAL(load("many.conf", &p), 0);
		policy_free(steal_ptr(p));
	}
	buf_addf(&b, "include f%u\n", POLICYFILE_FILES_MAX);
	put("many.conf", b.text);
	refuse("many.conf", -EINVAL, "cannot read 'f64': there are more than 64 files");
}

/* Lines of all files count together, those of lists do not. */
static void test_lines(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(1 << 20);
	struct policy *p = NULL;

	put("lines.conf", PAGETRY_BASE "include half\nnet l file list\nto l allow tcp 1\n");
	for (int i = 0; i < POLICYFILE_LINES_MAX + 1; i++)
		buf_add(&b, "2001:db8:1::/48\n");
	put("list", b.text);
	buf_release(&b);
	for (int i = 0; i < POLICYFILE_LINES_MAX - 12; i++)
		buf_add(&b, "#\n");
	put("half", b.text);
	CU_ASSERT_EQUAL(load("lines.conf", &p), 0);
	policy_free(steal_ptr(p));
	buf_add(&b, "#\n");
	put("half", b.text);
	refuse("lines.conf", -E2BIG, "lines.conf:12:1: more than 4096 lines in all files together");
	for (int i = 0; i < 12; i++)
		buf_add(&b, "#\n");
	put("half", b.text);
	refuse("lines.conf", -E2BIG, "half:4087:2: more than 4096 lines");
}

static void test_size(void)
{
	size_t len = POLICYFILE_BYTES_MAX;
	char *text = malloc(len + 1);
	struct policy *p = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, ' ', len + 1);
	memcpy(text, PAGETRY_BASE, strlen(PAGETRY_BASE));
	CU_ASSERT_EQUAL(tmpdir_write("size.conf", text, len), 0);
	CU_ASSERT_EQUAL(load("size.conf", &p), 0);
	policy_free(steal_ptr(p));
	CU_ASSERT_EQUAL(tmpdir_write("size.conf", text, len + 1), 0);
	refuse("size.conf", -EFBIG, "size.conf: cannot read it: it has more than 8 MiB");
	free(text);
}

/* Names end up in comments of nft and on terminals. */
static void test_odd_names(void)
{
	make_dir("names.d");
	put("names.conf", PAGETRY_BASE);
	put("names.d/a\"\x1b[2J.conf", "from public allow tcp 1\nbad\n");
	refuse("names.conf", -EINVAL, "names.d/a___2J.conf:2:1: expected a directive");
	drop("names.d/a\"\x1b[2J.conf");
}

static void test_big_net(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(POLICYFILE_BYTES_MAX);
	struct timespec from, to;
	struct policy *p = NULL;

	for (unsigned int i = 0; i < POLICY_PREFIXES_MAX; i++)
		buf_addf(&b, "2001:db8:%x:%x::%x\n", i >> 16, (i * 40503u) & 0xffff, i & 0xff);
	put("big.list", b.text);
	put("big.conf", PAGETRY_BASE "net big file big.list\nto big allow tcp 443\n");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	CU_ASSERT_EQUAL(load("big.conf", &p), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	CU_ASSERT_TRUE(p && p->nets[3].prefixes.n > POLICY_PREFIXES_MAX / 2);
	/* A second is what is promised; sanitizers are slower. */
	CU_ASSERT_TRUE(to.tv_sec - from.tv_sec < 5);
	policy_free(p);
}

static void test_users(void)
{
	uint32_t uid = 7;

	CU_ASSERT_EQUAL(policyfile_system_user("root", &uid), 0);
	CU_ASSERT_EQUAL(uid, 0);
	uid = 7;
	CU_ASSERT_EQUAL(policyfile_system_user("no-such-user-here", &uid), -ENOENT);
	CU_ASSERT_EQUAL(uid, 7);
}

static int load_all(void *ctx)
{
	struct policyfile_error e;
	struct policy *p = NULL;
	char path[PATH_MAX];
	int r = policyfile_load(tmpdir_path(path, ctx), pagetry_user, &p, &e);

	policy_free(p);
	return r;
}

static void test_no_memory(void)
{
	char name[] = "torture.conf";

	put("torture.inc", "net z 2001:db8:5::/48\nto z allow tcp 1\n");
	put("torture.conf", PAGETRY_BASE
	    "include torture.inc\ndns allow\nimds allow user app\n"
	    "grant ssh tcp 22 from config max 1h\nclaim \"c\" { never in from any }\n");
	make_dir("torture.d");
	put("torture.d/a.conf", "to z allow tcp 5\n");
	CU_ASSERT_TRUE(torture(load_all, name) > 10);
}

static const struct tap_test file_tests[] = {
	{ "files", test_files },
	{ "kinds of files", test_kinds_of_files },
	{ "loops", test_loops },
	{ "limits", test_limits },
	{ "lines", test_lines },
	{ "size", test_size },
	{ "odd names", test_odd_names },
	{ "big net", test_big_net },
	{ "users", test_users },
	{ "no memory", test_no_memory },
	{},
};

static const struct tap_suite suites[] = { { "policyfile", file_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
