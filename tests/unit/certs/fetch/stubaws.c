/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/fetch/stubaws.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/attr.h"
#include "tests/unit/certs/fetch/webstub.h"

#define STUBAWS_TOKEN_HEADER "\r\nX-aws-ec2-metadata-token: "
#define STUBAWS_TTL_HEADER "\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\n"

static const char stubaws_credentials[] =
	"{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIAPROFILE\","
	"\"SecretAccessKey\":\"profilesecret\",\"Token\":\"profiletoken\","
	"\"Expiration\":\"2026-11-21T16:00:00Z\",\"LastUpdated\":\"2026-11-21T10:00:00Z\"}";

static int stubaws_n_tokens, stubaws_n_uses; /* of the child */

static void stubaws_put(const struct stubaws *s, const char *request, FILE *out)
{
	char token[64];

	if (!strcasestr(request, STUBAWS_TTL_HEADER) || strcasestr(request, "X-Forwarded-For")) {
		webstub_reply(out, 400, "", "");
		return;
	}
	stubaws_n_uses = 0;
	snprintf(token, sizeof(token), "token-%d==", ++stubaws_n_tokens);
	webstub_reply(out, s->put_status ? s->put_status : 200, "", s->token ? s->token : token);
}

/* The token that was given last, and not used up. */
static bool stubaws_is_allowed(const struct stubaws *s, const char *request)
{
	const char *at = strcasestr(request, STUBAWS_TOKEN_HEADER);
	char token[64];

	snprintf(token, sizeof(token), "token-%d==\r\n", stubaws_n_tokens);
	if (!at || strncmp(at + strlen(STUBAWS_TOKEN_HEADER), token, strlen(token)) != 0)
		return false;
	return !s->token_uses || stubaws_n_uses++ < s->token_uses;
}

/* The body of a path; NULL when there is none. */
static const char *stubaws_find(const struct stubaws *s, const char *request)
{
	static char info[512];
	const char *profile = s->profile ? s->profile : STUBAWS_PROFILE;
	const char *role = s->role ? s->role : STUBAWS_PROFILE;
	char path[256];

	snprintf(info, sizeof(info),
		 "{\"Code\":\"Success\",\"InstanceProfileArn\":\"arn:aws:iam::123456789012:"
		 "instance-profile/%s\",\"InstanceProfileId\":\"AIPA\"}",
		 profile);
	snprintf(path, sizeof(path), "GET /latest/meta-data/iam/security-credentials/%s ", role);
	const struct {
		const char *start, *body;
	} rows[] = {
		{ "GET /latest/dynamic/instance-identity/document ",
		  s->document ? s->document : STUBAWS_DOCUMENT },
		{ "GET /latest/dynamic/instance-identity/pkcs7 ",
		  s->signature ? s->signature : STUBAWS_SIGNATURE },
		{ "GET /latest/dynamic/instance-identity/rsa2048 ", s->rsa2048 },
		{ "GET /latest/meta-data/tags/instance/athenz-domain ", s->domain },
		{ "GET /latest/meta-data/iam/info ", *profile ? info : NULL },
		{ "GET /latest/meta-data/iam/security-credentials/ ", role },
		{ path, s->credentials ? s->credentials : stubaws_credentials },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strncmp(request, rows[i].start, strlen(rows[i].start)))
			return rows[i].body;
	return NULL;
}

static void stubaws_get(const struct stubaws *s, const char *request, FILE *out)
{
	const char *body = stubaws_find(s, request);
	int status = body ? 200 : 404;

	if (!stubaws_is_allowed(s, request)) {
		webstub_reply(out, 401, "", "");
		return;
	}
	if (s->get_status)
		status = s->get_status;
	fprintf(out, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s%*s", status,
		s->get_headers ? s->get_headers : "", (body ? strlen(body) : 0) + s->blanks,
		body ? body : "", (int)s->blanks, "");
}

bool stubaws_answer(const char *request, FILE *out, void *user)
{
	const struct stubaws *s = user;

	if (!strncmp(request, "PUT /latest/api/token ", 22)) {
		if (!s->put_hangs)
			stubaws_put(s, request, out);
		return s->put_hangs;
	}
	if (strncmp(request, "GET ", 4) != 0) {
		webstub_reply(out, 405, "", "");
		return false;
	}
	if (!s->get_hangs)
		stubaws_get(s, request, out);
	return s->get_hangs;
}

static const char *stubaws_sts_body(const char *request)
{
	if (strstr(webstub_body(request), "Action=AssumeRole&"))
		return "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
		       "<AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
		       "<SecretAccessKey>rolesecret</SecretAccessKey>"
		       "<SessionToken>roletoken</SessionToken>"
		       "<Expiration>2026-11-21T11:00:00Z</Expiration></Credentials>"
		       "</AssumeRoleResult></AssumeRoleResponse>";
	return "<GetWebIdentityTokenResponse><GetWebIdentityTokenResult>"
	       "<WebIdentityToken>" STUBAWS_JWT "</WebIdentityToken>"
	       "</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>";
}

bool stubaws_answer_sts(const char *request, FILE *out, void *user)
{
	const struct stubsts *s = user;

	if (!s->hangs)
		webstub_reply(out, s->status ? s->status : 200, "Content-Type: text/xml\r\n",
			      s->body ? s->body : stubaws_sts_body(request));
	return s->hangs;
}
