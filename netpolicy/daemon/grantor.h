/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Grants: what the policy offers, the book of what was given, its file, and the sets of the kernel.
 * The book is written before the kernel is told of a new grant, and after an end; what the kernel
 * has and the book has not is taken out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/files.h"
#include "netpolicy/apply/ctlwire.h"
#include "netpolicy/apply/liveset.h"
#include "netpolicy/daemon/enforcer.h"
#include "netpolicy/daemon/grantbook.h"

struct grantor {
	struct grantbook book; /* owned */
	char path[FILES_PATH_MAX];
	uint8_t boot_id[GRANTBOOK_BOOT_ID];
	bool is_behind; /* the kernel did not take an end: grantor_sync() is due */
};

enum {
	GRANTOR_E_DAMAGED = 1, /* the file cannot be read; it is now "<path>.bad" if that goes */
	GRANTOR_E_UNKNOWN = 2, /* the policy offers no such grant */
	GRANTOR_E_NET = 3,     /* the address is in none of its nets */
	GRANTOR_E_LENGTH = 4,  /* longer than the policy allows, or nothing */
	GRANTOR_E_THERE = 5,   /* the address has it already */
};

/* Reads the book of the directory @state_dir; no file is an empty book. Gives in *ret_dropped how
 * many have ended meanwhile. Release with grantor_close() also after an error.
 * Errors: 0; GRANTOR_E_DAMAGED (the book is empty); -ENAMETOOLONG; -ENOMEM; -errno. */
int grantor_open(struct grantor *ret, const char *state_dir, size_t *ret_dropped) _warn_unused_;

/* Gives *ret_id; for GRANTOR_E_THERE that of the one that is there. Errors: 0; GRANTOR_E_UNKNOWN,
 * GRANTOR_E_NET, GRANTOR_E_LENGTH, GRANTOR_E_THERE; -ENOSPC; -errno, and nothing was granted. */
int grantor_add(struct grantor *g, struct enforcer *e, const struct ctlwire_request *q,
		uint64_t *ret_id) _warn_unused_;

/* Errors: 0; as grantor_add(); -ENOENT no grant with that id. */
int grantor_renew(struct grantor *g, struct enforcer *e, uint64_t id,
		  uint32_t seconds) _warn_unused_;

/* Fills *ret with what was ended. Errors: 0; -ENOENT; -errno of the file, and it is ended all the
 * same; when the kernel does not take it out at once, g->is_behind. */
int grantor_end(struct grantor *g, struct enforcer *e, uint64_t id,
		struct grantbook_entry *ret) _warn_unused_;

/* Takes out one that has ended. Fills *ret. False: there is none. */
bool grantor_expire(struct grantor *g, struct enforcer *e, struct grantbook_entry *ret);

/* Makes the sets of the kernel hold what the book and the policy say. As liveset_sync(). */
int grantor_sync(struct grantor *g, struct enforcer *e, struct liveset_found *ret) _warn_unused_;

/* Copies up to CTLWIRE_LIST_MAX grants from @first_id on. Gives how many. */
size_t grantor_list(const struct grantor *g, const struct enforcer *e, uint64_t first_id,
		    struct ctlwire_grant ret[static CTLWIRE_LIST_MAX]);

/* Releases; the file and the kernel's sets stay. */
void grantor_close(struct grantor *g);
