/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One WireGuard interface in memory in place of tunneld/kern, for programs that are linked with it:
 * the keeper runs on machines without WireGuard and its errors can be provoked.
 */
#include <stddef.h>

#include "tunneld/kern/wgdev.h"

#define FAKEKERN_PEERS_MAX 512

/* Forgets the interface. */
void fakekern_reset(void);

/* Makes every later call that changes peers fail with @r (a -errno), or succeed with 0. */
void fakekern_fail(int r);

/* The peer of @key, NULL when there is none. Borrowed until the next change. */
const struct wgdev_peer *fakekern_find(const struct wgkey *key);

/* How many peers there are. */
size_t fakekern_n_peers(void);

/* How often wgdev_put_peers() was called. */
unsigned int fakekern_n_puts(void);
