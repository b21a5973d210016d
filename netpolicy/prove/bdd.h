/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reduced ordered binary decision diagrams: a set of packets is a node, equal sets are the same
 * node. Nodes are never freed one by one; a manager is made for one question and released. Errors
 * stick: after running out of nodes every result is BDD_FALSE and bdd_failed() says so. Pure.
 * Source: Bryant, "Graph-based algorithms for Boolean function manipulation", 1986.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define BDD_VARS_MAX 1024
#define BDD_NODES_MAX (32u * 1024 * 1024)

typedef uint32_t bdd; /* a set; valid as long as its manager */

enum {
	BDD_FALSE = 0, /* no packet */
	BDD_TRUE = 1,  /* all packets */
};

struct bdd_manager;

/* A manager for @n_vars variables (at most BDD_VARS_MAX) that grows to at most @max nodes. Gives
 * it, NULL when out of memory. */
struct bdd_manager *bdd_new(unsigned int n_vars, size_t max) _warn_unused_;
/* Releases. Accepts NULL. */
void bdd_free(struct bdd_manager *m);
/* bdd_free() for _cleanup_(bdd_freep). */
void bdd_freep(struct bdd_manager **m);

/* The packets whose variable is 1. */
bdd bdd_var(struct bdd_manager *m, unsigned int var);
/* Where @var is 0 the packets of @low, else those of @high; both speak of later variables only. For
 * sets that are known bit by bit. */
bdd bdd_node(struct bdd_manager *m, unsigned int var, bdd low, bdd high);
/* Set algebra. */
bdd bdd_and(struct bdd_manager *m, bdd a, bdd b);
/* As bdd_and(). */
bdd bdd_or(struct bdd_manager *m, bdd a, bdd b);
/* What is in @a and not in @b. */
bdd bdd_diff(struct bdd_manager *m, bdd a, bdd b);
/* As bdd_and(). */
bdd bdd_not(struct bdd_manager *m, bdd a);
/* The union of @n sets, halved again and again; reorders @list. */
bdd bdd_or_all(struct bdd_manager *m, bdd *list, size_t n);

/* The @len variables from @first, most significant first, have the leading bits of @bits. */
bdd bdd_prefix(struct bdd_manager *m, unsigned int first, const uint8_t *bits, unsigned int len);
/* The @width variables from @first, most significant first, hold a number of @low...@high; @width
 * at most 32. */
bdd bdd_range(struct bdd_manager *m, unsigned int first, unsigned int width, uint32_t low,
	      uint32_t high);

/* One member of a set that is not empty: @ret[var] is 0 or 1, for all variables. Each takes the
 * value it has in @like (NULL: 0) where that is possible, the first ones before the later ones. */
void bdd_pick(const struct bdd_manager *m, bdd a, const uint8_t *like, uint8_t *ret);

/* True when the assignment is in the set. */
bool bdd_has(const struct bdd_manager *m, bdd a, const uint8_t *values);

/* The set without what it says of the variables @first...@first + @n - 1 (exists). */
bdd bdd_forget(struct bdd_manager *m, bdd a, unsigned int first, unsigned int n);

/* The first variable that @a depends on; the number of variables for BDD_FALSE and BDD_TRUE. */
unsigned int bdd_top(const struct bdd_manager *m, bdd a);
/* What remains of @a, which depends on something, when its first variable is @value. */
bdd bdd_branch(const struct bdd_manager *m, bdd a, bool value);

/* Nodes made so far. */
size_t bdd_nodes(const struct bdd_manager *m);
/* Bytes of memory held. */
size_t bdd_bytes(const struct bdd_manager *m);
/* 0; -ENOMEM; -EFBIG when it ran out of nodes. */
int bdd_failed(const struct bdd_manager *m) _warn_unused_;
