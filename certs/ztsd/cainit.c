/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/cainit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/athenzdns.h"
#include "certs/keypair.h"
#include "certs/ztsd/signer.h"
#include "common/files.h"
#include "common/secret.h"

#define CAINIT_BACKDATE_S 3600 /* for clocks that are behind */

enum cainit_file { CAINIT_CA_KEY, CAINIT_CA_CERT, CAINIT_SERVER_KEY, CAINIT_SERVER_CERT, CAINIT_N };

static const char *const cainit_files[CAINIT_N] = {
	[CAINIT_CA_KEY] = "ca.key.pem",
	[CAINIT_CA_CERT] = "ca.cert.pem",
	[CAINIT_SERVER_KEY] = "server.key.pem",
	[CAINIT_SERVER_CERT] = "server.cert.pem",
};

struct cainit {
	const struct cainit_spec *spec;
	uint64_t now_wall;
	struct csr_name names[CAINIT_NAMES_MAX];
	const struct csr_name *at[CAINIT_NAMES_MAX];
	char *why;
};

static void cainit_free_key(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static int cainit_fail(struct cainit *c, int r, const char *what)
{
	snprintf(c->why, CAINIT_WHY_MAX, "%s: %s", what, strerror(-r));
	return r;
}

static int cainit_path(const struct cainit *c, enum cainit_file file, char ret[FILES_PATH_MAX])
{
	int n = snprintf(ret, FILES_PATH_MAX, "%s/%s", c->spec->dir, cainit_files[file]);

	return n < 0 || n >= FILES_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int cainit_check_absent(struct cainit *c)
{
	char path[FILES_PATH_MAX];
	struct stat st;

	for (int i = c->spec->ca_key.key ? CAINIT_CA_CERT : CAINIT_CA_KEY; i < CAINIT_N; i++) {
		if (cainit_path(c, (enum cainit_file)i, path) < 0)
			return cainit_fail(c, -ENAMETOOLONG, c->spec->dir);
		if (lstat(path, &st) == 0) {
			snprintf(c->why, CAINIT_WHY_MAX,
				 "%.400s is there already; nothing was changed", path);
			return -EEXIST;
		}
	}
	return 0;
}

static int cainit_write(struct cainit *c, enum cainit_file file, const char *text, mode_t mode)
{
	char path[FILES_PATH_MAX];
	int r = cainit_path(c, file, path);

	if (r == 0)
		r = files_write(path, text, strlen(text), mode);
	return r < 0 ? cainit_fail(c, r, cainit_files[file]) : 0;
}

/* Makes a key and writes it. Gives *ret. */
static int cainit_make_key(struct cainit *c, enum cainit_file file, EVP_PKEY **ret)
{
	_cleanup_(cainit_free_key) EVP_PKEY *key = NULL;
	char *text = NULL;
	int r = keypair_generate(CERTCONF_EC_P256, &key);

	if (r == 0)
		r = keypair_write_key(key, &text);
	if (r < 0)
		return cainit_fail(c, r, "a new key");
	r = cainit_write(c, file, text, 0600);
	secret_wipe_bytes(text, strlen(text));
	free(text);
	if (r == 0)
		*ret = steal_ptr(key);
	return r;
}

static int cainit_order(const struct cainit *c, EVP_PKEY *key,
			char serial[static SIGNER_SERIAL_MAX], struct signer_order *ret)
{
	*ret = (struct signer_order){
		.key = key,
		.serial = serial,
		.not_before_wall = c->now_wall - CAINIT_BACKDATE_S,
		.not_after_wall = c->now_wall + (uint64_t)c->spec->days * 86400,
	};
	return signer_make_serial(serial);
}

/* Signs itself with @key, which is @there's, or new. */
static int cainit_make_root(struct cainit *c, EVP_PKEY *key, const struct cakey *there)
{
	char serial[SIGNER_SERIAL_MAX], reason[CAINIT_WHY_MAX / 2];
	struct signer_order order;
	char *text = NULL;
	int r = cainit_order(c, key, serial, &order);

	order.common_name = c->spec->name;
	if (r == 0)
		r = signer_make_root(&order, there, &text);
	cakey_reason(reason, sizeof(reason));
	if (r < 0) {
		snprintf(c->why, CAINIT_WHY_MAX, "the key cannot sign the CA's certificate%s",
			 reason);
		return r;
	}
	r = cainit_write(c, CAINIT_CA_CERT, text, 0644);
	free(text);
	return r;
}

static int cainit_make_ca(struct cainit *c)
{
	_cleanup_(cainit_free_key) EVP_PKEY *made = NULL;
	_cleanup_(cakey_closep) struct cakey *there = NULL;
	int r;

	if (!c->spec->ca_key.key) {
		r = cainit_make_key(c, CAINIT_CA_KEY, &made);
		return r == 0 ? cainit_make_root(c, made, NULL) : r;
	}
	r = cakey_open(&c->spec->ca_key, &there, c->why);
	if (r == 0)
		r = cakey_load(there, c->why);
	return r == 0 ? cainit_make_root(c, cakey_get(there), there) : r;
}

static int cainit_open_signer(struct cainit *c, struct signer **ret)
{
	char cert[FILES_PATH_MAX], made[FILES_PATH_MAX];
	struct cakey_spec key = c->spec->ca_key;
	_cleanup_(signer_freep) struct signer *s = NULL;
	char *base = NULL;
	int r;

	/* A key that is no absolute path is taken for a URI. */
	base = realpath(c->spec->dir, NULL);
	if (!base)
		return cainit_fail(c, -errno, c->spec->dir);
	snprintf(cert, sizeof(cert), "%s/%s", base, cainit_files[CAINIT_CA_CERT]);
	snprintf(made, sizeof(made), "%s/%s", base, cainit_files[CAINIT_CA_KEY]);
	free(base);
	if (!key.key)
		key.key = made;
	snprintf(c->why, CAINIT_WHY_MAX, "out of memory");
	r = signer_open(cert, &key, &s, c->why);
	if (r == 0)
		r = signer_start(s, c->why);
	if (r == 0)
		*ret = steal_ptr(s);
	return r;
}

static int cainit_make_server(struct cainit *c)
{
	_cleanup_(cainit_free_key) EVP_PKEY *key = NULL;
	_cleanup_(signer_freep) struct signer *signer = NULL;
	char serial[SIGNER_SERIAL_MAX];
	struct signer_order order;
	char *text = NULL;
	int r = cainit_open_signer(c, &signer);

	if (r == 0)
		r = cainit_make_key(c, CAINIT_SERVER_KEY, &key);
	if (r < 0)
		return r;
	r = cainit_order(c, key, serial, &order);
	order.common_name = c->spec->names[0];
	order.names = c->at;
	order.n_names = c->spec->n_names;
	order.purposes = SIGNER_PURPOSE_SERVER;
	if (r == 0)
		r = signer_issue(signer, &order, &text);
	if (r < 0)
		return cainit_fail(c, r, "the certificate of the listener");
	r = cainit_write(c, CAINIT_SERVER_CERT, text, 0644);
	free(text);
	return r;
}

static int cainit_take_names(struct cainit *c)
{
	struct in6_addr ignored;

	for (size_t i = 0; i < c->spec->n_names; i++) {
		const char *text = c->spec->names[i];
		bool is_ip = inet_pton(AF_INET6, text, &ignored) == 1 ||
			     inet_pton(AF_INET, text, &ignored) == 1;

		if (!is_ip && !athenzdns_is_name(text)) {
			snprintf(c->why, CAINIT_WHY_MAX,
				 "'%.200s' is neither a DNS name nor an address", text);
			return -EINVAL;
		}
		c->names[i].kind = is_ip ? CSR_IP : CSR_DNS;
		snprintf(c->names[i].text, sizeof(c->names[i].text), "%s", text);
		c->at[i] = &c->names[i];
	}
	return 0;
}

int cainit_make(const struct cainit_spec *spec, uint64_t now_wall,
		char ret_why[static CAINIT_WHY_MAX])
{
	struct cainit c = { .spec = spec, .now_wall = now_wall, .why = ret_why };
	int r = cainit_take_names(&c);

	if (r < 0)
		return r;
	r = files_make_path(spec->dir, 0755);
	if (r < 0)
		return cainit_fail(&c, r, spec->dir);
	r = cainit_check_absent(&c);
	if (r == 0)
		r = cainit_make_ca(&c);
	if (r == 0)
		r = cainit_make_server(&c);
	return r;
}
