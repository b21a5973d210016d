/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A struct offer as bytes inside a message or a file of our own; errors stick in the struct wire.
 */
#include "common/wire.h"
#include "tunneld/core/offer.h"

/* Appends @o; counts over the limits of offer.h fail. Borrows both. */
void offerwire_put(struct wire *w, const struct offer *o);

/* Takes an offer: counts inside the limits of offer.h, prefixes without host bits, ASCII text. */
void offerwire_get(struct wire *w, struct offer *ret);
