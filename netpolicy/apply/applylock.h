/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One change of the policy at a time: a lock on "policy.lock" in the state directory, held from
 * before policy.next or policy.batch is written until the kernel has it. It ends with the process.
 */
#include <stdint.h>

#include "common/attr.h"

#define APPLYLOCK_NAME "policy.lock"
#define APPLYLOCK_WAIT_MS 5000 /* for whoever applies at this moment */

/* Takes the lock in @state_dir, waiting until @deadline_ns (clk_now_ns(); 0 = not at all).
 * Gives a descriptor in *ret; closing it lets go. Errors: 0; -EBUSY when another holds it still;
 * -errno. */
int applylock_take(const char *state_dir, uint64_t deadline_ns, int *ret) _warn_unused_;
