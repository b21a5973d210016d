/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The sandbox of certd-fetch: nothing can be opened, bound or executed from here on; and where no
 * network is needed, nothing can be connected to either.
 */
#include <stdbool.h>

#include "common/attr.h"

enum { FETCHBOX_E_NO_LANDLOCK = 1 }; /* done, but for what this kernel does not have */

/* Enters it for good, before the first thread. @network: sockets may be made and connected.
 * Errors: 0; FETCHBOX_E_NO_LANDLOCK; -errno, and then the caller ends. */
int fetchbox_enter(bool network) _warn_unused_;
