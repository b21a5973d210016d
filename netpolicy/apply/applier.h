/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * From a checked batch to the kernel and back: what is there is read, what vanished is deleted in
 * the same transaction, the generation makes sure that nobody changed anything in between, and the
 * result is read back and compared. In place: the base chains of a loaded policy stay registered.
 * A guard that is as it should be is not touched at all.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/kdiff.h"
#include "netpolicy/apply/kdump.h"
#include "netpolicy/apply/kernio.h"

#define APPLIER_NOTES_MAX 4096 /* bytes of notes */
#define APPLIER_DEVICES_MAX 16 /* uplinks without a guard that are named */
#define APPLIER_FOUND_MAX 256  /* bytes of one difference with the NUL */

enum {
	APPLIER_E_DRIFT = 1,    /* the kernel took it, yet holds something else */
	APPLIER_E_NO_OWNER = 2, /* tables cannot be owned here */
};

struct applier_result {
	bool was_current;  /* nothing had to be sent */
	bool is_owned;     /* with -EPERM: by another process, and not for want of privilege */
	bool was_loaded;   /* the kernel has taken it, also when reading back failed */
	bool is_unsure;    /* of applier_hold(): others committed all the time */
	bool was_replaced; /* not in place: deleted and made anew in one transaction, without what
			    * was live in sets with timeouts */
	size_t n_pending;  /* guards that wait for their device */
	char pending[APPLIER_DEVICES_MAX][IFNAMSIZ];
	char error[BATCH_ERROR_MAX]; /* why the kernel refused; "" = it did not */
	struct kdiff diff;           /* filled for APPLIER_E_DRIFT */
	/* The first difference before anything was sent, and how many; none without @want. */
	char found[APPLIER_FOUND_MAX];
	size_t n_found;
};

/* Loads @batch, which batch_check() has passed. @want: what it must lead to; NULL = do not read
 * back (boot). New tables are made to outlive an owner (flag persist) where the kernel knows that.
 * Gives *ret, to be released with applier_release() on every path.
 * Errors: 0; APPLIER_E_DRIFT; -EBUSY when others keep changing the ruleset; -EPERM when another
 * process owns our tables; -errno, with the reason in ret->error when it came from the kernel.
 * Unless ret->was_loaded or it is -ETIMEDOUT, the kernel then holds what it held before. */
int applier_apply(struct kernio *k, const void *batch, size_t len, const struct kdump *want,
		  struct applier_result *ret) _warn_unused_;

/* As applier_apply(), for one who hears of every commit and calls it again when one touched our
 * tables: who commits to other tables all the time cannot keep it from putting ours right. After
 * two readings in which somebody came in between it no longer insists that nobody does, and sets
 * ret->is_unsure. @want is not NULL. */
int applier_hold(struct kernio *k, const void *batch, size_t len, const struct kdump *want,
		 struct applier_result *ret) _warn_unused_;

/* Compares the kernel with @want, leaving out guards whose device does not exist (they are named in
 * ret->pending). Errors: 0 equal; APPLIER_E_DRIFT with ret->diff; -errno. */
int applier_check(struct kernio *k, const struct kdump *want,
		  struct applier_result *ret) _warn_unused_;

/* Takes both tables, those that are there, for the socket of @k: until it is closed nobody else can
 * change them. Looks whether it is so. Errors: 0; APPLIER_E_NO_OWNER when the kernel cannot or a
 * table was made without persist; -ENOENT when neither is there; -EPERM when another process owns
 * one; -EBUSY; -errno. Source: docs/decisions/0017-owner-and-persist.md. */
int applier_own(struct kernio *k) _warn_unused_;

/* Removes our two tables and nothing else. Errors: 0; -EBUSY; -EPERM; -errno. */
int applier_unload(struct kernio *k) _warn_unused_;

/* Releases. For _cleanup_(applier_release). */
void applier_release(struct applier_result *result);
