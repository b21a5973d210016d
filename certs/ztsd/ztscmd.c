/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztscmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/principal.h"
#include "certs/ztsd/b64url.h"
#include "certs/ztsd/regtoken.h"
#include "certs/ztsd/ztsdb.h"
#include "certs/ztsd/ztsdconf.h"
#include "certs/ztsd/ztsshow.h"
#include "common/attr.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/sandbox.h"
#include "common/secret.h"
#include "common/timetext.h"

#define SECRET_FILE_BYTES 32 /* random ones, before base64 */
#define IDLE_BATCH 256       /* records that are removed in one transaction */
#define DAY_S UINT64_C(86400)

static int fail(int status, const char *object, const char *what)
{
	fprintf(stderr, "ztsctl: %s: %s\n", object, what);
	return status;
}

/* Prints what did not work and gives the exit status. */
static int fail_store(const struct ztsdb *db, const char *doing)
{
	return fail(ZTSCMD_FAILURE, doing, ztsdb_error(db));
}

/* ---- names ---- */

static bool is_domain(const char *name)
{
	char full[PRINCIPAL_MAX + 2];
	struct principal p;
	int len = snprintf(full, sizeof(full), "%.255s.s", name);

	return principal_parse(full, (size_t)len, &p) == 0 && !strncmp(p.name, name, strlen(name));
}

static bool is_of(const char *text, const char *allowed, size_t cap)
{
	size_t len = strlen(text);

	return len > 0 && len < cap && strspn(text, allowed) == len;
}

static bool is_provider(const char *name)
{
	return is_of(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-", PRINCIPAL_PROVIDER_MAX);
}

static bool is_service(const char *domain, const char *name)
{
	char full[2 * PRINCIPAL_MAX];
	struct principal p;
	int len = snprintf(full, sizeof(full), "%.255s.%.255s", domain, name);

	return is_of(name, "abcdefghijklmnopqrstuvwxyz0123456789_-", PRINCIPAL_MAX) &&
	       principal_parse(full, (size_t)len, &p) == 0;
}

/* The names of a domain command. */
static int check_names(const struct ztscmd *c)
{
	if (!is_domain(c->args[0]))
		return fail(ZTSCMD_USAGE, c->args[0],
			    "a domain is labels of a-z 0-9 _ - joined by dots, 253 bytes at most");
	for (size_t i = 0; i < c->n_services; i++)
		if (!is_service(c->args[0], c->services[i]))
			return fail(ZTSCMD_USAGE, c->services[i],
				    "a service is one label of a-z 0-9 _ -");
	for (size_t i = 0; i < c->n_providers; i++)
		if (!is_provider(c->providers[i]))
			return fail(ZTSCMD_USAGE, c->providers[i],
				    "a provider's name has only a-z 0-9 _ . -");
	if (c->n_providers && !c->n_services)
		return fail(ZTSCMD_USAGE, "--provider", "say which --service it may launch");
	if (c->account && c->account[0] &&
	    !is_of(c->account, "abcdefghijklmnopqrstuvwxyz0123456789_.-", ZTSDB_ACCOUNT_MAX))
		return fail(ZTSCMD_USAGE, c->account, "an account is digits, or a-z 0-9 _ . -");
	return ZTSCMD_OK;
}

/* ---- the store ---- */

/* As root: whoever owns the directory does the work, so that no file of it becomes root's. */
static int become_owner(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return -errno;
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	return sandbox_drop(st.st_uid, st.st_gid, 0);
}

/* Before ztsd's first start there is no directory yet. */
static int make_dir(const struct ztscmd *c)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *conf = NULL;
	struct conf_error error;
	uid_t uid = 0;
	gid_t gid = 0;
	int r = access(c->state_dir, F_OK) == 0 ? 0 : -errno;

	if (r != -ENOENT)
		return r;
	r = files_make_dir(c->state_dir, 0700);
	if (r < 0 || geteuid() != 0 || ztsdconf_load(c->config, &conf, &error) < 0 ||
	    !conf->user[0])
		return r;
	r = sandbox_find_user(conf->user, &uid, &gid);
	return r == 0 && chown(c->state_dir, uid, gid) < 0 ? -errno : r;
}

static int open_store(const struct ztscmd *c, bool create, struct ztsdb **ret)
{
	char path[FILES_PATH_MAX];
	int r = create ? make_dir(c) : 0;

	snprintf(path, sizeof(path), "%s/" ZTSDB_FILE, c->state_dir);
	if (r == 0)
		r = become_owner(c->state_dir);
	if (r == 0)
		r = ztsdb_open(path, create, ret);
	if (r == -ENOENT)
		return fail(ZTSCMD_FAILURE, path,
			    "there is none yet; 'ztsctl domain add' or a start of ztsd makes it");
	return r < 0 ? fail(ZTSCMD_FAILURE, path, ztsdb_explain(r)) : ZTSCMD_OK;
}

/* ---- output ---- */

/* The registry is listed in memory and printed afterwards: while a question is open SQLite cannot
 * shorten its log, and that would grow for as long as somebody reads our output in a pager. */
struct text {
	FILE *to;
	char *bytes;
	size_t len;
};

static int text_open(struct text *ret)
{
	*ret = (struct text){ .to = NULL };
	ret->to = open_memstream(&ret->bytes, &ret->len);
	return ret->to ? 0 : -ENOMEM;
}

/* Prints it unless @r says that it is of no use. Gives @r, or what went wrong here. */
static int text_close(struct text *t, int r)
{
	if (t->to && fclose(t->to) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		fwrite(t->bytes, 1, t->len, stdout);
	free(t->bytes);
	return r;
}

/* ---- domains ---- */

static int put_rights(struct ztsdb *db, const struct ztscmd *c, const char *service)
{
	struct ztsdb_service s = { 0 };
	int r;

	snprintf(s.domain, sizeof(s.domain), "%s", c->args[0]);
	snprintf(s.service, sizeof(s.service), "%s", service);
	if (!c->n_providers)
		return ztsdb_put_service(db, &s);
	for (size_t i = 0; i < c->n_providers; i++) {
		snprintf(s.provider, sizeof(s.provider), "%s", c->providers[i]);
		r = ztsdb_put_service(db, &s);
		if (r != 0)
			return r;
	}
	return 0;
}

/* In one transaction: the domain as it is, with what was given in its place, and its services. */
static int put_domain(struct ztsdb *db, const struct ztscmd *c, bool *ret_is_new)
{
	struct ztsdb_domain d = { 0 };
	int r = ztsdb_begin(db);

	if (r == 0)
		r = ztsdb_find_domain(db, c->args[0], &d);
	if (r < 0)
		return r;
	*ret_is_new = r == ZTSDB_E_NONE;
	snprintf(d.name, sizeof(d.name), "%s", c->args[0]);
	if (c->account)
		snprintf(d.account, sizeof(d.account), "%s", c->account);
	if (c->has_max_lifetime)
		d.max_lifetime_s = (uint32_t)c->max_lifetime_s;
	r = ztsdb_put_domain(db, &d);
	for (size_t i = 0; i < c->n_services && r == 0; i++)
		r = put_rights(db, c, c->services[i]);
	return r == 0 ? ztsdb_commit(db) : r;
}

/* A name that ztsd does not know is most likely a slip, but its section may come later. */
static void note_providers(const struct ztscmd *c)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *conf = NULL;
	struct conf_error error;

	if (!c->n_providers || ztsdconf_load(c->config, &conf, &error) < 0)
		return;
	for (size_t i = 0; i < c->n_providers; i++)
		if (!ztsdconf_find(conf, c->providers[i]))
			fprintf(stderr, "ztsctl: note: %s has no section [provider %s]\n",
				c->config, c->providers[i]);
}

static void print_rights(const struct ztscmd *c, const char *how)
{
	for (size_t i = 0; i < c->n_services; i++) {
		if (!c->n_providers)
			printf("service %s.%s: %s\n", c->args[0], c->services[i], how);
		for (size_t j = 0; j < c->n_providers; j++)
			printf("service %s.%s: provider %s %s\n", c->args[0], c->services[i],
			       c->providers[j], how);
	}
}

int ztscmd_domain_add(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	bool is_new = false;
	int r = check_names(c);

	if (r != ZTSCMD_OK)
		return r;
	note_providers(c); /* before the configuration may be out of reach */
	r = open_store(c, true, &db);
	if (r != ZTSCMD_OK)
		return r;
	if (put_domain(db, c, &is_new) != 0)
		return fail_store(db, "not added");
	printf("domain %s: %s\n", c->args[0], is_new ? "added" : "there, changed as asked");
	print_rights(c, c->n_providers ? "may launch it" : "there");
	return ZTSCMD_OK;
}

static int remove_rights(struct ztsdb *db, const struct ztscmd *c, const char *service)
{
	struct ztsdb_service s = { 0 };
	int r;

	snprintf(s.domain, sizeof(s.domain), "%s", c->args[0]);
	snprintf(s.service, sizeof(s.service), "%s", service);
	if (!c->n_providers)
		return ztsdb_remove_service(db, &s);
	for (size_t i = 0; i < c->n_providers; i++) {
		snprintf(s.provider, sizeof(s.provider), "%s", c->providers[i]);
		r = ztsdb_remove_service(db, &s);
		if (r != 0)
			return r;
	}
	return 0;
}

static int remove_all(struct ztsdb *db, const struct ztscmd *c)
{
	int r = ztsdb_begin(db);

	if (r == 0 && !c->n_services)
		r = ztsdb_remove_domain(db, c->args[0]);
	for (size_t i = 0; i < c->n_services && r == 0; i++)
		r = remove_rights(db, c, c->services[i]);
	return r == 0 ? ztsdb_commit(db) : r;
}

int ztscmd_domain_remove(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	int r = check_names(c);

	if (r == ZTSCMD_OK)
		r = open_store(c, false, &db);
	if (r != ZTSCMD_OK)
		return r;
	r = remove_all(db, c);
	if (r == ZTSDB_E_NONE)
		return fail(ZTSCMD_FAILURE, c->args[0],
			    c->n_services ?
				    "no such service or right of a provider; nothing removed" :
				    "no such domain");
	if (r < 0)
		return fail_store(db, "not removed");
	if (!c->n_services)
		printf("domain %s: removed; its instances get no new certificates\n", c->args[0]);
	print_rights(c, c->n_providers ? "may no longer launch it" : "removed");
	return ZTSCMD_OK;
}

/* A list of domains that is being printed. */
struct listing {
	struct ztsdb *db;
	struct ztsshow_table table;
	struct ztsshow_json json;
	const struct ztsdb_domain *domain; /* whose services come */
	const char *only;                  /* name of the one wanted; NULL = all */
	size_t n;                          /* rows */
};

static void domain_row(struct listing *l, const char *service, const char *provider)
{
	char lifetime[24] = "";
	const char *const cells[] = { l->domain->name, l->domain->account, lifetime, service,
				      provider };

	if (l->domain->max_lifetime_s)
		snprintf(lifetime, sizeof(lifetime), "%u", l->domain->max_lifetime_s);
	ztsshow_row(&l->table, cells);
	l->n++;
}

static int service_row(const struct ztsdb_service *s, void *user)
{
	domain_row(user, s->service, s->provider);
	return 0;
}

static int domain_rows(const struct ztsdb_domain *d, void *user)
{
	struct listing *l = user;
	size_t before = l->n;
	int r;

	if (l->only && strcmp(l->only, d->name) != 0)
		return 0;
	l->domain = d;
	r = ztsdb_list_services(l->db, d->name, service_row, l);
	if (r == 0 && l->n == before)
		domain_row(l, "", "");
	return r;
}

static int domain_object(const struct ztsdb_domain *d, void *user)
{
	struct listing *l = user;

	if (l->only && strcmp(l->only, d->name) != 0)
		return 0;
	l->n++;
	return ztsshow_json_domain(&l->json, l->db, d);
}

static int write_domains(struct listing *l, bool json, FILE *to)
{
	static const char *const head[] = { "DOMAIN", "ACCOUNT", "MAX LIFETIME S", "SERVICE",
					    "PROVIDER" };
	int r = 0;

	if (json) {
		ztsshow_json_begin(&l->json, to);
		r = ztsdb_list_domains(l->db, domain_object, l);
		ztsshow_json_end(&l->json);
		return r;
	}
	l->table = (struct ztsshow_table){ .to = to, .n_columns = ARRAY_SIZE(head) };
	for (int pass = 0; pass < 2 && r == 0; pass++) {
		l->table.is_printing = pass == 1;
		ztsshow_row(&l->table, head);
		r = ztsdb_list_domains(l->db, domain_rows, l);
	}
	return r;
}

static int print_domains(struct listing *l, bool json)
{
	struct text text;
	int r = text_open(&text);

	return text_close(&text, r == 0 ? write_domains(l, json, text.to) : r);
}

int ztscmd_domain_list(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	struct listing l = { .only = c->n_args ? c->args[0] : NULL };
	int r = open_store(c, false, &db);

	if (r != ZTSCMD_OK)
		return r;
	l.db = db;
	if (print_domains(&l, c->json) != 0)
		return fail_store(db, "domains");
	return l.only && !l.n ? fail(ZTSCMD_FAILURE, l.only, "no such domain") : ZTSCMD_OK;
}

/* ---- instances ---- */

static struct ztsdb_filter filter_of(const struct ztscmd *c)
{
	return (struct ztsdb_filter){ .provider = c->n_providers ? c->providers[0] : NULL,
				      .domain = c->domain,
				      .service = c->n_services ? c->services[0] : NULL,
				      .instance_id = c->n_args ? c->args[0] : c->instance_id };
}

static int instance_row(const struct ztsdb_instance *i, void *user)
{
	ztsshow_instance_row(user, i);
	return 0;
}

static int instance_object(const struct ztsdb_instance *i, void *user)
{
	return ztsshow_json_instance(user, i);
}

static int list_text(struct ztsdb *db, const struct ztsdb_filter *filter)
{
	struct ztsshow_table table = { .to = stdout };
	int r = 0;

	for (int pass = 0; pass < 2 && r == 0; pass++) {
		table.is_printing = pass == 1;
		ztsshow_instance_head(&table);
		r = ztsdb_list_instances(db, filter, instance_row, &table);
	}
	return r;
}

/* A list that broke off has no end, so that nobody takes it for a whole one. */
static int list_json(struct ztsdb *db, const struct ztsdb_filter *filter)
{
	struct ztsshow_json json;
	int r;

	ztsshow_json_begin(&json, stdout);
	r = ztsdb_list_instances(db, filter, instance_object, &json);
	if (r == 0)
		ztsshow_json_end(&json);
	return r;
}

int ztscmd_list(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	struct ztsdb_filter filter = filter_of(c);
	int r = open_store(c, false, &db);

	if (r != ZTSCMD_OK)
		return r;
	r = c->json ? list_json(db, &filter) : list_text(db, &filter);
	return r == 0 ? ZTSCMD_OK : fail_store(db, "instances");
}

/* The one record that the filter is to name. */
struct pick {
	struct ztsdb_instance instance;
	size_t n;
};

static int pick_one(const struct ztsdb_instance *i, void *user)
{
	struct pick *p = user;

	p->instance = *i;
	return p->n++ ? 1 : 0;
}

/* Gives the exit status. */
static int find_one(struct ztsdb *db, const struct ztscmd *c, struct ztsdb_instance *ret)
{
	struct ztsdb_filter filter = filter_of(c);
	struct pick p = { .n = 0 };

	if (ztsdb_list_instances(db, &filter, pick_one, &p) < 0)
		return fail_store(db, "instances");
	if (p.n == 0)
		return fail(ZTSCMD_FAILURE, c->args[0],
			    "no record of such an instance ('ztsctl list' shows all)");
	if (p.n > 1)
		return fail(ZTSCMD_FAILURE, c->args[0],
			    "more than one record: say --provider, --domain or --service, too");
	*ret = p.instance;
	return ZTSCMD_OK;
}

static struct ztsdb_key key_of(const struct ztsdb_instance *i)
{
	return (struct ztsdb_key){ i->provider, i->domain, i->service, i->instance_id };
}

int ztscmd_show(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	struct ztsdb_instance i;
	struct ztsshow_json json;
	int r = open_store(c, false, &db);

	if (r == ZTSCMD_OK)
		r = find_one(db, c, &i);
	if (r != ZTSCMD_OK)
		return r;
	if (!c->json) {
		ztsshow_instance_text(stdout, &i);
		return ZTSCMD_OK;
	}
	ztsshow_json_begin(&json, stdout);
	r = ztsshow_json_instance(&json, &i);
	ztsshow_json_end(&json);
	return r < 0 ? fail(ZTSCMD_FAILURE, c->args[0], strerror(-r)) : ZTSCMD_OK;
}

/* Finds one record, changes it by @change, gives the exit status. */
static int change_one(const struct ztscmd *c,
		      int (*change)(struct ztsdb *, const struct ztsdb_key *),
		      struct ztsdb_instance *ret)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	struct ztsdb_key key;
	int r = open_store(c, false, &db);

	if (r == ZTSCMD_OK)
		r = find_one(db, c, ret);
	if (r != ZTSCMD_OK)
		return r;
	key = key_of(ret);
	r = change(db, &key);
	if (r == ZTSDB_E_NONE)
		return fail(ZTSCMD_FAILURE, c->args[0], "its record has just gone");
	return r < 0 ? fail_store(db, c->args[0]) : ZTSCMD_OK;
}

static int do_reset(struct ztsdb *db, const struct ztsdb_key *key)
{
	return ztsdb_reset(db, key, clk_now_wall());
}

int ztscmd_revoke(const struct ztscmd *c)
{
	struct ztsdb_instance i;
	char until[TIMETEXT_MAX];
	int r = change_one(c, ztsdb_revoke, &i);

	if (r == ZTSCMD_OK)
		printf("%s of %s.%s, provider %s: blocked, neither refresh nor registration.\n"
		       "Its certificate is good until %s unless a deny file has this line:\n"
		       "instance %s\n",
		       i.instance_id, i.domain, i.service, i.provider,
		       timetext_stamp(i.expires_wall, until), i.instance_id);
	return r;
}

static int reset_all(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	int r;

	if (!c->yes)
		return fail(ZTSCMD_USAGE, "reset --all",
			    "every certificate made until now would be taken again; say --yes");
	r = open_store(c, false, &db);
	if (r != ZTSCMD_OK)
		return r;
	if (ztsdb_reset_all(db, clk_now_wall()) < 0)
		return fail_store(db, "not reset");
	printf("all instances that are not blocked: reset, every certificate made until now is "
	       "good for one more refresh\n");
	return ZTSCMD_OK;
}

int ztscmd_reset(const struct ztscmd *c)
{
	struct ztsdb_instance i;
	int r;

	if (c->all)
		return reset_all(c);
	r = change_one(c, do_reset, &i);
	if (r == ZTSCMD_OK)
		printf("%s of %s.%s, provider %s: reset (was %s), its next request is accepted "
		       "with any certificate made until now\n",
		       i.instance_id, i.domain, i.service, i.provider, ztsshow_state(i.state));
	return r;
}

/* Records that are looked for and removed some at a time, so that nobody waits for it to end. */
struct idle {
	struct ztsdb *db;
	uint64_t since_wall, now_wall;
	size_t n_found, n_removed;
	struct ztsdb_instance found[IDLE_BATCH];
};

/* In one transaction. What came into use since it was found stays. */
static int remove_found(struct idle *w)
{
	size_t n_removed = 0;
	int r = ztsdb_begin(w->db);

	for (size_t i = 0; i < w->n_found && r >= 0; i++) {
		struct ztsdb_key key = key_of(&w->found[i]);

		r = ztsdb_forget(w->db, &key, w->since_wall, w->now_wall);
		n_removed += r == 0;
	}
	if (r >= 0)
		r = ztsdb_commit(w->db);
	else
		ztsdb_rollback(w->db);
	w->n_found = 0;
	w->n_removed += r == 0 ? n_removed : 0;
	return r;
}

static int find_idle(const struct ztsdb_instance *i, void *user)
{
	struct idle *w = user;

	if (i->state == ZTSDB_BLOCKED || i->last_wall > w->since_wall ||
	    i->expires_wall > w->now_wall)
		return 0;
	w->found[w->n_found++] = *i;
	return w->n_found < IDLE_BATCH ? 0 : remove_found(w);
}

static int remove_idle(const struct ztscmd *c)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	struct ztsdb_filter filter = filter_of(c);
	static struct idle w;
	int r = open_store(c, false, &db);

	if (r != ZTSCMD_OK)
		return r;
	w.db = db;
	w.now_wall = clk_now_wall();
	w.since_wall = w.now_wall - c->idle_days * DAY_S;
	r = ztsdb_list_instances(db, &filter, find_idle, &w);
	if (r == 0)
		r = remove_found(&w);
	printf("records removed: %zu\n", w.n_removed);
	return r == 0 ? ZTSCMD_OK : fail_store(db, "not all were removed");
}

int ztscmd_remove(const struct ztscmd *c)
{
	struct ztsdb_instance i;
	int r;

	if (c->idle_days)
		return remove_idle(c);
	r = change_one(c, ztsdb_remove_instance, &i);
	if (r == ZTSCMD_OK)
		printf("%s of %s.%s, provider %s: record removed, it must register again\n",
		       i.instance_id, i.domain, i.service, i.provider);
	return r;
}

/* ---- tokens ---- */

/* The provider of kind token: the one that was named, or the only one there is. */
static int find_token_provider(const struct ztscmd *c, const struct ztsdconf *conf,
			       const struct ztsdconf_provider **ret)
{
	const char *name = c->n_providers ? c->providers[0] : NULL;
	const struct ztsdconf_provider *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < conf->n_providers; i++)
		if (conf->providers[i].is_token &&
		    (!name || !strcmp(name, conf->providers[i].name))) {
			found = &conf->providers[i];
			n++;
		}
	if (n == 0)
		return fail(ZTSCMD_CONFIG, name ? name : c->config,
			    "no such provider of kind token");
	if (n > 1)
		return fail(ZTSCMD_USAGE, c->config,
			    "more than one provider of kind token: say --provider");
	*ret = found;
	return ZTSCMD_OK;
}

/* From the command line alone, or from the configuration. */
static int load_secret(const struct ztscmd *c, struct regtoken *claims, struct regtoken_key *ret)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *conf = NULL;
	const struct ztsdconf_provider *provider = NULL;
	char why[REGTOKEN_WHY_MAX];
	struct conf_error error = { .text = "out of memory" };
	const char *path = c->key, *name = c->n_providers ? c->providers[0] : NULL;
	int r;

	if (path && !name)
		return fail(ZTSCMD_USAGE, "--key", "say --provider, too");
	if (!path) {
		if (ztsdconf_load(c->config, &conf, &error) < 0)
			return fail(ZTSCMD_CONFIG, "configuration", error.text);
		r = find_token_provider(c, conf, &provider);
		if (r != ZTSCMD_OK)
			return r;
		path = provider->token_key;
		name = provider->name;
	}
	snprintf(claims->provider, sizeof(claims->provider), "%s", name);
	if (regtoken_load_key(path, ret, why) < 0)
		return fail(ZTSCMD_CONFIG, "secret", why);
	return ZTSCMD_OK;
}

static int split_principal(const char *name, struct regtoken *claims)
{
	struct principal p;

	if (principal_parse(name, strlen(name), &p) != 0)
		return fail(ZTSCMD_USAGE, name, "not of the form <domain>.<service>");
	snprintf(claims->domain, sizeof(claims->domain), "%.*s", (int)p.domain_len, p.name);
	snprintf(claims->service, sizeof(claims->service), "%s", principal_service(&p));
	return ZTSCMD_OK;
}

int ztscmd_token(const struct ztscmd *c)
{
	_cleanup_(regtoken_wipe) struct regtoken_key key = { 0 };
	struct regtoken claims = { .expires_wall = clk_now_wall() + c->valid_s };
	char text[REGTOKEN_MAX], until[TIMETEXT_MAX];
	int r = split_principal(c->args[0], &claims);

	if (r != ZTSCMD_OK)
		return r;
	if (strlen(c->args[1]) >= sizeof(claims.instance_id))
		return fail(ZTSCMD_USAGE, "instance id", "127 bytes at most");
	snprintf(claims.instance_id, sizeof(claims.instance_id), "%s", c->args[1]);
	r = load_secret(c, &claims, &key);
	if (r != ZTSCMD_OK)
		return r;
	if (regtoken_make(&claims, &key, text) < 0)
		return fail(ZTSCMD_USAGE, c->args[1],
			    "an instance id has only A-Z a-z 0-9 . _ ~ = + @ $ : -");
	puts(text);
	fprintf(stderr,
		"ztsctl: registers instance %s of %s.%s with provider %s until %s; keep it "
		"secret\n",
		claims.instance_id, claims.domain, claims.service, claims.provider,
		timetext_stamp(claims.expires_wall, until));
	return ZTSCMD_OK;
}

static int write_secret(const char *path, const char *text, size_t len)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0) {
		int r = errno ? -errno : -EIO;

		unlink(path);
		return r;
	}
	return 0;
}

int ztscmd_key(const struct ztscmd *c)
{
	uint8_t bytes[SECRET_FILE_BYTES];
	char text[B64URL_CHARS(SECRET_FILE_BYTES) + 2];
	int r;

	if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1)
		return fail(ZTSCMD_FAILURE, c->args[0], "no random numbers");
	b64url_encode(bytes, sizeof(bytes), text);
	text[sizeof(text) - 2] = '\n';
	r = write_secret(c->args[0], text, sizeof(text) - 1);
	secret_wipe_bytes(bytes, sizeof(bytes));
	secret_wipe_bytes(text, sizeof(text));
	if (r == -EEXIST)
		return fail(ZTSCMD_FAILURE, c->args[0],
			    "exists and stays as it is: a new secret would end all tokens");
	if (r < 0)
		return fail(ZTSCMD_FAILURE, c->args[0], strerror(-r));
	printf("%s: a new secret; name it as token_key of a provider of kind token\n", c->args[0]);
	return ZTSCMD_OK;
}
