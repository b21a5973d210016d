/* SPDX-License-Identifier: MIT */
#include "certs/fetch/sts.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/awsarn.h"
#include "certs/fetch/fetchfail.h"
#include "certs/fetch/httpcall.h"
#include "certs/sigv4.h"
#include "certs/stsxml.h"
#include "common/buf.h"
#include "common/clk.h"
#include "common/secret.h"

#define STS_BODY_MAX 8192
#define STS_FORM "application/x-www-form-urlencoded"
#define STS_MESSAGE_MAX 2048
#define STS_HEADER_MAX (SIGV4_TOKEN_MAX + 64)

int sts_url(const struct certconf *conf, const char *region, char ret[static STS_URL_MAX])
{
	static const char word[] = "{region}";
	const char *at = strstr(conf->sts_url, word);
	char url[STS_URL_MAX];
	int n;

	if (at && !*region)
		return -EINVAL;
	if (at)
		n = snprintf(url, sizeof(url), "%.*s%s%s", (int)(at - conf->sts_url), conf->sts_url,
			     region, at + strlen(word));
	else
		n = snprintf(url, sizeof(url), "%s", conf->sts_url);
	if (n < 0 || (size_t)n >= sizeof(url))
		return -EINVAL;
	while (n > 0 && url[n - 1] == '/')
		url[--n] = '\0';
	snprintf(ret, STS_URL_MAX, "%s", url);
	return 0;
}

int sts_role(const struct certconf *conf, const char *principal, char ret[static STS_ROLE_MAX])
{
	const char *dot = strrchr(principal, '.');
	const char *role = conf->role_omits_domain && dot ? dot + 1 : principal;

	if (strlen(role) >= STS_ROLE_MAX)
		return -EINVAL;
	snprintf(ret, STS_ROLE_MAX, "%s", role);
	return 0;
}

static void sts_escaped_freep(char **p)
{
	curl_free(*p);
}

static int sts_add_field(struct buf *form, const char *name, const char *value)
{
	_cleanup_(sts_escaped_freep) char *escaped = curl_easy_escape(NULL, value, 0);

	if (!escaped)
		return -ENOMEM;
	buf_addf(form, "&%s=%s", name, escaped);
	return 0;
}

/* The headers of a signed request, made in one piece that is wiped. */
struct sts_headers {
	char date[SIGV4_DATE_MAX + 32];
	char authorization[SIGV4_AUTHORIZATION_MAX + 32];
	char token[STS_HEADER_MAX];
};

static void sts_headers_wipe(struct sts_headers *h)
{
	secret_wipe_bytes(h, sizeof(*h));
}

/* The host as libcurl writes it into the header Host. */
static int sts_host(const char *url, char *ret, size_t cap)
{
	char host[FETCHNAME_HOST_MAX];
	unsigned int port;
	int r = fetchname_split(url, host, &port);

	if (r == 0 && port == 443)
		snprintf(ret, cap, "%s", host);
	else if (r == 0)
		snprintf(ret, cap, "%s:%u", host, port);
	return r;
}

/* The path of @url, which has one. */
static const char *sts_path(const char *url)
{
	return strchr(url + strlen("https://"), '/');
}

static int sts_sign(const struct sts *s, const char *url, const char *form,
		    const struct athenz_evidence *with, struct sts_headers *ret)
{
	static const struct sigv4_header type = { "content-type", STS_FORM };
	const struct sigv4_keys keys = { with->access, with->secret, with->token };
	char host[FETCHNAME_HOST_MAX + 8];
	struct sigv4_request rq = {
		.method = "POST",
		.host = host,
		.path = sts_path(url),
		.headers = &type,
		.n_headers = 1,
		.body = form,
		.body_len = strlen(form),
		.region = s->self->region,
		.service = "sts",
	};
	struct sigv4_signed sig;
	int r = sts_host(url, host, sizeof(host));

	if (r == 0)
		r = sigv4_sign(&rq, &keys, clk_now_wall(), &sig);
	if (r < 0)
		return r;
	snprintf(ret->date, sizeof(ret->date), "X-Amz-Date: %s", sig.date);
	snprintf(ret->authorization, sizeof(ret->authorization), "Authorization: %s",
		 sig.authorization);
	snprintf(ret->token, sizeof(ret->token), "X-Amz-Security-Token: %s",
		 with->token ? with->token : "");
	return 0;
}

static int sts_fail_call(int error, const char *url, const char *detail,
			 struct fetchjob_result *ret_result)
{
	return fetchfail_set(ret_result,
			     error == HTTPCALL_E_CLOCK ? PST_CLOCK_WRONG : PST_STS_FAILED,
			     "%.80s: %.150s", url, detail);
}

/* Its clock and ours are more than five minutes apart. Source: AWS, "Troubleshoot Signature Version
 * 4 signing". */
static bool sts_is_clock(const char *code, const char *message)
{
	return !strcmp(code, "RequestExpired") || !strncmp(message, "Signature expired", 17) ||
	       !strncmp(message, "Signature not yet current", 25);
}

/* STS says what it does not like in a document of its own. */
static int sts_fail_status(const struct httpcall_answer *a, const char *url,
			   struct fetchjob_result *ret_result)
{
	char code[64] = "", message[STS_MESSAGE_MAX] = "";
	int r = stsxml_find(a->body, a->body_len, "ErrorResponse/Error/Code", code, sizeof(code));

	if (r == 0)
		r = stsxml_find(a->body, a->body_len, "ErrorResponse/Error/Message", message,
				sizeof(message));
	if (r == -ENOMEM)
		return r;
	ret_result->retry_after_s = a->retry_after_s;
	return fetchfail_set(ret_result,
			     sts_is_clock(code, message) ? PST_CLOCK_WRONG : PST_STS_FAILED,
			     "%.80s: status %u%s%s%s%s", url, a->status, *code ? " " : "", code,
			     *message ? ": " : "", message);
}

/* One signed POST. Gives the body of a 200. */
static int sts_post(const struct sts *s, const char *form, const struct athenz_evidence *with,
		    struct httpcall_answer *ret, struct fetchjob_result *ret_result)
{
	const struct httpcall_tls tls = { .ca = s->ca, .ca_len = s->ca_len };
	_cleanup_(sts_headers_wipe) struct sts_headers lines = { 0 };
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	const char *const headers[] = { "Content-Type: " STS_FORM, lines.date, lines.authorization,
					lines.token };
	char url[STS_URL_MAX], full[STS_URL_MAX + 1], detail[HTTPCALL_DETAIL_MAX];
	struct httpcall call = {
		.method = "POST",
		.url = full,
		.connect_to = s->name->connect_to,
		.resolve = s->name->resolve,
		.headers = headers,
		.n_headers = with->token ? 4 : 3,
		.body = form,
		.body_len = strlen(form),
		.answer_max = STSXML_BYTES_MAX,
		.timeout_ms = s->conf->timeout_ms,
		.deadline_ns = s->deadline_ns,
		.tls = &tls,
	};
	int r = sts_url(s->conf, s->self->region, url);

	if (r == 0) {
		snprintf(full, sizeof(full), "%s/", url);
		r = sts_sign(s, full, form, with, &lines);
	}
	if (r == -EINVAL || r == -EIO)
		return fetchfail_set(ret_result, PST_STS_FAILED,
				     "%.80s: the request cannot be signed", s->conf->sts_url);
	if (r < 0)
		return r;
	ret_result->http_status = 0; /* of whoever was asked before */
	r = httpcall_run(&call, &a, detail);
	if (r > 0)
		return sts_fail_call(r, url, detail, ret_result);
	if (r < 0)
		return r;
	ret_result->http_status = a.status;
	if (a.status != 200)
		return sts_fail_status(&a, url, ret_result);
	*ret = a;
	a = (struct httpcall_answer){ 0 };
	return 0;
}

/* The text at @path of an answer, as a string of its own. */
static int sts_take(const struct httpcall_answer *a, const char *path, char **ret,
		    struct fetchjob_result *ret_result)
{
	char text[STSXML_TEXT_MAX];
	int r = stsxml_find(a->body, a->body_len, path, text, sizeof(text));
	char *copy = r == 0 ? strdup(text) : NULL;

	secret_wipe_bytes(text, sizeof(text));
	if (r == -ENOMEM || (r == 0 && !copy))
		return -ENOMEM;
	if (r < 0)
		return fetchfail_set(ret_result, PST_STS_FAILED,
				     "the answer has no usable element %s", path);
	*ret = copy;
	return 0;
}

static int sts_take_credentials(const struct httpcall_answer *a, struct athenz_evidence *ret,
				struct fetchjob_result *ret_result)
{
#define STS_CREDENTIALS "AssumeRoleResponse/AssumeRoleResult/Credentials/"
	_cleanup_(athenz_evidence_release) struct athenz_evidence e = { 0 };
	int r = sts_take(a, STS_CREDENTIALS "AccessKeyId", &e.access, ret_result);

	if (r == 0)
		r = sts_take(a, STS_CREDENTIALS "SecretAccessKey", &e.secret, ret_result);
	if (r == 0)
		r = sts_take(a, STS_CREDENTIALS "SessionToken", &e.token, ret_result);
	if (r < 0)
		return r;
	ret->access = steal_ptr(e.access);
	ret->secret = steal_ptr(e.secret);
	ret->token = steal_ptr(e.token);
	return 0;
}

static int sts_assume_form(const struct sts *s, struct buf *form,
			   struct fetchjob_result *ret_result)
{
	char role[STS_ROLE_MAX], arn[AWSARN_MAX];
	int r = sts_role(s->conf, s->self->principal, role);

	if (r < 0)
		return fetchfail_set(ret_result, PST_STS_FAILED,
				     "no role can be named %.100s: more than %d bytes",
				     s->self->principal, STS_ROLE_MAX - 1);
	r = awsarn_role(s->self->region, s->self->account, s->conf->role_path, role, arn);
	if (r < 0)
		return r;
	buf_add(form, "Action=AssumeRole&Version=2011-06-15");
	r = sts_add_field(form, "RoleArn", arn);
	if (r == 0)
		r = sts_add_field(form, "RoleSessionName", role);
	return r == 0 ? buf_done(form) : r;
}

/* STS does not always say which role it refused; who reads this must know. */
static void sts_name_role(const struct sts *s, struct fetchjob_result *ret_result)
{
	char role[STS_ROLE_MAX], was[FETCHJOB_DETAIL_MAX];

	if (!ret_result->http_status || ret_result->http_status == 200 ||
	    sts_role(s->conf, s->self->principal, role) < 0 || strstr(ret_result->detail, role))
		return;
	memcpy(was, ret_result->detail, sizeof(was));
	(void)fetchfail_set(ret_result, ret_result->code, "%.150s; asked for role %s%.85s", was,
			    s->conf->role_path, role);
}

int sts_assume_role(const struct sts *s, const struct athenz_evidence *with,
		    struct athenz_evidence *ret, struct fetchjob_result *ret_result)
{
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	_cleanup_(buf_release) struct buf form = buf_init(STS_BODY_MAX);
	int r = sts_assume_form(s, &form, ret_result);

	if (r < 0)
		return r;
	r = sts_post(s, form.text, with, &a, ret_result);
	if (r == -EPERM)
		sts_name_role(s, ret_result);
	return r == 0 ? sts_take_credentials(&a, ret, ret_result) : r;
}

static int sts_token_form(const struct sts *s, struct buf *form)
{
	const struct certconf *conf = s->conf;
	int r;

	buf_add(form, "Action=GetWebIdentityToken&Version=2011-06-15");
	r = sts_add_field(form, "Audience.member.1",
			  conf->audience[0] ? conf->audience : conf->zts_url);
	if (r == 0)
		r = sts_add_field(form, "SigningAlgorithm", conf->signing_algorithm);
	buf_addf(form, "&DurationSeconds=%u", conf->token_duration_s);
	return r == 0 ? buf_done(form) : r;
}

int sts_web_identity(const struct sts *s, const struct athenz_evidence *with, char **ret,
		     struct fetchjob_result *ret_result)
{
	_cleanup_(httpcall_release) struct httpcall_answer a = { 0 };
	_cleanup_(buf_release) struct buf form = buf_init(STS_BODY_MAX);
	int r = sts_token_form(s, &form);

	if (r == 0)
		r = sts_post(s, form.text, with, &a, ret_result);
	return r == 0 ? sts_take(&a,
				 "GetWebIdentityTokenResponse/GetWebIdentityTokenResult/"
				 "WebIdentityToken",
				 ret, ret_result) :
			r;
}
