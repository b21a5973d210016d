/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One rtnetlink socket for requests: send and wait for the acknowledgement, or read a dump. Strict
 * checking and extended ACK are on where the kernel has them. The only place that talks to libnl's
 * socket; rtlink, rtaddr, rtroute and rtrule make the messages.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define NLSOCK_ERROR_TEXT 160 /* bytes kept of the kernel's words, with NUL */
#define NLSOCK_TIMEOUT_S 5    /* the kernel answers at once or never */

struct nl_msg;
struct nlmsghdr;
struct nlsock;

/* Called for each object of an answer with its message. Errors: 0; -errno: no more of them. */
typedef int nlsock_each(struct nlmsghdr *h, void *arg);

/* Makes a request of @type (RTM_*) with NLM_F_* @flags and the family's fixed header of @len bytes.
 * Gives it, NULL without memory. */
struct nl_msg *nlsock_request(int type, int flags, const void *header, size_t len) _warn_unused_;

/* Adds an attribute of @len bytes to *@msg. When that fails *@msg is freed and NULL, which the
 * functions below take for -ENOMEM: no need to check each time. */
void nlsock_put(struct nl_msg **msg, int type, const void *data, size_t len);
/* As nlsock_put(), 32 bits in host byte order. */
void nlsock_put_u32(struct nl_msg **msg, int type, uint32_t value);

/* Opens a socket in the current network namespace. Gives *ret. Errors: 0; -errno. */
int nlsock_open(struct nlsock **ret) _warn_unused_;

/* Sends a request and waits for the kernel's verdict. Takes @msg, also on failure; NULL is -ENOMEM.
 * Errors: 0; the kernel's -errno, nlsock_error_text() says more. */
int nlsock_talk(struct nlsock *s, struct nl_msg *msg) _warn_unused_;

/* Sends a request for one object or a dump and gives every object to @each. Takes @msg, also on
 * failure; NULL is -ENOMEM. Errors: 0; -EINTR when the kernel's tables changed meanwhile: what was
 * given is not consistent, begin again; -errno. */
int nlsock_ask(struct nlsock *s, struct nl_msg *msg, nlsock_each *each, void *arg) _warn_unused_;

/* The kernel's own words on the last error, "" when it gave none; valid until the next call. */
const char *nlsock_error_text(const struct nlsock *s);

/* Closes. NULL is allowed. Takes @s. */
void nlsock_close(struct nlsock *s);
/* As nlsock_close(), for _cleanup_(nlsock_closep). */
void nlsock_closep(struct nlsock **s);
