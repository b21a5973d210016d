/* SPDX-License-Identifier: MIT */
#include "tunneld/exchange/extls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "certs/peerid.h"
#include "common/clk.h"
#include "tunneld/proto/bind.h"

#define EXTLS_CHAIN_DEPTH 4 /* leaf, two intermediates, root */

void extls_init(struct extls *t, const char *principal, const struct denylist *deny,
		bool require_post_quantum)
{
	*t = (struct extls){ .principal = principal,
			     .deny = deny,
			     .require_post_quantum = require_post_quantum };
}

void extls_wipe(struct extls *t)
{
	secret_wipe(&t->exported);
}

/* The first reason is the cause; what follows is only its echo. */
static void extls_fail(struct extls *t, enum pst code, const char *detail)
{
	if (t->code)
		return;
	t->code = code;
	snprintf(t->detail, sizeof(t->detail), "%s", detail);
}

/* The chain is good: is it the server we were sent to? */
static bool extls_check_principal(struct extls *t, X509 *cert)
{
	const struct peerid_rule rule = { .need_instance = false, .deny = t->deny };
	char detail[EXJOB_DETAIL_MAX];
	struct peerid id;
	enum pst code = PST_CN_FORMAT;

	if (peerid_read(cert, &rule, &id, &code) < 0) {
		extls_fail(t, code, "server certificate");
		return false;
	}
	if (!strcmp(id.principal, t->principal))
		return true;
	snprintf(detail, sizeof(detail), "server is %.96s, expected %.96s", id.principal,
		 t->principal);
	extls_fail(t, PST_PRINCIPAL_UNEXPECTED, detail);
	return false;
}

static int extls_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct extls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	int error = X509_STORE_CTX_get_error(store);

	if (!ok) {
		extls_fail(t, peerid_verify_code(error), X509_verify_cert_error_string(error));
		return 0;
	}
	if (X509_STORE_CTX_get_error_depth(store) > 0)
		return 1;
	if (extls_check_principal(t, X509_STORE_CTX_get_current_cert(store)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static void extls_take_group(struct extls *t, SSL *ssl)
{
	const char *name = SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));

	snprintf(t->group, sizeof(t->group), "%s", name ? name : "unknown");
}

static void extls_on_finished(struct extls *t, SSL *ssl)
{
	if (t->finished)
		return; /* OpenSSL repeats the event for every session ticket */
	extls_take_group(t, ssl);
	if (bind_export(ssl, &t->exported) < 0) {
		extls_fail(t, PST_TLS_HANDSHAKE, "no exporter secret");
		return;
	}
	t->finished = true;
	t->finished_ns = clk_now_ns();
}

static void extls_info(const SSL *ssl, int where, int value)
{
	struct extls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char detail[EXJOB_DETAIL_MAX];

	if (where & SSL_CB_HANDSHAKE_DONE)
		extls_on_finished(t, (SSL *)ssl);
	if (!(where & SSL_CB_ALERT) || !(where & SSL_CB_READ) ||
	    (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		return;
	snprintf(detail, sizeof(detail), "alert from the server: %s",
		 SSL_alert_desc_string_long(value));
	extls_fail(t, peerid_alert_code(value & 0xff), detail);
}

/* The hybrid group first where OpenSSL has it (3.5 and later), classic X25519 behind it. */
static int extls_set_groups(struct extls *t, SSL_CTX *ctx)
{
	if (SSL_CTX_set1_groups_list(ctx, t->require_post_quantum ? "X25519MLKEM768" :
								    "X25519MLKEM768:X25519") == 1)
		return 0;
	if (t->require_post_quantum) {
		extls_fail(t, PST_PQ_REQUIRED, "this OpenSSL has no X25519MLKEM768");
		return -EOPNOTSUPP;
	}
	return SSL_CTX_set1_groups_list(ctx, "X25519") == 1 ? 0 : -EIO;
}

int extls_attach(struct extls *t, SSL_CTX *ctx)
{
	int r = extls_set_groups(t, ctx);

	if (r < 0)
		return r;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
		return -EIO;
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_verify_depth(ctx, EXTLS_CHAIN_DEPTH);
	/* The PSK is bound to this very handshake: a resumed one would prove no certificate. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, extls_verify);
	SSL_CTX_set_info_callback(ctx, extls_info);
	return 0;
}
