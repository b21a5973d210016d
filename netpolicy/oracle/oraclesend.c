/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oraclesend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>

#define ORACLESEND_NO_UID UINT32_MAX

/* Raw sockets of one user: the kernel takes the owner from who opened them. */
struct oraclesend_user {
	uint32_t uid;
	int fds[2]; /* IPv6, IPv4 */
	int links[2];
	uint32_t marks[2];
};

struct oraclesend {
	int packet_fd;
	uint32_t packet_mark;
	size_t n;
	struct oraclesend_user users[ORACLESEND_USERS_MAX];
};

int oraclesend_open(struct oraclesend **ret)
{
	_cleanup_(oraclesend_closep) struct oraclesend *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->packet_fd < 0)
		return -errno;
	*ret = steal_ptr(s);
	return 0;
}

void oraclesend_close(struct oraclesend *s)
{
	if (!s)
		return;
	closep(&s->packet_fd);
	for (size_t i = 0; i < s->n; i++) {
		closep(&s->users[i].fds[0]);
		closep(&s->users[i].fds[1]);
	}
	free(s);
}

void oraclesend_closep(struct oraclesend **s)
{
	oraclesend_close(*s);
	*s = NULL;
}

static struct oraclesend_user *oraclesend_find(const struct oraclesend *s, uint32_t uid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->users[i].uid == uid)
			return (struct oraclesend_user *)&s->users[i];
	return NULL;
}

bool oraclesend_has_user(const struct oraclesend *s, uint32_t uid)
{
	return oraclesend_find(s, uid) != NULL;
}

static int oraclesend_open_raw(int family)
{
	int one = 1;
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	if (family == AF_INET)
		(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	return fd;
}

int oraclesend_add_user(struct oraclesend *s, uint32_t uid)
{
	struct oraclesend_user *user = &s->users[s->n];
	uid_t before = geteuid();

	if (oraclesend_has_user(s, uid))
		return 0;
	if (uid == ORACLESEND_NO_UID)
		return -EOPNOTSUPP;
	if (s->n == ORACLESEND_USERS_MAX)
		return -E2BIG;
	setfsuid(uid);
	if ((uint32_t)setfsuid(ORACLESEND_NO_UID) != uid)
		return -EOPNOTSUPP;
	*user = (struct oraclesend_user){ .uid = uid };
	user->fds[0] = oraclesend_open_raw(AF_INET6);
	user->fds[1] = oraclesend_open_raw(AF_INET);
	setfsuid(before);
	if (user->fds[0] >= 0 && user->fds[1] >= 0) {
		s->n++;
		return 0;
	}
	closep(&user->fds[0]);
	closep(&user->fds[1]);
	return -EPERM;
}

static int oraclesend_through_lo(struct oraclesend *s, const struct oracleframe *frame)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1, .sll_halen = 6 };
	struct oracleframe copy = *frame;

	memset(copy.bytes, 0, 12); /* the addresses of lo */
	memcpy(&to.sll_protocol, copy.bytes + 12, 2);
	return sendto(s->packet_fd, copy.bytes, copy.len, 0, (const struct sockaddr *)&to,
		      sizeof(to)) < 0 ?
		       -errno :
		       0;
}

int oraclesend_in(struct oraclesend *s, const struct oraclenet_link *link,
		  struct oracleframe *frame)
{
	size_t skip = link->is_tap ? 0 : ORACLEFRAME_ETHER;

	if (link->fd < 0)
		return oraclesend_through_lo(s, frame);
	if (link->is_tap)
		memcpy(frame->bytes, link->mac, sizeof(link->mac));
	return write(link->fd, frame->bytes + skip, frame->len - skip) < 0 ? -errno : 0;
}

/* Socket options only where they change. */
static int oraclesend_prepare(struct oraclesend_user *user, size_t which, int link, uint32_t mark)
{
	int fd = user->fds[which];

	if (user->links[which] != link) {
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &link, sizeof(link)) < 0)
			return -errno;
		user->links[which] = link;
	}
	if (user->marks[which] != mark) {
		if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
			return -errno;
		user->marks[which] = mark;
	}
	return 0;
}

int oraclesend_out(struct oraclesend *s, const struct oraclenet_link *link,
		   const struct terms_packet *packet, uint32_t uid, const struct oracleframe *frame)
{
	struct oraclesend_user *user = oraclesend_find(s, uid);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_addr = packet->far,
				    .sin6_scope_id = (uint32_t)link->index };
	struct sockaddr_in four = { .sin_family = AF_INET };
	bool is_v4 = packet->family == 4;
	int r;

	if (!user)
		return -EOPNOTSUPP;
	memcpy(&four.sin_addr, packet->far.s6_addr + 12, 4);
	r = oraclesend_prepare(user, is_v4, link->index, packet->mark);
	if (r < 0)
		return r;
	(void)sendto(user->fds[is_v4], frame->bytes + ORACLEFRAME_ETHER,
		     frame->len - ORACLEFRAME_ETHER, 0,
		     is_v4 ? (const struct sockaddr *)&four : (const struct sockaddr *)&six,
		     is_v4 ? sizeof(four) : sizeof(six));
	return 0;
}

int oraclesend_frame(struct oraclesend *s, const struct oraclenet_link *link,
		     const struct terms_packet *packet, const struct oracleframe *frame)
{
	size_t skip = link->is_tap ? 0 : ORACLEFRAME_ETHER;
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = link->index,
				  .sll_halen = 6,
				  .sll_protocol = htons(packet->family == 6 ? 0x86dd : 0x0800) };

	if (s->packet_mark != packet->mark) {
		if (setsockopt(s->packet_fd, SOL_SOCKET, SO_MARK, &packet->mark,
			       sizeof(packet->mark)) < 0)
			return -errno;
		s->packet_mark = packet->mark;
	}
	(void)sendto(s->packet_fd, frame->bytes + skip, frame->len - skip, 0,
		     (const struct sockaddr *)&to, sizeof(to));
	return 0;
}

bool oraclesend_came_out(const struct oraclenet_link *link, uint16_t zone)
{
	size_t skip = link->is_tap ? ORACLEFRAME_ETHER : 0;
	uint8_t bytes[2048];
	bool came = false;
	ssize_t n;

	while (link->fd >= 0 && (n = read(link->fd, bytes, sizeof(bytes))) > 0)
		if ((size_t)n > skip && oracleframe_zone(bytes + skip, (size_t)n - skip) == zone)
			came = true;
	return came;
}
