/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A disk for SQLite that fails when it is told to: a VFS over the default one, of which each call
 * that reads, writes, syncs or cuts a file can be made to fail. A write that fails wrote a half.
 */
#include <stdbool.h>

enum baddisk_kind {
	BADDISK_ONCE,  /* one call fails */
	BADDISK_STAYS, /* all fail from then on */
	BADDISK_FULL,  /* writes find no room from then on; the rest works */
};

/* Puts it in front of the default VFS, for connections that are opened from now on. */
void baddisk_insert(void);
/* Takes it away again. */
void baddisk_remove(void);

/* Call number @n from now on, counted from 0, fails. */
void baddisk_arm(unsigned int n, enum baddisk_kind kind);
/* All work again. Gives whether one has failed. */
bool baddisk_disarm(void);
