/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clk.h"

#define LOG_SLOTS 64 /* codes tracked for rate limiting; a collision only shares a limit */

struct log_slot {
	enum pst code;
	uint64_t window_ns;
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

void log_open(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
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
		n = snprintf(line, sizeof(line), "%s: %s: %s\n", log_program,
			     log_levels[level].name, text);
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody is left to tell */
}

static void log_format(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];
	int at = snprintf(text, sizeof(text), "%s", prefix);
	int n = vsnprintf(text + at, sizeof(text) - (size_t)at, fmt, ap);

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

/* Counts this line; true when it may be written. A new window reports what the last one hid. */
static bool log_admit(enum log_level level, enum pst code)
{
	struct log_slot *slot = &log_slots[(unsigned int)code % LOG_SLOTS];
	uint64_t now_ns = clk_now_ns();

	if (slot->code != code || now_ns - slot->window_ns > LOG_WINDOW_S * CLK_NS_PER_S) {
		if (slot->n_seen > LOG_BURST)
			log_line(level, "PST-%04d: suppressed %u more lines", (int)slot->code,
				 slot->n_seen - LOG_BURST);
		*slot = (struct log_slot){ .code = code, .window_ns = now_ns };
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
