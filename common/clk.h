/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Clocks. The only place that reads one. Pure code gets the value as a parameter named now_ns
 * (boot time) or now_wall (wall clock).
 */
#include <stdint.h>

#define CLK_NS_PER_S UINT64_C(1000000000)
#define CLK_NS_PER_MS UINT64_C(1000000)

/* Time since boot, suspend included, in nanoseconds. Never jumps. Source: CLOCK_BOOTTIME. */
uint64_t clk_now_ns(void);

/* Wall clock, seconds since 1970. May jump in either direction. Source: CLOCK_REALTIME. */
uint64_t clk_now_wall(void);
