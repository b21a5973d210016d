/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A TLS client under the test's control, blocking with a deadline: it can be slow, rude and wrong.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_REPLY_MAX 8192
#define CLIENT_TIMEOUT_S 60 /* for each read: far above every deadline under test */

struct client_reply {
	int status; /* 0 = the connection ended without an answer */
	char text[CLIENT_REPLY_MAX];
};

struct client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

/* Connects TCP to [::1]:@port. Gives false when that fails. */
bool client_connect(struct client *c, uint16_t port);

/* As client_connect(), from @source to the same address, which may be IPv4-mapped. */
bool client_connect_from(struct client *c, const char *source, uint16_t port);

/* Shakes hands, with NAME.cert.pem and NAME.key.pem of @dir unless @name is NULL. TLS 1.3's client
 * is done before the server has judged its certificate. Gives false when that fails. */
bool client_shake(struct client *c, const char *dir, const char *name, int tls_version);

/* Writes everything; false when the other end has closed. */
bool client_write(struct client *c, const void *bytes, size_t len);

/* As client_shake() up to the first flight, which is sent; client_shake_on() does the rest. */
bool client_shake_begin(struct client *c, const char *dir, const char *name);
/* The pair of client_shake_begin(). */
bool client_shake_on(struct client *c);

/* Reads until the end of the connection. */
struct client_reply client_read(struct client *c);

/* The body in @reply, "" when there is none. Borrowed. */
const char *client_body(const struct client_reply *reply);

/* True when the other end has closed or sent something; waits up to @ms. */
bool client_is_readable(const struct client *c, int ms);

/* True when the other end closes without having sent a byte. */
bool client_is_turned_away(const struct client *c);

/* Ends the connection. */
void client_close(struct client *c);
