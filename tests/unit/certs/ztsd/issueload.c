/* SPDX-License-Identifier: MIT */
/*
 * Hosts of a running ztsd that note each answer they got; or looks whether a store still has all
 * that was noted.
 *
 * issueload register PORT KEYFILE PREFIX COUNT: registers instances PREFIX-1, PREFIX-2 ... of
 * dom.a.svc and prov.tok at [::1]:PORT, one after the other, by tokens; a line "ID SERIAL" for each
 * that was given a certificate. COUNT 0: until ztsd is gone.
 * issueload refresh PORT KEYFILE DIR ID COUNT: is one host. Registers unless DIR has its
 * certificate, then refreshes with the last one that it got; lines as above. Exit status 3 when it
 * is refused.
 * issueload each PORT KEYFILE DIR PREFIX COUNT AMONG: registers and refreshes each of that many
 * instances once; a line "register US" or "refresh US" for each answer, with how long it took, or
 * "lost US" where none came: then it asks again, as certd does.
 * Their ids begin with PREFIX-1 ... PREFIX-AMONG, in no order, as ids of a cloud do. Exit status 3
 * when one is refused.
 * issueload check STORE: reads such lines from standard input; of those with one ID the last
 * counts. The store may be one answer ahead, which was lost.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certs/athenz.h"
#include "certs/keypair.h"
#include "certs/peerid.h"
#include "certs/ztsd/regtoken.h"
#include "certs/ztsd/ztsdb.h"
#include "common/buf.h"
#include "common/clk.h"
#include "common/files.h"
#include "tests/unit/certs/mkcsr.h"
#include "tests/unit/tunneld/gateway/client.h"

#define EACH_TRIES 5 /* of one request */

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

/* One request, with NAME.cert.pem and NAME.key.pem of @dir unless @name is NULL. */
static struct client_reply ask(uint16_t port, const char *body, const char *dir, const char *name)
{
	_cleanup_(buf_release) struct buf b = buf_init(ATHENZ_REQUEST_MAX + 1024);
	struct client_reply reply = { .status = 0 };
	struct client c;
	int on = 1;

	buf_addf(&b, "POST /zts/v1/instance%s%s HTTP/1.1\r\nHost: zts\r\n",
		 name ? "/prov.tok/dom.a/svc/" : "", name ? name : "");
	buf_addf(&b, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	/* Else the request waits for an ACK of the handshake. */
	if (client_connect(&c, port) &&
	    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    client_shake(&c, dir, name, TLS1_3_VERSION) && client_write(&c, b.text, b.len))
		reply = client_read(&c);
	client_close(&c);
	ERR_clear_error();
	return reply;
}

static bool print_serial(const char *id, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	struct peerid peer;
	enum pst code;
	bool ok = cert && peerid_read(cert, &(struct peerid_rule){ 0 }, &peer, &code) == 0;

	if (ok)
		printf("%s %s\n", id, peer.serial);
	X509_free(cert);
	BIO_free(bio);
	return ok;
}

/* Takes what was issued out of an answer, and writes the certificate to @path unless that is
 * NULL; a half of an answer is none. */
static bool take(const struct client_reply *reply, const char *path, struct athenz_identity *ret)
{
	const char *body = client_body(reply);

	if ((reply->status != 201 && reply->status != 200) ||
	    athenz_decode_identity(body, strlen(body), ret) < 0)
		return false;
	if (!path || files_write(path, ret->cert, strlen(ret->cert), 0600) == 0)
		return true;
	athenz_identity_release(ret);
	return false;
}

/* Notes what was issued, after it went to @path unless that is NULL. */
static bool note(const char *id, const struct client_reply *reply, const char *path)
{
	struct athenz_identity identity;
	bool ok = take(reply, path, &identity);

	if (!ok)
		return false;
	ok = print_serial(id, identity.cert);
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
		reply = ask(port, body, "", NULL);
		free(body);
		goes_on = note(id, &reply, NULL);
		n_good += goes_on;
		must(goes_on || !count, reply.text);
	}
	EVP_PKEY_free(key);
	return n_good ? 0 : 1;
}

/* The host's key, the same in all its life. */
static EVP_PKEY *keep_key(const char *dir, const char *id)
{
	char path[256], *pem = NULL;
	EVP_PKEY *key = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.key.pem", dir, id);
	f = fopen(path, "r");
	if (f) {
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
		must(key, path);
		return key;
	}
	must(keypair_generate(CERTCONF_EC_P256, &key) == 0 && keypair_write_key(key, &pem) == 0 &&
		     files_write(path, pem, strlen(pem), 0600) == 0,
	     path);
	free(pem);
	return key;
}

static int run_refresh(char **args)
{
	uint16_t port = (uint16_t)strtoul(args[0], NULL, 10);
	const char *dir = args[2], *id = args[3];
	unsigned long count = strtoul(args[4], NULL, 10), n_good = 0;
	char why[REGTOKEN_WHY_MAX] = "", path[256], *body;
	struct client_reply reply = { .status = 200 };
	struct regtoken_key secret;
	EVP_PKEY *key = keep_key(dir, id);

	must(regtoken_load_key(args[1], &secret, why) == 0, why);
	body = make_body(key, &secret, id);
	snprintf(path, sizeof(path), "%s/%s.cert.pem", dir, id);
	while (reply.status && (!count || n_good < count)) {
		reply = ask(port, body, dir, access(path, F_OK) == 0 ? id : NULL);
		if (note(id, &reply, path))
			n_good++;
		else if (reply.status)
			break;
	}
	free(body);
	EVP_PKEY_free(key);
	if (reply.status >= 400)
		fprintf(stderr, "issueload: %s: %s\n", id, reply.text);
	return reply.status >= 400 ? 3 : !n_good;
}

/* As ask(), and again as often as no answer comes, which a line "lost US" tells of. */
static struct client_reply ask_on(uint16_t port, const char *body, const char *dir,
				  const char *name, uint64_t *ret_us)
{
	struct client_reply reply = { .status = 0 };

	for (int i = 0; i < EACH_TRIES && !reply.status; i++) {
		uint64_t began_ns = clk_now_ns();

		reply = ask(port, body, dir, name);
		*ret_us = (clk_now_ns() - began_ns) / 1000;
		if (!reply.status)
			printf("lost %" PRIu64 "\n", *ret_us);
	}
	return reply;
}

/* One request of @id, whose certificate goes to @cert; tells how long it took. */
static bool ask_timed(uint16_t port, const char *body, const char *dir, const char *id,
		      const char *cert)
{
	bool refreshing = access(cert, F_OK) == 0;
	uint64_t us = 0;
	struct client_reply reply = ask_on(port, body, dir, refreshing ? id : NULL, &us);
	struct athenz_identity identity;

	if (!take(&reply, cert, &identity)) {
		fprintf(stderr, "issueload: %s: %s\n", id, reply.text);
		return false;
	}
	athenz_identity_release(&identity);
	printf("%s %" PRIu64 "\n", refreshing ? "refresh" : "register", us);
	return true;
}

static bool run_one(uint16_t port, const struct regtoken_key *secret, const char *dir,
		    const char *id)
{
	EVP_PKEY *key = keep_key(dir, id);
	char *body = make_body(key, secret, id);
	char cert[256], key_path[256];
	bool ok;

	snprintf(cert, sizeof(cert), "%s/%s.cert.pem", dir, id);
	snprintf(key_path, sizeof(key_path), "%s/%s.key.pem", dir, id);
	ok = ask_timed(port, body, dir, id, cert) && ask_timed(port, body, dir, id, cert);
	unlink(cert);
	unlink(key_path);
	free(body);
	EVP_PKEY_free(key);
	return ok;
}

static int run_each(char **args)
{
	uint16_t port = (uint16_t)strtoul(args[0], NULL, 10);
	unsigned long count = strtoul(args[4], NULL, 10), among = strtoul(args[5], NULL, 10);
	char why[REGTOKEN_WHY_MAX] = "", id[64];
	struct regtoken_key secret;
	bool ok = true;

	must(regtoken_load_key(args[1], &secret, why) == 0, why);
	must(among > 0, args[5]);
	for (unsigned long i = 0; ok && i < count; i++) {
		uint64_t random = 0;

		must(RAND_bytes((unsigned char *)&random, sizeof(random)) == 1, "RAND_bytes");
		snprintf(id, sizeof(id), "%s-%" PRIu64 ".%016" PRIx64, args[3], random % among + 1,
			 random);
		ok = run_one(port, &secret, args[2], id);
	}
	return ok ? 0 : 3;
}

/* Whether the record has @serial, or is one answer ahead of it. */
static void check_one(struct ztsdb *db, const char *id, const char *serial)
{
	struct ztsdb_key key = { "prov.tok", "dom.a", "svc", id };
	struct ztsdb_instance record = { .current = "" };

	must(ztsdb_find_instance(db, &key, &record) == 0, id);
	must(!strcmp(record.current, serial) || !strcmp(record.previous, serial), serial);
}

static int run_check(const char *path)
{
	char line[256], id[128] = "", serial[128] = "", *save;
	struct ztsdb *db = NULL;
	unsigned long n = 0;

	must(ztsdb_open(path, false, &db) == 0, path);
	while (fgets(line, sizeof(line), stdin)) {
		const char *next = strtok_r(line, " \n", &save);
		const char *its = strtok_r(NULL, " \n", &save);

		must(next && its, "a line without two words");
		if (n++ && strcmp(id, next) != 0)
			check_one(db, id, serial);
		snprintf(id, sizeof(id), "%s", next);
		snprintf(serial, sizeof(serial), "%s", its);
	}
	if (n)
		check_one(db, id, serial);
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
	if (argc == 7 && !strcmp(argv[1], "refresh"))
		return run_refresh(argv + 2);
	if (argc == 8 && !strcmp(argv[1], "each"))
		return run_each(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "check"))
		return run_check(argv[2]);
	fprintf(stderr, "usage: issueload register PORT KEYFILE PREFIX COUNT |\n"
			"       refresh PORT KEYFILE DIR ID COUNT |\n"
			"       each PORT KEYFILE DIR PREFIX COUNT AMONG | check STORE\n");
	return 64;
}
