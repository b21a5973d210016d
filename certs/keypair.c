/* SPDX-License-Identifier: MIT */
#include "certs/keypair.h"

#include <errno.h>

int keypair_generate(enum certconf_key type, EVP_PKEY **ret)
{
	return -ENOSYS;
}

int keypair_write_key(EVP_PKEY *key, char **ret)
{
	return -ENOSYS;
}

int keypair_check(const struct keypair_pem *pem, const struct keypair_want *want,
		  struct keypair_facts *ret, enum pst *ret_code,
		  char ret_detail[static KEYPAIR_DETAIL_MAX])
{
	return -ENOSYS;
}
