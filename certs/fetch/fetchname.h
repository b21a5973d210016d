/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where a server of a URL is to be reached, found out before the sandbox closes the file system:
 * the configured address, nothing for a literal address, or what the system's resolver says.
 * Source: docs/decisions/0011-names-of-issuers.md.
 */
#include "common/attr.h"
#include "common/ip6.h"

#define FETCHNAME_ADDRESSES_MAX 8
#define FETCHNAME_HOST_MAX 256 /* bytes with NUL of a host name */
#define FETCHNAME_ENTRY_MAX (FETCHNAME_HOST_MAX + 8 + FETCHNAME_ADDRESSES_MAX * 50)
#define FETCHNAME_WHY_MAX 160

/* Entries for httpcall: at most one is not empty. */
struct fetchname {
	char connect_to[FETCHNAME_ENTRY_MAX];
	char resolve[FETCHNAME_ENTRY_MAX];
};

/* Splits @url: the host as it stands there (an IPv6 address in brackets) and the port, also when
 * it is the scheme's own. Errors: 0; -EINVAL; -ENOMEM. */
int fetchname_split(const char *url, char ret_host[static FETCHNAME_HOST_MAX],
		    unsigned int *ret_port) _warn_unused_;

/* Finds the way to the server of @url. @address: the configured one; port 0 = none. May ask the
 * network for a name, for at most about ten seconds.
 * Errors: 0; -EHOSTUNREACH with @ret_why; -EINVAL for a URL that is none, with @ret_why;
 * -ENOMEM. */
int fetchname_find(const char *url, const struct ip6_endpoint *address, struct fetchname *ret,
		   char ret_why[static FETCHNAME_WHY_MAX]) _warn_unused_;
