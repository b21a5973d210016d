/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clk.h"

/* One slot for each code of the list, the first one for codes that are not in it. */
enum {
	LOG_SLOTS = 1
#define PST(number, name, text, cause, action) +1
#include "common/pst.def"
#undef PST
};

struct log_slot {
	uint64_t window_ns; /* its start; 0: none yet */
	unsigned int n_seen;
};

static const char *log_program = "postern";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_journal;
static struct log_slot log_slots[LOG_SLOTS];

static const struct {
	const char *name;
	int priority; /* syslog(3) number, read by the journal */
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* JOURNAL_STREAM is "device:inode" of the journal's stream; a redirected standard error is another
 * file and its reader no journal. Source: systemd.exec(5). */
static bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[48];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, mine) == 0;
}

void log_open(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
	log_journal = log_is_journal();
}

/* A peer's string must not be able to forge a second log line or steer a terminal. */
static void log_escape(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void log_write(enum log_level level, const char *text)
{
	char line[LOG_LINE_MAX + 64];
	int n;

	if (log_journal)
		n = snprintf(line, sizeof(line), "<%d>%s\n", log_levels[level].priority, text);
	else
		n = snprintf(line, sizeof(line), "%.32s: %s: %s\n", log_program,
			     log_levels[level].name, text);
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody is left to tell */
}

_printf_(3, 0) static void log_format(enum log_level level, const char *prefix, const char *fmt,
				      va_list ap)
{
	char text[LOG_LINE_MAX];
	int at = snprintf(text, sizeof(text), "%s", prefix);
	int n = vsnprintf(text + at, sizeof(text) - (size_t)at, fmt, ap);

	if (n < 0)
		text[at] = '\0';
	if (n >= (int)sizeof(text) - at)
		memcpy(text + sizeof(text) - 4, "...", 4);
	log_escape(text);
	log_write(level, text);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	log_format(level, "", fmt, ap);
	va_end(ap);
	errno = saved;
}

static struct log_slot *log_find_slot(enum pst code)
{
	const struct pst_info *info = pst_find(code);
	size_t n;

	return info ? &log_slots[1 + (info - pst_all(&n))] : &log_slots[0];
}

/* Counts this line; true when it may be written. A new window reports what the last one hid. */
static bool log_admit(enum log_level level, enum pst code)
{
	struct log_slot *slot = log_find_slot(code);
	uint64_t now_ns = clk_now_ns();

	if (!slot->window_ns || now_ns - slot->window_ns >= LOG_WINDOW_S * CLK_NS_PER_S) {
		if (slot->n_seen > LOG_BURST)
			log_line(level, "PST-%04d: suppressed %u more lines", (int)code,
				 slot->n_seen - LOG_BURST);
		*slot = (struct log_slot){ .window_ns = now_ns };
	}
	return ++slot->n_seen <= LOG_BURST;
}

void log_pst(enum log_level level, enum pst code, const char *fmt, ...)
{
	int saved = errno;
	char prefix[16];
	va_list ap;

	if (level > log_max || !log_admit(level, code))
		return;
	snprintf(prefix, sizeof(prefix), "PST-%04d: ", (int)code);
	va_start(ap, fmt);
	log_format(level, prefix, fmt, ap);
	va_end(ap);
	errno = saved;
}
