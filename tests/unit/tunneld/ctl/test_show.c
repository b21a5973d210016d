/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tunneld/ctl/show.h"

#define TEST_SHOW_NOW 1760000100 /* 2025-10-09T08:55:00Z */

/* clang-format off */
static const char test_show_ok_text[] =
	"OK: 2 of 2 configuration servers reached through the tunnel\n"
	"zone prod, host fd12::9, interface postern0, tunneld up 2 h\n"
	"\n"
	"SERVER     STATE      HANDSHAKE   RECEIVED   SENT       LEASE              PSK EPOCH    "
	"         ENDPOINT\n"
	"cfg1       up         45 s ago    1.5 KiB    1023 B     renews in 50 min   "
	"2025-10-09T08:53:20Z  [2001:db8:c::1]:51820\n"
	"cfg2       up         45 s ago    1.5 KiB    1023 B     renews in 50 min   "
	"2025-10-09T08:53:20Z  [2001:db8:c::1]:51820\n"
	"\n"
	"policy     loaded; the kernel's rules equal the configuration\n";

static const char test_show_degraded_text[] =
	"DEGRADED: 1 of 2 configuration servers reached; cfg2: PST-1001 cannot connect to the "
	"configuration server\n"
	"zone prod, host fd12::9, interface postern0, tunneld up 2 h\n"
	"\n"
	"SERVER     STATE      HANDSHAKE   RECEIVED   SENT       LEASE              PSK EPOCH    "
	"         ENDPOINT\n"
	"cfg1       up         45 s ago    1.5 KiB    1023 B     renews in 50 min   "
	"2025-10-09T08:53:20Z  [2001:db8:c::1]:51820\n"
	"cfg2       wait       never       0 B        0 B        next try in 4 s    -            "
	"         -\n"
	"           PST-1001 cannot connect to the configuration server\n"
	"           do: check the address in [server], the cloud's security group and the "
	"server's port 4443\n"
	"           said: Connection refused\n"
	"\n"
	"policy     loaded; the kernel's rules equal the configuration\n";

static const char test_show_down_text[] =
	"DOWN: tunneld does not run\n"
	"\n"
	"policy     unknown; 'netpolicy check' says why (it needs root)\n";

static const char test_show_ok_json[] =
	"{\n"
	"  \"status\": \"OK\",\n"
	"  \"reason\": \"1 of 1 configuration servers reached through the tunnel\",\n"
	"  \"tunneld\": {\n"
	"    \"zone\": \"prod\",\n"
	"    \"address\": \"fd12::9\",\n"
	"    \"interface\": \"postern0\",\n"
	"    \"uptime_s\": 7300,\n"
	"    \"repairs\": 0,\n"
	"    \"netlink_overruns\": 0,\n"
	"    \"malformed_frames\": 0\n"
	"  },\n"
	"  \"servers\": [\n"
	"    {\n"
	"      \"name\": \"cfg1\",\n"
	"      \"state\": \"up\",\n"
	"      \"missing\": null,\n"
	"      \"last_exchange\": null,\n"
	"      \"detail\": \"\",\n"
	"      \"handshake_age_s\": 45,\n"
	"      \"rx_bytes\": 1536,\n"
	"      \"tx_bytes\": 1023,\n"
	"      \"lease\": {\n"
	"        \"gateway_address\": \"fd00::\",\n"
	"        \"endpoint\": \"[2001:db8:c::1]:51820\",\n"
	"        \"psk_epoch\": 1760000000,\n"
	"        \"renew_in_s\": 3000,\n"
	"        \"expires_in_s\": 86000\n"
	"      },\n"
	"      \"next_try_s\": 3000,\n"
	"      \"exchanges\": 1,\n"
	"      \"failed_in_a_row\": 0,\n"
	"      \"tls_group\": \"x25519\"\n"
	"    }\n"
	"  ],\n"
	"  \"policy\": \"loaded\"\n"
	"}\n";

static const char test_show_degraded_json[] =
	"{\n"
	"  \"status\": \"DEGRADED\",\n"
	"  \"reason\": \"1 of 2 configuration servers reached; cfg2: PST-1001 cannot connect to "
	"the configuration server; the policy is not as configured\",\n"
	"  \"tunneld\": {\n"
	"    \"zone\": \"prod\",\n"
	"    \"address\": \"fd12::9\",\n"
	"    \"interface\": \"postern0\",\n"
	"    \"uptime_s\": 7300,\n"
	"    \"repairs\": 0,\n"
	"    \"netlink_overruns\": 0,\n"
	"    \"malformed_frames\": 0\n"
	"  },\n"
	"  \"servers\": [\n"
	"    {\n"
	"      \"name\": \"cfg1\",\n"
	"      \"state\": \"up\",\n"
	"      \"missing\": null,\n"
	"      \"last_exchange\": null,\n"
	"      \"detail\": \"\",\n"
	"      \"handshake_age_s\": 45,\n"
	"      \"rx_bytes\": 1536,\n"
	"      \"tx_bytes\": 1023,\n"
	"      \"lease\": {\n"
	"        \"gateway_address\": \"fd00::\",\n"
	"        \"endpoint\": \"[2001:db8:c::1]:51820\",\n"
	"        \"psk_epoch\": 1760000000,\n"
	"        \"renew_in_s\": 3000,\n"
	"        \"expires_in_s\": 86000\n"
	"      },\n"
	"      \"next_try_s\": 3000,\n"
	"      \"exchanges\": 1,\n"
	"      \"failed_in_a_row\": 0,\n"
	"      \"tls_group\": \"x25519\"\n"
	"    },\n"
	"    {\n"
	"      \"name\": \"cfg2\",\n"
	"      \"state\": \"wait\",\n"
	"      \"missing\": {\n"
	"        \"code\": \"PST-1001\",\n"
	"        \"text\": \"cannot connect to the configuration server\"\n"
	"      },\n"
	"      \"last_exchange\": {\n"
	"        \"code\": \"PST-1001\",\n"
	"        \"text\": \"cannot connect to the configuration server\"\n"
	"      },\n"
	"      \"detail\": \"Connection refused\",\n"
	"      \"handshake_age_s\": null,\n"
	"      \"rx_bytes\": 0,\n"
	"      \"tx_bytes\": 0,\n"
	"      \"lease\": null,\n"
	"      \"next_try_s\": 4,\n"
	"      \"exchanges\": 1,\n"
	"      \"failed_in_a_row\": 2,\n"
	"      \"tls_group\": \"x25519\"\n"
	"    }\n"
	"  ],\n"
	"  \"policy\": \"drift\"\n"
	"}\n";

static const char test_show_down_json[] =
	"{\n"
	"  \"status\": \"DOWN\",\n"
	"  \"reason\": \"tunneld does not run\",\n"
	"  \"tunneld\": null,\n"
	"  \"servers\": [],\n"
	"  \"policy\": \"unknown\"\n"
	"}\n";
/* clang-format on */

static struct status test_show_status;
static struct show_report test_show_report;

static void test_show_server(size_t i, enum session_state state, enum pst missing)
{
	struct status_server *s = &test_show_status.servers[i];

	snprintf(s->name, sizeof(s->name), "cfg%zu", i + 1);
	s->state = state;
	s->missing = missing;
	s->leased = state != SESSION_WAIT;
	s->next_try_s = 3000;
	CU_ASSERT_EQUAL(ip6_parse_endpoint("[2001:db8:c::1]:51820", &s->endpoint), 0);
	s->gateway_addr.s6_addr[0] = 0xfd;
	s->epoch = TEST_SHOW_NOW - 100;
	s->renew_in_s = 3000;
	s->expires_in_s = 86000;
	s->handshake_wall = state == SESSION_UP ? TEST_SHOW_NOW - 45 : 0;
	s->rx_bytes = 1536;
	s->tx_bytes = 1023;
	s->n_exchanges = 1;
	snprintf(s->group, sizeof(s->group), "x25519");
}

/* Two servers, both up, policy loaded. */
static void test_show_setup(void)
{
	test_show_status = (struct status){
		.zone = "prod",
		.interface = "postern0",
		.now_wall = TEST_SHOW_NOW,
		.uptime_s = 7300,
		.host_addr = { .s6_addr = { 0xfd, 0x12, [15] = 9 } },
		.n_servers = 2,
	};
	test_show_server(0, SESSION_UP, PST_NONE);
	test_show_server(1, SESSION_UP, PST_NONE);
	test_show_report = (struct show_report){
		.status = &test_show_status,
		.trouble = "tunneld does not run",
		.policy = ASK_POLICY_LOADED,
	};
}

/* The second server has lost its way. */
static void test_show_degrade(void)
{
	struct status_server *s = &test_show_status.servers[1];

	test_show_server(1, SESSION_WAIT, PST_TCP_CONNECT);
	s->last_code = PST_TCP_CONNECT;
	s->n_failed = 2;
	s->next_try_s = 4;
	s->rx_bytes = s->tx_bytes = 0;
	snprintf(s->detail, sizeof(s->detail), "Connection refused");
}

/* What the report is as text or as JSON. Gives a string of the heap. */
static char *test_show_write(bool json, bool colour)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	int r = 0;

	if (json)
		r = show_json(&test_show_report, to);
	else
		show_text(&test_show_report, colour, to);
	CU_ASSERT_EQUAL(r, 0);
	fclose(to);
	return text;
}

static void test_show_expect(unsigned int line, bool json, const char *want)
{
	char *got = test_show_write(json, false);

	if (strcmp(got, want))
		tap_fail(__FILE__, line, "got:\n%s\nwanted:\n%s", got, want);
	free(got);
}

/* The text has @part, or has it not. */
static void test_show_expect_part(unsigned int line, const char *part, bool is_there)
{
	char *got = test_show_write(false, false);

	if (!strstr(got, part) == is_there)
		tap_fail(__FILE__, line, "%s '%s' in:\n%s", is_there ? "no" : "a", part, got);
	free(got);
}

static void test_show_text_ok(void)
{
	test_show_expect(__LINE__, false, test_show_ok_text);
}

static void test_show_text_degraded(void)
{
	test_show_degrade();
	test_show_expect(__LINE__, false, test_show_degraded_text);
}

static void test_show_text_down(void)
{
	test_show_report.status = NULL;
	test_show_report.policy = ASK_POLICY_UNKNOWN;
	test_show_expect(__LINE__, false, test_show_down_text);
}

static void test_show_json_ok(void)
{
	test_show_status.n_servers = 1;
	test_show_expect(__LINE__, true, test_show_ok_json);
}

static void test_show_json_degraded(void)
{
	test_show_degrade();
	test_show_report.policy = ASK_POLICY_DRIFT;
	test_show_expect(__LINE__, true, test_show_degraded_json);
}

static void test_show_json_down(void)
{
	test_show_report.status = NULL;
	test_show_report.policy = ASK_POLICY_UNKNOWN;
	test_show_expect(__LINE__, true, test_show_down_json);
}

static void test_show_judgement(void)
{
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_OK);
	test_show_report.policy = ASK_POLICY_UNKNOWN; /* no root, no netpolicy: not a fault */
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_OK);
	test_show_report.policy = ASK_POLICY_DRIFT;
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_DEGRADED);
	test_show_degrade();
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_DEGRADED);
	test_show_server(0, SESSION_STALE, PST_HANDSHAKE_STALE);
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_DOWN);
	test_show_report.policy = ASK_POLICY_LOADED;
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_DOWN);
	test_show_report.status = NULL;
	CU_ASSERT_EQUAL(show_health(&test_show_report), STATUS_DOWN);
}

static void test_show_reasons(void)
{
	char text[512], small[8];

	test_show_report.policy = ASK_POLICY_DRIFT;
	show_reason(&test_show_report, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "2 of 2 configuration servers reached through the tunnel; the "
				     "policy is not as configured");
	/* Just started: nothing is known to be missing yet. */
	test_show_server(1, SESSION_EXCHANGE, PST_NONE);
	show_reason(&test_show_report, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "1 of 2 configuration servers reached; cfg2: exchange; the "
				     "policy is not as configured");
	show_reason(&test_show_report, small, sizeof(small));
	CU_ASSERT_STRING_EQUAL(small, "1 of 2 ");
}

static void test_show_colours(void)
{
	static const char *const want[] = { "\033[1;32mOK\033[0m: ", "\033[1;33mDEGRADED\033[0m: ",
					    "\033[1;31mDOWN\033[0m: " };
	char *got;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		if (i == 1)
			test_show_degrade();
		if (i == 2)
			test_show_report.status = NULL;
		got = test_show_write(false, true);
		CU_ASSERT_EQUAL(strncmp(got, want[i], strlen(want[i])), 0);
		CU_ASSERT_PTR_NULL(strchr(got + strlen(want[i]), '\033'));
		free(got);
		got = test_show_write(false, false);
		CU_ASSERT_PTR_NULL(strchr(got, '\033'));
		free(got);
	}
}

/* Each lease column a server may show. */
static void test_show_leases(void)
{
	struct status_server *s = &test_show_status.servers[1];

	test_show_expect_part(__LINE__, "renews in 50 min", true);
	s->exchanging = true;
	test_show_expect_part(__LINE__, "renewing", true);
	s->leased = false;
	test_show_expect_part(__LINE__, "asking", true);
	s->exchanging = false;
	test_show_expect_part(__LINE__, "next try in 50 min", true);
	s->leased = true;
	s->expires_in_s = 0;
	test_show_expect_part(__LINE__, "expired", true);
}

static void test_show_units(void)
{
	struct status_server *s = &test_show_status.servers[0];

	s->rx_bytes = UINT64_C(1) << 30;
	s->tx_bytes = UINT64_MAX;
	s->handshake_wall = TEST_SHOW_NOW - 172800;
	test_show_expect_part(__LINE__, "1.0 GiB", true);
	test_show_expect_part(__LINE__, "16777216.0 TiB", true);
	test_show_expect_part(__LINE__, "2 d ago", true);
	s->handshake_wall = TEST_SHOW_NOW - 7200;
	test_show_expect_part(__LINE__, "2 h ago", true);
	s->handshake_wall = TEST_SHOW_NOW - 7199;
	test_show_expect_part(__LINE__, "119 min ago", true);
	s->handshake_wall = TEST_SHOW_NOW - 119;
	test_show_expect_part(__LINE__, "119 s ago", true);
	s->handshake_wall = TEST_SHOW_NOW + 60; /* the clock was put back */
	test_show_expect_part(__LINE__, "0 s ago", true);
}

static void test_show_troubles_of_tunneld(void)
{
	test_show_expect_part(__LINE__, "put back", false);
	test_show_expect_part(__LINE__, "malformed", false);
	test_show_status.n_repairs = 3;
	test_show_status.n_malformed = 4;
	memset(&test_show_status.host_addr, 0, sizeof(test_show_status.host_addr));
	test_show_expect_part(__LINE__, "host without address", true);
	test_show_expect_part(__LINE__, ", 3 kernel changes put back, 4 malformed worker frames\n",
			      true);
}

/* Whatever printable text a server sent: it is data, in both forms. Codes that this program does
 * not know come from a newer tunneld. */
static void test_show_hostile_texts(void)
{
	static const char hostile[] = "%n%s\"},{\"x\\u001b";
	struct status_server *s = &test_show_status.servers[1];
	json_t *root;
	char *got;

	test_show_degrade();
	snprintf(s->detail, sizeof(s->detail), "%s", hostile);
	memset(s->name, '%', sizeof(s->name) - 1);
	snprintf(test_show_status.zone, sizeof(test_show_status.zone), "%s", hostile);
	test_show_expect_part(__LINE__, hostile, true);
	got = test_show_write(true, false);
	root = json_loads(got, JSON_REJECT_DUPLICATES, NULL);
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_object_get(json_object_get(root, "tunneld"), "zone")),
		hostile);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "servers")), 2);
	json_decref(root);
	free(got);
	s->missing = s->last_code = (enum pst)65535;
	test_show_expect_part(__LINE__, "PST-65535 unknown code", true);
	test_show_expect_part(__LINE__, "said:", false);
}

/* The directory of --run-dir may have any bytes; JSON may not. */
static void test_show_trouble_that_is_not_utf8(void)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	json_t *root;

	test_show_report.status = NULL;
	test_show_report.trouble = "nothing listens in /run/\xff\xfe";
	CU_ASSERT_EQUAL(show_json(&test_show_report, to), 0);
	fclose(to);
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "status")), "DOWN");
	json_decref(root);
	free(text);
}

static int test_show_into_nothing(void *ctx)
{
	return show_json(&test_show_report, ctx);
}

static void test_show_out_of_memory(void)
{
	FILE *to = fopen("/dev/null", "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	json_set_alloc_funcs(malloc, free);
	test_show_degrade();
	CU_ASSERT_TRUE(torture(test_show_into_nothing, to) > 20);
	fclose(to);
}

static const struct tap_test test_show_tests[] = {
	{ "text ok", test_show_text_ok },
	{ "text degraded", test_show_text_degraded },
	{ "text down", test_show_text_down },
	{ "json ok", test_show_json_ok },
	{ "json degraded", test_show_json_degraded },
	{ "json down", test_show_json_down },
	{ "judgement", test_show_judgement },
	{ "reasons", test_show_reasons },
	{ "colours", test_show_colours },
	{ "leases", test_show_leases },
	{ "units", test_show_units },
	{ "troubles of tunneld", test_show_troubles_of_tunneld },
	{ "hostile texts", test_show_hostile_texts },
	{ "trouble that is not UTF-8", test_show_trouble_that_is_not_utf8 },
	{ "out of memory", test_show_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_show_suites[] = {
	{ "show", test_show_tests, test_show_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_show_suites);
}
