/* SPDX-License-Identifier: MIT */
#include "tests/lab/cloudimds.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "tests/lab/cloudcred.h"

#define CLOUDIMDS_TTL_MAX 21600 /* seconds; AWS */
#define CLOUDIMDS_TOKEN_MAX 160

#define CLOUDIMDS_TOKEN_PATH "/latest/api/token"

static void cloudimds_free_text(char **p)
{
	free(*p);
}

static uint64_t cloudimds_uptime(void)
{
	return clk_now_ns() / CLK_NS_PER_S;
}

/* "UNTIL-MAC"; a token is worth something for its own instance only. */
static int cloudimds_token(struct cloud_call *call, uint64_t until,
			   char ret[static CLOUDIMDS_TOKEN_MAX])
{
	char text[128 + CONF_NAME_MAX], mac[65];

	snprintf(text, sizeof(text), "imds|%s|%llu", call->instance->name,
		 (unsigned long long)until);
	if (cloudkeys_mac(&call->cloud->keys, text, mac) < 0)
		return -EIO;
	snprintf(ret, CLOUDIMDS_TOKEN_MAX, "%llu-%s", (unsigned long long)until, mac);
	return 0;
}

static bool cloudimds_token_holds(struct cloud_call *call, const char *token)
{
	char until[24], wanted[CLOUDIMDS_TOKEN_MAX];
	size_t n = strcspn(token, "-");
	uint64_t end;

	if (n >= sizeof(until))
		return false;
	snprintf(until, sizeof(until), "%.*s", (int)n, token);
	return conf_parse_u64(until, 0, UINT64_MAX, &end) == 0 &&
	       cloudimds_token(call, end, wanted) == 0 && !strcmp(wanted, token) &&
	       cloudimds_uptime() < end;
}

/* From now on this connection's packets die at the first router, as IMDS' do with its default hop
 * limit when a container asks. */
static void cloudimds_limit_hops(struct cloud_call *call)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(call->req);
	int fd = conn ? bufferevent_getfd(evhttp_connection_get_bufferevent(conn)) : -1;
	int one = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one));
}

static void cloudimds_put(struct cloud_call *call)
{
	const char *ttl = cloud_header(call, "X-aws-ec2-metadata-token-ttl-seconds");
	char token[CLOUDIMDS_TOKEN_MAX];
	uint64_t seconds;

	if (strcmp(call->path, CLOUDIMDS_TOKEN_PATH) != 0) {
		cloud_answer(call, 405, NULL, "405 - Method Not Allowed");
	} else if (*cloud_header(call, "X-Forwarded-For") ||
		   call->instance->fault == CLOUDCONF_TOKEN_403) {
		cloud_answer(call, 403, NULL, "403 - Forbidden");
	} else if (conf_parse_u64(ttl, 1, CLOUDIMDS_TTL_MAX, &seconds) < 0) {
		cloud_answer(call, 400, NULL, "400 - Bad Request");
	} else if (cloudimds_token(call, cloudimds_uptime() + seconds, token) < 0) {
		cloud_answer(call, 500, NULL, "no token");
	} else {
		if (call->instance->fault == CLOUDCONF_TOKEN_HOP)
			cloudimds_limit_hops(call);
		cloud_add_header(call, "X-aws-ec2-metadata-token-ttl-seconds", ttl);
		cloud_answer(call, 200, NULL, token);
	}
}

/* In AWS' layout: sorted, one member a line, no newline at the end. */
static int cloudimds_document(struct cloud_call *call, bool altered, char **ret)
{
	const struct cloudconf_instance *i = call->instance;
	char pending[32];
	int n;

	cloud_time(cloudconf_pending(i, call->cloud->start_wall), pending);
	n = asprintf(ret,
		     "{\n"
		     "  \"accountId\" : \"%s\",\n"
		     "  \"architecture\" : \"x86_64\",\n"
		     "  \"availabilityZone\" : \"%sa\",\n"
		     "  \"billingProducts\" : null,\n"
		     "  \"devpayProductCodes\" : null,\n"
		     "  \"marketplaceProductCodes\" : null,\n"
		     "  \"imageId\" : \"%s\",\n"
		     "  \"instanceId\" : \"%s\",\n"
		     "  \"instanceType\" : \"lab.cloud\",\n"
		     "  \"kernelId\" : null,\n"
		     "  \"pendingTime\" : \"%s\",\n"
		     "  \"privateIp\" : \"%s\",\n"
		     "  \"ramdiskId\" : null,\n"
		     "  \"region\" : \"%s\",\n"
		     "  \"version\" : \"2017-09-30\"\n"
		     "}",
		     i->account, i->region,
		     altered ? "ami-0123456789abcdef1" : "ami-0123456789abcdef0", i->id, pending,
		     i->private_ip, i->region);
	return n < 0 ? -ENOMEM : 0;
}

static void cloudimds_get_document(struct cloud_call *call)
{
	_cleanup_(cloudimds_free_text) char *text = NULL;

	if (cloudimds_document(call, call->instance->document == CLOUDCONF_ALTERED, &text) < 0)
		cloud_answer(call, 500, NULL, "no document");
	else
		cloud_answer(call, 200, NULL, text);
}

static void cloudimds_get_signature(struct cloud_call *call, enum cloudkeys_signer who)
{
	_cleanup_(cloudimds_free_text) char *text = NULL, *signature = NULL;
	bool forged = call->instance->document == CLOUDCONF_FORGED;

	if (cloudimds_document(call, false, &text) < 0 ||
	    cloudkeys_sign_document(&call->cloud->keys, who, forged, text, &signature) < 0)
		cloud_answer(call, 500, NULL, "no signature");
	else
		cloud_answer(call, 200, NULL, signature);
}

static void cloudimds_get_pkcs7(struct cloud_call *call)
{
	cloudimds_get_signature(call, CLOUDKEYS_DSA);
}

static void cloudimds_get_rsa2048(struct cloud_call *call)
{
	cloudimds_get_signature(call, CLOUDKEYS_RSA);
}

static void cloudimds_get_id(struct cloud_call *call)
{
	cloud_answer(call, 200, NULL, call->instance->id);
}

static void cloudimds_not_found(struct cloud_call *call)
{
	cloud_answer(call, 404, "text/html", "404 - Not Found\n");
}

static bool cloudimds_has_profile(const struct cloud_call *call)
{
	return strcmp(call->instance->profile, "none") != 0;
}

static void cloudimds_get_info(struct cloud_call *call)
{
	char text[1024], updated[32];

	if (!cloudimds_has_profile(call)) {
		cloudimds_not_found(call);
		return;
	}
	snprintf(text, sizeof(text),
		 "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"%s\",\n"
		 "  \"InstanceProfileArn\" : \"arn:aws:iam::%s:instance-profile/%s\",\n"
		 "  \"InstanceProfileId\" : \"AIPALABCLOUD00000000\"\n}",
		 cloud_time(call->cloud->start_wall, updated), call->instance->account,
		 call->instance->profile);
	cloud_answer(call, 200, NULL, text);
}

static void cloudimds_get_role(struct cloud_call *call)
{
	if (cloudimds_has_profile(call))
		cloud_answer(call, 200, NULL, call->instance->profile);
	else
		cloudimds_not_found(call);
}

static void cloudimds_get_credentials(struct cloud_call *call, const char *role)
{
	struct cloudcred c = { .expires_wall = clk_now_wall() + call->instance->credentials_s };
	char text[2048], updated[32], expires[32];

	if (!cloudimds_has_profile(call) || strcmp(role, call->instance->profile) != 0) {
		cloudimds_not_found(call);
		return;
	}
	snprintf(c.account, sizeof(c.account), "%s", call->instance->account);
	snprintf(c.role, sizeof(c.role), "%s", role);
	snprintf(c.session, sizeof(c.session), "%s", call->instance->id);
	if (cloudcred_make(&call->cloud->keys, &c) < 0) {
		cloud_answer(call, 500, NULL, "no credentials");
		return;
	}
	snprintf(text, sizeof(text),
		 "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"%s\",\n"
		 "  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"%s\",\n"
		 "  \"SecretAccessKey\" : \"%s\",\n  \"Token\" : \"%s\",\n"
		 "  \"Expiration\" : \"%s\"\n}",
		 cloud_time(clk_now_wall(), updated), c.access, c.secret, c.token,
		 cloud_time(c.expires_wall, expires));
	cloud_answer(call, 200, NULL, text);
}

static void cloudimds_get_tag(struct cloud_call *call, const char *key)
{
	const struct cloudconf_texts *tags = &call->instance->tags;
	size_t n = strlen(key);

	for (size_t i = 0; i < tags->n; i++) {
		if (strncmp(tags->at[i], key, n) == 0 && tags->at[i][n] == '=') {
			cloud_answer(call, 200, NULL, tags->at[i] + n + 1);
			return;
		}
	}
	cloudimds_not_found(call);
}

static const struct {
	const char *path;
	void (*get)(struct cloud_call *call);
	void (*get_below)(struct cloud_call *call, const char *rest); /* the path is a folder */
} cloudimds_paths[] = {
	{ "/latest/dynamic/instance-identity/document", cloudimds_get_document, NULL },
	{ "/latest/dynamic/instance-identity/pkcs7", cloudimds_get_pkcs7, NULL },
	{ "/latest/dynamic/instance-identity/rsa2048", cloudimds_get_rsa2048, NULL },
	{ "/latest/meta-data/instance-id", cloudimds_get_id, NULL },
	{ "/latest/meta-data/iam/info", cloudimds_get_info, NULL },
	{ "/latest/meta-data/iam/security-credentials/", cloudimds_get_role,
	  cloudimds_get_credentials },
	{ "/latest/meta-data/tags/instance/", cloudimds_not_found, cloudimds_get_tag },
};

static void cloudimds_get(struct cloud_call *call)
{
	if (!cloudimds_token_holds(call, cloud_header(call, "X-aws-ec2-metadata-token"))) {
		cloud_answer(call, 401, "text/html", "401 - Unauthorized\n");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cloudimds_paths); i++) {
		size_t n = strlen(cloudimds_paths[i].path);

		if (!strcmp(call->path, cloudimds_paths[i].path)) {
			cloudimds_paths[i].get(call);
			return;
		}
		if (cloudimds_paths[i].get_below &&
		    !strncmp(call->path, cloudimds_paths[i].path, n)) {
			cloudimds_paths[i].get_below(call, call->path + n);
			return;
		}
	}
	cloudimds_not_found(call);
}

void cloudimds_handle(struct cloud_call *call)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(call->req);

	if (method == EVHTTP_REQ_PUT && call->instance->fault == CLOUDCONF_TOKEN_HANGS)
		cloud_hang(call);
	else if (method == EVHTTP_REQ_PUT)
		cloudimds_put(call);
	else if (method == EVHTTP_REQ_GET)
		cloudimds_get(call);
	else
		cloud_answer(call, 405, NULL, "405 - Method Not Allowed");
}
