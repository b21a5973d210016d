/* SPDX-License-Identifier: MIT */
#include "tests/lab/cloudsts.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clk.h"
#include "tests/lab/cloudcred.h"

#define CLOUDSTS_VERSION "2011-06-15"
#define CLOUDSTS_NS "https://sts.amazonaws.com/doc/2011-06-15/"
#define CLOUDSTS_ANSWER_MAX 16384 /* bytes */
#define CLOUDSTS_ROLE_MIN_S 900
#define CLOUDSTS_ROLE_MAX_S 3600 /* who asks is a role itself. Source: AWS, "role chaining" */
#define CLOUDSTS_REQUEST_ID "00000000-0000-4000-8000-00000000c10d"

/* One call by somebody whose signature was right. */
struct cloudsts {
	struct cloud_call *call;
	struct evkeyvalq form;
	struct cloudcred caller;
};

static void cloudsts_release(struct cloudsts *s)
{
	evhttp_clear_headers(&s->form);
}

static const char *cloudsts_member(const struct cloudsts *s, const char *name)
{
	const char *value = evhttp_find_header(&s->form, name);

	return value ? value : "";
}

static void cloudsts_refuse(struct cloud_call *call, int status, const char *code,
			    const char *message)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "<ErrorResponse xmlns=\"" CLOUDSTS_NS "\">\n  <Error>\n    <Type>Sender</Type>\n"
		 "    <Code>%s</Code>\n    <Message>%s</Message>\n  </Error>\n"
		 "  <RequestId>" CLOUDSTS_REQUEST_ID "</RequestId>\n</ErrorResponse>\n",
		 code, message);
	cloud_answer(call, status, "text/xml", text);
}

/* Answers with the members @inside of the action's result. */
static void cloudsts_reply(struct cloudsts *s, const char *action, const char *inside)
{
	struct buf b = buf_init(CLOUDSTS_ANSWER_MAX);

	buf_addf(&b, "<%sResponse xmlns=\"" CLOUDSTS_NS "\">\n  <%sResult>\n", action, action);
	buf_add(&b, inside);
	buf_addf(&b, "  </%sResult>\n  <ResponseMetadata>\n", action);
	buf_add(&b, "    <RequestId>" CLOUDSTS_REQUEST_ID "</RequestId>\n");
	buf_addf(&b, "  </ResponseMetadata>\n</%sResponse>\n", action);
	if (buf_done(&b) < 0)
		cloud_answer(s->call, 500, NULL, "answer too long");
	else
		cloud_answer(s->call, 200, "text/xml", b.text);
	buf_release(&b);
}

/* The number in a member, @fallback when it is absent. Errors: 0; -EINVAL. */
static int cloudsts_seconds(const struct cloudsts *s, uint64_t least, uint64_t most,
			    uint64_t fallback, uint64_t *ret)
{
	const char *text = cloudsts_member(s, "DurationSeconds");

	if (!*text) {
		*ret = fallback;
		return 0;
	}
	return conf_parse_u64(text, least, most, ret);
}

/* "arn:aws:iam::ACCOUNT:role/[PATH/]ROLE" into its ends. */
static int cloudsts_split_arn(const char *arn, char account[static CLOUDCRED_NAME_MAX],
			      char role[static CLOUDCRED_NAME_MAX])
{
	const char *from = arn + strlen("arn:aws:iam::"), *end;

	if (strncmp(arn, "arn:aws:iam::", strlen("arn:aws:iam::")) != 0)
		return -EINVAL;
	end = strstr(from, ":role/");
	if (!end || end - from >= CLOUDCRED_NAME_MAX)
		return -EINVAL;
	snprintf(account, CLOUDCRED_NAME_MAX, "%.*s", (int)(end - from), from);
	end = strrchr(end, '/') + 1;
	return snprintf(role, CLOUDCRED_NAME_MAX, "%s", end) < CLOUDCRED_NAME_MAX ? 0 : -EINVAL;
}

/* The trust policy of each role: only the instance profile's role of the same name with "-service"
 * behind it, of the same account. */
static bool cloudsts_may_assume(const struct cloudsts *s, const char *account, const char *role)
{
	const struct cloudcred *who = &s->caller;
	size_t n = strlen(role);

	return !strcmp(account, who->account) &&
	       cloudconf_has_role(&s->call->cloud->conf, account, role) &&
	       !strncmp(who->role, role, n) && !strcmp(who->role + n, "-service");
}

static void cloudsts_give(struct cloudsts *s, struct cloudcred *c, const char *arn)
{
	struct buf b = buf_init(CLOUDSTS_ANSWER_MAX);
	char expires[32];

	if (cloudcred_make(&s->call->cloud->keys, c) < 0) {
		cloud_answer(s->call, 500, NULL, "no credentials");
		return;
	}
	buf_addf(&b,
		 "    <AssumedRoleUser>\n      <AssumedRoleId>AROALABCLOUD:%s</AssumedRoleId>\n",
		 c->session);
	buf_addf(&b, "      <Arn>%s</Arn>\n    </AssumedRoleUser>\n    <Credentials>\n", arn);
	buf_addf(&b, "      <AccessKeyId>%s</AccessKeyId>\n", c->access);
	buf_addf(&b, "      <SecretAccessKey>%s</SecretAccessKey>\n", c->secret);
	buf_addf(&b, "      <SessionToken>%s</SessionToken>\n", c->token);
	buf_addf(&b, "      <Expiration>%s</Expiration>\n    </Credentials>\n",
		 cloud_time(c->expires_wall, expires));
	cloudsts_reply(s, "AssumeRole", b.text);
	buf_release(&b);
}

static void cloudsts_assume_role(struct cloudsts *s)
{
	const char *session = cloudsts_member(s, "RoleSessionName");
	struct cloudcred c = { 0 };
	char arn[1024];
	uint64_t seconds;

	if (cloudsts_split_arn(cloudsts_member(s, "RoleArn"), c.account, c.role) < 0 ||
	    strlen(session) < 2 || strlen(session) > 64 || strpbrk(session, "/<>&|:") ||
	    cloudsts_seconds(s, CLOUDSTS_ROLE_MIN_S, CLOUDSTS_ROLE_MAX_S, 3600, &seconds) < 0) {
		cloudsts_refuse(s->call, 400, "ValidationError", "a parameter is not valid");
		return;
	}
	if (!cloudsts_may_assume(s, c.account, c.role)) {
		cloudsts_refuse(s->call, 403, "AccessDenied",
				"the caller is not authorized to perform: sts:AssumeRole");
		return;
	}
	snprintf(c.session, sizeof(c.session), "%s", session);
	c.expires_wall = clk_now_wall() + seconds;
	snprintf(arn, sizeof(arn), "arn:aws:sts::%s:assumed-role/%s/%s", c.account, c.role,
		 session);
	cloudsts_give(s, &c, arn);
}

static void cloudsts_caller_identity(struct cloudsts *s)
{
	const struct cloudcred *who = &s->caller;
	char text[2048];

	snprintf(text, sizeof(text),
		 "    <Arn>arn:aws:sts::%s:assumed-role/%s/%s</Arn>\n"
		 "    <UserId>AROALABCLOUD:%s</UserId>\n    <Account>%s</Account>\n",
		 who->account, who->role, who->session, who->session, who->account);
	cloudsts_reply(s, "GetCallerIdentity", text);
}

static void cloudsts_give_token(struct cloudsts *s, const char *alg, const char *claims,
				uint64_t expires_wall)
{
	struct buf b = buf_init(CLOUDSTS_ANSWER_MAX);
	char expires[32], *token = NULL;

	if (cloudkeys_sign_token(&s->call->cloud->keys, alg, claims, &token) < 0) {
		cloudsts_refuse(s->call, 400, "ValidationError", "SigningAlgorithm is not valid");
		return;
	}
	buf_addf(&b, "    <WebIdentityToken>%s</WebIdentityToken>\n", token);
	buf_addf(&b, "    <Expiration>%s</Expiration>\n", cloud_time(expires_wall, expires));
	cloudsts_reply(s, "GetWebIdentityToken", b.text);
	buf_release(&b);
	free(token);
}

static void cloudsts_web_identity(struct cloudsts *s)
{
	const struct cloudconf *conf = &s->call->cloud->conf;
	const struct cloudcred *who = &s->caller;
	const char *audience = cloudsts_member(s, "Audience.member.1");
	uint64_t now = clk_now_wall(), seconds;
	char claims[4096];

	if (!*audience || strpbrk(audience, "\"\\") || strlen(audience) > 1000 ||
	    cloudsts_seconds(s, 60, 3600, 300, &seconds) < 0) {
		cloudsts_refuse(s->call, 400, "ValidationError", "a parameter is not valid");
		return;
	}
	snprintf(claims, sizeof(claims),
		 "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"arn:aws:iam::%s:role/%s\","
		 "\"iat\":%llu,\"exp\":%llu,\"jti\":\"lab-%llu\",\"https://sts.amazonaws.com/\":"
		 "{\"aws_account\":\"%s\",\"org_id\":\"%s\",\"source_region\":\"us-east-1\"}}",
		 conf->jwt_issuer, audience, who->account, who->role, (unsigned long long)now,
		 (unsigned long long)(now + seconds), (unsigned long long)clk_now_ns(),
		 who->account, conf->jwt_org);
	cloudsts_give_token(s, cloudsts_member(s, "SigningAlgorithm"), claims, now + seconds);
}

static const struct {
	const char *action;
	void (*handle)(struct cloudsts *s);
} cloudsts_actions[] = {
	{ "AssumeRole", cloudsts_assume_role },
	{ "GetCallerIdentity", cloudsts_caller_identity },
	{ "GetWebIdentityToken", cloudsts_web_identity },
};

static const char *cloudsts_header(void *ctx, const char *name)
{
	return cloud_header(ctx, name);
}

/* The body as text; NUL bytes end it. */
static const char *cloudsts_body(struct cloud_call *call)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(call->req);

	(void)evbuffer_add(in, "", 1);
	return (const char *)evbuffer_pullup(in, -1);
}

static void cloudsts_act(struct cloudsts *s)
{
	const char *action = cloudsts_member(s, "Action");

	if (strcmp(cloudsts_member(s, "Version"), CLOUDSTS_VERSION) != 0) {
		cloudsts_refuse(s->call, 400, "NoSuchVersion", "the Version is " CLOUDSTS_VERSION);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cloudsts_actions); i++) {
		if (!strcmp(cloudsts_actions[i].action, action)) {
			cloudsts_actions[i].handle(s);
			return;
		}
	}
	cloudsts_refuse(s->call, 400, "InvalidAction", "no such action here");
}

/* Faults that only STS has. */
static const char *cloudsts_forced(const struct cloudconf *c)
{
	if (c->sts_fault == CLOUDCONF_DENIED)
		return "AccessDenied";
	return c->sts_fault == CLOUDCONF_EXPIRED ? "ExpiredToken" : NULL;
}

void cloudsts_handle(struct cloud_call *call)
{
	_cleanup_(cloudsts_release) struct cloudsts s = { .call = call };
	struct cloudcred_request rq = {
		.method = "POST",
		.path = call->path,
		.authorization = cloud_header(call, "Authorization"),
		.date = cloud_header(call, "X-Amz-Date"),
		.token = cloud_header(call, "X-Amz-Security-Token"),
		.header = cloudsts_header,
		.ctx = call,
		.now_wall = clk_now_wall(),
	};
	const char *code = cloudsts_forced(&call->cloud->conf), *message;

	if (evhttp_request_get_command(call->req) != EVHTTP_REQ_POST || strcmp(call->path, "/")) {
		cloudsts_refuse(call, 400, "InvalidAction", "only POST / is served here");
		return;
	}
	rq.body = cloudsts_body(call);
	if (!rq.body || evhttp_parse_query_str(rq.body, &s.form) < 0) {
		cloudsts_refuse(call, 400, "MalformedQueryString", "the body is not a form");
	} else if (code) {
		cloudsts_refuse(call, 403, code, "as the configuration says");
	} else if (cloudcred_check(&call->cloud->keys, &rq, &s.caller, &code, &message) < 0) {
		cloudsts_refuse(call, 403, code, message);
	} else {
		cloudsts_act(&s);
	}
}
