/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/fetch/webstub.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WEBSTUB_REQUEST_MAX 131072
#define WEBSTUB_BACKLOG 16
#define WEBSTUB_TLS_RECORD 0x16 /* a handshake; RFC 8446, 5.1 */

/* One connection, plain or not. */
struct webstub_conn {
	int fd;
	SSL *ssl;
};

static void webstub_need(bool ok)
{
	if (!ok)
		abort();
}

static int webstub_listen(bool is_v4, int backlog, int *ret_port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *sa = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	webstub_need(fd >= 0 && bind(fd, sa, len) == 0 && listen(fd, backlog) == 0 &&
		     getsockname(fd, sa, &len) == 0);
	*ret_port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
	return fd;
}

static void webstub_trust(SSL_CTX *ctx, const struct webstub_spec *spec)
{
	BIO *bio = BIO_new_mem_buf(spec->client_ca, -1);
	X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	webstub_need(ca && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1);
	SSL_CTX_set_verify(ctx,
			   SSL_VERIFY_PEER |
				   (spec->client_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
			   NULL);
	X509_free(ca);
	BIO_free(bio);
}

static SSL_CTX *webstub_context(const struct webstub_spec *spec)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *cert_bio = BIO_new_mem_buf(spec->cert, -1);
	BIO *key_bio = BIO_new_mem_buf(spec->key, -1);
	X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

	SSL_CTX_set_security_level(ctx, 1); /* a server may be weaker than we want */
	webstub_need(SSL_CTX_use_certificate(ctx, cert) == 1 &&
		     SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_free(cert);
	while ((cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL)))
		webstub_need(SSL_CTX_add_extra_chain_cert(ctx, cert) == 1);
	EVP_PKEY_free(key);
	BIO_free(cert_bio);
	BIO_free(key_bio);
	if (spec->client_ca)
		webstub_trust(ctx, spec);
	if (spec->ciphers)
		webstub_need(SSL_CTX_set_cipher_list(ctx, spec->ciphers) == 1);
	if (spec->tls_max && spec->tls_max < TLS1_2_VERSION) {
		SSL_CTX_set_min_proto_version(ctx, spec->tls_max);
		SSL_CTX_set_security_level(ctx, 0);
	}
	if (spec->tls_max)
		SSL_CTX_set_max_proto_version(ctx, spec->tls_max);
	return ctx;
}

static ssize_t webstub_read(const struct webstub_conn *c, char *bytes, size_t n)
{
	return c->ssl ? SSL_read(c->ssl, bytes, (int)n) : read(c->fd, bytes, n);
}

static void webstub_write(const struct webstub_conn *c, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = c->ssl ? SSL_write(c->ssl, bytes, (int)n) : write(c->fd, bytes, n);

		if (w <= 0)
			return;
		bytes += w;
		n -= (size_t)w;
	}
}

const char *webstub_body(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n");

	return end ? end + 4 : "";
}

/* The body's length as the headers have it. */
static size_t webstub_body_len(const char *request)
{
	const char *at = strcasestr(request, "\r\nContent-Length:");

	return at ? strtoul(at + 17, NULL, 10) : 0;
}

static bool webstub_is_whole(const char *request, size_t len)
{
	const char *body = webstub_body(request);

	return *body || strstr(request, "\r\n\r\n") ?
		       len >= (size_t)(body - request) + webstub_body_len(request) :
		       false;
}

static bool webstub_read_request(const struct webstub_conn *c, char *request)
{
	size_t len = 0;
	ssize_t n;

	request[0] = '\0';
	while (!webstub_is_whole(request, len) && len < WEBSTUB_REQUEST_MAX) {
		n = webstub_read(c, request + len, WEBSTUB_REQUEST_MAX - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		request[len] = '\0';
		if (request[0] == WEBSTUB_TLS_RECORD)
			return false; /* a client that wants TLS waits for us */
	}
	return true;
}

static void webstub_keep(struct webstub_log *log, const char *request)
{
	size_t len = strlen(request);

	if (len < sizeof(log->text) - log->len) {
		memcpy(log->text + log->len, request, len + 1);
		log->len += len;
	}
	log->n_requests++;
}

/* Until the client has closed: a reset could overtake the answer. */
static void webstub_linger(const struct webstub_conn *c)
{
	char rest[4096];

	while (read(c->fd, rest, sizeof(rest)) > 0)
		continue;
}

static void webstub_serve(const struct webstub_spec *spec, const struct webstub_conn *c,
			  struct webstub_log *log)
{
	static char request[WEBSTUB_REQUEST_MAX + 1];
	bool hang;
	char *answer = NULL;
	size_t len = 0;
	FILE *out;

	if (!webstub_read_request(c, request))
		return;
	webstub_keep(log, request);
	out = open_memstream(&answer, &len);
	webstub_need(out != NULL);
	hang = spec->answer(request, out, spec->user);
	fclose(out);
	webstub_write(c, answer, len);
	free(answer);
	if (hang)
		webstub_linger(c);
}

static void webstub_run(const struct webstub_spec *spec, int listen_fd, struct webstub_log *log)
{
	SSL_CTX *ctx = spec->cert ? webstub_context(spec) : NULL;

	for (;;) {
		struct webstub_conn c = { .fd = accept(listen_fd, NULL, NULL) };
		bool ok = true;

		webstub_need(c.fd >= 0);
		log->n_connections++;
		if (ctx) {
			c.ssl = SSL_new(ctx);
			SSL_set_fd(c.ssl, c.fd);
			ok = SSL_accept(c.ssl) == 1;
		}
		if (ok)
			webstub_serve(spec, &c, log);
		if (ok && c.ssl)
			SSL_shutdown(c.ssl);
		shutdown(c.fd, SHUT_WR);
		webstub_linger(&c);
		SSL_free(c.ssl);
		ERR_clear_error();
		close(c.fd);
	}
}

void webstub_start(const struct webstub_spec *spec, struct webstub *ret)
{
	struct webstub_log *log = mmap(NULL, sizeof(*log), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listen_fd = webstub_listen(spec->is_v4, WEBSTUB_BACKLOG, &ret->port);

	webstub_need(log != MAP_FAILED);
	ret->log = log;
	ret->pid = fork();
	webstub_need(ret->pid >= 0);
	if (ret->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		webstub_run(spec, listen_fd, log);
	}
	close(listen_fd);
}

void webstub_stop(struct webstub *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap((void *)(uintptr_t)s->log, sizeof(*s->log));
	*s = (struct webstub){ 0 };
}

/* A backlog of 0 has room for one; Linux drops the first packet of all others. */
void webstub_fill(struct webstub_full *ret)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct pollfd p = { .events = POLLIN };

	p.fd = ret->listen_fd = webstub_listen(false, 0, &ret->port);
	ret->queued_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sa.sin6_port = htons((uint16_t)ret->port);
	webstub_need(ret->queued_fd >= 0 &&
		     connect(ret->queued_fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
		     poll(&p, 1, -1) == 1);
}

void webstub_unfill(struct webstub_full *f)
{
	close(f->listen_fd);
	close(f->queued_fd);
}

void webstub_reply(FILE *out, int status, const char *headers, const char *body)
{
	fprintf(out, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
		strlen(body), body);
}
