/* SPDX-License-Identifier: MIT */
/* Build tool: prints postern-messages(7) from the list of message codes, so that the manual cannot
 * disagree with what the programs say. */
#include <stdio.h>

#include "common/pst.h"

static const struct {
	unsigned int from; /* first code of the group; it ends before the next one */
	const char *title;
} messages_groups[] = {
	{ 1000, "Exchange, as the host sees it" },
	{ 1100, "Requests refused as malformed" },
	{ 1200, "Requests that are not allowed now" },
	{ 1300, "Responses refused by the host" },
	{ 1400, "Tunnels" },
	{ 2000, "Own identity" },
	{ 2100, "Identity of a peer" },
	{ 3000, "Policy" },
	{ 4000, "Gateway" },
	{ 5000, "Issuer" },
};

#define MESSAGES_N_GROUPS (sizeof(messages_groups) / sizeof(messages_groups[0]))

static unsigned int messages_group_of(enum pst code)
{
	unsigned int group = 0;

	for (unsigned int i = 0; i < MESSAGES_N_GROUPS; i++)
		if ((unsigned int)code >= messages_groups[i].from)
			group = i;
	return group;
}

/* Text of a macro line or paragraph: no control line by accident, no escape. */
static void messages_print_text(const char *s)
{
	if (*s == '.' || *s == '\'')
		printf("\\&");
	for (; *s; s++)
		if (*s == '\\')
			printf("\\e");
		else
			putchar(*s);
	putchar('\n');
}

static void messages_print_sentence(const char *title, const char *text)
{
	printf(".Pp\n.Em %s :\n", title);
	messages_print_text(text);
}

static void messages_print_head(void)
{
	printf(".\\\" SPDX-License-Identifier: MIT\n"
	       ".\\\" Made from common/pst.def; change that.\n"
	       ".Dd November 21, 2026\n"
	       ".Dt POSTERN-MESSAGES 7\n"
	       ".Os\n"
	       ".Sh NAME\n"
	       ".Nm postern-messages\n"
	       ".Nd message codes of Postern\n"
	       ".Sh DESCRIPTION\n"
	       "Every refusal and every failure that needs a person carries a code of the form\n"
	       ".Ql PST-NNNN :\n"
	       "in log lines, in the answers of a configuration server, in\n"
	       ".Ql postern status\n"
	       "and in metrics.\n"
	       "A number never changes its meaning.\n"
	       "A line of one code that repeats too fast is counted, and the count is logged.\n");
}

static void messages_print_entry(const struct pst_info *info)
{
	printf(".It Sy PST-%04d Pq %s\n", (int)info->code, info->name);
	messages_print_text(info->text);
	messages_print_sentence("Usual cause", info->cause);
	messages_print_sentence("What to do", info->action);
}

int main(void)
{
	size_t n;
	const struct pst_info *all = pst_all(&n);

	messages_print_head();
	for (size_t i = 0; i < n; i++) {
		unsigned int group = messages_group_of(all[i].code);

		if (i == 0 || group != messages_group_of(all[i - 1].code))
			printf(".Sh %s\n.Bl -tag -width PST-NNNN\n", messages_groups[group].title);
		messages_print_entry(&all[i]);
		if (i + 1 == n || group != messages_group_of(all[i + 1].code))
			printf(".El\n");
	}
	printf(".Sh SEE ALSO\n.Xr gatewayd 8 ,\n.Xr netpolicy 8 ,\n.Xr tunneld 8\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
