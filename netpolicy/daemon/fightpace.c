/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/fightpace.h"

#include "common/clk.h"

#define FIGHTPACE_WINDOW_NS (FIGHTPACE_WINDOW_S * CLK_NS_PER_S)

void fightpace_disturbed(struct fightpace *p, uint64_t now_ns)
{
	uint64_t gap = now_ns - p->last_ns, after;

	if (p->due_ns)
		return;
	if (!p->last_ns || (!p->is_fighting && gap >= FIGHTPACE_QUIET_MS * CLK_NS_PER_MS)) {
		p->pause_ms = FIGHTPACE_PAUSE_MS;
		p->due_ns = now_ns;
		return;
	}
	after = p->last_ns + p->pause_ms * CLK_NS_PER_MS;
	p->due_ns = after > now_ns ? after : now_ns;
	p->pause_ms *= 2;
	if (!p->is_fighting && p->pause_ms > FIGHTPACE_PAUSE_CAP_MS)
		p->pause_ms = FIGHTPACE_PAUSE_CAP_MS;
	if (p->pause_ms > FIGHTPACE_FIGHT_CAP_MS)
		p->pause_ms = FIGHTPACE_FIGHT_CAP_MS;
}

enum fightpace_news fightpace_repaired(struct fightpace *p, uint64_t now_ns)
{
	p->due_ns = 0;
	p->last_ns = now_ns;
	if (now_ns - p->window_ns >= FIGHTPACE_WINDOW_NS) {
		p->window_ns = now_ns;
		p->n_window = 0;
	}
	if (++p->n_window <= FIGHTPACE_MANY || p->is_fighting)
		return FIGHTPACE_NONE;
	p->is_fighting = true;
	p->pause_ms = FIGHTPACE_FIGHT_MS;
	return FIGHTPACE_BEGINS;
}

void fightpace_dismissed(struct fightpace *p, uint64_t now_ns)
{
	p->due_ns = 0;
	p->last_ns = now_ns;
}

enum fightpace_news fightpace_tick(struct fightpace *p, uint64_t now_ns)
{
	/* The last repair may be later than the caller's look at the clock. */
	if (!p->is_fighting || p->due_ns || now_ns < p->last_ns + FIGHTPACE_WINDOW_NS)
		return FIGHTPACE_NONE;
	p->is_fighting = false;
	p->n_window = 0;
	return FIGHTPACE_ENDS;
}

uint64_t fightpace_next(const struct fightpace *p)
{
	if (p->due_ns)
		return p->due_ns;
	return p->is_fighting ? p->last_ns + FIGHTPACE_WINDOW_NS : UINT64_MAX;
}
