/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Pages for the tests of the parser: a small one, lines behind it, and what becomes of them.
 */
#include "netpolicy/parse/policyfile.h"

/* A page of nine lines: enough to be one, with the zone, a tier and an interface of each kind. */
#define PAGETRY_BASE                                                                               \
	"policy host 1\n"                                                                          \
	"host tier compute\n"                                                                      \
	"link up eth0\n"                                                                           \
	"link tun postern0\n"                                                                      \
	"net config 2001:db8:c::/48\n"                                                             \
	"net gateways fd12::/64\n"                                                                 \
	"tier public 2001:db8:100::/64\n"                                                          \
	"to config allow any\n"                                                                    \
	"to gateways allow any\n"

/* Users: root 0, postern-certd 998, app 1001, archive 1002; "broken" gives -EIO. */
int pagetry_user(const char *name, uint32_t *ret) _warn_unused_;

/* Loads the base and @more; freed by the caller. NULL with a failed assertion. */
struct policy *pagetry_load(const char *more);

/* The error of the base and @more, in a buffer that the next call changes; "" for none. */
const char *pagetry_error(const char *more);

/* As pagetry_error() for a whole page. */
const char *pagetry_page_error(const char *page);
