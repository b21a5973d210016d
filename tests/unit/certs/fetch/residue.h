/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Watches what our own objects give back to the heap: no text that is freed may hold a secret.
 * Works through the linker (--wrap=free, residue_dep), so it does not see what shared libraries
 * free.
 */
#include <stdbool.h>

/* From now on counts what is freed with one of @secrets in it; they end with NULL. @whole: all of a
 * block is looked at, else up to its first NUL, for behind it may lie what a library left there
 * before. Borrows @secrets until residue_end(). */
void residue_begin(const char *const *secrets, bool whole);

/* Ends it. Returns the number. */
unsigned int residue_end(void);
