/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliask.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/log.h"
#include "netpolicy/cli/cliwait.h"

int cliask(const struct cli *c, const struct ctlwire_request *q, struct ctlwire_answer *ret)
{
	CLIWAIT("waiting for netpolicyd");
	unsigned int deadline = q->op == CTLWIRE_APPLY || q->op == CTLWIRE_ROLLBACK ?
					CLIASK_APPLY_MS :
					CLIASK_DEADLINE_MS;
	char path[FILES_PATH_MAX];
	int r;

	if (cli_path(c->run_dir, CLIASK_SOCKET_NAME, path) != CLI_OK)
		return -ENAMETOOLONG;
	r = ctlwire_call(path, q, deadline, ret);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return CLIASK_E_ABSENT;
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_NETPOLICYD_SILENT, "%s: %s%s", path, strerror(-r),
			r == -EACCES || r == -EPERM ? " (only root is listened to)" : "");
	return r;
}

int cliask_tell(const struct ctlwire_answer *a)
{
	if (a->result == 0) {
		if (a->text[0])
			log_info("%s", a->text);
		return CLI_OK;
	}
	if (a->pst)
		log_pst(LOG_LEVEL_ERROR, (enum pst)a->pst, "%s",
			a->text[0] ? a->text : strerror(-a->result));
	else
		log_error("netpolicyd: %s", a->text[0] ? a->text : strerror(-a->result));
	return CLI_DRIFT;
}

int cliask_must(const struct cli *c, const struct ctlwire_request *q, const char *instead,
		struct ctlwire_answer *ret)
{
	int r = cliask(c, q, ret);

	if (r == CLIASK_E_ABSENT)
		log_pst(LOG_LEVEL_ERROR, PST_NETPOLICYD_SILENT,
			"no netpolicyd at %s/" CLIASK_SOCKET_NAME "; %s", c->run_dir, instead);
	if (r != 0)
		return CLI_TROUBLE;
	return ret->result == 0 ? CLI_OK : cliask_tell(ret);
}

const char *cliask_who(char ret[static CTLWIRE_WHO_MAX])
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *user = getpwuid(getuid());
	size_t n = 0;

	if (user && sudo && *sudo && getuid() == 0)
		snprintf(ret, CTLWIRE_WHO_MAX, "%.28s as %.28s", sudo, user->pw_name);
	else if (user)
		snprintf(ret, CTLWIRE_WHO_MAX, "%.60s", user->pw_name);
	else
		snprintf(ret, CTLWIRE_WHO_MAX, "uid %u", (unsigned int)getuid());
	/* The environment is the caller's; it ends in a log. */
	for (; ret[n]; n++)
		if (ret[n] < ' ' || ret[n] > '~')
			ret[n] = '?';
	return ret;
}
