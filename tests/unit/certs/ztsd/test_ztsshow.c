/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/ztsshow.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static const struct ztsdb_instance sample = {
	.provider = "athenz.aws.us-east-1",
	.domain = "vespa.tenant",
	.service = "host",
	.instance_id = "i-01",
	.current = "a1",
	.state = ZTSDB_STALE,
	.reset_wall = 0,
	.addr = "2001:db8::1",
	.first_wall = 1700000000,
	.last_wall = 1700000001,
	.expires_wall = 1700003600,
};

static void test_table(void)
{
	static const char *const rows[][3] = { { "A", "LONG", "C" },
					       { "xxx", "", "" },
					       { "", "y", "zzzz" } };
	char *text = NULL;
	size_t len = 0;
	struct ztsshow_table t = { .to = open_memstream(&text, &len), .n_columns = 3 };

	for (int pass = 0; pass < 2; pass++) {
		t.is_printing = pass == 1;
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			ztsshow_row(&t, rows[i]);
		fflush(t.to);
		CU_ASSERT(pass == 1 || len == 0);
	}
	fclose(t.to);
	CU_ASSERT_STRING_EQUAL(text, "A    LONG  C\n"
				     "xxx  -     -\n"
				     "-    y     zzzz\n");
	free(text);
}

static void test_instance(void)
{
	static const char want[] = "instance         i-01\n"
				   "service          vespa.tenant.host\n"
				   "provider         athenz.aws.us-east-1\n"
				   "state            stale\n"
				   "serial           a1\n"
				   "previous serial  -\n"
				   "address          2001:db8::1\n"
				   "registered       2023-11-14T22:13:20Z\n"
				   "last request     2023-11-14T22:13:21Z\n"
				   "expires          2023-11-14T23:13:20Z\n"
				   "reset            -\n";
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	struct ztsshow_table t = { .to = to, .is_printing = true };

	ztsshow_instance_text(to, &sample);
	fflush(to);
	CU_ASSERT_STRING_EQUAL(text, want);
	rewind(to);
	ztsshow_instance_head(&t);
	ztsshow_instance_row(&t, &sample);
	fclose(to);
	CU_ASSERT_EQUAL(strncmp(text, "INSTANCE  SERVICE  PROVIDER", 27), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\ni-01  vespa.tenant.host  athenz.aws.us-east-1"));
	free(text);
}

static int print_two(char **ret, size_t *ret_len, size_t n)
{
	struct ztsshow_json j;
	FILE *to = open_memstream(ret, ret_len);
	int r = 0;

	ztsshow_json_begin(&j, to);
	for (size_t i = 0; i < n && r == 0; i++)
		r = ztsshow_json_instance(&j, &sample);
	ztsshow_json_end(&j);
	fclose(to);
	return r;
}

static void test_json(void)
{
	for (size_t n = 0; n < 3; n++) {
		char *text = NULL;
		size_t len = 0;
		json_t *list, *first;

		CU_ASSERT_EQUAL(print_two(&text, &len, n), 0);
		list = json_loads(text, 0, NULL);
		CU_ASSERT_EQUAL(json_array_size(list), n);
		first = json_array_get(list, 0);
		if (first) {
			CU_ASSERT_EQUAL(json_object_size(first), 12);
			CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(first, "state")),
					       "stale");
			CU_ASSERT_EQUAL(json_integer_value(json_object_get(first, "expires_s")),
					1700003600);
		}
		json_decref(list);
		free(text);
	}
}

static int run_json(void *ctx)
{
	FILE *to = ctx;
	struct ztsshow_json j = { .to = to };

	return ztsshow_json_instance(&j, &sample);
}

static void test_memory(void)
{
	FILE *to = fopen("/dev/null", "we");

	json_set_alloc_funcs(malloc, free);
	CU_ASSERT(torture(run_json, to) > 10);
	fclose(to);
}

static void test_words(void)
{
	CU_ASSERT_STRING_EQUAL(ztsshow_state(ZTSDB_LIVE), "live");
	CU_ASSERT_STRING_EQUAL(ztsshow_state(ZTSDB_BLOCKED), "blocked");
}

static const struct tap_test tests[] = {
	{ "tables are aligned", test_table },
	{ "an instance as text", test_instance },
	{ "lists of none, one and two in JSON", test_json },
	{ "out of memory", test_memory },
	{ "states", test_words },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "ztsshow", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
