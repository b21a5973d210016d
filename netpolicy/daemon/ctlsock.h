/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * netpolicyd's end of its control socket: root alone is heard, one request and one answer for each
 * connection, never waiting for anybody. Several callers at a time; those that are silent for too
 * long, and those that are too many, are hung up on.
 */
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "common/attr.h"
#include "netpolicy/apply/ctlwire.h"

#define CTLSOCK_CLIENTS_MAX 8 /* at a time; the oldest one makes room */
#define CTLSOCK_PATIENCE_MS 2000
#define CTLSOCK_POLL_MAX (1 + CTLSOCK_CLIENTS_MAX)

struct ctlsock_client {
	int fd;
	uint64_t until_ns;
};

struct ctlsock {
	int fd; /* listening; -1 = closed */
	struct sockaddr_un addr;
	struct ctlsock_client clients[CTLSOCK_CLIENTS_MAX]; /* by age */
	size_t n;
};

/* Carries @q out and fills the rest of *answer, whose op is set. */
typedef void ctlsock_answer_fn(void *user, const struct ctlwire_request *q,
			       struct ctlwire_answer *answer);

/* Listens at @path, mode 0600; an old socket there is replaced. Fills *ret. Errors: 0; -EADDRINUSE
 * when somebody listens there already; -ENAMETOOLONG; -errno. */
int ctlsock_open(struct ctlsock *ret, const char *path) _warn_unused_;

/* Writes what to wait for into @ret. Gives the number of entries. */
size_t ctlsock_poll(const struct ctlsock *s, struct pollfd ret[static CTLSOCK_POLL_MAX]);

/* Does what has become possible of what ctlsock_poll() has asked for in @fds. */
void ctlsock_serve(struct ctlsock *s, const struct pollfd *fds, size_t n_fds,
		   ctlsock_answer_fn *answer, void *user);

/* Hangs up on the silent. */
void ctlsock_tick(struct ctlsock *s, uint64_t now_ns);

/* When ctlsock_tick() has something to do, UINT64_MAX = never. */
uint64_t ctlsock_next(const struct ctlsock *s);

/* Closes all and removes the socket. */
void ctlsock_close(struct ctlsock *s);
