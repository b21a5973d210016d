/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/kern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtaddr.h"
#include "tunneld/kern/rtlink.h"
#include "tunneld/kern/rtroute.h"
#include "tunneld/kern/rtrule.h"
#include "tunneld/kern/wgdev.h"

#define KERN_WIREGUARD "wireguard" /* IFLA_INFO_KIND */

struct kern {
	struct nlsock *sock;
	struct kern_stats stats;
};

int kern_open(struct kern **ret)
{
	struct kern *k = calloc(1, sizeof(*k));
	int r = k ? nlsock_open(&k->sock) : -ENOMEM;

	if (r < 0) {
		kern_close(k);
		return r;
	}
	*ret = k;
	return 0;
}

/* ---- reading ---- */

static bool kern_take_allowed(const struct wgdev_peer *from, struct netstate_peer *to)
{
	for (size_t i = 0; i < from->n_allowed; i++)
		if (netstate_put_allowed(to, &from->allowed[i]) < 0)
			return false;
	return !from->allows_ip4;
}

static void kern_take_peer(const struct wgdev_peer *from, struct netstate_peer *to)
{
	*to = (struct netstate_peer){
		.key = from->key,
		.has_psk = !secret_is_zero(&from->psk),
		.knows_psk = !secret_is_zero(&from->psk),
		.psk = from->psk,
		.endpoint = from->endpoint,
		.keepalive_s = from->keepalive_s,
		.handshake_wall_s = from->handshake_wall_s,
		.rx_bytes = from->rx_bytes,
		.tx_bytes = from->tx_bytes,
	};
	to->allows_more = !kern_take_allowed(from, to);
}

static int kern_read_device(const char *ifname, struct netstate *s)
{
	_cleanup_(wgdev_dump_free) struct wgdev_dump d = { 0 };
	int r = wgdev_read(ifname, &d);

	if (r < 0)
		return r;
	s->link.has_key = d.has_key;
	s->link.public_key = d.public_key;
	s->link.fwmark = d.fwmark;
	s->link.listen_port = d.listen_port;
	for (size_t i = 0; i < d.n_peers && i < NETSTATE_PEERS_MAX; i++)
		kern_take_peer(&d.peers[i], &s->peers[s->n_peers++]);
	s->truncated |= d.n_peers > NETSTATE_PEERS_MAX;
	return 0;
}

static int kern_read_link(struct kern *k, const char *ifname, struct netstate *s)
{
	struct rtlink link;
	int r = rtlink_read(k->sock, ifname, &link);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	s->link.present = true;
	s->link.is_wireguard = !strcmp(link.kind, KERN_WIREGUARD);
	s->link.up = link.up;
	s->link.mtu = link.mtu;
	if (!s->link.is_wireguard)
		return 0;
	r = kern_read_device(ifname, s);
	/* It went away or became another one since. */
	return r == -ENODEV || r == -EOPNOTSUPP ? -EINTR : r;
}

static int kern_read_addrs(struct kern *k, const char *ifname, struct netstate *s)
{
	size_t n = 0;
	int r = rtaddr_list(k->sock, ifname, NETSTATE_ADDRS_MAX, s->addrs, &n);

	s->truncated |= n > NETSTATE_ADDRS_MAX;
	s->n_addrs = n < NETSTATE_ADDRS_MAX ? n : NETSTATE_ADDRS_MAX;
	return r;
}

static int kern_read_routes(struct kern *k, const struct netstate_names *names, struct netstate *s)
{
	size_t n = 0;
	int r = rtroute_list(k->sock, names, NETSTATE_ROUTES_MAX, s->routes, &n);

	s->truncated |= n > NETSTATE_ROUTES_MAX;
	s->n_routes = n < NETSTATE_ROUTES_MAX ? n : NETSTATE_ROUTES_MAX;
	return r;
}

static int kern_read_rules(struct kern *k, const struct netstate_names *names, struct netstate *s)
{
	struct rtrule_seen seen = { 0 };
	int r = names->rule_priority ? rtrule_read(k->sock, names, &seen) : 0;

	s->rule = seen.exact;
	s->stale_rules = seen.stale;
	return r;
}

static int kern_read_once(struct kern *k, const struct netstate_names *names, struct netstate *s)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = kern_read_link(k, names->ifname, s);
	if (r == 0)
		r = kern_read_addrs(k, names->ifname, s);
	if (r == 0)
		r = kern_read_routes(k, names, s);
	if (r == 0)
		r = kern_read_rules(k, names, s);
	return r;
}

int kern_read(struct kern *k, const struct netstate_names *names, struct netstate *ret)
{
	_cleanup_(netstate_wipe) struct netstate s;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < KERN_READ_TRIES; i++) {
		r = kern_read_once(k, names, &s);
		k->stats.interrupted += r == -EINTR;
	}
	if (r < 0)
		return r == -EINTR ? -EAGAIN : r;
	k->stats.reads++;
	*ret = s;
	return 0;
}

/* ---- steps ---- */

typedef int kern_step(struct kern *k, const struct netstate_names *names, const struct plan_op *op);

static int kern_set_route(struct kern *k, const struct netstate_names *names,
			  const struct plan_op *op)
{
	return rtroute_set(k->sock, names, &op->route);
}

static int kern_del_route(struct kern *k, const struct netstate_names *names,
			  const struct plan_op *op)
{
	return rtroute_del(k->sock, names, &op->route);
}

static int kern_add_rule(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	return rtrule_add(k->sock, names);
}

static int kern_sweep_rules(struct kern *k, const struct netstate_names *names,
			    const struct plan_op *op)
{
	return rtrule_sweep(k->sock, names, op->keep_rule);
}

static int kern_add_link(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	struct rtlink link;
	int r = wgdev_create(names->ifname);

	if (r != -EEXIST || rtlink_read(k->sock, names->ifname, &link) < 0)
		return r;
	return strcmp(link.kind, KERN_WIREGUARD) ? -EEXIST : 0;
}

static int kern_del_link(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	struct rtlink link;
	int r = rtlink_read(k->sock, names->ifname, &link);

	/* A stranger's interface may have taken the name since the plan was made. */
	if (r == 0)
		r = strcmp(link.kind, KERN_WIREGUARD) ? -EEXIST : wgdev_delete(names->ifname);
	return r == -ENODEV ? 0 : r;
}

static int kern_set_device(struct kern *k, const struct netstate_names *names,
			   const struct plan_op *op)
{
	struct wgkey public;
	int r = 0;

	/* The mark first: no packet may leave without it once there is a key. */
	if (op->flags & PLAN_DEVICE_FWMARK)
		r = wgdev_set_fwmark(names->ifname, op->device.fwmark);
	if (r == 0 && (op->flags & PLAN_DEVICE_PORT))
		r = wgdev_set_port(names->ifname, op->device.listen_port);
	if (r == 0 && (op->flags & PLAN_DEVICE_KEY))
		r = wgdev_make_key(names->ifname, &public);
	return r;
}

static int kern_set_mtu(struct kern *k, const struct netstate_names *names,
			const struct plan_op *op)
{
	return rtlink_set_mtu(k->sock, names->ifname, op->mtu);
}

static int kern_set_up(struct kern *k, const struct netstate_names *names, const struct plan_op *op)
{
	return rtlink_set_up(k->sock, names->ifname);
}

static void kern_wipe_peer(struct wgdev_peer *p)
{
	secret_wipe(&p->psk);
}

static int kern_set_peer(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	_cleanup_(kern_wipe_peer) struct wgdev_peer p = {
		.key = op->peer->key,
		.flags = op->flags, /* the same bits, checked below */
		.endpoint = op->peer->endpoint,
		.keepalive_s = op->peer->keepalive_s,
		.allowed = op->peer->allowed,
		.n_allowed = op->peer->n_allowed,
	};

	if (op->peer->has_psk)
		p.psk = op->peer->psk;
	return wgdev_put_peers(names->ifname, &p, 1);
}

_Static_assert(PLAN_PEER_PSK == WGDEV_PEER_PSK && PLAN_PEER_ENDPOINT == WGDEV_PEER_ENDPOINT &&
		       PLAN_PEER_KEEPALIVE == WGDEV_PEER_KEEPALIVE &&
		       PLAN_PEER_REPLACE == WGDEV_PEER_REPLACE,
	       "flags of a plan go to the device as they are");

static int kern_del_peer(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	int r = wgdev_remove_peers(names->ifname, &op->peer->key, 1);

	return r == -ENODEV ? 0 : r;
}

static int kern_add_addr(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	return rtaddr_add(k->sock, names->ifname, &op->addr);
}

static int kern_del_addr(struct kern *k, const struct netstate_names *names,
			 const struct plan_op *op)
{
	return rtaddr_del(k->sock, names->ifname, &op->addr);
}

static kern_step *const kern_steps[] = {
	[PLAN_SET_ROUTE] = kern_set_route, [PLAN_ADD_RULE] = kern_add_rule,
	[PLAN_ADD_LINK] = kern_add_link,   [PLAN_SET_DEVICE] = kern_set_device,
	[PLAN_SET_MTU] = kern_set_mtu,     [PLAN_SET_PEER] = kern_set_peer,
	[PLAN_DEL_ADDR] = kern_del_addr,   [PLAN_ADD_ADDR] = kern_add_addr,
	[PLAN_SET_UP] = kern_set_up,       [PLAN_DEL_ROUTE] = kern_del_route,
	[PLAN_DEL_PEER] = kern_del_peer,   [PLAN_SWEEP_RULES] = kern_sweep_rules,
	[PLAN_DEL_LINK] = kern_del_link,
};

int kern_apply(struct kern *k, const struct netstate_names *names, const struct plan_op *op)
{
	int r = -EINVAL;

	if ((size_t)op->kind < ARRAY_SIZE(kern_steps))
		r = kern_steps[op->kind](k, names, op);
	k->stats.applied += r == 0;
	k->stats.failed += r < 0;
	return r;
}

const char *kern_error_text(const struct kern *k)
{
	return nlsock_error_text(k->sock);
}

const struct kern_stats *kern_stats(const struct kern *k)
{
	return &k->stats;
}

void kern_close(struct kern *k)
{
	if (!k)
		return;
	nlsock_close(k->sock);
	free(k);
}

void kern_closep(struct kern **k)
{
	kern_close(*k);
}
