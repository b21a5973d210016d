/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/ctlwire.h"

#include <errno.h>

const struct chan_op ctlwire_ops[] = {
	{ CTLWIRE_STATUS, "status", 0, 0, false },
};
const size_t ctlwire_n_ops = ARRAY_SIZE(ctlwire_ops);

int ctlwire_put_request(const struct ctlwire_request *q, struct chan_msg *msg)
{
	return -ENOSYS;
}

int ctlwire_put_answer(const struct ctlwire_answer *a, struct chan_msg *msg)
{
	return -ENOSYS;
}

int ctlwire_get_request(const struct chan_msg *msg, struct ctlwire_request *ret)
{
	return -ENOSYS;
}

int ctlwire_get_answer(const struct chan_msg *msg, struct ctlwire_answer *ret)
{
	return -ENOSYS;
}

int ctlwire_call(const char *path, const struct ctlwire_request *q, unsigned int deadline_ms,
		 struct ctlwire_answer *ret)
{
	return -ENOSYS;
}
