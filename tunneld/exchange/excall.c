/* SPDX-License-Identifier: MIT */
#include "tunneld/exchange/excall.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "certs/denylist.h"
#include "certs/peerid.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/secret.h"
#include "tunneld/exchange/extls.h"
#include "tunneld/proto/bind.h"
#include "tunneld/proto/exresp.h"
#include "common/jsonin.h"

#define EXCALL_PATH "/tunnel/v1/exchange"

/* One running call: what the callbacks of libcurl share. */
struct excall {
	const struct exjob_start *job;
	const struct excall_identity *id;
	struct exjob_result *result;
	struct extls tls;
	uint64_t started_ns;
	int fd;
	char *body; /* of the response; owned */
	size_t body_len;
	bool too_large;
};

/* The detail ends in log lines and on terminals, and tunneld takes printable ASCII only. */
static void excall_fail(struct exjob_result *r, enum pst code, const char *detail)
{
	r->code = code;
	snprintf(r->detail, sizeof(r->detail), "%s", detail);
	for (char *p = r->detail; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
}

static int excall_load_one(const char *path, uint8_t **ret, size_t *ret_len,
			   struct exjob_result *ret_result)
{
	char detail[EXJOB_DETAIL_MAX];
	int r = files_read(path, EXCALL_PEM_MAX, ret, ret_len);

	if (r == 0)
		return 0;
	snprintf(detail, sizeof(detail), "%.180s: %s", path, strerror(-r));
	excall_fail(ret_result, PST_IDENTITY_FILES, detail);
	return r;
}

static void excall_key_freep(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void excall_cert_freep(X509 **p)
{
	X509_free(*p);
}

static void excall_bio_freep(BIO **p)
{
	BIO_free(*p);
}

/* A clear message here is worth more than libcurl's "problem with the local certificate". */
static int excall_check_pair(const struct excall_identity *id, struct exjob_result *ret_result)
{
	_cleanup_(excall_bio_freep) BIO *cert_bio = BIO_new_mem_buf(id->cert, (int)id->cert_len);
	_cleanup_(excall_bio_freep) BIO *key_bio = BIO_new_mem_buf(id->key, (int)id->key_len);
	_cleanup_(excall_cert_freep) X509 *cert = NULL;
	_cleanup_(excall_key_freep) EVP_PKEY *key = NULL;

	if (!cert_bio || !key_bio)
		return -ENOMEM;
	cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	if (!cert || !key) {
		excall_fail(ret_result, PST_IDENTITY_FILES,
			    cert ? "the key file holds no PEM private key" :
				   "the certificate file holds no PEM certificate");
		return -EINVAL;
	}
	if (X509_check_private_key(cert, key) == 1)
		return 0;
	excall_fail(ret_result, PST_IDENTITY_FILES, "the key does not belong to the certificate");
	return -EINVAL;
}

/* Reads the pair as it is at this moment, in place of what was read before. */
static int excall_load_pair(const struct exjob_start *job, struct excall_identity *ret,
			    struct exjob_result *ret_result)
{
	int r;

	excall_release(ret);
	r = excall_load_one(job->cert, &ret->cert, &ret->cert_len, ret_result);
	if (r == 0)
		r = excall_load_one(job->key, &ret->key, &ret->key_len, ret_result);
	if (r == 0)
		r = excall_load_one(job->ca, &ret->ca, &ret->ca_len, ret_result);
	return r < 0 ? r : excall_check_pair(ret, ret_result);
}

/* A list that cannot be used lets nobody through. */
static int excall_load_deny(const struct exjob_start *job, struct excall_identity *ret,
			    struct exjob_result *ret_result)
{
	char why[DENYLIST_ERROR_MAX];
	int r;

	if (!*job->deny_file)
		return 0;
	r = denylist_load(job->deny_file, &ret->deny, why);
	if (r < 0)
		excall_fail(ret_result, PST_DENYLIST_UNUSABLE, why);
	return r;
}

int excall_load(const struct exjob_start *job, struct excall_identity *ret,
		struct exjob_result *ret_result)
{
	int r = -EAGAIN;

	for (unsigned int i = 0; i < EXCALL_LOAD_TRIES && r < 0 && r != -ENOMEM; i++)
		r = excall_load_pair(job, ret, ret_result);
	if (r < 0)
		return r;
	excall_fail(ret_result, PST_NONE, "");
	return excall_load_deny(job, ret, ret_result);
}

void excall_release(struct excall_identity *id)
{
	if (id->key)
		secret_wipe_bytes(id->key, id->key_len);
	free(id->cert);
	free(id->key);
	free(id->ca);
	denylist_free(id->deny);
	*id = (struct excall_identity){ 0 };
}

int excall_warm_up(void)
{
	jsonin_warm_up();
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

/* Waits until the socket that tunneld started to connect is connected. */
static int excall_await_connect(int fd, uint32_t timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;
	int n;

	do
		n = poll(&p, 1, (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static size_t excall_take_body(char *bytes, size_t size, size_t n, void *user)
{
	struct excall *call = user;

	if (n > EXRESP_BYTES_MAX - call->body_len) {
		call->too_large = true;
		return 0;
	}
	memcpy(call->body + call->body_len, bytes, n);
	call->body_len += n;
	return n;
}

/* libcurl gets our socket and no other. */
static curl_socket_t excall_give_socket(void *user, curlsocktype purpose,
					struct curl_sockaddr *addr)
{
	struct excall *call = user;

	return purpose == CURLSOCKTYPE_IPCXN ? steal_fd(&call->fd) : CURL_SOCKET_BAD;
}

static int excall_is_connected(void *user, curl_socket_t fd, curlsocktype purpose)
{
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static CURLcode excall_attach_tls(CURL *easy, void *ctx, void *user)
{
	struct excall *call = user;

	return extls_attach(&call->tls, ctx) < 0 ? CURLE_SSL_CONNECT_ERROR : CURLE_OK;
}

static CURLcode excall_set_identity(CURL *easy, const struct excall_identity *id)
{
	struct curl_blob cert = { id->cert, id->cert_len, CURL_BLOB_COPY };
	struct curl_blob key = { id->key, id->key_len, CURL_BLOB_NOCOPY };
	struct curl_blob ca = { id->ca, id->ca_len, CURL_BLOB_COPY };
	CURLcode r = curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &cert);

	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
	/* Else the system's CAs would be asked as well. */
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return r;
}

static void excall_set_callbacks(CURL *easy, struct excall *call)
{
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, excall_give_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, excall_is_connected);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, excall_attach_tls);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, excall_take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

static uint32_t excall_us(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (uint32_t)((to_ns - from_ns) / 1000) : 0;
}

/* What connecting has left of the time for everything; 0 would mean "no limit" to libcurl. */
static long excall_left_ms(const struct excall *call)
{
	uint64_t spent_ms = (clk_now_ns() - call->started_ns) / CLK_NS_PER_MS;

	return spent_ms < call->job->timeout_ms ? (long)(call->job->timeout_ms - spent_ms) : 1;
}

static void excall_set_limits(CURL *easy, const struct excall *call)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, excall_left_ms(call));
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	/* The principal is checked instead: extls_verify(). */
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}

/* Why libcurl gave up, in our codes; TLS knows better when it was TLS. */
static void excall_explain(struct excall *call, CURLcode r)
{
	if (call->tls.code)
		excall_fail(call->result, call->tls.code, call->tls.detail);
	else if (call->too_large)
		excall_fail(call->result, PST_BODY_TOO_LARGE, "response");
	else if (r == CURLE_OPERATION_TIMEDOUT)
		excall_fail(call->result, PST_EXCHANGE_TIMEOUT,
			    call->tls.finished ? "no answer" : "TLS handshake not finished");
	else if (r == CURLE_OUT_OF_MEMORY)
		excall_fail(call->result, PST_WORKER_DIED, "out of memory");
	else if (r == CURLE_SSL_CACERT_BADFILE || r == CURLE_SSL_CERTPROBLEM)
		excall_fail(call->result, PST_IDENTITY_FILES, curl_easy_strerror(r));
	else
		excall_fail(call->result, call->tls.finished ? PST_HTTP_STATUS : PST_TLS_HANDSHAKE,
			    curl_easy_strerror(r));
}

static bool excall_is_json(CURL *easy)
{
	char *type = NULL;

	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	return type && (!strcmp(type, "application/json") ||
			!strcmp(type, "application/json; charset=utf-8"));
}

/* Reads who we are out of our own certificate. */
static int excall_read_self(const struct excall *call, struct peerid *ret)
{
	const struct peerid_rule rule = { .need_instance = false };
	_cleanup_(excall_bio_freep)
		BIO *bio = BIO_new_mem_buf(call->id->cert, (int)call->id->cert_len);
	_cleanup_(excall_cert_freep) X509 *cert = NULL;
	enum pst code;

	cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!cert)
		return -ENOMEM;
	return peerid_read(cert, &rule, ret, &code);
}

/* The address is a function of our identity: a server that offers another one is mistaken or wants
 * us to answer for somebody else. */
static bool excall_check_address(struct excall *call)
{
	struct in6_addr expected;
	struct peerid self;

	if (excall_read_self(call, &self) < 0 || !self.instance_id[0]) {
		excall_fail(call->result, PST_IDENTITY_FILES,
			    "our own certificate names no instance");
		return false;
	}
	if (bind_address(&call->job->hosts_prefix, call->job->zone, self.provider, self.instance_id,
			 &expected) == 0 &&
	    ip6_addr_equal(&expected, &call->result->offer.host_addr))
		return true;
	excall_fail(call->result, PST_RESPONSE_ADDRESS,
		    "it is not the one derived from our identity");
	return false;
}

/* 200: an offer, and the PSK that both ends derive from this handshake. */
static void excall_take_offer(struct excall *call)
{
	struct exjob_result *res = call->result;
	struct bind_psk_input in = { .host_key = call->job->request.public_key };
	int r = exresp_decode(call->body, call->body_len, &res->offer, &res->code);

	if (r < 0) {
		excall_fail(res, r == -EBADMSG ? res->code : PST_WORKER_DIED, "response");
		return;
	}
	if (!excall_check_address(call))
		return;
	in.gateway_key = res->offer.gateway_key;
	in.host_addr = res->offer.host_addr;
	in.epoch = res->offer.epoch;
	if (!call->tls.finished || bind_psk(&call->tls.exported, &in, &res->psk) < 0)
		excall_fail(res, PST_TLS_HANDSHAKE, "no key could be derived");
}

/* Anything but 200: a refusal of ours, or some other program's page. */
static void excall_take_error(struct excall *call, long status, bool is_json)
{
	char detail[EXJOB_DETAIL_MAX];
	struct exresp_error e;

	if (!is_json || exresp_decode_error(call->body, call->body_len, &e) < 0) {
		snprintf(detail, sizeof(detail), "HTTP status %ld", status);
		excall_fail(call->result, PST_HTTP_STATUS, detail);
		return;
	}
	excall_fail(call->result, e.code, e.message);
	call->result->retry_after_s = e.retry_after_s;
}

static void excall_take_response(struct excall *call, CURL *easy)
{
	bool is_json = excall_is_json(easy);
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		excall_take_error(call, status, is_json);
	else if (!is_json)
		excall_fail(call->result, PST_CONTENT_TYPE, "response");
	else
		excall_take_offer(call);
}

static void excall_easy_freep(CURL **p)
{
	curl_easy_cleanup(*p);
}

static void excall_headers_freep(struct curl_slist **p)
{
	curl_slist_free_all(*p);
}

static void excall_perform(struct excall *call, const struct excall_identity *id, const char *body)
{
	_cleanup_(excall_easy_freep) CURL *easy = curl_easy_init();
	_cleanup_(excall_headers_freep) struct curl_slist *headers =
		curl_slist_append(NULL, "Content-Type: application/json");
	char url[sizeof("https://") + IP6_ENDPOINT_TEXT + sizeof(EXCALL_PATH)];
	CURLcode r;

	if (!easy || !headers) {
		excall_fail(call->result, PST_WORKER_DIED, "out of memory");
		return;
	}
	snprintf(url, sizeof(url), "https://%s%s", call->job->authority, EXCALL_PATH);
	excall_set_limits(easy, call);
	excall_set_callbacks(easy, call);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	r = excall_set_identity(easy, id);
	if (r == CURLE_OK)
		r = curl_easy_perform(easy);
	if (r == CURLE_OK)
		excall_take_response(call, easy);
	else
		excall_explain(call, r);
}

static void excall_body_freep(char **p)
{
	free(*p);
}

/* TCP first, so that "no route" and "no answer" are told apart from TLS trouble. */
static bool excall_connect(struct excall *call, int fd)
{
	int r = excall_await_connect(fd, call->job->timeout_ms);

	if (r < 0) {
		excall_fail(call->result, r == -ETIMEDOUT ? PST_EXCHANGE_TIMEOUT : PST_TCP_CONNECT,
			    strerror(-r));
		return false;
	}
	call->result->connect_us = excall_us(call->started_ns, clk_now_ns());
	call->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return true;
}

void excall_run(const struct exjob_start *job, const struct excall_identity *id, int fd,
		struct exjob_result *ret)
{
	_cleanup_(excall_body_freep) char *request = NULL;
	_cleanup_(excall_body_freep) char *response = malloc(EXRESP_BYTES_MAX);
	struct excall call = {
		.job = job,
		.id = id,
		.result = ret,
		.started_ns = clk_now_ns(),
		.fd = -1,
		.body = response,
	};

	extls_init(&call.tls, job->principal, id->deny, job->require_post_quantum);
	if (!response || exreq_encode(&job->request, &request) < 0)
		excall_fail(ret, PST_WORKER_DIED, "cannot write the request");
	else if (excall_connect(&call, fd))
		excall_perform(&call, id, request);
	if (call.tls.finished)
		ret->tls_us = excall_us(call.started_ns, call.tls.finished_ns);
	ret->total_us = excall_us(call.started_ns, clk_now_ns());
	snprintf(ret->group, sizeof(ret->group), "%s", call.tls.group);
	closep(&call.fd);
	extls_wipe(&call.tls);
}
