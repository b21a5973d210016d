/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/ztsfixture.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/keypair.h"
#include "certs/ztsd/cainit.h"
#include "common/clk.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/mkcsr.h"

static void ztsfixture_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ztsfixture: %s\n", what);
	exit(2);
}

static void ztsfixture_make_ca(struct ztsfixture *f)
{
	static unsigned int n;
	char why[CAINIT_WHY_MAX] = "";
	struct cainit_spec spec = { .dir = f->dir,
				    .name = "Test CA",
				    .days = 30,
				    .names = { "localhost", "::1" },
				    .n_names = 2 };
	char name[32], path[PATH_MAX];

	snprintf(name, sizeof(name), "zts-%u", n++);
	ztsfixture_must(snprintf(f->dir, sizeof(f->dir), "%s", tmpdir_path(path, name)) <
				(int)sizeof(f->dir),
			"directory");
	ztsfixture_must(cainit_make(&spec, clk_now_wall(), why) == 0, why);
}

static void ztsfixture_load_conf(struct ztsfixture *f, const char *settings, const char *provider)
{
	struct conf_error error = { .text = "" };
	char text[8192], key[320], cert[320], why[SIGNER_WHY_MAX] = "";

	snprintf(text, sizeof(text),
		 "[ztsd]\nca_cert = %s/ca.cert.pem\nca_key = %s/ca.key.pem\n"
		 "cert = %s/server.cert.pem\nkey = %s/server.key.pem\n%s\n"
		 "[provider prov.tok]\nkind = token\ntoken_key = /none\nsuffixes = aws.example\n"
		 "%s\n[provider prov.aws]\nkind = aws\naws_certs = /none\nsuffixes = aws.example\n"
		 "need_credentials = no\n",
		 f->dir, f->dir, f->dir, f->dir, settings, provider);
	ztsfixture_must(ztsdconf_load_text("test", text, &f->conf, &error) == 0, error.text);
	snprintf(cert, sizeof(cert), "%s/ca.cert.pem", f->dir);
	snprintf(key, sizeof(key), "%s/ca.key.pem", f->dir);
	ztsfixture_must(signer_open(cert, &(struct cakey_spec){ .key = key }, &f->signer, why) == 0,
			why);
}

static void ztsfixture_fill_registry(struct ztsfixture *f)
{
	static const struct ztsdb_domain domains[] = { { "dom.a", "123456789012", 0 },
						       { "dom.short", "", 30 } };
	static const struct ztsdb_service services[] = { { "dom.a", "svc", "prov.tok" },
							 { "dom.a", "svc", "prov.aws" },
							 { "dom.a", "web", "prov.aws" },
							 { "dom.a", "svc", "prov.gone" },
							 { "dom.short", "svc", "prov.tok" } };

	for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
		ztsfixture_must(ztsdb_put_domain(f->db, &domains[i]) == 0, "domain");
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		ztsfixture_must(ztsdb_put_service(f->db, &services[i]) == 0, "service");
}

void ztsfixture_open(struct ztsfixture *f, const char *settings, const char *provider)
{
	char path[320], why[ATTESTOR_WHY_MAX];

	*f = (struct ztsfixture){ .base = event_base_new() };
	ztsfixture_must(f->base != NULL, "event base");
	ztsfixture_make_ca(f);
	ztsfixture_load_conf(f, settings, provider);
	snprintf(path, sizeof(path), "%s/ztsd.db", f->dir);
	ztsfixture_must(committer_open(f->base, path, &f->committer) == 0, "committer");
	ztsfixture_must(ztsdb_open(path, false, &f->db) == 0, "store");
	ztsfixture_fill_registry(f);
	for (size_t i = 0; i < f->conf->n_providers; i++)
		ztsfixture_must(attestor_open(f->base, &f->conf->providers[i].spec,
					      &f->attestors[i], why) == 0,
				"attestor");
	ztsfixture_must(keypair_generate(CERTCONF_EC_P256, &f->key) == 0, "key");
	f->env = (struct issuance_env){ .conf = f->conf,
					.attestors = f->attestors,
					.db = f->db,
					.committer = f->committer,
					.signer = f->signer };
}

void ztsfixture_close_waits(struct ztsfixture *f)
{
	for (size_t i = 0; i < ZTSDCONF_PROVIDERS_MAX; i++) {
		attestor_close(f->attestors[i]);
		f->attestors[i] = NULL;
	}
	committer_close(f->committer);
	f->committer = NULL;
}

void ztsfixture_close(struct ztsfixture *f)
{
	ztsfixture_close_waits(f);
	ztsdb_close(f->db);
	signer_free(f->signer);
	ztsdconf_free(f->conf);
	EVP_PKEY_free(f->key);
	event_base_free(f->base);
}

char *ztsfixture_csr(const struct ztsfixture *f, const char *provider, const char *id)
{
	static const char dns[] = "svc.dom-a.aws.example", cn[] = "dom.a.svc";
	char uri[256];
	struct mkcsr spec = {
		.key = f->key,
		.fields = { MKCSR_FIELD(NID_commonName, cn) },
		.sans = { MKCERT_NAME(GEN_DNS, dns), { GEN_URI, uri, 0 } },
	};

	spec.sans[1].len = (size_t)snprintf(uri, sizeof(uri), "athenz://instanceid/%s/%s", provider,
					    id);
	return mkcsr_make(&spec);
}

char *ztsfixture_make_body(const struct ztsfixture *f, const struct ztsfixture_body *b)
{
	struct athenz_request q = { .expiry_min = b->expiry_min };
	const char *provider = b->provider ? b->provider : "prov.tok";
	char *made = b->csr ? NULL : ztsfixture_csr(f, provider, "i-01");
	char *body = NULL;

	snprintf(q.provider, sizeof(q.provider), "%s", provider);
	snprintf(q.domain, sizeof(q.domain), "%s", b->domain ? b->domain : "dom.a");
	snprintf(q.service, sizeof(q.service), "%s", b->service ? b->service : "svc");
	q.evidence = strdup(b->evidence ? b->evidence : "ok");
	q.csr = strdup(b->csr ? b->csr : made);
	ztsfixture_must(athenz_encode_request(&q, !b->refreshing, &body) == 0, "body");
	athenz_request_release(&q);
	free(made);
	return body;
}

char *ztsfixture_make_cert(const struct ztsfixture *f, const struct ztsfixture_cert *c)
{
	struct csr_name uri = { .kind = CSR_URI };
	const struct csr_name *names[1] = { &uri };
	char serial[SIGNER_SERIAL_MAX], *pem = NULL;
	uint64_t now = clk_now_wall();
	struct signer_order order = {
		.key = f->key,
		.common_name = c->cn,
		.organizational_unit = c->ou,
		.names = names,
		.n_names = c->uri ? 1 : 0,
		.serial = serial,
		.not_before_wall = c->not_before_wall ? c->not_before_wall : now - 60,
		.not_after_wall = c->not_after_wall ? c->not_after_wall : now + 3600,
		.purposes = SIGNER_PURPOSE_CLIENT,
	};

	if (c->uri)
		snprintf(uri.text, sizeof(uri.text), "%s", c->uri);
	ztsfixture_must(signer_make_serial(serial) == 0 &&
				signer_issue(f->signer, &order, &pem) == 0,
			"certificate");
	return pem;
}

X509 *ztsfixture_parse(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ztsfixture_must(cert != NULL, "not a certificate");
	return cert;
}
