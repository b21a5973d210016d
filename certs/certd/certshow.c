/* SPDX-License-Identifier: MIT */
#include "certs/certd/certshow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/timetext.h"

void certshow_count(struct certshow_counts *c, enum pst code)
{
	size_t i = 0;

	while (i < c->n && c->codes[i] != code)
		i++;
	if (i == CERTSHOW_CODES_MAX)
		i--;
	if (i == c->n) {
		c->codes[i] = code;
		c->n++;
	}
	c->counts[i]++;
}

/* "2026-11-21T10:00:00Z, 5 min ago", "..., in 7 h" */
static const char *certshow_when(const struct certstat *s, uint64_t wall, char ret[static 64])
{
	char time[24], age[24];

	if (!wall)
		snprintf(ret, 64, "never");
	else if (wall > s->now_wall)
		snprintf(ret, 64, "%s, in %s", timetext_stamp(wall, time),
			 timetext_span(wall - s->now_wall, age));
	else
		snprintf(ret, 64, "%s, %s ago", timetext_stamp(wall, time),
			 timetext_span(s->now_wall - wall, age));
	return ret;
}

static void certshow_line(struct buf *b, const char *name, const char *value)
{
	if (*value)
		buf_addf(b, "  %-10s %s\n", name, value);
}

static void certshow_action(struct buf *b, enum pst code)
{
	const struct pst_info *info = code ? pst_find(code) : NULL;

	if (info)
		buf_addf(b, "  %-10s PST-%04u: %s\n", "do", (unsigned int)info->code, info->action);
}

static void certshow_head(struct buf *b, const struct certstat *s)
{
	char age[24];

	if (s->ready) {
		buf_addf(b, "READY      %s, valid for another %s\n", s->self.principal,
			 timetext_span(s->not_after - s->now_wall, age));
		return;
	}
	buf_addf(b, "NOT READY  %s\n", s->reason);
	certshow_action(b, s->reason_code);
}

static void certshow_pair(struct buf *b, const struct certstat *s)
{
	char when[64];

	if (!s->serial[0]) {
		certshow_line(b, "serial", "none: no certificate in use");
		return;
	}
	certshow_line(b, "serial", s->serial);
	certshow_line(b, "begins", certshow_when(s, s->not_before, when));
	certshow_line(b, "ends", certshow_when(s, s->not_after, when));
	certshow_line(b, "renewal", certshow_when(s, s->renew, when));
}

static void certshow_attempts(struct buf *b, const struct certstat *s)
{
	char when[64];

	if (s->last_step == SCHEDULE_NONE)
		certshow_line(b, "last", "nothing tried yet");
	else if (s->last_code == PST_NONE)
		buf_addf(b, "  %-10s %s: done; %s\n", "last", schedule_step_name(s->last_step),
			 certshow_when(s, s->last_wall, when));
	else
		buf_addf(b, "  %-10s %s: PST-%04u %s%s%s; %s\n", "last",
			 schedule_step_name(s->last_step), (unsigned int)s->last_code,
			 pst_text(s->last_code), *s->last_detail ? ": " : "", s->last_detail,
			 certshow_when(s, s->last_wall, when));
	/* A failure that nobody feels yet; what is felt stands at the top. */
	if (s->last_step != SCHEDULE_NONE && s->last_code != s->reason_code)
		certshow_action(b, s->last_code);
	if (s->running != SCHEDULE_NONE)
		buf_addf(b, "  %-10s %s runs\n", "now", schedule_step_name(s->running));
	else if (s->next_wall <= s->now_wall)
		buf_addf(b, "  %-10s %s, now\n", "next", schedule_step_name(s->next_step));
	else
		buf_addf(b, "  %-10s %s; %s\n", "next", schedule_step_name(s->next_step),
			 certshow_when(s, s->next_wall, when));
	buf_addf(b, "  %-10s %" PRIu32 " in a row\n", "failures", s->failures);
}

int certshow_text(const struct certstat *s, char **ret)
{
	_cleanup_(buf_release) struct buf b = buf_init(CERTSHOW_BYTES_MAX);

	certshow_head(&b, s);
	certshow_line(&b, "principal", s->self.principal);
	certshow_line(&b, "provider", s->self.provider);
	certshow_line(&b, "instance", s->self.instance_id);
	certshow_line(&b, "region", s->self.region);
	certshow_line(&b, "account", s->self.account);
	certshow_pair(&b, s);
	certshow_attempts(&b, s);
	if (s->serial[0] && s->self.principal[0]) /* else there are none yet */
		buf_addf(&b,
			 "  %-10s %s/certs/%s.cert.pem\n"
			 "  %-10s %s/keys/%s.key.pem\n"
			 "  %-10s %s/certs/ca.cert.pem\n",
			 "files", s->sia_dir, s->self.principal, "", s->sia_dir, s->self.principal,
			 "", s->sia_dir);
	return buf_steal(&b, ret);
}

/* ---- JSON ---- */

/* The texts are printable ASCII: two characters need an escape. */
static void certshow_string(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "\"%s\":\"", name);
	for (const char *p = value; *p; p++)
		buf_addf(b, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
	buf_add(b, "\",");
}

static void certshow_number(struct buf *b, const char *name, uint64_t value)
{
	buf_addf(b, "\"%s\":%" PRIu64 ",", name, value);
}

/* A time as people read it, null when there is none. */
static void certshow_stamp(struct buf *b, const char *name, uint64_t wall)
{
	char time[24];

	if (wall)
		certshow_string(b, name, timetext_stamp(wall, time));
	else
		buf_addf(b, "\"%s\":null,", name);
}

static void certshow_code(struct buf *b, const char *name, enum pst code)
{
	if (code)
		buf_addf(b, "\"%s\":\"PST-%04u\",", name, (unsigned int)code);
	else
		buf_addf(b, "\"%s\":null,", name);
}

static void certshow_step(struct buf *b, const char *name, enum schedule_step step)
{
	if (step == SCHEDULE_NONE)
		buf_addf(b, "\"%s\":null,", name);
	else
		certshow_string(b, name, schedule_step_name(step));
}

static void certshow_file(struct buf *b, const char *name, const struct certstat *s,
			  const char *folder, const char *suffix)
{
	char path[CONF_VALUE_MAX + PRINCIPAL_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s/%s.%s.pem", s->sia_dir, folder, s->self.principal,
		 suffix);
	certshow_string(b, name, s->self.principal[0] ? path : "");
}

static void certshow_identity(struct buf *b, const struct certstat *s)
{
	certshow_string(b, "principal", s->self.principal);
	certshow_string(b, "provider", s->self.provider);
	certshow_string(b, "instance_id", s->self.instance_id);
	certshow_string(b, "region", s->self.region);
	certshow_string(b, "account", s->self.account);
	certshow_string(b, "serial", s->serial);
	certshow_stamp(b, "not_before", s->not_before);
	certshow_stamp(b, "not_after", s->not_after);
	certshow_stamp(b, "renews_at", s->renew);
	certshow_number(b, "seconds_left",
			s->not_after > s->now_wall ? s->not_after - s->now_wall : 0);
}

int certshow_json(const struct certstat *s, char **ret)
{
	_cleanup_(buf_release) struct buf b = buf_init(CERTSHOW_BYTES_MAX);
	char ca[CONF_VALUE_MAX + 32];

	buf_addf(&b, "{\"ready\":%s,", s->ready ? "true" : "false");
	certshow_code(&b, "reason_code", s->reason_code);
	certshow_string(&b, "reason", s->reason);
	certshow_identity(&b, s);
	certshow_step(&b, "running", s->running);
	certshow_step(&b, "last_step", s->last_step);
	certshow_stamp(&b, "last_at", s->last_wall);
	certshow_code(&b, "last_code", s->last_code);
	certshow_string(&b, "last_detail", s->last_detail);
	certshow_step(&b, "next_step", s->next_step);
	certshow_stamp(&b, "next_at", s->next_wall);
	certshow_stamp(&b, "last_success_at", s->done_wall);
	certshow_number(&b, "failures_in_a_row", s->failures);
	certshow_file(&b, "cert", s, "certs", "cert");
	certshow_file(&b, "key", s, "keys", "key");
	snprintf(ca, sizeof(ca), "%s/certs/ca.cert.pem", s->sia_dir);
	certshow_string(&b, "ca", ca);
	certshow_number(&b, "uptime_s", s->uptime_s);
	certshow_stamp(&b, "now", s->now_wall);
	if (b.len)
		b.text[b.len - 1] = '}'; /* in the place of the last comma */
	buf_add(&b, "\n");
	return buf_steal(&b, ret);
}

/* ---- metrics ---- */

static void certshow_gauge(struct buf *b, const char *name, const char *help, uint64_t value)
{
	buf_addf(b,
		 "# HELP postern_certd_%s %s\n"
		 "# TYPE postern_certd_%s gauge\n"
		 "postern_certd_%s %" PRIu64 "\n",
		 name, help, name, name, value);
}

int certshow_metrics(const struct certstat *s, const struct certshow_counts *c, char **ret)
{
	_cleanup_(buf_release) struct buf b = buf_init(CERTSHOW_BYTES_MAX);

	certshow_gauge(&b, "certificate_expiry_timestamp_seconds",
		       "notAfter of the certificate in use; 0 without one.", s->not_after);
	certshow_gauge(&b, "certificate_not_before_timestamp_seconds",
		       "notBefore of the certificate in use; 0 without one.", s->not_before);
	certshow_gauge(&b, "certificate_renewal_timestamp_seconds",
		       "When the certificate is to be renewed; 0 without one.", s->renew);
	certshow_gauge(&b, "last_success_timestamp_seconds",
		       "When the issuer gave a certificate last; 0 if never.", s->done_wall);
	certshow_gauge(&b, "failures_in_a_row", "Attempts since the last that succeeded.",
		       s->failures);
	certshow_gauge(&b, "ready", "1 when a valid certificate of this instance is in use.",
		       s->ready);
	buf_add(&b, "# HELP postern_certd_renewals_total Attempts since the start of certd, by "
		    "outcome.\n# TYPE postern_certd_renewals_total counter\n");
	for (size_t i = 0; i < c->n; i++) {
		if (c->codes[i])
			buf_addf(
				&b,
				"postern_certd_renewals_total{result=\"failed\",code=\"PST-%04u\"} "
				"%" PRIu64 "\n",
				(unsigned int)c->codes[i], c->counts[i]);
		else
			buf_addf(&b,
				 "postern_certd_renewals_total{result=\"ok\",code=\"\"} %" PRIu64
				 "\n",
				 c->counts[i]);
	}
	return buf_steal(&b, ret);
}
