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
#define KEEPER_HEALTHY_S 60    /* a worker that lived so long starts the back-off anew */
#define KEEPER_LIST_MS 1000    /* at the start, workers wait so long for the deny-list */
#define KEEPER_AUDIT_S 30      /* peers and leases are compared so often */
#define KEEPER_IDENTITY_S 3    /* certificate files and deny-list are looked at so often */
#define KEEPER_PROBE_S 30      /* a worker that only reads its files may take so long */
#define KEEPER_PROBE_FIRST_S 5 /* before files that were no good are tried again; doubles */
#define KEEPER_PROBE_LAST_S 300
#define KEEPER_DRAIN_GRACE_MS 5000 /* a worker may take so much longer to end than any request */
#define KEEPER_STATS_MS 1000       /* the counter file is written at most so often */

struct keeper;

struct keeper_spec {
	const struct gwconf *conf; /* kept */
	const char *state_dir;     /* kept */
	const char *run_dir;       /* kept */
	int starter_fd;            /* kept */
};

/* Opens key, store and interface, then runs until SIGTERM or SIGINT; SIGHUP replaces the workers
 * one after the other, as does a change of the files of [identity]; but only once a probe has read
 * them well. The deny-list that the probe sends is in force at once: it ends leases, too. Logs.
 * Errors: 0; -errno when it could not start or the starter is gone. */
int keeper_run(const struct keeper_spec *spec) _warn_unused_;
