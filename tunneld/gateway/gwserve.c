/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/gwserve.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "certs/peerid.h"
#include "certs/refusal.h"
#include "common/clk.h"
#include "common/httpsd.h"
#include "common/log.h"
#include "tunneld/core/offer.h"
#include "tunneld/gateway/gate.h"
#include "tunneld/proto/bind.h"
#include "tunneld/proto/exreq.h"
#include "tunneld/proto/exresp.h"
#include "tunneld/proto/gwframe.h"

#define GWSERVE_DRAIN_POLL_MS 50 /* how often a draining worker looks whether it may end */

/* One exchange that waits for the keeper. At most conns_max of them: each holds a connection. */
struct gwserve_wait {
	struct gwserve_wait *next;
	struct httpsd_call *call;
	uint32_t seq;
	struct in6_addr addr;
	uint64_t epoch;
};

struct gwserve {
	struct gwserve_spec spec;
	struct event_base *base;
	struct event *on_chan;
	struct event *on_drain;
	struct httpsd *httpsd; /* NULL until the keeper said hello */
	struct gwframe_hello hello;
	char *too_large;
	uint32_t last_seq;
	struct gwserve_wait *waiting;
};

/* What is known about the one who asks, for the log. */
struct gwserve_asker {
	struct peerid id;
	char peer[IP6_ENDPOINT_TEXT];
};

static unsigned int gwserve_status(enum pst code)
{
	static const struct {
		unsigned int first, last; /* codes */
		unsigned int status;
	} table[] = {
		{ PST_BODY_TOO_LARGE, PST_BODY_TOO_LARGE, 413 },
		{ PST_CONTENT_TYPE, PST_CONTENT_TYPE, 415 },
		{ PST_HTTP_REQUEST, PST_HTTP_REQUEST, 404 },
		{ PST_TENANT_DENIED, PST_TENANT_DENIED, 403 },
		{ PST_KEY_TAKEN, PST_ADDRESS_TAKEN, 409 },
		{ 1100, 1199, 400 },
		{ 2100, 2199, 403 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if ((unsigned int)code >= table[i].first && (unsigned int)code <= table[i].last)
			return table[i].status;
	return 503;
}

/* Tells the keeper's counters; a full channel loses the count, never the service. */
static void gwserve_count(struct gwserve *s, enum pst code)
{
	struct gwframe_count count = { .code = code };
	struct chan_msg msg;

	if (gwframe_encode_count(0, &count, &msg) == 0 && chan_send(s->spec.chan_fd, &msg) < 0)
		log_debug("a refusal was not counted: %s", pst_text(code));
}

static void gwserve_reply_error(struct httpsd_call *call, struct httpsd_reply *reply, enum pst code)
{
	struct exresp_error error = { .code = code, .retry_after_s = reply->retry_after_s };
	char *body = NULL;

	snprintf(error.message, sizeof(error.message), "%s", pst_text(code));
	if (exresp_encode_error(&error, &body) == 0)
		reply->body = body;
	httpsd_answer(call, reply);
	free(body);
}

/* Refuses by the worker's own judgement: logs, counts, answers. Takes @call. */
static void gwserve_refuse(struct gwserve *s, struct httpsd_call *call, enum pst code,
			   const struct gwserve_asker *asker)
{
	struct httpsd_reply reply = { .status = gwserve_status(code) };

	if (code == PST_HTTP_REQUEST && !strcmp(httpsd_target(call), GWSERVE_PATH)) {
		reply.status = 405;
		reply.allow = "POST";
	}
	if (reply.status == 503)
		reply.retry_after_s = GWSERVE_RETRY_S;
	log_pst(LOG_LEVEL_WARNING, code, "%s%s%s: %s", asker->peer, *asker->id.principal ? " " : "",
		asker->id.principal, pst_text(code));
	gwserve_count(s, code);
	gwserve_reply_error(call, &reply, code);
}

/* Exactly application/json; a charset, when given, must be UTF-8. */
static bool gwserve_is_json(const char *type)
{
	static const char json[] = "application/json";
	static const char charset[] = "charset=utf-8";

	if (!type || strncasecmp(type, json, sizeof(json) - 1))
		return false;
	type += sizeof(json) - 1;
	type += strspn(type, " \t");
	if (!*type)
		return true;
	if (*type++ != ';')
		return false;
	type += strspn(type, " \t");
	return !strcasecmp(type, charset);
}

static enum pst gwserve_check_http(const struct httpsd_call *call)
{
	if (strcmp(httpsd_target(call), GWSERVE_PATH) || strcmp(httpsd_method(call), "POST"))
		return PST_HTTP_REQUEST;
	return gwserve_is_json(httpsd_header(call, "Content-Type")) ? PST_NONE : PST_CONTENT_TYPE;
}

/* Errors: as peerid_read(), but *ret is filled for one who is denied: the log shall say who. */
static int gwserve_read_peer(const struct gwserve *s, const X509 *cert, struct peerid *ret,
			     enum pst *ret_code)
{
	const struct gwconf *conf = s->spec.conf;
	struct peerid_rule rule = {
		.need_instance = true,
		.providers = conf->provider_list,
		.n_providers = conf->n_providers,
		.roles = conf->role_list,
		.n_roles = conf->n_roles,
		.deny = s->spec.deny,
	};
	enum pst other;
	int r = peerid_read(cert, &rule, ret, ret_code);

	if (r != -EPERM || *ret_code != PST_PEER_DENIED)
		return r;
	rule.deny = NULL;
	return peerid_read(cert, &rule, ret, &other) < 0 ? -ENOMEM : -EPERM;
}

static enum pst gwserve_check_identity(struct gwserve *s, const struct httpsd_call *call,
				       struct peerid *ret)
{
	SSL *ssl = httpsd_ssl(call);
	const X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	enum pst code = PST_NONE;
	int r;

	if (!cert)
		return PST_CERT_MISSING;
	r = gwserve_read_peer(s, cert, ret, &code);
	if (r == -EPERM)
		return code;
	if (r < 0)
		return PST_RETRY_LATER;
	return gate_serves(s->spec.conf, ret->principal) ? PST_NONE : PST_TENANT_DENIED;
}

static enum pst gwserve_check_body(struct httpsd_call *call, struct exreq *ret)
{
	enum pst code = PST_NONE;
	const char *body;
	size_t len;
	int r;

	body = httpsd_body(call, &len);
	r = exreq_decode(body, len, ret, &code);
	if (r == -EBADMSG)
		return code;
	return r < 0 ? PST_RETRY_LATER : PST_NONE;
}

/* Derives what the tunnel is bound to. Errors: 0; -errno. */
static int gwserve_bind(struct gwserve *s, SSL *ssl, const struct peerid *id,
			const struct exreq *req, struct gwframe_grant *ret)
{
	const struct gwconf *conf = s->spec.conf;
	_cleanup_(secret_wipe) struct secret exported = { 0 };
	struct bind_psk_input in = {
		.host_key = req->public_key,
		.gateway_key = s->hello.gateway_key,
		.epoch = clk_now_wall(),
	};
	int r;

	r = bind_address(&conf->hosts_prefix, conf->zone, id->provider, id->instance_id,
			 &in.host_addr);
	if (r == 0)
		r = bind_export(ssl, &exported);
	if (r == 0)
		r = bind_psk(&exported, &in, &ret->psk);
	if (r < 0)
		return r;
	ret->host_key = in.host_key;
	ret->host_addr = in.host_addr;
	ret->epoch = in.epoch;
	ret->cert_expires_wall = id->expires_wall;
	snprintf(ret->principal, sizeof(ret->principal), "%s", id->principal);
	snprintf(ret->provider, sizeof(ret->provider), "%s", id->provider);
	snprintf(ret->instance_id, sizeof(ret->instance_id), "%s", id->instance_id);
	snprintf(ret->serial, sizeof(ret->serial), "%s", id->serial);
	return 0;
}

/* Sends the grant and remembers the call. Errors: 0, and then @call is taken; -errno. */
static int gwserve_ask(struct gwserve *s, struct httpsd_call *call,
		       const struct gwframe_grant *grant)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	struct gwserve_wait *wait = calloc(1, sizeof(*wait));
	int r;

	if (!wait)
		return -ENOMEM;
	wait->call = call;
	wait->seq = ++s->last_seq;
	wait->addr = grant->host_addr;
	wait->epoch = grant->epoch;
	r = gwframe_encode_grant(wait->seq, grant, &msg);
	if (r == 0)
		r = chan_send(s->spec.chan_fd, &msg);
	if (r < 0) {
		free(wait);
		return r;
	}
	wait->next = s->waiting;
	s->waiting = wait;
	return 0;
}

static void gwserve_on_request(struct httpsd_call *call, void *ctx)
{
	struct gwserve *s = ctx;
	_cleanup_(gwframe_grant_wipe) struct gwframe_grant grant = { .epoch = 0 };
	struct gwserve_asker asker = { .id = { .principal = "" } };
	struct exreq req = { .hostname = "" };
	enum pst code;

	ip6_format_endpoint(httpsd_peer(call), asker.peer);
	code = gwserve_check_http(call);
	if (code == PST_NONE)
		code = gwserve_check_identity(s, call, &asker.id);
	if (code == PST_NONE)
		code = gwserve_check_body(call, &req);
	if (code == PST_NONE && (gwserve_bind(s, httpsd_ssl(call), &asker.id, &req, &grant) < 0 ||
				 gwserve_ask(s, call, &grant) < 0))
		code = PST_RETRY_LATER;
	if (code != PST_NONE)
		gwserve_refuse(s, call, code, &asker);
}

static void gwserve_on_refused(const struct httpsd_refused *refused, void *ctx)
{
	char peer[IP6_ENDPOINT_TEXT];
	enum pst code = refusal_code(refused);

	log_pst(LOG_LEVEL_WARNING, code, "%s: %s", ip6_format_endpoint(&refused->peer, peer),
		pst_text(code));
	gwserve_count(ctx, code);
}

static void gwserve_fill_offer(const struct gwserve *s, const struct gwserve_wait *wait,
			       struct offer *ret)
{
	const struct gwconf *conf = s->spec.conf;

	memcpy(ret->zone, conf->zone, sizeof(ret->zone));
	memcpy(ret->gateway_name, conf->name, sizeof(ret->gateway_name));
	ret->host_addr = wait->addr;
	ret->gateway_key = s->hello.gateway_key;
	ret->gateway_addr = conf->address;
	memcpy(ret->endpoints, conf->endpoints, sizeof(ret->endpoints));
	ret->n_endpoints = conf->n_endpoints;
	memcpy(ret->routes, conf->routes, sizeof(ret->routes));
	ret->n_routes = conf->n_routes;
	ret->keepalive_s = conf->keepalive_s;
	ret->mtu = conf->mtu;
	ret->epoch = wait->epoch;
	ret->renew_after_s = conf->renew_after_s;
	ret->expires_after_s = conf->expires_after_s;
	memcpy(ret->gateways, conf->siblings, sizeof(ret->gateways));
	ret->n_gateways = conf->n_siblings;
}

static void gwserve_reply_offer(struct gwserve *s, const struct gwserve_wait *wait)
{
	struct httpsd_reply reply = { .status = 200 };
	struct offer offer = { .n_routes = 0 };
	char *body = NULL;

	gwserve_fill_offer(s, wait, &offer);
	if (exresp_encode(&offer, &body) < 0)
		reply = (struct httpsd_reply){ .status = 503, .retry_after_s = GWSERVE_RETRY_S };
	reply.body = body;
	httpsd_answer(wait->call, &reply);
	free(body);
}

/* Takes the call that waits for @seq out of the list; NULL when there is none. */
static struct gwserve_wait *gwserve_take_wait(struct gwserve *s, uint32_t seq)
{
	struct gwserve_wait **at = &s->waiting;
	struct gwserve_wait *wait;

	while (*at && (*at)->seq != seq)
		at = &(*at)->next;
	wait = *at;
	if (wait)
		*at = wait->next;
	return wait;
}

/* Errors: 0; -EBADMSG. */
static int gwserve_on_answer(struct gwserve *s, const struct chan_msg *msg)
{
	struct httpsd_reply reply = { .status = 0 };
	struct gwframe_answer answer;
	struct gwserve_wait *wait;

	if (gwframe_decode_answer(msg, &answer) < 0)
		return -EBADMSG;
	wait = gwserve_take_wait(s, msg->seq);
	if (!wait)
		return -EBADMSG;
	if (answer.code == PST_NONE) {
		gwserve_reply_offer(s, wait);
	} else {
		reply.status = gwserve_status(answer.code);
		reply.retry_after_s = answer.retry_after_s;
		gwserve_reply_error(wait->call, &reply, answer.code);
	}
	free(wait);
	return 0;
}

static int gwserve_on_hello(struct gwserve *s, const struct chan_msg *msg)
{
	const struct gwconf *conf = s->spec.conf;
	struct httpsd_spec spec = {
		.listen_fd = s->spec.listen_fd,
		.tls = s->spec.tls,
		.body_max = EXREQ_BYTES_MAX,
		.too_large = s->too_large,
		.conns_max = conf->conns_max,
		.conns_per_source = conf->conns_per_source,
		.request_ms = conf->request_timeout_ms,
	};
	struct httpsd_hooks hooks = {
		.request = gwserve_on_request,
		.refused = gwserve_on_refused,
		.ctx = s,
	};

	if (s->httpsd || gwframe_decode_hello(msg, &s->hello) < 0)
		return -EBADMSG;
	return httpsd_open(s->base, &spec, &hooks, &s->httpsd);
}

static void gwserve_on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct timeval again = { .tv_usec = GWSERVE_DRAIN_POLL_MS * 1000 };
	struct gwserve *s = arg;

	if (!s->httpsd || !httpsd_n_conns(s->httpsd))
		event_base_loopexit(s->base, NULL);
	else
		event_add(s->on_drain, &again);
}

static int gwserve_on_message(struct gwserve *s, const struct chan_msg *msg)
{
	switch ((enum gwframe_type)msg->op->type) {
	case GWFRAME_HELLO:
		return gwserve_on_hello(s, msg);
	case GWFRAME_ANSWER:
		return gwserve_on_answer(s, msg);
	case GWFRAME_DRAIN:
		if (s->httpsd)
			httpsd_drain(s->httpsd);
		event_active(s->on_drain, EV_TIMEOUT, 0);
		return 0;
	case GWFRAME_GRANT:
	case GWFRAME_COUNT:
		break;
	}
	return -EBADMSG;
}

static void gwserve_on_chan(evutil_socket_t fd, short what, void *arg)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	struct gwserve *s = arg;
	size_t n_ops;
	const struct chan_op *ops = gwframe_ops(&n_ops);
	int r = chan_recv(fd, ops, n_ops, &msg);

	if (r == -EAGAIN)
		return;
	if (r == 0)
		r = gwserve_on_message(s, &msg);
	if (r < 0)
		log_error("the keeper's channel failed: %s", strerror(-r));
	if (r != 0)
		event_base_loopexit(s->base, NULL);
}

/* The body of a 413 that is sent without asking us. */
static int gwserve_make_too_large(struct gwserve *s)
{
	struct exresp_error error = { .code = PST_BODY_TOO_LARGE };

	snprintf(error.message, sizeof(error.message), "%s", pst_text(PST_BODY_TOO_LARGE));
	return exresp_encode_error(&error, &s->too_large);
}

int gwserve_open(struct event_base *base, const struct gwserve_spec *spec, struct gwserve **ret)
{
	struct gwserve *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->spec = *spec;
	s->on_chan = event_new(base, spec->chan_fd, EV_READ | EV_PERSIST, gwserve_on_chan, s);
	s->on_drain = event_new(base, -1, 0, gwserve_on_drain, s);
	if (!s->on_chan || !s->on_drain || gwserve_make_too_large(s) < 0 ||
	    event_add(s->on_chan, NULL) < 0) {
		gwserve_close(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static void gwserve_drop_waiting(struct gwserve *s)
{
	struct httpsd_reply reply = { .status = 503, .retry_after_s = GWSERVE_RETRY_S };
	struct gwserve_wait *wait;

	while ((wait = s->waiting)) {
		s->waiting = wait->next;
		httpsd_answer(wait->call, &reply);
		free(wait);
	}
}

void gwserve_close(struct gwserve *s)
{
	if (!s)
		return;
	gwserve_drop_waiting(s);
	httpsd_close(s->httpsd);
	if (s->on_chan)
		event_free(s->on_chan);
	if (s->on_drain)
		event_free(s->on_drain);
	free(s->too_large);
	free(s);
}
