/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/liveset.h"

#include <errno.h>

int liveset_put(struct kernio *k, const struct liveset_element *e)
{
	return -ENOSYS;
}

int liveset_drop(struct kernio *k, const struct liveset_element *e)
{
	return -ENOSYS;
}

int liveset_list(struct kernio *k, struct liveset_element **ret, size_t *ret_n)
{
	return -ENOSYS;
}
