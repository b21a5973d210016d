/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A TLS server for one connection in a child process, right or wrong in the ways a host may meet.
 * Listens on loopback at a port of the kernel's choice.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/secret.h"

struct exserver_spec {
	const char *cert, *key; /* PEM files; NULL: accepts nothing and stays silent */
	const char *ca;         /* of client certificates */
	int tls_version;        /* the only one, TLS1_3_VERSION... */
	const char *reply;      /* bytes after the request; NULL: none, the connection is closed */
	size_t reply_len;
};

struct exserver {
	pid_t pid;
	int port;
	int exported_fd; /* the child writes its exporter secret there */
};

/* Starts it. Borrows @spec. Ends the program when that is not possible. */
void exserver_start(const struct exserver_spec *spec, struct exserver *ret);

/* Waits for the secret of the connection. Returns whether one came. */
bool exserver_exported(struct exserver *s, struct secret *ret);

/* Ends the child. */
void exserver_stop(struct exserver *s);
