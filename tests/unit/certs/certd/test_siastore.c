/* SPDX-License-Identifier: MIT */
/* The files of the identity: killed, out of space, or disturbed at every step. The linker sends the
 * calls that change something through here (see the list of tests). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/certd/siastore.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define TEST_SIASTORE_FDS 1024
#define TEST_SIASTORE_NAME "acme.host"
#define TEST_SIASTORE_DEAD 77 /* exit status of a child that was stopped at its step */
#define TEST_SIASTORE_STEPS_MAX 200

/* ---- calls on their way to the kernel ---- */

static int test_siastore_step, test_siastore_stop_at = -1, test_siastore_errno;
static bool test_siastore_dirty[TEST_SIASTORE_FDS];    /* written since the last fsync() */
static bool test_siastore_relinked[TEST_SIASTORE_FDS]; /* as dirty: a link in it was changed */
static unsigned int test_siastore_unsynced_switches;
static bool test_siastore_opened; /* any call of openat() came here */
static size_t test_siastore_written;

/* Whether this call fails; or the process ends, without any of its ends. */
static bool test_siastore_fails(void)
{
	if (test_siastore_step++ != test_siastore_stop_at)
		return false;
	if (!test_siastore_errno)
		_exit(TEST_SIASTORE_DEAD);
	errno = test_siastore_errno;
	return true;
}

/* What openat() is called with 64-bit offsets. */
int __real_openat64(int at, const char *name, int flags, ...);
int __wrap_openat64(int at, const char *name, int flags, ...);
int __wrap_openat64(int at, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (test_siastore_fails())
		return -1;
	test_siastore_opened = true;
	if (flags & O_CREAT)
		test_siastore_dirty[at] = true;
	return __real_openat64(at, name, flags, mode);
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	if (test_siastore_fails())
		return -1;
	if (fd > 2)
		test_siastore_dirty[fd] = true;
	/* A few bytes at a time: more steps to be killed between. */
	len = len > 3 ? (len + 1) / 2 : len;
	test_siastore_written += len;
	return __real_write(fd, bytes, len);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	if (test_siastore_fails())
		return -1;
	test_siastore_dirty[fd] = test_siastore_relinked[fd] = false;
	return __real_fsync(fd);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	return test_siastore_fails() ? -1 : __real_fchmod(fd, mode);
}

int __real_mkdirat(int at, const char *name, mode_t mode);
int __wrap_mkdirat(int at, const char *name, mode_t mode);
int __wrap_mkdirat(int at, const char *name, mode_t mode)
{
	if (test_siastore_fails())
		return -1;
	test_siastore_dirty[at] = true;
	return __real_mkdirat(at, name, mode);
}

int __real_symlinkat(const char *target, int at, const char *name);
int __wrap_symlinkat(const char *target, int at, const char *name);
int __wrap_symlinkat(const char *target, int at, const char *name)
{
	if (test_siastore_fails())
		return -1;
	test_siastore_relinked[at] = true;
	return __real_symlinkat(target, at, name);
}

int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags)
{
	if (test_siastore_fails())
		return -1;
	test_siastore_relinked[at] |= !strcmp(name, "current");
	return __real_unlinkat(at, name, flags);
}

int __real_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to)
{
	if (test_siastore_fails())
		return -1;
	if (!strcmp(to, "current"))
		for (size_t i = 0; i < TEST_SIASTORE_FDS; i++)
			test_siastore_unsynced_switches += test_siastore_dirty[i];
	test_siastore_relinked[to_at] = true;
	return __real_renameat(from_at, from, to_at, to);
}

/* ---- a directory ---- */

static char test_siastore_dir[PATH_MAX];

static void test_siastore_clear_calls(void)
{
	test_siastore_stop_at = -1;
	test_siastore_step = 0;
	memset(test_siastore_dirty, 0, sizeof(test_siastore_dirty));
	memset(test_siastore_relinked, 0, sizeof(test_siastore_relinked));
	test_siastore_unsynced_switches = 0;
}

static void test_siastore_setup(void)
{
	static unsigned int n;
	char name[32];

	test_siastore_clear_calls();
	snprintf(name, sizeof(name), "sia%u", n++);
	CU_ASSERT_EQUAL(mkdir(tmpdir_path(test_siastore_dir, name), 0755), 0);
}

static const char *test_siastore_at(char path[static PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%.2000s/%s", test_siastore_dir, name);
	return path;
}

/* Reads @name; "" when it cannot be read. */
static void test_siastore_read(const char *name, char ret[static 64])
{
	char path[PATH_MAX];
	uint8_t *bytes = NULL;
	size_t len = 0;

	ret[0] = '\0';
	if (files_read(test_siastore_at(path, name), 63, &bytes, &len) == 0)
		snprintf(ret, 64, "%s", (const char *)bytes);
	free(bytes);
}

struct test_siastore_texts {
	char key[32], cert[32], ca[32];
};

static struct siastore_pair test_siastore_make(struct test_siastore_texts *t, unsigned int n)
{
	snprintf(t->key, sizeof(t->key), "key of pair %u", n);
	snprintf(t->cert, sizeof(t->cert), "cert of pair %u", n);
	snprintf(t->ca, sizeof(t->ca), "ca of pair %u", n);
	return (struct siastore_pair){ t->key,         t->cert,         t->ca,
				       strlen(t->key), strlen(t->cert), strlen(t->ca) };
}

/* The number of the pair that readers see under the names of SIA: 0 = none, -1 = not one pair. */
static int test_siastore_visible(void)
{
	static const char *const names[] = { "keys/" TEST_SIASTORE_NAME ".key.pem",
					     "certs/" TEST_SIASTORE_NAME ".cert.pem",
					     "certs/ca.cert.pem" };
	static const char *const begins[] = { "key of pair ", "cert of pair ", "ca of pair " };
	int seen[3];
	char text[64];

	for (size_t i = 0; i < 3; i++) {
		test_siastore_read(names[i], text);
		seen[i] = 0;
		if (text[0] && strncmp(text, begins[i], strlen(begins[i])) != 0)
			return -1;
		if (text[0])
			seen[i] = (int)strtol(text + strlen(begins[i]), NULL, 10);
	}
	return seen[0] == seen[1] && seen[1] == seen[2] ? seen[0] : -1;
}

/* What has been said to be done outlives a power cut. */
static void test_siastore_expect_durable(const struct siastore *s)
{
	CU_ASSERT_FALSE(test_siastore_relinked[s->dir_fd]);
	CU_ASSERT_FALSE(test_siastore_relinked[s->keys_fd]);
	CU_ASSERT_FALSE(test_siastore_relinked[s->certs_fd]);
}

static int test_siastore_put(struct siastore *s, unsigned int n)
{
	struct test_siastore_texts texts;
	struct siastore_pair pair = test_siastore_make(&texts, n);
	int r = siastore_stage(s, &pair);

	if (r == 0)
		r = siastore_commit(s, TEST_SIASTORE_NAME);
	if (r == 0)
		test_siastore_expect_durable(s);
	return r;
}

/* Opens, puts pair @n, closes. */
static int test_siastore_renew(unsigned int n)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	int r = siastore_open(&s, test_siastore_dir);

	return r < 0 ? r : test_siastore_put(&s, n);
}

/* Entries of @name but "." and "..". */
static unsigned int test_siastore_count(const char *name)
{
	char path[PATH_MAX];
	DIR *d = opendir(test_siastore_at(path, name));
	unsigned int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static mode_t test_siastore_mode(const char *name)
{
	char path[PATH_MAX];
	struct stat st = { 0 };

	CU_ASSERT_EQUAL(stat(test_siastore_at(path, name), &st), 0);
	return st.st_mode & 07777;
}

static void test_siastore_expect_link(const char *name, const char *want)
{
	char path[PATH_MAX], have[PATH_MAX] = "";

	CU_ASSERT_TRUE(readlink(test_siastore_at(path, name), have, sizeof(have) - 1) > 0);
	CU_ASSERT_STRING_EQUAL(have, want);
}

/* ---- what it does ---- */

static void test_siastore_layout(void)
{
	mode_t mask = umask(0077);

	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	umask(mask);
	CU_ASSERT_EQUAL(test_siastore_visible(), 1);
	test_siastore_expect_link("current", ".pairs/1");
	test_siastore_expect_link("keys/acme.host.key.pem", "../current/key.pem");
	test_siastore_expect_link("certs/acme.host.cert.pem", "../current/cert.pem");
	test_siastore_expect_link("certs/ca.cert.pem", "../current/ca.cert.pem");
	CU_ASSERT_EQUAL(test_siastore_mode("current/key.pem"), 0440);
	CU_ASSERT_EQUAL(test_siastore_mode("current/cert.pem"), 0444);
	CU_ASSERT_EQUAL(test_siastore_mode("current/ca.cert.pem"), 0444);
	CU_ASSERT_EQUAL(test_siastore_mode("current"), 0755);
	CU_ASSERT_EQUAL(test_siastore_unsynced_switches, 0);
	CU_ASSERT_TRUE(test_siastore_opened); /* else the linker was told another name */
}

static void test_siastore_modes_of_directories(void)
{
	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	CU_ASSERT_EQUAL(test_siastore_mode(".pairs"), 0755);
	CU_ASSERT_EQUAL(test_siastore_mode("keys"), 0755);
	CU_ASSERT_EQUAL(test_siastore_mode("certs"), 0755);
}

static void test_siastore_keeps_two(void)
{
	for (unsigned int n = 1; n <= 5; n++)
		CU_ASSERT_EQUAL(test_siastore_renew(n), 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), 5);
	CU_ASSERT_EQUAL(test_siastore_count(".pairs"), 2);
	test_siastore_expect_link("current", ".pairs/5");
	CU_ASSERT_EQUAL(test_siastore_mode(".pairs/4/key.pem"), 0440);
	CU_ASSERT_EQUAL(test_siastore_unsynced_switches, 0);
}

static void test_siastore_stage_and_discard(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	struct test_siastore_texts texts;
	struct siastore_pair pair = test_siastore_make(&texts, 1);
	char path[PATH_MAX], want[PATH_MAX];

	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	CU_ASSERT_EQUAL(siastore_commit(&s, TEST_SIASTORE_NAME), -ENOENT);
	CU_ASSERT_EQUAL(siastore_path(&s, "/x", true, path, sizeof(path)), -ENOENT);
	CU_ASSERT_EQUAL(siastore_path(&s, "/x", false, path, sizeof(path)), -ENOENT);
	CU_ASSERT_EQUAL(siastore_stage(&s, &pair), 0);
	CU_ASSERT_EQUAL(siastore_path(&s, test_siastore_dir, true, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, test_siastore_at(want, ".pairs/1"));
	CU_ASSERT_EQUAL(siastore_path(&s, "/x", true, path, strlen("/x/.pairs/1")), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(siastore_path(&s, "/x", true, path, strlen("/x/.pairs/1") + 1), 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), 0);
	CU_ASSERT_EQUAL(siastore_stage(&s, &pair), 0); /* takes the place of the first */
	CU_ASSERT_EQUAL(test_siastore_count(".pairs"), 1);
	siastore_discard(&s);
	siastore_discard(&s);
	CU_ASSERT_EQUAL(test_siastore_count(".pairs"), 0);
}

static void test_siastore_withdraws(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;

	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	CU_ASSERT_EQUAL(s.current, 1);
	CU_ASSERT_EQUAL(siastore_withdraw(&s), 0);
	test_siastore_expect_durable(&s);
	CU_ASSERT_EQUAL(siastore_withdraw(&s), 0);
	CU_ASSERT_EQUAL(s.current, 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), 0);
	/* It is somebody else's key: nobody can read it any more. */
	CU_ASSERT_EQUAL(test_siastore_count(".pairs"), 0);
	CU_ASSERT_EQUAL(test_siastore_put(&s, 2), 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), 2);
}

static void test_siastore_one_at_a_time(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	struct siastore second = SIASTORE_INIT;

	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	CU_ASSERT_EQUAL(siastore_open(&second, test_siastore_dir), -EBUSY);
	siastore_close(&s);
	CU_ASSERT_EQUAL(siastore_open(&second, test_siastore_dir), 0);
	siastore_close(&second);
}

static void test_siastore_other_principal(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	CU_ASSERT_EQUAL(siastore_name(&s, "acme.other"), 0);
	test_siastore_expect_durable(&s);
	test_siastore_expect_link("keys/acme.other.key.pem", "../current/key.pem");
	CU_ASSERT_EQUAL(access(test_siastore_at(path, "keys/acme.host.key.pem"), F_OK), -1);
	CU_ASSERT_EQUAL(access(test_siastore_at(path, "certs/acme.host.cert.pem"), F_OK), -1);
	CU_ASSERT_EQUAL(test_siastore_count("certs"), 2);
	/* What is right already is not touched. */
	test_siastore_clear_calls();
	test_siastore_errno = EROFS;
	CU_ASSERT_EQUAL(siastore_name(&s, "acme.other"), 0);
}

/* ---- a process that dies at every step ---- */

/* A child renews to pair @n and dies at @step. Gives false when it came to the end. */
static bool test_siastore_dies(unsigned int n, int step)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		test_siastore_clear_calls();
		test_siastore_errno = 0;
		test_siastore_stop_at = step;
		_exit(test_siastore_renew(n) == 0 ? 0 : 1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	return WEXITSTATUS(status) == TEST_SIASTORE_DEAD;
}

static void test_siastore_killed_at_each_step(void)
{
	int step = 0;
	unsigned int n = 2, old = 0, newer = 0;

	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	for (; step < TEST_SIASTORE_STEPS_MAX; step++, n++) {
		int before = test_siastore_visible(), after;
		bool died = test_siastore_dies(n, step);

		after = test_siastore_visible();
		if (after != before && after != (int)n)
			tap_fail(__FILE__, __LINE__, "step %d: %d -> %d", step, before, after);
		old += after == before;
		newer += after == (int)n;
		if (!died)
			break;
		CU_ASSERT_EQUAL(test_siastore_renew(++n), 0); /* from the same state again */
	}
	CU_ASSERT_TRUE(step > 20 && step < TEST_SIASTORE_STEPS_MAX);
	CU_ASSERT_TRUE(old > 10 && newer > 5);
	/* Nothing of it stays for longer than the next renewal. */
	CU_ASSERT_EQUAL(test_siastore_renew(n + 1), 0);
	CU_ASSERT_EQUAL(test_siastore_count(".pairs"), 2);
	CU_ASSERT_EQUAL(test_siastore_count("keys"), 1);
	CU_ASSERT_EQUAL(test_siastore_count("certs"), 2);
}

/* From nothing: no pair, or the whole one. */
static void test_siastore_first_killed_at_each_step(void)
{
	for (int step = 0; step < TEST_SIASTORE_STEPS_MAX; step++) {
		bool died;
		int seen;

		test_siastore_setup();
		died = test_siastore_dies(1, step);
		seen = test_siastore_visible();
		if (seen != 0 && seen != 1)
			tap_fail(__FILE__, __LINE__, "step %d: %d", step, seen);
		CU_ASSERT_EQUAL(test_siastore_renew(2), 0);
		CU_ASSERT_EQUAL(test_siastore_visible(), 2);
		if (!died)
			return;
	}
	tap_fail(__FILE__, __LINE__, "no end");
}

/* ---- each call failing ---- */

/* Renews to pair @n with the call number @step failing with @error; then without. */
static bool test_siastore_survives(unsigned int n, int step, int error)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	int before = test_siastore_visible(), after, r;
	bool reached;

	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	test_siastore_step = 0;
	test_siastore_errno = error;
	test_siastore_stop_at = step;
	r = test_siastore_put(&s, n);
	reached = test_siastore_step > step;
	test_siastore_stop_at = -1;
	after = test_siastore_visible();
	if (r < 0 ? after != before : after != (int)n)
		tap_fail(__FILE__, __LINE__, "step %d: %d, %d -> %d", step, r, before, after);
	if (r < 0)
		siastore_discard(&s);
	CU_ASSERT_EQUAL(test_siastore_put(&s, n), 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), (int)n);
	CU_ASSERT_TRUE(test_siastore_count(".pairs") <= 3);
	return reached;
}

static void test_siastore_each_call_fails(void)
{
	static const int errors[] = { ENOSPC, EIO, EDQUOT, EROFS };
	unsigned int n = 2;

	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int step = 0;

		while (test_siastore_survives(n++, step, errors[i]))
			step++;
		CU_ASSERT_TRUE(step > 20);
	}
	CU_ASSERT_EQUAL(test_siastore_renew(n), 0);
	CU_ASSERT_EQUAL(test_siastore_count(".pairs"), 2);
}

/* ---- others ---- */

static bool test_siastore_done;
static unsigned int test_siastore_rounds; /* of the reader */

/* Reads as programs do that find "key and certificate do not belong together": twice. */
static void *test_siastore_reader(void *arg)
{
	unsigned int *wrong = arg;

	for (; !__atomic_load_n(&test_siastore_done, __ATOMIC_RELAXED);
	     __atomic_add_fetch(&test_siastore_rounds, 1, __ATOMIC_RELAXED)) {
		char dir[PATH_MAX], link[64] = "", text[64];
		char path[96];

		if (readlink(test_siastore_at(dir, "current"), link, sizeof(link) - 1) <= 0) {
			++*wrong;
			continue;
		}
		/* The pair that was current a moment ago is still there. */
		snprintf(path, sizeof(path), "%s/cert.pem", link);
		test_siastore_read(path, text);
		*wrong += text[0] == '\0';
		test_siastore_read("keys/" TEST_SIASTORE_NAME ".key.pem", text);
		*wrong += text[0] == '\0';
	}
	return NULL;
}

static void test_siastore_readers(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	struct test_siastore_texts texts;
	unsigned int wrong = 0;
	pthread_t thread;

	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	test_siastore_done = false;
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, test_siastore_reader, &wrong), 0);
	/* Withdrawal is not tried here: then there is rightly nothing. */
	for (unsigned int n = 2; n < 60; n++) {
		struct siastore_pair pair = test_siastore_make(&texts, n);

		unsigned int round;

		CU_ASSERT_EQUAL(siastore_stage(&s, &pair), 0);
		CU_ASSERT_EQUAL(siastore_commit(&s, TEST_SIASTORE_NAME), 0);
		/* Who was reading meanwhile may finish; renewals are not so close to each other. */
		round = __atomic_load_n(&test_siastore_rounds, __ATOMIC_RELAXED);
		while (__atomic_load_n(&test_siastore_rounds, __ATOMIC_RELAXED) == round)
			sched_yield();
	}
	__atomic_store_n(&test_siastore_done, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_siastore_put_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f = fopen(test_siastore_at(path, name), "we");

	CU_ASSERT_PTR_NOT_NULL(f);
	if (!f)
		return;
	fputs(text, f);
	fclose(f);
}

/* Files that another agent left are replaced, links that lead elsewhere too, and never followed. */
static void test_siastore_foreign_names(void)
{
	char path[PATH_MAX], secret[PATH_MAX], text[64];

	mkdir(test_siastore_at(path, "keys"), 0755);
	mkdir(test_siastore_at(path, "certs"), 0755);
	test_siastore_put_file("victim", "precious");
	test_siastore_put_file("certs/acme.host.cert.pem", "of another agent");
	test_siastore_put_file("keys/acme.third.key.pem", "of a third");
	CU_ASSERT_EQUAL(symlink(test_siastore_at(secret, "victim"),
				test_siastore_at(path, "keys/acme.host.key.pem")),
			0);
	CU_ASSERT_EQUAL(symlink(secret, test_siastore_at(path, "keys/.acme.host.key.pem.new")), 0);
	CU_ASSERT_EQUAL(symlink(secret, test_siastore_at(path, ".current.new")), 0);
	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), 1);
	test_siastore_read("victim", text);
	CU_ASSERT_STRING_EQUAL(text, "precious");
	test_siastore_read("keys/acme.third.key.pem", text);
	CU_ASSERT_STRING_EQUAL(text, "of a third");
}

/* A link in the place of a directory or of a file of a pair. */
static void test_siastore_foreign_links(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	char path[PATH_MAX], other[PATH_MAX];

	mkdir(test_siastore_at(other, "elsewhere"), 0755);
	CU_ASSERT_EQUAL(symlink(other, test_siastore_at(path, ".pairs")), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -ENOTDIR);
	unlink(path);
	test_siastore_put_file("keys", "");
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -ENOTDIR);
	unlink(test_siastore_at(path, "keys"));
	CU_ASSERT_EQUAL(symlink("elsewhere", test_siastore_at(path, "current")), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EEXIST);
	unlink(path);
	CU_ASSERT_EQUAL(symlink(".pairs/01", path), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EEXIST);
	unlink(path);
	CU_ASSERT_EQUAL(symlink(".pairs/1/../2", path), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EEXIST);
	unlink(path);
	test_siastore_put_file("current", "");
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EEXIST);
	unlink(path);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	mkdir(test_siastore_at(path, "keys/acme.host.key.pem"), 0755);
	CU_ASSERT_EQUAL(test_siastore_put(&s, 1), SIASTORE_E_LATE);
}

/* The link may stay when its pair is gone: then there is none. */
static void test_siastore_others_may_write(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(chmod(test_siastore_dir, 0775), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EPERM);
	CU_ASSERT_EQUAL(chmod(test_siastore_dir, 01757), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EPERM);
	CU_ASSERT_EQUAL(chmod(test_siastore_dir, 0755), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	siastore_close(&s);
	CU_ASSERT_EQUAL(chmod(test_siastore_at(path, "certs"), 0777), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EPERM);
	CU_ASSERT_EQUAL(siastore_open(&s, "/nonexistent/sia"), -ENOENT);
	CU_ASSERT_EQUAL(s.dir_fd, -1);
	CU_ASSERT_EQUAL(chmod(path, 0755), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	siastore_close(&s);
	if (geteuid() == 0) {
		CU_ASSERT_EQUAL(chown(test_siastore_dir, 1, 1), 0);
		CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), -EPERM);
	}
}

static uid_t test_siastore_owner(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return lstat(test_siastore_at(path, name), &st) == 0 ? st.st_uid : (uid_t)-1;
}

/* certd changes to another user than before. What the user of the directory has not put there, or
 * has put in other places, too, is not given away. */
static void test_siastore_gives(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	char path[PATH_MAX], secret[PATH_MAX];

	if (geteuid() != 0) {
		tap_skip("needs root to give files away");
		return;
	}
	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	CU_ASSERT_EQUAL(test_siastore_renew(2), 0);
	test_siastore_put_file("secret", "precious");
	CU_ASSERT_EQUAL(unlink(test_siastore_at(path, ".pairs/1/key.pem")), 0);
	CU_ASSERT_EQUAL(link(test_siastore_at(secret, "secret"), path), 0);
	CU_ASSERT_EQUAL(unlink(test_siastore_at(path, ".pairs/1/ca.cert.pem")), 0);
	test_siastore_put_file("other", "precious");
	CU_ASSERT_EQUAL(symlink(test_siastore_at(secret, "other"), path), 0);
	test_siastore_put_file(".pairs/2/stray", "");
	CU_ASSERT_EQUAL(chown(test_siastore_at(path, ".pairs/2/cert.pem"), 7, 7), 0);
	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	CU_ASSERT_EQUAL(siastore_give(s.pairs_fd, 1, 1), 0);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/1"), 1);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/1/key.pem"), 0);
	CU_ASSERT_EQUAL(test_siastore_owner("secret"), 0);
	CU_ASSERT_EQUAL(test_siastore_owner("other"), 0);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/1/ca.cert.pem"), 0);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/1/cert.pem"), 1);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/2/key.pem"), 1);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/2/cert.pem"), 7);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs/2/stray"), 0);
	CU_ASSERT_EQUAL(test_siastore_owner(".pairs"), 0);
}

static bool test_siastore_has(const char *name)
{
	char path[FILES_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", test_siastore_dir, name);
	return access(path, F_OK) == 0;
}

/* Whether a pair could be written is found out without leaving anything. */
static void test_siastore_tries(void)
{
	_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
	static const int errors[] = { ENOSPC, EROFS };

	CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
	test_siastore_written = 0;
	CU_ASSERT_EQUAL(siastore_try(&s), 0);
	CU_ASSERT_TRUE(test_siastore_written >= 16384); /* three files and a directory in blocks */
	CU_ASSERT_FALSE(test_siastore_has(".pairs/.room"));
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		int step = 1; /* the first only removes what a crash left */

		for (int r = -1; r != 0; step++) {
			test_siastore_clear_calls();
			test_siastore_stop_at = step;
			test_siastore_errno = errors[i];
			r = siastore_try(&s);
			CU_ASSERT_TRUE(r == 0 || r == -errors[i]);
			test_siastore_clear_calls();
		}
		CU_ASSERT_TRUE(step > 5);
		CU_ASSERT_EQUAL(siastore_try(&s), 0);
		CU_ASSERT_FALSE(test_siastore_has(".pairs/.room"));
	}
}

static void test_siastore_taken_away(void)
{
	static const char *const names[] = { "", "/.pairs", "/keys", "/certs" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(siastore_close) struct siastore s = SIASTORE_INIT;
		char path[FILES_PATH_MAX + 16], away[FILES_PATH_MAX + 32];

		test_siastore_setup();
		CU_ASSERT_EQUAL(siastore_open(&s, test_siastore_dir), 0);
		CU_ASSERT_TRUE(siastore_is_same(&s, test_siastore_dir));
		snprintf(path, sizeof(path), "%s%s", test_siastore_dir, names[i]);
		snprintf(away, sizeof(away), "%s.away", path);
		CU_ASSERT_EQUAL(rename(path, away), 0);
		CU_ASSERT_FALSE(siastore_is_same(&s, test_siastore_dir));
		CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
		CU_ASSERT_FALSE(siastore_is_same(&s, test_siastore_dir));
		siastore_close(&s);
		CU_ASSERT_FALSE(siastore_is_same(&s, test_siastore_dir));
	}
}

/* As the user of certd, in a directory of somebody else. */
static void test_siastore_not_writable(void)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		tap_skip("needs root to become somebody else");
		return;
	}
	CU_ASSERT_EQUAL(test_siastore_renew(1), 0);
	pid = fork();
	if (pid == 0) {
		/* Inside, because a checkout may be closed for others. */
		int r = chdir(test_siastore_dir) < 0 || setresuid(65534, 65534, 65534) < 0 ? 1 : 0;
		struct siastore s = SIASTORE_INIT;
		struct test_siastore_texts texts;
		struct siastore_pair pair = test_siastore_make(&texts, 2);

		r = r ? r : siastore_open(&s, ".");
		if (r == 0)
			r = siastore_stage(&s, &pair);
		_exit(r == -EACCES ? 0 : 1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(test_siastore_visible(), 1);
}

static const struct tap_test test_siastore_tests[] = {
	{ "layout", test_siastore_layout },
	{ "modes of directories", test_siastore_modes_of_directories },
	{ "keeps two", test_siastore_keeps_two },
	{ "stage and discard", test_siastore_stage_and_discard },
	{ "withdraws", test_siastore_withdraws },
	{ "one at a time", test_siastore_one_at_a_time },
	{ "other principal", test_siastore_other_principal },
	{ "killed at each step", test_siastore_killed_at_each_step },
	{ "first one killed at each step", test_siastore_first_killed_at_each_step },
	{ "each call fails", test_siastore_each_call_fails },
	{ "readers", test_siastore_readers },
	{ "foreign names", test_siastore_foreign_names },
	{ "foreign links", test_siastore_foreign_links },
	{ "others may write", test_siastore_others_may_write },
	{ "gives", test_siastore_gives },
	{ "tries", test_siastore_tries },
	{ "taken away", test_siastore_taken_away },
	{ "not writable", test_siastore_not_writable },
	{ 0 },
};

static const struct tap_suite test_siastore_suites[] = {
	{ "siastore", test_siastore_tests, test_siastore_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_siastore_suites);
}
