/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/prove.h"

#include <errno.h>

int prove_claims(const struct terms *t, struct prove_report *ret)
{
	return -ENOSYS;
}

int prove_dead_rules(const struct terms *t, struct prove_deads *ret)
{
	return -ENOSYS;
}

int prove_changes(const struct terms *from, const struct terms *to, struct prove_changes *ret)
{
	return -ENOSYS;
}

int prove_ways(const struct terms *t, const struct terms_packet *packet,
	       struct prove_way ret[static PROVE_WAYS_MAX], size_t *ret_n)
{
	return -ENOSYS;
}

int prove_witnesses(const struct terms *t, size_t max, struct terms_packet **ret, size_t *ret_n)
{
	return -ENOSYS;
}

const char *prove_packet_text(const struct terms_packet *packet, char ret[static PROVE_TEXT_MAX])
{
	return NULL;
}

int prove_packet_parse(const struct policy *p, int n_words, char *const *words,
		       struct terms_packet *ret, char ret_error[static POLICY_ERROR_MAX])
{
	return -ENOSYS;
}

void prove_release_report(struct prove_report *r)
{
}

void prove_release_deads(struct prove_deads *d)
{
}

void prove_release_changes(struct prove_changes *c)
{
}
