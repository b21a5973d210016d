/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/policyfixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "netpolicy/emit/emit.h"
#include "tests/support/tap.h"

const char policyfixture_base[] = "policy host 1\n"
				  "host tier compute\n"
				  "link up eth0\n"
				  "link tun postern0 postern1\n"
				  "net config 2001:db8:c::/48\n"
				  "net gateways fd12::/64\n"
				  "dns allow\n"
				  "ntp allow\n"
				  "imds allow user postern-certd\n"
				  "to config via up allow udp 51820 mark 0x504f\n"
				  "to config via up allow tcp 4443 mark 0x504f\n"
				  "to config via tun allow any\n"
				  "to gateways via tun allow any\n";

int policyfixture_user(const char *name, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t uid;
	} users[] = {
		{ "root", 0 },       { "postern-certd", 998 },    { "app", 1001 },
		{ "archive", 1002 }, { "postern-archive", 1003 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (!strcmp(users[i].name, name)) {
			*ret = users[i].uid;
			return 0;
		}
	return -ENOENT;
}

struct policy *policyfixture_page(const char *text, char ret_error[static POLICY_ERROR_MAX])
{
	struct policyfile_error error = { "" };
	struct policy *p = NULL;

	if (policyfile_load_text("policy.conf", text, policyfixture_user, &p, &error) == 0)
		return p;
	snprintf(ret_error, POLICY_ERROR_MAX, "%s", error.text);
	return NULL;
}

struct policy *policyfixture_build(const char *more, char ret_error[static POLICY_ERROR_MAX])
{
	char text[8192];

	snprintf(text, sizeof(text), "%s%s", policyfixture_base, more);
	return policyfixture_page(text, ret_error);
}

char *policyfixture_emit(const struct policy *p)
{
	_cleanup_(buf_release) struct buf to = buf_init(EMIT_TEXT_MAX);
	char *text = NULL;
	int r = emit_policy(p, &to);

	if (r == 0)
		r = buf_steal(&to, &text);
	if (r < 0)
		tap_fail(__FILE__, __LINE__, "no text: %s", strerror(-r));
	return text;
}

char *policyfixture_text(const char *more)
{
	char error[POLICY_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p = policyfixture_build(more, error);

	if (!p)
		tap_fail(__FILE__, __LINE__, "no policy: %s", error);
	return p ? policyfixture_emit(p) : NULL;
}

char *policyfixture_golden(const char *name)
{
	const char *source = getenv("POSTERN_TEST_SOURCE");
	char path[FILES_PATH_MAX];
	uint8_t *bytes = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/tests/golden/netpolicy/%s", source ? source : ".", name);
	return files_read(path, EMIT_TEXT_MAX, &bytes, &len) < 0 ? NULL : (char *)bytes;
}

void policyfixture_use_build(void)
{
	const char *build = getenv("POSTERN_TEST_BUILD");
	char path[FILES_PATH_MAX];

	snprintf(path, sizeof(path), "%s/netpolicy", build ? build : ".");
	if (build)
		setenv("POSTERN_LIBEXECDIR", path, 1);
}
