/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oracle.h"

#include <errno.h>

int oracle_ask(const struct oracle_job *job, const struct terms_packet *packets, size_t n,
	       struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX])
{
	return -ENOSYS;
}
