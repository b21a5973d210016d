/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the service manager is told: readiness, status, signs of life, one datagram each to
 * $NOTIFY_SOCKET. Without it every call does nothing, so programs behave the same outside systemd.
 * Source: sd_notify(3), protocol section; sd_watchdog_enabled(3).
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

/* The timer of a manager that ends whoever gives no sign of life for $WATCHDOG_USEC: readable twice
 * in that time. It belongs into the event loop and nowhere else, so that a loop that hangs is
 * silent. Gives a descriptor (close() it), or -1 when nobody watches this process. What the manager
 * says and cannot mean is logged and ignored, here rather than by each who calls. */
int notify_open_watchdog(void) _warn_unused_;

/* Takes what @fd, of notify_open_watchdog(), has to say, and sends "WATCHDOG=1". Errors: as
 * notify_ready(). */
int notify_alive(int fd);
