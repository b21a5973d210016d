/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunneld/kern/netns.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"

bool netns_fresh(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		tap_skip("may not make a network namespace (root is needed)");
		return false;
	}
	netns_run("ip link set lo up");
	return true;
}

void netns_run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		tap_fail(__FILE__, __LINE__, "fails: %s", command);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void netns_batch(unsigned int n, const char *format)
{
	FILE *ip = popen("ip -6 -batch -", "w");

	if (!ip) {
		tap_fail(__FILE__, __LINE__, "no ip");
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		fprintf(ip, format, i);
	CU_ASSERT_EQUAL(pclose(ip), 0);
}
#pragma GCC diagnostic pop

/* Blanks at the end of each line depend on the version of the tool. */
static void netns_trim(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			while (to > text && to[-1] == ' ')
				to--;
		*to++ = *at;
	}
	while (to > text && (to[-1] == ' ' || to[-1] == '\n'))
		to--;
	*to = '\0';
}

char *netns_output(const char *command)
{
	static const size_t max = 65536;
	FILE *out = popen(command, "r");
	char *text = calloc(1, max + 1);
	size_t n = out && text ? fread(text, 1, max, out) : 0;

	CU_ASSERT_TRUE(n < max);
	if (out)
		pclose(out);
	if (text)
		netns_trim(text);
	return text;
}

void netns_expect_at(const char *file, unsigned int line, const char *command, const char *wanted)
{
	char *text = netns_output(command);

	CU_PASS("the command ran");
	if (!text || strcmp(text, wanted) != 0)
		tap_fail(file, line, "%s: '%s', wanted '%s'", command, text, wanted);
	free(text);
}
