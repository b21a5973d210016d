/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/kdiff.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/batch.h"

/* One comparison. */
struct kdiff_run {
	const struct kdump *want, *have;
	struct kdiff *out;
};

static const char *kdiff_table(bool is_guard)
{
	return is_guard ? "netdev " BATCH_GUARD : "inet " BATCH_TABLE;
}

static void kdiff_say(struct kdiff_run *run, bool is_guard, const char *fmt, ...) _printf_(3, 4);

static void kdiff_say(struct kdiff_run *run, bool is_guard, const char *fmt, ...)
{
	char text[448];
	va_list ap;

	run->out->differs[is_guard] = true;
	if (run->out->n++ >= KDIFF_LINES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(&run->out->lines, "%s: %s\n", kdiff_table(is_guard), text);
}

static const char *kdiff_noun(enum kdump_kind kind)
{
	static const char *const nouns[KDUMP_KINDS] = {
		[KDUMP_TABLE] = "table", [KDUMP_CHAIN] = "chain",         [KDUMP_SET] = "set",
		[KDUMP_OBJ] = "counter", [KDUMP_FLOWTABLE] = "flowtable", [KDUMP_ELEM] = "element",
		[KDUMP_RULE] = "rule",
	};

	return nouns[kind];
}

/* True when the thing that would hold the record is missing on the other side: told once, there. */
static bool kdiff_is_implied(const struct kdump *other, const struct kdump_record *r,
			     const char *holder)
{
	if (r->kind == KDUMP_TABLE)
		return false;
	if (!kdump_find(other, KDUMP_TABLE, r->is_guard, ""))
		return true;
	if (r->kind == KDUMP_RULE)
		return !kdump_find(other, KDUMP_CHAIN, r->is_guard, holder);
	return r->kind == KDUMP_ELEM && !kdump_find(other, KDUMP_SET, r->is_guard, holder);
}

static void kdiff_missing(struct kdiff_run *run, const struct kdump_record *r)
{
	char scratch[KDUMP_LABEL_MAX];
	const char *holder = kdump_holder(run->want, r);
	const char *label = kdump_label(run->want, r, scratch);

	if (kdiff_is_implied(run->have, r, holder)) {
		run->out->differs[r->is_guard] = true;
		return;
	}
	if (r->kind == KDUMP_TABLE) {
		run->out->is_absent[r->is_guard] = true;
		kdiff_say(run, r->is_guard, "the table is missing");
	} else if (r->kind == KDUMP_RULE) {
		kdiff_say(run, r->is_guard, "chain %s: rule %u is missing (\"%s\")", holder,
			  r->detail + 1, label);
	} else if (r->kind == KDUMP_ELEM) {
		kdiff_say(run, r->is_guard, "set %s: element is missing (%s)", holder, label);
	} else {
		kdiff_say(run, r->is_guard, "%s %s is missing", kdiff_noun(r->kind), holder);
	}
}

static void kdiff_added(struct kdiff_run *run, const struct kdump_record *r)
{
	char scratch[KDUMP_LABEL_MAX];
	const char *holder = kdump_holder(run->have, r);
	const char *label = kdump_label(run->have, r, scratch);

	if (kdiff_is_implied(run->want, r, holder)) {
		run->out->differs[r->is_guard] = true;
		return;
	}
	if (r->kind == KDUMP_TABLE)
		kdiff_say(run, r->is_guard, "the table should not be there");
	else if (r->kind == KDUMP_RULE)
		kdiff_say(run, r->is_guard,
			  "chain %s: a rule that is not ours stands at place %u "
			  "(\"%s\")",
			  holder, r->detail + 1, label);
	else if (r->kind == KDUMP_ELEM)
		kdiff_say(run, r->is_guard, "set %s: an element was added (%s)", holder, label);
	else
		kdiff_say(run, r->is_guard, "%s %s is not ours", kdiff_noun(r->kind), holder);
}

static void kdiff_changed(struct kdiff_run *run, const struct kdump_record *want,
			  const struct kdump_record *have)
{
	char scratch[2][KDUMP_LABEL_MAX];
	const char *is = kdump_label(run->have, have, scratch[0]);
	const char *should = kdump_label(run->want, want, scratch[1]);

	if (strcmp(is, should) != 0)
		kdiff_say(run, want->is_guard, "%s %s was changed: is \"%s\", should be \"%s\"",
			  kdiff_noun(want->kind), kdump_holder(run->want, want), is, should);
	else if (want->kind == KDUMP_TABLE)
		kdiff_say(run, want->is_guard, "the table's flags were changed");
	else
		kdiff_say(run, want->is_guard, "%s %s was changed in its definition",
			  kdiff_noun(want->kind), kdump_holder(run->want, want));
}

/* The rules of one chain as the kernel has them. */
struct kdiff_chain {
	const struct kdump_record *have;
	size_t n;
	bool *taken;
};

/* Marks the first free rule that says what @want says, from @first on and then from the start:
 * most are where they should be. Gives its place or -1. */
static ptrdiff_t kdiff_pair(struct kdiff_run *run, const struct kdump_record *want,
			    struct kdiff_chain *chain, size_t first)
{
	for (size_t k = 0; k < chain->n; k++) {
		size_t i = (first + k) % chain->n;

		if (!chain->taken[i] && kdump_same(run->want, want, run->have, &chain->have[i])) {
			chain->taken[i] = true;
			return (ptrdiff_t)i;
		}
	}
	return -1;
}

/* The rules of one chain: @nw of @want against @nh of @have. */
static int kdiff_rules(struct kdiff_run *run, const struct kdump_record *want, size_t nw,
		       const struct kdump_record *have, size_t nh)
{
	struct kdiff_chain chain = { have, nh, calloc(nh + 1, sizeof(bool)) };
	char scratch[KDUMP_LABEL_MAX];
	ptrdiff_t last = -1;
	bool is_moved = false;

	if (!chain.taken)
		return -ENOMEM;
	for (size_t i = 0; i < nw; i++) {
		ptrdiff_t at = kdiff_pair(run, &want[i], &chain, (size_t)(last + 1));

		if (at < 0)
			kdiff_missing(run, &want[i]);
		else if (at < last && !is_moved)
			kdiff_say(run, want[i].is_guard,
				  "chain %s: the order was changed: rule %u "
				  "(\"%s\") stands at place %u",
				  kdump_holder(run->want, &want[i]), want[i].detail + 1,
				  kdump_label(run->want, &want[i], scratch), have[at].detail + 1);
		is_moved |= at >= 0 && at < last;
		last = at > last ? at : last;
	}
	for (size_t i = 0; i < nh; i++)
		if (!chain.taken[i])
			kdiff_added(run, &have[i]);
	free(chain.taken);
	return 0;
}

/* The number of rules from @i on that belong to the same chain. */
static size_t kdiff_run_length(const struct kdump *d, size_t i)
{
	size_t end = i + 1;

	while (end < d->n && kdump_compare(d, &d->list[i], d, &d->list[end]) == 0)
		end++;
	return end - i;
}

/* Both sides have something here: one chain of rules, or one object. Advances both. */
static int kdiff_both(struct kdiff_run *run, size_t *w, size_t *h)
{
	const struct kdump_record *want = &run->want->list[*w], *have = &run->have->list[*h];
	size_t nw = 1, nh = 1;
	int r = 0;

	if (want->kind == KDUMP_RULE) {
		nw = kdiff_run_length(run->want, *w);
		nh = kdiff_run_length(run->have, *h);
		r = kdiff_rules(run, want, nw, have, nh);
	} else if (!kdump_same(run->want, want, run->have, have)) {
		kdiff_changed(run, want, have);
	}
	*w += nw;
	*h += nh;
	return r;
}

/* Two sorted lists, merged. */
static int kdiff_merge(struct kdiff_run *run)
{
	size_t w = 0, h = 0;
	int r = 0;

	while (r == 0 && (w < run->want->n || h < run->have->n)) {
		int side = w == run->want->n ? 1 :
			   h == run->have->n ? -1 :
					       kdump_compare(run->want, &run->want->list[w],
							     run->have, &run->have->list[h]);

		if (side < 0)
			kdiff_missing(run, &run->want->list[w++]);
		else if (side > 0)
			kdiff_added(run, &run->have->list[h++]);
		else
			r = kdiff_both(run, &w, &h);
	}
	return r;
}

int kdiff_compare(const struct kdump *want, const struct kdump *have, struct kdiff *ret)
{
	struct kdiff_run run = { want, have, ret };
	int r;

	*ret = (struct kdiff){ .lines = buf_init(KDIFF_BYTES_MAX) };
	r = kdiff_merge(&run);
	if (ret->n > KDIFF_LINES_MAX)
		buf_addf(&ret->lines, "and %zu more differences\n", ret->n - KDIFF_LINES_MAX);
	return r < 0 ? r : buf_done(&ret->lines);
}

void kdiff_release(struct kdiff *d)
{
	buf_release(&d->lines);
}
