/* SPDX-License-Identifier: MIT */
/*
 * The second way, without trace and raw sockets: programs with ordinary sockets send and receive
 * under random policies. What comes out of an interface or reaches a socket is what terms_decide()
 * says, for new connections of UDP and TCP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/compile/compiler.h"
#include "netpolicy/emit/emit.h"
#include "netpolicy/oracle/oracleframe.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"
#include "tests/unit/netpolicy/randpolicy.h"
#include "tests/unit/tunneld/kern/netns.h"

#define TEST_POLICIES 25
#define TEST_PACKETS 400
#define TEST_FIRST_PORT 20000 /* of the end that is not served: each packet its own flow */

static struct {
	int fds[TERMS_LINKS]; /* of the tunnel device; -1 = no such link */
	const char *names[TERMS_LINKS];
	uint8_t mac[6]; /* of eth0 */
	size_t asked, passed, wrong;
} test_net;

static int test_tun(const char *name, int flags)
{
	struct ifreq req = { .ifr_flags = (short)(flags | IFF_NO_PI) };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	memcpy(req.ifr_name, name, strlen(name));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
		return -1;
	if (flags == IFF_TAP && ioctl(fd, SIOCGIFHWADDR, &req) == 0)
		memcpy(test_net.mac, req.ifr_hwaddr.sa_data, sizeof(test_net.mac));
	return fd;
}

/* Links of the names that most random policies have; what comes in by eth0 has its way back. */
static bool test_set_up(void)
{
	if (!netns_fresh())
		return false;
	test_net.fds[TERMS_LO] = test_net.fds[TERMS_OTHER] = -1;
	test_net.fds[TERMS_UP] = test_tun("eth0", IFF_TAP);
	test_net.fds[TERMS_TUN] = test_tun("postern0", IFF_TUN);
	test_net.names[TERMS_UP] = "eth0";
	test_net.names[TERMS_TUN] = "postern0";
	if (test_net.fds[TERMS_UP] < 0 || test_net.fds[TERMS_TUN] < 0) {
		tap_skip("no /dev/net/tun");
		return false;
	}
	netns_run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 "
		  "net.ipv4.conf.postern0.rp_filter=0");
	netns_run("ip link set eth0 arp off up && ip link set postern0 up");
	netns_run("ip addr add 2001:db8:ffff::7/128 dev lo && ip addr add 10.255.255.7/32 dev lo");
	netns_run("ip -6 route add default via fe80::fffe dev eth0 onlink && "
		  "ip -6 route add default dev postern0 metric 4096");
	netns_run("ip route add default via 169.254.255.254 dev eth0 onlink && "
		  "ip route add default dev postern0 metric 4096");
	return true;
}

/* Only what ordinary sockets can do, and what is new. */
static bool test_draw(const struct policy *p, uint16_t own_port, struct terms_packet *ret)
{
	bool is_in;

	randpolicy_packet(p, ret);
	is_in = ret->dir == POLICY_IN;
	ret->facts = ret->grants = 0;
	ret->ct = TERMS_NEW;
	ret->hop_limit = 64;
	ret->has_uid = !is_in;
	ret->from_packet_socket = false;
	inet_pton(AF_INET6, ret->family == 6 ? "2001:db8:ffff::7" : "::ffff:10.255.255.7",
		  &ret->near);
	if (is_in)
		ret->far_port = own_port;
	else
		ret->near_port = own_port;
	return test_net.fds[ret->link] >= 0 && !strcmp(p->uplinks[0], "eth0") &&
	       (ret->proto == IPPROTO_UDP || ret->proto == IPPROTO_TCP) && ret->near_port &&
	       ret->far_port && !IN6_IS_ADDR_MULTICAST(&ret->far) &&
	       !IN6_IS_ADDR_LINKLOCAL(&ret->far) && ret->far.s6_addr[12] != 255;
}

static struct sockaddr_in6 test_address(const struct in6_addr *addr, uint16_t port)
{
	return (struct sockaddr_in6){ .sin6_family = AF_INET6,
				      .sin6_addr = *addr,
				      .sin6_port = htons(port) };
}

/* A socket of the user, bound to this end; IPv4 by its mapped address. */
static int test_socket(const struct terms_packet *packet)
{
	struct sockaddr_in6 near = test_address(&packet->near, packet->near_port);
	const char *link = test_net.names[packet->link];
	int type = packet->proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int zero = 0, one = 1, fd;

	setfsuid(packet->uid);
	fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setfsuid(0);
	CU_ASSERT_TRUE(fd >= 0);
	CU_ASSERT_EQUAL(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)), 0);
	CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_MARK, &packet->mark, sizeof(packet->mark)),
			0);
	CU_ASSERT_EQUAL(
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, (socklen_t)strlen(link) + 1), 0);
	CU_ASSERT_EQUAL(bind(fd, (const struct sockaddr *)&near, sizeof(near)), 0);
	return fd;
}

/* True when something with these ports came out of the link. Takes all that is there. */
static bool test_came_out(enum terms_link link, const struct terms_packet *packet)
{
	size_t skip = (link == TERMS_UP ? ORACLEFRAME_ETHER : 0) + (packet->family == 6 ? 40 : 20);
	uint8_t bytes[2048];
	bool came = false;
	ssize_t n;

	while ((n = read(test_net.fds[link], bytes, sizeof(bytes))) > 0) {
		const uint8_t *ports = bytes + skip;

		if ((size_t)n >= skip + 4 && (ports[0] << 8 | ports[1]) == packet->near_port &&
		    (ports[2] << 8 | ports[3]) == packet->far_port)
			came = true;
	}
	return came;
}

static bool test_send(const struct terms_packet *packet)
{
	struct sockaddr_in6 far = test_address(&packet->far, packet->far_port);
	int fd = test_socket(packet);
	bool came;

	(void)test_came_out(packet->link, packet);
	if (packet->proto == IPPROTO_UDP)
		(void)sendto(fd, "x", 1, 0, (const struct sockaddr *)&far, sizeof(far));
	else
		(void)connect(fd, (const struct sockaddr *)&far, sizeof(far));
	came = test_came_out(packet->link, packet);
	close(fd);
	return came;
}

/* A datagram reaches the socket; to the start of a connection there is an answer. */
static bool test_receive(const struct terms_packet *packet)
{
	size_t skip = packet->link == TERMS_UP ? 0 : ORACLEFRAME_ETHER;
	int fd = test_socket(packet);
	struct oracleframe frame;
	char byte[16];
	bool came;

	if (packet->proto == IPPROTO_TCP)
		CU_ASSERT_EQUAL(listen(fd, 4), 0);
	(void)test_came_out(packet->link, packet);
	CU_ASSERT_EQUAL(oracleframe_make(packet, 1, &frame), 0);
	memcpy(frame.bytes, test_net.mac, sizeof(test_net.mac));
	CU_ASSERT_TRUE(write(test_net.fds[packet->link], frame.bytes + skip, frame.len - skip) > 0);
	came = packet->proto == IPPROTO_UDP ?
		       recv(fd, byte, sizeof(byte), MSG_DONTWAIT) >= 0 :
		       test_came_out(packet->link, packet) || test_came_out(TERMS_UP, packet);
	close(fd);
	return came;
}

static void test_one_packet(const struct terms *t, const struct terms_packet *packet,
			    const char *page)
{
	struct terms_answer model = terms_decide(t, packet);
	bool came = packet->dir == POLICY_OUT ? test_send(packet) : test_receive(packet);
	char far[INET6_ADDRSTRLEN];

	test_net.asked++;
	test_net.passed += came;
	if (came == (model.verdict == TERMS_ACCEPT) || test_net.wrong++ > 4)
		return;
	inet_ntop(AF_INET6, &packet->far, far, sizeof(far));
	tap_fail(__FILE__, __LINE__,
		 "%s link %d proto %u far [%s]:%u near %u uid %u mark %x: model "
		 "%s by '%s' '%s', %s\n%s",
		 packet->dir == POLICY_OUT ? "out" : "in", packet->link, packet->proto, far,
		 packet->far_port, packet->near_port, packet->uid, packet->mark,
		 terms_verdict_name(model.verdict), model.item->where, model.item->what,
		 came ? "yet it came" : "yet nothing came", page);
}

static int test_load(struct kernio *k, const struct policy *p)
{
	_cleanup_(buf_release) struct buf text = buf_init(EMIT_TEXT_MAX);
	_cleanup_(compilewire_release_reply) struct compilewire_reply reply = { 0 };
	_cleanup_(applier_release) struct applier_result result = { 0 };
	struct compilewire_request q = { .n_devices = (uint8_t)p->n_uplinks };
	int r = emit_policy(p, &text);

	if (r < 0)
		return r;
	memcpy(q.devices, p->uplinks, sizeof(p->uplinks));
	q.text = text.text;
	q.text_len = text.len;
	r = compiler_run(&q, &reply);
	if (r == 0)
		r = applier_unload(k);
	return r ? r : applier_apply(k, reply.batch, reply.batch_len, NULL, &result);
}

static void test_one_policy(struct kernio *k)
{
	static char page[RANDPOLICY_PAGE_MAX];
	_cleanup_(policy_freep) struct policy *p = randpolicy_make(page);
	_cleanup_(terms_release) struct terms t = { 0 };
	static uint16_t port = TEST_FIRST_PORT;
	struct terms_packet packet;
	int r;

	if (!p || terms_make(p, &t) < 0)
		return;
	r = test_load(k, p);
	CU_ASSERT_EQUAL(r, 0);
	for (size_t i = 0; i < TEST_PACKETS && r == 0; i++)
		if (test_draw(p, port, &packet)) {
			port = port == UINT16_MAX ? TEST_FIRST_PORT : (uint16_t)(port + 1);
			test_one_packet(&t, &packet, page);
		}
}

static void test_oraclesend_sockets_agree(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;

	policyfixture_use_build();
	if (!test_set_up())
		return;
	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	for (size_t i = 0; k && i < TEST_POLICIES; i++)
		test_one_policy(k);
	tap_note("%zu flows, %zu came through, %zu other than the model says", test_net.asked,
		 test_net.passed, test_net.wrong);
	CU_ASSERT_TRUE(test_net.passed * 10 > test_net.asked);
}

static const struct tap_test test_oraclesend_tests[] = {
	{ "what ordinary sockets send and receive", test_oraclesend_sockets_agree },
	{ 0 },
};

static const struct tap_suite test_oraclesend_suites[] = {
	{ "oraclesend", test_oraclesend_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_oraclesend_suites);
}
