/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "netpolicy/parse/policyfmt.h"
#include "netpolicy/parse/policyjson.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/parse/pagetry.h"

static struct policyfile_error error;

/* Formats; freed by the caller. NULL with a failed assertion. */
static char *format(const char *text)
{
	_cleanup_(buf_release) struct buf to = buf_init(POLICYFILE_BYTES_MAX);
	char *out = NULL;

	if (policyfmt_text("policy.conf", text, &to, &error) < 0 || buf_steal(&to, &out) < 0)
		tap_fail(__FILE__, __LINE__, "not formatted: %s", error.text);
	return out;
}

static void check(const char *text, const char *want)
{
	char *got = format(text);
	char *again = got ? format(got) : NULL;

	CU_ASSERT_TRUE(got && !strcmp(got, want));
	CU_ASSERT_TRUE(again && !strcmp(got, again));
	if (got && strcmp(got, want))
		tap_note("got:\n%s", got);
	free(got);
	free(again);
}

static void test_columns(void)
{
	check("policy  a\t1\nhost tier compute\nlink up eth0\n",
	      "policy a 1\nhost   tier compute\nlink   up eth0\n");
	check("net a 2001:DB8:0::/48 10.0.0.1/32\nnet longer 2001:db8::1/128\n",
	      "net    a      2001:db8::/48 10.0.0.1\nnet    longer 2001:db8::1\n");
	check("from a allow tcp 1 \"x\"\nto longer via tun allow any mark 0x1 user b \"y\"\n",
	      "from   a              allow tcp 1                 \"x\"\n"
	      "to     longer via tun allow any   mark 0x1 user b \"y\"\n");
	check("dns allow\nimds fd00::1/128 allow user a\n",
	      "dns            allow\nimds   fd00::1 allow user a\n");
	check("grant a tcp 1 from b max 1h\ngrant long tcp 22 23 from c via up max 1h\n",
	      "grant  a    tcp 1     from b        max 1h\n"
	      "grant  long tcp 22 23 from c via up max 1h\n");
	/* A blank line or a comment ends a block, a line of another kind, too. */
	check("net a ::1\n\nnet bcd ::1\n", "net    a ::1\n\nnet    bcd ::1\n");
	check("net a ::1\n# x\nnet bcd ::1", "net    a ::1\n# x\nnet    bcd ::1\n");
	check("net a ::1\nlog 5\nnet bcd ::1", "net    a ::1\nlog    5\nnet    bcd ::1\n");
	/* A path is no prefix, and a long cell does not push others. */
	check("net a file 2001:DB8::/48\n", "net    a file 2001:DB8::/48\n");
	check("from a allow tcp 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 \"x\"\nfrom a allow any "
	      "\"y\"\n",
	      "from   a allow tcp 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 \"x\"\n"
	      "from   a allow any \"y\"\n");
}

static void test_rest(void)
{
	check("", "");
	check("\n\n", "\n\n");
	check("  # a  \n\t#\tb\t", "# a\n#\tb\n");
	check("log 5# x", "log    5 # x\n");
	check("claim \"a b\"{ never  in , x }#c\n", "claim \"a b\" { never in, x } #c\n");
	check("claim \"a\" {\n# x\nnever in\n\n  always out\n   }\n",
	      "claim \"a\" {\n\t# x\n\tnever in\n\n\talways out\n}\n");
	check("claim \"a\" { never in\nalways in }\n", "claim \"a\" { never in\n\talways in }\n");
	check("net a ::1 \\\n::2   ::3\\\n\\\n ::4\nnet bcd ::1\n",
	      "net    a   ::1 \\\n\t::2 ::3 \\\n\t\\\n\t::4\nnet    bcd ::1\n");
	check("claim \"a\" {\nnever \\\nin\n}\n", "claim \"a\" {\n\tnever \\\n\t\tin\n}\n");
}

static void test_errors(void)
{
	static const struct {
		const char *text, *want;
	} list[] = {
		{ "form a allow", "policy.conf:1:1: expected a directive, got 'form'; did you" },
		{ "log 5\n}\n", "policy.conf:2:1: " },
		{ "claim \"a\" { {", "policy.conf:1:13: '{' inside of a claim" },
		{ "claim \"a\" { } }", "policy.conf:1:15: '}' without a '{'" },
		{ "claim \"a\" {\n", "policy.conf:2:1: a '{' without its '}'" },
		{ "log \x01", "policy.conf:1:5: a control character" },
	};
	_cleanup_(buf_release) struct buf to = buf_init(1000);

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		CU_ASSERT_EQUAL(policyfmt_text("policy.conf", list[i].text, &to, &error), -EINVAL);
		CU_ASSERT(!strncmp(error.text, list[i].want, strlen(list[i].want)));
		if (strncmp(error.text, list[i].want, strlen(list[i].want)))
			tap_note("got %s", error.text);
	}
	CU_ASSERT_EQUAL(to.len, 0);
}

static void test_limits(void)
{
	char text[POLICYFILE_LINES_MAX + 2];

	for (size_t n = POLICYFILE_LINES_MAX - 1; n <= POLICYFILE_LINES_MAX + 1; n++) {
		_cleanup_(buf_release) struct buf to = buf_init(2 * sizeof(text));
		int r;

		memset(text, '\n', n);
		text[n] = '\0';
		r = policyfmt_text("policy.conf", text, &to, &error);
		CU_ASSERT_EQUAL(r, n > POLICYFILE_LINES_MAX ? -E2BIG : 0);
	}
	_cleanup_(buf_release) struct buf small = buf_init(5);

	CU_ASSERT_EQUAL(policyfmt_text("policy.conf", "log 5\n", &small, &error), -EFBIG);
}

static char *canonical(const char *page)
{
	_cleanup_(buf_release) struct buf to = buf_init(POLICYJSON_BYTES_MAX);
	struct policy *p = NULL;
	char *text = NULL;

	if (policyfile_load_text("policy.conf", page, pagetry_user, &p, &error) == 0 &&
	    policyjson_write(p, &to) == 0 && buf_steal(&to, &text) < 0)
		text = NULL;
	policy_free(p);
	return text;
}

/* The page of the model of @page must have its digest. */
static void check_page(const char *page)
{
	_cleanup_(buf_release) struct buf to = buf_init(POLICYFILE_BYTES_MAX);
	struct policy *p = NULL, *q = NULL;
	char a[65] = "a", b[65] = "b";
	int r = policyfile_load_text("policy.conf", page, pagetry_user, &p, &error);

	if (r == 0)
		r = policyfmt_policy(p, &to);
	if (r == 0)
		r = policyfile_load_text("policy.conf", to.text, pagetry_user, &q, &error);
	CU_ASSERT_EQUAL(r, 0);
	if (r < 0)
		tap_note("%s\n%s", error.text, to.text ? to.text : "");
	CU_ASSERT_TRUE(r == 0 && policyjson_digest(p, a) == 0 && policyjson_digest(q, b) == 0);
	CU_ASSERT_STRING_EQUAL(a, b);
	CU_ASSERT_TRUE(r == 0 && p->n_claims == q->n_claims && p->n_users == q->n_users);
	policy_free(p);
	policy_free(q);
}

/* Formatting changes nothing of what a page says, and nothing when done again. True when the page
 * can be read at all. */
static bool check_same(const char *page)
{
	char *before = canonical(page);
	char *out = before ? format(page) : NULL;
	char *after = out ? canonical(out) : NULL;
	char *again = out ? format(out) : NULL;

	if (before) {
		CU_ASSERT_TRUE(after && !strcmp(before, after));
		CU_ASSERT_TRUE(again && !strcmp(out, again));
		check_page(page);
	}
	if (before && (!after || strcmp(before, after)))
		tap_note("%s\n%s", page, out);
	free(before);
	free(out);
	free(after);
	free(again);
	return before;
}

static const char *const lines[] = {
	"log 7",
	"# a comment  with   blanks ",
	"",
	"dns  allow",
	"ntp 2001:db8::5 allow user app",
	"imds fd00:ec2::254/128 169.254.169.254 allow user postern-certd 0  \"who\"",
	"net x@ 2001:DB8:0007:@::/64 10.@.0.0/16\nfrom x@ allow tcp @ 65535",
	"from public allow tcp @ udp 7@-79@",
	"to public allow \\\n tcp @\\\n  user app",
	"to any allow udp 9@ user 5@ \"remark @\" # behind",
	"to config via up allow udp 5@ mark 0x504f",
	"grant g@ tcp 2@ from config max @2m",
	"claim \"c @\" { never in via up new except from public , icmpv6 nd  1@, implied }",
	"claim \"d @\" {\n  always out icmpv6 nd\n\n never out to config except mark @ user app\n}",
	"claim \"e @\" {\nnever in from any tcp @ udp @ except any, ipv4 new\n}",
};

/* One line with its @ replaced by a number of one digit. */
static void add_line(struct buf *to, const char *line, unsigned int digit)
{
	for (; *line; line++)
		if (*line == '@')
			buf_addf(to, "%u", digit);
		else
			buf_addf(to, "%c", *line);
	buf_add(to, "\n");
}

static void test_random(void)
{
	unsigned int n_read = 0;

	for (int i = 0; i < 300; i++) {
		_cleanup_(buf_release) struct buf page = buf_init(1 << 16);
		size_t n = tap_random_below(9);

		buf_add(&page, PAGETRY_BASE);
		for (size_t k = 0; k < n; k++)
			add_line(&page, lines[tap_random_below(ARRAY_SIZE(lines))],
				 1 + (unsigned int)tap_random_below(9));
		n_read += check_same(page.text);
	}
	/* Some declare a thing twice; most do not. */
	CU_ASSERT_TRUE(n_read > 60);
	tap_note("%u of 300 pages can be read", n_read);
}

static const char *golden_folder(char *path, size_t cap)
{
	const char *source = getenv("POSTERN_TEST_SOURCE");

	snprintf(path, cap, "%s/tests/golden/netpolicy", source ? source : ".");
	return path;
}

static void test_golden(void)
{
	char folder[1024], path[2048];
	DIR *dir = opendir(golden_folder(folder, sizeof(folder)));
	struct dirent *entry;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir))) {
		_cleanup_(files_freep) uint8_t *bytes = NULL;
		size_t len;

		if (!strstr(entry->d_name, ".conf"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		CU_ASSERT_EQUAL(files_read(path, POLICYFILE_BYTES_MAX, &bytes, &len), 0);
		if (bytes && !check_same((const char *)bytes))
			tap_fail(__FILE__, __LINE__, "%s: %s", entry->d_name, error.text);
	}
	closedir(dir);
}

static void test_many_prefixes(void)
{
	_cleanup_(buf_release) struct buf page = buf_init(POLICYFILE_BYTES_MAX);

	buf_add(&page, PAGETRY_BASE "net big");
	for (unsigned int i = 0; i < POLICY_PREFIXES_MAX / 2; i++)
		buf_addf(&page, " 2001:db8:%x::%x", 0x100 + (i >> 15), 2 * (i & 0x7fff));
	buf_add(&page, "\nto big allow tcp 1\n");
	check_page(page.text);
}

static int all(void *ctx)
{
	_cleanup_(buf_release) struct buf to = buf_init(1 << 20);
	struct policyfile_error e;
	struct policy *p = NULL;
	int r = policyfile_load_text("p", ctx, pagetry_user, &p, &e);

	if (r == 0)
		r = policyfmt_policy(p, &to);
	policy_free(p);
	return r;
}

static void test_no_memory(void)
{
	char page[] = PAGETRY_BASE "dns allow\ngrant a tcp 1 from config max 1h\n"
				   "claim \"c\" { never in except new }\n";

	CU_ASSERT_TRUE(torture(all, page) > 10);
}

static const struct tap_test fmt_tests[] = {
	{ "columns", test_columns },
	{ "rest", test_rest },
	{ "errors", test_errors },
	{ "limits", test_limits },
	{ "random pages", test_random },
	{ "golden pages", test_golden },
	{ "many prefixes", test_many_prefixes },
	{ "no memory", test_no_memory },
	{},
};

static const struct tap_suite suites[] = { { "policyfmt", fmt_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
