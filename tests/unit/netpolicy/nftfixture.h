/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rulesets for tests of what comes behind the text: written by hand in the way of our policies,
 * compiled once, and a stranger who stands beside them.
 */
#include <stddef.h>

#include "netpolicy/compile/compilewire.h"

/* A small policy with its guard on eth0, sets, maps, a set of live elements and anonymous sets. */
extern const char nftfixture_base[];

/* The same with a set "many6" of @n_prefixes prefixes, and @more behind. free() it. */
char *nftfixture_text(size_t n_prefixes, const char *more);

/* Sets POSTERN_LIBEXECDIR so that the compiler of this build is found. */
void nftfixture_use_build(void);

/* Compiles with a stand-in for eth0; a failure fails the test. Gives 0 or -errno. */
int nftfixture_compile(const char *text, struct compilewire_reply *ret);

/* Compiles nftfixture_text(@n_prefixes, @more) when @ret is still empty. */
void nftfixture_once(size_t n_prefixes, const char *more, struct compilewire_reply *ret);

/* Makes a table "inet foreign" whose set says of its type what nft 1.0.6 dies of, as newer programs
 * may. Source: libnftnl's udata.h. */
void nftfixture_poison(void);
