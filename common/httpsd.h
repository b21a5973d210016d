/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * HTTPS listener for small requests: evhttp on top of TLS, one request per connection, everything
 * bounded: connections, header and body bytes, and the time from accept to a complete request,
 * however the client spreads its bytes. Who is refused and why goes to a hook; nothing is logged.
 * Single-threaded: all calls come from and go to the thread of the event base. The program ignores
 * SIGPIPE and may open as many descriptors as it allows connections.
 */
#include <netinet/in.h>
#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"

#define HTTPSD_HEADERS_MAX 8192 /* bytes of request line and headers */
#define HTTPSD_CONNS_MAX 65536  /* highest allowed value of httpsd_spec.conns_max */

struct event_base;
struct httpsd;
struct httpsd_call; /* one complete request that waits for its answer */

/* Why a connection ended without a call. */
enum httpsd_refusal {
	HTTPSD_REFUSED_TLS,       /* the handshake failed otherwise */
	HTTPSD_REFUSED_VERIFY,    /* the client's certificate did not verify: see verify_error */
	HTTPSD_REFUSED_NO_CERT,   /* none was presented */
	HTTPSD_REFUSED_SLOW,      /* not complete in time */
	HTTPSD_REFUSED_CROWD,     /* its source has conns_per_source; closed before any TLS */
	HTTPSD_REFUSED_TOO_LARGE, /* body over the limit; answered 413 */
	HTTPSD_REFUSED_HTTP, /* not a whole HTTP/1 request; answered 400 or 501 where possible */
	/* No descriptor or memory to take one, whose peer is not known; it waits in the kernel's
	 * queue and is tried again. */
	HTTPSD_REFUSED_STUCK,
};

struct httpsd_refused {
	enum httpsd_refusal why;
	long verify_error; /* X509_V_ERR_... */
	struct ip6_endpoint peer;
};

struct httpsd_hooks {
	/* A request is complete; httpsd_answer() must be called once, now or later. */
	void (*request)(struct httpsd_call *call, void *ctx);
	/* A connection ended without a call. Not told: clients that leave by themselves. */
	void (*refused)(const struct httpsd_refused *refused, void *ctx);
	void *ctx;
};

struct httpsd_spec {
	int listen_fd;          /* a bound, non-blocking TCP socket; borrowed */
	SSL_CTX *tls;           /* borrowed, must outlive the listener */
	size_t body_max;        /* bytes; longer: 413 */
	const char *too_large;  /* JSON body of that 413; kept */
	unsigned int conns_max; /* open at the same time; more wait in the kernel's queue */
	/* Of them from one IPv6 /64 or IPv4 address, more are closed at once; 0 = no limit. */
	unsigned int conns_per_source;
	unsigned int request_ms; /* from accept to the complete request, and again for the answer */
};

struct httpsd_header {
	const char *name, *value; /* no line ends in them */
};

struct httpsd_reply {
	unsigned int status;                 /* 200 */
	const char *body;                    /* JSON; NULL = none */
	const char *allow;                   /* "Allow" header; NULL = none */
	uint32_t retry_after_s;              /* 0 = none */
	const struct httpsd_header *headers; /* more of them; may be NULL */
	size_t n_headers;
};

/* Starts serving. Keeps @base, @spec->tls and @hooks->ctx; copies the structs. Gives *ret.
 * Errors: 0; -EINVAL for a limit out of range; -ENOMEM; -errno of listen(2). */
int httpsd_open(struct event_base *base, const struct httpsd_spec *spec,
		const struct httpsd_hooks *hooks, struct httpsd **ret) _warn_unused_;

/* Stops accepting; what is open goes on. */
void httpsd_drain(struct httpsd *h);

/* Open connections. */
unsigned int httpsd_n_conns(const struct httpsd *h);

/* The method as upper-case text, "" for one that is not known. Static. */
const char *httpsd_method(const struct httpsd_call *call);
/* The request target as it was sent. Borrowed from the call. */
const char *httpsd_target(const struct httpsd_call *call);
/* A header's value, NULL when absent. Borrowed from the call. */
const char *httpsd_header(const struct httpsd_call *call, const char *name);
/* The body, never NULL; *@ret_len bytes. Borrowed from the call. */
const char *httpsd_body(struct httpsd_call *call, size_t *ret_len);
/* The TLS session, only to be used inside the request hook. Borrowed from the call. */
SSL *httpsd_ssl(const struct httpsd_call *call);
/* The other end's address and port. Borrowed from the call. */
const struct ip6_endpoint *httpsd_peer(const struct httpsd_call *call);

/* Answers and ends the connection; a client that has left is no error. Takes @call, borrows
 * @reply. */
void httpsd_answer(struct httpsd_call *call, const struct httpsd_reply *reply);

/* Ends everything, open connections too; calls that wait must have been answered. The loop must
 * turn once more before @base is freed. NULL is allowed. */
void httpsd_close(struct httpsd *h);
