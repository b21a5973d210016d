/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "netpolicy/prove/packettext.h"
#include "netpolicy/prove/space.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static char test_error[POLICY_ERROR_MAX];

static struct policy *test_policy(void)
{
	static struct policy p = {
		.n_uplinks = 1,
		.n_tunnels = 1,
		.uplinks = { "eth0" },
		.tunnels = { "postern0" },
		.n_users = 1,
		.n_grants = 1,
	};
	static struct policy_user user = { "app", 1001 };
	static struct policy_grant grant = { .name = "ssh" };

	p.users = &user;
	p.grants = &grant;
	return &p;
}

static int test_parse(const char *text, struct terms_packet *ret)
{
	char copy[1024], *words[80], *save = NULL;
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w && n < 80; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	test_error[0] = '\0';
	return packettext_parse(test_policy(), n, words, ret, test_error);
}

static void test_packettext_rows(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "in eth0 tcp [2001:db8::9]:4000 [host]:22",
		  "in up tcp [2001:db8::9]:4000 [host]:22" },
		{ "out eth0 tcp [host]:1024 [2001:db8:c::1]:443 uid 1000 mark 0x504f",
		  "out up tcp [host]:1024 [2001:db8:c::1]:443 uid 1000 mark 0x504f" },
		{ "out tcp [2001:db8:53::9]:443 uid 1000",
		  "out up tcp [host]:40000 [2001:db8:53::9]:443 uid 1000" },
		{ "out tcp [2001:db8:53::9]:443 user app",
		  "out up tcp [host]:40000 [2001:db8:53::9]:443 uid 1001" },
		{ "out tcp [2001:db8:53::9]:443 user 7",
		  "out up tcp [host]:40000 [2001:db8:53::9]:443 uid 7" },
		{ "in up icmpv6 echo-request 2001:db8::1 host",
		  "in up icmpv6 echo-request 2001:db8::1 host" },
		{ "in icmpv6 nd-neighbor-solicit fe80::1 host",
		  "in up icmpv6 nd-neighbor-solicit fe80::1 host" },
		{ "in icmpv6 135 fe80::1 host hop 64 new",
		  "in up icmpv6 nd-neighbor-solicit fe80::1 host new hop 64" },
		{ "in postern0 icmpv6 200 fe80::1", "in tun icmpv6 200 fe80::1 host" },
		{ "in tun tcp [2001:db8::1]:9 [2001:db8::2]:22 established grant ssh",
		  "in tun tcp [2001:db8::1]:9 [2001:db8::2]:22 established grant 0" },
		{ "in tcp [2001:db8::1] [host]:22", "in up tcp [2001:db8::1]:40000 [host]:22" },
		{ "in tcp 10.0.0.9:4000 10.0.0.2:22", "in up tcp 10.0.0.9:4000 10.0.0.2:22" },
		{ "in tcp 10.0.0.9 host:22", "in up tcp 10.0.0.9:40000 [host]:22" },
		{ "out udp 10.0.0.9:53", "out up udp [host]:40000 10.0.0.9:53" },
		{ "out proto 47 10.0.0.9", "out up proto 47 host 10.0.0.9" },
		{ "out proto 58 10.0.0.9", "out up proto 58 host 10.0.0.9" },
		{ "out lo proto 17 [::1]:9", "out lo udp [host]:40000 [::1]:9" },
		{ "out other udp [2001:db8::1]:9 packet-socket false-frame mark 7",
		  "out other udp [host]:40000 [2001:db8::1]:9 packet-socket mark 0x7 false-frame" },
		{ "in udp [2001:db8::1]:9 [host]:9 own-source no-way-back untracked",
		  "in up udp [2001:db8::1]:9 [host]:9 untracked own-source no-way-back" },
		{ "out udp [2001:db8::1]:0 later-fragment false-source invalid related",
		  "out up udp [host]:40000 [2001:db8::1]:0 related later-fragment false-source" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct terms_packet packet = { 0 };
		char text[PACKETTEXT_MAX] = "";

		CU_ASSERT_EQUAL(test_parse(rows[i].in, &packet), 0);
		CU_ASSERT_STRING_EQUAL(test_error, "");
		packettext_format(&packet, text);
		if (strcmp(text, rows[i].out) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", rows[i].in, text);
	}
}

static void test_packettext_defaults(void)
{
	struct terms_packet p = { 0 };
	struct in6_addr host;

	CU_ASSERT_EQUAL(test_parse("out tcp [2001:db8::1]:443", &p), 0);
	packettext_host(6, &host);
	CU_ASSERT_TRUE(ip6_addr_equal(&p.near, &host));
	CU_ASSERT_EQUAL(p.link, TERMS_UP);
	CU_ASSERT_EQUAL(p.near_port, 40000);
	CU_ASSERT_EQUAL(p.hop_limit, 64);
	CU_ASSERT_EQUAL(p.ct, TERMS_NEW);
	CU_ASSERT_FALSE(p.has_uid);
	CU_ASSERT_EQUAL(test_parse("in icmpv6 nd-router-advert fe80::1", &p), 0);
	CU_ASSERT_EQUAL(p.hop_limit, 255);
	CU_ASSERT_EQUAL(p.ct, TERMS_UNTRACKED);
	CU_ASSERT_EQUAL(test_parse("out icmpv6 nd-router-solicit ff02::2", &p), 0);
	CU_ASSERT_EQUAL(p.hop_limit, 255);
	CU_ASSERT_EQUAL(test_parse("out icmpv6 nd-redirect ff02::2", &p), 0);
	CU_ASSERT_EQUAL(p.hop_limit, 255);
	CU_ASSERT_EQUAL(test_parse("out icmpv6 mld2-listener-report ff02::16", &p), 0);
	CU_ASSERT_EQUAL(p.ct, TERMS_UNTRACKED);
	CU_ASSERT_EQUAL(p.hop_limit, 64);
}

static void test_packettext_errors(void)
{
	static const struct {
		const char *in, *error;
	} rows[] = {
		{ "", "after word 0: expected 'in' or 'out'" },
		{ "inn", "word 1: expected 'in' or 'out', got 'inn'" },
		{ "in", "after word 1: expected a link" },
		{ "in eth9 tcp", "word 2: expected a link" },
		{ "in up", "after word 2: expected a protocol" },
		{ "in up sctp", "word 3: expected a protocol" },
		{ "in up icmpv5", "did you mean 'icmpv6'?" },
		{ "in up proto 256", "word 4: expected a protocol number of 0-255, got '256'" },
		{ "in up proto", "after word 3: expected a protocol number" },
		{ "in icmpv6 echo-reqest ::1", "did you mean 'echo-request'?" },
		{ "in icmpv6 256 ::1", "expected a type of ICMPv6" },
		{ "in tcp", "after word 2: expected an address with its port" },
		{ "in tcp 2001:db8::/32", "word 3: expected an address with its port" },
		{ "in tcp [2001:db8::1]:65536 [host]:1", "word 3: expected an address" },
		{ "in tcp [2001:db8::1]:-1 [host]:1", "word 3: expected an address" },
		{ "in tcp [2001:db8::1 [host]:1", "word 3: expected an address" },
		{ "in tcp [2001:db8::1]x [host]:1", "word 3: expected an address" },
		{ "in tcp [2001:db8::1]: [host]:1", "word 3: expected an address" },
		{ "in icmpv6 128 [2001:db8::1]:5", "without a port: only tcp and udp" },
		{ "in tcp [2001:db8::1]:9", "word 3: expected the port of this host" },
		{ "in tcp [2001:db8::1]:9 host", "word 4: expected the port of this host" },
		{ "out tcp [2001:db8::1]", "word 3: expected the port of the other end" },
		{ "in tcp [host]:1 [2001:db8::1]:9", "expected the address of the other end" },
		{ "in tcp 10.0.0.1:9 [2001:db8::1]:9", "two addresses of the same family" },
		{ "in tcp [2001:db8::1]:9 [host]:1 uid 7", "expected no user" },
		{ "in tcp [2001:db8::1]:9 [host]:1 user app", "expected no user" },
		{ "in tcp [2001:db8::1]:9 [host]:1 packet-socket", "expected no packet socket" },
		{ "out tcp [2001:db8::1]:9 uid app", "expected the number of a user" },
		{ "out tcp [2001:db8::1]:9 uid", "after word 4: expected the number of a user" },
		{ "out tcp [2001:db8::1]:9 uid 4294967296", "expected the number of a user" },
		{ "out tcp [2001:db8::1]:9 user nobody", "a user that the policy names" },
		{ "out tcp [2001:db8::1]:9 mark 0x1ffffffff", "expected a mark" },
		{ "out tcp [2001:db8::1]:9 mark 0x", "expected a mark" },
		{ "out tcp [2001:db8::1]:9 hop 256", "expected a hop limit" },
		{ "out tcp [2001:db8::1]:9 grant web", "the name of a grant" },
		{ "out tcp [2001:db8::1]:9 grant 16", "the name of a grant" },
		{ "out tcp [2001:db8::1]:9 etablished", "did you mean 'established'?" },
		{ "out tcp [2001:db8::1]:9 own-source", "a packet that comes in with that fact" },
		{ "in tcp [2001:db8::1]:9 [host]:1 false-frame", "a packet that goes out with" },
		{ "out tcp [2001:db8::1]:9 packet-socket uid 7", "expected no user: the guard" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct terms_packet packet = { .mark = 99 };

		CU_ASSERT_EQUAL(test_parse(rows[i].in, &packet), -EINVAL);
		CU_ASSERT_EQUAL(packet.mark, 99);
		if (!strstr(test_error, rows[i].error))
			tap_fail(__FILE__, __LINE__, "%s: %s", rows[i].in, test_error);
	}
}

static void test_packettext_limits(void)
{
	char text[1024] = "out tcp [2001:db8::1]:65535 uid 4294967295 mark 0xffffffff hop 255";
	struct terms_packet p;
	size_t len;

	CU_ASSERT_EQUAL(test_parse(text, &p), 0);
	CU_ASSERT_EQUAL(p.far_port, 65535);
	CU_ASSERT_EQUAL(p.uid, UINT32_MAX);
	CU_ASSERT_EQUAL(p.mark, UINT32_MAX);
	for (int words = 9; words <= PACKETTEXT_WORDS_MAX + 1; words++) {
		CU_ASSERT_EQUAL(test_parse(text, &p), words > PACKETTEXT_WORDS_MAX ? -EINVAL : 0);
		len = strlen(text);
		snprintf(text + len, sizeof(text) - len, " new");
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(test_error, "more than 64 words"));
}

static bool test_same_head(const struct terms_packet *a, const struct terms_packet *b)
{
	return a->proto == b->proto && a->far_port == b->far_port && a->near_port == b->near_port &&
	       a->icmp_type == b->icmp_type && a->hop_limit == b->hop_limit;
}

static bool test_same_state(const struct terms_packet *a, const struct terms_packet *b)
{
	return a->ct == b->ct && a->has_uid == b->has_uid && a->uid == b->uid &&
	       a->mark == b->mark && a->grants == b->grants && a->facts == b->facts;
}

static bool test_same(const struct terms_packet *a, const struct terms_packet *b)
{
	return a->dir == b->dir && a->from_packet_socket == b->from_packet_socket &&
	       a->link == b->link && a->family == b->family && ip6_addr_equal(&a->far, &b->far) &&
	       ip6_addr_equal(&a->near, &b->near) && test_same_head(a, b) && test_same_state(a, b);
}

/* What is written is read back, whatever packet it is. */
static void test_packettext_round_trip(void)
{
	for (int i = 0; i < 20000; i++) {
		struct terms_packet before, after = { 0 };
		char text[PACKETTEXT_MAX];

		tinypolicy_packet(&before);
		before.hop_limit = (uint8_t)tap_random_below(256);
		packettext_format(&before, text);
		if (test_parse(text, &after) < 0 || !test_same(&before, &after))
			tap_fail(__FILE__, __LINE__, "%s: %s", text, test_error);
	}
	CU_PASS("all read back");
}

/* The longest there is: all grants, all facts. */
static void test_packettext_longest(void)
{
	struct terms_packet p = {
		.dir = POLICY_OUT,
		.link = TERMS_OTHER,
		.family = 6,
		.proto = POLICY_TCP,
		.far_port = 65535,
		.near_port = 65535,
		.has_uid = true,
		.uid = UINT32_MAX,
		.mark = UINT32_MAX,
		.ct = TERMS_ESTABLISHED,
		.grants = UINT32_MAX,
		.facts = UINT32_MAX,
	};
	char text[PACKETTEXT_MAX];

	memset(&p.far, 0xff, sizeof(p.far));
	memset(&p.near, 0xff, sizeof(p.near));
	packettext_format(&p, text);
	CU_ASSERT_TRUE(strlen(text) < PACKETTEXT_MAX);
}

static void test_packettext_names(void)
{
	char scratch[8];

	CU_ASSERT_STRING_EQUAL(packettext_type(255, scratch), "255");
	CU_ASSERT_STRING_EQUAL(packettext_type(143, scratch), "mld2-listener-report");
	CU_ASSERT_STRING_EQUAL(packettext_proto(47, scratch), "47");
	CU_ASSERT_STRING_EQUAL(packettext_proto(58, scratch), "icmpv6");
	CU_ASSERT_STRING_EQUAL(packettext_link(TERMS_LINKS), "?");
	CU_ASSERT_STRING_EQUAL(packettext_ct(TERMS_RELATED), "related");
	CU_ASSERT_STRING_EQUAL(packettext_ct(TERMS_CTS), "?");
}

static const struct tap_test test_packettext[] = {
	{ "packets in words", test_packettext_rows },
	{ "what is left out", test_packettext_defaults },
	{ "errors", test_packettext_errors },
	{ "limits", test_packettext_limits },
	{ "round trip", test_packettext_round_trip },
	{ "the longest", test_packettext_longest },
	{ "names", test_packettext_names },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "packettext", test_packettext }, { 0 } };

	return tap_main(argc, argv, suites);
}
