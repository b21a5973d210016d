/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clicheck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "netpolicy/apply/foreign.h"
#include "netpolicy/cli/clijson.h"

int clicheck_look(const struct batchfile *file, struct clicheck *ret)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r;

	*ret = (struct clicheck){ .about = file->about, .foreign = buf_init(FOREIGN_BYTES_MAX) };
	if (cli_open(&k) != CLI_OK)
		return CLI_TROUBLE;
	r = applier_check(k, &file->expected, &ret->result);
	ret->code = r == 0 ? CLI_OK : CLI_DRIFT;
	if (r >= 0 && foreign_list(k, &ret->foreign) < 0)
		r = -EIO;
	if (r < 0) {
		log_error("cannot read the kernel's rules: %s%s", strerror(-r),
			  r == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
		return CLI_TROUBLE;
	}
	if (ret->code != CLI_OK)
		ret->pst = ret->result.diff.is_absent[0] ? PST_POLICY_ABSENT : PST_POLICY_DRIFT;
	return CLI_OK;
}

int clicheck_page(const struct cli *c, const struct batchfile *file, struct clicheck *ret)
{
	_cleanup_(batchfile_release) struct batchfile saved = { 0 };
	_cleanup_(clicheck_release) struct clicheck other = { 0 };
	int r = clicheck_look(file, ret);

	if (r != CLI_OK || ret->code == CLI_OK || cli_load_saved(c, &saved, NULL) < 0 ||
	    strcmp(saved.about, file->about) != 0 || clicheck_look(&saved, &other) != CLI_OK ||
	    other.code != CLI_OK)
		return r;
	clicheck_release(ret);
	*ret = other;
	other = (struct clicheck){ 0 };
	ret->about = file->about;
	ret->is_reworded = true;
	return CLI_OK;
}

static void clicheck_print(const struct clicheck *what)
{
	const struct applier_result *result = &what->result;

	if (what->code == CLI_OK)
		printf("OK: the kernel holds %s\n", what->about);
	else
		printf("DRIFT: PST-%d: the kernel does not hold %s: %zu difference%s\n", what->pst,
		       what->about, result->diff.n, result->diff.n == 1 ? "" : "s");
	cli_print_lines("  ", result->diff.lines.text);
	if (what->is_reworded)
		printf("note: another version of nft recorded it, in other words than today's "
		       "would; the next 'netpolicy apply' records it anew\n");
	for (size_t i = 0; i < result->n_pending; i++)
		printf("note: no guard on %s: the interface does not exist\n", result->pending[i]);
	cli_print_lines("note: another program's chain at our hook: ", what->foreign.text);
}

int clicheck_run(const struct cli *c)
{
	_cleanup_(clicheck_release) struct clicheck what = { 0 };
	_cleanup_(cli_release) struct cli_work w = { 0 };
	int r = cli_make(c, &w);

	if (r == CLI_OK)
		r = clicheck_page(c, &w.file, &what);
	if (r != CLI_OK)
		return r;
	if (!c->json)
		clicheck_print(&what);
	else if (clijson_check(&what, stdout) < 0)
		return CLI_TROUBLE;
	return cli_is_printed() ? what.code : CLI_TROUBLE;
}

void clicheck_release(struct clicheck *what)
{
	applier_release(&what->result);
	buf_release(&what->foreign);
	*what = (struct clicheck){ 0 };
}
