/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyjson.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/parse/pagetry.h"

static const char everything[] =
	"log 0\nnet app 2001:db8:2::/48 2001:db8:1::/48 10.1.0.0/16\ndns allow\n"
	"imds 169.254.169.254 allow user postern-certd 0 \"who\"\n"
	"from app allow tcp 80 udp 5000-5100 \"both ways\"\nto any allow tcp 443 user app\n"
	"to config via up allow udp 51820 mark 0x504f\n"
	"grant ssh tcp 22 2222 from config max 4h\n"
	"claim \"one\" {\n"
	"never out via up ipv6 new to config tcp 1 mark 1 user app grant ssh except icmpv6 nd, "
	"implied\n"
	"always in ipv4 from app udp 1-2\n}\n"
	"claim \"two\" { never in via tun icmpv6 errors except from public }\n";

static char *write_json(const struct policy *p)
{
	_cleanup_(buf_release) struct buf to = buf_init(POLICYJSON_BYTES_MAX);
	char *text = NULL;

	CU_ASSERT_EQUAL(policyjson_write(p, &to), 0);
	CU_ASSERT_EQUAL(buf_steal(&to, &text), 0);
	return text;
}

static struct policy *read_json(const char *text, policyfile_resolver *resolve)
{
	struct policyfile_error error = { "" };
	struct policy *p = NULL;

	if (policyjson_read(text, strlen(text), resolve, &p, &error) < 0)
		tap_fail(__FILE__, __LINE__, "not read: %s", error.text);
	return p;
}

static void test_form(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load(
		"to public allow tcp 443-444 user app 5 \"x\"\n"
		"claim \"c\" { never in icmpv6 nd except new }\n");
	char *got = p ? write_json(p) : NULL;

	if (!got)
		return;
	CU_ASSERT_STRING_EQUAL(
		got,
		"{\"claims\":[{\"text\":\"c\",\"where\":\"policy.conf:11\"}],"
		"\"grants\":[],\"host\":{\"enforce\":true,\"log_rate\":5,\"name\":\"host\","
		"\"tier\":\"compute\",\"tunnels\":[\"postern0\"],"
		"\"uplinks\":[\"eth0\"],\"version\":1},\"nets\":["
		"{\"name\":\"config\",\"prefixes\":[\"2001:db8:c::/48\"],"
		"\"where\":\"policy.conf:5\"},"
		"{\"name\":\"gateways\",\"prefixes\":[\"fd12::/64\"],\"where\":\"policy.conf:6\"},"
		"{\"name\":\"public\",\"prefixes\":[\"2001:db8:100::/64\"],"
		"\"where\":\"policy.conf:7\"}],"
		"\"rules\":["
		"{\"dir\":\"out\",\"net\":\"config\",\"ports\":[],\"via\":\"tun\","
		"\"where\":\"policy.conf:8\"},"
		"{\"dir\":\"out\",\"net\":\"gateways\",\"ports\":[],\"via\":\"tun\","
		"\"where\":\"policy.conf:9\"},"
		"{\"dir\":\"out\",\"net\":\"public\",\"ports\":[\"tcp 443-444\"],\"remark\":\"x\","
		"\"users\":[\"app\",5],\"via\":\"up\",\"where\":\"policy.conf:10\"}],"
		"\"says\":[{\"claim\":0,\"dir\":\"in\",\"excepts\":[{\"only\":[\"new\"],"
		"\"via\":\"any\"}],"
		"\"match\":{\"icmpv6\":[135,136],\"via\":\"any\"},\"never\":true,"
		"\"where\":\"policy.conf:11\"}],"
		"\"users\":[{\"name\":\"app\",\"uid\":1001},{\"uid\":5}]}");
	free(got);
}

static void test_round_trip(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load(everything);
	char *first = p ? write_json(p) : NULL;
	_cleanup_(policy_freep) struct policy *q = first ? read_json(first, pagetry_user) : NULL;
	char *second = q ? write_json(q) : NULL;
	char a[65] = "a", b[65] = "b";

	CU_ASSERT_TRUE(second && !strcmp(first, second));
	CU_ASSERT_TRUE(q && q->n_rules == p->n_rules && q->n_says == p->n_says);
	for (size_t i = 0; q && i < q->n_rules; i++)
		CU_ASSERT_EQUAL(q->rules[i].row, p->rules[i].row);
	CU_ASSERT_TRUE(q && policyjson_digest(p, a) == 0 && policyjson_digest(q, b) == 0);
	CU_ASSERT_STRING_EQUAL(a, b);
	CU_ASSERT_EQUAL(strlen(a), 64);
	free(first);
	free(second);
}

static void digest(const char *more, char ret[static 65])
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load(more);

	CU_ASSERT_TRUE(p && policyjson_digest(p, ret) == 0);
}

static void test_digest(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} list[] = {
		{ "dns allow\nntp allow\n", "# later\n\nntp allow\ndns allow\n", true },
		{ "from public allow tcp 1 2", "from public allow tcp 2 1 \"why\"", true },
		{ "to public allow any user app 5", "to public allow any user 5 1001", true },
		{ "net a 2001:db8:2::/48 2001:db8:1::/48\nfrom a allow tcp 1",
		  "net a 2001:db8:1::/48 2001:db8:2::/48\nfrom a allow tcp 1", true },
		{ "claim \"x\" { never in new }", "claim \"y\" { never in new }", true },
		{ "from public allow tcp 1", "from public allow tcp 2", false },
		{ "from public allow tcp 1", "from public allow udp 1", false },
		{ "to public allow any user 5", "to public allow any user 6", false },
		{ "claim \"x\" { never in new }", "claim \"x\" { never in ipv6 }", false },
		{ "log 5", "log 4", false },
		{ "log 5", "", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		char a[65] = "", b[65] = "";

		digest(list[i].a, a);
		digest(list[i].b, b);
		CU_ASSERT_EQUAL(!strcmp(a, b), list[i].same);
		if (!strcmp(a, b) != list[i].same)
			tap_note("%s / %s", list[i].a, list[i].b);
	}
}

static void test_not_enforced(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load("");
	char a[65] = "", b[65] = "";
	char *text;

	if (!p)
		return;
	CU_ASSERT_EQUAL(policyjson_digest(p, a), 0);
	p->enforce = false;
	CU_ASSERT_EQUAL(policyjson_digest(p, b), 0);
	CU_ASSERT_STRING_NOT_EQUAL(a, b);
	text = write_json(p);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"enforce\":false"));
	free(text);
}

/* A text that no page could give is still JSON. */
static void test_escapes(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load("");
	char *text;

	if (!p)
		return;
	snprintf(p->rules[0].remark, sizeof(p->rules[0].remark), "a\"b\\c\n\x1f");
	text = write_json(p);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"a\\u0022b\\u005cc\\u000a\\u001f\""));
	free(text);
}

/* Replaces @from by @to in the JSON of "everything" and gives the message; "" when it is read. */
static const char *changed(const char *from, const char *to)
{
	static struct policyfile_error error;
	_cleanup_(policy_freep) struct policy *p = pagetry_load(everything);
	_cleanup_(buf_release) struct buf b = buf_init(1 << 20);
	struct policy *q = NULL;
	char *text = p ? write_json(p) : NULL;
	char *at = text ? strstr(text, from) : NULL;

	CU_ASSERT_PTR_NOT_NULL(at);
	error.text[0] = '\0';
	if (at) {
		buf_addf(&b, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
		if (policyjson_read(b.text, b.len, pagetry_user, &q, &error) == 0)
			error.text[0] = '\0';
		else
			CU_ASSERT_PTR_NULL(q);
	} else {
		tap_note("not there: %s", from);
	}
	policy_free(q);
	free(text);
	return error.text;
}

static const struct {
	const char *from, *to, *want;
} errors[] = {
	{ "{\"claims\"", "[\"claims\"", "" },
	{ "\"version\":1", "\"version\":1,\"version\":1", "" },
	{ "\"version\":1", "\"version\":-1", "version: expected a number, 0...4294967295" },
	{ "\"version\":1", "\"version\":4294967296", "version: expected" },
	{ "\"version\":1", "\"version\":\"1\"", "version: expected" },
	{ "\"version\":1", "\"versin\":1", "host: unknown member; did you mean 'version'?" },
	{ ",\"version\":1", "", "host.version: is missing" },
	{ "\"name\":\"host\"", "\"name\":\"Host\"", "name: expected a name" },
	{ "\"log_rate\":0", "\"log_rate\":1001", "log_rate: expected a number, 0...1000" },
	{ "\"enforce\":true", "\"enforce\":1", "enforce: expected true or false" },
	{ "\"tier\":\"compute\"", "\"tier\":\"x\"",
	  "tier: expected one of 'public', 'compute', 'storage'" },
	{ "[\"eth0\"]", "[]", "uplinks: expected a list of 1...8" },
	{ "[\"eth0\"]", "[\"lo\"]", "uplinks[0]: expected an interface" },
	{ "[\"eth0\"]", "[\"eth0\",\"eth0\"]", "uplinks[1]: expected an interface" },
	{ "[\"eth0\"]", "[5]", "uplinks[0]: expected an interface" },
	{ "[\"postern0\"]", "[\"eth0\"]", "tunnels[0]: expected an interface" },
	{ "[\"postern0\"]", "[\"a\",\"b\",\"c\"]", "tunnels: expected a list of 0...2" },
	{ "\"uid\":1001", "\"uid\":1002",
	  "users[2].uid: user 'app' is 1001 on this system, not 1002" },
	{ "{\"name\":\"app\",\"uid\":1001}", "{\"name\":\"app\"}", NULL },
	{ "{\"name\":\"app\",\"uid\":1001}", "{\"name\":\"apq\"}",
	  "users[2].name: there is no user 'apq'" },
	{ "{\"name\":\"app\",\"uid\":1001}", "{\"name\":\"broken\"}",
	  "users[2].name: cannot look up" },
	{ "{\"name\":\"app\",\"uid\":1001}", "{}", "users[2].uid: expected a number" },
	{ "{\"name\":\"app\",\"uid\":1001}", "{\"name\":\"7a\",\"uid\":3}",
	  "users[2].name: expected the name" },
	{ "{\"name\":\"app\",\"uid\":1001}", "{\"name\":\"a b\",\"uid\":3}",
	  "users[2].name: expected the name" },
	{ "{\"name\":\"app\",\"uid\":1001}", "{\"name\":\"new\",\"uid\":3}",
	  "users[2].name: expected the name" },
	{ "{\"name\":\"app\",\"uid\":1001}", "7", "users[2]: expected an object" },
	{ "\"uid\":0", "\"uid\":4294967295", "users[1].uid: expected a number" },
	{ "\"name\":\"app\",\"prefixes\"", "\"name\":\"config\",\"prefixes\"",
	  "nets[3].name: 'config' is already declared" },
	{ "\"name\":\"app\",\"prefixes\"", "\"name\":\"-\",\"prefixes\"",
	  "nets[3].name: expected a name" },
	{ "\"10.1.0.0/16\"", "\"10.1.0.1/16\"", "nets[3].prefixes[0]: expected a prefix" },
	{ "\"10.1.0.0/16\"", "7", "nets[3].prefixes[0]: expected a prefix" },
	{ "[\"2001:db8:c::/48\"]", "[]", "nets[0].prefixes: expected a list of 1...131072" },
	{ "\"name\":\"any\",\"prefixes\":[]", "\"name\":\"any\",\"prefixes\":[\"::/0\"]",
	  "prefixes: expected a list of 0..." },
	{ "\"where\":\"policy.conf:5\"", "\"where\":\"a b\"", "nets[0].where: expected FILE:LINE" },
	{ "\"where\":\"policy.conf:5\"", "\"where\":\"a\\\"b\"",
	  "nets[0].where: expected FILE:LINE" },
	{ "\"where\":\"policy.conf:5\"", "\"where\":\"\"", "nets[0].where: expected a text" },
	{ "\"remark\":\"both ways\"", "\"remark\":\"a\\\\b\"", "remark: a quote or a backslash" },
	{ "\"remark\":\"both ways\"", "\"remark\":\"a\\nb\"", "remark: expected a text" },
	{ "\"dir\":\"out\",\"net\":\"config\"", "\"dir\":\"up\",\"net\":\"config\"",
	  "rules[0].dir: expected one of 'in', 'out'" },
	{ "\"dir\":\"out\",\"net\":\"config\"", "\"dir\":\"out\",\"net\":\"confg\"",
	  "rules[0].net: there is no network 'confg'" },
	{ "\"dir\":\"out\",\"mark\":20559", "\"dir\":\"out\",\"mark\":0", "mark: 0 is no mark" },
	{ "\"dir\":\"out\",\"mark\":20559", "\"dir\":\"in\",\"mark\":20559",
	  "a mark and users belong to what goes out" },
	{ "[\"tcp 80\",", "[\"tcp 80\",\"tcp 70-90\",", "ports[1]: a port is named twice" },
	{ "[\"tcp 80\",", "[\"sctp 80\",", "ports[0]: expected \"tcp PORT\"" },
	{ "[\"tcp 80\",", "[\"tcp 0\",", "ports[0]: expected" },
	{ "[\"tcp 80\",", "[80,", "ports[0]: expected" },
	{ "[\"udp 53\",\"tcp 53\"]", "[\"udp 53\"]", "'dns' is out, up, with its own ports only" },
	{ "[\"udp 53\",\"tcp 53\"],\"via\":\"up\"", "[\"udp 53\",\"tcp 53\"],\"via\":\"tun\"",
	  "'dns' is out" },
	{ "\"users\":[\"postern-certd\",0],", "", "users: is missing: metadata" },
	{ "\"users\":[\"postern-certd\",0],", "\"users\":[\"nobody\"],",
	  "users: not one of the list" },
	{ "\"users\":[\"postern-certd\",0],", "\"users\":[0,0],", "users: a user is named twice" },
	{ "\"users\":[\"postern-certd\",0],", "\"users\":[],", "users: expected a list of 1...16" },
	{ "\"users\":[\"postern-certd\",0],", "\"users\":[null],", "users: not one of the list" },
	{ "\"max_s\":14400", "\"max_s\":0", "grants[0].max_s: expected 1...604800" },
	{ "\"max_s\":14400", "\"max_s\":604801", "grants[0].max_s: expected a number, 0...604800" },
	{ "[\"tcp 22\",\"tcp 2222\"]", "[\"udp 22\"]", "grants[0].ports: expected ports of tcp" },
	{ "[\"tcp 22\",\"tcp 2222\"]", "[]", "grants[0].ports: expected a list of 1...32" },
	{ "\"text\":\"one\"", "\"text\":\"\"", "claims[0].text: expected a text" },
	{ "\"claim\":1", "\"claim\":2", "says[2].claim: there is no claim 2" },
	{ "\"claim\":1", "\"claim\":0", "says: claim 1 says nothing" },
	{ "\"ipv6\"", "\"ipv5\"", "says[0].only: expected 'implied'" },
	{ "\"ipv6\"", "\"ipv6\",\"ipv4\"", "says[0].only: expected 'implied'" },
	{ "[\"ipv6\",\"new\"]", "[]", "says[0].only: expected a list of 1...3" },
	{ "\"grant\":\"ssh\"", "\"grant\":\"shs\"", "says[0].grant: there is no grant 'shs'" },
	{ "[135,136]", "[135,256]", "says[0].icmpv6: expected numbers 0...255" },
	{ "[135,136]", "[135,135]", "says[0].icmpv6: expected numbers" },
	{ "[135,136]", "[]", "says[0].icmpv6: expected a list of 1...16" },
	{ "\"implied\"", "0", "says[0].only: expected 'implied'" },
	{ "\"only\":[\"implied\"]", "\"dir\":\"in\"", "says[0]: unknown member" },
	{ "\"ports\":[\"udp 1-2\"]", "\"users\":[\"app\"]",
	  "says[1].match: users belong to what goes out" },
	{ "\"never\":false", "\"never\":null", "says[1].never: expected true or false" },
};

static void test_errors(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		const char *got = changed(errors[i].from, errors[i].to);
		bool ok = errors[i].want ? *got && strstr(got, errors[i].want) : !*got;

		CU_ASSERT(ok);
		if (!ok)
			tap_note("%s: got \"%s\", wanted \"%s\"", errors[i].to, got,
				 errors[i].want ? errors[i].want : "");
	}
}

/* What a machine may leave out. */
static void test_short(void)
{
	_cleanup_(policy_freep) struct policy *p =
		read_json("{\"claims\":[],\"grants\":[],\"host\":{\"version\":3,\"enforce\":true,"
			  "\"log_rate\":1,"
			  "\"name\":\"x\",\"tier\":\"compute\",\"tunnels\":[],\"uplinks\":[\"e\"]},"
			  "\"nets\":[{\"name\":\"public\",\"prefixes\":[\"10.0.0.0/8\"]}],"
			  "\"rules\":[{\"dir\":\"in\",\"net\":\"public\",\"ports\":[\"tcp 1\"],"
			  "\"via\":\"up\"}],"
			  "\"says\":[],\"users\":[]}",
			  NULL);

	if (!p)
		return;
	CU_ASSERT_STRING_EQUAL(p->rules[0].where, "rules[0]");
	CU_ASSERT_STRING_EQUAL(p->nets[0].where, "nets[0]");
	CU_ASSERT_TRUE(p->nets[0].has_tier && p->nets[0].tier == POLICY_PUBLIC);
	CU_ASSERT_EQUAL(p->rules[0].row, 13);
}

static void test_hostile(void)
{
	static const char *const list[] = {
		"",
		"{",
		"[]",
		"null",
		"\"x\"",
		"{}",
		"{\"a\":",
		"{\"name\":\"\\u0000\"}",
		"{\"version\":1e999}",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}",
	};
	struct policyfile_error error;
	struct policy *p = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		error.text[0] = '\0';
		CU_ASSERT_EQUAL(policyjson_read(list[i], strlen(list[i]), NULL, &p, &error),
				-EINVAL);
		CU_ASSERT_TRUE(error.text[0] && !p);
	}
	CU_ASSERT_EQUAL(policyjson_read("", POLICYJSON_BYTES_MAX + (size_t)1, NULL, &p, &error),
			-E2BIG);
}

static int round_trip(void *ctx)
{
	_cleanup_(buf_release) struct buf to = buf_init(1 << 20);
	struct policyfile_error error;
	struct policy *p = NULL;
	char ret[65];
	int r = policyjson_read(ctx, strlen(ctx), pagetry_user, &p, &error);

	if (r == 0)
		r = policyjson_write(p, &to);
	if (r == 0)
		r = policyjson_digest(p, ret);
	policy_free(p);
	return r;
}

/* The first long text is one of 40 bytes: a jansson whose memory ends just at the closing quote of
 * a text of 14, 30… bytes, where its buffer grows, loses the quote and reads on. */
static void test_no_memory(void)
{
	static const char more[] =
		"claim \"a text of forty bytes and not one more..\" { never in }\n"
		"to public allow tcp 1 user app 5\nimds allow user app\n"
		"grant ssh tcp 22 from config max 1h\n";
	_cleanup_(policy_freep) struct policy *p = pagetry_load(more);
	char *text = p ? write_json(p) : NULL;

	if (text)
		CU_ASSERT_TRUE(torture(round_trip, text) > 50);
	free(text);
}

static void test_full(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load("");
	_cleanup_(buf_release) struct buf to = buf_init(100);

	if (p)
		CU_ASSERT_EQUAL(policyjson_write(p, &to), -EFBIG);
}

static const struct tap_test json_tests[] = {
	{ "form", test_form },
	{ "round trip", test_round_trip },
	{ "digest", test_digest },
	{ "not enforced", test_not_enforced },
	{ "escapes", test_escapes },
	{ "errors", test_errors },
	{ "short", test_short },
	{ "hostile", test_hostile },
	{ "no memory", test_no_memory },
	{ "full", test_full },
	{},
};

static const struct tap_suite suites[] = { { "policyjson", json_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
