/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One rtnetlink socket for requests: send and wait for the acknowledgement, or read a dump. Strict
 * checking and extended ACK are on where the kernel has them. The only place that talks to libnl's
 * socket; rtlink, rtaddr, rtroute and rtrule make the messages.
 */
#include <stdint.h>

#include "common/attr.h"

#define NLSOCK_ERROR_TEXT 160 /* bytes kept of the kernel's words, with NUL */
#define NLSOCK_TIMEOUT_S 5    /* the kernel answers at once or never */

struct nl_msg;
struct nlmsghdr;
struct nlsock;

/* Called for each object of a dump with its whole message. Errors: 0; -errno ends the dump. */
typedef int nlsock_each(const struct nlmsghdr *h, void *arg);

/* Opens a socket in the current network namespace. Gives *ret. Errors: 0; -errno. */
int nlsock_open(struct nlsock **ret) _warn_unused_;

/* Sends a request and waits for the kernel's verdict. Takes @msg, also on failure; NULL is -ENOMEM.
 * Errors: 0; the kernel's -errno, nlsock_error_text() says more. */
int nlsock_talk(struct nlsock *s, struct nl_msg *msg) _warn_unused_;

/* Sends a dump request and gives every object of the answer to @each. Takes @msg, also on failure;
 * NULL is -ENOMEM. Errors: 0; -EINTR when the kernel's tables changed meanwhile: what was given is
 * not consistent, begin again; -errno. */
int nlsock_dump(struct nlsock *s, struct nl_msg *msg, nlsock_each *each, void *arg) _warn_unused_;

/* The kernel's own words on the last error, "" when it gave none; valid until the next call. */
const char *nlsock_error_text(const struct nlsock *s);

/* Closes. NULL is allowed. Takes @s. */
void nlsock_close(struct nlsock *s);
/* As nlsock_close(), for _cleanup_(nlsock_closep). */
void nlsock_closep(struct nlsock **s);
