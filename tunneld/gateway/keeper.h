/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The keeper: the loop of gatewayd that holds CAP_NET_ADMIN. It reads worker frames, kernel netlink
 * and its own files, never the network. It starts workers through the starter and gives up those
 * that die or send what does not fit.
 */
#include "common/attr.h"
#include "common/secret.h"
#include "tunneld/gateway/gwconf.h"

#define KEEPER_BACKOFF_FIRST_MS 100 /* before a dead worker is replaced; doubles */
#define KEEPER_BACKOFF_LAST_MS 30000
#define KEEPER_HEALTHY_S 60  /* a worker that lived so long starts the back-off anew */
#define KEEPER_AUDIT_S 30    /* peers and leases are compared so often */
#define KEEPER_IDENTITY_S 30 /* certificate files are looked at so often */
#define KEEPER_STATS_MS 1000 /* the counter file is written at most so often */

struct keeper;

struct keeper_spec {
	const struct gwconf *conf; /* kept */
	const char *state_dir;     /* kept */
	const char *run_dir;       /* kept */
	int starter_fd;            /* kept */
};

/* Opens key, store and interface, then runs until SIGTERM or SIGINT; SIGHUP replaces the workers
 * one after the other. Logs. Errors: 0; -errno when it could not start or the starter is gone. */
int keeper_run(const struct keeper_spec *spec) _warn_unused_;
