/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyline.h"
#include "common/buf.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/parse/pagetry.h"

struct bad {
	const char *more; /* behind the base, whose last line is the ninth */
	const char *want; /* what the message begins with, behind "policy.conf:" */
};

static void check_bad(const struct bad *bad)
{
	const char *got = pagetry_error(bad->more);
	bool ok = !strncmp(got, "policy.conf:", 12) &&
		  !strncmp(got + 12, bad->want, strlen(bad->want));

	CU_ASSERT(ok);
	if (!ok)
		tap_note("%s: got \"%s\", wanted \"%s\"", bad->more, got, bad->want);
}

static const struct bad errors[] = {
	{ "form public allow tcp 1",
	  "10:1: expected a directive, got 'form'; did you mean 'from'?" },
	{ "xyz", "10:1: expected a directive, got 'xyz'" },
	{ "{", "10:1: expected a directive, got '{'" },
	{ "\"a\"", "10:1: expected a directive, got 'a'" },
	{ "policy a 1", "10:8: 'policy' is already declared at policy.conf:1" },
	{ "host tier compute", "10:6: 'host' is already declared at policy.conf:2" },
	{ "link up eth1", "10:6: 'link up' is already declared at policy.conf:3" },
	{ "link tun wg0", "10:6: 'link tun' is already declared at policy.conf:4" },
	{ "link upp eth1", "10:6: expected a link, 'up' or 'tun', got 'upp'; did you mean 'up'?" },
	{ "log 5\nlog 5", "11:5: 'log' is already declared at policy.conf:10" },
	{ "log 1001", "10:5: expected denials logged per second, 0...1000, got '1001'" },
	{ "log -1", "10:5: expected denials" },
	{ "log 05", "10:5: expected denials" },
	{ "log", "10:4: expected denials logged per second, 0...1000, got the end of the file" },
	{ "log\n", "10:4: expected denials logged per second, 0...1000, got the end of the line" },
	{ "log 5 6", "10:7: expected the end of the line, got '6'" },
	{ "net config 2001:db8:d::/48", "10:5: 'config' is already declared at policy.conf:5" },
	{ "net any ::/0", "10:5: 'any' is every IPv6 address" },
	{ "net dns 2001:db8::1", "10:5: 'dns' is declared by" },
	{ "net ntp 2001:db8::1", "10:5: 'ntp' is declared by" },
	{ "net imds 2001:db8::1", "10:5: 'imds' is declared by" },
	{ "net storage 2001:db8::1", "10:5: 'storage' is a tier" },
	{ "net A 2001:db8::1", "10:5: expected the name of a network" },
	{ "net x", "10:6: expected a prefix" },
	{ "net x 2001:db8::1/32", "10:7: expected a prefix" },
	{ "net x www.example.com",
	  "10:7: expected a prefix like 2001:db8::/48 or 10.0.0.0/8 (no name is looked up), got "
	  "'www.example.com'" },
	{ "net x 10.0.0.1/8", "10:7: expected a prefix" },
	{ "net x 2001:db8::/32 y", "10:21: expected a prefix" },
	{ "net x file a.txt", "10:12: a text that is in no folder" },
	{ "net x file", "10:11: expected the path of a file" },
	{ "include a.conf", "10:9: a text that is in no folder" },
	{ "include {", "10:9: expected the path of a file" },
	{ "tier public 2001:db8::/48", "10:6: 'public' is already declared at policy.conf:7" },
	{ "tier storag 2001:db8::/48",
	  "10:6: expected a tier: 'public', 'compute' or 'storage', got 'storag'; did you mean "
	  "'storage'?" },
	{ "from publc allow tcp 1",
	  "10:6: there is no network 'publc'; did you mean 'public' of policy.conf:7?" },
	{ "from nobody allow tcp 1", "10:6: there is no network 'nobody'; declare it" },
	{ "from { allow", "10:6: expected the name of a network" },
	{ "from public alow tcp 1",
	  "10:13: expected 'via' or 'allow', got 'alow'; did you mean 'allow'?" },
	{ "from public via tunn allow any",
	  "10:17: expected a link, 'up' or 'tun', got 'tunn'; did you mean 'tun'?" },
	{ "from public allow", "10:18: expected ports" },
	{ "from public allow tpc 1",
	  "10:19: expected ports: 'any', 'tcp PORT...' or 'udp PORT...', got 'tpc'; did you mean "
	  "'tcp'?" },
	{ "from public allow tcp", "10:22: expected a port, 1...65535 or LOW-HIGH" },
	{ "from public allow tcp 0", "10:23: expected a port" },
	{ "from public allow tcp 65536", "10:23: expected a port" },
	{ "from public allow tcp 9-8", "10:23: expected a port" },
	{ "from public allow tcp https", "10:23: expected a port" },
	{ "from public allow tcp 80 80", "10:26: port '80' is named twice" },
	{ "from public allow tcp 80 70-90", "10:26: port '70-90' is named twice" },
	{ "from public allow tcp 80 user app",
	  "10:26: 'user' belongs to 'to': who sends to us is not known here" },
	{ "from public allow tcp 80 mark 1", "10:26: 'mark' belongs to 'to'" },
	{ "from public allow tcp 80 usr", "10:26: expected a remark or the end of the line" },
	{ "from public allow tcp 80,81",
	  "10:25: expected a remark or the end of the line, got ','; commas stand between" },
	{ "to config via up allow udp 1 mark 1 mark 2",
	  "10:37: expected 'mark', 'user', a remark or the end of the line, got 'mark'" },
	{ "from public allow tcp 80 udp", "10:29: expected a port" },
	{ "from dns allow tcp 80", "10:6: 'dns' is allowed by" },
	{ "dns allow\nto dns allow tcp 80", "11:4: 'dns' is allowed by" },
	{ "to public allow any usr app",
	  "10:21: expected 'mark', 'user', a remark or the end of the line, got 'usr'; did you "
	  "mean 'user'?" },
	{ "to public allow any user", "10:25: expected a user" },
	{ "to public allow any user nobody-here",
	  "10:26: there is no user 'nobody-here' on this system" },
	{ "to public allow any user broken", "10:26: cannot look up user 'broken'" },
	{ "to public allow any user app 1001", "10:30: user '1001' (1001) is named twice" },
	{ "to public allow any user 4294967295", "10:26: expected a user" },
	{ "to public allow any user 0x", "10:26: expected a user" },
	{ "to config via up allow udp 1 mark 0", "10:35: expected a mark, 1...4294967295" },
	{ "to config via up allow udp 1 mark 0x100000000", "10:35: expected a mark" },
	{ "dns alow", "10:5: expected an address or 'allow', got 'alow'; did you mean 'allow'?" },
	{ "dns fd00::/129 allow", "10:5: expected a prefix" },
	{ "dns allow\ndns allow", "11:5: 'dns' is already declared at policy.conf:10" },
	{ "dns allow mark 1", "10:11: expected 'user', a remark" },
	{ "imds allow", "10:11: expected 'user', for metadata gives out credentials" },
	{ "grant ssh udp 22 from config max 4h", "10:11: expected 'tcp', got 'udp'" },
	{ "grant ssh tcp 22 form config max 4h",
	  "10:18: expected 'from', got 'form'; did you mean 'from'?" },
	{ "grant ssh tcp 22 from config", "10:29: expected 'max'" },
	{ "grant ssh tcp 22 from config max 4", "10:34: expected a time" },
	{ "grant ssh tcp 22 from config max h", "10:34: expected a time" },
	{ "grant ssh tcp 22 from config max 4w", "10:34: expected a time" },
	{ "grant ssh tcp 22 from config max", "10:33: expected a time" },
	{ "grant Ssh tcp 22 from config max 4h", "10:7: expected the name of a grant" },
	{ "grant ssh tcp 22 from config max 4h\ngrant ssh tcp 23 from config max 4h",
	  "11:7: grant 'ssh' is already declared at policy.conf:10" },
	{ "claim x {", "10:7: expected a text in quotes, got 'x'" },
	{ "claim \"x\"\n{", "10:10: expected '{', got the end of the line" },
	{ "claim \"x\" {", "10:12: expected '}'" },
	{ "claim \"x\" { }", "10:13: expected 'never' or 'always'" },
	{ "claim \"x\" { never in } x", "10:24: expected the end of the line, got 'x'" },
};

static void test_errors(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		check_bad(&errors[i]);
}

static void test_pages(void)
{
	static const struct {
		const char *page, *want;
	} list[] = {
		{ "", "policy.conf: the line 'policy NAME VERSION' is missing" },
		{ "# nothing\n\n", "policy.conf: the line 'policy NAME VERSION' is missing" },
		{ "policy a 1", "policy.conf: the line 'host tier TIER' is missing" },
		{ "policy a 1\nhost tier compute\n",
		  "policy.conf: the line 'link up IF...' is missing" },
		{ "host tier compute\npolicy a 1", "policy.conf:1:1: the first line of a page is" },
		{ "policy A 1", "policy.conf:1:8: expected the name of the policy" },
		{ "policy a", "policy.conf:1:9: expected its version, 0...4294967295" },
		{ "policy a 4294967296", "policy.conf:1:10: expected its version" },
		{ "policy a 1\nhost tiers compute",
		  "policy.conf:2:6: expected 'tier', got 'tiers'; did" },
		{ "policy a 1\nlink up", "policy.conf:2:8: expected an interface" },
		{ "policy a 1\nlink up lo", "policy.conf:2:9: expected an interface" },
		{ "policy a 1\nlink up a/b", "policy.conf:2:9: expected an interface" },
		{ "policy a 1\nlink up a:1", "policy.conf:2:9: expected an interface" },
		{ "policy a 1\nlink up a@b", "policy.conf:2:9: expected an interface" },
		{ "policy a 1\nlink up a+b", "policy.conf:2:9: expected an interface" },
		{ "policy a 1\nlink up abcdefghijklmnop",
		  "policy.conf:2:9: expected an interface" },
		{ "policy a 1\nlink up a a", "policy.conf:2:11: interface 'a' is named twice" },
		{ "policy a 1\nlink up a\nlink tun a",
		  "policy.conf:3:10: interface 'a' is named twice" },
		{ "policy a 1\nlink tun a b c",
		  "policy.conf:2:14: too many interfaces: at most 2" },
		{ "policy a 1\nlink up a b c d e f g h i",
		  "policy.conf:2:25: too many interfaces: at most 8" },
		{ "policy a 1\nhost \x01", "policy.conf:2:6: a control character" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		const char *got = pagetry_page_error(list[i].page);
		bool ok = !strncmp(got, list[i].want, strlen(list[i].want));

		CU_ASSERT(ok);
		if (!ok)
			tap_note("got \"%s\", wanted \"%s\"", got, list[i].want);
	}
}

static void test_model(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load(
		"net app 2001:db8:1::/48 10.0.0.0/8 2001:db8:2::1\n"
		"from app allow tcp 80 443 udp 5000-5100 \"both\" # why\n"
		"to app via up allow \\\n\ttcp 1-65535 user app 77 root\n"
		"log 0\n");

	if (!p)
		return;
	CU_ASSERT_STRING_EQUAL(p->name, "host");
	CU_ASSERT_EQUAL(p->version, 1);
	CU_ASSERT_EQUAL(p->tier, POLICY_COMPUTE);
	CU_ASSERT_TRUE(p->enforce);
	CU_ASSERT_EQUAL(p->log_rate, 0);
	CU_ASSERT_STRING_EQUAL(p->uplinks[0], "eth0");
	CU_ASSERT_STRING_EQUAL(p->tunnels[0], "postern0");
	CU_ASSERT_EQUAL(p->config_net, 0);
	CU_ASSERT_EQUAL(p->gateways_net, 1);
	CU_ASSERT_TRUE(p->nets[2].has_tier && p->nets[2].tier == POLICY_PUBLIC);
	CU_ASSERT_EQUAL(p->nets[3].prefixes.n, 3);
	CU_ASSERT_STRING_EQUAL(p->nets[3].where, "policy.conf:10");
	CU_ASSERT_EQUAL(p->n_rules, 4);
	CU_ASSERT_EQUAL(p->rules[0].via, POLICY_VIA_TUNNEL);
	CU_ASSERT_EQUAL(p->rules[2].dir, POLICY_IN);
	CU_ASSERT_EQUAL(p->rules[2].via, POLICY_VIA_UPLINK);
	CU_ASSERT_EQUAL(p->rules[2].ports.n, 3);
	CU_ASSERT_EQUAL(p->rules[2].ports.list[2].proto, POLICY_UDP);
	CU_ASSERT_EQUAL(p->rules[2].ports.list[2].high, 5100);
	CU_ASSERT_STRING_EQUAL(p->rules[2].remark, "both");
	CU_ASSERT_STRING_EQUAL(p->rules[2].where, "policy.conf:11");
	CU_ASSERT_STRING_EQUAL(p->rules[3].where, "policy.conf:12");
	CU_ASSERT_EQUAL(p->rules[3].users.n, 3);
	CU_ASSERT_EQUAL(p->users[p->rules[3].users.at[0]].uid, 1001);
	CU_ASSERT_STRING_EQUAL(p->users[p->rules[3].users.at[1]].name, "");
	CU_ASSERT_EQUAL(p->users[p->rules[3].users.at[1]].uid, 77);
	CU_ASSERT_EQUAL(p->users[p->rules[3].users.at[2]].uid, 0);
}

static void test_services(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load(
		"dns allow\nntp 2001:db8::1 2001:db8::2 allow user app \"time\"\n"
		"imds fd00:ec2::254 169.254.169.254 allow user postern-certd 0\n");

	if (!p)
		return;
	CU_ASSERT_EQUAL(p->n_rules, 5);
	CU_ASSERT_EQUAL(p->rules[2].row, 6);
	CU_ASSERT_EQUAL(p->rules[2].ports.n, 2);
	CU_ASSERT_EQUAL(p->rules[3].row, 6);
	CU_ASSERT_EQUAL(p->rules[3].users.n, 1);
	CU_ASSERT_STRING_EQUAL(p->rules[3].remark, "time");
	CU_ASSERT_EQUAL(p->nets[p->rules[3].net].prefixes.n, 2);
	CU_ASSERT_EQUAL(p->rules[4].row, 7);
	CU_ASSERT_EQUAL(p->rules[4].users.n, 2);
	CU_ASSERT_EQUAL(p->nets[p->rules[4].net].prefixes.n, 2);
	CU_ASSERT_EQUAL(p->rules[4].ports.list[0].low, 80);
	CU_ASSERT_EQUAL(p->log_rate, POLICYLINE_LOG_DEFAULT);
	CU_ASSERT_PTR_NOT_NULL(policyline_service_ports("ntp"));
	CU_ASSERT_PTR_NULL(policyline_service_ports("config"));
}

static void test_rows(void)
{
	static const unsigned int want[] = { 11, 11, 8, 9, 12, 13, 15, 15 };
	_cleanup_(policy_freep) struct policy *p = pagetry_load(
		"to config via up allow udp 51820 mark 0x504f\n"
		"to config via up allow tcp 4443 mark 20559\n"
		"from config allow tcp 22\nfrom public allow tcp 443\n"
		"to public allow tcp 443\nto any allow udp 443\n");

	for (size_t i = 0; p && i < ARRAY_SIZE(want); i++)
		CU_ASSERT_EQUAL(p->rules[i].row, want[i]);
	if (!p)
		return;
	CU_ASSERT_TRUE(p->rules[2].has_mark);
	CU_ASSERT_EQUAL(p->rules[2].mark, 0x504f);
	CU_ASSERT_EQUAL(p->rules[3].mark, 0x504f);
	CU_ASSERT_TRUE(p->nets[p->rules[7].net].is_any);
}

static void test_durations(void)
{
	static const struct {
		const char *text;
		uint32_t seconds; /* 0: refused */
	} list[] = {
		{ "0s", 0 },           { "1s", 1 },
		{ "604800s", 604800 }, { "604801s", 0 },
		{ "10080m", 604800 },  { "10081m", 0 },
		{ "168h", 604800 },    { "169h", 0 },
		{ "7d", 604800 },      { "8d", 0 },
		{ "1m", 60 },          { "01s", 0 },
		{ "-1s", 0 },          { "99999999999999999999s", 0 },
	};
	char more[128];

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		snprintf(more, sizeof(more), "grant ssh tcp 22 from config max %s\n", list[i].text);
		if (list[i].seconds == 0) {
			CU_ASSERT_PTR_NOT_NULL(strstr(pagetry_error(more), "expected a time"));
			continue;
		}
		_cleanup_(policy_freep) struct policy *p = pagetry_load(more);

		CU_ASSERT_TRUE(p && p->grants[0].max_s == list[i].seconds);
		CU_ASSERT_TRUE(p && p->grants[0].via == POLICY_VIA_TUNNEL);
	}
}

/* The base and @n times @format with a number from @first on; @head before and @tail behind all. */
static const char *many(const char *head, const char *format, size_t first, size_t n,
			const char *tail)
{
	_cleanup_(buf_release) struct buf b = buf_init(16 * 1024 * 1024);
	char number[24];

	buf_add(&b, head);
	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(format, '@');

		snprintf(number, sizeof(number), "%zu", first + i);
		buf_addf(&b, "%.*s%s%s", (int)(at - format), format, number, at + 1);
	}
	buf_add(&b, tail);
	return pagetry_error(b.text);
}

/* One less and as many as the limit pass, one more is refused with a number in the message. */
static void check_limit(const char *head, const char *format, const char *tail, size_t max,
			const char *why)
{
	const char *got;

	for (size_t n = max - 1; n <= max; n++) {
		got = many(head, format, 1, n, tail);
		CU_ASSERT_PTR_NULL(strstr(got, why));
		CU_ASSERT_PTR_NULL(strstr(got, "too many"));
	}
	got = many(head, format, 1, max + 1, tail);
	CU_ASSERT_PTR_NOT_NULL(strstr(got, why));
	if (!strstr(got, why))
		tap_note("%s: %s", why, got);
}

static void test_limits(void)
{
	check_limit("from public allow tcp", " @", "\n", POLICY_PORTS_MAX, "too many ports");
	check_limit("to public allow tcp 1 user", " @", "\n", POLICY_RULE_USERS_MAX,
		    "too many users: at most 16");
	check_limit("", "grant g@ tcp 22 from config max 1h\n", "", POLICY_GRANTS_MAX,
		    "too many grants: at most 16");
	check_limit("", "net n@ 2001:db8::1\n", "", POLICY_NETS_MAX - 3,
		    "too many networks: at most 256");
	check_limit("", "claim \"c@\" { never in }\n", "", POLICY_CLAIMS_MAX,
		    "too many claims: at most 256");
	check_limit("claim \"c\" {\n", "never in tcp @\n", "}\n", POLICY_SAYS_MAX,
		    "too many lines in all claims: at most 1024");
	check_limit("", "# @\n", "", POLICYFILE_LINES_MAX - 9, "more than 4096 lines");
}

static void test_prefix_limit(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(16 * 1024 * 1024);

	buf_add(&b, "net big");
	for (unsigned int i = 0; i <= POLICY_PREFIXES_MAX; i++)
		buf_addf(&b, " 2001:db8:7:%x::%x", i >> 16, i & 0xffff);
	buf_add(&b, "\n");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(pagetry_error(b.text), "too many prefixes in one network: at most 131072"));
}

static void test_where(void)
{
	char name[600], where[POLICY_WHERE_MAX];

	policyline_where("policy.d/app.conf", 3, where);
	CU_ASSERT_STRING_EQUAL(where, "policy.d/app.conf:3");
	for (size_t n = 47; n <= 49; n++) {
		memset(name, 'a', n);
		name[0] = 'b';
		name[n] = '\0';
		policyline_where(name, 3, where);
		CU_ASSERT_EQUAL(strlen(where), n + 2 < 50 ? n + 2 : 50);
		CU_ASSERT_EQUAL(where[0], n + 2 > 50 ? 'a' : 'b');
	}
	policyline_where("a\"b\n\xff.conf", 3, where);
	CU_ASSERT_STRING_EQUAL(where, "a_b__.conf:3");
}

static const struct tap_test line_tests[] = {
	{ "errors", test_errors }, { "pages", test_pages },
	{ "model", test_model },   { "services", test_services },
	{ "rows", test_rows },     { "durations", test_durations },
	{ "limits", test_limits }, { "prefix limit", test_prefix_limit },
	{ "where", test_where },   {},
};

static const struct tap_suite suites[] = { { "policyline", line_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
