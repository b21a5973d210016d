/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunneld/host/exserver.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tunneld/proto/bind.h"

#define EXSERVER_REQUEST_MAX 16384

static int exserver_listen(int *ret_port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		abort();
	*ret_port = ntohs(sa.sin6_port);
	return fd;
}

static SSL_CTX *exserver_context(const struct exserver_spec *spec)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (SSL_CTX_use_certificate_chain_file(ctx, spec->cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, spec->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, spec->ca, NULL) != 1)
		abort();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_min_proto_version(ctx, spec->tls_version);
	SSL_CTX_set_max_proto_version(ctx, spec->tls_version);
	return ctx;
}

/* Takes a request up to the end of its JSON object, writes the reply. */
static void exserver_serve(const struct exserver_spec *spec, SSL *ssl, int exported_fd)
{
	char request[EXSERVER_REQUEST_MAX + 1] = "";
	struct secret exported;
	size_t len = 0;
	int n = 1;

	if (bind_export(ssl, &exported) == 0 && write(exported_fd, &exported, sizeof(exported)) < 0)
		abort();
	while (n > 0 && len < EXSERVER_REQUEST_MAX && !strchr(request, '}')) {
		n = SSL_read(ssl, request + len, (int)(EXSERVER_REQUEST_MAX - len));
		len += n > 0 ? (size_t)n : 0;
		request[len] = '\0';
	}
	if (spec->reply && strstr(request, "POST /tunnel/v1/exchange HTTP/1.1\r\n"))
		SSL_write(ssl, spec->reply, (int)spec->reply_len);
	SSL_shutdown(ssl);
}

static void exserver_run(const struct exserver_spec *spec, int listen_fd, int exported_fd)
{
	SSL_CTX *ctx;
	SSL *ssl;
	char rest[4096];
	int fd;

	if (!spec->cert)
		for (;;)
			pause();
	ctx = exserver_context(spec);
	fd = accept(listen_fd, NULL, NULL);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		exserver_serve(spec, ssl, exported_fd);
	/* Until the client has closed: a reset could overtake the alert or the reply. */
	shutdown(fd, SHUT_WR);
	while (read(fd, rest, sizeof(rest)) > 0)
		continue;
	_exit(0);
}

void exserver_start(const struct exserver_spec *spec, struct exserver *ret)
{
	int listen_fd = exserver_listen(&ret->port);
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		abort();
	ret->pid = fork();
	if (ret->pid < 0)
		abort();
	if (ret->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		exserver_run(spec, listen_fd, pipe_fds[1]);
	}
	close(listen_fd);
	close(pipe_fds[1]);
	ret->exported_fd = pipe_fds[0];
}

bool exserver_exported(struct exserver *s, struct secret *ret)
{
	return read(s->exported_fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
}

void exserver_stop(struct exserver *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->exported_fd);
}
