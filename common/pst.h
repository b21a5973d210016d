/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The message codes of Postern, PST-NNNN: one list (pst.def) for log lines, refusals on the wire,
 * status, metrics and the manual. 1xxx exchange and tunnel, 2xxx identity, 3xxx policy,
 * 4xxx gateway, 5xxx issuer. A number is never reused. Source: docs/protocol.md, section 5.
 */
#include <stddef.h>

enum pst {
	PST_NONE = 0,
#define PST(number, name, text, cause, action) PST_##name = number,
#include "common/pst.def"
#undef PST
};

#define PST_CODE_LEN 8 /* strlen("PST-1234") */

struct pst_info {
	enum pst code;
	const char *name;   /* symbol of pst.def: "TCP_CONNECT" */
	const char *text;   /* what is wrong, no full stop */
	const char *cause;  /* why it usually happens */
	const char *action; /* what the operator should do */
};

/* Looks a code up. Gives a static entry, or NULL for a number that is not in the list. */
const struct pst_info *pst_find(unsigned int code);

/* The text of @code; "unknown code" when it is not in the list. Static. */
const char *pst_text(unsigned int code);

/* The whole list in ascending order; its length goes to *@ret_n. Static. */
const struct pst_info *pst_all(size_t *ret_n);
