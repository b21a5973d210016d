/* SPDX-License-Identifier: MIT */
#include "tests/lab/cloudcred.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/sigv4.h"
#include "common/conf.h"

#define CLOUDCRED_SKEW_S 300 /* Source: athenz.md, section 3.4: more breaks a signature */
#define CLOUDCRED_SCOPE_PARTS 5

/* Everything behind the MAC in a session token, and what the secret follows from. */
static int cloudcred_derive(const struct cloudkeys *k, struct cloudcred *c, char mac[static 65])
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s|%s|%s|%llu", c->account, c->role, c->session,
			 (unsigned long long)c->expires_wall);
	char access[65];

	if (n >= (int)sizeof(text) || cloudkeys_mac(k, text, mac) < 0)
		return -EIO;
	snprintf(text + n, sizeof(text) - (size_t)n, "|secret");
	if (cloudkeys_mac(k, text, c->secret) < 0)
		return -EIO;
	c->secret[40] = '\0';
	snprintf(text + n, sizeof(text) - (size_t)n, "|access");
	if (cloudkeys_mac(k, text, access) < 0)
		return -EIO;
	for (char *a = access; *a; a++)
		*a = (char)toupper((unsigned char)*a);
	snprintf(c->access, sizeof(c->access), "ASIA%.16s", access);
	return 0;
}

int cloudcred_make(const struct cloudkeys *k, struct cloudcred *c)
{
	char mac[65];
	int r = cloudcred_derive(k, c, mac);

	if (r < 0)
		return r;
	r = snprintf(c->token, sizeof(c->token), "lab-cloud/%s/%s/%s/%llu/%s", c->account, c->role,
		     c->session, (unsigned long long)c->expires_wall, mac);
	return r < (int)sizeof(c->token) ? 0 : -EIO;
}

/* The part of *@at up to the next @end; "" and *@at = NULL when there is none. */
static const char *cloudcred_part(char **at, const char *end)
{
	char *part = *at ? strsep(at, end) : NULL;

	return part ? part : "";
}

int cloudcred_read(const struct cloudkeys *k, const char *token, struct cloudcred *ret)
{
	struct cloudcred c = { 0 };
	char text[sizeof(c.token)], mac[65], *at = text;
	const char *expires, *given;

	if (strlen(token) >= sizeof(text) || strncmp(token, "lab-cloud/", 10) != 0)
		return -EBADMSG;
	snprintf(text, sizeof(text), "%s", token + 10);
	snprintf(c.account, sizeof(c.account), "%s", cloudcred_part(&at, "/"));
	snprintf(c.role, sizeof(c.role), "%s", cloudcred_part(&at, "/"));
	snprintf(c.session, sizeof(c.session), "%s", cloudcred_part(&at, "/"));
	expires = cloudcred_part(&at, "/");
	given = cloudcred_part(&at, "/");
	if (at || conf_parse_u64(expires, 0, UINT64_MAX, &c.expires_wall) < 0 ||
	    cloudcred_derive(k, &c, mac) < 0 || strcmp(mac, given) != 0)
		return -EBADMSG;
	snprintf(c.token, sizeof(c.token), "%s", token);
	*ret = c;
	return 0;
}

/* "20150830T123600Z" in seconds since 1970. */
static int cloudcred_date(const char *text, uint64_t *ret)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y%m%dT%H%M%SZ", &tm);

	if (!end || *end)
		return -EBADMSG;
	*ret = (uint64_t)timegm(&tm);
	return 0;
}

/* What the header Authorization says, in a copy of it. */
struct cloudcred_claim {
	char text[SIGV4_AUTHORIZATION_MAX];
	const char *access, *date, *region, *service;
	char *headers;
	const char *signature;
};

static char *cloudcred_field(char *text, const char *name)
{
	char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

static int cloudcred_parse(const char *authorization, struct cloudcred_claim *ret)
{
	char *credential, *signature;

	if (strncmp(authorization, "AWS4-HMAC-SHA256 ", 17) != 0 ||
	    strlen(authorization) >= sizeof(ret->text))
		return -EBADMSG;
	snprintf(ret->text, sizeof(ret->text), "%s", authorization);
	credential = cloudcred_field(ret->text, "Credential=");
	ret->headers = cloudcred_field(ret->text, "SignedHeaders=");
	signature = cloudcred_field(ret->text, "Signature=");
	if (!credential || !ret->headers || !signature)
		return -EBADMSG;
	credential[strcspn(credential, ", ")] = '\0';
	ret->headers[strcspn(ret->headers, ", ")] = '\0';
	signature[strcspn(signature, ", ")] = '\0';
	ret->signature = signature;
	ret->access = cloudcred_part(&credential, "/");
	ret->date = cloudcred_part(&credential, "/");
	ret->region = cloudcred_part(&credential, "/");
	ret->service = cloudcred_part(&credential, "/");
	return credential && !strcmp(credential, "aws4_request") ? 0 : -EBADMSG;
}

/* The signed headers beside the three that always are; those three must be among them. */
static int cloudcred_headers(char *list, const struct cloudcred_request *rq,
			     struct sigv4_header *ret, size_t *ret_n)
{
	size_t n = 0, n_always = 0;
	char *save = NULL;

	for (char *name = strtok_r(list, ";", &save); name; name = strtok_r(NULL, ";", &save)) {
		if (!strcmp(name, "host") || !strcmp(name, "x-amz-date") ||
		    !strcmp(name, "x-amz-security-token")) {
			n_always++;
			continue;
		}
		if (n == SIGV4_HEADERS_MAX)
			return -EBADMSG;
		ret[n++] = (struct sigv4_header){ name, rq->header(rq->ctx, name) };
	}
	*ret_n = n;
	return n_always == 3 ? 0 : -EBADMSG;
}

/* Makes the signature that the request should have and compares. */
static int cloudcred_compare(const struct cloudcred *c, const struct cloudcred_request *rq,
			     struct cloudcred_claim *claim, uint64_t date)
{
	struct sigv4_header headers[SIGV4_HEADERS_MAX];
	struct sigv4_keys keys = { c->access, c->secret, c->token };
	struct sigv4_request again = {
		.method = rq->method,
		.host = rq->header(rq->ctx, "host"),
		.path = rq->path,
		.headers = headers,
		.body = rq->body,
		.body_len = strlen(rq->body),
		.region = claim->region,
		.service = claim->service,
	};
	struct sigv4_signed made;
	const char *signature;

	if (cloudcred_headers(claim->headers, rq, headers, &again.n_headers) < 0 ||
	    sigv4_sign(&again, &keys, date, &made) < 0)
		return -EPERM;
	signature = cloudcred_field(made.authorization, "Signature=");
	return signature && !strcmp(signature, claim->signature) ? 0 : -EPERM;
}

/* In AWS' words, by which people may tell that a clock is wrong. NULL when the time is right. */
static const char *cloudcred_skew(uint64_t date, uint64_t now_wall)
{
	if (date + CLOUDCRED_SKEW_S < now_wall)
		return "Signature expired: the request's time is earlier than now - 5 min.";
	if (date > now_wall + CLOUDCRED_SKEW_S)
		return "Signature not yet current: the request's time is later than now.";
	return NULL;
}

/* What the signature is for must be what is asked: STS of the region that the host is named after,
 * "sts.REGION.", on that day. NULL when it is. */
static const char *cloudcred_scope(const struct cloudcred_claim *claim,
				   const struct cloudcred_request *rq)
{
	char host[64];
	int n = snprintf(host, sizeof(host), "sts.%s.", claim->region);

	if (strcmp(claim->service, "sts") != 0)
		return "Credential should be scoped to correct service: 'sts'.";
	if (!*claim->region || n >= (int)sizeof(host) ||
	    strncmp(rq->header(rq->ctx, "host"), host, (size_t)n) != 0)
		return "Credential should be scoped to a valid region.";
	if (strlen(claim->date) != 8 || strncmp(rq->date, claim->date, 8) != 0)
		return "Date in Credential scope does not match that of the request.";
	return NULL;
}

int cloudcred_check(const struct cloudkeys *k, const struct cloudcred_request *rq,
		    struct cloudcred *ret, const char **ret_code, const char **ret_message)
{
	struct cloudcred_claim claim = { 0 };
	struct cloudcred c;
	const char *wrong;
	uint64_t date;

	*ret_message = "The request is not signed as it should be.";
	*ret_code = "MissingAuthenticationToken";
	if (!*rq->authorization)
		return -EPERM;
	*ret_code = "IncompleteSignature";
	if (cloudcred_parse(rq->authorization, &claim) < 0 || cloudcred_date(rq->date, &date) < 0)
		return -EPERM;
	*ret_code = "InvalidClientTokenId";
	if (cloudcred_read(k, rq->token, &c) < 0 || strcmp(c.access, claim.access) != 0)
		return -EPERM;
	*ret_code = "SignatureDoesNotMatch";
	wrong = cloudcred_skew(date, rq->now_wall);
	if (!wrong)
		wrong = cloudcred_scope(&claim, rq);
	if (wrong)
		*ret_message = wrong;
	if (wrong || cloudcred_compare(&c, rq, &claim, date) < 0)
		return -EPERM;
	*ret_code = "ExpiredToken";
	if (c.expires_wall <= rq->now_wall)
		return -EPERM;
	*ret = c;
	return 0;
}
