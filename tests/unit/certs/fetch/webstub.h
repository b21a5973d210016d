/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A stand-in for a server that certd-fetch talks to: HTTP or HTTPS on loopback, one connection
 * after the other in a child process, every answer made by the test. What was asked is kept in
 * memory that both processes share.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define WEBSTUB_TEXT_MAX 262144 /* bytes of requests kept */

/* Writes the whole answer to @request, status line and all, to @out. Runs in the child. Returns
 * whether the connection is to stay open, with nothing more said. */
typedef bool webstub_answer_fn(const char *request, FILE *out, void *user);

struct webstub_spec {
	webstub_answer_fn *answer;
	void *user;             /* a copy of it, as of the start, is in the child */
	bool is_v4;             /* 127.0.0.1, else ::1 */
	const char *cert, *key; /* PEM of the server, others behind its own; NULL: HTTP */
	const char *client_ca;  /* PEM; NULL: no client certificate is asked for */
	bool client_optional;
	int tls_max;         /* TLS1_2_VERSION...; 0 = the newest */
	const char *ciphers; /* of TLS 1.2; NULL: any */
};

/* Shared with the child, which writes. */
struct webstub_log {
	int n_connections;
	int n_requests;
	size_t len;
	char text[WEBSTUB_TEXT_MAX]; /* all requests, one behind the other */
};

struct webstub {
	pid_t pid;
	int port;
	const struct webstub_log *log;
};

/* An address that is listened on and takes nobody any more: its queue is full. */
struct webstub_full {
	int listen_fd, queued_fd;
	int port; /* of ::1 */
};

/* Starts it. Ends the program when that is not possible. */
void webstub_start(const struct webstub_spec *spec, struct webstub *ret);

/* Ends the child and forgets the log. */
void webstub_stop(struct webstub *s);

/* Makes an address whose queue is full. Ends the program when that is not possible. */
void webstub_fill(struct webstub_full *ret);

/* Closes the address and who waits in its queue. */
void webstub_unfill(struct webstub_full *f);

/* Writes an answer with a length: for answer functions. */
void webstub_reply(FILE *out, int status, const char *headers, const char *body);

/* Finds the body of @request. Borrowed. */
const char *webstub_body(const char *request);
