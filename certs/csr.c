/* SPDX-License-Identifier: MIT */
#include "certs/csr.h"

#include <errno.h>

int csr_make(EVP_PKEY *key, const struct csr_spec *spec, char **ret)
{
	return -ENOSYS;
}

int csr_read(const char *pem, size_t len, struct csr *ret, const char **ret_why)
{
	return -ENOSYS;
}

void csr_release(struct csr *c)
{
}
