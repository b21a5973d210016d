/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/conf.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

#define SERVERS_MAX 3

struct server {
	char name[16];
	struct ip6_endpoint endpoint;
	uint32_t weight;
};

struct config {
	char text[8];
	char path[32];
	char name[8];
	uint32_t number;
	bool flag;
	struct in6_addr addr;
	struct ip6_prefix prefix;
	struct ip6_endpoint endpoint;
	char list[16][16];
	size_t n_list;
	struct server servers[SERVERS_MAX];
	size_t n_servers;
};

static int set_list(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	struct config *c = obj;

	if (!strcmp(value, "bad"))
		return -EINVAL;
	if (!strcmp(value, "taken"))
		return -EEXIST;
	snprintf(c->list[c->n_list % ARRAY_SIZE(c->list)], sizeof(c->list[0]), "%s", value);
	c->n_list++;
	return 0;
}

static struct server *get_server(struct config *c, const char *label)
{
	for (size_t i = 0; i < c->n_servers; i++)
		if (!strcmp(c->servers[i].name, label))
			return &c->servers[i];
	if (c->n_servers == SERVERS_MAX)
		return NULL;
	snprintf(c->servers[c->n_servers].name, sizeof(c->servers[0].name), "%s", label);
	return &c->servers[c->n_servers++];
}

static int set_server(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	struct server *s = get_server(obj, label);

	return s ? conf_set_endpoint(item, label, value, s) : -E2BIG;
}

static int set_weight(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	struct server *s = get_server(obj, label);

	return s ? conf_set_u32(item, label, value, s) : -E2BIG;
}

#define FIELD(f) .offset = offsetof(struct config, f), .size = sizeof(((struct config *)0)->f)

static const struct conf_item items[] = {
	{ "main", "text", conf_set_str, FIELD(text), .fallback = "dflt", .range = "1...7 bytes",
	  .doc = "Some text." },
	{ "main", "path", conf_set_path, FIELD(path), .range = "an absolute path",
	  .doc = "A path." },
	{ "main", "name", conf_set_name, FIELD(name), .range = "a-z", .doc = "A name." },
	{ "main", "number", conf_set_u32, FIELD(number), .min = 10, .max = 20, .fallback = "15",
	  .range = "10...20", .doc = "A number." },
	{ "main", "flag", conf_set_bool, FIELD(flag), .fallback = "yes", .range = "yes or no",
	  .doc = "A flag." },
	{ "main", "addr", conf_set_addr, FIELD(addr), .range = "an address", .doc = "An address." },
	{ "main", "prefix", conf_set_prefix, FIELD(prefix), .range = "a prefix",
	  .doc = "A prefix." },
	{ "main", "list", set_list, .flags = CONF_LIST, .fallback = "one two", .range = "words",
	  .doc = "A list." },
	{ "must", "have", conf_set_endpoint, FIELD(endpoint), .flags = CONF_REQUIRED,
	  .range = "[address]:port", .doc = "An endpoint." },
	{ "server", "endpoint", set_server, .offset = offsetof(struct server, endpoint),
	  .flags = CONF_LABELLED | CONF_REQUIRED, .range = "[address]:port", .doc = "Where." },
	{ "server", "weight", set_weight, .offset = offsetof(struct server, weight), .max = 100,
	  .flags = CONF_LABELLED, .fallback = "50", .range = "0...100", .doc = "How much." },
};

static const char *const foreign[] = { "other", NULL };
static const struct conf_schema schema = { items, ARRAY_SIZE(items), foreign };

/* What every good file here needs. */
#define BASE "[must]\nhave = [2001:db8::1]:1\n[server a]\nendpoint = [2001:db8::a]:1\n"

static struct config config;
static struct conf_error error;

static int load(const char *text)
{
	memset(&config, 0, sizeof(config));
	error.text[0] = '\0';
	return conf_load_text("t", text, &schema, &config, &error);
}

static void accept_at(unsigned int line, const char *text)
{
	int r = load(text);

	if (r != 0)
		tap_fail(__FILE__, line, "refused with %d: %s", r, error.text);
	else
		CU_PASS("accepted");
}

static void refuse_at(unsigned int line, const char *text, int r, const char *message)
{
	int got = load(text);

	if (got != r || strcmp(error.text, message) != 0)
		tap_fail(__FILE__, line, "%d, not %d: '%s', not '%s'", got, r, error.text, message);
	else
		CU_PASS("refused");
}

#define ACCEPT(text) accept_at(__LINE__, text)
#define REFUSE(text, r, message) refuse_at(__LINE__, text, r, message)

static void test_defaults(void)
{
	ACCEPT(BASE);
	CU_ASSERT_STRING_EQUAL(config.text, "dflt");
	CU_ASSERT_EQUAL(config.number, 15);
	CU_ASSERT(config.flag);
	CU_ASSERT_EQUAL(config.n_list, 2);
	CU_ASSERT_STRING_EQUAL(config.list[1], "two");
	CU_ASSERT_STRING_EQUAL(config.path, "");
	CU_ASSERT_EQUAL(config.n_servers, 1);
	CU_ASSERT_EQUAL(config.servers[0].weight, 50);
}

static void test_values(void)
{
	ACCEPT(BASE "# comment = x\n\n[main]\r\n  text =  a b \t\r\npath=/x\nname = a-1\n"
		    "number = 0x14\nflag = no\naddr = 2001:db8::5\nprefix = 2001:db8::/48\n"
		    "list = x  y\nlist = z");
	CU_ASSERT_STRING_EQUAL(config.text, "a b");
	CU_ASSERT_STRING_EQUAL(config.path, "/x");
	CU_ASSERT_STRING_EQUAL(config.name, "a-1");
	CU_ASSERT_EQUAL(config.number, 20);
	CU_ASSERT(!config.flag);
	CU_ASSERT_EQUAL(config.addr.s6_addr[15], 5);
	CU_ASSERT_EQUAL(config.prefix.len, 48);
	CU_ASSERT_EQUAL(config.endpoint.port, 1);
	CU_ASSERT_EQUAL(config.n_list, 3);
	CU_ASSERT_STRING_EQUAL(config.list[2], "z");
}

static void test_bad_lines(void)
{
	REFUSE("x = 1\n", -EINVAL, "t:1: a value before the first [section]: x = 1");
	REFUSE("\n[nowhere]\n", -EINVAL, "t:2: unknown section: nowhere");
	REFUSE("[]\n", -EINVAL, "t:1: unknown section");
	REFUSE("[main\n", -EINVAL, "t:1: a section is written [name] or [name label]: [main");
	REFUSE("[main] x\n", -EINVAL, "t:1: a section is written [name] or [name label]: [main] x");
	REFUSE("[main]\nhello\n", -EINVAL, "t:2: expected 'key = value': hello");
	REFUSE("[main]\nhello = 1\n", -EINVAL, "t:2: unknown key in this section: hello");
	REFUSE("[main]\nhave = 1\n", -EINVAL,
	       "t:2: unknown key in this section: have; it belongs to [must]");
	REFUSE("[main]\nweight = 1\n", -EINVAL,
	       "t:2: unknown key in this section: weight; it belongs to [server NAME]");
	REFUSE("[main]\nnubmer = 1\n", -EINVAL,
	       "t:2: unknown key in this section: nubmer; is it number?");
	REFUSE("[main]\nhavf = 1\n", -EINVAL, "t:2: unknown key in this section: havf");
	REFUSE("\n[mian]\n", -EINVAL, "t:2: unknown section: mian; is it [main]?");
	REFUSE("[sever a]\n", -EINVAL, "t:1: unknown section: sever; is it [server NAME]?");
	REFUSE("[main]\ntext = a\x1b[2J\n", -EINVAL, "t:2: control character in the file");
	REFUSE("[main]\ntext = a\rb\n", -EINVAL, "t:2: control character in the file");
	REFUSE("[main]\ntext = a\x7f\n", -EINVAL, "t:2: control character in the file");
	REFUSE("[main]\ntext = a\ntext = b\n", -EINVAL,
	       "t:3: [main] text: given twice in this file");
	REFUSE("[main]\ntext =\n", -EINVAL,
	       "t:2: [main] text: '' is not allowed; expected 1...7 bytes");
	REFUSE("[main]\nlist =\n", -EINVAL, "t:2: [main] list: '' is not allowed; expected words");
}

static void test_bad_values(void)
{
	REFUSE("[main]\nlist = a bad\n", -EINVAL,
	       "t:2: [main] list: 'bad' is not allowed; expected words");
	REFUSE("[main]\nlist = taken\n", -EEXIST, "t:2: [main] list: 'taken' is already taken");
	REFUSE("[main]\npath = x\n", -EINVAL,
	       "t:2: [main] path: 'x' is not allowed; expected an absolute path");
	REFUSE("[main]\nname = A\n", -EINVAL, "t:2: [main] name: 'A' is not allowed; expected a-z");
	REFUSE("[main]\nname = -a\n", -EINVAL,
	       "t:2: [main] name: '-a' is not allowed; expected a-z");
	REFUSE("[main]\nflag = true\n", -EINVAL,
	       "t:2: [main] flag: 'true' is not allowed; expected yes or no");
	REFUSE("[main]\naddr = ::1/128\n", -EINVAL,
	       "t:2: [main] addr: '::1/128' is not allowed; expected an address");
	REFUSE("[main]\nprefix = 2001:db8::1/64\n", -EINVAL,
	       "t:2: [main] prefix: '2001:db8::1/64' is not allowed; expected a prefix");
	REFUSE("[must]\nhave = ::1:5\n", -EINVAL,
	       "t:2: [must] have: '::1:5' is not allowed; expected [address]:port");
	REFUSE("[main]\ntext = a\tb\n", -EINVAL,
	       "t:2: [main] text: 'a\tb' is not allowed; expected 1...7 bytes");
}

static void test_number_limits(void)
{
	ACCEPT(BASE "[main]\nnumber = 10\n");
	ACCEPT(BASE "[main]\nnumber = 20\n");
	REFUSE(BASE "[main]\nnumber = 9\n", -EINVAL,
	       "t:6: [main] number: '9' is not allowed; expected 10...20");
	REFUSE(BASE "[main]\nnumber = 21\n", -EINVAL,
	       "t:6: [main] number: '21' is not allowed; expected 10...20");
}

static void test_str_limits(void)
{
	ACCEPT(BASE "[main]\ntext = 123456\n");
	ACCEPT(BASE "[main]\ntext = 1234567\n");
	REFUSE(BASE "[main]\ntext = 12345678\n", -EINVAL,
	       "t:6: [main] text: '12345678' is not allowed; expected 1...7 bytes");
}

static void test_parse_u64(void)
{
	static const char *const bad[] = { "",
					   " 1",
					   "1 ",
					   "-1",
					   "+1",
					   "0x",
					   "0xg",
					   "1a",
					   "01",
					   "00",
					   "a",
					   "x1",
					   "0x-1",
					   "1.0",
					   "1_0",
					   "0x0x1",
					   "18446744073709551616" };
	uint64_t v = 77;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (conf_parse_u64(bad[i], 0, UINT64_MAX, &v) != -EINVAL)
			tap_fail(__FILE__, __LINE__, "'%s' is a number", bad[i]);
		CU_ASSERT_EQUAL(v, 77);
	}
	CU_ASSERT(conf_parse_u64("18446744073709551615", 0, UINT64_MAX, &v) == 0 &&
		  v == UINT64_MAX);
	CU_ASSERT(conf_parse_u64("0", 0, 0, &v) == 0 && v == 0);
	CU_ASSERT(conf_parse_u64("0XfF", 0, 255, &v) == 0 && v == 255);
	CU_ASSERT(conf_parse_u64("0x010", 0, 255, &v) == 0 && v == 16);
	CU_ASSERT_EQUAL(conf_parse_u64("256", 0, 255, &v), -EINVAL);
	CU_ASSERT_EQUAL(conf_parse_u64("1", 2, 255, &v), -EINVAL);
}

static void test_u32_never_wraps(void)
{
	const struct conf_item item = { .max = UINT64_MAX };
	uint32_t v = 77;

	CU_ASSERT_EQUAL(conf_set_u32(&item, "", "4294967295", &v), 0);
	CU_ASSERT_EQUAL(v, UINT32_MAX);
	CU_ASSERT_EQUAL(conf_set_u32(&item, "", "4294967296", &v), -EINVAL);
	CU_ASSERT_EQUAL(v, UINT32_MAX);
}

static void test_labels(void)
{
	ACCEPT("[must]\nhave = [::2]:1\n[server a]\nendpoint = [::2]:1\n[server  b ]\n"
	       "weight = 7\nendpoint = [::2]:2\n");
	CU_ASSERT_EQUAL(config.n_servers, 2);
	CU_ASSERT_EQUAL(config.servers[0].weight, 50);
	CU_ASSERT_EQUAL(config.servers[1].weight, 7);
	CU_ASSERT_EQUAL(config.servers[1].endpoint.port, 2);
	REFUSE("[server]\n", -EINVAL,
	       "t:1: this section needs a label, as in [name label]: server");
	REFUSE("[main x]\n", -EINVAL, "t:1: this section takes no label: x");
	REFUSE("[server A]\n", -EINVAL, "t:1: a label is made of a-z 0-9 _ . -: A");
	REFUSE("[server a b]\n", -EINVAL, "t:1: a label is made of a-z 0-9 _ . -: a b");
	REFUSE("[server ..]\n", -EINVAL, "t:1: a label is made of a-z 0-9 _ . -: ..");
	REFUSE(BASE "[server a]\nendpoint = [::2]:3\n", -EINVAL,
	       "t:6: [server a] endpoint: given twice in this file");
	REFUSE(BASE "[server b]\nweight = 1\n[server c]\nweight = 1\n[server d]\nweight = 1\n",
	       -E2BIG, "t:10: [server d] weight: too many values at '1'");
}

static void test_required(void)
{
	REFUSE("", -EINVAL, "t: [must] have: is missing");
	REFUSE("[server a]\nendpoint = [::2]:1\n[must]\n", -EINVAL, "t: [must] have: is missing");
	REFUSE("[must]\nhave = [::2]:1\n", -EINVAL, "t: a section is missing: [server NAME]");
	REFUSE(BASE "[server b]\nweight = 1\n", -EINVAL, "t: [server b] endpoint: is missing");
}

static void test_foreign(void)
{
	ACCEPT("[other]\nanything = x\n[other label]\nanything = y\n" BASE);
	REFUSE("[other]\nanything\n", -EINVAL, "t:2: expected 'key = value': anything");
	ACCEPT("[main]\ntext = a\n[other]\ntext = b\n" BASE);
	CU_ASSERT_STRING_EQUAL(config.text, "a");
}

/* Gives "before", @n bytes of @fill, "after" in one string; free() it. */
static char *padded(const char *before, char fill, size_t n, const char *after)
{
	size_t a = strlen(before), b = strlen(after);
	char *text = malloc(a + n + b + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memcpy(text, before, a);
	memset(text + a, fill, n);
	memcpy(text + a + n, after, b + 1);
	return text;
}

static void test_line_limit(void)
{
	for (size_t n = CONF_LINE_MAX - 2; n <= CONF_LINE_MAX; n++) {
		char *text = padded("#", 'x', n - 1, "\n" BASE);

		if (n < CONF_LINE_MAX)
			ACCEPT(text);
		else
			REFUSE(text, -EINVAL, "t:1: line too long");
		free(text);
	}
}

static void test_value_limit(void)
{
	for (size_t n = CONF_VALUE_MAX - 2; n <= CONF_VALUE_MAX; n++) {
		char *text = padded(BASE "[main]\nlist = ", 'x', n, "\n");

		if (n < CONF_VALUE_MAX)
			ACCEPT(text);
		else
			REFUSE(text, -EINVAL, "t:6: [main] list: value too long");
		free(text);
	}
}

static void test_error_that_is_too_long_ends_in_dots(void)
{
	char *text = padded(BASE "[main]\n", 'x', sizeof(error.text), "\n");

	CU_ASSERT_EQUAL(load(text), -EINVAL);
	CU_ASSERT_EQUAL(strlen(error.text), sizeof(error.text) - 1);
	CU_ASSERT_STRING_EQUAL(&error.text[sizeof(error.text) - sizeof("xx...")], "xx...");
	free(text);
}

static void test_label_limit(void)
{
	for (size_t n = CONF_NAME_MAX - 2; n <= CONF_NAME_MAX; n++) {
		char *text = padded("[server ", 'x', n, "]\nendpoint = [::2]:1\n" BASE);

		CU_ASSERT_EQUAL(load(text), n < CONF_NAME_MAX ? 0 : -EINVAL);
		CU_ASSERT(n < CONF_NAME_MAX || strstr(error.text, "t:1: label too long"));
		free(text);
	}
}

static void test_list_limit(void)
{
	for (size_t n = CONF_LIST_MAX - 1; n <= CONF_LIST_MAX + 1; n++) {
		char *text = calloc(1, sizeof(BASE) + n * 9 + 16);
		char *at = text;

		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		at = stpncpy(at, BASE "[main]\n", sizeof(BASE) + 8);
		for (size_t i = 0; i < n; i++)
			at = stpncpy(at, "list = x\n", 10);
		if (n <= CONF_LIST_MAX)
			ACCEPT(text);
		else
			REFUSE(text, -E2BIG, "t:4102: [main] list: too many values at 'x'");
		free(text);
	}
}

static int set_nothing(const struct conf_item *item, const char *label, const char *value,
		       void *obj)
{
	return 0;
}

static int set_never(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	return -EINVAL;
}

/* What may be a secret is in no error. */
static void test_secret(void)
{
	struct conf_item one = { "s", "k", set_never, .flags = CONF_SECRET, .range = "a key" };
	const struct conf_schema closed = { &one, 1, NULL };

	CU_ASSERT_EQUAL(conf_load_text("t", "[s]\nk = 12345\n", &closed, NULL, &error), -EINVAL);
	CU_ASSERT_STRING_EQUAL(error.text, "t:2: [s] k: its value is not allowed; expected a key");
}

static void test_scope_limit(void)
{
	static const struct conf_item one = { "s", "k", set_nothing, .flags = CONF_LABELLED };
	const struct conf_schema many = { &one, 1, NULL };
	char text[CONF_SCOPES_MAX * 16];

	for (int n = CONF_SCOPES_MAX - 1; n <= CONF_SCOPES_MAX + 1; n++) {
		size_t at = 0;

		for (int i = 0; i < n; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "[s l%d]\n", i);
		CU_ASSERT_EQUAL(conf_load_text("t", text, &many, NULL, &error),
				n <= CONF_SCOPES_MAX ? 0 : -E2BIG);
	}
	CU_ASSERT_STRING_EQUAL(error.text, "t:65: too many sections: s");
}

static void test_schema_limit(void)
{
	struct conf_item rows[CONF_ITEMS_MAX + 1];
	struct conf_schema s = { rows, 0, NULL };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = (struct conf_item){ "s", "last", set_nothing };
	for (s.n_items = CONF_ITEMS_MAX - 1; s.n_items <= CONF_ITEMS_MAX + 1; s.n_items++)
		CU_ASSERT_EQUAL(conf_load_text("t", "[s]\nlast = 1\n", &s, NULL, &error),
				s.n_items <= CONF_ITEMS_MAX ? 0 : -E2BIG);
	CU_ASSERT_STRING_EQUAL(error.text, "t: schema too large");
}

/* Loads the file @name of the test's directory. */
static int load_file(const char *name)
{
	char path[PATH_MAX];

	memset(&config, 0, sizeof(config));
	error.text[0] = '\0';
	return conf_load(tmpdir_path(path, name), &schema, &config, &error);
}

static int put(const char *name, const char *text)
{
	return tmpdir_write(name, text, strlen(text));
}

static void make_dir(const char *name)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(files_make_dir(tmpdir_path(path, name), 0700), 0);
}

static void test_dropins(void)
{
	CU_ASSERT_EQUAL(put("a.conf", BASE "[main]\ntext = base\nlist = one\nnumber = 11\n"), 0);
	make_dir("a.conf.d");
	CU_ASSERT_EQUAL(put("a.conf.d/20-b.conf", "[main]\ntext = late\nlist = three\n"), 0);
	CU_ASSERT_EQUAL(put("a.conf.d/10-a.conf", "[main]\ntext = early\nlist = two\n"), 0);
	CU_ASSERT_EQUAL(put("a.conf.d/30.conf", "[server a]\nweight = 9\n"), 0);
	CU_ASSERT_EQUAL(put("a.conf.d/30-c.conf.bak", "broken"), 0);
	CU_ASSERT_EQUAL(put("a.conf.d/.hidden.conf", "broken"), 0);
	CU_ASSERT_EQUAL(put("a.conf.d/.conf", "broken"), 0);
	CU_ASSERT_EQUAL(load_file("a.conf"), 0);
	CU_ASSERT_STRING_EQUAL(error.text, "");
	CU_ASSERT_STRING_EQUAL(config.text, "late");
	CU_ASSERT_EQUAL(config.number, 11);
	CU_ASSERT_EQUAL(config.n_list, 3);
	CU_ASSERT_STRING_EQUAL(config.list[1], "two");
	CU_ASSERT_EQUAL(config.servers[0].weight, 9);
	CU_ASSERT_EQUAL(config.servers[0].endpoint.port, 1);
}

static void expect_file_error(const char *name, int r, const char *message)
{
	CU_ASSERT_EQUAL(load_file(name), r);
	if (!strstr(error.text, message))
		tap_fail(__FILE__, __LINE__, "'%s' lacks '%s'", error.text, message);
}

static void test_file_errors(void)
{
	char path[PATH_MAX];

	expect_file_error("absent", -ENOENT, "/absent: cannot read: No such file or directory");
	make_dir("dir");
	expect_file_error("dir", -EINVAL, "/dir: cannot read: not a regular file");
	CU_ASSERT_EQUAL(tmpdir_write("nul", "[main]\0\n", 8), 0);
	expect_file_error("nul", -EINVAL, "/nul: the file holds a NUL byte");
	CU_ASSERT_EQUAL(put("c.conf", BASE), 0);
	CU_ASSERT_EQUAL(put("c.conf.d", "a file"), 0);
	expect_file_error("c.conf", -ENOTDIR, "/c.conf.d: cannot list: Not a directory");
	CU_ASSERT_EQUAL(put("d.conf", BASE), 0);
	make_dir("d.conf.d");
	CU_ASSERT_EQUAL(put("d.conf.d/x.conf", "\n[main]\nnumber = 1\n"), 0);
	expect_file_error("d.conf", -EINVAL, "/d.conf.d/x.conf:3: [main] number: '1' is not");
	CU_ASSERT_EQUAL(unlink(tmpdir_path(path, "d.conf.d/x.conf")), 0);
	CU_ASSERT_EQUAL(symlink("nowhere", path), 0);
	expect_file_error("d.conf", -EINVAL, "/d.conf.d/x.conf: cannot read: No such file");
}

static void test_file_limit(void)
{
	for (size_t n = CONF_FILE_MAX - 1; n <= CONF_FILE_MAX + 1; n++) {
		char *text = padded(BASE, '\n', n - strlen(BASE), "");

		CU_ASSERT_EQUAL(tmpdir_write("big", text, n), 0);
		CU_ASSERT_EQUAL(load_file("big"), n <= CONF_FILE_MAX ? 0 : -EFBIG);
		free(text);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/big: cannot read: File too large"));
}

static void test_dropins_limit(void)
{
	CU_ASSERT_EQUAL(put("many", BASE), 0);
	make_dir("many.d");
	for (int n = 1; n <= CONF_DROPINS_MAX + 1; n++) {
		char name[32];

		snprintf(name, sizeof(name), "many.d/%03d.conf", n);
		CU_ASSERT_EQUAL(put(name, "[main]\n"), 0);
		if (n >= CONF_DROPINS_MAX - 1)
			CU_ASSERT_EQUAL(load_file("many"), n <= CONF_DROPINS_MAX ? 0 : -E2BIG);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/many.d: too many files in this directory"));
}

static int load_once(void *ctx)
{
	return load_file("mem.conf");
}

static void test_no_memory(void)
{
	CU_ASSERT_EQUAL(put("mem.conf", BASE), 0);
	make_dir("mem.conf.d");
	CU_ASSERT_EQUAL(put("mem.conf.d/a.conf", "[main]\ntext = a\n"), 0);
	CU_ASSERT(torture(load_once, NULL) >= 2);
}

/* The reference is itself a file that loads, once the required keys have a value. */
static void test_reference(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	conf_print_reference(&schema, to);
	fclose(to);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "[main]\n# Some text.\n# 1...7 bytes.\ntext = dflt\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "# words; may be repeated.\nlist = one two\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text,
				      "\n[server NAME]\n# Where.\n# [address]:port; required.\n"
				      "#endpoint = \n"));
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(text, items[i].doc));
	*strstr(text, "[server NAME]") = '\0';
	CU_ASSERT_EQUAL(load(text), -EINVAL);
	CU_ASSERT_STRING_EQUAL(error.text, "t: [must] have: is missing");
	free(text);
}

static const struct tap_test tests[] = {
	{ "defaults", test_defaults },
	{ "values", test_values },
	{ "bad lines", test_bad_lines },
	{ "bad values", test_bad_values },
	{ "limits of a number", test_number_limits },
	{ "limits of a string", test_str_limits },
	{ "numbers", test_parse_u64 },
	{ "a 32-bit number never wraps", test_u32_never_wraps },
	{ "labelled sections", test_labels },
	{ "required keys", test_required },
	{ "sections of other programs", test_foreign },
	{ "line limit", test_line_limit },
	{ "value limit", test_value_limit },
	{ "an error that is too long ends in dots", test_error_that_is_too_long_ends_in_dots },
	{ "label limit", test_label_limit },
	{ "list limit", test_list_limit },
	{ "section limit", test_scope_limit },
	{ "a value that is not shown", test_secret },
	{ "schema limit", test_schema_limit },
	{ "drop-in files", test_dropins },
	{ "file errors", test_file_errors },
	{ "file limit", test_file_limit },
	{ "drop-in limit", test_dropins_limit },
	{ "out of memory", test_no_memory },
	{ "reference", test_reference },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "conf", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
