/* SPDX-License-Identifier: MIT */
/*
 * The kernel layer on a kernel with WireGuard: makes the state of a host, spoils it with stock
 * tools and repairs it by plans. Run by the scenario kern-apply-adopts-and-diffs.
 * LAB_KERN_PEERS=n in the environment sets the size of the big interface.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/kern.h"
#include "tunneld/kern/kernwatch.h"
#include "tunneld/kern/wgdev.h"

#define PEERS_DEFAULT 1000

/* All of ours as stock tools show it, in an order that does not depend on the past, in few
 * processes: each costs 40 ms under emulation. "wg show dump" has 4 fields for the interface, 8 for
 * a peer. */
#define SNAPSHOT                                                                                   \
	"{ ip -6 route show table 20559; ip -6 rule; "                                             \
	"ip -6 -o addr show dev postern0 scope global; "                                           \
	"ip -o link show dev postern0; wg show postern0 dump; } | awk '"                           \
	"{ n = split($0, t, \"\\t\") } "                                                           \
	"n == 4 { print t[4]; next } "                                                             \
	"n == 8 { print t[1], t[2], t[3], t[8]; "                                                  \
	"n = split(t[4], a, \",\"); for (i = 1; i <= n; i++) print t[1], a[i]; next } "            \
	"/^[0-9]+: postern0: / { print (/[<,]UP[,>]/ ? \"up\" : \"down\"); "                       \
	"if (match($0, /mtu [0-9]+/)) print substr($0, RSTART, RLENGTH); next } "                  \
	"/^[0-9]+: postern0 / { print $4; next } "                                                 \
	"/^[0-9]+:/ && !/^20559:/ { next } { print }' | sort"

/* What belongs to others. */
#define FOREIGN                                                                                    \
	"ip -6 route show table main dev up0 proto boot; ip -6 route show table 20560; "           \
	"ip -6 rule | grep -v 20559; ip -6 addr show dev up0 scope global; "                       \
	"ip -o link show dev wg9; ip -o link show dev up0; wg show wg9; "                          \
	"ip -6 addr show dev wg9 scope global"

static const struct netstate_names names = {
	.ifname = "postern0",
	.table = NETSTATE_TABLE,
	.rule_priority = NETSTATE_RULE_PRIORITY,
	.fwmark = NETSTATE_FWMARK,
};
static struct netstate want, have;
static struct plan plan;
static struct kern *kern;

/* ---- the host's wish ---- */

static struct ip6_prefix prefix(const char *text)
{
	struct ip6_prefix p = { 0 };

	CU_ASSERT_EQUAL(ip6_parse_prefix(text, &p), 0);
	return p;
}

static void want_routes(const struct ip6_prefix *p)
{
	struct netstate_route r = { *p, NETSTATE_DEV, NETSTATE_METRIC_DEV };

	CU_ASSERT_EQUAL(netstate_put_route(&want, &r), 0);
	r.kind = NETSTATE_UNREACHABLE;
	r.metric = NETSTATE_METRIC_UNREACHABLE;
	CU_ASSERT_EQUAL(netstate_put_route(&want, &r), 0);
}

static void want_peer(unsigned int n)
{
	struct netstate_peer p = { .has_psk = true, .knows_psk = true, .keepalive_s = 25 };
	char text[64];

	memset(p.key.bytes, (int)(0x10 + n), sizeof(p.key.bytes));
	memset(p.psk.bytes, (int)(0x60 + n), sizeof(p.psk.bytes));
	CU_ASSERT_EQUAL(ip6_parse_endpoint("[2001:db8:c::1]:51820", &p.endpoint), 0);
	p.endpoint.addr.s6_addr[15] = (uint8_t)n;
	snprintf(text, sizeof(text), "fd12::%u/128", n);
	p.allowed[p.n_allowed++] = prefix(text);
	snprintf(text, sizeof(text), "2001:db8:c::%u/128", n);
	p.allowed[p.n_allowed++] = prefix(text);
	want_routes(&p.allowed[0]);
	want_routes(&p.allowed[1]);
	CU_ASSERT_EQUAL(netstate_put_peer(&want, &p), 0);
}

static void want_all(void)
{
	const struct netstate_addr addr = { prefix("fd12:0:0:1::9/128").addr, 128 };

	memset(&want, 0, sizeof(want));
	want.link = (struct netstate_link){
		.present = true, .up = true, .has_key = true, .mtu = 1280, .fwmark = 0x504f
	};
	want.rule = true;
	CU_ASSERT_EQUAL(netstate_put_addr(&want, &addr), 0);
	for (unsigned int n = 1; n <= 3; n++)
		want_peer(n);
}

/* ---- reading, planning, doing ---- */

static void read_and_plan(void)
{
	CU_ASSERT_EQUAL(kern_read(kern, &names, &have), 0);
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
}

static void repair(void)
{
	read_and_plan();
	for (size_t i = 0; i < plan.n_ops; i++) {
		int r = kern_apply(kern, &names, &plan.ops[i]);

		if (r < 0)
			tap_fail(__FILE__, __LINE__, "%s: %s (%s)",
				 plan_kind_text(plan.ops[i].kind), strerror(-r),
				 kern_error_text(kern));
	}
}

static void expect_nothing_to_do(const char *after)
{
	read_and_plan();
	if (plan.n_ops)
		tap_fail(__FILE__, __LINE__, "after '%s' still: %s, %zu steps", after,
			 plan_kind_text(plan.ops[0].kind), plan.n_ops);
}

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	CU_ASSERT_EQUAL_FATAL(kern_open(&kern), 0);
	netns_run("ip link add up0 type veth peer name up1 && ip link set up0 up && "
		  "ip link set up1 up && ip -6 addr add 2001:db8:1::2/64 dev up0 nodad");
	want_all();
	repair();
	return true;
}

static void teardown(void)
{
	kern_close(kern);
	kern = NULL;
}

/* ---- tests ---- */

static void test_made_and_read_back(void)
{
	if (!fresh())
		return;
	expect_nothing_to_do("making it");
	CU_ASSERT_TRUE(have.link.has_key);
	CU_ASSERT_FALSE(wgkey_is_weak(&have.link.public_key));
	CU_ASSERT_EQUAL(have.n_peers, 3);
	CU_ASSERT_TRUE(have.n_peers &&
		       secret_equal(&want.peers[0].psk,
				    &netstate_find_peer(&have, &want.peers[0].key)->psk));
	netns_expect("ip -6 rule | grep 20559 | tr '\\t' ' '",
		     "20559: not from all fwmark 0x504f lookup 20559 proto static");
	netns_expect("wg show postern0 fwmark", "0x504f");
	netns_expect("wg show postern0 peers | wc -l", "3");
	netns_expect("ip -6 route show table 20559 | grep -c '^unreachable.*metric 4000000'", "6");
	netns_expect("ip -6 route show table 20559 | grep -c 'dev postern0.*metric 1024'", "6");
	netns_expect("ip -6 route get 2001:db8:c::1 | grep -o 'dev postern0'", "dev postern0");
	netns_expect("ip -6 addr show dev postern0 | grep -c inet6", "1");
}

/* $PEER is the first peer's key, $PSK a file. */
static const char *const spoils[] = {
	"ip -6 route del fd12::1 dev postern0 table 20559",
	"ip -6 route del unreachable fd12::1 table 20559",
	"ip -6 route flush table 20559",
	"ip -6 route replace fd12::1 dev up0 metric 1024 table 20559",
	"ip -6 route add fd12::1 dev up0 metric 1 table 20559",
	"ip -6 rule del pref 20559",
	"ip -6 rule add lookup 20559 pref 20559",
	"ip -6 rule del pref 20559; ip -6 rule add fwmark 0x504f lookup 20559 pref 20559",
	"ip -6 addr del fd12:0:0:1::9/128 dev postern0",
	"ip -6 addr add fd12:0:0:1::a/64 dev postern0",
	"ip -6 addr flush dev postern0",
	"ip link set postern0 down",
	"ip link set postern0 mtu 1420",
	"ip link set postern0 mtu 1200", /* takes IPv6 away */
	"wg set postern0 fwmark 0",
	"wg set postern0 peer $PEER remove",
	"wg set postern0 peer $PEER allowed-ips fd12::1/128",
	"wg set postern0 peer $PEER allowed-ips fd12::1/128,2001:db8:c::1/128,fd12::2/128",
	"wg set postern0 peer $PEER allowed-ips fd12::1/128,2001:db8:c::1/128,10.0.0.0/8,fd55::/16",
	"wg set postern0 peer $PEER preshared-key /dev/null",
	"wg genpsk > $PSK; wg set postern0 peer $PEER preshared-key $PSK; rm $PSK",
	"wg set postern0 peer $PEER endpoint 192.0.2.1:1",
	"wg set postern0 peer $PEER persistent-keepalive 0",
	"wg set postern0 peer $(wg genkey | wg pubkey) allowed-ips fd12::2/128,::/0",
	"wg genkey > $PSK; wg set postern0 private-key $PSK; rm $PSK",
	"ip link del postern0",
	"ip link del postern0; ip -6 rule del pref 20559; ip -6 route flush table 20559",
};

static void spoil(const char *what)
{
	char key[WGKEY_TEXT];

	netns_run("PEER='%s' PSK=/tmp/kern_real.%d; %s", wgkey_format(&want.peers[0].key, key),
		  (int)getpid(), what);
}

static void test_spoiled_and_repaired(void)
{
	char *before, *spoiled, *after;

	if (!fresh())
		return;
	before = netns_output(SNAPSHOT);
	for (size_t i = 0; i < ARRAY_SIZE(spoils); i++) {
		spoil(spoils[i]);
		spoiled = netns_output("exec 2>/dev/null; " SNAPSHOT);
		/* another private key is not ours to undo: the kernel's counts */
		if (!strcmp(before, spoiled) && !strstr(spoils[i], "private-key"))
			tap_fail(__FILE__, __LINE__, "spoils nothing: %s", spoils[i]);
		repair();
		expect_nothing_to_do(spoils[i]);
		after = netns_output(SNAPSHOT);
		if (strcmp(before, after) != 0)
			tap_fail(__FILE__, __LINE__, "'%s' leaves '%s', was '%s'", spoils[i], after,
				 before);
		free(spoiled);
		free(after);
	}
	free(before);
}

static void test_adopted(void)
{
	char *before, *after;
	struct kern *second;

	if (!fresh())
		return;
	before = netns_output(SNAPSHOT "; wg show postern0 public-key");
	kern_close(kern);
	CU_ASSERT_EQUAL_FATAL(kern_open(&second), 0);
	kern = second;
	/* a new process knows no pre-shared key */
	for (size_t i = 0; i < want.n_peers; i++)
		want.peers[i].knows_psk = false;
	expect_nothing_to_do("a restart");
	CU_ASSERT_EQUAL(plan.needs_psk, 0);
	after = netns_output(SNAPSHOT "; wg show postern0 public-key");
	CU_ASSERT_STRING_EQUAL(before, after);
	free(before);
	free(after);
}

static void test_peer_without_psk_stays_away(void)
{
	if (!fresh())
		return;
	spoil("wg set postern0 peer $PEER remove");
	want.peers[0].knows_psk = false;
	repair();
	CU_ASSERT_EQUAL(plan.needs_psk, 1);
	netns_expect("wg show postern0 peers | wc -l", "2");
	want.peers[0].knows_psk = true;
	repair();
	expect_nothing_to_do("the key is known again");
	netns_expect("wg show postern0 peers | wc -l", "3");
}

static void make_foreign(void)
{
	netns_run("ip link add wg9 type wireguard && ip -6 addr add fd99::1/64 dev wg9 && "
		  "wg set wg9 listen-port 9 && ip link set wg9 up");
	netns_run(
		"ip -6 route add fd12::77 dev up0 && ip -6 route add fd12::1 dev up0 table 20560");
	netns_run("ip -6 rule add fwmark 9 lookup 20560 pref 20560 && "
		  "ip -6 rule add to fd12::/16 lookup 20560 pref 20558");
	netns_run("ip -6 addr add fd12:0:0:1::9/128 dev up0 nodad");
}

static void test_foreign_stays(void)
{
	char *before, *after;

	if (!fresh())
		return;
	make_foreign();
	before = netns_output(FOREIGN);
	CU_ASSERT_TRUE(strlen(before) > 500);
	expect_nothing_to_do("strangers came");
	spoil("ip link del postern0; ip -6 rule del pref 20559; ip -6 route flush table 20559");
	repair();
	expect_nothing_to_do("a repair among strangers");
	memset(&want, 0, sizeof(want));
	repair();
	expect_nothing_to_do("all of ours is gone");
	CU_ASSERT_EQUAL(have.link.present, false);
	netns_expect("ip -6 route show table 20559; ip -6 rule | grep 20559", "");
	after = netns_output(FOREIGN);
	if (strcmp(before, after) != 0)
		tap_fail(__FILE__, __LINE__, "it was '%s', now it is '%s'", before, after);
	free(before);
	free(after);
}

static void test_strange_peers_over_the_limit(void)
{
	if (!fresh())
		return;
	netns_run("for i in $(seq %d); do echo peer $(wg genkey | wg pubkey); done | "
		  "xargs wg set postern0",
		  NETSTATE_PEERS_MAX - 2);
	read_and_plan();
	CU_ASSERT_EQUAL(have.n_peers, NETSTATE_PEERS_MAX);
	CU_ASSERT_TRUE(have.truncated);
	repair();
	repair();
	expect_nothing_to_do("strange peers");
	CU_ASSERT_FALSE(have.truncated);
	CU_ASSERT_EQUAL(have.n_peers, 3);
	netns_expect("wg show postern0 peers | wc -l", "3");
}

/* Another WireGuard interface on the same machine answers: a real handshake is seen. */
static void test_handshake_is_seen(void)
{
	struct netstate_peer *p = &want.peers[0];
	struct wgdev_dump gate = { 0 };

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(wgdev_create("gate0"), 0);
	CU_ASSERT_EQUAL(wgdev_set_port("gate0", 51820), 0);
	CU_ASSERT_EQUAL(wgdev_make_key("gate0", &p->key), 0);
	CU_ASSERT_EQUAL(wgdev_read("gate0", &gate), 0);
	CU_ASSERT_TRUE(gate.has_key && wgkey_equal(&gate.public_key, &p->key));
	CU_ASSERT_EQUAL(gate.listen_port, 51820);
	CU_ASSERT_EQUAL(ip6_parse_endpoint("[::1]:51820", &p->endpoint), 0);
	read_and_plan();
	CU_ASSERT_EQUAL(wgdev_put_peers("gate0",
					&(struct wgdev_peer){ .key = have.link.public_key,
							      .psk = p->psk,
							      .flags = WGDEV_PEER_PSK },
					1),
			0);
	netns_run("ip link set gate0 up");
	repair();
	/* the keepalive that is set begins a handshake at once */
	for (int i = 0; i < 1500; i++) {
		expect_nothing_to_do("the peer moved");
		if (netstate_find_peer(&have, &p->key)->handshake_wall_s)
			break;
		/* the kernel tells nobody of a handshake: ask every 20 ms, for 30 s */
		poll(NULL, 0, 20);
	}
	CU_ASSERT_TRUE(netstate_find_peer(&have, &p->key)->handshake_wall_s >= time(NULL) - 60);
	CU_ASSERT_TRUE(netstate_find_peer(&have, &p->key)->rx_bytes > 0);
	CU_ASSERT_TRUE(netstate_find_peer(&have, &p->key)->tx_bytes > 0);
	wgdev_dump_free(&gate);
}

static void test_watched(void)
{
	struct kernwatch *w = NULL;
	bool changed = true;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(kernwatch_open(1, &w), 0);
	CU_ASSERT_EQUAL(kernwatch_drain(w, &names, &changed), 0);
	CU_ASSERT_FALSE(changed);
	netns_run("ip link del postern0");
	CU_ASSERT_EQUAL(kernwatch_drain(w, &names, &changed), 0);
	CU_ASSERT_TRUE(changed);
	netns_batch(200, "route add fd77::%u dev up0\n");
	CU_ASSERT_EQUAL(kernwatch_drain(w, &names, &changed), 0);
	CU_ASSERT_TRUE(changed);
	CU_ASSERT_TRUE(kernwatch_stats(w)->overruns > 0);
	repair();
	expect_nothing_to_do("an overrun");
	kernwatch_close(w);
}

/* ---- as a gateway uses it ---- */

static void test_gateway_route(void)
{
	const struct netstate_names gate = { .ifname = "postern0", .table = 254 };
	struct netstate_route net = { prefix("fd12:0:0:1::/64"), NETSTATE_DEV, 1024 };

	if (!fresh())
		return;
	want.rule = false;
	want.n_routes = 0;
	CU_ASSERT_EQUAL(netstate_put_route(&want, &net), 0);
	CU_ASSERT_EQUAL(kern_read(kern, &gate, &have), 0);
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
	CU_ASSERT_EQUAL(plan.n_ops, 1);
	CU_ASSERT_EQUAL(kern_apply(kern, &gate, &plan.ops[0]), 0);
	CU_ASSERT_EQUAL(kern_read(kern, &gate, &have), 0);
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
	CU_ASSERT_EQUAL(plan.n_ops, 0);
	/* the host's rule and table are somebody else's now */
	netns_expect("ip -6 rule | grep -c 20559; ip -6 route show table 20559 | wc -l", "1\n12");
}

static void number_key(struct wgkey *key, unsigned int n)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->bytes + 1, &n, sizeof(n));
	key->bytes[31] = 0x40;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int put_numbered(unsigned int n)
{
	struct wgdev_peer *peers = calloc(n, sizeof(*peers));
	struct ip6_prefix *allowed = calloc(n, sizeof(*allowed));
	int r = -ENOMEM;

	for (unsigned int i = 0; peers && allowed && i < n; i++) {
		number_key(&peers[i].key, i);
		peers[i].flags = WGDEV_PEER_PSK | WGDEV_PEER_REPLACE;
		peers[i].psk.bytes[0] = 1;
		allowed[i] = prefix("fd77::/128");
		memcpy(&allowed[i].addr.s6_addr[8], &i, sizeof(i));
		peers[i].allowed = &allowed[i];
		peers[i].n_allowed = 1;
	}
	if (peers && allowed)
		r = wgdev_put_peers("big0", peers, n);
	free(peers);
	free(allowed);
	return r;
}

static void remove_numbered(unsigned int n)
{
	struct wgkey *keys = calloc(n, sizeof(*keys));

	for (unsigned int i = 0; keys && i < n; i++)
		number_key(&keys[i], i);
	CU_ASSERT_TRUE(keys && wgdev_remove_peers("big0", keys, n) == 0);
	free(keys);
}

static void check_numbered(unsigned int n)
{
	struct wgdev_dump d = { 0 };

	CU_ASSERT_EQUAL(wgdev_read("big0", &d), 0);
	CU_ASSERT_EQUAL(d.n_peers, n);
	for (size_t i = 0; i < d.n_peers; i++)
		if (d.peers[i].n_allowed != 1 || d.peers[i].psk.bytes[0] != 1)
			tap_fail(__FILE__, __LINE__, "peer %zu is not as put", i);
	wgdev_dump_free(&d);
}

static void try_peers(unsigned int n)
{
	struct wgkey key;
	double at[6];

	CU_ASSERT_EQUAL(wgdev_create("big0"), 0);
	CU_ASSERT_EQUAL(wgdev_make_key("big0", &key), 0);
	netns_run("ip link set big0 up");
	at[0] = now_s();
	CU_ASSERT_EQUAL(put_numbered(n), 0);
	at[1] = now_s();
	check_numbered(n);
	at[2] = now_s();
	remove_numbered(n);
	at[3] = now_s();
	CU_ASSERT_EQUAL(put_numbered(n), 0);
	at[4] = now_s();
	CU_ASSERT_EQUAL(wgdev_delete("big0"), 0);
	at[5] = now_s();
	tap_note("%u peers: put %.3f s, read %.3f s, removed %.3f s, deleted with them %.3f s", n,
		 at[1] - at[0], at[2] - at[1], at[3] - at[2], at[5] - at[4]);
}

static void test_many_peers(void)
{
	const char *wish = getenv("LAB_KERN_PEERS");

	if (!fresh())
		return;
	try_peers(WGDEV_BATCH - 1);
	try_peers(WGDEV_BATCH);
	try_peers(WGDEV_BATCH + 1);
	try_peers(wish ? (unsigned int)strtoul(wish, NULL, 10) : PEERS_DEFAULT);
}

static void test_peers_removed(void)
{
	struct wgkey keys[3];
	double start;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(wgdev_create("big0"), 0);
	CU_ASSERT_EQUAL(put_numbered(10), 0);
	number_key(&keys[0], 1);
	number_key(&keys[1], 5);
	number_key(&keys[2], 99); /* never there */
	start = now_s();
	CU_ASSERT_EQUAL(wgdev_remove_peers("big0", keys, 3), 0);
	tap_note("2 peers removed in %.3f s", now_s() - start);
	netns_expect("wg show big0 peers | wc -l", "8");
	netns_expect("wg show big0 allowed-ips | cut -f 2 | sort -u | wc -l", "8");
}

static void test_key_outlives_interface(void)
{
	struct secret key = { { 8, [31] = 0x41 } };
	struct wgkey first = { { 0 } }, second = { { 0 } };

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(wgdev_create("big0"), 0);
	CU_ASSERT_EQUAL(wgdev_create("big0"), -EEXIST);
	CU_ASSERT_EQUAL(wgdev_set_key("big0", &key, &first), 0);
	CU_ASSERT_EQUAL(wgdev_delete("big0"), 0);
	CU_ASSERT_EQUAL(wgdev_delete("big0"), -ENODEV);
	CU_ASSERT_EQUAL(wgdev_create("big0"), 0);
	CU_ASSERT_EQUAL(wgdev_set_key("big0", &key, &second), 0);
	CU_ASSERT_TRUE(wgkey_equal(&first, &second));
	CU_ASSERT_EQUAL(wgdev_set_port("big0", 51820), 0);
	CU_ASSERT_EQUAL(wgdev_set_fwmark("big0", 7), 0);
	netns_expect("wg show big0 listen-port; wg show big0 fwmark", "51820\n0x7");
}

static const struct tap_test tests[] = {
	{ "made, read back, as stock tools see it", test_made_and_read_back },
	{ "spoiled with stock tools and repaired", test_spoiled_and_repaired },
	{ "adopted by the next process without a step", test_adopted },
	{ "a peer whose pre-shared key is lost stays away", test_peer_without_psk_stays_away },
	{ "what belongs to others stays as it is", test_foreign_stays },
	{ "more strange peers than fit go in two plans", test_strange_peers_over_the_limit },
	{ "a real handshake is seen", test_handshake_is_seen },
	{ "changes and an overrun are seen", test_watched },
	{ "a gateway's route in the main table", test_gateway_route },
	{ "peers around the size of a batch, and many", test_many_peers },
	{ "peers removed by key", test_peers_removed },
	{ "a key that outlives its interface", test_key_outlives_interface },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "kern on a real kernel", tests, NULL, teardown },
					    { 0 } };

	return tap_main(argc, argv, suites);
}
