/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The terms of a policy as sets of packets: what each fits, what reaches it because no earlier one
 * fits, and what comes of it all. Written after the words of netpolicy/model/terms.h;
 * terms_decide() is the judge in the tests.
 */
#include "netpolicy/model/terms.h"
#include "netpolicy/prove/space.h"

enum termset_list {
	TERMSET_IN,
	TERMSET_OUT,
	TERMSET_GUARD,
	TERMSET_LISTS,
};

struct termset {
	struct space *space;         /* borrowed */
	const struct terms *terms;   /* borrowed */
	const struct policy *beside; /* borrowed; NULL = none */
	bdd *fits[TERMSET_LISTS];    /* owned: what each term fits, earlier ones or not */
	bdd *reaches[TERMSET_LISTS]; /* owned, by termset_reach(): and no earlier one does */
	bdd accepts[TERMSET_LISTS];  /* what the list accepts */
	bdd allowed;                 /* what passes, packet sockets left out */
	bdd by_socket;               /* what passes an uplink from a packet socket */
};

/* Makes the sets of @t in @s. @beside: the policy of another termset of the same space, whose
 * grants of the same name are the same ones; NULL when there is none. All are borrowed for as long
 * as @ret lives, which is released by the caller also after an error.
 * Errors: 0; -ENOMEM; -EFBIG. */
int termset_make(struct space *s, const struct terms *t, const struct policy *beside,
		 struct termset *ret) _warn_unused_;
/* Releases. For _cleanup_(termset_release). */
void termset_release(struct termset *set);

/* Fills @set->reaches. Errors: as termset_make(). */
int termset_reach(struct termset *set) _warn_unused_;

/* The terms of a list. */
const struct terms_list *termset_terms(const struct terms *t, enum termset_list list);

/* What would pass if the lines of policy.rules whose byte in @without is not 0 were not there;
 * packet sockets left out. Errors stick in the space. */
bdd termset_allowed_without(struct termset *set, const uint8_t *without);

/* The value 1 << … of a grant of the policy in SPACE_GRANTS. */
unsigned int termset_grant_bit(const struct termset *set, size_t grant);
/* Packets whose far end has a live grant. */
bdd termset_grant_live(struct termset *set, size_t grant);

/* What the implied terms of rows 2 and 5 fit, in both directions. */
bdd termset_implied(struct termset *set);
