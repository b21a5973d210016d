/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/denier.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "tunneld/gateway/denyfeed.h"

struct denier {
	struct denier_spec spec;
	int fd; /* from the probe, until its list is whole; -1 = none */
	struct event *on_feed;
	struct denyfeed feed;
	bool came;             /* the list of the last probe was whole */
	struct denylist *list; /* in force; NULL = none has come yet */
	struct event *on_sweep;
	uint64_t n_cut; /* by the present sweep */
};

static void denier_count(struct denier *d, enum pst code)
{
	gwstats_count(d->spec.stats, code);
	d->spec.changed(d->spec.ctx);
}

/* Sweep */

static void denier_on_cut(const struct gate_lease *lease, const char *by, void *ctx)
{
	struct denier *d = ctx;
	char addr[IP6_ADDR_TEXT], key[WGKEY_TEXT];

	log_pst(LOG_LEVEL_WARNING, PST_TUNNEL_CUT,
		"%s, instance %s, serial %s, address %s, key %s: cut off, its %s is on the "
		"deny-list",
		lease->principal, lease->instance_id, lease->serial,
		ip6_format_addr(&lease->addr, addr), wgkey_format(&lease->key, key), by);
	d->n_cut++;
	d->spec.stats->cut++;
	denier_count(d, PST_TUNNEL_CUT);
}

static void denier_fail_sweep(struct denier *d, int r)
{
	denier_count(d, r > 0 ? PST_STORE_FAILED : PST_GATEWAY_KERNEL);
	if (r == GRANTER_E_STORE)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_FAILED,
			"%s; leases of hosts that are cut off stay in the store for now",
			granter_error(d->spec.granter));
	else if (r == GRANTER_E_UNREAD)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_FAILED,
			"%s; whether denied hosts have tunnels is not known; tried again in %d s",
			granter_error(d->spec.granter), DENIER_LATE_S);
	else
		log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_KERNEL,
			"cannot cut off who is denied: %s; tried again in %d s", strerror(-r),
			DENIER_LATE_S);
}

static void denier_sweep_after(struct denier *d, time_t s)
{
	const struct timeval tv = { .tv_sec = s };

	(void)event_add(d->on_sweep, &tv);
}

/* A step at a time: the kernel takes its time for each peer, and hosts wait for their answers. */
static void denier_on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct denier *d = arg;
	bool more = true;
	int r = granter_sweep(d->spec.granter, denier_on_cut, d, &more);

	if (r != 0)
		denier_fail_sweep(d, r);
	if (more)
		denier_sweep_after(d, r == 0 || r == GRANTER_E_STORE ? 0 : DENIER_LATE_S);
	else if (d->n_cut)
		log_info("%" PRIu64 " tunnels are cut off because of the deny-list", d->n_cut);
}

/* List */

/* It holds for every grant from now on; the sweep ends what was granted before. */
static void denier_use(struct denier *d)
{
	struct denylist *old = d->list;

	d->list = steal_ptr(d->feed.list);
	d->came = true;
	d->n_cut = 0;
	granter_deny(d->spec.granter, d->list);
	if (denylist_size(d->list) || denylist_size(old))
		log_info("deny-list: %zu entries are in force", denylist_size(d->list));
	denylist_free(old);
	d->spec.stats->denied = denylist_size(d->list);
	d->spec.changed(d->spec.ctx);
	denier_sweep_after(d, 0);
}

static void denier_close(struct denier *d)
{
	if (d->on_feed)
		event_free(d->on_feed);
	d->on_feed = NULL;
	closep(&d->fd);
	denyfeed_reset(&d->feed);
}

/* Errors: 0; CHAN_E_CLOSED, also when the list is whole; -EAGAIN; -EBADMSG; -errno. */
static int denier_take_part(struct denier *d)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	size_t n_ops;
	const struct chan_op *ops = denyfeed_ops(&n_ops);
	int r = chan_recv(d->fd, ops, n_ops, &msg);

	if (r == 0)
		r = denyfeed_decode(&d->feed, &msg);
	if (r != 0 || !denyfeed_is_whole(&d->feed))
		return r;
	denier_use(d);
	return CHAN_E_CLOSED;
}

/* Takes what the probe has sent, at most @max messages. */
static void denier_take(struct denier *d, unsigned int max)
{
	for (unsigned int i = 0; i < max && d->fd >= 0; i++) {
		int r = denier_take_part(d);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_WORKER,
				"the probe's deny-list: %s; the one in force stays", strerror(-r));
			denier_count(d, PST_GATEWAY_WORKER);
		}
		if (r != 0)
			denier_close(d);
	}
}

static void denier_on_feed(evutil_socket_t fd, short what, void *arg)
{
	denier_take(arg, DENIER_READ_MAX);
}

int denier_new(const struct denier_spec *spec, struct denier **ret)
{
	struct denier *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->spec = *spec;
	d->fd = -1;
	d->on_sweep = event_new(spec->base, -1, 0, denier_on_sweep, d);
	if (!d->on_sweep) {
		denier_free(d);
		return -ENOMEM;
	}
	(void)event_priority_set(d->on_sweep, DENIER_PRIORITY);
	*ret = d;
	return 0;
}

int denier_open(struct denier *d, int *ret_fd)
{
	int pair[2];
	int r;

	denier_close(d);
	d->came = false;
	r = chan_pair(pair);
	if (r < 0)
		return r;
	d->fd = pair[0];
	d->on_feed = event_new(d->spec.base, d->fd, EV_READ | EV_PERSIST, denier_on_feed, d);
	if (!d->on_feed || event_add(d->on_feed, NULL) < 0) {
		denier_close(d);
		closep(&pair[1]);
		return -ENOMEM;
	}
	*ret_fd = pair[1];
	return 0;
}

/* What is taken is bounded by what a list may have: each message brings an entry, or ends it. */
bool denier_finish(struct denier *d)
{
	denier_take(d, UINT_MAX);
	denier_close(d);
	return d->came;
}

void denier_free(struct denier *d)
{
	if (!d)
		return;
	denier_close(d);
	if (d->on_sweep)
		event_free(d->on_sweep);
	denylist_free(d->list);
	free(d);
}
