/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One configuration server as the host sees it: exchange, lease and tunnel in one state machine.
 * It is pure: time comes in, effects go out as values (session_wants_exchange(), the lease), and
 * only session_move() changes the state.
 *
 *   WAIT       no lease; the next exchange is due at exchange_at_ns
 *   EXCHANGE   no lease; a worker is running
 *   HANDSHAKE  lease and peer, no handshake since
 *   UP         handshake is fresh
 *   STALE      the last handshake is too old
 *   EXPIRED    the lease is over; the peer stays, exchanges go on
 *
 *   event            WAIT       EXCHANGE   HANDSHAKE  UP       STALE      EXPIRED
 *   start            EXCHANGE   -          (renew)    (renew)  (renew)    (renew)
 *   granted          *          HANDSHAKE  HANDSHAKE  UP       HANDSHAKE  HANDSHAKE
 *   failed           -          WAIT       stays      stays    stays      stays
 *   handshake seen   -          -          UP         UP       UP         -
 *   too old          -          -          stays      STALE    -          -
 *   lease over       -          -          EXPIRED    EXPIRED  EXPIRED    -
 *   peer lost        -          -          WAIT       WAIT     WAIT       WAIT
 *
 * "(renew)" runs a worker beside a living tunnel; "*" is HANDSHAKE, when a lease is adopted at
 * start. A grant with another gateway key leads from UP to HANDSHAKE; a peer lost while a worker
 * runs leads to EXCHANGE instead of WAIT.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"
#include "tunneld/core/offer.h"

/* WireGuard makes a new session after 120 s (REKEY_AFTER_TIME) and gives an old one up after 180 s
 * (REJECT_AFTER_TIME); one lost attempt of 5 s and a keepalive interval are allowed on top. */
#define SESSION_STALE_S 210
/* From a grant to the first handshake before a new exchange; doubles up to the last with each
 * lease in a row that no handshake followed: more exchanges do not open a blocked UDP port. Up to
 * a quarter is added as jitter. */
#define SESSION_PATIENCE_FIRST_S 15
#define SESSION_PATIENCE_LAST_S 60
#define SESSION_BACKOFF_FIRST_NS (UINT64_C(1) * 1000000000)
#define SESSION_BACKOFF_LAST_NS (UINT64_C(60) * 1000000000)
#define SESSION_RETRY_MAX_S 3600 /* no server's wish keeps a host away for longer */

enum session_state {
	SESSION_WAIT,
	SESSION_EXCHANGE,
	SESSION_HANDSHAKE,
	SESSION_UP,
	SESSION_STALE,
	SESSION_EXPIRED,
	SESSION_STATE_N,
};

/* What an exchange granted, with its deadlines on the boot-time clock. */
struct session_lease {
	bool held;
	struct offer offer;
	uint64_t granted_ns;
	uint64_t renew_ns; /* with this host's jitter */
	uint64_t expires_ns;
	uint64_t granted_wall; /* for the file and for people */
};

struct session {
	char name[OFFER_NAME_MAX]; /* of the configuration server */
	char host[OFFER_NAME_MAX]; /* jitter seed: this host */
	enum session_state state;
	bool exchanging;          /* a worker runs */
	uint64_t exchange_at_ns;  /* when the next exchange is due */
	unsigned int n_failed;    /* exchanges in a row */
	unsigned int n_exchanges; /* started since start */
	enum pst last_code;       /* why the last exchange failed; PST_NONE after a success */
	struct session_lease lease;
	unsigned int n_fruitless; /* leases in a row that no handshake followed */
	uint64_t handshake_wall;  /* newest seen; 0 = never */
	uint64_t handshake_ns;    /* the same on the boot-time clock, which does not jump */
	uint64_t polled_ns;       /* when the kernel last reported; 0 = never */
	uint64_t rx_bytes, tx_bytes;
	unsigned int n_moves;
};

/* A change of state, for the log. */
struct session_change {
	bool moved;
	enum session_state from, to;
};

/* Starts in WAIT with the first exchange due at once. @host seeds the jitter. Borrows the names. */
void session_init(struct session *s, const char *name, const char *host, uint64_t now_ns);

/* Takes a lease from an earlier life of the program, whose peer is still in the kernel. */
struct session_change session_adopt(struct session *s, const struct session_lease *lease,
				    uint64_t now_ns);

/* True when a worker should be started now. */
bool session_wants_exchange(const struct session *s, uint64_t now_ns);

/* A worker was started. */
struct session_change session_on_start(struct session *s);

/* The exchange succeeded and its offer passed offer_check(). Borrows @offer. */
struct session_change session_on_granted(struct session *s, const struct offer *offer,
					 uint64_t now_ns, uint64_t now_wall);

/* The exchange failed with @code; @retry_after_s is the server's wish, 0 for none, cut at
 * SESSION_RETRY_MAX_S. */
struct session_change session_on_failed(struct session *s, enum pst code, uint32_t retry_after_s,
					uint64_t now_ns);

/* The kernel reports a handshake time (seconds since 1970, 0 = never) and byte counts. */
struct session_change session_on_kernel(struct session *s, uint64_t handshake_wall,
					uint64_t rx_bytes, uint64_t tx_bytes, uint64_t now_ns,
					uint64_t now_wall);

/* The peer vanished from the kernel (interface deleted): the PSK is lost with it, so the lease is
 * of no use and a new exchange is due at once. */
struct session_change session_on_lost(struct session *s, uint64_t now_ns);

/* When session_wants_exchange() or a state may change by itself; UINT64_MAX for never. */
uint64_t session_deadline(const struct session *s);

/* The first missing condition when the session is not up; PST_NONE when it is up or still young. */
enum pst session_missing(const struct session *s);

/* "up", "handshake", ... Static. */
const char *session_state_name(enum session_state state);
