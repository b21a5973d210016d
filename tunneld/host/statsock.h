/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The control socket of tunneld: SOCK_SEQPACKET, one STATUS_ASK per connection, answered with one
 * STATUS_TELL. Read-only by design: nothing can be changed through it.
 */
#include <event2/event.h>

#include "common/attr.h"
#include "tunneld/proto/status.h"

/* Fills *ret with the present status; called for every question. */
typedef void statsock_fill_fn(void *user, struct status *ret);

struct statsock;

/* Listens at @path (an old socket there is replaced), mode 0660. Keeps @fill and @user. Gives *ret.
 * Errors: 0; -errno. */
int statsock_open(struct event_base *base, const char *path, statsock_fill_fn *fill, void *user,
		  struct statsock **ret) _warn_unused_;

/* Closes and removes the socket. Accepts NULL. */
void statsock_close(struct statsock *s);
