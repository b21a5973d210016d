/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/randpolicy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "netpolicy/parse/policyfile.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"

#define RANDPOLICY_LINES 14   /* tried for one page */
#define RANDPOLICY_CHUNK 2048 /* bytes of what is tried at once */

static bool randpolicy_chance(unsigned int percent)
{
	return tap_random_below(100) < percent;
}

/* Few bits vary, so that prefixes meet: equal, inside each other, side by side. */
static void randpolicy_prefix(struct buf *to)
{
	static const uint8_t lens6[] = {
		33, 40, 47, 48, 49, 56, 63, 64, 65, 96, 120, 126, 127, 128
	};
	static const uint8_t lens4[] = { 9, 12, 16, 23, 24, 25, 30, 31, 32 };
	struct in6_addr a = { .s6_addr = { 0x20, 1, 0x0d, 0xb8 } };
	bool v4 = randpolicy_chance(25);
	unsigned int len = v4 ? randpolicy_one(lens4) : randpolicy_one(lens6);
	char text[INET6_ADDRSTRLEN];

	if (v4)
		a = (struct in6_addr){ .s6_addr = { 10, (uint8_t)(128 + tap_random_below(3)) } };
	for (size_t i = v4 ? 2 : 5; i < (v4 ? 4 : 16); i++)
		a.s6_addr[i] = randpolicy_chance(30) ? (uint8_t)tap_random_below(4) : 0;
	for (size_t bit = len; bit < (v4 ? 32 : 128); bit++)
		a.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	inet_ntop(v4 ? AF_INET : AF_INET6, &a, text, sizeof(text));
	buf_addf(to, " %s/%u", text, len);
}

static void randpolicy_port(struct buf *to)
{
	static const unsigned int lows[] = {
		1, 22, 53, 80, 123, 443, 1023, 1024, 4443, 8080, 65000
	};
	unsigned int low = randpolicy_one(lows) + (unsigned int)tap_random_below(3);

	if (randpolicy_chance(30))
		buf_addf(to, " %u-%u", low, low + 1 + (unsigned int)tap_random_below(400));
	else
		buf_addf(to, " %u", low);
}

static void randpolicy_ports(struct buf *to)
{
	static const char *const protos[] = { " tcp", " udp" };

	if (randpolicy_chance(20)) {
		buf_add(to, " any");
		return;
	}
	for (size_t i = 0; i < 1 + tap_random_below(2); i++) {
		buf_add(to, randpolicy_one(protos));
		for (size_t j = 0; j < 1 + tap_random_below(3); j++)
			randpolicy_port(to);
	}
}

static void randpolicy_users(struct buf *to)
{
	static const char *const users[] = { "root",          "app",  "archive",
					     "postern-certd", "1003", "65534" };

	buf_add(to, " user");
	for (size_t i = 0; i < 1 + tap_random_below(3); i++)
		buf_addf(to, " %s", randpolicy_one(users));
}

/* A line about @net, which may be refused. */
static void randpolicy_rule(struct buf *to, const char *net)
{
	bool is_out = randpolicy_chance(50);
	unsigned int via = (unsigned int)tap_random_below(3);

	buf_addf(to, "%s %s%s allow", is_out ? "to" : "from", net,
		 via == 0 ? "" :
		 via == 1 ? " via up" :
			    " via tun");
	randpolicy_ports(to);
	if (is_out && randpolicy_chance(50))
		randpolicy_users(to);
	if (randpolicy_chance(30))
		buf_add(to, " \"a remark\"");
	buf_add(to, "\n");
}

static void randpolicy_net(struct buf *to, const char *name)
{
	buf_addf(to, "net %s", name);
	for (size_t i = 0; i < 1 + tap_random_below(5); i++)
		randpolicy_prefix(to);
	buf_add(to, "\n");
	randpolicy_rule(to, name);
}

static void randpolicy_grant(struct buf *to, unsigned int i, const char *net)
{
	buf_addf(to, "grant g%u tcp", i);
	for (size_t j = 0; j < 1 + tap_random_below(2); j++)
		buf_addf(to, " %u", 2200 + 10 * i + (unsigned int)tap_random_below(4));
	buf_addf(to, " from %s%s max 4h\n", net, randpolicy_chance(50) ? " via up" : " via tun");
}

/* Something that may be added to the page. */
static void randpolicy_chunk(struct buf *to, unsigned int i)
{
	static const char *const nets[] = { "any",    "config", "gateways", "public", "storage",
					    "n0",     "n1",     "n2",       "n3",     "compute",
					    "config", "n4",     "n5" };
	static const char *const services[] = {
		"dns allow\n",
		"dns allow user app root\n",
		"dns fd00:ec2::253 169.254.169.253 allow\n",
		"ntp allow\n",
		"imds allow user postern-certd\n",
		"imds fd00:ec2::254 169.254.169.254 allow user postern-certd app\n",
		"log 0\n",
		"to config via up allow udp 51820 mark 0x504f\n",
		"to config via up allow tcp 4443 mark 0x504f \"exchange\"\n",
		"to config via up allow udp 51821 mark 0x7\n",
	};
	char name[8];

	snprintf(name, sizeof(name), "n%u", i);
	switch (tap_random_below(8)) {
	case 0:
	case 1:
	case 2:
		randpolicy_net(to, name);
		break;
	case 3:
		randpolicy_grant(to, i, randpolicy_one(nets));
		break;
	case 4:
	case 5:
		buf_add(to, randpolicy_one(services));
		break;
	default:
		randpolicy_rule(to, randpolicy_one(nets));
	}
}

struct randpolicy_links randpolicy_links(void)
{
	static const char *const ups[] = { "eth0", "eth0 eth1", "eth0 eth1 enp7s0.14", "eth0" };
	static const char *const tuns[] = { "postern0", "postern0 postern1" };
	struct randpolicy_links links = { .up = randpolicy_one(ups) };

	if (randpolicy_chance(80))
		links.tun = randpolicy_one(tuns);
	return links;
}

static void randpolicy_head(struct buf *to, const struct randpolicy_links *links)
{
	static const char *const tiers[] = { "public", "compute", "storage" };

	buf_addf(to, "policy random %u\nhost tier %s\nlink up %s\n",
		 (unsigned int)tap_random_below(1000), randpolicy_one(tiers), links->up);
	if (!links->tun)
		return;
	buf_addf(to, "link tun %s\nnet config 2001:db8:c::/48%s\n", links->tun,
		 randpolicy_chance(30) ? " 2001:db8:e:1::/64" : "");
	if (randpolicy_chance(70))
		buf_add(to, "net gateways fd12::/64\n");
	if (randpolicy_chance(50))
		buf_add(to, "tier public 2001:db8:100:1::/64 10.128.32.0/20\n");
	if (randpolicy_chance(50))
		buf_add(to, "tier compute 2001:db8:100:2::/64\n");
	if (randpolicy_chance(50))
		buf_add(to, "tier storage 2001:db8:100:3::/64\n");
}

static struct policy *randpolicy_read(const char *page, struct policyfile_error *ret_error)
{
	struct policy *p = NULL;

	return policyfile_load_text("policy.conf", page, policyfixture_user, &p, ret_error) < 0 ?
		       NULL :
		       p;
}

/* Takes the page with the chunk when it is good, else without. */
static void randpolicy_try(char page[static RANDPOLICY_PAGE_MAX], const char *chunk)
{
	struct policyfile_error error;
	struct policy *p;
	size_t len = strlen(page);

	if (len + strlen(chunk) >= RANDPOLICY_PAGE_MAX)
		return;
	memcpy(page + len, chunk, strlen(chunk) + 1);
	p = randpolicy_read(page, &error);
	if (!p)
		page[len] = '\0';
	policy_free(p);
}

struct policy *randpolicy_make_on(const struct randpolicy_links *links,
				  char ret_page[static RANDPOLICY_PAGE_MAX])
{
	_cleanup_(buf_release) struct buf head = buf_init(RANDPOLICY_CHUNK);
	struct policyfile_error error = { "" };
	struct policy *p;

	randpolicy_head(&head, links);
	snprintf(ret_page, RANDPOLICY_PAGE_MAX, "%s", head.text ? head.text : "");
	for (unsigned int i = 0; i < RANDPOLICY_LINES; i++) {
		_cleanup_(buf_release) struct buf chunk = buf_init(RANDPOLICY_CHUNK);

		randpolicy_chunk(&chunk, i % 8);
		if (buf_done(&chunk) == 0)
			randpolicy_try(ret_page, chunk.text);
	}
	p = randpolicy_read(ret_page, &error);
	if (!p)
		tap_fail(__FILE__, __LINE__, "no policy: %s\n%s", error.text, ret_page);
	else
		p->enforce = !randpolicy_chance(5);
	return p;
}

struct policy *randpolicy_make(char ret_page[static RANDPOLICY_PAGE_MAX])
{
	struct randpolicy_links links = randpolicy_links();

	return randpolicy_make_on(&links, ret_page);
}

static void randpolicy_step(struct in6_addr *a, bool up)
{
	for (size_t i = 16; i-- > 0;) {
		a->s6_addr[i] = (uint8_t)(a->s6_addr[i] + (up ? 1 : -1));
		if (a->s6_addr[i] != (up ? 0 : 0xff))
			break;
	}
}

/* An address of a prefix: the first, the last, one beside, any inside. */
static void randpolicy_edge(const struct ip6_prefix *prefix, struct in6_addr *ret)
{
	unsigned int how = (unsigned int)tap_random_below(5);

	*ret = prefix->addr;
	for (size_t bit = prefix->len; bit < 128 && how > 1; bit++)
		if (how == 2 || how == 3 || randpolicy_chance(50))
			ret->s6_addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (how == 1 || how == 3)
		randpolicy_step(ret, how == 3);
}

static void randpolicy_address(const struct policy *p, struct in6_addr *ret)
{
	static const char *const texts[] = {
		"fe80::1",
		"ff02::1",
		"ff02::1:2",
		"ff02::16",
		"fd00:ec2::253",
		"fd00:ec2::254",
		"fd00:ec2::123",
		"2001:db8:c::9",
		"fd12::1",
		"2001:db8:aaaa::1",
		"2a00:1450::1",
		"::ffff:169.254.169.254",
		"::ffff:10.1.2.3",
		"::ffff:198.51.100.1",
		"::ffff:169.254.169.253",
		"::ffff:255.255.255.255",
		"2001:db8:c::1",
		"2001:db8:c:ffff::1",
	};
	const struct policy_net *net = p->n_nets ? &p->nets[tap_random_below(p->n_nets)] : NULL;

	if (net && net->prefixes.n && randpolicy_chance(75))
		randpolicy_edge(&net->prefixes.list[tap_random_below(net->prefixes.n)], ret);
	else
		inet_pton(AF_INET6, randpolicy_one(texts), ret);
}

static uint16_t randpolicy_near_number(uint16_t n)
{
	return (uint16_t)(n + tap_random_below(3) - 1);
}

/* A port at a border of some line or of what is implied. */
static uint16_t randpolicy_served_port(const struct policy *p)
{
	static const uint16_t ports[] = {
		22, 53, 67, 68, 80, 123, 546, 547, 443, 4443, 51820, 51821
	};
	const struct policy_ports *of = NULL;

	if (p->n_rules && randpolicy_chance(60))
		of = &p->rules[tap_random_below(p->n_rules)].ports;
	else if (p->n_grants && randpolicy_chance(50))
		of = &p->grants[tap_random_below(p->n_grants)].ports;
	if (of && of->n) {
		const struct policy_port *port = &of->list[tap_random_below(of->n)];

		return randpolicy_chance(60) ?
			       (randpolicy_chance(50) ? port->low : port->high) :
			       randpolicy_near_number(randpolicy_chance(50) ? port->low :
									      port->high);
	}
	return randpolicy_chance(80) ? randpolicy_one(ports) :
				       (uint16_t)(1 + tap_random_below(65535));
}

static void randpolicy_transport(const struct policy *p, struct terms_packet *ret)
{
	static const uint8_t types[] = { 1,   2,   3,   4,   128, 129, 130, 131, 132, 133,
					 134, 135, 136, 137, 138, 141, 143, 151, 160, 100 };
	static const uint16_t others[] = { 1, 67, 68, 546, 547, 1023, 1024, 40000, 65535 };
	static const uint8_t protos[] = { IPPROTO_TCP,    IPPROTO_TCP, IPPROTO_TCP,
					  IPPROTO_UDP,    IPPROTO_UDP, IPPROTO_ICMPV6,
					  IPPROTO_ICMPV6, 50,          253 };
	uint16_t served = randpolicy_served_port(p), other = randpolicy_one(others);

	ret->proto = randpolicy_one(protos);
	if (ret->family == 4 && ret->proto == IPPROTO_ICMPV6)
		ret->proto = IPPROTO_ICMP;
	if (ret->proto == IPPROTO_ICMPV6)
		ret->icmp_type = randpolicy_one(types);
	if (ret->proto != IPPROTO_TCP && ret->proto != IPPROTO_UDP)
		return;
	served = served ? served : 1;
	if (randpolicy_chance(20)) { /* as an answer */
		uint16_t swap = served;

		served = other;
		other = swap;
	}
	ret->near_port = ret->dir == POLICY_IN ? served : other;
	ret->far_port = ret->dir == POLICY_IN ? other : served;
}

static void randpolicy_near(struct terms_packet *ret)
{
	static const char *const globals[] = { "2001:db8:ffff::7", "2001:db8:ffff::8" };
	const char *text = randpolicy_one(globals);

	if (ret->family == 4)
		text = "::ffff:10.255.255.7";
	else if (randpolicy_chance(15) || IN6_IS_ADDR_LINKLOCAL(&ret->far) ||
		 IN6_IS_ADDR_MC_LINKLOCAL(&ret->far))
		text = "fe80::7";
	if (ret->dir == POLICY_IN && randpolicy_chance(8))
		text = ret->family == 6 ? "ff02::1" : "::ffff:224.0.0.1";
	inet_pton(AF_INET6, text, &ret->near);
}

/* Facts that nobody asks for must not be set: netpolicy/model/terms.h. */
static uint32_t randpolicy_fact_in(const struct policy *p, const struct terms_packet *packet)
{
	bool to_group = IN6_IS_ADDR_MULTICAST(&packet->near) ||
			(packet->family == 4 && packet->near.s6_addr[12] == 224);
	bool is_zone = p->config_net != POLICY_NONE &&
		       policy_has(&p->nets[p->config_net].prefixes, &packet->far);

	if (packet->link == TERMS_LO || IN6_IS_ADDR_UNSPECIFIED(&packet->far))
		return 0;
	if (randpolicy_chance(50))
		return to_group ? 0 : TERMS_OWN_SOURCE;
	return packet->link == TERMS_UP && !is_zone && !IN6_IS_ADDR_LINKLOCAL(&packet->far) ?
		       TERMS_NO_WAY_BACK :
		       0;
}

static void randpolicy_facts(const struct policy *p, struct terms_packet *ret)
{
	if (ret->from_packet_socket)
		ret->facts = randpolicy_chance(25) ? TERMS_LATER_FRAGMENT :
			     randpolicy_chance(5)  ? TERMS_FALSE_FRAME :
						     0;
	else if (!randpolicy_chance(6))
		ret->facts = 0;
	else if (ret->dir == POLICY_IN)
		ret->facts = randpolicy_fact_in(p, ret);
	else if (ret->link != TERMS_LO && !IN6_IS_ADDR_LINKLOCAL(&ret->near))
		ret->facts = TERMS_FALSE_SOURCE;
}

static void randpolicy_sender(const struct policy *p, struct terms_packet *ret)
{
	static const uint32_t uids[] = { 0, 1001, 12345, 998 };
	static const uint32_t marks[] = { 0x504f, 7, 0x504e, 0x5050, 8, 1 };

	ret->has_uid = randpolicy_chance(85);
	if (ret->has_uid)
		ret->uid = p->n_users && randpolicy_chance(70) ?
				   p->users[tap_random_below(p->n_users)].uid :
				   randpolicy_one(uids);
	ret->mark = randpolicy_chance(35) ? randpolicy_one(marks) : 0;
	ret->from_packet_socket = ret->link == TERMS_UP && randpolicy_chance(15);
}

/* The first or the last port, or one beside it; never 0. */
static uint16_t randpolicy_border(const struct policy_port *port)
{
	uint16_t border = randpolicy_chance(50) ? port->low : port->high;
	uint16_t beside = randpolicy_near_number(border);

	return randpolicy_chance(25) && beside ? beside : border;
}

/* A packet that a line speaks of, all but the link and what is drawn later. */
static void randpolicy_aim(const struct policy *p, const struct policy_rule *rule,
			   struct terms_packet *ret)
{
	static const uint16_t others[] = { 40000, 40000, 1023, 1024, 65535 };
	const struct policy_net *net = &p->nets[rule->net];
	const struct policy_port *port =
		rule->ports.n ? &rule->ports.list[tap_random_below(rule->ports.n)] : NULL;

	ret->dir = rule->dir;
	ret->link = rule->via == POLICY_VIA_TUNNEL ? TERMS_TUN : TERMS_UP;
	if (net->prefixes.n)
		randpolicy_edge(&net->prefixes.list[tap_random_below(net->prefixes.n)], &ret->far);
	ret->family = IN6_IS_ADDR_V4MAPPED(&ret->far) ? 4 : 6;
	randpolicy_transport(p, ret);
	if (port && ret->proto != IPPROTO_ICMPV6) {
		uint16_t served = randpolicy_border(port), other = randpolicy_one(others);

		ret->proto = (uint8_t)port->proto;
		ret->near_port = ret->dir == POLICY_IN ? served : other;
		ret->far_port = ret->dir == POLICY_IN ? other : served;
	}
	randpolicy_near(ret);
	if (ret->dir == POLICY_IN)
		return;
	randpolicy_sender(p, ret);
	if (rule->has_mark && randpolicy_chance(80))
		ret->mark = rule->mark;
	if (rule->users.n && randpolicy_chance(80)) {
		ret->has_uid = true;
		ret->uid = p->users[rule->users.at[tap_random_below(rule->users.n)]].uid;
	}
}

/* What conntrack can say of an ICMPv6 message. */
static enum terms_ct randpolicy_icmp6_word(uint8_t type)
{
	if ((type >= 130 && type <= 136) || type == 143)
		return TERMS_UNTRACKED;
	if (type < 128)
		return randpolicy_chance(50) ? TERMS_RELATED : TERMS_INVALID;
	return type == 128 ? TERMS_NEW : type == 129 ? TERMS_ESTABLISHED : TERMS_INVALID;
}

static enum terms_ct randpolicy_word(const struct terms_packet *packet)
{
	static const enum terms_ct words[] = { TERMS_NEW, TERMS_NEW,         TERMS_NEW,
					       TERMS_NEW, TERMS_ESTABLISHED, TERMS_UNTRACKED };
	bool has_ports = packet->proto == IPPROTO_TCP || packet->proto == IPPROTO_UDP;
	enum terms_ct word = randpolicy_one(words);

	if (packet->from_packet_socket || word == TERMS_UNTRACKED)
		return TERMS_UNTRACKED;
	if (packet->proto == IPPROTO_ICMPV6)
		return randpolicy_icmp6_word(packet->icmp_type);
	if (packet->proto == IPPROTO_ICMP)
		return TERMS_NEW;
	return has_ports && randpolicy_chance(8) ? TERMS_INVALID : word;
}

void randpolicy_packet(const struct policy *p, struct terms_packet *ret)
{
	static const enum terms_link links[] = { TERMS_UP,  TERMS_UP,    TERMS_UP,
						 TERMS_UP,  TERMS_TUN,   TERMS_TUN,
						 TERMS_TUN, TERMS_OTHER, TERMS_LO };
	static const uint8_t hops[] = { 255, 255, 255, 254, 64, 1 };

	*ret = (struct terms_packet){ .dir = randpolicy_chance(50) ? POLICY_IN : POLICY_OUT };
	ret->hop_limit = randpolicy_one(hops);
	if (p->n_rules && randpolicy_chance(50)) {
		randpolicy_aim(p, &p->rules[tap_random_below(p->n_rules)], ret);
	} else {
		ret->link = randpolicy_one(links);
		if (ret->link == TERMS_TUN && !p->n_tunnels)
			ret->link = TERMS_UP;
		randpolicy_address(p, &ret->far);
		if (ret->dir == POLICY_IN && IN6_IS_ADDR_MULTICAST(&ret->far))
			inet_pton(AF_INET6, "fe80::9", &ret->far);
		ret->family = IN6_IS_ADDR_V4MAPPED(&ret->far) ? 4 : 6;
		randpolicy_transport(p, ret);
		randpolicy_near(ret);
		if (ret->dir == POLICY_OUT)
			randpolicy_sender(p, ret);
	}
	if (p->n_grants && randpolicy_chance(40))
		ret->grants = (uint32_t)tap_random_below(UINT64_C(1) << p->n_grants);
	randpolicy_facts(p, ret);
	ret->ct = randpolicy_word(ret);
}
