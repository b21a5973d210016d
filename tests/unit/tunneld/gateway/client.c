/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunneld/gateway/client.h"

#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool client_connect_from(struct client *c, const char *source, uint16_t port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	struct timeval tv = { .tv_sec = CLIENT_TIMEOUT_S };

	*c = (struct client){ .fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	if (inet_pton(AF_INET6, source, &sa.sin6_addr) != 1 ||
	    bind(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return false;
	sa.sin6_port = htons(port);
	return setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0 &&
	       connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

bool client_connect(struct client *c, uint16_t port)
{
	return client_connect_from(c, "::1", port);
}

static bool client_identify(struct client *c, const char *dir, const char *name)
{
	char cert[PATH_MAX], key[PATH_MAX];

	snprintf(cert, sizeof(cert), "%s/%s.cert.pem", dir, name);
	snprintf(key, sizeof(key), "%s/%s.key.pem", dir, name);
	return SSL_CTX_use_certificate_file(c->ctx, cert, SSL_FILETYPE_PEM) == 1 &&
	       SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) == 1;
}

static bool client_prepare(struct client *c, const char *dir, const char *name, int tls_version)
{
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (!c->ctx || SSL_CTX_set_max_proto_version(c->ctx, tls_version) != 1 ||
	    (name && !client_identify(c, dir, name)))
		return false;
	c->ssl = SSL_new(c->ctx);
	return c->ssl && SSL_set_fd(c->ssl, c->fd) == 1;
}

bool client_shake(struct client *c, const char *dir, const char *name, int tls_version)
{
	return client_prepare(c, dir, name, tls_version) && SSL_connect(c->ssl) == 1;
}

bool client_shake_begin(struct client *c, const char *dir, const char *name)
{
	if (!client_prepare(c, dir, name, TLS1_3_VERSION) || fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
		return false;
	return SSL_get_error(c->ssl, SSL_connect(c->ssl)) == SSL_ERROR_WANT_READ;
}

bool client_shake_on(struct client *c)
{
	return fcntl(c->fd, F_SETFL, 0) == 0 && SSL_connect(c->ssl) == 1;
}

bool client_write(struct client *c, const void *bytes, size_t len)
{
	return !len || (c->ssl && SSL_write(c->ssl, bytes, (int)len) == (int)len);
}

struct client_reply client_read(struct client *c)
{
	struct client_reply r = { .status = 0 };
	size_t at = 0;
	int n;

	while (c->ssl && at < sizeof(r.text) - 1 &&
	       (n = SSL_read(c->ssl, r.text + at, (int)(sizeof(r.text) - 1 - at))) > 0)
		at += (size_t)n;
	if (!strncmp(r.text, "HTTP/1.1 ", 9))
		r.status = (int)strtol(r.text + 9, NULL, 10);
	return r;
}

const char *client_body(const struct client_reply *reply)
{
	const char *end = strstr(reply->text, "\r\n\r\n");

	return end ? end + 4 : "";
}

bool client_is_readable(const struct client *c, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

bool client_is_turned_away(const struct client *c)
{
	char byte;
	ssize_t n;

	if (!client_is_readable(c, CLIENT_TIMEOUT_S * 1000))
		return false;
	n = recv(c->fd, &byte, 1, MSG_PEEK);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

void client_close(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct client){ .fd = -1 };
}
