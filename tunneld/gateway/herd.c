/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/herd.h"

#define HERD_NS_PER_S UINT64_C(1000000000)

uint32_t herd_take(struct herd *h, uint64_t now_ns)
{
	uint64_t wait_ns;

	if (h->next_ns < now_ns || h->next_ns - now_ns > (HERD_SPAN_S - 1) * HERD_NS_PER_S)
		h->next_ns = now_ns;
	wait_ns = h->next_ns - now_ns;
	h->next_ns += HERD_NS_PER_S / HERD_PER_S;
	return (uint32_t)(wait_ns / HERD_NS_PER_S) + 1;
}
