/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The sandbox of certd-fetch: nothing can be opened, bound or executed from here on; and where no
 * network is needed, nothing can be connected to either.
 */
#include <stdbool.h>

#include "common/attr.h"

/* Enters it for good, before the first thread. @network: sockets may be made and connected.
 * Errors: as sandbox_enter(). */
int fetchbox_enter(bool network) _warn_unused_;
