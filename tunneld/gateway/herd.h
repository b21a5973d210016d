/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Return times for hosts that come all at once: those who are turned away get slots one after the
 * other, so that they come back at a rate that can be served. Pure.
 */
#include <stdint.h>

#define HERD_PER_S 200  /* slots handed out for one second */
#define HERD_SPAN_S 120 /* the last slot that is handed out; then it begins anew */

struct herd {
	uint64_t next_ns; /* boot time of the next free slot */
};

/* Takes the next slot. Gives the seconds until it, 1...HERD_SPAN_S. */
uint32_t herd_take(struct herd *h, uint64_t now_ns);
