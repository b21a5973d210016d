/* SPDX-License-Identifier: MIT */
#include "tests/lab/cloud.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clk.h"
#include "tests/lab/cloudimds.h"
#include "tests/lab/cloudsts.h"

#define CLOUD_OVERSIZE (4 * 1024 * 1024) /* bytes of an answer that is too large */
#define CLOUD_TIMEOUT_S 3600             /* hanging is a service here */
#define CLOUD_EXIT_USAGE 64

static void cloud_usage(FILE *to)
{
	fputs("usage: lab-cloud --config FILE     serve\n"
	      "       lab-cloud init DIR          make keys and certificates for it\n"
	      "       lab-cloud --print-config    every key with its meaning\n"
	      "A stand-in for instance metadata and STS in a test lab. It is not a cloud: what it\n"
	      "signs, it signs with keys of its own, and nothing it says is true of any account.\n"
	      "FILE and FILE.d/*.conf are read again before each request, so that an instance can\n"
	      "be changed and a fault be switched on while it runs. Put a file there by rename.\n",
	      to);
}

const char *cloud_time(uint64_t wall, char ret[static 32])
{
	time_t t = (time_t)wall;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return ret;
}

const char *cloud_header(const struct cloud_call *call, const char *name)
{
	const char *value = evhttp_find_header(evhttp_request_get_input_headers(call->req), name);

	return value ? value : "";
}

void cloud_add_header(struct cloud_call *call, const char *name, const char *value)
{
	(void)evhttp_add_header(evhttp_request_get_output_headers(call->req), name, value);
}

static const char *cloud_method(const struct cloud_call *call)
{
	switch ((int)evhttp_request_get_command(call->req)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_PUT:
		return "PUT";
	case EVHTTP_REQ_POST:
		return "POST";
	default:
		return "other";
	}
}

static void cloud_log(const struct cloud_call *call, const char *what)
{
	printf("%s: %s %s %s\n", call->who, cloud_method(call), call->path, what);
}

/* Ends @call with @len bytes. */
static void cloud_send(struct cloud_call *call, int status, const void *bytes, size_t len)
{
	char what[16];

	snprintf(what, sizeof(what), "%d", status);
	cloud_log(call, what);
	cloud_add_header(call, "Server", CLOUD_SERVER);
	(void)evbuffer_add(evhttp_request_get_output_buffer(call->req), bytes, len);
	evhttp_send_reply(call->req, status, NULL, NULL);
	if (call->delay)
		event_free(call->delay);
	free(call);
}

void cloud_answer(struct cloud_call *call, int status, const char *type, const char *body)
{
	cloud_add_header(call, "Content-Type", type ? type : "text/plain");
	cloud_send(call, status, body, strlen(body));
}

/* The request stays with its connection until the client or lab-cloud ends. */
void cloud_hang(struct cloud_call *call)
{
	cloud_log(call, "hangs");
	free(call);
}

/* ---- faults -------------------------------------------------------------------------------- */

static void cloud_send_oversize(struct cloud_call *call)
{
	char *bytes = malloc(CLOUD_OVERSIZE);

	if (!bytes)
		abort();
	memset(bytes, 'x', CLOUD_OVERSIZE);
	cloud_send(call, 200, bytes, CLOUD_OVERSIZE);
	free(bytes);
}

static void cloud_send_garbage(struct cloud_call *call)
{
	static const char bytes[] = "\xff\0<\"{[ not what you asked for \x1b[31m\r\n\xc0\x80";

	cloud_send(call, 200, bytes, sizeof(bytes));
}

static void cloud_send_redirect(struct cloud_call *call)
{
	cloud_add_header(call, "Location", "http://203.0.113.2/latest/");
	cloud_answer(call, 302, NULL, "go elsewhere");
}

static void cloud_on_delay(evutil_socket_t fd, short what, void *arg)
{
	struct cloud_call *call = arg;

	call->handle(call);
}

static void cloud_delay(struct cloud_call *call, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	call->delay = event_new(call->cloud->base, -1, 0, cloud_on_delay, call);
	if (!call->delay || event_add(call->delay, &tv) < 0)
		abort();
}

static void cloud_handle(struct cloud_call *call, enum cloudconf_fault fault, uint32_t ms)
{
	switch (fault) {
	case CLOUDCONF_SLOW:
		cloud_delay(call, ms);
		break;
	case CLOUDCONF_HANG:
		cloud_hang(call);
		break;
	case CLOUDCONF_503:
		cloud_answer(call, 503, NULL, "503 - Service Unavailable");
		break;
	case CLOUDCONF_GARBAGE:
		cloud_send_garbage(call);
		break;
	case CLOUDCONF_OVERSIZE:
		cloud_send_oversize(call);
		break;
	case CLOUDCONF_REDIRECT:
		cloud_send_redirect(call);
		break;
	case CLOUDCONF_NO_FAULT:
	case CLOUDCONF_TOKEN_403:
	case CLOUDCONF_TOKEN_HANGS:
	case CLOUDCONF_TOKEN_HOP:
	case CLOUDCONF_DENIED:
	case CLOUDCONF_EXPIRED:
		call->handle(call);
		break;
	}
}

/* ---- requests ------------------------------------------------------------------------------ */

/* A file that is half-written or wrong changes nothing, and is told. */
static void cloud_reload(struct cloud *cloud)
{
	struct conf_error error;

	if (cloudconf_load(cloud->path, &cloud->conf, &error) < 0)
		printf("lab-cloud: the configuration stays as it was: %s\n", error.text);
}

static const char *cloud_peer(struct evhttp_request *req)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req);
	char *address = NULL;
	ev_uint16_t port;

	if (conn)
		evhttp_connection_get_peer(conn, &address, &port);
	return address ? address : "";
}

static struct cloud_call *cloud_call_new(struct cloud *cloud, struct evhttp_request *req)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	struct cloud_call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	cloud_reload(cloud);
	call->cloud = cloud;
	call->req = req;
	call->path = path ? path : "";
	call->who = cloud_peer(req);
	return call;
}

static void cloud_on_imds(struct evhttp_request *req, void *arg)
{
	struct cloud *cloud = arg;
	struct cloud_call *call = cloud_call_new(cloud, req);

	call->instance = cloudconf_find(&cloud->conf, call->who);
	call->handle = cloudimds_handle;
	if (!call->instance) {
		cloud_answer(call, 404, NULL, "no instance has this address");
		return;
	}
	call->who = call->instance->name;
	cloud_handle(call, call->instance->fault, call->instance->fault_ms);
}

/* Whether the fault of STS is meant for this request: by its form, or any. */
static bool cloud_sts_is_faulty(struct cloud_call *call)
{
	const char *action = call->cloud->conf.sts_fault_action;
	struct evbuffer *in = evhttp_request_get_input_buffer(call->req);

	return !*action || evbuffer_search(in, action, strlen(action), NULL).pos >= 0;
}

static void cloud_on_sts(struct evhttp_request *req, void *arg)
{
	struct cloud *cloud = arg;
	struct cloud_call *call = cloud_call_new(cloud, req);

	call->handle = cloudsts_handle;
	if (!cloud_sts_is_faulty(call))
		cloud->conf.sts_fault = CLOUDCONF_NO_FAULT; /* until the next request */
	cloud_handle(call, cloud->conf.sts_fault, cloud->conf.sts_fault_ms);
}

static struct bufferevent *cloud_on_accept_tls(struct event_base *base, void *arg)
{
	SSL *ssl = SSL_new(arg);
	struct bufferevent *bev;

	if (!ssl)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (!bev)
		SSL_free(ssl);
	else
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

/* ---- serving ------------------------------------------------------------------------------- */

static void cloud_say_listening(const char *what, evutil_socket_t fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa = { 0 };
	socklen_t len = sizeof(sa);

	(void)getsockname(fd, &sa.any, &len);
	printf("lab-cloud: %s listens at port %u\n", what,
	       ntohs(sa.any.sa_family == AF_INET ? sa.v4.sin_port : sa.v6.sin6_port));
}

/* "ADDRESS:PORT" or "[ADDRESS]:PORT"; unlike libevent's own parser it knows port 0. */
static int cloud_parse_listener(const char *text, struct sockaddr_storage *ret, int *ret_len)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	char host[CLOUDCONF_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (!colon || conf_parse_u64(colon + 1, 0, UINT16_MAX, &port) < 0)
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		memcpy(ret, &v4, sizeof(v4));
		*ret_len = sizeof(v4);
		return 0;
	}
	host[strcspn(host, "]")] = '\0';
	if (*host != '[' || inet_pton(AF_INET6, host + 1, &v6.sin6_addr) != 1)
		return -EINVAL;
	memcpy(ret, &v6, sizeof(v6));
	*ret_len = sizeof(v6);
	return 0;
}

static int cloud_listen(struct cloud *cloud, struct evhttp *http, const char *what,
			const struct cloudconf_texts *addresses)
{
	for (size_t i = 0; i < addresses->n; i++) {
		struct sockaddr_storage sa;
		int len;
		struct evconnlistener *listener;

		if (cloud_parse_listener(addresses->at[i], &sa, &len) < 0)
			return -EINVAL;
		listener = evconnlistener_new_bind(cloud->base, NULL, NULL,
						   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
							   LEV_OPT_REUSEABLE,
						   128, (struct sockaddr *)&sa, len);
		if (!listener)
			return errno ? -errno : -ENOMEM;
		if (!evhttp_bind_listener(http, listener))
			abort();
		cloud_say_listening(what, evconnlistener_get_fd(listener));
	}
	return 0;
}

static struct evhttp *cloud_http(struct cloud *cloud,
				 void (*on_request)(struct evhttp_request *, void *))
{
	struct evhttp *http = evhttp_new(cloud->base);

	if (!http)
		abort();
	evhttp_set_gencb(http, on_request, cloud);
	evhttp_set_allowed_methods(http, 0xffff);
	evhttp_set_max_body_size(http, CLOUD_BODY_MAX);
	evhttp_set_timeout(http, CLOUD_TIMEOUT_S);
	return http;
}

/* NULL when the files cannot be used. */
static SSL_CTX *cloud_tls(const struct cloudconf *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_use_certificate_chain_file(ctx, c->sts_cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, c->sts_key, SSL_FILETYPE_PEM) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static void cloud_on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)event_base_loopbreak(arg);
}

static int cloud_loop(struct cloud *cloud)
{
	struct event *term = evsignal_new(cloud->base, SIGTERM, cloud_on_signal, cloud->base);
	int r;

	if (!term || event_add(term, NULL) < 0)
		abort();
	puts("lab-cloud: ready");
	r = event_base_dispatch(cloud->base);
	event_free(term);
	return r < 0 ? -EIO : 0;
}

static int cloud_serve(struct cloud *cloud)
{
	struct evhttp *imds = cloud_http(cloud, cloud_on_imds);
	struct evhttp *sts = cloud_http(cloud, cloud_on_sts);
	SSL_CTX *tls = NULL;
	int r = cloud_listen(cloud, imds, "imds", &cloud->conf.imds_listen);

	if (r == 0 && cloud->conf.sts_listen.n) {
		tls = cloud_tls(&cloud->conf);
		evhttp_set_bevcb(sts, cloud_on_accept_tls, tls);
		r = tls ? cloud_listen(cloud, sts, "sts", &cloud->conf.sts_listen) : -EKEYREJECTED;
	}
	if (r == 0)
		r = cloud_loop(cloud);
	evhttp_free(imds);
	evhttp_free(sts);
	(void)event_base_loop(cloud->base, EVLOOP_NONBLOCK); /* TLS buffers are freed in it */
	SSL_CTX_free(tls);
	return r;
}

static int cloud_run(const char *path)
{
	static struct cloud cloud; /* too large for a stack */
	struct conf_error error;
	int r;

	cloud.path = path;
	cloud.start_wall = clk_now_wall();
	r = cloudconf_load(path, &cloud.conf, &error);
	if (r < 0) {
		printf("lab-cloud: %s\n", error.text);
		return r;
	}
	r = cloudkeys_load(cloud.conf.keys, &cloud.keys);
	if (r < 0) {
		printf("lab-cloud: keys in %s: %s; make them with lab-cloud init\n",
		       cloud.conf.keys, strerror(-r));
		return r;
	}
	cloud.base = event_base_new();
	if (!cloud.base)
		abort();
	(void)signal(SIGPIPE, SIG_IGN);
	r = cloud_serve(&cloud);
	event_base_free(cloud.base);
	cloudkeys_release(&cloud.keys);
	return r;
}

static int cloud_main(const char *path)
{
	int r;

	puts("lab-cloud: a stand-in for instance metadata and STS in tests. NOT A CLOUD.");
	r = cloud_run(path);
	if (r < 0)
		printf("lab-cloud: it ends: %s\n", strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int cloud_init(const char *dir)
{
	int r = cloudkeys_init(dir);

	if (r < 0) {
		printf("lab-cloud: cannot make keys in %s: %s\n", dir, strerror(-r));
		return EXIT_FAILURE;
	}
	printf("lab-cloud: made keys and certificates of nobody in %s\n", dir);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option = getopt_long(argc, argv, "", options, NULL);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (option == 'h') {
		cloud_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (option == 'p') {
		cloudconf_print_reference(stdout);
		return EXIT_SUCCESS;
	}
	if (option == 'c' && optind == argc)
		return cloud_main(optarg);
	if (option == -1 && argc == 3 && !strcmp(argv[1], "init"))
		return cloud_init(argv[2]);
	cloud_usage(stderr);
	return CLOUD_EXIT_USAGE;
}
