/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Random policies and packets for tests, from tap_random(): the same seed gives the same ones. A
 * page grows line by line, and a line stays only when the page is still taken, so that every rule
 * of the checks is kept without knowing it here.
 */
#include "netpolicy/model/policy.h"
#include "netpolicy/model/terms.h"

#define RANDPOLICY_PAGE_MAX 16384 /* bytes of a page */

/* Interfaces of a page, as its lines name them. */
struct randpolicy_links {
	const char *up;
	const char *tun; /* NULL: no tunnel, and no configuration servers */
};

/* Some of a short list, so that what was made for one page fits others. */
struct randpolicy_links randpolicy_links(void);

/* Makes a page and its model; policy_free() it. NULL with a failed assertion. */
struct policy *randpolicy_make(char ret_page[static RANDPOLICY_PAGE_MAX]);
/* As randpolicy_make(), with these interfaces. */
struct policy *randpolicy_make_on(const struct randpolicy_links *links,
				  char ret_page[static RANDPOLICY_PAGE_MAX]);

/* A packet at or near the borders of what @p says, that can exist. */
void randpolicy_packet(const struct policy *p, struct terms_packet *ret);

/* A random one of @list. */
#define randpolicy_one(list) ((list)[tap_random_below(ARRAY_SIZE(list))])
