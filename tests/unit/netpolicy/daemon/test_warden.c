/* SPDX-License-Identifier: MIT */
/* netpolicyd as it is, over a real kernel, with real nft as the stranger. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/applylock.h"
#include "netpolicy/daemon/warden.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/daemon/lawfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct lawfixture test_f;
static struct batchfile test_one; /* policy 1, compiled once */

/* A running netpolicyd that enforces policy 1. False: the test is skipped. */
static bool test_ready(const char *option)
{
	char path[PATH_MAX + 64];

	if (!lawfixture_begin(&test_f))
		return false;
	if (!test_one.batch)
		lawfixture_make(1, &test_one);
	snprintf(path, sizeof(path), "%s/" LAWFILE_SAVED, test_f.dir);
	CU_ASSERT_EQUAL(batchfile_write(path, &test_one), 0);
	lawfixture_start(&test_f, option);
	return true;
}

static void test_end(void)
{
	lawfixture_end(&test_f);
}

/* True when the kernel holds policy 1 and nothing else. */
static bool test_is_intact(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	return applier_check(k, &test_one.expected, &result) == 0;
}

/* Waits until the daemon has repaired @n times and says that all is well. */
static bool test_repaired(uint64_t n)
{
	uint64_t end_ns = clk_now_ns() + 60 * CLK_NS_PER_S;
	const struct ctlwire_status *s;

	do {
		s = lawfixture_status(&test_f);
		if (s->n_repairs >= n && s->is_intact)
			return test_is_intact();
	} while (clk_now_ns() < end_ns);
	return false;
}

static const struct ctlwire_drift *test_last_drift(void)
{
	const struct ctlwire_answer *a = lawfixture_do(&test_f, CTLWIRE_DRIFT_LIST, 0);
	static const struct ctlwire_drift none;

	return a->n ? &a->drifts[a->n - 1] : &none;
}

/* Each kind of change, by a stranger: repaired, and told who did what. */
static void test_warden_repairs(void)
{
	static const struct {
		const char *nft, *what;
	} rows[] = {
		{ "flush ruleset", "the table is missing" },
		{ "delete table inet postern", "inet postern: the table is missing" },
		{ "delete table netdev postern_guard", "postern_guard: the table is missing" },
		{ "insert rule inet postern input accept", "a rule that is not ours" },
		{ "flush chain inet postern input", "chain input: rule 1 is missing" },
		{ "'flush chain inet postern input; flush chain inet postern services; "
		  "delete chain inet postern services'",
		  "services" },
		{ "rename chain inet postern services other", "chain other" },
		{ "add element inet postern net6 '{ 2001:db8:bad::1 }'", "2001:db8:bad::1" },
		{ "delete element inet postern net6 '{ 2001:db8:7::1 }'", "2001:db8:7::1" },
		{ "flush set inet postern net6", "element is missing" },
		{ "'chain inet postern input { policy accept; }'", "policy accept" },
		{ "'add chain inet postern own { type filter hook input priority 0; }'", "own" },
		{ "add counter inet postern mine", "mine" },
		{ "flush chain netdev postern_guard egress_eth0", "egress_eth0" },
		{ "add element inet postern grant_ssh6 '{ 2001:db8::bad }'", "2001:db8::bad" },
	};
	const struct ctlwire_drift *d;
	uint64_t n = 0;

	if (!test_ready("--no-owner"))
		return;
	CU_ASSERT_TRUE(test_repaired(0));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		netns_run("nft %s", rows[i].nft);
		if (!test_repaired(++n))
			tap_fail(__FILE__, __LINE__, "not repaired: %s", rows[i].nft);
		n = lawfixture_status(&test_f)->n_repairs;
		d = test_last_drift();
		if (!strstr(d->what, rows[i].what) || strcmp(d->command, "nft") != 0 || !d->pid ||
		    !d->repair_us || !d->n_differences)
			tap_fail(__FILE__, __LINE__, "%s: '%s' by %s (%u), %u us", rows[i].nft,
				 d->what, d->command, d->pid, d->repair_us);
	}
	netns_run("nft add table inet other; nft add counter inet other x");
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3010"));
	CU_ASSERT_EQUAL(lawfixture_status(&test_f)->n_repairs, n);
	netns_expect("nft list tables | grep -c 'inet other'", "1");
	test_end();
}

/* The loop, which nothing disturbs here, tells the service manager that it goes round. */
static void test_warden_gives_signs_of_life(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(closep) int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = manager, .events = POLLIN };
	char path[PATH_MAX], said[256] = "";
	unsigned int n = 0;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", tmpdir_path(path, "manager"));
	CU_ASSERT_EQUAL(bind(manager, (struct sockaddr *)&to, sizeof(to)), 0);
	setenv("NOTIFY_SOCKET", to.sun_path, 1);
	setenv("WATCHDOG_USEC", "100000", 1);
	if (test_ready("--no-owner")) {
		while (n < 3 && poll(&p, 1, 60000) == 1) {
			ssize_t len = recv(manager, said, sizeof(said) - 1, 0);

			said[len < 0 ? 0 : len] = '\0';
			n += !strcmp(said, "WATCHDOG=1");
		}
		CU_ASSERT_EQUAL(n, 3);
		test_end();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

/* The same again and again is one row; against a fighter the pace is slower, never none. */
static void test_warden_fights(void)
{
	const struct ctlwire_drift *d;

	if (!test_ready("--no-owner"))
		return;
	netns_run("seq %d | sed 's/.*/insert rule inet postern input accept/' | nft -i "
		  ">/dev/null; for i in $(seq 400); do nft flush chain inet postern input; done",
		  100);
	lawfixture_wait("for i in $(seq 200); do nft flush chain inet postern input; done");
	CU_ASSERT_TRUE(test_repaired(1));
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3011"));
	d = test_last_drift();
	CU_ASSERT_TRUE(d->times > 50);
	CU_ASSERT_TRUE(lawfixture_do(&test_f, CTLWIRE_DRIFT_LIST, 0)->n <= 4);
	test_end();
}

/* So many events that the kernel drops some: all is looked at. */
static void test_warden_overrun(void)
{
	if (!test_ready("--no-owner"))
		return;
	kill(test_f.pid, SIGSTOP);
	netns_run("for i in 1 2; do awk 'BEGIN { print \"add table inet other\"; "
		  "print \"add set inet other s { type ipv6_addr; }\"; "
		  "for (i = 1; i <= 60000; i++) printf \"add element inet other s { fd00::%%x:%%x }"
		  "\\n\", i / 65536, i %% 65536; print \"delete table inet other\" }' | nft -f -; "
		  "done; nft flush chain inet postern input");
	kill(test_f.pid, SIGCONT);
	CU_ASSERT_TRUE(test_repaired(1));
	CU_ASSERT_TRUE(lawfixture_status(&test_f)->n_overruns >= 1);
	test_end();
}

/* Where the kernel has owners, nobody else can change anything. */
static void test_warden_owns(void)
{
	if (!test_ready(NULL))
		return;
	if (!lawfixture_status(&test_f)->is_owner) {
		test_end();
		tap_skip("this kernel has no owner and persist");
		return;
	}
	netns_run("! nft insert rule inet postern input accept 2>/dev/null");
	netns_run("! nft delete table inet postern 2>/dev/null");
	netns_run("nft flush ruleset");
	CU_ASSERT_TRUE(test_is_intact());
	CU_ASSERT_EQUAL(lawfixture_status(&test_f)->n_repairs, 0);
	/* A policy goes in all the same, for it goes through us. */
	lawfixture_write(test_f.dir, LAWFILE_NEXT, 2);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 0)->result, 0);
	CU_ASSERT_TRUE(lawfixture_status(&test_f)->is_owner);
	netns_run("! nft insert rule inet postern input accept 2>/dev/null");
	test_end();
}

/* Killed, the rules stay; started again, they are ours again. */
static void test_warden_dies(void)
{
	if (!test_ready(NULL))
		return;
	CU_ASSERT_EQUAL(lawfixture_stop(&test_f, SIGKILL), 128 + SIGKILL);
	CU_ASSERT_TRUE(test_is_intact());
	netns_run("nft flush chain inet postern input");
	lawfixture_start(&test_f, NULL);
	CU_ASSERT_TRUE(test_is_intact());
	CU_ASSERT_EQUAL(lawfixture_stop(&test_f, SIGTERM), 0);
	CU_ASSERT_TRUE(test_is_intact());
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "the rules stay"));
	test_end();
}

/* No file, a damaged one, and one that holds what is not ours. */
static void test_warden_blind(void)
{
	if (!lawfixture_begin(&test_f))
		return;
	lawfixture_start(&test_f, "--no-owner");
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "the closed policy");
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3007"));
	netns_run("nft flush ruleset");
	lawfixture_wait("nft list chain inet postern input 2>/dev/null | grep -q 'closed: ND'");
	lawfixture_stop(&test_f, SIGTERM);
	/* Rules that look closed stay as they are; when they vanish, the closed ones come. */
	netns_run("nft insert rule inet postern output counter comment mine; "
		  "echo damaged > %s/" LAWFILE_SAVED,
		  test_f.dir);
	lawfixture_start(&test_f, "--no-owner");
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "an unknown policy");
	netns_expect("nft list chain inet postern output | grep -c mine", "1");
	netns_run("nft delete table inet postern");
	lawfixture_wait("nft list chain inet postern input 2>/dev/null | grep -q 'closed: ND'");
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "the closed policy");
	lawfixture_write(test_f.dir, LAWFILE_NEXT, 2);
	CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, 0)->result, 0);
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "policy 2");
	netns_run("nft delete table inet postern");
	lawfixture_wait("nft list chain inet postern services 2>/dev/null | grep -q 'dport 2 '");
	test_end();
}

/* The guard of an interface that comes later, goes, and comes again. */
static void test_warden_uplink(void)
{
	static const char guarded[] =
		"nft list chain netdev postern_guard egress_eth0 2>/dev/null | tr -d '\\n' | "
		"grep -q '\"eth0\".*2001:db8:c'";

	if (!lawfixture_begin(&test_f))
		return;
	netns_run("ip link del eth0");
	lawfixture_write(test_f.dir, LAWFILE_SAVED, 1);
	lawfixture_start(&test_f, NULL);
	for (int i = 0; i < 3; i++) {
		netns_run("ip link add eth0 type veth");
		lawfixture_wait(guarded);
		netns_run("ip link del eth0");
	}
	CU_ASSERT_EQUAL(lawfixture_status(&test_f)->n_repairs, 0);
	test_end();
}

static void test_warden_reloads(void)
{
	if (!test_ready(NULL))
		return;
	lawfixture_write(test_f.dir, LAWFILE_SAVED, 2);
	kill(test_f.pid, SIGHUP);
	lawfixture_wait("nft list chain inet postern services | grep -q 'dport 2 '");
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "policy 2");
	netns_run("echo damaged > %s/" LAWFILE_SAVED, test_f.dir);
	kill(test_f.pid, SIGHUP);
	while (!lawfixture_said(&test_f, "PST-3007"))
		lawfixture_status(&test_f);
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "policy 2");
	netns_expect("nft list chain inet postern services | grep -c 'dport 2 '", "1");
	test_end();
}

/* Who applies without netpolicyd holds the lock until kernel and file have the same policy. */
static void test_warden_waits(void)
{
	int lock = -1;
	pid_t writer;

	if (!test_ready(NULL))
		return;
	lawfixture_stop(&test_f, SIGTERM);
	unlink(test_f.socket);
	CU_ASSERT_EQUAL(applylock_take(test_f.dir, 0, &lock), 0);
	fflush(NULL);
	writer = fork();
	if (writer == 0) {
		netns_run("until [ -S %s ]; do :; done", test_f.socket);
		lawfixture_write(test_f.dir, LAWFILE_SAVED, 2);
		_exit(0); /* and lets go of the lock */
	}
	close(lock);
	lawfixture_start(&test_f, NULL);
	waitpid(writer, NULL, 0);
	CU_ASSERT_STRING_EQUAL(lawfixture_status(&test_f)->about, "policy 2");
	test_end();
}

static void test_warden_second(void)
{
	struct lawfixture other;

	if (!test_ready(NULL))
		return;
	other = test_f;
	netns_run("! %s/netpolicy/netpolicyd --state-dir %s --socket %s 2>/dev/null",
		  getenv("POSTERN_TEST_BUILD"), test_f.dir, test_f.socket);
	/* With a socket of its own it finds that the tables belong to another. */
	if (lawfixture_status(&test_f)->is_owner) {
		netns_run("! %s/netpolicy/netpolicyd --state-dir %s --socket %s.2 2>>%s",
			  getenv("POSTERN_TEST_BUILD"), other.dir, other.socket, other.log);
		CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3013"));
	}
	CU_ASSERT_TRUE(test_is_intact());
	test_end();
}

/* Recorded on a kernel that shows one rule less: what this one shows is what counts. */
static void test_warden_learns(void)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };

	if (!test_ready("--no-owner"))
		return;
	lawfixture_stop(&test_f, SIGTERM);
	lawfixture_make(1, &f);
	f.expected.n--;
	lawfixture_write_again(&test_f, &f);
	netns_run("mv %s/" LAWFILE_NEXT " %s/" LAWFILE_SAVED, test_f.dir, test_f.dir);
	netns_run("nft flush ruleset");
	lawfixture_start(&test_f, "--no-owner");
	CU_ASSERT_TRUE(test_is_intact());
	CU_ASSERT_TRUE(lawfixture_status(&test_f)->is_intact);
	CU_ASSERT_TRUE(lawfixture_said(&test_f, "PST-3005"));
	netns_run("nft flush chain inet postern forward");
	CU_ASSERT_TRUE(test_repaired(1));
	CU_ASSERT_EQUAL(lawfixture_status(&test_f)->n_repairs, 1);
	test_end();
}

static long test_rss_kb(void)
{
	char command[128], *text;
	long kb;

	snprintf(command, sizeof(command), "awk '/^VmRSS/ { print $2 }' /proc/%d/status",
		 test_f.pid);
	text = netns_output(command);
	kb = text ? strtol(text, NULL, 10) : 0;
	free(text);
	return kb;
}

static void test_churn(int rounds)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .seconds = 60 };

	snprintf(q.name, sizeof(q.name), "ssh");
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, "2001:db8::9", &q.addr), 1);
	for (int i = 0; i < rounds; i++) {
		lawfixture_write_again(&test_f, &test_one);
		CU_ASSERT_EQUAL(lawfixture_do(&test_f, CTLWIRE_APPLY, i % 3)->result, 0);
		q.op = CTLWIRE_GRANT_ADD;
		q.id = lawfixture_ask(&test_f, &q)->id;
		netns_run("nft flush ruleset");
		CU_ASSERT_TRUE(test_repaired(1));
		q.op = CTLWIRE_GRANT_END;
		CU_ASSERT_EQUAL(lawfixture_ask(&test_f, &q)->result, 0);
	}
}

/* Policies, repairs and grants come and go; the memory does not grow. A sanitizer keeps what was
 * freed, so there only the running is tried. */
static void test_warden_stays_small(void)
{
	long before, after;

	if (!test_ready("--no-owner"))
		return;
	test_churn(20);
	before = test_rss_kb();
	test_churn(60);
	after = test_rss_kb();
	tap_note("%ld kB, then %ld kB", before, after);
#ifndef __SANITIZE_ADDRESS__
	CU_ASSERT_TRUE(after <= before + 64);
	CU_ASSERT_TRUE(before < 2560);
#endif
	CU_ASSERT_TRUE(before > 0 && after > 0);
	test_end();
}

static void test_warden_power(void)
{
	char command[256];

	if (!test_ready(NULL))
		return;
	snprintf(command, sizeof(command),
		 "grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs):' /proc/%d/status | tr -d '\\t\\n'",
		 test_f.pid);
	netns_expect(command, "CapPrm:0000000000001000CapEff:0000000000001000"
			      "CapBnd:0000000000000000NoNewPrivs:1");
	test_end();
}

static void test_warden_options(void)
{
	if (!test_ready("--no-owner"))
		return;
	netns_run("%s/netpolicy/netpolicyd --help >/dev/null", getenv("POSTERN_TEST_BUILD"));
	netns_run("%s/netpolicy/netpolicyd --check --state-dir %s", getenv("POSTERN_TEST_BUILD"),
		  test_f.dir);
	kill(test_f.pid, SIGSTOP);
	netns_run("nft flush chain inet postern input; %s/netpolicy/netpolicyd --check "
		  "--state-dir %s 2>/dev/null; test $? = 1",
		  getenv("POSTERN_TEST_BUILD"), test_f.dir);
	kill(test_f.pid, SIGCONT);
	netns_run("%s/netpolicy/netpolicyd --check --state-dir /nowhere 2>/dev/null; test $? = 2",
		  getenv("POSTERN_TEST_BUILD"));
	netns_run("%s/netpolicy/netpolicyd more 2>/dev/null; test $? = 64",
		  getenv("POSTERN_TEST_BUILD"));
	test_end();
}

static const struct tap_test test_warden_tests[] = {
	{ "what a stranger changed is repaired and told", test_warden_repairs },
	{ "signs of life", test_warden_gives_signs_of_life },
	{ "against a fighter", test_warden_fights },
	{ "events are lost", test_warden_overrun },
	{ "the tables are owned", test_warden_owns },
	{ "killed, the rules stay", test_warden_dies },
	{ "without a policy", test_warden_blind },
	{ "an uplink that comes and goes", test_warden_uplink },
	{ "SIGHUP reads again", test_warden_reloads },
	{ "somebody applies while it starts", test_warden_waits },
	{ "a second one", test_warden_second },
	{ "a kernel that shows rules in another way", test_warden_learns },
	{ "memory does not grow", test_warden_stays_small },
	{ "without the powers of root", test_warden_power },
	{ "options", test_warden_options },
	{ 0 },
};

static const struct tap_suite test_warden_suites[] = {
	{ "warden", test_warden_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_warden_suites);

	batchfile_release(&test_one);
	return r;
}
