/* SPDX-License-Identifier: MIT */
/*
 * netpolicy: shows, loads and checks the policy of this host. See netpolicy(8).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "netpolicy/cli/cli.h"
#include "netpolicy/parse/policyfile.h"
#include "netpolicy/parse/zoneconf.h"

#include "config.h"

static const char main_usage[] =
	"usage: netpolicy COMMAND [OPTION...]\n"
	"\n"
	"  show              print the ruleset that the configuration gives\n"
	"  apply             load it, read it back, compare, save it for the next boot\n"
	"  check             compare the kernel with it: exit 0 equal, 1 drift, 2 cannot tell\n"
	"  compile -o FILE   (or --output FILE) write the recorded batch to FILE\n"
	"  unload --yes      remove our two tables; the host is then open\n"
	"\n"
	"  --config FILE     " ZONECONF_PATH "\n"
	"  --policy FILE     " POLICYFILE_PATH "\n"
	"  --state-dir DIR   " CLI_STATE_DIR "\n"
	"  --text FILE       compile: nft text that is complete in itself, not the configuration\n"
	"  --json            show: the model; check: the outcome\n"
	"  --boot-only       apply: save for the next boot, load nothing now\n"
	"  --verbose         say how it was compiled\n"
	"  --version, --help\n";

static const struct option main_options[] = {
	{ "config", required_argument, NULL, 'c' }, { "state-dir", required_argument, NULL, 's' },
	{ "output", required_argument, NULL, 'o' }, { "json", no_argument, NULL, 'j' },
	{ "yes", no_argument, NULL, 'y' },          { "verbose", no_argument, NULL, 'v' },
	{ "boot-only", no_argument, NULL, 'b' },    { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },      { "text", required_argument, NULL, 't' },
	{ "policy", required_argument, NULL, 'p' }, { 0 },
};

static int main_misuse(const char *what)
{
	fprintf(stderr, "netpolicy: %s\n%s", what, main_usage);
	return CLI_USAGE;
}

static void main_flag(struct cli *c, int opt)
{
	c->json |= opt == 'j';
	c->yes |= opt == 'y';
	c->verbose |= opt == 'v';
	c->boot_only |= opt == 'b';
}

/* Gives -1 to go on, else the exit code. */
static int main_parse(int argc, char **argv, struct cli *c)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "o:", main_options, NULL)) != -1) {
		if (opt == '?')
			return main_misuse("unknown option");
		if (opt == 'h' || opt == 'V')
			return puts(opt == 'h' ? main_usage : "netpolicy " POSTERN_VERSION) < 0;
		if (opt == 'c')
			c->config = optarg;
		else if (opt == 's')
			c->state_dir = optarg;
		else if (opt == 'p')
			c->page = optarg;
		else if (opt == 'o')
			c->output = optarg;
		else if (opt == 't')
			c->text = optarg;
		else
			main_flag(c, opt);
	}
	return -1;
}

static const struct {
	const char *name;
	int (*run)(const struct cli *c);
} main_commands[] = {
	{ "show", cli_show },       { "apply", cli_apply },   { "check", cli_check },
	{ "compile", cli_compile }, { "unload", cli_unload },
};

int main(int argc, char **argv)
{
	struct cli c = { .config = ZONECONF_PATH,
			 .page = POLICYFILE_PATH,
			 .state_dir = CLI_STATE_DIR };
	int r = main_parse(argc, argv, &c);

	if (r >= 0)
		return r;
	if (optind + 1 != argc)
		return main_misuse("say one command");
	if (!strcmp(argv[optind], "compile") && !c.output)
		return main_misuse("compile needs -o FILE");
	log_open("netpolicy", LOG_LEVEL_INFO);
	for (size_t i = 0; i < ARRAY_SIZE(main_commands); i++)
		if (!strcmp(argv[optind], main_commands[i].name))
			return main_commands[i].run(&c);
	return main_misuse("unknown command");
}
