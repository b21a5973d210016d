/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/stscall.h"

#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/stsxml.h"
#include "common/conf.h"
#include "common/files.h"
#include "common/ip6.h"
#include "common/secret.h"

#define CA_MAX (4 * 1024 * 1024) /* bytes: the system's bundle has some 200 kB */
#define HOST_MAX 256
#define HEADER_MAX (SIGV4_TOKEN_MAX + 64)
#define QUESTION "Action=GetCallerIdentity&Version=2011-06-15"
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define ARN_PATH "GetCallerIdentityResponse/GetCallerIdentityResult/Arn"
#define ERROR_PATH "ErrorResponse/Error/Code"

/* One question on its way. */
struct flight {
	struct stscall *owner;
	struct flight *next, **where; /* in the owner's list */
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	size_t len;
	bool is_too_large;
	stscall_done_fn *done;
	void *user;
};

struct stscall {
	struct event_base *base;
	const struct stscall_spec *spec;
	CURLM *multi;
	struct event *timer;
	X509_STORE *cas;               /* parsed once: a system's bundle takes milliseconds */
	char host[HOST_MAX];           /* as in the header */
	struct curl_slist *connect_to; /* NULL = look the name up */
	struct flight *flights;
	unsigned int n_flights;
};

/* ---- what libcurl wants to know ---- */

static void finish_all(struct stscall *s);

static void on_socket(evutil_socket_t fd, short what, void *user)
{
	struct stscall *s = user;
	int running;

	curl_multi_socket_action(s->multi, fd,
				 (what & EV_READ ? CURL_CSELECT_IN : 0) |
					 (what & EV_WRITE ? CURL_CSELECT_OUT : 0),
				 &running);
	finish_all(s);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct stscall *s = user;
	int running;

	curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(s);
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct stscall *s = user;
	struct timeval tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

	if (timeout_ms < 0)
		return event_del(s->timer);
	return event_add(s->timer, &tv);
}

/* @watch: the event that belongs to this socket, NULL at first. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *watch)
{
	struct stscall *s = user;
	struct event *event = watch;
	short flags = EV_PERSIST;

	if (event)
		event_free(event);
	event = NULL;
	if (what & CURL_POLL_IN)
		flags |= EV_READ;
	if (what & CURL_POLL_OUT)
		flags |= EV_WRITE;
	if (what != CURL_POLL_REMOVE && flags != EV_PERSIST) {
		event = event_new(s->base, fd, flags, on_socket, s);
		if (!event || event_add(event, NULL) < 0) {
			if (event)
				event_free(event);
			curl_multi_assign(s->multi, fd, NULL);
			return -1;
		}
	}
	curl_multi_assign(s->multi, fd, event);
	return 0;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
	struct flight *f = user;
	size_t len = size * n;
	char *grown;

	if (len > STSXML_BYTES_MAX - f->len) {
		f->is_too_large = true;
		return 0;
	}
	grown = realloc(f->body, f->len + len + 1);
	if (!grown)
		return 0;
	f->body = grown;
	memcpy(f->body + f->len, bytes, len);
	f->len += len;
	return len;
}

/* ---- the end of a question ---- */

static void flight_free(struct flight *f)
{
	if (f->where) {
		*f->where = f->next;
		if (f->next)
			f->next->where = f->where;
		f->owner->n_flights--;
	}
	curl_easy_cleanup(f->easy);
	for (struct curl_slist *h = f->headers; h; h = h->next)
		secret_wipe_bytes(h->data, strlen(h->data));
	curl_slist_free_all(f->headers);
	free(f->body);
	free(f);
}

static void flight_freep(struct flight **p)
{
	if (*p)
		flight_free(*p);
}

/* Ends @f, whose owner may get the next question from within the callback. */
static void end_flight(struct flight *f, enum stscall_end end, const char *text)
{
	stscall_done_fn *done = f->done;
	void *user = f->user;

	if (f->where)
		curl_multi_remove_handle(f->owner->multi, f->easy);
	flight_free(f);
	done(user, end, text);
}

static bool is_busy_code(const char *code)
{
	return !strncmp(code, "Throttling", strlen("Throttling")) ||
	       !strcmp(code, "RequestLimitExceeded") || !strcmp(code, "ServiceUnavailable");
}

static void end_refused(struct flight *f, long status)
{
	char code[64], text[128];

	if (stsxml_find(f->body ? f->body : "", f->len, ERROR_PATH, code, sizeof(code)) != 0 ||
	    strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.") != strlen(code))
		snprintf(code, sizeof(code), "HTTP status %ld", status);
	snprintf(text, sizeof(text), "STS says %s", code);
	end_flight(f, is_busy_code(code) ? STSCALL_SILENT : STSCALL_REFUSED, text);
}

static void end_answered(struct flight *f)
{
	char arn[STSCALL_ARN_MAX], text[64];
	long status = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 400 || status == 401 || status == 403) {
		end_refused(f, status);
		return;
	}
	if (status != 200) {
		snprintf(text, sizeof(text), "STS answers with HTTP status %ld", status);
		end_flight(f, STSCALL_SILENT, text);
		return;
	}
	if (stsxml_find(f->body ? f->body : "", f->len, ARN_PATH, arn, sizeof(arn)) != 0) {
		end_flight(f, STSCALL_SILENT, "the answer of STS cannot be read");
		return;
	}
	end_flight(f, STSCALL_OK, arn);
}

static void end_unanswered(struct flight *f, CURLcode result)
{
	char text[STSCALL_WHY_MAX];

	snprintf(text, sizeof(text), "STS cannot be asked: %s", curl_easy_strerror(result));
	if (f->is_too_large)
		end_flight(f, STSCALL_SILENT, "the answer of STS is too large");
	else if (result == CURLE_OPERATION_TIMEDOUT)
		end_flight(f, STSCALL_SILENT, "STS does not answer in time");
	else if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_OUT_OF_MEMORY ||
		 result == CURLE_WRITE_ERROR || result == CURLE_SSL_CACERT_BADFILE)
		end_flight(f, STSCALL_FAILED, text);
	else
		end_flight(f, STSCALL_SILENT, text);
}

static void finish_all(struct stscall *s)
{
	struct flight *f;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(s->multi, &left))) {
		CURLcode result = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &f);
		if (result == CURLE_OK)
			end_answered(f);
		else
			end_unanswered(f, result);
	}
}

/* ---- asking ---- */

static int add_header(struct flight *f, const char *name, const char *value)
{
	char line[HEADER_MAX];
	struct curl_slist *longer;

	snprintf(line, sizeof(line), "%s: %s", name, value);
	longer = curl_slist_append(f->headers, line);
	secret_wipe_bytes(line, sizeof(line));
	if (!longer)
		return -ENOMEM;
	f->headers = longer;
	return 0;
}

static int sign(struct flight *f, const struct sigv4_keys *keys, uint64_t now_wall)
{
	const struct sigv4_header type = { "content-type", FORM };
	const struct sigv4_request rq = {
		.method = "POST",
		.host = f->owner->host,
		.path = "/",
		.headers = &type,
		.n_headers = 1,
		.body = QUESTION,
		.body_len = strlen(QUESTION),
		.region = f->owner->spec->region,
		.service = "sts",
	};
	struct sigv4_signed out;
	int r = sigv4_sign(&rq, keys, now_wall, &out);

	if (r == 0)
		r = add_header(f, "Host", f->owner->host);
	if (r == 0)
		r = add_header(f, "Content-Type", FORM);
	if (r == 0)
		r = add_header(f, "X-Amz-Date", out.date);
	if (r == 0 && keys->token && keys->token[0])
		r = add_header(f, "X-Amz-Security-Token", keys->token);
	if (r == 0)
		r = add_header(f, "Authorization", out.authorization);
	return r;
}

static void set_guards(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
}

/* libcurl has been given no CAs, so that what it verifies with is ours. */
static CURLcode use_cas(CURL *easy, void *tls, void *user)
{
	struct stscall *s = user;

	return SSL_CTX_set1_verify_cert_store(tls, s->cas) == 1 ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

static int set_options(struct flight *f)
{
	struct stscall *s = f->owner;
	CURLcode r = curl_easy_setopt(f->easy, CURLOPT_CAINFO, NULL);

	if (r == CURLE_OK)
		r = curl_easy_setopt(f->easy, CURLOPT_CAPATH, NULL);
	if (r == CURLE_OK)
		r = curl_easy_setopt(f->easy, CURLOPT_SSL_CTX_FUNCTION, use_cas);
	if (r == CURLE_OK)
		r = curl_easy_setopt(f->easy, CURLOPT_SSL_CTX_DATA, s);
	if (r == CURLE_OK)
		r = curl_easy_setopt(f->easy, CURLOPT_URL, s->spec->url);
	set_guards(f->easy);
	curl_easy_setopt(f->easy, CURLOPT_CONNECT_TO, s->connect_to);
	curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, (long)s->spec->timeout_ms);
	curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->spec->timeout_ms);
	curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
	curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, QUESTION); /* borrowed */
	curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f);
	return r == CURLE_OK ? 0 : -ENOMEM;
}

static int launch(struct flight *f)
{
	struct stscall *s = f->owner;

	if (curl_multi_add_handle(s->multi, f->easy) != CURLM_OK)
		return -ENOMEM;
	f->next = s->flights;
	if (f->next)
		f->next->where = &f->next;
	f->where = &s->flights;
	s->flights = f;
	s->n_flights++;
	return 0;
}

static int prepare(struct stscall *s, const struct sigv4_keys *keys, uint64_t now_wall,
		   struct flight **ret)
{
	_cleanup_(flight_freep) struct flight *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->owner = s;
	f->easy = curl_easy_init();
	if (!f->easy)
		return -ENOMEM;
	r = sign(f, keys, now_wall);
	if (r == 0)
		r = set_options(f);
	if (r < 0)
		return r;
	*ret = steal_ptr(f);
	return 0;
}

void stscall_ask(struct stscall *s, const struct sigv4_keys *keys, uint64_t now_wall,
		 stscall_done_fn *done, void *user)
{
	_cleanup_(flight_freep) struct flight *f = NULL;
	int r;

	if (s->n_flights >= STSCALL_FLIGHTS_MAX) {
		done(user, STSCALL_SILENT, "too many questions to STS wait for an answer");
		return;
	}
	r = prepare(s, keys, now_wall, &f);
	if (r == 0) {
		f->done = done;
		f->user = user;
		r = launch(f);
	}
	if (r == 0)
		f = NULL; /* the owner has it */
	else if (r == -EINVAL)
		done(user, STSCALL_REFUSED, "credentials of another form");
	else
		done(user, STSCALL_FAILED, strerror(-r));
}

/* ---- opening ---- */

static int fail(char *ret_why, const char *object, const char *what, int error)
{
	snprintf(ret_why, STSCALL_WHY_MAX, "%.150s: %s", object, what);
	return error;
}

/* Splits "https://host[:port]"; the header has no port when it is that of the scheme. */
static int parse_url(const char *url, char *host, uint64_t *ret_port)
{
	static const char scheme[] = "https://";
	const char *at = url + strlen(scheme);
	size_t len;

	*ret_port = 443;
	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return -EINVAL;
	len = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789.-");
	if (len == 0 || len >= HOST_MAX - strlen(":65535"))
		return -EINVAL;
	memcpy(host, at, len);
	host[len] = '\0';
	if (at[len] == ':')
		return conf_parse_u64(at + len + 1, 1, 65535, ret_port);
	return at[len] ? -EINVAL : 0;
}

static int set_host(struct stscall *s)
{
	char line[HOST_MAX + IP6_ENDPOINT_TEXT + 16];
	uint64_t port;
	size_t len;

	if (parse_url(s->spec->url, s->host, &port) < 0)
		return -EINVAL;
	if (s->spec->address[0]) {
		snprintf(line, sizeof(line), "%s:%u:%s", s->host, (unsigned int)port,
			 s->spec->address);
		s->connect_to = curl_slist_append(NULL, line);
		if (!s->connect_to)
			return -ENOMEM;
	}
	len = strlen(s->host);
	if (port != 443)
		snprintf(s->host + len, sizeof(s->host) - len, ":%u", (unsigned int)port);
	return 0;
}

static int check_spec(const struct stscall_spec *spec, char *ret_why)
{
	struct ip6_endpoint at;

	if (spec->address[0] && ip6_parse_endpoint(spec->address, &at) < 0)
		return fail(ret_why, spec->address, "not of the form [address]:port", -EINVAL);
	if (spec->timeout_ms == 0)
		return fail(ret_why, spec->url, "a time limit of 0 would be none", -EINVAL);
	return 0;
}

static void free_bio(BIO **p)
{
	BIO_free(*p);
}

static void free_cert(X509 **p)
{
	X509_free(*p);
}

/* Adds one certificate. Gives 1 when there was one, 0 at the end, -EINVAL. */
static int add_ca(X509_STORE *store, BIO *from)
{
	_cleanup_(free_cert) X509 *cert = PEM_read_bio_X509(from, NULL, NULL, NULL);
	bool is_end = !cert && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	if (is_end)
		return 0;
	return cert && X509_STORE_add_cert(store, cert) == 1 ? 1 : -EINVAL;
}

static int parse_cas(struct stscall *s, const char *path, const uint8_t *pem, size_t len,
		     char *ret_why)
{
	_cleanup_(free_bio) BIO *from = BIO_new_mem_buf(pem, (int)len);
	size_t n = 0;
	int r = 1;

	s->cas = X509_STORE_new();
	if (!from || !s->cas)
		return fail(ret_why, path, strerror(ENOMEM), -ENOMEM);
	/* As libcurl does it: a CA of the file counts although its own issuer is not there. */
	X509_STORE_set_flags(s->cas, X509_V_FLAG_PARTIAL_CHAIN);
	while (r == 1) {
		r = add_ca(s->cas, from);
		n += r == 1;
	}
	if (r < 0)
		return fail(ret_why, path, "a certificate in it is broken", r);
	return n ? 0 : fail(ret_why, path, "no certificate in it", -EINVAL);
}

static int read_cas(struct stscall *s, char *ret_why)
{
	_cleanup_(files_freep) uint8_t *pem = NULL;
	const char *path = s->spec->ca;
	size_t len;
	int r;

	if (!path[0])
		path = curl_version_info(CURLVERSION_NOW)->cainfo;
	if (!path)
		return fail(ret_why, s->spec->url, "the system has no file of CAs: name one",
			    -ENOENT);
	r = files_read(path, CA_MAX, &pem, &len);
	return r < 0 ? fail(ret_why, path, strerror(-r), r) : parse_cas(s, path, pem, len, ret_why);
}

static int make_multi(struct stscall *s)
{
	s->multi = curl_multi_init();
	s->timer = event_new(s->base, -1, 0, on_timer, s);
	if (!s->multi || !s->timer)
		return -ENOMEM;
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)STSCALL_KEPT_MAX);
	return 0;
}

static void stscall_closep(struct stscall **p)
{
	stscall_close(*p);
}

int stscall_open(struct event_base *base, const struct stscall_spec *spec, struct stscall **ret,
		 char ret_why[static STSCALL_WHY_MAX])
{
	_cleanup_(stscall_closep) struct stscall *s = NULL;
	int r = check_spec(spec, ret_why);

	if (r < 0)
		return r;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fail(ret_why, spec->url, "libcurl does not start", -ENOMEM);
	s = calloc(1, sizeof(*s));
	if (!s) {
		curl_global_cleanup();
		return fail(ret_why, spec->url, strerror(ENOMEM), -ENOMEM);
	}
	s->base = base;
	s->spec = spec;
	r = set_host(s);
	if (r == -EINVAL)
		return fail(ret_why, spec->url, "not of the form https://host[:port]", r);
	if (r < 0)
		return fail(ret_why, spec->url, strerror(-r), r);
	r = read_cas(s, ret_why);
	if (r < 0)
		return r;
	r = make_multi(s);
	if (r < 0)
		return fail(ret_why, spec->url, strerror(-r), r);
	*ret = steal_ptr(s);
	return 0;
}

void stscall_close(struct stscall *s)
{
	if (!s)
		return;
	while (s->flights)
		end_flight(s->flights, STSCALL_FAILED, "the program ends");
	if (s->multi)
		curl_multi_cleanup(s->multi);
	if (s->timer)
		event_free(s->timer);
	curl_slist_free_all(s->connect_to);
	X509_STORE_free(s->cas);
	free(s);
	curl_global_cleanup();
}
