/* SPDX-License-Identifier: MIT */
#include "certs/fetch/httpcall.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/peerid.h"
#include "common/clk.h"
#include "common/secret.h"
#include "config.h"

#define HTTPCALL_CHAIN_DEPTH 6
/* Of TLS 1.2: forward secrecy and AEAD only. */
#define HTTPCALL_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* One running call: what the callbacks of libcurl and OpenSSL share. */
struct httpcall_state {
	const struct httpcall *call;
	struct httpcall_answer answer;
	size_t head_len;
	bool too_large;
	int reason; /* HTTPCALL_E_... that TLS found; 0 = it did not say */
	char detail[HTTPCALL_DETAIL_MAX];
	char error[CURL_ERROR_SIZE];
};

int httpcall_warm_up(void)
{
	/* Dates in certificates are in UTC; without TZ libc would look for /etc/localtime at the
	 * first. */
	if (setenv("TZ", "UTC0", 1) < 0)
		return -errno;
	tzset();
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -EIO;
	return OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) ==
			       1 ?
		       0 :
		       -EIO;
}

void httpcall_release(struct httpcall_answer *a)
{
	if (a->body)
		secret_wipe_bytes(a->body, a->body_len);
	free(a->body);
	*a = (struct httpcall_answer){ 0 };
}

/* The first reason is the cause; what follows is only its echo. */
static void httpcall_note(struct httpcall_state *s, int reason, const char *what, const char *why)
{
	if (s->reason)
		return;
	s->reason = reason;
	snprintf(s->detail, sizeof(s->detail), "%s: %s", what, why);
}

static int httpcall_verify_reason(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return HTTPCALL_E_CLOCK;
	default:
		return HTTPCALL_E_PEER;
	}
}

/* Only says why; libcurl decides, and checks the host name afterwards. */
static int httpcall_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct httpcall_state *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int error = X509_STORE_CTX_get_error(store);

	if (!ok)
		httpcall_note(s, httpcall_verify_reason(error), "the server's certificate",
			      X509_verify_cert_error_string(error));
	return ok;
}

static void httpcall_info(const SSL *ssl, int where, int value)
{
	struct httpcall_state *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!(where & SSL_CB_ALERT) || !(where & SSL_CB_READ) ||
	    (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		return;
	httpcall_note(s,
		      peerid_alert_code(value & 0xff) == PST_CERT_REFUSED ? HTTPCALL_E_REFUSED :
									    HTTPCALL_E_BROKEN,
		      "alert from the server", SSL_alert_desc_string_long(value));
}

static CURLcode httpcall_attach_tls(CURL *easy, void *ctx, void *user)
{
	SSL_CTX_set_app_data((SSL_CTX *)ctx, user);
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_verify_depth(ctx, HTTPCALL_CHAIN_DEPTH);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, httpcall_verify);
	SSL_CTX_set_info_callback(ctx, httpcall_info);
	return CURLE_OK;
}

/* The buffer has its full size from the start: growing would leave copies of secrets behind. */
static size_t httpcall_take_body(char *bytes, size_t size, size_t n, void *user)
{
	struct httpcall_state *s = user;

	if (n > s->call->answer_max - s->answer.body_len) {
		s->too_large = true;
		return 0;
	}
	memcpy(s->answer.body + s->answer.body_len, bytes, n);
	s->answer.body_len += n;
	s->answer.body[s->answer.body_len] = '\0';
	return n;
}

static size_t httpcall_take_head(char *bytes, size_t size, size_t n, void *user)
{
	struct httpcall_state *s = user;

	if (n > HTTPCALL_HEAD_MAX - s->head_len) {
		s->too_large = true;
		return 0;
	}
	s->head_len += n;
	return n;
}

/* Milliseconds that are left for this call; 0 = none, which libcurl would take for "no limit". */
static long httpcall_left_ms(const struct httpcall *c)
{
	uint64_t now_ns = clk_now_ns();
	uint64_t left_ms;

	if (now_ns >= c->deadline_ns)
		return 0;
	left_ms = (c->deadline_ns - now_ns) / CLK_NS_PER_MS;
	return left_ms < c->timeout_ms ? (long)left_ms : (long)c->timeout_ms;
}

static CURLcode httpcall_set_numbers(CURL *easy, const struct httpcall *c, long left_ms)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_TIMEOUT_MS, left_ms },
		{ CURLOPT_CONNECTTIMEOUT_MS,
		  c->connect_ms && c->connect_ms < left_ms ? (long)c->connect_ms : left_ms },
		{ CURLOPT_FRESH_CONNECT, 1 },
		{ CURLOPT_FORBID_REUSE, 1 },
		{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSL_ENABLE_ALPN, 0 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	};
	CURLcode r = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && r == CURLE_OK; i++)
		r = curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
	return r;
}

static CURLcode httpcall_set_texts(CURL *easy, const struct httpcall *c)
{
	const struct {
		CURLoption option;
		const char *value;
	} texts[] = {
		{ CURLOPT_URL, c->url },
		{ CURLOPT_CUSTOMREQUEST, c->method },
		{ CURLOPT_USERAGENT, "SIA-POSTERN " POSTERN_VERSION },
		{ CURLOPT_PROXY, "" },
		{ CURLOPT_PROTOCOLS_STR, c->tls ? "https" : "http" },
		{ CURLOPT_SSL_CIPHER_LIST, HTTPCALL_CIPHERS },
	};
	CURLcode r = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(texts) && r == CURLE_OK; i++)
		r = curl_easy_setopt(easy, texts[i].option, texts[i].value);
	return r;
}

static CURLcode httpcall_set_blob(CURL *easy, CURLoption option, const void *bytes, size_t len)
{
	/* libcurl only reads it; its struct is for both ways. */
	struct curl_blob blob = { (void *)(uintptr_t)bytes, len, CURL_BLOB_NOCOPY };

	return bytes ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

static CURLcode httpcall_set_tls(CURL *easy, const struct httpcall_tls *tls)
{
	CURLcode r;

	if (!tls)
		return CURLE_OK;
	r = httpcall_set_blob(easy, CURLOPT_CAINFO_BLOB, tls->ca, tls->ca_len);
	if (r == CURLE_OK)
		r = httpcall_set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->cert, tls->cert_len);
	if (r == CURLE_OK)
		r = httpcall_set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key, tls->key_len);
	/* Else the system's CAs would be asked as well. */
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return r;
}

static void httpcall_set_callbacks(CURL *easy, struct httpcall_state *s)
{
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, httpcall_take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, httpcall_take_head);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->error);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, httpcall_attach_tls);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, s);
	if (!s->call->body)
		return;
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, s->call->body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)s->call->body_len);
}

static void httpcall_list_freep(struct curl_slist **p)
{
	curl_slist_free_all(*p);
}

static void httpcall_easy_freep(CURL **p)
{
	curl_easy_cleanup(*p);
}

static int httpcall_append(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* Lists that libcurl borrows until the call is over. */
struct httpcall_lists {
	struct curl_slist *headers, *connect_to, *resolve;
};

static void httpcall_lists_release(struct httpcall_lists *l)
{
	httpcall_list_freep(&l->headers);
	httpcall_list_freep(&l->connect_to);
	httpcall_list_freep(&l->resolve);
}

static int httpcall_make_lists(const struct httpcall *c, struct httpcall_lists *ret)
{
	int r = 0;

	for (size_t i = 0; i < c->n_headers && r == 0; i++)
		r = httpcall_append(&ret->headers, c->headers[i]);
	if (r == 0 && c->connect_to && *c->connect_to)
		r = httpcall_append(&ret->connect_to, c->connect_to);
	if (r == 0 && c->resolve && *c->resolve)
		r = httpcall_append(&ret->resolve, c->resolve);
	return r;
}

static CURLcode httpcall_set_lists(CURL *easy, const struct httpcall_lists *l)
{
	CURLcode r = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, l->headers);

	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CONNECT_TO, l->connect_to);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_RESOLVE, l->resolve);
	return r;
}

static int httpcall_reason(const struct httpcall_state *s, CURLcode r)
{
	if (s->too_large)
		return HTTPCALL_E_LARGE;
	if (s->reason)
		return s->reason;
	switch ((int)r) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return HTTPCALL_E_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTPCALL_E_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return HTTPCALL_E_PEER;
	default:
		return HTTPCALL_E_BROKEN;
	}
}

/* Why libcurl gave up; TLS knows better when it was TLS. */
static int httpcall_explain(const struct httpcall_state *s, CURLcode r,
			    char ret_detail[static HTTPCALL_DETAIL_MAX])
{
	if (r == CURLE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (s->too_large)
		snprintf(ret_detail, HTTPCALL_DETAIL_MAX, "the answer is larger than %zu bytes",
			 s->call->answer_max);
	else if (s->reason)
		memcpy(ret_detail, s->detail, HTTPCALL_DETAIL_MAX);
	else
		snprintf(ret_detail, HTTPCALL_DETAIL_MAX, "%s",
			 s->error[0] ? s->error : curl_easy_strerror(r));
	return httpcall_reason(s, r);
}

static void httpcall_take_facts(CURL *easy, struct httpcall_answer *a)
{
	curl_off_t after = 0;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
	a->status = (unsigned int)status;
	if (after > 0)
		a->retry_after_s = after > HTTPCALL_RETRY_MAX_S ? HTTPCALL_RETRY_MAX_S :
								  (uint32_t)after;
}

static CURLcode httpcall_perform(CURL *easy, struct httpcall_state *s,
				 const struct httpcall_lists *lists, long left_ms)
{
	CURLcode r = httpcall_set_texts(easy, s->call);

	httpcall_set_callbacks(easy, s);
	if (r == CURLE_OK)
		r = httpcall_set_numbers(easy, s->call, left_ms);
	if (r == CURLE_OK)
		r = httpcall_set_tls(easy, s->call->tls);
	if (r == CURLE_OK)
		r = httpcall_set_lists(easy, lists);
	return r == CURLE_OK ? curl_easy_perform(easy) : r;
}

int httpcall_run(const struct httpcall *call, struct httpcall_answer *ret,
		 char ret_detail[static HTTPCALL_DETAIL_MAX])
{
	_cleanup_(httpcall_lists_release) struct httpcall_lists lists = { 0 };
	_cleanup_(httpcall_easy_freep) CURL *easy = NULL;
	struct httpcall_state s = { .call = call };
	long left_ms = httpcall_left_ms(call);
	CURLcode code;
	int r = 0;

	if (left_ms == 0) {
		snprintf(ret_detail, HTTPCALL_DETAIL_MAX, "no time was left for this call");
		return HTTPCALL_E_TIMEOUT;
	}
	easy = curl_easy_init();
	s.answer.body = malloc(call->answer_max + 1);
	if (!easy || !s.answer.body || httpcall_make_lists(call, &lists) < 0) {
		httpcall_release(&s.answer);
		return -ENOMEM;
	}
	s.answer.body[0] = '\0';
	code = httpcall_perform(easy, &s, &lists, left_ms);
	if (code == CURLE_OK) {
		httpcall_take_facts(easy, &s.answer);
		*ret = s.answer;
		return 0;
	}
	r = httpcall_explain(&s, code, ret_detail);
	httpcall_release(&s.answer);
	return r;
}
