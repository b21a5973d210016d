/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunneld/gateway/fakekern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtaddr.h"
#include "tunneld/kern/rtlink.h"
#include "tunneld/kern/rtroute.h"

static struct {
	bool present;
	bool has_key;
	struct wgkey key;
	struct wgdev_peer peers[FAKEKERN_PEERS_MAX];
	struct ip6_prefix allowed[FAKEKERN_PEERS_MAX];
	size_t n_peers;
	unsigned int n_puts;
	int fails;
} fakekern;

void fakekern_reset(void)
{
	memset(&fakekern, 0, sizeof(fakekern));
}

void fakekern_fail(int r)
{
	fakekern.fails = r;
}

static size_t fakekern_index(const struct wgkey *key)
{
	size_t i = 0;

	while (i < fakekern.n_peers && !wgkey_equal(&fakekern.peers[i].key, key))
		i++;
	return i;
}

const struct wgdev_peer *fakekern_find(const struct wgkey *key)
{
	size_t i = fakekern_index(key);

	return i < fakekern.n_peers ? &fakekern.peers[i] : NULL;
}

size_t fakekern_n_peers(void)
{
	return fakekern.n_peers;
}

unsigned int fakekern_n_puts(void)
{
	return fakekern.n_puts;
}

int wgdev_create(const char *ifname)
{
	if (fakekern.present)
		return -EEXIST;
	fakekern.present = true;
	return 0;
}

/* Not the real public key, but one that depends on the private one. */
int wgdev_set_key(const char *ifname, const struct secret *key, struct wgkey *ret_public)
{
	if (!fakekern.present)
		return -ENODEV;
	for (size_t i = 0; i < WGKEY_BYTES; i++)
		fakekern.key.bytes[i] = key->bytes[i] ^ 0x5a;
	fakekern.has_key = true;
	*ret_public = fakekern.key;
	return 0;
}

int wgdev_set_port(const char *ifname, uint16_t port)
{
	return fakekern.present ? 0 : -ENODEV;
}

/* As in the kernel: an address that another peer has moves over. */
static void fakekern_take_address(size_t to)
{
	for (size_t i = 0; i < fakekern.n_peers; i++)
		if (i != to && fakekern.peers[i].n_allowed &&
		    ip6_prefix_equal(&fakekern.allowed[i], &fakekern.allowed[to]))
			fakekern.peers[i].n_allowed = 0;
}

static int fakekern_put(const struct wgdev_peer *peer)
{
	size_t i = fakekern_index(&peer->key);

	if (i == FAKEKERN_PEERS_MAX || peer->n_allowed != 1)
		return -ENOMEM;
	if (i == fakekern.n_peers)
		fakekern.n_peers++;
	fakekern.peers[i] = *peer;
	fakekern.allowed[i] = peer->allowed[0];
	fakekern.peers[i].allowed = &fakekern.allowed[i];
	fakekern_take_address(i);
	return 0;
}

int wgdev_put_peers(const char *ifname, const struct wgdev_peer *peers, size_t n)
{
	int r = fakekern.fails ? fakekern.fails : fakekern.present ? 0 : -ENODEV;

	fakekern.n_puts++;
	for (size_t i = 0; i < n && r == 0; i++)
		r = fakekern_put(&peers[i]);
	return r;
}

int wgdev_remove_peers(const char *ifname, const struct wgkey *keys, size_t n)
{
	if (fakekern.fails)
		return fakekern.fails;
	for (size_t k = 0; k < n; k++) {
		size_t i = fakekern_index(&keys[k]);

		if (i == fakekern.n_peers)
			continue;
		fakekern.n_peers--;
		fakekern.peers[i] = fakekern.peers[fakekern.n_peers];
		fakekern.allowed[i] = fakekern.allowed[fakekern.n_peers];
		fakekern.peers[i].allowed = &fakekern.allowed[i];
	}
	return 0;
}

int wgdev_read(const char *ifname, struct wgdev_dump *ret)
{
	if (!fakekern.present)
		return -ENODEV;
	*ret = (struct wgdev_dump){ .has_key = fakekern.has_key, .public_key = fakekern.key };
	ret->peers = calloc(fakekern.n_peers + 1, sizeof(*ret->peers));
	if (!ret->peers)
		return -ENOMEM;
	memcpy(ret->peers, fakekern.peers, fakekern.n_peers * sizeof(*ret->peers));
	ret->n_peers = fakekern.n_peers;
	return 0;
}

void wgdev_dump_free(struct wgdev_dump *d)
{
	free(d->peers);
}

int nlsock_open(struct nlsock **ret)
{
	*ret = NULL;
	return 0;
}

void nlsock_closep(struct nlsock **s)
{
	*s = NULL;
}

int rtlink_read(struct nlsock *s, const char *ifname, struct rtlink *ret)
{
	*ret = (struct rtlink){ .kind = "wireguard" };
	return 0;
}

int rtlink_set_up(struct nlsock *s, const char *ifname)
{
	return 0;
}

int rtlink_set_mtu(struct nlsock *s, const char *ifname, uint32_t mtu)
{
	return 0;
}

int rtaddr_add(struct nlsock *s, const char *ifname, const struct netstate_addr *addr)
{
	return 0;
}

int rtaddr_del(struct nlsock *s, const char *ifname, const struct netstate_addr *addr)
{
	return 0;
}

int rtaddr_list(struct nlsock *s, const char *ifname, size_t max, struct netstate_addr *ret,
		size_t *ret_n)
{
	*ret_n = 0;
	return 0;
}

int rtroute_set(struct nlsock *s, const struct netstate_names *names,
		const struct netstate_route *route)
{
	return 0;
}
