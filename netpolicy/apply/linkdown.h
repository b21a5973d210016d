/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The last resort of a host that could load no rules: no link.
 */
#include <stddef.h>

#include "common/attr.h"

#define LINKDOWN_LINKS_MAX 256 /* more are left as they are; the call then fails */

/* Takes every link of this network namespace down but loopback ones. Gives how many it took down
 * in *ret. Errors: 0; -E2BIG; -errno (some may be down already). */
int linkdown_all(size_t *ret) _warn_unused_;
