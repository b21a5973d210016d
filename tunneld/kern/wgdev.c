/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/wgdev.h"

#include <errno.h>
#include <malloc.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <wireguard.h>

/* What free() writes over memory while the library runs: its message buffers hold keys and it frees
 * them as they are. glibc only; elsewhere they stay. */
#define WGDEV_PERTURB 0xa5

/* What the library is given for one batch. */
struct wgdev_batch {
	wg_peer *peers;
	size_t n_peers;
	wg_allowedip *allowed;
	size_t n_allowed;
};

/* ---- calling the library ---- */

static int wgdev_name(wg_device *dev, const char *ifname)
{
	size_t len = strlen(ifname);

	if (!len || len >= sizeof(dev->name))
		return -EINVAL;
	memcpy(dev->name, ifname, len + 1);
	return 0;
}

/* "No such family" of generic netlink: the kernel has no WireGuard. */
static int wgdev_errno(int r)
{
	return r == -EPROTONOSUPPORT || r == -ENOENT ? -EOPNOTSUPP : r;
}

static void wgdev_perturb(bool on)
{
#ifdef __GLIBC__
	mallopt(M_PERTURB, on ? WGDEV_PERTURB : 0);
#endif
}

static int wgdev_set(const char *ifname, wg_device *dev)
{
	int r = wgdev_name(dev, ifname);

	if (r < 0)
		return r;
	wgdev_perturb(true);
	r = wg_set_device(dev);
	wgdev_perturb(false);
	return wgdev_errno(r);
}

int wgdev_create(const char *ifname)
{
	wg_device dev;
	int r = wgdev_name(&dev, ifname);

	return r < 0 ? r : wg_add_device(ifname);
}

int wgdev_make_key(const char *ifname, struct wgkey *ret_public)
{
	_cleanup_(secret_wipe) struct secret key;

	wg_generate_private_key(key.bytes);
	return wgdev_set_key(ifname, &key, ret_public);
}

static void wgdev_wipe_device(wg_device *dev)
{
	secret_wipe_bytes(dev, sizeof(*dev));
}

/* The kernel itself leaves everything alone when it has this key already
 * (drivers/net/wireguard/netlink.c, wg_set_device: skip_set_private_key). */
int wgdev_set_key(const char *ifname, const struct secret *key, struct wgkey *ret_public)
{
	_cleanup_(wgdev_wipe_device) wg_device dev = { .flags = WGDEVICE_HAS_PRIVATE_KEY };
	int r;

	memcpy(dev.private_key, key->bytes, sizeof(dev.private_key));
	r = wgdev_set(ifname, &dev);
	if (r == 0)
		wg_generate_public_key(ret_public->bytes, key->bytes);
	return r;
}

int wgdev_set_fwmark(const char *ifname, uint32_t fwmark)
{
	wg_device dev = { .flags = WGDEVICE_HAS_FWMARK, .fwmark = fwmark };

	return wgdev_set(ifname, &dev);
}

int wgdev_set_port(const char *ifname, uint16_t port)
{
	wg_device dev = { .flags = WGDEVICE_HAS_LISTEN_PORT, .listen_port = port };

	return wgdev_set(ifname, &dev);
}

/* ---- peers in ---- */

static void wgdev_batch_free(struct wgdev_batch *b)
{
	if (b->peers)
		secret_wipe_bytes(b->peers, b->n_peers * sizeof(*b->peers));
	free(b->peers);
	free(b->allowed);
}

static int wgdev_batch_alloc(struct wgdev_batch *b, size_t n_peers, size_t n_allowed)
{
	b->peers = calloc(n_peers, sizeof(*b->peers));
	b->allowed = calloc(n_allowed + 1, sizeof(*b->allowed));
	if (!b->peers || !b->allowed)
		return -ENOMEM;
	for (size_t i = 0; i + 1 < n_peers; i++)
		b->peers[i].next_peer = &b->peers[i + 1];
	b->n_peers = n_peers;
	return 0;
}

static int wgdev_batch_send(struct wgdev_batch *b, const char *ifname)
{
	wg_device dev = {
		.first_peer = &b->peers[0],
		.last_peer = &b->peers[b->n_peers - 1],
	};

	return wgdev_set(ifname, &dev);
}

static void wgdev_fill_allowed(struct wgdev_batch *b, wg_peer *to, const struct wgdev_peer *from)
{
	for (size_t i = 0; i < from->n_allowed; i++) {
		wg_allowedip *a = &b->allowed[b->n_allowed++];

		a->family = AF_INET6;
		a->ip6 = from->allowed[i].addr;
		a->cidr = from->allowed[i].len;
		if (i)
			to->last_allowedip->next_allowedip = a;
		else
			to->first_allowedip = a;
		to->last_allowedip = a;
	}
}

static void wgdev_fill_peer(wg_peer *to, const struct wgdev_peer *from)
{
	unsigned int flags = WGPEER_HAS_PUBLIC_KEY;

	memcpy(to->public_key, from->key.bytes, sizeof(to->public_key));
	if (from->flags & WGDEV_PEER_PSK) {
		flags |= WGPEER_HAS_PRESHARED_KEY;
		memcpy(to->preshared_key, from->psk.bytes, sizeof(to->preshared_key));
	}
	if ((from->flags & WGDEV_PEER_ENDPOINT) && from->endpoint.port) {
		to->endpoint.addr6.sin6_family = AF_INET6;
		to->endpoint.addr6.sin6_addr = from->endpoint.addr;
		to->endpoint.addr6.sin6_port = htons(from->endpoint.port);
	}
	if (from->flags & WGDEV_PEER_KEEPALIVE) {
		flags |= WGPEER_HAS_PERSISTENT_KEEPALIVE_INTERVAL;
		to->persistent_keepalive_interval = from->keepalive_s;
	}
	if (from->flags & WGDEV_PEER_REPLACE)
		flags |= WGPEER_REPLACE_ALLOWEDIPS;
	to->flags = (enum wg_peer_flags)flags;
}

static int wgdev_put_batch(const char *ifname, const struct wgdev_peer *peers, size_t n)
{
	_cleanup_(wgdev_batch_free) struct wgdev_batch b = { 0 };
	size_t n_allowed = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		n_allowed += peers[i].n_allowed;
	r = wgdev_batch_alloc(&b, n, n_allowed);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		wgdev_fill_peer(&b.peers[i], &peers[i]);
		wgdev_fill_allowed(&b, &b.peers[i], &peers[i]);
	}
	return wgdev_batch_send(&b, ifname);
}

static size_t wgdev_batch_size(size_t left)
{
	return left < WGDEV_BATCH ? left : WGDEV_BATCH;
}

int wgdev_put_peers(const char *ifname, const struct wgdev_peer *peers, size_t n)
{
	int r = 0;

	for (size_t done = 0, k; r == 0 && done < n; done += k) {
		k = wgdev_batch_size(n - done);
		r = wgdev_put_batch(ifname, peers + done, k);
	}
	return r;
}

static int wgdev_remove_batch(const char *ifname, const struct wgkey *keys, size_t n)
{
	_cleanup_(wgdev_batch_free) struct wgdev_batch b = { 0 };
	int r = wgdev_batch_alloc(&b, n, 0);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		b.peers[i].flags = WGPEER_HAS_PUBLIC_KEY | WGPEER_REMOVE_ME;
		memcpy(b.peers[i].public_key, keys[i].bytes, sizeof(b.peers[i].public_key));
	}
	return wgdev_batch_send(&b, ifname);
}

int wgdev_remove_peers(const char *ifname, const struct wgkey *keys, size_t n)
{
	int r = 0;

	for (size_t done = 0, k; r == 0 && done < n; done += k) {
		k = wgdev_batch_size(n - done);
		r = wgdev_remove_batch(ifname, keys + done, k);
	}
	return r;
}

/* ---- the device out ---- */

/* The library frees without wiping. */
static void wgdev_free_device(wg_device **dev)
{
	wg_peer *peer;

	if (!*dev)
		return;
	wg_for_each_peer(*dev, peer)
		secret_wipe_bytes(peer->preshared_key, sizeof(peer->preshared_key));
	secret_wipe_bytes((*dev)->private_key, sizeof((*dev)->private_key));
	wg_free_device(*dev);
}

static int wgdev_get(const char *ifname, wg_device **ret)
{
	wg_device probe;
	int r = wgdev_name(&probe, ifname);

	if (r < 0)
		return r;
	wgdev_perturb(true);
	r = wg_get_device(ret, ifname);
	wgdev_perturb(false);
	return wgdev_errno(r);
}

static int wgdev_dump_alloc(struct wgdev_dump *d, const wg_device *dev)
{
	size_t n_peers = 0, n_prefixes = 0;
	const wg_allowedip *a;
	const wg_peer *peer;

	wg_for_each_peer(dev, peer)
	{
		n_peers++;
		wg_for_each_allowedip(peer, a) n_prefixes++;
	}
	d->peers = calloc(n_peers + 1, sizeof(*d->peers));
	d->prefixes = calloc(n_prefixes + 1, sizeof(*d->prefixes));
	return d->peers && d->prefixes ? 0 : -ENOMEM;
}

/* Copies the prefixes to @to, where there is room for all; gives how many there are. */
static size_t wgdev_read_allowed(const wg_peer *from, struct wgdev_peer *peer,
				 struct ip6_prefix *to)
{
	const wg_allowedip *a;

	peer->allowed = to;
	wg_for_each_allowedip(from, a)
	{
		if (a->family != AF_INET6) {
			peer->allows_ip4 = true;
			continue;
		}
		to[peer->n_allowed++] = (struct ip6_prefix){ .addr = a->ip6, .len = a->cidr };
	}
	return peer->n_allowed;
}

static void wgdev_read_peer(const wg_peer *from, struct wgdev_peer *to)
{
	memcpy(to->key.bytes, from->public_key, sizeof(to->key.bytes));
	memcpy(to->psk.bytes, from->preshared_key, sizeof(to->psk.bytes));
	if (from->endpoint.addr.sa_family == AF_INET6) {
		to->endpoint.addr = from->endpoint.addr6.sin6_addr;
		to->endpoint.port = ntohs(from->endpoint.addr6.sin6_port);
	}
	to->keepalive_s = from->persistent_keepalive_interval;
	to->handshake_wall_s = from->last_handshake_time.tv_sec;
	to->rx_bytes = from->rx_bytes;
	to->tx_bytes = from->tx_bytes;
}

static void wgdev_read_all(const wg_device *dev, struct wgdev_dump *d)
{
	struct ip6_prefix *to = d->prefixes;
	const wg_peer *peer;

	d->has_key = dev->flags & WGDEVICE_HAS_PUBLIC_KEY;
	memcpy(d->public_key.bytes, dev->public_key, sizeof(d->public_key.bytes));
	d->fwmark = dev->fwmark;
	d->listen_port = dev->listen_port;
	wg_for_each_peer(dev, peer)
	{
		struct wgdev_peer *p = &d->peers[d->n_peers++];

		wgdev_read_peer(peer, p);
		to += wgdev_read_allowed(peer, p, to);
	}
}

int wgdev_read(const char *ifname, struct wgdev_dump *ret)
{
	_cleanup_(wgdev_free_device) wg_device *dev = NULL;
	_cleanup_(wgdev_dump_free) struct wgdev_dump d = { 0 };
	int r = wgdev_get(ifname, &dev);

	if (r < 0)
		return r;
	r = wgdev_dump_alloc(&d, dev);
	if (r < 0)
		return r;
	wgdev_read_all(dev, &d);
	*ret = d;
	d = (struct wgdev_dump){ 0 };
	return 0;
}

void wgdev_dump_free(struct wgdev_dump *d)
{
	if (!d)
		return;
	if (d->peers)
		secret_wipe_bytes(d->peers, d->n_peers * sizeof(*d->peers));
	free(d->peers);
	free(d->prefixes);
	*d = (struct wgdev_dump){ 0 };
}

static void wgdev_free_keys(struct wgkey **keys)
{
	free(*keys);
}

static int wgdev_remove_all(const char *ifname, const struct wgdev_dump *d)
{
	_cleanup_(wgdev_free_keys) struct wgkey *keys = calloc(d->n_peers + 1, sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_peers; i++)
		keys[i] = d->peers[i].key;
	return wgdev_remove_peers(ifname, keys, d->n_peers);
}

int wgdev_delete(const char *ifname)
{
	_cleanup_(wgdev_dump_free) struct wgdev_dump d = { 0 };
	int r = wgdev_read(ifname, &d);

	if (r == 0)
		r = wgdev_remove_all(ifname, &d);
	return r < 0 ? r : wg_del_device(ifname);
}
