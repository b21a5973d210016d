/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What our two tables hold, in a form that can be compared: a list of records in a fixed order,
 * with everything left out that changes by itself or with time (handles, use counts, counters,
 * timeouts, positions), that is live and not policy (elements of sets with timeouts), or that says
 * who may change a table (flags owner and persist). Made from the kernel of this namespace; crosses
 * a process border or a reboot in a bounded encoding.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/wire.h"
#include "netpolicy/apply/kernio.h"

/* Four nets of 131,072 prefixes, two elements each, of about 40 bytes. */
#define KDUMP_BYTES_MAX (64 * 1024 * 1024) /* of all records together, and of the encoding */
#define KDUMP_RECORDS_MAX 1200000
#define KDUMP_LABEL_MAX 128 /* bytes with the NUL */

enum kdump_kind {
	KDUMP_TABLE,
	KDUMP_CHAIN,
	KDUMP_SET,
	KDUMP_OBJ,
	KDUMP_FLOWTABLE,
	KDUMP_ELEM,
	KDUMP_RULE,
	KDUMP_KINDS,
};

struct kdump_record {
	enum kdump_kind kind;
	bool is_guard;
	uint32_t detail; /* object type; flags of a set; place of a rule in its chain, from 0 */
	uint32_t holder; /* offset of the name of the chain, set or object; "" for a table */
	uint32_t label;  /* offset of words for people: comment, hook; not of elements */
	uint32_t data;   /* offset of the content that is compared */
	uint32_t len;
};

struct kdump {
	struct kdump_record *list;
	size_t n, cap;
	uint8_t *bytes;
	size_t used, size;
	uint32_t generation; /* of the ruleset that was read; 0 = it was not */
};

/* Reads our tables from the kernel. Releases what @ret held before; it may be all zero.
 * Errors: 0; -EBUSY when the ruleset keeps changing; -E2BIG, -EFBIG; -ENOMEM; -errno. */
int kdump_read(struct kernio *k, struct kdump *ret) _warn_unused_;

/* One attempt of kdump_read(). @is_loose: whatever others change meanwhile, and ret->generation is
 * then 0: right as long as nobody touched our tables, which the events of the kernel tell.
 * Errors: as kdump_read(), but KERNIO_E_CHANGED for -EBUSY. */
int kdump_read_once(struct kernio *k, bool is_loose, struct kdump *ret) _warn_unused_;

/* The name of what holds a record. Points into @d. */
const char *kdump_holder(const struct kdump *d, const struct kdump_record *r);

/* Words for a record: a comment, a hook, an address. Gives them in @d or in @scratch. */
const char *kdump_label(const struct kdump *d, const struct kdump_record *r,
			char scratch[static KDUMP_LABEL_MAX]);

/* True when both records say the same. */
bool kdump_same(const struct kdump *a, const struct kdump_record *ra, const struct kdump *b,
		const struct kdump_record *rb);

/* Orders records the way a dump is sorted, but for the place of a rule: < 0, 0, > 0. */
int kdump_compare(const struct kdump *a, const struct kdump_record *ra, const struct kdump *b,
		  const struct kdump_record *rb);

/* The record of that name, NULL when there is none. For kinds other than elements and rules; @d is
 * sorted, as it is read and decoded. */
const struct kdump_record *kdump_find(const struct kdump *d, enum kdump_kind kind, bool is_guard,
				      const char *holder);

/* Copies @from into @ret, releasing what it held. Errors: 0; -ENOMEM. */
int kdump_copy(const struct kdump *from, struct kdump *ret) _warn_unused_;

/* Takes a chain with its rules out. */
void kdump_drop_chain(struct kdump *d, bool is_guard, const char *name);

/* Encodes. The writer may stick; ask wire_done(). */
void kdump_put(struct wire *w, const struct kdump *d);
/* Decodes what kdump_put() wrote, which must be sorted, into @ret, releasing what it held.
 * Errors: 0; -EBADMSG; -ENOMEM. */
int kdump_get(struct wire *w, struct kdump *ret) _warn_unused_;

/* Bytes that kdump_put() will write. */
size_t kdump_size(const struct kdump *d);

/* Releases; all zero afterwards. For _cleanup_(kdump_release). */
void kdump_release(struct kdump *d);
