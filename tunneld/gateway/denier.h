/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The deny-list in force at the keeper: taken from a probe (tunneld/gateway/denyfeed.h), held
 * against every grant, and against all leases in a sweep that gives the loop back between its
 * steps. The last list that came whole stays in force until another one has. Source:
 * docs/decisions/0021-the-keeper-holds-the-deny-list.md.
 */
#include <stdbool.h>

#include "common/attr.h"
#include "tunneld/gateway/granter.h"

#define DENIER_LATE_S 5    /* before a sweep that failed goes on */
#define DENIER_READ_MAX 64 /* messages of the probe before others have their turn */
#define DENIER_PRIORITY 1  /* of a step of the sweep among the events of the loop */

struct event_base;
struct denier;

/* All kept. */
struct denier_spec {
	struct event_base *base;
	struct granter *granter;
	struct gwstats *stats;
	void (*changed)(void *ctx); /* called when @stats have changed */
	void *ctx;
};

/* Copies @spec. Gives *ret, with no list in force. Errors: 0; -ENOMEM. */
int denier_new(const struct denier_spec *spec, struct denier **ret) _warn_unused_;

/* Listens for the list of another probe; what the one before has sent of its own counts no more.
 * Gives the probe's end of the channel. Errors: 0; -errno. */
int denier_open(struct denier *d, int *ret_fd) _warn_unused_;

/* The probe has ended: takes what it said last. Gives whether its list came whole, and so is in
 * force. */
bool denier_finish(struct denier *d);

/* Before the granter, which has borrowed the list. NULL is allowed. */
void denier_free(struct denier *d);
