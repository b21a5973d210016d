/* SPDX-License-Identifier: MIT */
/*
 * postern: the operator's view of this host. Reads, never changes anything.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/attr.h"
#include "common/printed.h"
#include "config.h"
#include "tunneld/ctl/show.h"

#define MAIN_RUN_DIR "/run/postern"
#define MAIN_EXIT_UNPRINTED 2 /* as DOWN: whoever asked must look */
#define MAIN_EXIT_USAGE 64

struct main_options {
	const char *run_dir, *state_dir, *config;
	bool json, no_policy;
};

static void main_usage(FILE *to)
{
	fputs("usage: postern status [options]\n"
	      "       postern explain PST-NNNN\n"
	      "\n"
	      "  status             tunnels, leases and policy of this host, the verdict on top\n"
	      "  explain            what a message code means and what to do\n"
	      "\n"
	      "  --json             one JSON object instead of text\n"
	      "  --no-policy        do not run 'netpolicy check'\n"
	      "  --run-dir DIR      where tunneld listens (" MAIN_RUN_DIR ")\n"
	      "  --config FILE      handed to 'netpolicy check'\n"
	      "  --state-dir DIR    handed to 'netpolicy check'\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit status: 0 OK, 1 DEGRADED, 2 DOWN or not printed, 64 wrong usage.\n",
	      to);
}

static const char *main_trouble(int r, const char *run_dir, char *ret, size_t cap)
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		snprintf(ret, cap,
			 "tunneld does not run (nothing listens in %s); start it, or look at "
			 "its last log lines",
			 run_dir);
	else if (r == -EACCES || r == -EPERM)
		snprintf(ret, cap, "no permission to ask tunneld in %s; run this as root", run_dir);
	else if (r == -ETIMEDOUT)
		snprintf(ret, cap, "tunneld does not answer; look at its last log lines");
	else
		snprintf(ret, cap, "cannot ask tunneld in %s: %s", run_dir, strerror(-r));
	return ret;
}

static int main_status(const struct main_options *o)
{
	struct show_report report = { .policy = ASK_POLICY_UNKNOWN };
	struct status status = { 0 };
	char trouble[320];
	int r = ask_status(o->run_dir, &status);

	if (r == 0)
		report.status = &status;
	else
		report.trouble = main_trouble(r, o->run_dir, trouble, sizeof(trouble));
	if (!o->no_policy)
		report.policy = ask_policy(o->config, o->state_dir);
	if (!o->json)
		show_text(&report, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), stdout);
	else if (show_json(&report, stdout) < 0)
		fputs("postern: out of memory\n", stderr);
	return (int)show_health(&report);
}

static int main_explain(const char *text)
{
	const struct pst_info *info;
	char *end;
	unsigned long number;

	if (!strncasecmp(text, "PST-", 4))
		text += 4;
	number = strtoul(text, &end, 10);
	info = *text && !*end && number <= 9999 ? pst_find((unsigned int)number) : NULL;
	if (!info) {
		fprintf(stderr, "postern: no such code: %s; postern-messages(7) has them all\n",
			text);
		return MAIN_EXIT_USAGE;
	}
	printf("PST-%04u: %s\ncause: %s\ndo:    %s\n", (unsigned int)info->code, info->text,
	       info->cause, info->action);
	return 0;
}

static const struct option main_long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "no-policy", no_argument, NULL, 'n' },
	{ "run-dir", required_argument, NULL, 'r' },
	{ "config", required_argument, NULL, 'c' },
	{ "state-dir", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* Gives -1 to go on, else the exit status. */
static int main_parse(int argc, char **argv, struct main_options *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", main_long_options, NULL)) >= 0) {
		switch (c) {
		case 'j':
			ret->json = true;
			break;
		case 'n':
			ret->no_policy = true;
			break;
		case 'r':
			ret->run_dir = optarg;
			break;
		case 'c':
			ret->config = optarg;
			break;
		case 's':
			ret->state_dir = optarg;
			break;
		case 'h':
			main_usage(stdout);
			return 0;
		case 'V':
			puts("postern " POSTERN_VERSION);
			return 0;
		default:
			main_usage(stderr);
			return MAIN_EXIT_USAGE;
		}
	}
	return -1;
}

static int main_command(int argc, char **argv)
{
	struct main_options options = { .run_dir = MAIN_RUN_DIR };
	int r = main_parse(argc, argv, &options);

	if (r >= 0)
		return r;
	if (argc - optind == 1 && !strcmp(argv[optind], "status"))
		return main_status(&options);
	if (argc - optind == 2 && !strcmp(argv[optind], "explain"))
		return main_explain(argv[optind + 1]);
	main_usage(stderr);
	return MAIN_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	int r = main_command(argc, argv);

	return printed_all("postern") || r ? r : MAIN_EXIT_UNPRINTED;
}
