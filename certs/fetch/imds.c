/* SPDX-License-Identifier: MIT */
#include "certs/fetch/imds.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetch/fetchfail.h"
#include "certs/fetch/httpcall.h"
#include "common/secret.h"

#define IMDS_TOKEN_PATH "/latest/api/token"

void imds_release(struct imds *i)
{
	secret_wipe_bytes(i->token, sizeof(i->token));
	i->endpoint = NULL;
}

static enum pst imds_status_code(unsigned int status)
{
	if (status == 429 || status >= 500)
		return PST_IMDS_UNREACHABLE;
	return status >= 400 ? PST_IMDS_REFUSED : PST_IMDS_ANSWER;
}

static enum pst imds_error_code(int error)
{
	return error == HTTPCALL_E_CONNECT || error == HTTPCALL_E_TIMEOUT ? PST_IMDS_UNREACHABLE :
									    PST_IMDS_ANSWER;
}

/* One call of any status. */
static int imds_call(const struct imds *i, struct httpcall *call, const char *path,
		     struct httpcall_answer *ret, struct fetchjob_result *ret_result)
{
	char url[64 + IMDS_PATH_MAX], detail[HTTPCALL_DETAIL_MAX];
	int r;

	snprintf(url, sizeof(url), "%s%s", i->endpoint, path);
	call->url = url;
	call->connect_ms = IMDS_CONNECT_MS;
	call->timeout_ms = IMDS_CALL_MS;
	call->deadline_ns = i->deadline_ns;
	ret_result->http_status = 0; /* of whoever was asked before */
	r = httpcall_run(call, ret, detail);
	if (r > 0)
		return fetchfail_set(ret_result, imds_error_code(r), "%s: %.150s", url, detail);
	if (r == 0)
		ret_result->http_status = ret->status;
	return r;
}

static int imds_fail_status(const struct imds *i, const char *path, unsigned int status,
			    struct fetchjob_result *ret_result)
{
	return fetchfail_set(ret_result, imds_status_code(status), "%s%s: status %u", i->endpoint,
			     path, status);
}

/* It goes into a header: one word of printable text. */
static bool imds_is_token(const struct httpcall_answer *a)
{
	for (size_t n = 0; n < a->body_len; n++)
		if (a->body[n] < 0x21 || a->body[n] > 0x7e)
			return false;
	return a->body_len > 0;
}

static int imds_renew_token(struct imds *i, struct fetchjob_result *ret_result)
{
	static const char *const headers[] = { "X-aws-ec2-metadata-token-ttl-seconds: 300" };
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	struct httpcall call = { .method = "PUT",
				 .headers = headers,
				 .n_headers = ARRAY_SIZE(headers),
				 .answer_max = IMDS_TOKEN_MAX - 1 };
	int r = imds_call(i, &call, IMDS_TOKEN_PATH, &a, ret_result);

	if (r < 0)
		return r;
	if (a.status != 200)
		return imds_fail_status(i, IMDS_TOKEN_PATH, a.status, ret_result);
	if (!imds_is_token(&a))
		return fetchfail_set(ret_result, PST_IMDS_ANSWER, "%s%s: not a token", i->endpoint,
				     IMDS_TOKEN_PATH);
	memcpy(i->token, a.body, a.body_len + 1);
	return 0;
}

/* An endpoint that said something tells more about the trouble than one that was silent. */
static void imds_keep_worse(struct fetchjob_result *worst, const struct fetchjob_result *next)
{
	if (!worst->code || worst->code == PST_IMDS_UNREACHABLE)
		*worst = *next;
}

int imds_open(const struct certconf *conf, uint64_t deadline_ns, struct imds *ret,
	      struct fetchjob_result *ret_result)
{
	_cleanup_(imds_release) struct imds i = { .conf = conf, .deadline_ns = deadline_ns };
	struct fetchjob_result worst = { 0 };
	int r = -EPERM;

	fetchfail_set(&worst, PST_NONE, "no endpoint is configured");
	for (size_t n = 0; n < conf->n_imds && r == -EPERM; n++) {
		struct fetchjob_result now = { 0 };

		i.endpoint = conf->imds[n];
		r = imds_renew_token(&i, &now);
		if (r == -EPERM)
			imds_keep_worse(&worst, &now);
	}
	if (r == 0)
		*ret = i;
	else if (r == -EPERM) {
		ret_result->http_status = worst.http_status;
		fetchfail_set(ret_result, worst.code ? worst.code : PST_IMDS_UNREACHABLE, "%s",
			      worst.detail);
	}
	return r;
}

static int imds_try_get(const struct imds *i, const char *path, size_t max,
			struct httpcall_answer *ret, struct fetchjob_result *ret_result)
{
	char header[sizeof("X-aws-ec2-metadata-token: ") + IMDS_TOKEN_MAX];
	const char *const headers[] = { header };
	struct httpcall call = {
		.method = "GET", .headers = headers, .n_headers = 1, .answer_max = max
	};
	int r;

	snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s", i->token);
	r = imds_call(i, &call, path, ret, ret_result);
	secret_wipe_bytes(header, sizeof(header));
	return r;
}

int imds_get(struct imds *i, const char *path, size_t max, char **ret, size_t *ret_len,
	     struct fetchjob_result *ret_result)
{
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	int r = imds_try_get(i, path, max, &a, ret_result);

	if (r == 0 && a.status == 401) {
		httpcall_release(&a);
		r = imds_renew_token(i, ret_result);
		if (r == 0)
			r = imds_try_get(i, path, max, &a, ret_result);
	}
	if (r < 0)
		return r;
	if (a.status != 200)
		return imds_fail_status(i, path, a.status, ret_result);
	*ret_len = a.body_len;
	*ret = steal_ptr(a.body);
	return 0;
}
