/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clihost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/wire.h"
#include "netpolicy/apply/kdump.h"
#include "netpolicy/model/sha256.h"

static void clihost_put_record(struct wire *w, const struct kdump *d, const struct kdump_record *r)
{
	wire_put_u8(w, (uint8_t)r->kind);
	wire_put_u8(w, r->is_guard);
	wire_put_u32(w, r->detail);
	wire_put_str(w, kdump_holder(d, r));
	wire_put_u32(w, r->len);
	wire_put_bytes(w, d->bytes + r->data, r->len);
}

int clihost_digest(const struct kdump *d, char ret[static 65])
{
	size_t cap = 1;
	uint8_t *bytes;
	struct wire w;

	for (size_t i = 0; i < d->n; i++)
		cap += 12 + strlen(kdump_holder(d, &d->list[i])) + d->list[i].len;
	bytes = malloc(cap);
	if (!bytes)
		return -ENOMEM;
	w = wire_writer(bytes, cap);
	for (size_t i = 0; i < d->n; i++)
		clihost_put_record(&w, d, &d->list[i]);
	sha256_text(bytes, w.pos, ret);
	free(bytes);
	return w.failed ? -EFBIG : 0;
}

/* The mark of the tunnel's packets: of the lines that reach the configuration servers directly. */
static uint32_t clihost_mark(const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].has_mark)
			return p->rules[i].mark;
	return 0;
}

/* Model, bytes and kernel are one chain: without its last link nothing follows for this host. */
static void clihost_add_check(struct clihost *h, int looked)
{
	struct assume_row row = { "kernel-holds-the-policy", ASSUME_HOLDS, ASSUME_ON_BOTH, "" };

	if (looked != CLI_OK) {
		row.outcome = ASSUME_UNKNOWN;
		snprintf(row.text, sizeof(row.text), "the kernel's tables cannot be read");
	} else if (h->check.code != CLI_OK) {
		row.outcome = ASSUME_BROKEN;
		snprintf(row.text, sizeof(row.text), "PST-%d: %zu difference%s: %.90s",
			 h->check.pst, h->check.result.diff.n,
			 h->check.result.diff.n == 1 ? "" : "s",
			 h->check.result.diff.lines.text ? h->check.result.diff.lines.text : "");
		row.text[strcspn(row.text, "\n")] = '\0';
	} else if (h->is_read && !h->check.result.n_pending && strcmp(h->dump, h->expected) != 0) {
		row.outcome = ASSUME_UNKNOWN;
		snprintf(row.text, sizeof(row.text), "the tables changed while they were read");
	} else {
		snprintf(row.text, sizeof(row.text), "dump and expected dump are equal");
	}
	assume_add(&h->assumptions, &row);
}

static int clihost_read(struct clihost *h)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(kdump_release) struct kdump dump = { 0 };
	int r = kernio_open(&k);

	if (r == 0)
		r = kdump_read(k, &dump);
	h->generation = dump.generation;
	return r == 0 ? clihost_digest(&dump, h->dump) : r;
}

int clihost_look(const struct cli *c, const struct cli_work *w, struct clihost *ret)
{
	const struct policy *p = w->policy;
	struct assume_input in = { p->uplinks, p->n_uplinks, p->tunnels, p->n_tunnels,
				   p->n_tunnels ? clihost_mark(p) : 0 };
	int r = assume_look(&in, &ret->assumptions), looked;

	if (r == 0)
		r = clihost_digest(&w->file.expected, ret->expected);
	if (r < 0) {
		log_error("cannot look at this host: %s", strerror(-r));
		return CLI_TROUBLE;
	}
	looked = clicheck_look(&w->file, &ret->check);
	ret->is_read = looked == CLI_OK && clihost_read(ret) == 0;
	clihost_add_check(ret, looked);
	return clistatus_ask(c, &ret->status);
}

bool clihost_holds(const struct assume_report *r, bool in, bool out)
{
	unsigned int bears = (in ? ASSUME_ON_IN : 0) | (out ? ASSUME_ON_OUT : 0);

	for (size_t i = 0; i < r->n; i++)
		if ((r->list[i].bears_on & bears) && r->list[i].outcome != ASSUME_HOLDS)
			return false;
	return true;
}

void clihost_release(struct clihost *h)
{
	clicheck_release(&h->check);
	clistatus_release(&h->status);
	*h = (struct clihost){ 0 };
}
