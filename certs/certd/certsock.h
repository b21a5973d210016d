/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Both ends of certd's control socket: SOCK_SEQPACKET, one question per connection, one answer. All
 * that can be asked for is the status, and an attempt now, which takes root or certd's own user.
 */
#include <stdbool.h>
#include <sys/un.h>

#include "certs/certd/certstat.h"
#include "common/attr.h"

#define CERTSOCK_WAIT_MS 5000 /* how long a client waits for the answer */
/* certd waits for a question for a moment only; a busy machine may hold a client up for longer. */
#define CERTSOCK_TRIES 10

/* Fills *ret with the present status; @renews: an attempt is wanted first. */
typedef void certsock_fill_fn(void *user, bool renews, struct certstat *ret);

struct certsock {
	int fd; /* readable = certsock_serve(); -1 = closed */
	struct sockaddr_un addr;
};

/* Listens at @path (an old socket there is replaced), mode 0660. Fills *ret. Errors: 0; -EADDRINUSE
 * when somebody listens there already; -ENAMETOOLONG; -errno. */
int certsock_open(struct certsock *ret, const char *path) _warn_unused_;

/* Answers one client, with the help of @fill. A client that asks badly gets nothing; that is its
 * problem, not ours. */
void certsock_serve(struct certsock *s, certsock_fill_fn *fill, void *user);

/* Closes and removes the socket. */
void certsock_close(struct certsock *s);

/* Asks the certd of @run_dir: CERTSTAT_ASK or CERTSTAT_RENEW.
 * Errors: 0; -ENOENT, -ECONNREFUSED when none runs; -EACCES; -ETIMEDOUT; -EPIPE when it hangs up;
 * -EBADMSG; -errno. */
int certsock_ask(const char *run_dir, enum certstat_type type, struct certstat *ret) _warn_unused_;
