/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/bdd.h"

#include <errno.h>

struct bdd_manager *bdd_new(unsigned int n_vars, size_t max)
{
	return NULL;
}

void bdd_free(struct bdd_manager *m)
{
}

void bdd_freep(struct bdd_manager **m)
{
}

bdd bdd_var(struct bdd_manager *m, unsigned int var)
{
	return 0;
}

bdd bdd_and(struct bdd_manager *m, bdd a, bdd b)
{
	return 0;
}

bdd bdd_or(struct bdd_manager *m, bdd a, bdd b)
{
	return 0;
}

bdd bdd_diff(struct bdd_manager *m, bdd a, bdd b)
{
	return 0;
}

bdd bdd_not(struct bdd_manager *m, bdd a)
{
	return 0;
}

bdd bdd_or_all(struct bdd_manager *m, bdd *list, size_t n)
{
	return 0;
}

bdd bdd_prefix(struct bdd_manager *m, unsigned int first, const uint8_t *bits, unsigned int len)
{
	return 0;
}

bdd bdd_range(struct bdd_manager *m, unsigned int first, unsigned int width, uint32_t low,
	      uint32_t high)
{
	return 0;
}

void bdd_pick(const struct bdd_manager *m, bdd a, const uint8_t *like, uint8_t *ret)
{
}

bool bdd_has(const struct bdd_manager *m, bdd a, const uint8_t *values)
{
	return false;
}

bdd bdd_forget(struct bdd_manager *m, bdd a, unsigned int first, unsigned int n)
{
	return 0;
}

size_t bdd_nodes(const struct bdd_manager *m)
{
	return 0;
}

int bdd_failed(const struct bdd_manager *m)
{
	return -ENOSYS;
}
