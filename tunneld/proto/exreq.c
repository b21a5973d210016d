/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/exreq.h"

#include <errno.h>
#include <string.h>

#include "common/jsonin.h"

#define EXREQ_VERSION 1

static bool exreq_is_uuid(const char *text)
{
	if (strlen(text) != EXREQ_BOOT_ID - 1)
		return false;
	for (size_t i = 0; text[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
			return false;
	}
	return true;
}

/* Printable ASCII: these fields end in log lines and status output. */
static bool exreq_is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < 0x21 || *text > 0x7e)
			return false;
	return true;
}

static int exreq_read_key(const json_t *root, struct exreq *req, enum pst *ret_code)
{
	char text[WGKEY_TEXT];

	*ret_code = PST_JSON_MEMBER;
	if (!json_is_string(json_object_get(root, "public_key")))
		return -EBADMSG;
	*ret_code = PST_KEY_FORMAT;
	if (jsonin_str(root, "public_key", text, sizeof(text)) < 0 ||
	    wgkey_parse(text, &req->public_key) < 0)
		return -EBADMSG;
	*ret_code = PST_KEY_WEAK;
	return wgkey_is_weak(&req->public_key) ? -EBADMSG : 0;
}

static int exreq_read_info(const json_t *root, struct exreq *req, enum pst *ret_code)
{
	*ret_code = PST_JSON_MEMBER;
	if (jsonin_str(root, "hostname", req->hostname, sizeof(req->hostname)) < 0 ||
	    jsonin_str(root, "software", req->software, sizeof(req->software)) < 0 ||
	    jsonin_str(root, "boot_id", req->boot_id, sizeof(req->boot_id)) < 0)
		return -EBADMSG;
	if (!exreq_is_plain(req->hostname) || !exreq_is_plain(req->software) ||
	    !exreq_is_uuid(req->boot_id))
		return -EBADMSG;
	return 0;
}

int exreq_decode(const char *bytes, size_t len, struct exreq *ret, enum pst *ret_code)
{
	static const char *const members[] = { "version",  "public_key", "hostname",
					       "software", "boot_id",    NULL };
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct exreq req = { 0 };
	uint64_t version;
	int r;

	if (len > EXREQ_BYTES_MAX) {
		*ret_code = PST_BODY_TOO_LARGE;
		return -EBADMSG;
	}
	r = jsonin_parse(bytes, len, &root, ret_code);
	if (r == 0)
		r = jsonin_members(root, members, ret_code);
	if (r < 0)
		return r;
	*ret_code = PST_JSON_MEMBER;
	if (jsonin_u64(root, "version", 0, UINT32_MAX, &version) < 0)
		return -EBADMSG;
	*ret_code = PST_PROTOCOL_VERSION;
	if (version != EXREQ_VERSION)
		return -EBADMSG;
	r = exreq_read_key(root, &req, ret_code);
	if (r == 0)
		r = exreq_read_info(root, &req, ret_code);
	if (r < 0)
		return r;
	*ret_code = PST_NONE;
	*ret = req;
	return 0;
}

int exreq_encode(const struct exreq *req, char **ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	char key[WGKEY_TEXT];
	char *text;

	if (!exreq_is_plain(req->hostname) || !*req->hostname || !exreq_is_plain(req->software) ||
	    !*req->software || !exreq_is_uuid(req->boot_id))
		return -EINVAL;
	root = json_pack("{s:i, s:s, s:s, s:s, s:s}", "version", EXREQ_VERSION, "public_key",
			 wgkey_format(&req->public_key, key), "hostname", req->hostname, "software",
			 req->software, "boot_id", req->boot_id);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}
