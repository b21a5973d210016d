/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The mark that a WireGuard interface puts on its packets, from the kernel. Only that: the answer
 * also holds the private key, and is wiped.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

/* Reads it; 0 = none. Errors: 0; -ENOENT this kernel has no WireGuard; -ENODEV, -EOPNOTSUPP no such
 * interface, or of another kind; -EPERM; -errno. */
int wgmark_read(const char *name, uint32_t *ret) _warn_unused_;
