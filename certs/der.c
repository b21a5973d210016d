/* SPDX-License-Identifier: MIT */
#include "certs/der.h"

#include <string.h>

#define DER_LONG 0x80u     /* a length of so many bytes more follows */
#define DER_LONG_TAG 0x1fu /* the tag has more bytes */
#define DER_OID_MORE 0x80u /* the number has more bytes */

struct der_in der_open(const unsigned char *bytes, size_t len, bool *failed)
{
	*failed = false;
	return (struct der_in){ bytes, bytes + len, failed };
}

size_t der_len(const struct der_in *in)
{
	return *in->failed ? 0 : (size_t)(in->end - in->at);
}

unsigned int der_tag(const struct der_in *in)
{
	return der_len(in) ? in->at[0] : 0;
}

/* Length of the contents and, where they are in the buffer, of the header; else 0. */
static size_t der_read_header(const struct der_in *in, size_t *ret_len)
{
	size_t left = der_len(in), header = 2, len, least = 0;

	if (left < header || !in->at[0] || (in->at[0] & DER_LONG_TAG) == DER_LONG_TAG)
		return 0;
	len = in->at[1];
	if (len >= DER_LONG) {
		header += len & 0x7f;
		least = len == (DER_LONG | 1) ? DER_LONG : 0x100; /* or a shorter form would do */
		if (header < 3 || header > 4 || left < header)
			return 0;
		len = header == 3 ? in->at[2] : (size_t)in->at[2] << 8 | in->at[3];
	}
	if (len < least || len > left - header)
		return 0;
	*ret_len = len;
	return header;
}

static struct der_in der_next(struct der_in *in, unsigned int tag, bool with_header)
{
	struct der_in found = { in->end, in->end, in->failed };
	size_t len = 0, header = der_tag(in) == tag ? der_read_header(in, &len) : 0;

	if (!header) {
		*in->failed = true;
		return found;
	}
	found.at = in->at + (with_header ? 0 : header);
	found.end = in->at + header + len;
	in->at = found.end;
	return found;
}

struct der_in der_enter(struct der_in *in, unsigned int tag)
{
	return der_next(in, tag, false);
}

struct der_in der_enter_oid(struct der_in *in)
{
	struct der_in oid = der_enter(in, DER_OID);
	bool is_begun = false, is_good = der_len(&oid) > 0;

	for (size_t i = 0; i < der_len(&oid); i++) {
		is_good &= is_begun || oid.at[i] != DER_OID_MORE;
		is_begun = oid.at[i] & DER_OID_MORE;
	}
	*oid.failed |= !is_good || is_begun;
	return oid;
}

struct der_in der_take(struct der_in *in, unsigned int tag)
{
	return der_next(in, tag, true);
}

void der_end(const struct der_in *in)
{
	*in->failed |= in->at != in->end;
}

bool der_is(const struct der_in *in, const void *bytes, size_t len)
{
	return !*in->failed && der_len(in) == len && memcmp(in->at, bytes, len) == 0;
}

struct der_out der_begin(unsigned char *bytes, size_t cap)
{
	return (struct der_out){ bytes, bytes + cap, bytes + cap, false };
}

size_t der_mark(const struct der_out *out)
{
	return (size_t)(out->end - out->at);
}

void der_put(struct der_out *out, const void *bytes, size_t len)
{
	out->failed |= len > (size_t)(out->at - out->begin);
	if (out->failed || !len)
		return;
	out->at -= len;
	memcpy(out->at, bytes, len);
}

void der_wrap(struct der_out *out, unsigned int tag, size_t mark)
{
	size_t len = der_mark(out) - mark, n = 0;
	unsigned char header[4] = { (unsigned char)tag };

	out->failed |= len > DER_CONTENT_MAX;
	if (len >= 0x100)
		header[++n] = DER_LONG | 2;
	else if (len >= DER_LONG)
		header[++n] = DER_LONG | 1;
	if (len >= 0x100)
		header[++n] = (unsigned char)(len >> 8);
	header[++n] = (unsigned char)len;
	der_put(out, header, n + 1);
}

void der_put_element(struct der_out *out, unsigned int tag, const void *bytes, size_t len)
{
	size_t mark = der_mark(out);

	der_put(out, bytes, len);
	der_wrap(out, tag, mark);
}
