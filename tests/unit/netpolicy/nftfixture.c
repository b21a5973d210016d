/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/nftfixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "common/buf.h"
#include "common/files.h"
#include "netpolicy/compile/compiler.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/nftmessage.h"

const char nftfixture_base[] =
	"add table inet postern\n"
	"add set inet postern config6 { type ipv6_addr; flags interval; }\n"
	"flush set inet postern config6\n"
	"add set inet postern tunnels { type ifname; }\n"
	"flush set inet postern tunnels\n"
	"add set inet postern grant_ssh6 { type ipv6_addr; flags timeout; }\n"
	"add map inet postern in_links { type ifname : verdict; }\n"
	"flush map inet postern in_links\n"
	"add counter inet postern leak\n"
	"add chain inet postern from_up\n"
	"flush chain inet postern from_up\n"
	"add chain inet postern input { type filter hook input priority -10; policy drop; }\n"
	"flush chain inet postern input\n"
	"add chain inet postern forward { type filter hook forward priority -10; policy drop; }\n"
	"flush chain inet postern forward\n"
	"add chain inet postern output { type filter hook output priority -10; policy drop; }\n"
	"flush chain inet postern output\n"
	"add table netdev postern_guard\n"
	"add chain netdev postern_guard egress_eth0 "
	"{ type filter hook egress device \"eth0\" priority 500; policy accept; }\n"
	"flush chain netdev postern_guard egress_eth0\n"
	"table inet postern {\n"
	"	set config6 { type ipv6_addr; flags interval; elements = { 2001:db8:c0::/48 } }\n"
	"	set tunnels { type ifname; elements = { \"postern0\", \"postern1\" } }\n"
	"	map in_links { type ifname : verdict; elements = { \"eth0\" : jump from_up } }\n"
	"	chain from_up {\n"
	"		icmpv6 type destination-unreachable counter accept comment \"errors\"\n"
	"		icmpv6 type packet-too-big counter accept comment \"too big\"\n"
	"		tcp dport { 22, 80, 8000-8100 } counter accept comment \"page:1\"\n"
	"		tcp dport { 443, 4443 } counter accept comment \"page:2\"\n"
	"	}\n"
	"	chain input {\n"
	"		type filter hook input priority -10; policy drop;\n"
	"		iifname vmap @in_links\n"
	"		counter drop comment \"the rest\"\n"
	"	}\n"
	"	chain forward {\n"
	"		type filter hook forward priority -10; policy drop;\n"
	"		counter drop comment \"no router\"\n"
	"	}\n"
	"	chain output {\n"
	"		type filter hook output priority -10; policy drop;\n"
	"		ip6 saddr @grant_ssh6 tcp sport 22 counter accept comment \"grant\"\n"
	"		oifname @tunnels ip6 daddr @config6 counter accept comment \"zone\"\n"
	"		meta skuid { 998, 1001 } tcp dport 80 counter accept comment \"users\"\n"
	"		limit rate 5/second log prefix \"out \" comment \"log\"\n"
	"		counter name leak drop comment \"the rest\"\n"
	"	}\n"
	"}\n"
	"table netdev postern_guard {\n"
	"	chain egress_eth0 {\n"
	"		type filter hook egress device \"eth0\" priority 500; policy accept;\n"
	"		ip6 daddr 2001:db8:c0::/48 counter drop comment \"never\"\n"
	"	}\n"
	"}\n";

#define NFTFIXTURE_TEXT_MAX (24 * 1024 * 1024)

char *nftfixture_text(size_t n_prefixes, const char *more)
{
	_cleanup_(buf_release) struct buf to = buf_init(NFTFIXTURE_TEXT_MAX);
	char *text = NULL;

	buf_add(&to, nftfixture_base);
	if (n_prefixes) {
		buf_add(&to, "add set inet postern many6 { type ipv6_addr; flags interval; }\n"
			     "flush set inet postern many6\n"
			     "add element inet postern many6 {\n");
		for (size_t i = 0; i < n_prefixes; i++)
			buf_addf(&to, "2001:%zx:%zx::/48,\n", 0x1000 + i / 30000, 2 * (i % 30000));
		buf_add(&to, "}\nadd rule inet postern from_up ip6 saddr @many6 counter accept "
			     "comment \"many\"\n");
	}
	buf_add(&to, more);
	if (buf_steal(&to, &text) < 0)
		tap_fail(__FILE__, __LINE__, "no text");
	return text;
}

void nftfixture_use_build(void)
{
	const char *build = getenv("POSTERN_TEST_BUILD");
	char path[FILES_PATH_MAX];

	snprintf(path, sizeof(path), "%s/netpolicy", build ? build : ".");
	if (build)
		setenv("POSTERN_LIBEXECDIR", path, 1);
}

int nftfixture_compile(const char *text, struct compilewire_reply *ret)
{
	struct compilewire_request q = { .n_devices = 1, .devices = { "eth0" } };
	int r;

	nftfixture_use_build();
	q.text = (char *)text;
	q.text_len = strlen(text);
	r = compiler_run(&q, ret);
	if (r < 0)
		tap_fail(__FILE__, __LINE__, "%s", ret->error);
	return r;
}

void nftfixture_once(size_t n_prefixes, const char *more, struct compilewire_reply *ret)
{
	char *text = ret->batch ? NULL : nftfixture_text(n_prefixes, more);

	if (text)
		CU_ASSERT_EQUAL(nftfixture_compile(text, ret), 0);
	free(text);
}

/* Type, length, value: the byte order of the key, and an expression of a kind nobody knows. */
static const uint8_t nftfixture_udata[] = {
	0, 4,  2,  0, 0, 0,       /* KEYBYTEORDER big endian */
	3, 14,                    /* KEY_TYPEOF */
	0, 4,  39, 0, 0, 0,       /* TYPEOF_EXPR */
	1, 6,  0,  4, 1, 0, 0, 0, /* TYPEOF_DATA */
};

void nftfixture_poison(void)
{
	char bytes[2048] __attribute__((aligned(8))), answer[4096];
	struct mnl_socket *s = mnl_socket_open(NETLINK_NETFILTER);
	char *at = bytes;
	struct nlmsghdr *nlh = nftmessage(at, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC);

	at += nlh->nlmsg_len;
	nlh = nftmessage(at, NFT_MSG_NEWTABLE, NFPROTO_INET);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, "foreign");
	at += nlh->nlmsg_len;
	nlh = nftmessage(at, NFT_MSG_NEWSET, NFPROTO_INET);
	nlh->nlmsg_flags |= NLM_F_ACK;
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, "foreign");
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, "poison");
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, 0);
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_TYPE, htonl(8));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(16));
	mnl_attr_put_u32(nlh, NFTA_SET_ID, htonl(1));
	mnl_attr_put(nlh, NFTA_SET_USERDATA, sizeof(nftfixture_udata), nftfixture_udata);
	at += nlh->nlmsg_len;
	nlh = nftmessage(at, NFNL_MSG_BATCH_END, AF_UNSPEC);
	at += nlh->nlmsg_len;
	CU_ASSERT_PTR_NOT_NULL(s);
	if (!s)
		return;
	CU_ASSERT_EQUAL(mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID), 0);
	CU_ASSERT_EQUAL(mnl_socket_sendto(s, bytes, (size_t)(at - bytes)), at - bytes);
	CU_ASSERT_TRUE(mnl_socket_recvfrom(s, answer, sizeof(answer)) > 0);
	nlh = (void *)answer;
	CU_ASSERT_EQUAL(((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error, 0);
	mnl_socket_close(s);
}
