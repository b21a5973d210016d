/* SPDX-License-Identifier: MIT */
/* Frames between a gatewayd worker and the keeper: one datagram as it comes from the channel.
 * What a decoder accepts must be encoded to the same bytes again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/proto/gwframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_gwframe_check_text(const char *text, size_t size)
{
	const char *end = memchr(text, '\0', size);

	if (!end || end == text)
		abort();
	for (; text < end; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

static int fuzz_gwframe_again(const struct chan_msg *in, struct chan_msg *out)
{
	struct gwframe_grant grant;
	struct gwframe_answer answer;
	struct gwframe_count count;
	struct gwframe_hello hello;

	switch ((enum gwframe_type)in->op->type) {
	case GWFRAME_GRANT:
		if (gwframe_decode_grant(in, &grant) < 0)
			return -1;
		fuzz_gwframe_check_text(grant.principal, sizeof(grant.principal));
		fuzz_gwframe_check_text(grant.serial, sizeof(grant.serial));
		if (secret_is_zero(&grant.psk))
			abort();
		return gwframe_encode_grant(in->seq, &grant, out);
	case GWFRAME_ANSWER:
		if (gwframe_decode_answer(in, &answer) < 0)
			return -1;
		return gwframe_encode_answer(in->seq, &answer, out);
	case GWFRAME_COUNT:
		if (gwframe_decode_count(in, &count) < 0)
			return -1;
		return gwframe_encode_count(in->seq, &count, out);
	case GWFRAME_HELLO:
		if (gwframe_decode_hello(in, &hello) < 0)
			return -1;
		return gwframe_encode_hello(in->seq, &hello, out);
	case GWFRAME_DRAIN:
		break;
	}
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg in, out;
	size_t n_ops;
	const struct chan_op *ops = gwframe_ops(&n_ops);

	if (chan_parse(data, size, ops, n_ops, 0, &in) < 0)
		return 0;
	if (fuzz_gwframe_again(&in, &out) == 0 &&
	    (out.len != in.len || memcmp(out.body, in.body, in.len)))
		abort();
	return 0;
}
