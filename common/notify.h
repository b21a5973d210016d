/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Readiness for the service manager: one datagram to $NOTIFY_SOCKET. Without it every call does
 * nothing, so programs behave the same outside systemd. Source: sd_notify(3), protocol section.
 */
#include "common/attr.h"

#define NOTIFY_STATUS_MAX 200 /* bytes of the status that are sent */

/* Sends "READY=1" with a one-line status, cut at a line end or after NOTIFY_STATUS_MAX bytes.
 * Borrows @status. Errors: 0, also without a manager; -ENAMETOOLONG; -errno. */
int notify_ready(const char *status);

/* Sends "STATUS=..." . Errors: as notify_ready(). */
int notify_status(const char *status);

/* Sends "STOPPING=1". Errors: as notify_ready(). */
int notify_stopping(void);
