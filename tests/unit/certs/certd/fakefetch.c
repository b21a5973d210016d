/* SPDX-License-Identifier: MIT */
/*
 * A certd-fetch that does what the test says. It speaks the real frames. Files in $FAKEFETCH_DIR:
 *   self           "principal provider instance", what IDENTIFY finds
 *   life           "OFFSET LIFE": notBefore = now + OFFSET, notAfter = notBefore + LIFE
 *   plan.<kind>    a line instead of success: "code N RETRY TEXT", "hang", "die", "exit", "frame",
 *                  "size F N" (N bytes more of file F), "less" (no CA), "stray" (a file unasked),
 *                  "ask" (a message of the wrong direction), "blank" (no serial, no times),
 *                  "as SERIAL NB NA PRINCIPAL PROVIDER INSTANCE" (says so, whatever it found)
 *   log            gets one line for each job: kind, milliseconds allowed
 * Its "certificates" are lines of text, and only it can read them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "certs/fetchjob.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/spawn.h"

#define FAKEFETCH_FAR_S 900 /* notBefore may lie that far ahead, as in the real one */

static const char *const fakefetch_kinds[] = {
	[FETCHJOB_IDENTIFY] = "identify",
	[FETCHJOB_REGISTER] = "register",
	[FETCHJOB_REFRESH] = "refresh",
	[FETCHJOB_CHECK] = "check",
};

static void fakefetch_path(const char *dir, const char *name, char ret[static FILES_PATH_MAX])
{
	snprintf(ret, FILES_PATH_MAX, "%.2000s/%s", dir, name);
}

/* Reads a line; "" without the file. Static. */
static char *fakefetch_read(const char *dir, const char *name)
{
	static char line[8][512];
	static unsigned int n;
	char path[FILES_PATH_MAX], *to = line[n++ % 8];
	FILE *f;

	fakefetch_path(dir, name, path);
	f = fopen(path, "re");
	if (!f || !fgets(to, sizeof(line[0]), f))
		to[0] = '\0';
	if (f)
		fclose(f);
	to[strcspn(to, "\n")] = '\0';
	return to;
}

static const char *fakefetch_dir(void)
{
	const char *dir = getenv("FAKEFETCH_DIR");

	return dir ? dir : ".";
}

static void fakefetch_note(const struct fetchjob_start *job)
{
	char path[FILES_PATH_MAX];
	FILE *f;

	fakefetch_path(fakefetch_dir(), "log", path);
	f = fopen(path, "ae");
	if (!f)
		return;
	fprintf(f, "%s %u\n", fakefetch_kinds[job->kind], job->conf.timeout_ms);
	fclose(f);
}

static void fakefetch_word(char **rest, char *ret, size_t cap)
{
	char *word = strtok_r(NULL, " ", rest);

	snprintf(ret, cap, "%s", word ? word : "");
}

/* "SERIAL NB NA PRINCIPAL PROVIDER INSTANCE" into the result. */
static void fakefetch_parse(char *line, struct fetchjob_result *ret)
{
	char *rest = NULL, *word = strtok_r(line, " ", &rest), number[32];

	snprintf(ret->serial, sizeof(ret->serial), "%s", word ? word : "");
	fakefetch_word(&rest, number, sizeof(number));
	ret->not_before_wall = strtoull(number, NULL, 10);
	fakefetch_word(&rest, number, sizeof(number));
	ret->not_after_wall = strtoull(number, NULL, 10);
	fakefetch_word(&rest, ret->self.principal, sizeof(ret->self.principal));
	fakefetch_word(&rest, ret->self.provider, sizeof(ret->self.provider));
	fakefetch_word(&rest, ret->self.instance_id, sizeof(ret->self.instance_id));
}

static void fakefetch_say(struct fetchjob_result *ret, enum pst code, const char *detail)
{
	ret->code = code;
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
}

static void fakefetch_check(const struct fetchjob_start *job, struct fetchjob_result *ret)
{
	char *cert = fakefetch_read(job->pair_dir, "cert.pem");
	const char *key = fakefetch_read(job->pair_dir, "key.pem");
	uint64_t now = clk_now_wall();

	if (!*cert || strncmp(cert, key, strlen(key)) != 0) {
		fakefetch_say(ret, PST_PAIR_UNUSABLE, "key and certificate do not match");
		return;
	}
	fakefetch_parse(cert, ret);
	if (strcmp(job->self.provider, ret->self.provider) != 0)
		fakefetch_say(ret, PST_PROVIDER_DENIED, "another provider");
	else if (strcmp(job->self.principal, ret->self.principal) != 0)
		fakefetch_say(ret, PST_PRINCIPAL_UNEXPECTED, "another principal");
	else if (strcmp(job->self.instance_id, ret->self.instance_id) != 0)
		fakefetch_say(ret, PST_INSTANCE_CHANGED, "another instance");
	else if (ret->not_before_wall > now + FAKEFETCH_FAR_S)
		fakefetch_say(ret, PST_CLOCK_WRONG, "not yet valid");
	else if (ret->not_after_wall <= now)
		fakefetch_say(ret, PST_CERT_EXPIRED, "over");
}

static void fakefetch_send(const struct chan_msg *msg)
{
	struct pollfd p = { .fd = SPAWN_CHAN_FD, .events = POLLOUT };
	int r;

	while ((r = chan_send(SPAWN_CHAN_FD, msg)) == -EAGAIN)
		poll(&p, 1, -1);
	if (r < 0)
		_exit(3);
}

static void fakefetch_send_part(enum fetchjob_file file, const char *text)
{
	struct fetchjob_part part = { .file = file, .len = strlen(text) };
	struct chan_msg msg;

	memcpy(part.bytes, text, part.len);
	if (fetchjob_encode_part(&part, &msg) < 0)
		_exit(4);
	fakefetch_send(&msg);
}

/* As the real one: key, certificate, CA; here each in two parts. */
static void fakefetch_issue(const struct fetchjob_start *job, const char *plan,
			    struct fetchjob_result *ret)
{
	char line[1024], *rest = NULL, *life = fakefetch_read(fakefetch_dir(), "life");
	char *offset = strtok_r(life, " ", &rest), *length = strtok_r(NULL, " ", &rest);
	uint64_t begin = clk_now_wall() + (offset ? strtoull(offset, NULL, 10) : 0);

	snprintf(ret->serial, sizeof(ret->serial), "%llx", (unsigned long long)clk_now_ns());
	ret->not_before_wall = begin;
	ret->not_after_wall = begin + (length ? strtoull(length, NULL, 10) : 3600);
	ret->self = job->self;
	fakefetch_send_part(FETCHJOB_KEY, ret->serial);
	fakefetch_send_part(FETCHJOB_KEY, "\n");
	snprintf(line, sizeof(line), "%s %llu %llu ", ret->serial,
		 (unsigned long long)ret->not_before_wall, (unsigned long long)ret->not_after_wall);
	fakefetch_send_part(FETCHJOB_CERT, line);
	snprintf(line, sizeof(line), "%s %s %s\n", ret->self.principal, ret->self.provider,
		 ret->self.instance_id);
	fakefetch_send_part(FETCHJOB_CERT, line);
	if (strcmp(plan, "less") != 0)
		fakefetch_send_part(FETCHJOB_CA, "ca\n");
}

/* "size FILE N" */
static void fakefetch_send_much(const char *plan)
{
	char *end;
	enum fetchjob_file file = (enum fetchjob_file)strtoul(plan + 5, &end, 10);
	size_t left = strtoul(end, NULL, 10);

	while (left) {
		struct fetchjob_part part = { .file = file, .len = left };
		struct chan_msg msg;

		if (part.len > FETCHJOB_PART_MAX)
			part.len = FETCHJOB_PART_MAX;
		memset(part.bytes, 'x', part.len);
		left -= part.len;
		if (fetchjob_encode_part(&part, &msg) < 0)
			_exit(4);
		fakefetch_send(&msg);
	}
}

/* What no worker should do. */
static void fakefetch_misbehave(const struct fetchjob_start *job, const char *plan)
{
	struct chan_msg msg;

	if (!strcmp(plan, "hang"))
		pause();
	if (!strcmp(plan, "die"))
		raise(SIGKILL);
	if (!strcmp(plan, "exit"))
		_exit(9);
	if (!strcmp(plan, "frame"))
		send(SPAWN_CHAN_FD, "nonsense", 8, MSG_NOSIGNAL);
	if (!strncmp(plan, "size ", 5))
		fakefetch_send_much(plan);
	if (!strcmp(plan, "stray"))
		fakefetch_send_part(FETCHJOB_CERT, "a certificate");
	if (!strcmp(plan, "ask") && fetchjob_encode_start(job, &msg) == 0)
		fakefetch_send(&msg);
}

/* "code N RETRY TEXT" */
static bool fakefetch_refuse(char *plan, struct fetchjob_result *ret)
{
	char *end;

	if (strncmp(plan, "code ", 5) != 0)
		return false;
	ret->code = (enum pst)strtoul(plan + 5, &end, 10);
	ret->retry_after_s = (uint32_t)strtoul(end, &end, 10);
	snprintf(ret->detail, sizeof(ret->detail), "%.200s", *end ? end + 1 : end);
	return true;
}

static void fakefetch_work(const struct fetchjob_start *job, struct fetchjob_result *ret)
{
	char name[32], self[600], *plan;

	snprintf(name, sizeof(name), "plan.%s", fakefetch_kinds[job->kind]);
	plan = fakefetch_read(fakefetch_dir(), name);
	if (fakefetch_refuse(plan, ret))
		return;
	fakefetch_misbehave(job, plan);
	switch (job->kind) {
	case FETCHJOB_IDENTIFY:
		snprintf(self, sizeof(self), "0 0 0 %s", fakefetch_read(fakefetch_dir(), "self"));
		fakefetch_parse(self, ret);
		ret->serial[0] = '\0';
		break;
	case FETCHJOB_CHECK:
		fakefetch_check(job, ret);
		break;
	case FETCHJOB_REGISTER:
	case FETCHJOB_REFRESH:
		fakefetch_issue(job, plan, ret);
		break;
	}
	if (!strcmp(plan, "blank"))
		*ret = (struct fetchjob_result){ .self = job->self };
	if (!strncmp(plan, "as ", 3)) {
		*ret = (struct fetchjob_result){ 0 };
		fakefetch_parse(plan + 3, ret);
	}
}

int main(void)
{
	struct pollfd p = { .fd = SPAWN_CHAN_FD, .events = POLLIN };
	struct fetchjob_result result = { .total_ms = 7 };
	struct fetchjob_start job;
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;

	ops = fetchjob_ops(&n_ops);
	if (poll(&p, 1, -1) < 0 || chan_recv(SPAWN_CHAN_FD, ops, n_ops, &msg) != 0 ||
	    fetchjob_decode_start(&msg, &job) < 0)
		return 2;
	fakefetch_note(&job);
	fakefetch_work(&job, &result);
	if (fetchjob_encode_result(&result, &msg) < 0)
		return 6;
	fakefetch_send(&msg);
	return 0;
}
