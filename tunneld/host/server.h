/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One configured server while tunneld runs: its session, its worker, and the PSK on its way into
 * the kernel. And what all of them together want the kernel to hold.
 */
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"
#include "common/secret.h"
#include "tunneld/core/netstate.h"
#include "tunneld/core/session.h"
#include "tunneld/host/exworker.h"
#include "tunneld/host/hostconf.h"
#include "tunneld/proto/status.h"

struct agent;

struct server {
	const struct hostconf_server *conf; /* kept */
	struct session session;
	struct exworker worker;
	struct event *event;    /* readable channel of the worker */
	struct agent *agent;
	struct wgkey asked_key; /* of the running exchange: an offer for another one is worthless */
	bool psk_fresh;         /* @psk is not in the kernel yet */
	struct secret psk;
	char detail[STATUS_DETAIL_MAX]; /* of the last failure */
	char group[STATUS_GROUP_MAX];
};

/* Fills *ret with what the kernel should hold for @n servers: the refusing routes of the
 * configuration at all times, link and key from the start, peers and device routes of leases.
 * Borrows everything; *ret may hold fresh PSKs: netstate_wipe() it.
 * Errors: 0; -ENOSPC when it does not fit. */
int server_want(const struct hostconf *conf, const struct server *servers, size_t n,
		struct netstate *ret) _warn_unused_;

/* The names of what is ours, by configuration. */
struct netstate_names server_names(const struct hostconf *conf);

/* Why @offer, already checked alone, does not fit beside the other servers: one of them could take
 * another's traffic. NULL when it fits. Static text. */
const char *server_conflict(const struct server *servers, size_t n, const struct server *self,
			    const struct offer *offer);

/* Describes one server for the status. */
void server_describe(const struct server *s, uint64_t now_ns, struct status_server *ret);
