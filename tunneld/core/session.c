/* SPDX-License-Identifier: MIT */
#include "tunneld/core/session.h"

#include <stdio.h>
#include <string.h>

#include "tunneld/core/jitter.h"

#define SESSION_NS_PER_S UINT64_C(1000000000)

const char *session_state_name(enum session_state state)
{
	static const char *const names[SESSION_STATE_N] = {
		[SESSION_WAIT] = "wait",           [SESSION_EXCHANGE] = "exchange",
		[SESSION_HANDSHAKE] = "handshake", [SESSION_UP] = "up",
		[SESSION_STALE] = "stale",         [SESSION_EXPIRED] = "expired",
	};

	return state < SESSION_STATE_N ? names[state] : "?";
}

/* The moves of the table in the header; anything else is a bug here, not an event outside. */
static bool session_may_move(enum session_state from, enum session_state to)
{
	static const uint8_t allowed[SESSION_STATE_N] = {
		[SESSION_WAIT] = 1 << SESSION_EXCHANGE | 1 << SESSION_HANDSHAKE | 1 << SESSION_UP |
				 1 << SESSION_EXPIRED,
		[SESSION_EXCHANGE] = 1 << SESSION_WAIT | 1 << SESSION_HANDSHAKE,
		[SESSION_HANDSHAKE] = 1 << SESSION_UP | 1 << SESSION_EXPIRED | 1 << SESSION_WAIT |
				      1 << SESSION_EXCHANGE,
		[SESSION_UP] = 1 << SESSION_STALE | 1 << SESSION_EXPIRED | 1 << SESSION_HANDSHAKE |
			       1 << SESSION_WAIT | 1 << SESSION_EXCHANGE,
		[SESSION_STALE] = 1 << SESSION_UP | 1 << SESSION_HANDSHAKE | 1 << SESSION_EXPIRED |
				  1 << SESSION_WAIT | 1 << SESSION_EXCHANGE,
		[SESSION_EXPIRED] = 1 << SESSION_HANDSHAKE | 1 << SESSION_UP | 1 << SESSION_WAIT |
				    1 << SESSION_EXCHANGE,
	};

	return allowed[from] & (1U << to);
}

/* The only place that sets the state. */
static struct session_change session_move(struct session *s, enum session_state to)
{
	struct session_change change = { .from = s->state, .to = to };

	if (s->state == to || !session_may_move(s->state, to))
		return (struct session_change){ .from = s->state, .to = s->state };
	change.moved = true;
	s->state = to;
	s->n_moves++;
	return change;
}

static struct session_change session_stay(struct session *s)
{
	return session_move(s, s->state);
}

void session_init(struct session *s, const char *name, const char *host, uint64_t now_ns)
{
	*s = (struct session){ .state = SESSION_WAIT, .exchange_at_ns = now_ns };
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->host, sizeof(s->host), "%s", host);
}

bool session_wants_exchange(const struct session *s, uint64_t now_ns)
{
	return !s->exchanging && now_ns >= s->exchange_at_ns;
}

struct session_change session_on_start(struct session *s)
{
	s->exchanging = true;
	s->n_exchanges++;
	return s->lease.held ? session_stay(s) : session_move(s, SESSION_EXCHANGE);
}

/* Up to a tenth of the interval earlier, the same for every renewal of this host and server. */
static uint64_t session_renew_ns(const struct session *s, const struct offer *offer,
				 uint64_t now_ns)
{
	uint64_t interval = offer->renew_after_s * SESSION_NS_PER_S;

	return now_ns + interval - jitter_pick(s->host, s->name, 0, interval / 10);
}

struct session_change session_adopt(struct session *s, const struct session_lease *lease,
				    uint64_t now_ns)
{
	s->lease = *lease;
	s->lease.held = true;
	s->exchange_at_ns = lease->renew_ns;
	return session_move(s, now_ns >= lease->expires_ns ? SESSION_EXPIRED : SESSION_HANDSHAKE);
}

struct session_change session_on_granted(struct session *s, const struct offer *offer,
					 uint64_t now_ns, uint64_t now_wall)
{
	bool same_peer = s->lease.held &&
			 wgkey_equal(&s->lease.offer.gateway_key, &offer->gateway_key);

	s->exchanging = false;
	s->n_failed = 0;
	s->n_fruitless++;
	s->last_code = PST_NONE;
	s->lease = (struct session_lease){
		.held = true,
		.offer = *offer,
		.granted_ns = now_ns,
		.renew_ns = session_renew_ns(s, offer, now_ns),
		.expires_ns = now_ns + offer->expires_after_s * SESSION_NS_PER_S,
		.granted_wall = now_wall,
	};
	s->exchange_at_ns = s->lease.renew_ns;
	/* A new PSK does not disturb a running WireGuard session. */
	if (s->state == SESSION_UP && same_peer)
		return session_stay(s);
	return session_move(s, SESSION_HANDSHAKE);
}

/* Exponential back-off with jitter: somewhere in the upper half of 1, 2, 4 ... 60 s. */
static uint64_t session_backoff_ns(const struct session *s)
{
	uint64_t wait = SESSION_BACKOFF_FIRST_NS;

	for (unsigned int i = 1; i < s->n_failed && wait < SESSION_BACKOFF_LAST_NS; i++)
		wait *= 2;
	if (wait > SESSION_BACKOFF_LAST_NS)
		wait = SESSION_BACKOFF_LAST_NS;
	return wait / 2 + jitter_pick(s->host, s->name, s->n_failed, wait / 2);
}

struct session_change session_on_failed(struct session *s, enum pst code, uint32_t retry_after_s,
					uint64_t now_ns)
{
	s->exchanging = false;
	s->n_failed++;
	s->last_code = code;
	if (retry_after_s > SESSION_RETRY_MAX_S)
		retry_after_s = SESSION_RETRY_MAX_S;
	s->exchange_at_ns = now_ns + (retry_after_s ? retry_after_s * SESSION_NS_PER_S :
						      session_backoff_ns(s));
	return s->lease.held ? session_stay(s) : session_move(s, SESSION_WAIT);
}

/* Asks for an exchange soon, without overtaking one that is already due or a back-off. */
static void session_hurry(struct session *s, uint64_t now_ns)
{
	if (!s->exchanging && !s->n_failed && s->exchange_at_ns > now_ns)
		s->exchange_at_ns = now_ns;
}

/* When waiting for the first handshake of the present lease has lasted long enough. */
static uint64_t session_patience_end_ns(const struct session *s)
{
	uint64_t wait = SESSION_PATIENCE_FIRST_S * SESSION_NS_PER_S;

	for (unsigned int i = 1;
	     i < s->n_fruitless && wait < SESSION_PATIENCE_LAST_S * SESSION_NS_PER_S; i++)
		wait *= 2;
	return s->lease.granted_ns + wait + jitter_pick(s->host, s->name, s->n_fruitless, wait / 4);
}

static struct session_change session_judge(struct session *s, uint64_t now_ns)
{
	if (!s->lease.held)
		return session_stay(s);
	if (now_ns >= s->lease.expires_ns)
		return session_move(s, SESSION_EXPIRED);
	if (s->handshake_wall && now_ns < s->handshake_ns + SESSION_STALE_S * SESSION_NS_PER_S) {
		s->n_fruitless = 0;
		return session_move(s, SESSION_UP);
	}
	if (s->state == SESSION_HANDSHAKE && now_ns >= session_patience_end_ns(s))
		session_hurry(s, now_ns);
	if (s->state != SESSION_UP)
		return session_stay(s);
	session_hurry(s, now_ns);
	return session_move(s, SESSION_STALE);
}

/* The kernel dates a handshake by the wall clock, which may have jumped since. On the boot-time
 * clock a handshake that is new here is not older than the last report. */
static void session_date_handshake(struct session *s, uint64_t now_ns, uint64_t now_wall)
{
	uint64_t age_s = now_wall > s->handshake_wall ? now_wall - s->handshake_wall : 0;
	uint64_t oldest_ns = now_ns - s->polled_ns;

	s->handshake_ns = now_ns - (age_s > oldest_ns / SESSION_NS_PER_S ?
					    oldest_ns :
					    age_s * SESSION_NS_PER_S);
}

struct session_change session_on_kernel(struct session *s, uint64_t handshake_wall,
					uint64_t rx_bytes, uint64_t tx_bytes, uint64_t now_ns,
					uint64_t now_wall)
{
	if (handshake_wall != s->handshake_wall) {
		s->handshake_wall = handshake_wall;
		session_date_handshake(s, now_ns, now_wall);
	}
	s->polled_ns = now_ns;
	s->rx_bytes = rx_bytes;
	s->tx_bytes = tx_bytes;
	return session_judge(s, now_ns);
}

struct session_change session_on_lost(struct session *s, uint64_t now_ns)
{
	s->lease = (struct session_lease){ 0 };
	s->handshake_wall = 0;
	session_hurry(s, now_ns);
	return session_move(s, s->exchanging ? SESSION_EXCHANGE : SESSION_WAIT);
}

uint64_t session_deadline(const struct session *s)
{
	uint64_t at = s->exchanging ? UINT64_MAX : s->exchange_at_ns;

	if (s->lease.held && s->state != SESSION_EXPIRED && s->lease.expires_ns < at)
		at = s->lease.expires_ns;
	return at;
}

enum pst session_missing(const struct session *s)
{
	switch (s->state) {
	case SESSION_WAIT:
	case SESSION_EXCHANGE:
		return s->last_code;
	case SESSION_HANDSHAKE:
		return PST_NO_HANDSHAKE;
	case SESSION_STALE:
		return PST_HANDSHAKE_STALE;
	case SESSION_EXPIRED:
		return PST_LEASE_EXPIRED;
	case SESSION_UP:
	case SESSION_STATE_N:
		break;
	}
	return PST_NONE;
}
