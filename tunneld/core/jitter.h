/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Per-host deterministic spread of timers: a fleet that boots at once does not act at once, and a
 * host that restarts does not roll the dice again. Pure.
 */
#include <stdint.h>

/* A number in 0...@span - 1 (0 when @span is 0) that depends only on @seed and @purpose.
 * Source: FNV-1a with a 64-bit finaliser; spread, not secrecy. Borrows both strings. */
uint64_t jitter_pick(const char *seed, const char *purpose, uint64_t n, uint64_t span);
