/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sending: a frame written to the tunnel device comes in, a raw socket of the right user sends out,
 * a packet socket sends past everything but the guard.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/oracle/oracleframe.h"
#include "netpolicy/oracle/oraclenet.h"

#define ORACLESEND_USERS_MAX 256

struct oraclesend;

/* Opens the sockets that need no user. Gives *ret. Errors: 0; -ENOMEM; -errno. */
int oraclesend_open(struct oraclesend **ret) _warn_unused_;
/* Closes. Accepts NULL. */
void oraclesend_close(struct oraclesend *s);
/* oraclesend_close() for _cleanup_(oraclesend_closep). */
void oraclesend_closep(struct oraclesend **s);

/* Opens the sockets of a user, once. Errors: 0; -EOPNOTSUPP when this process cannot become that
 * user; -E2BIG; -errno. */
int oraclesend_add_user(struct oraclesend *s, uint32_t uid) _warn_unused_;

/* True when oraclesend_add_user() did it for @uid. */
bool oraclesend_has_user(const struct oraclesend *s, uint32_t uid);

/* Lets the packet come in by @link. Errors: 0; -errno. */
int oraclesend_in(struct oraclesend *s, const struct oraclenet_link *link,
		  struct oracleframe *frame) _warn_unused_;

/* Sends it out by @link as @uid; the refusal of a rule is no error.
 * Errors: 0; -EOPNOTSUPP no such user; -errno. */
int oraclesend_out(struct oraclesend *s, const struct oraclenet_link *link,
		   const struct terms_packet *packet, uint32_t uid,
		   const struct oracleframe *frame) _warn_unused_;

/* Sends it out by @link from a packet socket. Errors: as oraclesend_out(). */
int oraclesend_frame(struct oraclesend *s, const struct oraclenet_link *link,
		     const struct terms_packet *packet,
		     const struct oracleframe *frame) _warn_unused_;

/* Takes what came out of @link. True when the packet of @zone was among it. */
bool oraclesend_came_out(const struct oraclenet_link *link, uint16_t zone);
