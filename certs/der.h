/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * DER, as much of it as requests and certificates need: tags of one byte, contents of at most
 * DER_CONTENT_MAX bytes. The reader takes definite, shortest lengths only and notes an error once
 * for all parts of a text; the writer goes from the end to the beginning, so that each length is
 * known when it is written. OpenSSL's own machine for this makes some hundred allocations of one
 * request, which cost ztsd as much as a signature. Source: ITU-T X.690.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

#define DER_CONTENT_MAX 65535 /* bytes of one element */

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_T61 = 0x14,
	DER_IA5 = 0x16,
	DER_UNIVERSAL = 0x1c,
	DER_BMP = 0x1e,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};

#define DER_CONTEXT(n) (0x80u | (n))       /* [n], holds bytes */
#define DER_CONTEXT_HOLDS(n) (0xa0u | (n)) /* [n], holds elements */

/* What is left to read of a text or of an element in it. Borrows the bytes, and the flag that all
 * parts of one text share. */
struct der_in {
	const unsigned char *at, *end;
	bool *failed;
};

/* Begins to read @len bytes. @failed becomes true with the first error, and then all is empty. */
struct der_in der_open(const unsigned char *bytes, size_t len, bool *failed);

/* How many bytes are left to read; none after an error. */
size_t der_len(const struct der_in *in);

/* The tag of the next element; 0, which is that of none, at the end. */
unsigned int der_tag(const struct der_in *in);

/* Goes behind the next element, whose tag must be @tag, and gives its contents. */
struct der_in der_enter(struct der_in *in, unsigned int tag);

/* As der_enter() of an object identifier: one number or more, each whole, in its shortest form. */
struct der_in der_enter_oid(struct der_in *in);

/* As der_enter(), but gives the element with its header. */
struct der_in der_take(struct der_in *in, unsigned int tag);

/* Nothing may be left, else that is the error. */
void der_end(const struct der_in *in);

/* Whether what is left is these bytes. */
bool der_is(const struct der_in *in, const void *bytes, size_t len);

/* Elements in the end of a buffer. */
struct der_out {
	unsigned char *begin, *at, *end; /* written: @at...@end */
	bool failed; /* no room, or an element is too long: what there is is void */
};

/* Begins to write at the end of @cap bytes, which are borrowed. */
struct der_out der_begin(unsigned char *bytes, size_t cap);

/* How much there is; der_wrap() takes it. */
size_t der_mark(const struct der_out *out);

/* Puts bytes before what there is. */
void der_put(struct der_out *out, const void *bytes, size_t len);

/* Puts a header before what was written since @mark. */
void der_wrap(struct der_out *out, unsigned int tag, size_t mark);

/* Puts a whole element of bytes. */
void der_put_element(struct der_out *out, unsigned int tag, const void *bytes, size_t len);
