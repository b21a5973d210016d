/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/issuer.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/denylist.h"
#include "certs/ztsd/issuance.h"
#include "certs/ztsd/ztsends.h"
#include "certs/ztsd/ztsserve.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "common/timetext.h"
#include "common/tlsserver.h"

#define ISSUER_DRAIN_POLL_MS 20

struct issuer {
	const struct ztsdconf *conf;
	int listen_fd;
	struct event_base *base;
	SSL_CTX *tls;
	struct signer *signer;
	struct attestor *attestors[ZTSDCONF_PROVIDERS_MAX];
	struct ztsdb *db;
	struct committer *committer;
	struct ztsserve *serve;
	struct denylist *deny;
	struct stat deny_stat; /* when it was last read */
	struct issuance_env env;
	struct ztsstats stats, written;
	struct event *on_signal[3];
	struct event *on_stats, *on_deny, *on_drain, *on_watchdog;
	int watchdog_fd;
	uint64_t drain_until_ns;
	char stats_path[FILES_PATH_MAX];
	bool cannot_count; /* told once */
	uint64_t ends_ns;  /* when to look again whether our own certificates end */
	uint32_t heal_s; /* between the last try of a key that is down and the next; 0 = none yet */
	uint64_t heal_ns; /* when that is */
};

static void issuer_after_ms(struct event *ev, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(ev, &tv);
}

/* Deny-list */

/* Errors: 0; -errno, logged; then nobody is served until the file is good again. */
static int issuer_load_deny(struct issuer *s)
{
	char why[DENYLIST_ERROR_MAX];
	struct denylist *list = NULL;
	int r = denylist_load(s->conf->deny_file, &list, why);

	s->env.is_closed = r < 0;
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_DENYLIST_UNUSABLE,
			"%s; nothing is issued until it is whole again", why);
		ztsstats_count(&s->stats, PST_DENYLIST_UNUSABLE);
		return r;
	}
	denylist_free(s->deny);
	s->deny = list;
	s->env.deny = list;
	log_info("%s: %zu entries", s->conf->deny_file, denylist_size(list));
	return 0;
}

/* Notes how the file is now; true when that is not what was noted before. */
static bool issuer_deny_changed(struct issuer *s)
{
	struct stat st = { .st_size = -1 };
	bool same;

	(void)stat(s->conf->deny_file, &st);
	same = st.st_dev == s->deny_stat.st_dev && st.st_ino == s->deny_stat.st_ino &&
	       st.st_size == s->deny_stat.st_size &&
	       !memcmp(&st.st_mtim, &s->deny_stat.st_mtim, sizeof(st.st_mtim));
	s->deny_stat = st;
	return !same;
}

static void issuer_on_deny(evutil_socket_t fd, short what, void *arg)
{
	struct issuer *s = arg;

	/* A file that could not be read may be readable again without any change of its own. */
	if (issuer_deny_changed(s) || s->env.is_closed)
		(void)issuer_load_deny(s);
	issuer_after_ms(s->on_deny, 1000 * ISSUER_DENY_S);
}

static void issuer_start_deny(struct issuer *s)
{
	if (!*s->conf->deny_file)
		return;
	(void)issuer_deny_changed(s);
	(void)issuer_load_deny(s);
	issuer_after_ms(s->on_deny, 1000 * ISSUER_DENY_S);
}

/* Counters */

static void issuer_format_status(const struct issuer *s, char *ret, size_t cap)
{
	snprintf(ret, cap, "%" PRIu64 " instances, %" PRIu64 " registered, %" PRIu64 " refreshed",
		 s->stats.records, s->stats.issued[0], s->stats.issued[1]);
}

/* A token that went away is asked whether it is back, and loaded again. More and more rarely: it
 * may be there again with another PIN, and lock after some wrong ones. */
static void issuer_try_again(struct issuer *s)
{
	char why[SIGNER_WHY_MAX] = "out of memory";

	if (signer_start(s->signer, why) == 0) {
		log_info("the CA's key signs again");
		s->heal_s = 0;
		return;
	}
	s->heal_s = s->heal_s ? 2 * s->heal_s : ISSUER_HEAL_FIRST_S;
	if (s->heal_s > ISSUER_HEAL_LAST_S)
		s->heal_s = ISSUER_HEAL_LAST_S;
	s->heal_ns = clk_now_ns() + s->heal_s * CLK_NS_PER_S;
	log_pst(LOG_LEVEL_ERROR, PST_SIGNER_FAILED,
		"%s; nothing is issued until it signs again; tried again in %" PRIu32
		" s, or at once with SIGHUP",
		why, s->heal_s);
}

static void issuer_heal_key(struct issuer *s)
{
	if (signer_is_down(s->signer) && (!s->heal_s || clk_now_ns() >= s->heal_ns))
		issuer_try_again(s);
	s->stats.ca_key_usable = !signer_is_down(s->signer);
}

/* A life may be shorter than the time between two reminders. */
static void issuer_look_again(struct issuer *s, uint64_t wait_s)
{
	uint64_t at_ns = clk_now_ns() + wait_s * CLK_NS_PER_S;

	if (wait_s < ISSUER_ENDS_S && at_ns < s->ends_ns)
		s->ends_ns = at_ns;
}

/* Says when a certificate of ours ends, if that is soon, and what is @then.
 * Errors: 0; -EKEYEXPIRED; -EINVAL. */
static int issuer_tell_end(struct issuer *s, const X509 *cert, const char *path, const char *then,
			   uint64_t *ret_wall)
{
	uint64_t now_wall = clk_now_wall();
	char when[TIMETEXT_MAX];
	struct ztsends e;
	int r = ztsends_read(cert, &e);
	enum ztsends_word word = r == 0 ? ztsends_judge(&e, now_wall) : ZTSENDS_OVER;

	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_ISSUER_ENDS, "%s: its validity cannot be read", path);
		return r;
	}
	issuer_look_again(s, ztsends_wait(&e, now_wall));
	*ret_wall = e.ends_wall;
	timetext_stamp(e.ends_wall, when);
	if (word == ZTSENDS_OVER)
		log_pst(LOG_LEVEL_ERROR, PST_ISSUER_ENDS, "%s: ended at %s: %s", path, when, then);
	else if (word == ZTSENDS_SOON)
		log_pst(LOG_LEVEL_WARNING, PST_ISSUER_ENDS, "%s: ends at %s; then %s", path, when,
			then);
	return word == ZTSENDS_OVER ? -EKEYEXPIRED : 0;
}

/* Errors: 0; -EKEYEXPIRED when one has ended, and nobody can be served; -EINVAL; all logged. */
static int issuer_tell_ends(struct issuer *s)
{
	int ca, server;

	s->ends_ns = clk_now_ns() + ISSUER_ENDS_S * CLK_NS_PER_S;
	ca = issuer_tell_end(s, signer_cert(s->signer), s->conf->ca_cert, "nothing can be signed",
			     &s->stats.ca_expires_wall);
	server = issuer_tell_end(s, SSL_CTX_get0_certificate(s->tls), s->conf->cert,
				 "no host believes us", &s->stats.server_expires_wall);
	return ca < 0 ? ca : server;
}

static void issuer_write_stats(struct issuer *s)
{
	char status[128];
	int r;

	s->stats.commits = committer_read_stats(s->committer);
	r = ztsdb_count(s->db, &s->stats.records);
	if (r < 0)
		log_debug("records cannot be counted: %s", strerror(-r));
	if (!memcmp(&s->stats, &s->written, sizeof(s->stats)))
		return;
	s->written = s->stats;
	issuer_format_status(s, status, sizeof(status));
	(void)notify_status(status);
	r = ztsstats_write(&s->stats, s->stats_path);
	if (r < 0 && !s->cannot_count)
		log_warning("cannot write %s: %s; going on without it", s->stats_path,
			    strerror(-r));
	s->cannot_count = r < 0;
}

static void issuer_on_stats(evutil_socket_t fd, short what, void *arg)
{
	struct issuer *s = arg;

	issuer_heal_key(s);
	if (clk_now_ns() >= s->ends_ns)
		(void)issuer_tell_ends(s);
	issuer_write_stats(s);
	issuer_after_ms(s->on_stats, ISSUER_STATS_MS);
}

/* Start and end */

static void issuer_on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct issuer *s = arg;

	if (!ztsserve_n_conns(s->serve) || clk_now_ns() >= s->drain_until_ns)
		event_base_loopexit(s->base, NULL);
	else
		issuer_after_ms(s->on_drain, ISSUER_DRAIN_POLL_MS);
}

static void issuer_on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct issuer *s = arg;

	if (fd == SIGHUP) {
		if (*s->conf->deny_file)
			(void)issuer_load_deny(s);
		s->heal_s = 0;
		issuer_heal_key(s);
		return;
	}
	(void)notify_stopping();
	ztsserve_drain(s->serve);
	s->drain_until_ns = clk_now_ns() + ISSUER_DRAIN_MS * CLK_NS_PER_MS;
	issuer_after_ms(s->on_drain, 0);
}

static int issuer_make_events(struct issuer *s)
{
	static const int signals[3] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		s->on_signal[i] = evsignal_new(s->base, signals[i], issuer_on_signal, s);
		if (!s->on_signal[i] || event_add(s->on_signal[i], NULL) < 0)
			return -ENOMEM;
	}
	s->on_stats = event_new(s->base, -1, 0, issuer_on_stats, s);
	s->on_deny = event_new(s->base, -1, 0, issuer_on_deny, s);
	s->on_drain = event_new(s->base, -1, 0, issuer_on_drain, s);
	return s->on_stats && s->on_deny && s->on_drain ? 0 : -ENOMEM;
}

static void issuer_on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)notify_alive(fd);
}

static int issuer_start_watchdog(struct issuer *s)
{
	s->watchdog_fd = notify_open_watchdog();
	if (s->watchdog_fd < 0)
		return 0;
	s->on_watchdog = event_new(s->base, s->watchdog_fd, EV_READ | EV_PERSIST,
				   issuer_on_watchdog, NULL);
	return s->on_watchdog && event_add(s->on_watchdog, NULL) == 0 ? 0 : -ENOMEM;
}

static int issuer_open_tls(struct issuer *s)
{
	struct tlsserver_files files = { .cert = s->conf->cert,
					 .key = s->conf->key,
					 .ca = s->conf->client_ca,
					 .client_optional = true };
	const char *what = cakey_distrust(files.key);
	int r;

	if (what) {
		log_error("%s: %s; 'ztsd init' makes such a key", files.key, what);
		return -EINVAL;
	}
	what = "out of memory";
	r = tlsserver_open(&files, &s->tls, &what);
	if (r < 0)
		log_error("%s (cert %s, key %s, client_ca %s); 'ztsd init' makes all of them", what,
			  files.cert, files.key, files.ca);
	return r;
}

static int issuer_open_signer(struct issuer *s)
{
	struct cakey_spec key = { .key = s->conf->ca_key,
				  .provider = s->conf->ca_key_provider,
				  .pin_file = s->conf->ca_key_pin_file };
	char why[SIGNER_WHY_MAX] = "out of memory";
	int r = signer_open(s->conf->ca_cert, &key, &s->signer, why);

	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_SIGNER_FAILED, "%s; 'ztsd init' makes a CA", why);
	return r;
}

/* Errors: 0; -EKEYREJECTED as of issuer_run(); -EINVAL, -ENOMEM; logged. */
static int issuer_try_key(struct issuer *s)
{
	char why[SIGNER_WHY_MAX] = "out of memory";
	int r = signer_start(s->signer, why);

	if (r < 0 && signer_has_told_pin(s->signer)) {
		log_pst(LOG_LEVEL_ERROR, PST_SIGNER_FAILED,
			"%s; its PIN was told, and a token locks after some wrong ones: look, then "
			"start ztsd by hand",
			why);
		return -EKEYREJECTED;
	}
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_SIGNER_FAILED, "%s", why);
	return r;
}

int issuer_check(struct issuer *s)
{
	int ends = issuer_tell_ends(s);
	int r = issuer_try_key(s);

	if (r == 0 && *s->conf->deny_file)
		r = issuer_load_deny(s);
	return r < 0 ? r : ends;
}

static int issuer_open_attestors(struct issuer *s)
{
	char why[ATTESTOR_WHY_MAX] = "out of memory";
	int r = 0;

	for (size_t i = 0; i < s->conf->n_providers && r == 0; i++) {
		const struct ztsdconf_provider *p = &s->conf->providers[i];

		r = attestor_open(s->base, &p->spec, &s->attestors[i], why);
		if (r < 0)
			log_error("[provider %s] %s", p->name, why);
	}
	return r;
}

/* TLS turns what it waits for on and off some ten times in a connection: with a list of changes
 * the kernel hears of the last one only. */
static struct event_base *issuer_make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

int issuer_open(const struct ztsdconf *conf, int listen_fd, struct issuer **ret)
{
	_cleanup_(issuer_closep) struct issuer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->conf = conf;
	s->listen_fd = listen_fd;
	s->watchdog_fd = -1;
	s->base = issuer_make_base();
	r = s->base ? issuer_open_signer(s) : -ENOMEM;
	if (r == 0)
		r = issuer_open_tls(s);
	if (r == 0)
		r = issuer_open_attestors(s);
	if (r < 0)
		return r;
	*ret = steal_ptr(s);
	return 0;
}

static int issuer_open_store(struct issuer *s, const char *state_dir)
{
	char path[FILES_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/" ZTSDB_FILE, state_dir);
	r = committer_open(s->base, path, &s->committer);
	if (r == 0)
		r = ztsdb_open(path, false, &s->db);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_RECORDS_FAILED, "%s: %s", path, ztsdb_explain(r));
	return r;
}

static int issuer_open_serve(struct issuer *s)
{
	struct ztsserve_spec spec = { .conf = s->conf,
				      .tls = s->tls,
				      .listen_fd = s->listen_fd,
				      .env = &s->env,
				      .stats = &s->stats };
	int r;

	s->env.conf = s->conf;
	s->env.attestors = s->attestors;
	s->env.db = s->db;
	s->env.committer = s->committer;
	s->env.signer = s->signer;
	if (RAND_bytes((unsigned char *)&spec.seed, sizeof(spec.seed)) != 1)
		return -EIO;
	r = ztsserve_open(s->base, &spec, &s->serve);
	if (r < 0)
		log_error("cannot listen: %s", strerror(-r));
	return r;
}

static int issuer_start(struct issuer *s, const char *state_dir, const char *run_dir)
{
	int r = issuer_try_key(s);

	if (r == 0)
		r = issuer_make_events(s);
	if (r == 0)
		r = issuer_start_watchdog(s);
	snprintf(s->stats_path, sizeof(s->stats_path), "%s/ztsd.prom", run_dir);
	if (r == 0)
		r = issuer_open_store(s, state_dir);
	if (r == 0) {
		issuer_start_deny(s);
		r = issuer_open_serve(s);
	}
	return r;
}

int issuer_run(struct issuer *s, const char *state_dir, const char *run_dir)
{
	char listen[IP6_ENDPOINT_TEXT], status[128];
	int r = issuer_start(s, state_dir, run_dir);

	if (r < 0)
		return r;
	issuer_on_stats(-1, 0, s);
	issuer_format_status(s, status, sizeof(status));
	log_info("issues on %s for %zu providers; %s",
		 ip6_format_endpoint(&s->conf->listen, listen), s->conf->n_providers, status);
	(void)notify_ready(status);
	if (event_base_dispatch(s->base) < 0)
		return -EIO;
	issuer_write_stats(s);
	return 0;
}

static void issuer_free_events(struct issuer *s)
{
	struct event *const events[] = { s->on_signal[0], s->on_signal[1], s->on_signal[2],
					 s->on_stats,     s->on_deny,      s->on_drain,
					 s->on_watchdog };

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
}

/* First what answers those who wait, then what they wait at. */
static void issuer_close_serve(struct issuer *s)
{
	for (size_t i = 0; i < s->conf->n_providers; i++)
		attestor_close(s->attestors[i]);
	committer_close(s->committer);
	ztsserve_close(s->serve);
	ztsdb_close(s->db);
}

void issuer_close(struct issuer *s)
{
	if (!s)
		return;
	issuer_close_serve(s);
	issuer_free_events(s);
	if (s->base) {
		(void)event_base_loop(s->base, EVLOOP_NONBLOCK); /* connections that were ended */
		event_base_free(s->base);
	}
	SSL_CTX_free(s->tls);
	signer_free(s->signer);
	denylist_free(s->deny);
	closep(&s->watchdog_fd);
	free(s);
}

void issuer_closep(struct issuer **p)
{
	issuer_close(*p);
}
