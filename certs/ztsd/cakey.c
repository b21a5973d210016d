/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/cakey.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "certs/keypair.h"
#include "common/files.h"
#include "common/secret.h"

#define CAKEY_REASON_MAX 256
#define CAKEY_WHAT_MAX 160
#define CAKEY_FILE_SCHEME "file:"
#define CAKEY_URI_PIN "pin-value="

struct cakey {
	char *key_name, *provider_name;
	char pin[CAKEY_PIN_MAX];
	bool has_pin, has_told_pin;
	EVP_PKEY *key;
	OSSL_LIB_CTX *ctx; /* with all below: of a token only */
	OSSL_PROVIDER *base, *provider;
	char query[CAKEY_WHAT_MAX]; /* prefers the provider that has the key */
	UI_METHOD *ask;
};

static void cakey_free_bio(BIO **p)
{
	BIO_free(*p);
}

/* From the first PIN to the last, should somebody say two. */
void cakey_redact(const char *key, char ret[static CAKEY_URI_MAX])
{
	const char *at = strcasestr(key, CAKEY_URI_PIN), *end, *more;

	if (!at) {
		snprintf(ret, CAKEY_URI_MAX, "%s", key);
		return;
	}
	at += strlen(CAKEY_URI_PIN);
	end = at + strcspn(at, "&");
	while ((more = strcasestr(end, CAKEY_URI_PIN)))
		end = more + strcspn(more, "&");
	snprintf(ret, CAKEY_URI_MAX, "%.*s...%s", (int)(at - key), key, end);
}

/* An error of the system is what another loader says that was tried, too. A provider puts its own
 * words into the data; a loader puts the URI there. */
void cakey_reason(char *ret, size_t cap)
{
	char shown[CAKEY_URI_MAX] = "";
	const char *data = "", *reason = NULL;
	unsigned long e = 0;
	int flags = 0;

	while (!reason && (e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0)
		if (!ERR_SYSTEM_ERROR(e))
			reason = ERR_reason_error_string(e);
	if (reason && (flags & ERR_TXT_STRING))
		cakey_redact(data, shown);
	if (reason)
		snprintf(ret, cap, " (%s%s%s)", reason, *shown ? ": " : "", shown);
	else
		snprintf(ret, cap, "%s", "");
	ERR_clear_error();
}

/* Notes what is wrong with the key or a file of that name. Always -EINVAL. */
static int cakey_fail(char ret_why[static CAKEY_WHY_MAX], const char *name, const char *what)
{
	char shown[CAKEY_URI_MAX], reason[CAKEY_REASON_MAX];

	cakey_redact(name, shown);
	cakey_reason(reason, sizeof(reason));
	snprintf(ret_why, CAKEY_WHY_MAX, "%s: %s%s", shown, what, reason);
	return -EINVAL;
}

/* Whoever has such a file can be anybody: one that all may read is not taken. */
const char *cakey_distrust(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	return st.st_mode & 07 ? "everybody may read or write this file: chmod o=" : NULL;
}

static int cakey_read_pin(struct cakey *k, const char *path, char ret_why[static CAKEY_WHY_MAX])
{
	_cleanup_(files_freep) uint8_t *text = NULL;
	const char *what = cakey_distrust(path);
	size_t len = 0;
	int r = what ? 0 : files_read(path, CAKEY_PIN_MAX - 1, &text, &len);

	if (what || r < 0)
		return cakey_fail(ret_why, path, what ? what : strerror(-r));
	memcpy(k->pin, text, strcspn((char *)text, "\r\n"));
	secret_wipe_bytes(text, len);
	k->has_pin = *k->pin;
	return k->has_pin ? 0 : cakey_fail(ret_why, path, "no PIN in its first line");
}

static int cakey_read_file(struct cakey *k, char ret_why[static CAKEY_WHY_MAX])
{
	_cleanup_(files_freep) uint8_t *pem = NULL;
	_cleanup_(cakey_free_bio) BIO *bio = NULL;
	const char *what = cakey_distrust(k->key_name);
	size_t len = 0;
	int r = what ? 0 : files_read(k->key_name, KEYPAIR_KEY_MAX, &pem, &len);

	if (what || r < 0)
		return cakey_fail(ret_why, k->key_name, what ? what : strerror(-r));
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio)
		k->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, k->pin);
	secret_wipe_bytes(pem, len);
	ERR_clear_error(); /* of PEM it knows less than we say */
	if (k->key)
		return 0;
	return cakey_fail(ret_why, k->key_name,
			  k->has_pin ? "no private key in PEM, or another passphrase" :
				       "no private key in PEM, or one with a passphrase");
}

/* What OpenSSL and its providers ask for a PIN. There is nobody at a terminal. */
static int cakey_tell_pin(char *buf, int size, int rwflag, void *arg)
{
	struct cakey *k = arg;
	size_t len = k->has_pin ? strlen(k->pin) : 0;

	if (!len || len > (size_t)size)
		return -1;
	memcpy(buf, k->pin, len);
	k->has_told_pin = true;
	return (int)len;
}

int cakey_open(const struct cakey_spec *spec, struct cakey **ret,
	       char ret_why[static CAKEY_WHY_MAX])
{
	_cleanup_(cakey_closep) struct cakey *k = calloc(1, sizeof(*k));
	int r = 0;

	if (!k)
		return -ENOMEM;
	k->key_name = strdup(spec->key);
	k->provider_name = strdup(spec->provider ? spec->provider : "");
	k->ask = UI_UTIL_wrap_read_pem_callback(cakey_tell_pin, 0);
	if (!k->key_name || !k->provider_name || !k->ask)
		return -ENOMEM;
	if (spec->pin_file && *spec->pin_file)
		r = cakey_read_pin(k, spec->pin_file, ret_why);
	if (r == 0 && !cakey_is_token(k))
		r = cakey_read_file(k, ret_why);
	if (r == 0)
		*ret = steal_ptr(k);
	return r;
}

bool cakey_is_token(const struct cakey *k)
{
	return *k->key_name != '/';
}

static void cakey_unload(struct cakey *k)
{
	EVP_PKEY_free(k->key);
	k->key = NULL;
	if (k->provider)
		OSSL_PROVIDER_unload(k->provider);
	if (k->base)
		OSSL_PROVIDER_unload(k->base);
	OSSL_LIB_CTX_free(k->ctx);
	k->provider = k->base = NULL;
	k->ctx = NULL;
}

/* The default provider comes first: what it can do, no token is asked for. */
static int cakey_load_providers(struct cakey *k, char ret_why[static CAKEY_WHY_MAX])
{
	char what[CAKEY_WHAT_MAX];

	k->ctx = OSSL_LIB_CTX_new();
	UI_set_default_method((UI_METHOD *)UI_null()); /* PKCS#11's would ask at the terminal */
	k->base = k->ctx ? OSSL_PROVIDER_load(k->ctx, "default") : NULL;
	if (!k->base)
		return -ENOMEM;
	if (CONF_modules_load_file_ex(k->ctx, NULL, NULL, CONF_MFLAGS_IGNORE_MISSING_FILE) <= 0)
		return cakey_fail(ret_why, k->key_name, "openssl.cnf cannot be used");
	if (!*k->provider_name)
		return 0;
	k->provider = OSSL_PROVIDER_load(k->ctx, k->provider_name);
	if (k->provider)
		return 0;
	snprintf(what, sizeof(what), "OpenSSL cannot load its provider '%s'; is it installed?",
		 k->provider_name);
	return cakey_fail(ret_why, k->key_name, what);
}

/* Takes the keys that the store has; says how many, 2 for more than one. */
static int cakey_take_keys(struct cakey *k, OSSL_STORE_CTX *store)
{
	int n = 0;

	(void)OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
	while (n < 2 && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);

		if (!info && OSSL_STORE_error(store))
			break;
		if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY && n++ == 0)
			k->key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	return n;
}

static int cakey_find(struct cakey *k, char ret_why[static CAKEY_WHY_MAX])
{
	OSSL_STORE_CTX *store = OSSL_STORE_open_ex(k->key_name, k->ctx, NULL, k->ask, k, NULL, NULL,
						   NULL);
	int n;

	if (!store)
		return cakey_fail(ret_why, k->key_name,
				  "no provider can open it; is the right one in ca_key_provider "
				  "or openssl.cnf?");
	n = cakey_take_keys(k, store);
	OSSL_STORE_close(store);
	if (k->key)
		snprintf(k->query, sizeof(k->query), "?provider=%s",
			 OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(k->key)));
	if (n > 1)
		return cakey_fail(ret_why, k->key_name,
				  "more than one private key fits: name one by object= or id=");
	if (!k->key)
		return cakey_fail(ret_why, k->key_name,
				  k->has_pin ? "no such private key, or the PIN is wrong" :
					       "no such private key, or its PIN is missing or "
					       "wrong");
	ERR_clear_error();
	return 0;
}

int cakey_load(struct cakey *k, char ret_why[static CAKEY_WHY_MAX])
{
	const char *what = NULL;
	int r;

	if (!cakey_is_token(k))
		return 0;
	/* First the old one: a module of PKCS#11 is there once in a process. */
	cakey_unload(k);
	k->has_told_pin = false;
	if (!strncmp(k->key_name, CAKEY_FILE_SCHEME "/", sizeof(CAKEY_FILE_SCHEME)))
		what = cakey_distrust(k->key_name + sizeof(CAKEY_FILE_SCHEME) - 1);
	if (what)
		return cakey_fail(ret_why, k->key_name, what);
	r = cakey_load_providers(k, ret_why);
	if (r == 0) {
		/* A PIN in the URI is taken from there, without asking. */
		k->has_told_pin = strcasestr(k->key_name, CAKEY_URI_PIN);
		r = cakey_find(k, ret_why);
	}
	if (r < 0)
		cakey_unload(k);
	return r;
}

bool cakey_has_told_pin(const struct cakey *k)
{
	return k->has_told_pin;
}

EVP_PKEY *cakey_get(const struct cakey *k)
{
	return k->key;
}

int cakey_begin(const struct cakey *k, EVP_PKEY *key, const char *digest, EVP_MD_CTX *md)
{
	OSSL_LIB_CTX *ctx = k ? k->ctx : NULL;
	const char *query = ctx ? k->query : NULL;

	return EVP_DigestSignInit_ex(md, NULL, digest, ctx, query, key, NULL) == 1 ? 0 : -EIO;
}

void cakey_close(struct cakey *k)
{
	if (!k)
		return;
	cakey_unload(k);
	UI_destroy_method(k->ask);
	secret_wipe_bytes(k->pin, sizeof(k->pin));
	if (k->key_name)
		secret_wipe_bytes(k->key_name, strlen(k->key_name)); /* it may hold a PIN */
	free(k->key_name);
	free(k->provider_name);
	free(k);
}

void cakey_closep(struct cakey **p)
{
	cakey_close(*p);
}
