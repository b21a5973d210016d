/* SPDX-License-Identifier: MIT */
#include "certs/fetchjob.h"

#include <errno.h>

const struct chan_op *fetchjob_ops(size_t *ret_n)
{
	*ret_n = 0;
	return NULL;
}

int fetchjob_encode_start(const struct fetchjob_start *in, struct chan_msg *ret)
{
	return -ENOSYS;
}

int fetchjob_decode_start(const struct chan_msg *msg, struct fetchjob_start *ret)
{
	return -ENOSYS;
}

int fetchjob_encode_part(const struct fetchjob_part *in, struct chan_msg *ret)
{
	return -ENOSYS;
}

int fetchjob_decode_part(const struct chan_msg *msg, struct fetchjob_part *ret)
{
	return -ENOSYS;
}

int fetchjob_encode_result(const struct fetchjob_result *in, struct chan_msg *ret)
{
	return -ENOSYS;
}

int fetchjob_decode_result(const struct chan_msg *msg, struct fetchjob_result *ret)
{
	return -ENOSYS;
}

void fetchjob_part_wipe(struct fetchjob_part *p)
{
}
