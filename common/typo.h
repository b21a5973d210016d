/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What somebody meant who wrote a name that does not exist: the one that is a slip or two away.
 */
#include <stdbool.h>

#include "common/attr.h"

#define TYPO_NAME_MAX 64 /* bytes; a longer name is like no other */

/* How many letters must be added, left out, changed, or swapped with their neighbour to make @a
 * into @b; UINT_MAX when one of them is too long to say. */
unsigned int typo_distance(const char *a, const char *b);

/* Whether @written is probably @meant: at most two slips, and more than twice as many letters. */
bool typo_is_likely(const char *written, const char *meant);
