/* SPDX-License-Identifier: MIT */
/*
 * Registers instances by tokens at a running ztsd, one after the other, and notes each that was
 * acknowledged; or looks whether a store still has all that were noted.
 *
 * issueload register PORT KEYFILE PREFIX COUNT: instances PREFIX-1, PREFIX-2 ... of dom.a.svc and
 * prov.tok at [::1]:PORT; a line "ID SERIAL" for each that was given a certificate. COUNT 0: until
 * ztsd is gone.
 * issueload check STORE: reads such lines from standard input.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"
#include "certs/keypair.h"
#include "certs/peerid.h"
#include "certs/ztsd/regtoken.h"
#include "certs/ztsd/ztsdb.h"
#include "common/buf.h"
#include "common/clk.h"
#include "tests/unit/certs/mkcsr.h"
#include "tests/unit/tunneld/gateway/client.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "issueload: %s\n", what);
	exit(2);
}

static char *make_csr(EVP_PKEY *key, const char *id)
{
	static const char cn[] = "dom.a.svc", dns[] = "svc.dom-a.aws.example";
	char uri[256];
	struct mkcsr spec = { .key = key,
			      .fields = { MKCSR_FIELD(NID_commonName, cn) },
			      .sans = { MKCERT_NAME(GEN_DNS, dns), { GEN_URI, uri, 0 } } };

	spec.sans[1].len = (size_t)snprintf(uri, sizeof(uri), "athenz://instanceid/prov.tok/%s",
					    id);
	return mkcsr_make(&spec);
}

static char *make_body(EVP_PKEY *key, const struct regtoken_key *secret, const char *id)
{
	struct athenz_request q = { .provider = "prov.tok", .domain = "dom.a", .service = "svc" };
	struct regtoken claims = { .provider = "prov.tok",
				   .domain = "dom.a",
				   .service = "svc",
				   .expires_wall = clk_now_wall() + 600 };
	char *token = calloc(1, REGTOKEN_MAX), *body = NULL;

	snprintf(claims.instance_id, sizeof(claims.instance_id), "%s", id);
	must(token && regtoken_make(&claims, secret, token) == 0, "no token");
	q.evidence = token;
	q.csr = make_csr(key, id);
	must(athenz_encode_request(&q, true, &body) == 0, "no body");
	athenz_request_release(&q);
	return body;
}

static struct client_reply ask(uint16_t port, const char *body)
{
	_cleanup_(buf_release) struct buf b = buf_init(ATHENZ_REQUEST_MAX + 1024);
	struct client_reply reply = { .status = 0 };
	struct client c;

	buf_addf(&b, "POST /zts/v1/instance HTTP/1.1\r\nHost: zts\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	if (client_connect(&c, port) && client_shake(&c, "", NULL, TLS1_3_VERSION) &&
	    client_write(&c, b.text, b.len))
		reply = client_read(&c);
	client_close(&c);
	ERR_clear_error();
	return reply;
}

/* Prints the serial of what was issued; a half of an answer is none. */
static bool note(const char *id, const struct client_reply *reply)
{
	const char *body = client_body(reply);
	struct athenz_identity identity;
	struct peerid peer;
	enum pst code;
	BIO *bio;
	X509 *cert;
	bool ok;

	if (reply->status != 201 || athenz_decode_identity(body, strlen(body), &identity) < 0)
		return false;
	bio = BIO_new_mem_buf(identity.cert, -1);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	ok = cert && peerid_read(cert, &(struct peerid_rule){ 0 }, &peer, &code) == 0;
	if (ok)
		printf("%s %s\n", id, peer.serial);
	X509_free(cert);
	BIO_free(bio);
	athenz_identity_release(&identity);
	return ok;
}

static int run_register(char **args)
{
	uint16_t port = (uint16_t)strtoul(args[0], NULL, 10);
	unsigned long count = strtoul(args[3], NULL, 10), n_good = 0;
	char why[REGTOKEN_WHY_MAX] = "", id[64];
	struct regtoken_key secret;
	EVP_PKEY *key = NULL;
	bool goes_on = true;

	must(regtoken_load_key(args[1], &secret, why) == 0, why);
	must(keypair_generate(CERTCONF_EC_P256, &key) == 0, "no key");
	for (unsigned long i = 1; goes_on && (!count || i <= count); i++) {
		struct client_reply reply;
		char *body;

		snprintf(id, sizeof(id), "%s-%lu", args[2], i);
		body = make_body(key, &secret, id);
		reply = ask(port, body);
		free(body);
		goes_on = note(id, &reply);
		n_good += goes_on;
		must(goes_on || !count, reply.text);
	}
	EVP_PKEY_free(key);
	return n_good ? 0 : 1;
}

static int run_check(const char *path)
{
	struct ztsdb *db = NULL;
	char line[256], *save;
	unsigned long n = 0;

	must(ztsdb_open(path, false, &db) == 0, path);
	while (fgets(line, sizeof(line), stdin)) {
		const char *id = strtok_r(line, " \n", &save);
		const char *serial = strtok_r(NULL, " \n", &save);
		struct ztsdb_key key = { "prov.tok", "dom.a", "svc", id };
		struct ztsdb_instance record = { .current = "" };

		must(id && serial, "a line without two words");
		must(ztsdb_find_instance(db, &key, &record) == 0, id);
		must(!strcmp(record.current, serial), serial);
		n++;
	}
	ztsdb_close(db);
	printf("%lu\n", n);
	return n ? 0 : 1;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	setlinebuf(stdout);
	if (argc == 6 && !strcmp(argv[1], "register"))
		return run_register(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "check"))
		return run_check(argv[2]);
	fprintf(stderr, "usage: issueload register PORT KEYFILE PREFIX COUNT | check STORE\n");
	return 64;
}
