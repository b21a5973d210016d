/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/grantor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bootid.h"
#include "common/clk.h"

static struct grantbook_clock grantor_clock(const struct grantor *g)
{
	struct grantbook_clock now = { .boot_ns = clk_now_ns(), .wall_s = clk_now_wall() };

	memcpy(now.boot_id, g->boot_id, sizeof(now.boot_id));
	return now;
}

static int grantor_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" as bytes. */
static int grantor_read_boot_id(uint8_t ret[static GRANTBOOK_BOOT_ID])
{
	char text[BOOTID_MAX];
	size_t n = 0;
	int r = bootid_read(text);

	for (size_t i = 0; r == 0 && text[i] && n < 2 * GRANTBOOK_BOOT_ID; i++) {
		int digit = grantor_hex(text[i]);

		if (digit < 0)
			continue;
		ret[n / 2] = (uint8_t)(n % 2 ? ret[n / 2] | digit : digit << 4);
		n++;
	}
	return r < 0 ? r : n == 2 * GRANTBOOK_BOOT_ID ? 0 : -EBADMSG;
}

static int grantor_save(struct grantor *g)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r = grantbook_encode(&g->book, &bytes, &len);

	return r < 0 ? r : files_write(g->path, bytes, len, 0600);
}

/* Out of the way, for people to look at; the next grant writes a new one. */
static int grantor_set_aside(struct grantor *g)
{
	char bad[FILES_PATH_MAX + 8];

	grantbook_release(&g->book);
	snprintf(bad, sizeof(bad), "%s.bad", g->path);
	(void)rename(g->path, bad); /* else the next grant writes over it */
	return GRANTOR_E_DAMAGED;
}

int grantor_open(struct grantor *ret, const char *state_dir, size_t *ret_dropped)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	struct grantbook_clock now;
	size_t len;
	int r;

	*ret = (struct grantor){ 0 };
	*ret_dropped = 0;
	if ((size_t)snprintf(ret->path, sizeof(ret->path), "%s/grants", state_dir) >=
	    sizeof(ret->path))
		return -ENAMETOOLONG;
	r = grantor_read_boot_id(ret->boot_id);
	if (r < 0)
		return r;
	r = files_read(ret->path, GRANTBOOK_BYTES_MAX, &bytes, &len);
	if (r == 0)
		r = grantbook_decode(bytes, len, &ret->book);
	if (r == -ENOENT || r == -ENOMEM)
		return r == -ENOENT ? 0 : r;
	/* Whatever is wrong with it: without grants the policy is enforced all the same. */
	if (r < 0)
		return grantor_set_aside(ret);
	now = grantor_clock(ret);
	*ret_dropped = grantbook_adopt(&ret->book, &now);
	/* What stays in the file has ended by its own deadline. */
	return *ret_dropped && grantor_save(ret) == -ENOMEM ? -ENOMEM : 0;
}

static bool grantor_covers(const struct batchfile_grant *offer, const struct in6_addr *addr)
{
	for (size_t i = 0; offer && i < offer->n_nets; i++)
		if (ip6_prefix_has(&offer->nets[i], addr))
			return true;
	return false;
}

/* The element of the set for the grant. False: the policy of now does not offer it. */
static bool grantor_element(const struct enforcer *e, const struct grantbook_entry *entry,
			    uint64_t now_ns, struct liveset_element *ret)
{
	const struct batchfile_grant *offer = enforcer_grant(e, entry->name);

	if (!grantor_covers(offer, &entry->addr))
		return false;
	*ret = (struct liveset_element){ .addr = entry->addr };
	ret->left_ms = grantbook_left_ms(entry, offer->max_s, now_ns);
	/* As long as the tables of the kernel allow; its own name is never cut. */
	return (size_t)snprintf(ret->set, sizeof(ret->set), "grant_%s%c", entry->name,
				IN6_IS_ADDR_V4MAPPED(&entry->addr) ? '4' : '6') <
		       sizeof(ret->set) &&
	       ret->left_ms;
}

static int grantor_check(const struct enforcer *e, const char *name, const struct in6_addr *addr,
			 uint32_t seconds)
{
	const struct batchfile_grant *offer = enforcer_grant(e, name);

	if (!offer)
		return GRANTOR_E_UNKNOWN;
	if (!grantor_covers(offer, addr))
		return GRANTOR_E_NET;
	return seconds < 1 || seconds > offer->max_s || seconds > GRANTBOOK_LENGTH_MAX ?
		       GRANTOR_E_LENGTH :
		       0;
}

static int grantor_put(struct enforcer *e, const struct grantbook_entry *entry)
{
	struct liveset_element element;

	return grantor_element(e, entry, clk_now_ns(), &element) ? liveset_put(e->k, &element) :
								   -ENOENT;
}

int grantor_add(struct grantor *g, struct enforcer *e, const struct ctlwire_request *q,
		uint64_t *ret_id)
{
	struct grantbook_clock now = grantor_clock(g);
	const struct grantbook_entry *entry = NULL;
	struct grantbook_entry ended;
	uint64_t id;
	int r = grantor_check(e, q->name, &q->addr, q->seconds);

	if (r == 0)
		r = grantbook_add(&g->book, q, &now, &entry);
	if (r != 0) {
		if (r == -EEXIST)
			*ret_id = entry->id;
		return r == -EEXIST ? GRANTOR_E_THERE : r;
	}
	id = entry->id;
	r = grantor_save(g);
	if (r == 0)
		r = grantor_put(e, entry);
	if (r == 0)
		*ret_id = id;
	else if (grantbook_end(&g->book, id, &ended) == 0 && grantor_save(g) < 0)
		return r; /* on disk it lives until its deadline, or the next writing */
	return r;
}

int grantor_renew(struct grantor *g, struct enforcer *e, uint64_t id, uint32_t seconds)
{
	struct grantbook_clock now = grantor_clock(g);
	const struct grantbook_entry *entry = grantbook_find(&g->book, id);
	int r = entry ? grantor_check(e, entry->name, &entry->addr, seconds) : -ENOENT;
	struct grantbook_entry before;

	if (r != 0)
		return r;
	before = *entry;
	r = grantbook_renew(&g->book, id, seconds, &now, &entry);
	if (r == 0)
		r = grantor_save(g);
	if (r == 0)
		r = grantor_put(e, entry);
	if (r == 0)
		return 0;
	grantbook_restore(&g->book, &before);
	g->is_behind = true;
	if (grantor_save(g) < 0)
		return r; /* the file says the longer time, until the next writing */
	return r;
}

/* Out of the kernel first. That it is not there, or its set not, is what is wanted. */
static void grantor_drop(struct grantor *g, struct enforcer *e, const struct grantbook_entry *entry)
{
	struct liveset_element element = { .addr = entry->addr };
	int r = 0;

	if ((size_t)snprintf(element.set, sizeof(element.set), "grant_%s%c", entry->name,
			     IN6_IS_ADDR_V4MAPPED(&entry->addr) ? '4' : '6') < sizeof(element.set))
		r = liveset_drop(e->k, &element);
	if (r < 0 && r != -ENOENT)
		g->is_behind = true;
}

int grantor_end(struct grantor *g, struct enforcer *e, uint64_t id, struct grantbook_entry *ret)
{
	int r = grantbook_end(&g->book, id, ret);

	if (r < 0)
		return r;
	grantor_drop(g, e, ret);
	return grantor_save(g);
}

bool grantor_expire(struct grantor *g, struct enforcer *e, struct grantbook_entry *ret)
{
	if (!grantbook_expire(&g->book, clk_now_ns(), ret))
		return false;
	grantor_drop(g, e, ret);
	/* What stays in the file has ended by its own deadline. */
	return grantor_save(g) <= 0;
}

int grantor_sync(struct grantor *g, struct enforcer *e, struct liveset_found *ret)
{
	_cleanup_(files_freep)
		uint8_t *room = calloc(g->book.n + 1, sizeof(struct liveset_element));
	struct liveset_element *want = (void *)room;
	uint64_t now_ns = clk_now_ns();
	size_t n = 0;
	int r;

	if (!want)
		return -ENOMEM;
	/* Rules that we do not know have sets that we do not know. */
	if (e->mode == ENFORCER_BLIND) {
		*ret = (struct liveset_found){ 0 };
		g->is_behind = false;
		return 0;
	}
	for (size_t i = 0; i < g->book.n; i++)
		n += grantor_element(e, &g->book.list[i], now_ns, &want[n]);
	r = liveset_sync(e->k, want, n, ret);
	g->is_behind = r < 0;
	return r;
}

size_t grantor_list(const struct grantor *g, const struct enforcer *e, uint64_t first_id,
		    struct ctlwire_grant ret[static CTLWIRE_LIST_MAX])
{
	uint64_t now_ns = clk_now_ns(), wall_s = clk_now_wall();
	struct liveset_element element;
	size_t n = 0;

	for (size_t i = 0; i < g->book.n && n < CTLWIRE_LIST_MAX; i++) {
		const struct grantbook_entry *entry = &g->book.list[i];

		if (entry->id < first_id)
			continue;
		ret[n] = (struct ctlwire_grant){ .id = entry->id, .addr = entry->addr };
		snprintf(ret[n].name, sizeof(ret[n].name), "%s", entry->name);
		snprintf(ret[n].who, sizeof(ret[n].who), "%s", entry->who);
		snprintf(ret[n].why, sizeof(ret[n].why), "%s", entry->why);
		if (grantor_element(e, entry, now_ns, &element))
			ret[n].left_s = (uint32_t)(element.left_ms / 1000);
		ret[n].until_s = (int64_t)(wall_s + ret[n].left_s);
		n++;
	}
	return n;
}

void grantor_close(struct grantor *g)
{
	grantbook_release(&g->book);
}
