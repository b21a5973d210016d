/* SPDX-License-Identifier: MIT */
#include "common/httpsd.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/crowd.h"

#define HTTPSD_BACKLOG 1024      /* connections the kernel holds for us */
#define HTTPSD_CHUNK_SLACK 1024  /* bytes that a chunked body may spend on its chunk headers */
#define HTTPSD_ALERT_NO_CERT 116 /* certificate_required. Source: RFC 8446, section 6 */
#define HTTPSD_ALERT_FATAL 2
#define HTTPSD_AGAIN_S 1 /* after a connection that could not be taken */

struct httpsd {
	struct httpsd *next; /* in httpsd_all */
	struct httpsd_spec spec;
	struct httpsd_hooks hooks;
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener; /* owned by http */
	struct event *again;             /* when to accept again */
	struct crowd *crowd;             /* NULL = no limit of a source */
	unsigned int n_conns;
	bool draining;
	bool closed;
};

/* One TCP connection. It lives in its SSL and dies with it, because evhttp tells nobody when it
 * gives up a connection whose request is not complete. */
struct httpsd_conn {
	struct httpsd *h;
	SSL *ssl;
	struct bufferevent *bev;
	struct event *timer; /* the turn after accept, then the deadline */
	struct ip6_endpoint peer;
	uint64_t n_in; /* decrypted bytes */
	long verify_error;
	bool counted; /* in the crowd */
	bool handshaken;
	bool settled; /* became a call, or was told as refused */
};

struct httpsd_call {
	struct evhttp_request *req;
	struct ip6_endpoint peer;
};

/* Those that are open. evhttp takes the argument of a listener's callbacks for itself. */
static struct httpsd *httpsd_all;

static void httpsd_find_peer(struct httpsd_conn *c)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof(sa);
	int fd = c->ssl ? SSL_get_fd(c->ssl) : -1;

	if (c->peer.port || fd < 0 || getpeername(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    sa.sin6_family != AF_INET6)
		return;
	c->peer.addr = sa.sin6_addr;
	c->peer.port = ntohs(sa.sin6_port);
}

static void httpsd_refuse(struct httpsd_conn *c, enum httpsd_refusal why)
{
	struct httpsd_refused refused = { .why = why, .verify_error = c->verify_error };

	if (c->settled || c->h->closed)
		return;
	c->settled = true;
	httpsd_find_peer(c);
	refused.peer = c->peer;
	c->h->hooks.refused(&refused, c->h->hooks.ctx);
}

/* libevent frees a connection in a later turn of the loop than it was told to. */
static void httpsd_free_last(struct httpsd *h)
{
	if (h->n_conns)
		return;
	crowd_free(h->crowd);
	free(h);
}

/* Called by OpenSSL while it frees the SSL that holds @ptr. */
static void httpsd_conn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
			     void *argp)
{
	struct httpsd_conn *c = ptr;

	if (!c)
		return;
	c->ssl = NULL;
	event_free(c->timer);
	if (c->handshaken && c->n_in)
		httpsd_refuse(c, HTTPSD_REFUSED_HTTP);
	if (c->counted)
		crowd_leave(c->h->crowd, &c->peer.addr);
	c->h->n_conns--;
	if (c->h->closed)
		httpsd_free_last(c->h);
	else if (!c->h->draining)
		evconnlistener_enable(c->h->listener);
	free(c);
}

static int httpsd_conn_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, httpsd_conn_free);
	return index;
}

static struct httpsd_conn *httpsd_conn_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, httpsd_conn_index());
}

/* Shutting the socket down makes evhttp see the end and free everything in its own time; freeing
 * the buffer from here could hit one that evhttp is about to free. */
static void httpsd_cut(struct httpsd_conn *c)
{
	httpsd_refuse(c, HTTPSD_REFUSED_SLOW);
	(void)shutdown(SSL_get_fd(c->ssl), SHUT_RDWR);
}

static void httpsd_arm(struct httpsd_conn *c)
{
	unsigned int ms = c->h->spec.request_ms;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(c->timer, &tv);
}

/* True when the source of @c may have one more. A peer that is gone already is not counted: its
 * connection ends by itself. */
static bool httpsd_may_enter(struct httpsd_conn *c)
{
	if (!c->h->crowd)
		return true;
	httpsd_find_peer(c);
	c->counted = c->peer.port && crowd_enter(c->h->crowd, &c->peer.addr) == 0;
	return c->counted || !c->peer.port;
}

/* Tells evhttp that the connection has ended, as its buffer would, so that nothing of what the
 * client sent is read. evhttp has no callback any more when it gave the connection up itself. */
static void httpsd_turn_away(struct httpsd_conn *c)
{
	bufferevent_event_cb on_event;
	void *arg;

	httpsd_refuse(c, HTTPSD_REFUSED_CROWD);
	bufferevent_getcb(c->bev, NULL, NULL, &on_event, &arg);
	if (on_event)
		on_event(c->bev, BEV_EVENT_READING | BEV_EVENT_EOF, arg);
}

static void httpsd_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct httpsd_conn *c = arg;

	if (what & EV_TIMEOUT) {
		httpsd_cut(c);
		return;
	}
	httpsd_arm(c);
	if (!httpsd_may_enter(c))
		httpsd_turn_away(c);
}

static int httpsd_on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

	if (!ok)
		httpsd_conn_of(ssl)->verify_error = X509_STORE_CTX_get_error(store);
	return ok;
}

static void httpsd_on_alert(struct httpsd_conn *c, bool sent, int alert)
{
	if (alert >> 8 != HTTPSD_ALERT_FATAL || c->handshaken)
		return;
	if (sent && c->verify_error != X509_V_OK)
		httpsd_refuse(c, HTTPSD_REFUSED_VERIFY);
	else if (sent && (alert & 0xff) == HTTPSD_ALERT_NO_CERT)
		httpsd_refuse(c, HTTPSD_REFUSED_NO_CERT);
	else
		httpsd_refuse(c, HTTPSD_REFUSED_TLS);
}

static void httpsd_on_info(const SSL *ssl, int where, int value)
{
	struct httpsd_conn *c = httpsd_conn_of(ssl);

	if (where & SSL_CB_HANDSHAKE_START)
		httpsd_find_peer(c);
	else if (where & SSL_CB_HANDSHAKE_DONE)
		c->handshaken = true;
	else if (where & SSL_CB_ALERT)
		httpsd_on_alert(c, where & SSL_CB_WRITE, value);
}

static void httpsd_discard(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)evbuffer_drain(in, evbuffer_get_length(in));
}

/* Answers past evhttp, whose own 413 says nothing of our codes, and reads on without keeping
 * anything: closing on unread bytes would reset the connection and lose the answer. */
static void httpsd_refuse_size(struct httpsd_conn *c)
{
	const char *body = c->h->spec.too_large;
	bufferevent_event_cb on_event;
	void *arg;

	httpsd_refuse(c, HTTPSD_REFUSED_TOO_LARGE);
	bufferevent_getcb(c->bev, NULL, NULL, &on_event, &arg);
	bufferevent_setcb(c->bev, httpsd_discard, NULL, on_event, arg);
	(void)evbuffer_add_printf(bufferevent_get_output(c->bev),
				  "HTTP/1.1 413 Payload Too Large\r\n"
				  "Content-Type: application/json\r\n"
				  "Content-Length: %zu\r\n"
				  "Connection: close\r\n\r\n%s",
				  strlen(body), body);
	(void)bufferevent_enable(c->bev, EV_WRITE); /* evhttp has it off while it reads */
}

static void httpsd_on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	struct httpsd_conn *c = arg;

	c->n_in += info->n_added;
	if (!c->settled && c->n_in > HTTPSD_HEADERS_MAX + HTTPSD_CHUNK_SLACK + c->h->spec.body_max)
		httpsd_refuse_size(c);
}

/* The SSL of one accepted connection, with our state inside; NULL when out of memory. */
static SSL *httpsd_conn_new(struct httpsd *h)
{
	struct httpsd_conn *c = calloc(1, sizeof(*c));
	SSL *ssl = SSL_new(h->spec.tls);

	if (c)
		c->timer = event_new(h->base, -1, 0, httpsd_on_timer, c);
	if (!c || !ssl || !c->timer || SSL_set_ex_data(ssl, httpsd_conn_index(), c) != 1) {
		if (c && c->timer)
			event_free(c->timer);
		free(c);
		SSL_free(ssl);
		return NULL;
	}
	c->h = h;
	c->ssl = ssl;
	h->n_conns++;
	SSL_set_verify(ssl, SSL_get_verify_mode(ssl), httpsd_on_verify);
	SSL_set_info_callback(ssl, httpsd_on_info);
	/* The socket comes after us, and is known before it can be read in the next turn. */
	event_active(c->timer, EV_READ, 0);
	return ssl;
}

static struct bufferevent *httpsd_on_accept(struct event_base *base, void *arg)
{
	struct httpsd *h = arg;
	SSL *ssl = httpsd_conn_new(h);
	struct httpsd_conn *c = ssl ? httpsd_conn_of(ssl) : NULL;

	if (!ssl)
		return NULL; /* evhttp then makes one without TLS: nobody is served there */
	if (h->n_conns >= h->spec.conns_max)
		evconnlistener_disable(h->listener);
	c->bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
						BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev || !evbuffer_add_cb(bufferevent_get_input(c->bev), httpsd_on_input, c)) {
		if (c->bev)
			bufferevent_free(c->bev);
		else
			SSL_free(ssl);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	return c->bev;
}

static struct httpsd_conn *httpsd_conn_of_request(struct evhttp_request *req)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	const SSL *ssl;

	if (!evcon)
		return NULL; /* the client has left */
	ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));
	return ssl ? httpsd_conn_of(ssl) : NULL; /* else evhttp made it, not httpsd_on_accept() */
}

static void httpsd_on_request(struct evhttp_request *req, void *arg)
{
	struct httpsd *h = arg;
	struct httpsd_conn *c = httpsd_conn_of_request(req);
	struct httpsd_call *call = calloc(1, sizeof(*call));
	size_t len = evbuffer_get_length(evhttp_request_get_input_buffer(req));

	if (!c || !call || c->settled) {
		free(call);
		evhttp_send_error(req, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	call->req = req;
	call->peer = c->peer;
	httpsd_arm(c);
	if (len > h->spec.body_max) {
		struct httpsd_reply reply = { .status = 413, .body = h->spec.too_large };

		httpsd_refuse(c, HTTPSD_REFUSED_TOO_LARGE);
		httpsd_answer(call, &reply);
		return;
	}
	c->settled = true;
	h->hooks.request(call, h->hooks.ctx);
}

static void httpsd_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct httpsd *h = arg;

	if (!h->draining && h->n_conns < h->spec.conns_max)
		evconnlistener_enable(h->listener);
}

/* There is no descriptor or memory for a connection. It stays in the kernel's queue, so the
 * listener stays readable: to go on at once would burn the processor and mend nothing. */
static void httpsd_on_stuck(struct evconnlistener *listener, void *http)
{
	const struct httpsd_refused refused = { .why = HTTPSD_REFUSED_STUCK };
	const struct timeval later = { .tv_sec = HTTPSD_AGAIN_S };
	struct httpsd *h = httpsd_all;

	while (h->listener != listener)
		h = h->next;
	evconnlistener_disable(listener);
	(void)event_add(h->again, &later);
	h->hooks.refused(&refused, h->hooks.ctx);
}

static int httpsd_listen(struct httpsd *h)
{
	h->listener = evconnlistener_new(h->base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, HTTPSD_BACKLOG,
					 h->spec.listen_fd);
	if (!h->listener)
		return errno ? -errno : -ENOMEM;
	if (!evhttp_bind_listener(h->http, h->listener)) {
		evconnlistener_free(h->listener);
		h->listener = NULL;
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(h->listener, httpsd_on_stuck);
	return 0;
}

static int httpsd_make_crowd(struct httpsd *h)
{
	uint64_t seed;

	if (!h->spec.conns_per_source)
		return 0;
	if (RAND_bytes((unsigned char *)&seed, sizeof(seed)) != 1)
		return -ENOMEM;
	return crowd_new(h->spec.conns_per_source, seed, &h->crowd);
}

static int httpsd_start(struct httpsd *h)
{
	h->http = evhttp_new(h->base);
	h->again = event_new(h->base, -1, 0, httpsd_accept_again, h);
	if (!h->http || !h->again || httpsd_conn_index() < 0 || httpsd_make_crowd(h) < 0)
		return -ENOMEM;
	evhttp_set_bevcb(h->http, httpsd_on_accept, h);
	evhttp_set_gencb(h->http, httpsd_on_request, h);
	evhttp_set_max_headers_size(h->http, HTTPSD_HEADERS_MAX);
	/* The body limit is ours, see httpsd_on_input(); this one only ends what is absurd. */
	evhttp_set_max_body_size(h->http, INT32_MAX);
	evhttp_set_allowed_methods(h->http, 0xffff);
	evhttp_set_default_content_type(h->http, "application/json");
	/* Per read; the deadline of a connection comes first. */
	evhttp_set_timeout(h->http, (int)(h->spec.request_ms / 1000 + 2));
	return httpsd_listen(h);
}

int httpsd_open(struct event_base *base, const struct httpsd_spec *spec,
		const struct httpsd_hooks *hooks, struct httpsd **ret)
{
	struct httpsd *h;
	int r;

	if (!spec->conns_max || spec->conns_max > HTTPSD_CONNS_MAX || !spec->request_ms ||
	    spec->request_ms > 3600 * 1000 || spec->body_max > INT32_MAX / 2)
		return -EINVAL;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->base = base;
	h->spec = *spec;
	h->hooks = *hooks;
	h->next = httpsd_all;
	httpsd_all = h;
	r = httpsd_start(h);
	if (r < 0) {
		httpsd_close(h);
		return r;
	}
	*ret = h;
	return 0;
}

void httpsd_drain(struct httpsd *h)
{
	h->draining = true;
	evconnlistener_disable(h->listener);
}

unsigned int httpsd_n_conns(const struct httpsd *h)
{
	return h->n_conns;
}

const char *httpsd_method(const struct httpsd_call *call)
{
	static const struct {
		enum evhttp_cmd_type type;
		const char *name;
	} methods[] = {
		{ EVHTTP_REQ_GET, "GET" },         { EVHTTP_REQ_POST, "POST" },
		{ EVHTTP_REQ_HEAD, "HEAD" },       { EVHTTP_REQ_PUT, "PUT" },
		{ EVHTTP_REQ_DELETE, "DELETE" },   { EVHTTP_REQ_PATCH, "PATCH" },
		{ EVHTTP_REQ_OPTIONS, "OPTIONS" }, { EVHTTP_REQ_TRACE, "TRACE" },
		{ EVHTTP_REQ_CONNECT, "CONNECT" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].type == evhttp_request_get_command(call->req))
			return methods[i].name;
	return "";
}

const char *httpsd_target(const struct httpsd_call *call)
{
	const char *uri = evhttp_request_get_uri(call->req);

	return uri ? uri : "";
}

const char *httpsd_header(const struct httpsd_call *call, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(call->req), name);
}

const char *httpsd_body(struct httpsd_call *call, size_t *ret_len)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(call->req);
	const char *body = (const char *)evbuffer_pullup(in, -1);

	*ret_len = body ? evbuffer_get_length(in) : 0;
	return body ? body : "";
}

SSL *httpsd_ssl(const struct httpsd_call *call)
{
	struct httpsd_conn *c = httpsd_conn_of_request(call->req);

	return c ? c->ssl : NULL;
}

const struct ip6_endpoint *httpsd_peer(const struct httpsd_call *call)
{
	return &call->peer;
}

static void httpsd_add_header(struct httpsd_call *call, const char *name, const char *value)
{
	(void)evhttp_add_header(evhttp_request_get_output_headers(call->req), name, value);
}

/* In one piece it is one record and one packet, and not two of each. And it is written in this turn
 * of the loop: the socket is nearly always ready, and to wait for that costs three system calls. */
static void httpsd_send(struct httpsd_conn *c)
{
	(void)evbuffer_pullup(bufferevent_get_output(c->bev), -1);
	event_active(&c->bev->ev_write, EV_WRITE, 0);
}

void httpsd_answer(struct httpsd_call *call, const struct httpsd_reply *reply)
{
	struct httpsd_conn *c = httpsd_conn_of_request(call->req);
	struct evbuffer *body = evhttp_request_get_output_buffer(call->req);
	char seconds[16];

	if (c)
		httpsd_arm(c);
	httpsd_add_header(call, "Connection", "close");
	if (reply->body)
		httpsd_add_header(call, "Content-Type", "application/json");
	if (reply->allow)
		httpsd_add_header(call, "Allow", reply->allow);
	if (reply->retry_after_s) {
		snprintf(seconds, sizeof(seconds), "%u", reply->retry_after_s);
		httpsd_add_header(call, "Retry-After", seconds);
	}
	for (size_t i = 0; i < reply->n_headers; i++)
		httpsd_add_header(call, reply->headers[i].name, reply->headers[i].value);
	if (reply->body)
		(void)evbuffer_add(body, reply->body, strlen(reply->body));
	evhttp_send_reply(call->req, (int)reply->status, NULL, NULL);
	if (c)
		httpsd_send(c);
	free(call);
}

static void httpsd_forget(const struct httpsd *h)
{
	struct httpsd **at = &httpsd_all;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
}

void httpsd_close(struct httpsd *h)
{
	if (!h)
		return;
	h->closed = true;
	httpsd_forget(h);
	if (h->again)
		event_free(h->again);
	if (h->http)
		evhttp_free(h->http); /* with the listener and the connections */
	httpsd_free_last(h);
}
