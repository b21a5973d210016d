/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/policyfixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "netpolicy/emit/emit.h"
#include "tests/support/tap.h"

const char policyfixture_base[] = "[zone]\n"
				  "name = lab\n"
				  "hosts_prefix = fd12:0:0:1::/64\n"
				  "gateways_prefix = fd12::/64\n"
				  "config_nets = 2001:db8:c::/48\n"
				  "[policy]\n"
				  "uplinks = eth0\n"
				  "certd_user = 998\n";

struct policy *policyfixture_build(const char *more, char ret_error[static POLICY_ERROR_MAX])
{
	_cleanup_(policyconf_freep) struct hostpolicy *h = NULL;
	struct policy *p = policy_new();
	struct conf_error error = { "" };
	char text[8192];

	snprintf(text, sizeof(text), "%s%s", policyfixture_base, more);
	if (policyconf_load_text("test", text, &h, &error) < 0)
		snprintf(ret_error, POLICY_ERROR_MAX, "%.300s", error.text);
	else if (p && hostpolicy_build(h, p, ret_error) == 0)
		return p;
	policy_free(p);
	return NULL;
}

char *policyfixture_text(const char *more)
{
	_cleanup_(buf_release) struct buf to = buf_init(EMIT_TEXT_MAX);
	char error[POLICY_ERROR_MAX] = "";
	_cleanup_(policy_freep) struct policy *p = policyfixture_build(more, error);
	char *text = NULL;

	if (!p || emit_policy(p, &to) < 0 || buf_steal(&to, &text) < 0)
		tap_fail(__FILE__, __LINE__, "no text: %s", error);
	return text;
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
