/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/fakests.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certs/sigv4.h"
#include "common/attr.h"
#include "tests/unit/tunneld/exchange/excert.h"

#define CONNS_MAX 512
#define REQUEST_MAX 16384
#define ANSWER_MAX (128 * 1024)
#define QUESTION "Action=GetCallerIdentity&Version=2011-06-15"

struct fakests {
	pthread_mutex_t lock;
	enum fakests_mode mode;
	const char *arn;
	unsigned int n_questions, n_conns;
	int fds[CONNS_MAX]; /* -1 when its thread has closed it */
	pthread_t threads[CONNS_MAX], acceptor;
	int listener;
	char address[32];
	const char *host;
	SSL_CTX *tls;
};

struct conn {
	struct fakests *owner;
	unsigned int index;
};

static void need(bool ok)
{
	if (!ok) {
		perror("fakests");
		abort();
	}
}

/* ---- requests ---- */

/* The value of a header, "" when it is not there. */
static void get_header(const char *request, const char *name, char *ret, size_t cap)
{
	const char *at = strcasestr(request, name);

	ret[0] = '\0';
	if (at)
		snprintf(ret, cap, "%.*s", (int)strcspn(at + strlen(name), "\r"),
			 at + strlen(name));
}

static bool is_signed(const char *request, const char *my_host)
{
	const struct sigv4_keys keys = { FAKESTS_ACCESS, FAKESTS_SECRET, FAKESTS_TOKEN };
	struct sigv4_header type = { "content-type", "" };
	struct sigv4_request rq = {
		.method = "POST",
		.host = my_host,
		.path = "/",
		.headers = &type,
		.n_headers = 1,
		.body = QUESTION,
		.body_len = strlen(QUESTION),
		.region = FAKESTS_REGION,
		.service = "sts",
	};
	char content_type[128], token[256], got[SIGV4_AUTHORIZATION_MAX], host[64], date[32];
	struct sigv4_signed want;

	get_header(request, "\nContent-Type: ", content_type, sizeof(content_type));
	get_header(request, "\nX-Amz-Security-Token: ", token, sizeof(token));
	get_header(request, "\nX-Amz-Date: ", date, sizeof(date));
	get_header(request, "\nAuthorization: ", got, sizeof(got));
	get_header(request, "\nHost: ", host, sizeof(host));
	type.value = content_type;
	return sigv4_sign(&rq, &keys, FAKESTS_NOW, &want) == 0 && !strcmp(host, my_host) &&
	       !strcmp(want.authorization, got) && !strcmp(want.date, date) &&
	       !strcmp(token, FAKESTS_TOKEN) && !strncmp(request, "POST / HTTP/1.1\r\n", 17);
}

/* Whether the request is whole: its body is always the same. */
static bool is_whole(const char *request)
{
	const char *body = strstr(request, "\r\n\r\n");

	return body && strlen(body + 4) >= strlen(QUESTION);
}

static bool read_request(SSL *ssl, char *ret)
{
	size_t len = 0;

	ret[0] = '\0';
	while (!is_whole(ret)) {
		int n = len + 1 < REQUEST_MAX ?
				SSL_read(ssl, ret + len, (int)(REQUEST_MAX - len - 1)) :
				0;

		if (n <= 0)
			return false;
		len += (size_t)n;
		ret[len] = '\0';
	}
	return true;
}

/* ---- answers ---- */

static void answer(SSL *ssl, const char *status, const char *body)
{
	static const char form[] = "HTTP/1.1 %s\r\nContent-Type: text/xml\r\n%s"
				   "Content-Length: %zu\r\n\r\n%s";
	char *text = malloc(ANSWER_MAX);
	int len;

	need(text != NULL);
	len = snprintf(text, ANSWER_MAX, form, status,
		       status[0] == '3' ? "Location: https://sts.example/\r\n" : "", strlen(body),
		       body);
	need(len > 0 && len < ANSWER_MAX);
	SSL_write(ssl, text, len);
	free(text);
}

static void answer_error(SSL *ssl, const char *status, const char *code)
{
	char body[512];

	snprintf(body, sizeof(body),
		 "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<Error>"
		 "<Type>Sender</Type><Code>%s</Code><Message>m</Message></Error>"
		 "<RequestId>1</RequestId></ErrorResponse>",
		 code);
	answer(ssl, status, body);
}

static void answer_arn(SSL *ssl, const char *arn)
{
	char body[4096];

	snprintf(body, sizeof(body),
		 "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
		 "<GetCallerIdentityResult><Arn>%s</Arn><UserId>A:b</UserId><Account>1</Account>"
		 "</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId>"
		 "</ResponseMetadata></GetCallerIdentityResponse>",
		 arn);
	answer(ssl, "200 OK", body);
}

static void answer_huge(SSL *ssl)
{
	static char body[65536 + 2];

	memset(body, 'a', sizeof(body) - 1);
	answer(ssl, "200 OK", body);
}

static bool answer_as(SSL *ssl, enum fakests_mode mode, const char *arn, bool is_good)
{
	char byte;

	if (mode == FAKESTS_GOOD && is_good)
		answer_arn(ssl, arn);
	else if (mode == FAKESTS_GOOD)
		answer_error(ssl, "403 Forbidden", "SignatureDoesNotMatch");
	else if (mode == FAKESTS_EXPIRED)
		answer_error(ssl, "403 Forbidden", "ExpiredToken");
	else if (mode == FAKESTS_THROTTLE)
		answer_error(ssl, "400 Bad Request", "Throttling");
	else if (mode == FAKESTS_FOREIGN)
		answer_error(ssl, "403 Forbidden", "a code\nand a line");
	else if (mode == FAKESTS_BUSY)
		answer(ssl, "503 Busy", "");
	else if (mode == FAKESTS_REDIRECT)
		answer(ssl, "302 Found", "");
	else if (mode == FAKESTS_GARBAGE)
		answer(ssl, "200 OK", "hello");
	else if (mode == FAKESTS_HUGE)
		answer_huge(ssl);
	else if (mode == FAKESTS_SILENT)
		SSL_read(ssl, &byte, 1); /* until the other end leaves */
	return mode != FAKESTS_LEAVE && mode != FAKESTS_SILENT;
}

/* ---- connections ---- */

static bool serve_one(struct fakests *s, SSL *ssl)
{
	char request[REQUEST_MAX];
	enum fakests_mode mode;
	const char *arn;

	if (!read_request(ssl, request))
		return false;
	pthread_mutex_lock(&s->lock);
	s->n_questions++;
	mode = s->mode;
	arn = s->arn;
	pthread_mutex_unlock(&s->lock);
	return answer_as(ssl, mode, arn, is_signed(request, s->host));
}

static void *serve(void *user)
{
	struct conn *c = user;
	struct fakests *s = c->owner;
	int fd = s->fds[c->index];
	SSL *ssl = SSL_new(s->tls);

	need(ssl && SSL_set_fd(ssl, fd) == 1);
	if (SSL_accept(ssl) == 1)
		while (serve_one(s, ssl))
			;
	SSL_shutdown(ssl);
	SSL_free(ssl);
	pthread_mutex_lock(&s->lock);
	close(fd);
	s->fds[c->index] = -1;
	pthread_mutex_unlock(&s->lock);
	free(c);
	return NULL;
}

static void *accept_all(void *user)
{
	struct fakests *s = user;
	struct conn *c;
	int fd;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		c = malloc(sizeof(*c));
		need(c && s->n_conns < CONNS_MAX);
		pthread_mutex_lock(&s->lock);
		*c = (struct conn){ s, s->n_conns };
		s->fds[s->n_conns] = fd;
		need(pthread_create(&s->threads[s->n_conns], NULL, serve, c) == 0);
		s->n_conns++;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void open_tls(struct fakests *s, const char *cn, const char *ca)
{
	struct excert c;

	s->tls = SSL_CTX_new(TLS_server_method());
	need(s->tls != NULL);
	excert_make(cn, false, &c);
	excert_use(&c, s->tls);
	excert_write_cert(&c, ca);
	excert_release(&c);
}

struct fakests *fakests_start(const char *cn, const char *ca)
{
	struct fakests *s = calloc(1, sizeof(*s));
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(at);

	need(s && pthread_mutex_init(&s->lock, NULL) == 0);
	s->arn = "";
	s->host = cn;
	open_tls(s, cn, ca);
	s->listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	     listen(s->listener, CONNS_MAX) == 0 &&
	     getsockname(s->listener, (struct sockaddr *)&at, &len) == 0);
	snprintf(s->address, sizeof(s->address), "[::1]:%u", ntohs(at.sin6_port));
	need(pthread_create(&s->acceptor, NULL, accept_all, s) == 0);
	return s;
}

const char *fakests_address(const struct fakests *s)
{
	return s->address;
}

void fakests_set(struct fakests *s, enum fakests_mode mode, const char *arn)
{
	pthread_mutex_lock(&s->lock);
	s->mode = mode;
	s->arn = arn;
	pthread_mutex_unlock(&s->lock);
}

unsigned int fakests_n_questions(struct fakests *s)
{
	unsigned int n;

	pthread_mutex_lock(&s->lock);
	n = s->n_questions;
	pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned int fakests_n_connections(struct fakests *s)
{
	unsigned int n;

	pthread_mutex_lock(&s->lock);
	n = s->n_conns;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void fakests_stop(struct fakests *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->acceptor, NULL);
	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < s->n_conns; i++)
		if (s->fds[i] >= 0)
			shutdown(s->fds[i], SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	for (unsigned int i = 0; i < s->n_conns; i++)
		pthread_join(s->threads[i], NULL);
	close(s->listener);
	SSL_CTX_free(s->tls);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
