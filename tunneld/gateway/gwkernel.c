/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/gwkernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/files.h"
#include "tunneld/core/netstate.h"
#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtaddr.h"
#include "tunneld/kern/rtlink.h"
#include "tunneld/kern/rtroute.h"
#include "tunneld/kern/wgdev.h"

static int gwkernel_make_key(const char *path, struct secret *ret)
{
	if (getrandom(ret->bytes, SECRET_BYTES, 0) != SECRET_BYTES)
		return -EIO;
	/* Clamped, as every program that reads it would. Source: RFC 7748, section 5. */
	ret->bytes[0] &= 248;
	ret->bytes[31] = (ret->bytes[31] & 127) | 64;
	return files_write(path, ret->bytes, SECRET_BYTES, 0600);
}

int gwkernel_load_key(const char *path, struct secret *ret)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = files_read(path, SECRET_BYTES, &bytes, &len);

	if (r == -ENOENT)
		return gwkernel_make_key(path, ret);
	if (r == 0 && len == SECRET_BYTES)
		memcpy(ret->bytes, bytes, SECRET_BYTES);
	else if (r == 0 || r == -EFBIG)
		r = -EINVAL;
	if (bytes)
		secret_wipe_bytes(bytes, len);
	return r == 0 && secret_is_zero(ret) ? -EINVAL : r;
}

/* Errors: 0; -EEXIST for a stranger's interface of our name; -errno. */
static int gwkernel_make_link(struct nlsock *s, const char *ifname)
{
	struct rtlink link;
	int r = wgdev_create(ifname);

	if (r != -EEXIST)
		return r;
	r = rtlink_read(s, ifname, &link);
	if (r == 0 && strcmp(link.kind, "wireguard"))
		r = -EEXIST;
	return r;
}

/* The interface has our address and no other: one from an older configuration goes. */
static int gwkernel_set_address(struct nlsock *s, const struct gwconf *conf)
{
	const struct netstate_addr wanted = { .addr = conf->address, .len = 128 };
	struct netstate_addr have[NETSTATE_ADDRS_MAX];
	size_t n = 0;
	int r = rtaddr_list(s, conf->interface, ARRAY_SIZE(have), have, &n);

	for (size_t i = 0; i < n && i < ARRAY_SIZE(have) && r == 0; i++)
		if (have[i].len != wanted.len || !ip6_addr_equal(&have[i].addr, &wanted.addr))
			r = rtaddr_del(s, conf->interface, &have[i]);
	return r < 0 ? r : rtaddr_add(s, conf->interface, &wanted);
}

static int gwkernel_set_route(struct nlsock *s, const struct gwconf *conf)
{
	const struct netstate_route route = {
		.prefix = conf->hosts_prefix,
		.kind = NETSTATE_DEV,
		.metric = NETSTATE_METRIC_DEV,
	};
	struct netstate_names names = { .table = RTROUTE_MAIN };

	memcpy(names.ifname, conf->interface, sizeof(names.ifname));
	return rtroute_set(s, &names, &route);
}

int gwkernel_set_up(const struct gwconf *conf, const struct secret *key, struct wgkey *ret_public,
		    const char **ret_what)
{
	_cleanup_(nlsock_closep) struct nlsock *s = NULL;
	int r;

	*ret_what = "open a netlink socket";
	r = nlsock_open(&s);
	if (r < 0)
		return r;
	*ret_what = "make the WireGuard interface";
	r = gwkernel_make_link(s, conf->interface);
	if (r < 0)
		return r;
	*ret_what = "set the key";
	r = wgdev_set_key(conf->interface, key, ret_public);
	if (r < 0)
		return r;
	*ret_what = "set the UDP port";
	r = wgdev_set_port(conf->interface, (uint16_t)conf->wg_port);
	if (r < 0)
		return r;
	*ret_what = "set the MTU";
	r = rtlink_set_mtu(s, conf->interface, conf->mtu);
	if (r < 0)
		return r;
	*ret_what = "set the address";
	r = gwkernel_set_address(s, conf);
	if (r < 0)
		return r;
	*ret_what = "set the interface up";
	r = rtlink_set_up(s, conf->interface);
	if (r < 0)
		return r;
	*ret_what = "set the route to the hosts";
	return gwkernel_set_route(s, conf);
}

/* True when the peer is exactly what the lease grants. */
static bool gwkernel_fits(const struct wgdev_peer *peer, const struct gate_lease *lease)
{
	struct ip6_prefix own = ip6_host_prefix(&lease->addr);

	return !secret_is_zero(&peer->psk) && peer->n_allowed == 1 && !peer->allows_ip4 &&
	       ip6_prefix_equal(&peer->allowed[0], &own);
}

/* Finds the peers that no lease speaks for. @ret holds room for all peers. */
static int gwkernel_find_strays(struct leasedb *db, const struct wgdev_dump *dump,
				struct wgkey *ret, size_t *ret_n)
{
	struct gate_lease lease;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < dump->n_peers; i++) {
		r = leasedb_find_key(db, &dump->peers[i].key, &lease);
		if (r < 0)
			return r;
		if (r == LEASEDB_E_NONE || !gwkernel_fits(&dump->peers[i], &lease))
			ret[n++] = dump->peers[i].key;
	}
	*ret_n = n;
	return 0;
}

static int gwkernel_compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wgkey));
}

/* Drops the leases whose key is not among the @n sorted keys of @live. */
static int gwkernel_drop_leases(struct leasedb *db, const struct wgkey *live, size_t n,
				size_t *ret_n)
{
	struct wgkey *leased = NULL;
	size_t n_leased = 0, n_dropped = 0;
	int r = leasedb_list_keys(db, &leased, &n_leased);

	if (r == 0)
		r = leasedb_begin(db);
	for (size_t i = 0; i < n_leased && r == 0; i++) {
		if (bsearch(&leased[i], live, n, sizeof(*live), gwkernel_compare_keys))
			continue;
		r = leasedb_remove(db, &leased[i]);
		n_dropped++;
	}
	if (r == 0)
		r = leasedb_commit(db);
	else
		leasedb_rollback(db);
	free(leased);
	if (r == 0)
		*ret_n = n_dropped;
	return r;
}

/* The keys of all peers but the @n_strays in @strays, sorted; both orders are the dump's. */
static size_t gwkernel_list_live(const struct wgdev_dump *dump, const struct wgkey *strays,
				 size_t n_strays, struct wgkey *ret)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < dump->n_peers; i++) {
		if (at < n_strays && wgkey_equal(&dump->peers[i].key, &strays[at]))
			at++;
		else
			ret[n++] = dump->peers[i].key;
	}
	qsort(ret, n, sizeof(*ret), gwkernel_compare_keys);
	return n;
}

static void gwkernel_free_keys(struct wgkey **p)
{
	free(*p);
}

int gwkernel_adopt(const struct gwconf *conf, struct leasedb *db, struct gwkernel_sweep *ret)
{
	_cleanup_(wgdev_dump_free) struct wgdev_dump dump = { 0 };
	_cleanup_(gwkernel_free_keys) struct wgkey *keys = NULL;
	struct gwkernel_sweep sweep = { 0 };
	struct wgkey *live;
	int r = wgdev_read(conf->interface, &dump);

	if (r < 0)
		return r;
	keys = calloc(2 * dump.n_peers + 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	live = keys + dump.n_peers;
	r = gwkernel_find_strays(db, &dump, keys, &sweep.n_swept);
	if (r < 0)
		return r;
	sweep.n_peers = gwkernel_list_live(&dump, keys, sweep.n_swept, live);
	r = wgdev_remove_peers(conf->interface, keys, sweep.n_swept);
	if (r == 0)
		r = gwkernel_drop_leases(db, live, sweep.n_peers, &sweep.n_dropped);
	if (r == 0)
		*ret = sweep;
	return r;
}
