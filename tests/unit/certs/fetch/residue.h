/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Watches what our own objects give back to the heap: no text that is freed may hold a secret.
 * Works through the linker (--wrap=free, residue_dep), so it does not see what shared libraries
 * free.
 */
#include <stddef.h>

/* From now on counts the freed texts that hold one of @secrets, which end with NULL. Borrows them
 * until residue_end(). */
void residue_begin(const char *const *secrets);

/* Ends it. Returns the number. */
unsigned int residue_end(void);
