/* SPDX-License-Identifier: MIT */
/* Every row of the assumptions, broken with the stock tools in a network namespace, and found. */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "netpolicy/observe/assume.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static const char uplinks[][IFNAMSIZ] = { "up0" };
static const char tunnels[][IFNAMSIZ] = { "tun0" };

static struct assume_report report;

/* A host with an uplink, and the guard on it. */
static bool host_fresh(void)
{
	if (!netns_fresh())
		return false;
	netns_run("ip link add up0 type veth peer name far0 && ip link set up0 up");
	netns_run("nft 'table netdev postern_guard { chain egress_up0 { type filter hook egress "
		  "device up0 priority 500; counter; }; }'");
	return true;
}

static void look(uint32_t mark)
{
	struct assume_input in = { uplinks, 1, tunnels, mark ? 1 : 0, mark };

	CU_ASSERT_EQUAL(assume_look(&in, &report), 0);
}

/* Expects a row with that outcome, and words in it. */
static const struct assume_row *expect(const char *id, enum assume_outcome outcome,
				       const char *words)
{
	for (size_t i = 0; i < report.n; i++)
		if (!strcmp(report.list[i].id, id) && report.list[i].outcome == outcome &&
		    strstr(report.list[i].text, words)) {
			CU_PASS("found");
			return &report.list[i];
		}
	tap_fail(__FILE__, __LINE__, "no row %s, %s, '%s'", id, assume_outcome_name(outcome),
		 words);
	for (size_t i = 0; i < report.n; i++)
		tap_note("%s %s: %s", report.list[i].id,
			 assume_outcome_name(report.list[i].outcome), report.list[i].text);
	return NULL;
}

static void expect_bears(const char *id, enum assume_outcome outcome, const char *words,
			 unsigned int bears)
{
	const struct assume_row *row = expect(id, outcome, words);

	if (row)
		CU_ASSERT_EQUAL(row->bears_on, bears);
}

static void test_clean(void)
{
	if (!host_fresh())
		return;
	look(0);
	for (size_t i = 0; i < report.n; i++)
		if (report.list[i].bears_on && report.list[i].outcome != ASSUME_HOLDS)
			tap_fail(__FILE__, __LINE__, "%s: %s", report.list[i].id,
				 report.list[i].text);
	CU_ASSERT_EQUAL(report.n_broken, 0);
	CU_ASSERT_EQUAL(report.n_unknown, 0);
	expect("no-foreign-nat", ASSUME_HOLDS, "no foreign rule");
	expect("guard-on-up0", ASSUME_HOLDS, "egress");
	expect("no-tc-on-up0", ASSUME_HOLDS, "0 filters");
	expect("no-xdp-on-up0", ASSUME_HOLDS, "no XDP");
	expect("packet-sockets", ASSUME_HOLDS, "0 open");
	expect("foreign-chains", ASSUME_HOLDS, "0 base chains");
}

static void test_harmless_strangers(void)
{
	if (!host_fresh())
		return;
	netns_run("nft 'table inet other { set s { type ipv4_addr; flags dynamic; timeout 1m; }; "
		  "chain in { type filter hook input priority -200; policy accept; "
		  "ip saddr 10.0.0.0/8 counter limit rate 1/second log accept; "
		  "meta priority set 1; ct mark set 7; add @s { ip saddr }; drop; }; }'");
	netns_run(
		"nft 'table ip empty { chain pre { type nat hook prerouting priority -100; }; }'");
	/* Without a base chain nothing runs these. */
	netns_run("nft 'table ip asleep { chain c { meta mark set 1; }; }'");
	look(0x504f);
	expect("no-foreign-nat", ASSUME_HOLDS, "");
	expect("no-foreign-mark", ASSUME_HOLDS, "");
	expect("no-foreign-divert", ASSUME_HOLDS, "");
	expect("foreign-rules-understood", ASSUME_HOLDS, "");
	expect("foreign-chains", ASSUME_HOLDS, "2 base chains of other programs, 1 of type nat");
	CU_ASSERT_EQUAL(report.n_broken, 0);
}

/* Each rule of a stranger, and how it is called. */
static const struct {
	const char *table; /* text for nft */
	const char *id;
	const char *words;
	unsigned int bears;
} foreign_cases[] = {
	{ "table ip6 n { chain pre { type nat hook prerouting priority -100; tcp dport 80 "
	  "redirect to :8080; }; }",
	  "no-foreign-nat", "ip6 n, chain pre: redir", ASSUME_ON_IN },
	{ "table ip6 n { chain o { type nat hook output priority -100; dnat to 2001:db8::1; }; }",
	  "no-foreign-nat", "ip6 n, chain o: nat", ASSUME_ON_OUT },
	{ "table ip n { chain post { type nat hook postrouting priority 100; masquerade; "
	  "oif lo masquerade; }; }",
	  "no-foreign-nat", "chain post: masq, several", ASSUME_ON_OUT },
	{ "table inet m { chain o { type route hook output priority -150; jump x; }; "
	  "chain x { meta mark set 0x504f; }; }",
	  "no-foreign-mark", "inet m, chain x: meta mark set", ASSUME_ON_OUT },
	{ "table inet t { chain pre { type filter hook prerouting priority -300; udp dport 1 "
	  "notrack; }; }",
	  "no-foreign-notrack", "inet t, chain pre: notrack", ASSUME_ON_IN },
	{ "table ip6 p { chain pre { type filter hook prerouting priority -150; meta l4proto tcp "
	  "tproxy to :1; }; }",
	  "no-foreign-divert", "tproxy", ASSUME_ON_IN },
	{ "table inet w { chain o { type filter hook output priority 0; tcp dport set 443; }; }",
	  "no-foreign-divert", "a header is rewritten", ASSUME_ON_OUT },
	{ "table netdev d { chain i { type filter hook ingress device up0 priority 0; dup to lo; "
	  "}; }",
	  "no-foreign-divert", "netdev d, chain i: dup", ASSUME_ON_BOTH },
	{ "table netdev d { chain i { type filter hook ingress device up0 priority 0; fwd to lo; "
	  "}; }",
	  "no-foreign-divert", "netdev d, chain i: fwd", ASSUME_ON_BOTH },
};

static void test_foreign_rules(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign_cases); i++) {
		if (!host_fresh())
			return;
		netns_run("nft '%s'", foreign_cases[i].table);
		look(0x504f);
		expect_bears(foreign_cases[i].id, ASSUME_BROKEN, foreign_cases[i].words,
			     foreign_cases[i].bears);
		CU_ASSERT_TRUE(report.n_broken > 0);
	}
}

static void test_mark_without_tunnel_is_a_note(void)
{
	if (!host_fresh())
		return;
	netns_run("nft 'table inet m { chain o { type route hook output priority -150; "
		  "meta mark set 1; }; }'");
	look(0);
	expect_bears("no-foreign-mark", ASSUME_BROKEN, "meta mark", 0);
	CU_ASSERT_EQUAL(report.n_broken, 0);
}

static void test_names_cannot_steer_a_terminal(void)
{
	char long_name[120];

	if (!host_fresh())
		return;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	netns_run("nft 'table ip6 %s { chain pre { type nat hook prerouting priority -100; "
		  "redirect; }; }'",
		  long_name);
	look(0);
	expect("no-foreign-nat", ASSUME_BROKEN, "xxxxxxxx");
}

static void test_more_chains_than_fit(void)
{
	if (!host_fresh())
		return;
	for (int i = 0; i < 50; i++)
		netns_run("nft 'table ip6 n%d { chain pre { type nat hook prerouting priority "
			  "-100; redirect; }; }'",
			  i);
	look(0);
	CU_ASSERT_EQUAL(report.n, report.n < ASSUME_MAX ? report.n : ASSUME_MAX);
	expect("no-foreign-mark", ASSUME_UNKNOWN, "more rules");
	CU_ASSERT_TRUE(report.n_unknown > 0);
}

static void test_rows_that_do_not_fit(void)
{
	struct assume_row row = { "x", ASSUME_HOLDS, ASSUME_ON_IN, "" };
	struct assume_report r = { 0 };

	for (int i = 0; i < ASSUME_MAX - 1; i++)
		assume_add(&r, &row);
	CU_ASSERT_EQUAL(r.n, ASSUME_MAX - 1);
	CU_ASSERT_EQUAL(r.n_unknown, 0);
	assume_add(&r, &row);
	CU_ASSERT_EQUAL(r.n, ASSUME_MAX);
	CU_ASSERT_EQUAL(r.n_unknown, 1);
	CU_ASSERT_STRING_EQUAL(r.list[ASSUME_MAX - 1].id, "more-than-fits");
	assume_add(&r, &row);
	CU_ASSERT_EQUAL(r.n, ASSUME_MAX);
}

static void test_guard(void)
{
	if (!host_fresh())
		return;
	netns_run("nft flush table netdev postern_guard");
	look(0);
	expect("guard-on-up0", ASSUME_BROKEN, "no egress chain");
	netns_run("nft delete table netdev postern_guard");
	look(0);
	expect("guard-on-up0", ASSUME_BROKEN, "packet sockets");
	netns_run("ip link del up0");
	look(0);
	expect("guard-on-up0", ASSUME_HOLDS, "does not exist");
	expect("no-tc-on-up0", ASSUME_HOLDS, "does not exist");
}

/* Runs a command that not every kernel can do. False: the test is skipped. */
static bool can_do(const char *command)
{
	char *said = netns_output(command);
	bool can = strstr(said, "done") != NULL;

	free(said);
	if (!can)
		tap_skip("this kernel cannot do that");
	return can;
}

static void test_queue(void)
{
	if (!host_fresh() ||
	    !can_do("nft 'table inet q { chain o { type filter hook output priority 0; "
		    "queue num 1 bypass; }; }' 2>&1 && echo done"))
		return;
	look(0x504f);
	expect_bears("no-foreign-divert", ASSUME_BROKEN, "chain o: queue", ASSUME_ON_OUT);
}

static void test_flow_table(void)
{
	if (!host_fresh() || !can_do("nft 'table inet f { flowtable ft { hook ingress priority 0; "
				     "devices = { up0 }; }; }' 2>&1 && echo done"))
		return;
	look(0x504f);
	expect_bears("no-flow-table", ASSUME_BROKEN, "inet f, flow table ft", ASSUME_ON_BOTH);
}

static void test_tc(void)
{
	if (!host_fresh() || !can_do("tc qdisc add dev up0 clsact 2>&1 && echo done"))
		return;
	look(0);
	expect("no-tc-on-up0", ASSUME_HOLDS, "0 filters");
	netns_run("tc filter add dev up0 egress u32 match u32 0 0 flowid 1:1");
	look(0);
	expect_bears("no-tc-on-up0", ASSUME_BROKEN, "the first is u32, egress", ASSUME_ON_BOTH);
	netns_run("tc filter add dev up0 ingress u32 match u32 0 0 flowid 1:1");
	look(0);
	expect("no-tc-on-up0", ASSUME_BROKEN, "the first is u32, ingress, egress");
	netns_run("tc qdisc del dev up0 clsact && tc qdisc add dev up0 handle ffff: ingress && "
		  "tc filter add dev up0 parent ffff: u32 match u32 0 0 flowid 1:1");
	look(0);
	expect("no-tc-on-up0", ASSUME_BROKEN, "the first is u32, ingress");
}

static void test_tc_of_a_class(void)
{
	if (!host_fresh() || !can_do("tc qdisc add dev up0 root handle 1: htb 2>&1 && echo done"))
		return;
	netns_run("tc filter add dev up0 parent 1: u32 match u32 0 0 flowid 1:1");
	look(0);
	expect("no-tc-on-up0", ASSUME_BROKEN, "the first is u32, egress");
}

/* What the headers of Debian 12 do not know yet. Source: linux/bpf.h of 6.6. */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };

/* Attaches a program that lets everything pass, as long as the descriptor is open. -1: skip. */
static int attach(uint32_t type, uint32_t where)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = type,
				.insns = (uint64_t)(uintptr_t)code,
				.insn_cnt = 2,
				.license = (uint64_t)(uintptr_t) "MIT" };
	union bpf_attr link = { .link_create = { .target_ifindex = if_nametoindex("up0"),
						 .attach_type = where } };
	_cleanup_(closep) int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	int fd;

	link.link_create.prog_fd = (uint32_t)program;
	fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));
	if (fd < 0)
		tap_skip("this kernel cannot attach such a program");
	return fd;
}

static void test_xdp(void)
{
	int fd = host_fresh() ? attach(BPF_PROG_TYPE_XDP, BPF_XDP) : -1;

	if (fd < 0)
		return;
	look(0);
	expect_bears("no-xdp-on-up0", ASSUME_BROKEN, "before any rule", ASSUME_ON_BOTH);
	closep(&fd);
	look(0);
	expect("no-xdp-on-up0", ASSUME_HOLDS, "no XDP");
}

static void test_tcx(void)
{
	int fd = host_fresh() ? attach(BPF_PROG_TYPE_SCHED_CLS, TCX_EGRESS) : -1;
	int second;

	if (fd < 0)
		return;
	look(0);
	expect_bears("no-tcx-on-up0", ASSUME_BROKEN, "1 program of tcx", ASSUME_ON_BOTH);
	second = attach(BPF_PROG_TYPE_SCHED_CLS, TCX_INGRESS);
	look(0);
	expect("no-tcx-on-up0", ASSUME_BROKEN, "2 programs of tcx");
	closep(&fd);
	closep(&second);
	look(0);
	expect("no-tcx-on-up0", ASSUME_HOLDS, "0 programs");
}

static void test_tunnel(void)
{
	if (!host_fresh())
		return;
	look(0x504f);
	expect("wireguard-on-tun0", ASSUME_HOLDS, "does not exist");
	netns_run("ip link add tun0 type veth peer name x0");
	look(0x504f);
	expect_bears("wireguard-on-tun0", ASSUME_BROKEN, "of kind 'veth'", ASSUME_ON_OUT);
	netns_run("ip link del tun0");
}

static void test_wireguard(void)
{
	char *kind;

	if (!host_fresh())
		return;
	kind = netns_output("ip link add tun0 type wireguard 2>&1 && echo made");
	if (!strstr(kind, "made")) {
		free(kind);
		tap_skip("this kernel has no WireGuard");
		return;
	}
	free(kind);
	look(0x504f);
	expect("wireguard-on-tun0", ASSUME_BROKEN, "mark 0x0, not the one");
	netns_run("wg set tun0 fwmark 0x504f");
	look(0x504f);
	expect("wireguard-on-tun0", ASSUME_HOLDS, "mark 0x504f");
}

/* /proc/sys/net is that of the process, so plain writes do. */
static const struct {
	const char *path, *id, *words;
	unsigned int bears;
} sysctl_cases[] = {
	{ "ipv6/conf/all/forwarding", "forwarding-off", "ipv6/conf/all/forwarding is 1: the host",
	  ASSUME_ON_BOTH },
	{ "ipv6/conf/up0/forwarding", "forwarding-off", "ipv6/conf/up0/forwarding is 1",
	  ASSUME_ON_BOTH },
	{ "ipv4/ip_forward", "forwarding-off", "ipv4/ip_forward is 1", ASSUME_ON_BOTH },
	{ "ipv4/conf/all/accept_source_route", "no-source-routes", "all/accept_source_route is 1",
	  ASSUME_ON_IN },
	{ "ipv6/conf/up0/accept_source_route", "no-source-routes", "up0/accept_source_route is 1",
	  ASSUME_ON_IN },
	{ "ipv6/conf/up0/accept_redirects", "no-redirects", "up0/accept_redirects is 1", 0 },
	{ "netfilter/nf_conntrack_tcp_loose", "no-pick-up", "tcp_loose is 1", 0 },
};

static void test_sysctls(void)
{
	if (!host_fresh())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(sysctl_cases); i++) {
		netns_run("echo 1 >/proc/sys/net/%s", sysctl_cases[i].path);
		look(0);
		expect_bears(sysctl_cases[i].id, ASSUME_BROKEN, sysctl_cases[i].words,
			     sysctl_cases[i].bears);
		netns_run("echo 0 >/proc/sys/net/%s", sysctl_cases[i].path);
	}
	look(0);
	expect("no-redirects", ASSUME_HOLDS, "ipv6/conf/up0/accept_redirects is 0");
	expect("no-pick-up", ASSUME_HOLDS, "tcp_loose is 0");
}

static void test_packet_sockets(void)
{
	if (!host_fresh())
		return;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	CU_ASSERT_TRUE(fd >= 0);
	look(0);
	expect_bears("packet-sockets", ASSUME_HOLDS, "1 open", 0);
	closep(&fd);
}

static const struct tap_test tests[] = {
	{ "a clean host", test_clean },
	{ "what strangers may do", test_harmless_strangers },
	{ "foreign rules", test_foreign_rules },
	{ "a mark without a tunnel is a note", test_mark_without_tunnel_is_a_note },
	{ "names of strangers", test_names_cannot_steer_a_terminal },
	{ "more foreign chains than fit", test_more_chains_than_fit },
	{ "rows that do not fit", test_rows_that_do_not_fit },
	{ "guard", test_guard },
	{ "queue", test_queue },
	{ "flow table", test_flow_table },
	{ "tc", test_tc },
	{ "XDP", test_xdp },
	{ "tcx", test_tcx },
	{ "tc of a class", test_tc_of_a_class },
	{ "tunnel", test_tunnel },
	{ "WireGuard", test_wireguard },
	{ "sysctls", test_sysctls },
	{ "packet sockets", test_packet_sockets },
	{ 0 },
};

static const struct tap_suite suites[] = { { "assume", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
