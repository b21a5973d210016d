/* SPDX-License-Identifier: MIT */
/*
 * issuerload: what one registration and one refresh cost an issuer, in CPU time of its process,
 * beside what the same TLS handshake and the same signature cost raw OpenSSL. The same clients ask
 * both; the raw server (forked here) accepts, shakes hands, reads, signs one certificate, writes. A
 * second one also checks the signature of a request before: what no issuer can leave out.
 * Started by tests/bench/issuer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/athenz.h"
#include "certs/csr.h"
#include "certs/keypair.h"
#include "certs/ztsd/regtoken.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/tlsserver.h"

#define LOAD_CLIENTS_MAX 64
#define LOAD_HOSTS_MAX 20000
#define LOAD_ANSWER_MAX 65536

enum { LOAD_REGISTER, LOAD_REFRESH };

/* One instance as its client sees it. */
struct load_host {
	char id[32];
	char token[REGTOKEN_MAX];
	char *csr;  /* the same for both requests */
	char *cert; /* PEM, of the last answer */
};

/* What clients tell their parent. */
struct load_tally {
	unsigned long done, failed;
	unsigned int last_status;
};

struct load {
	const char *provider, *domain, *service, *suffix;
	const char *ca, *key_file, *pki;
	struct sockaddr_in6 to;
	long issuer; /* pid */
	size_t n_hosts, n_clients;
	struct load_host *hosts;
	EVP_PKEY *key;
	SSL_CTX *tls;
	struct load_tally *tallies; /* one for each client, shared with it */
	int fds[LOAD_CLIENTS_MAX];  /* to the clients */
};

static void load_die(const char *what)
{
	fprintf(stderr, "issuerload: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(2);
}

static void load_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* with one CPU both share it: CPU time counts */
}

/* ---- the requests --------------------------------------------------------------------------- */

static void load_prepare_host(const struct load *l, const struct regtoken_key *secret,
			      struct load_host *h, size_t i)
{
	static struct certconf conf = { .n_suffixes = 1, .spiffe = false };
	char principal[PRINCIPAL_MAX];
	struct regtoken token = { .expires_wall = clk_now_wall() + 86400 };
	struct csr_spec spec = {
		.principal = principal, .provider = l->provider, .instance_id = h->id, .conf = &conf
	};

	snprintf(h->id, sizeof(h->id), "i-%017zx", i);
	snprintf(token.provider, sizeof(token.provider), "%s", l->provider);
	snprintf(token.domain, sizeof(token.domain), "%s", l->domain);
	snprintf(token.service, sizeof(token.service), "%s", l->service);
	memcpy(token.instance_id, h->id, sizeof(h->id));
	snprintf(conf.suffixes[0], sizeof(conf.suffixes[0]), "%s", l->suffix);
	snprintf(principal, sizeof(principal), "%s.%s", l->domain, l->service);
	if (regtoken_make(&token, secret, h->token) < 0 || csr_make(l->key, &spec, &h->csr) < 0)
		load_die("token and request");
}

static void load_prepare(const struct load *l)
{
	struct regtoken_key secret;
	char why[REGTOKEN_WHY_MAX];

	if (regtoken_load_key(l->key_file, &secret, why) < 0)
		load_die(why);
	for (size_t i = 0; i < l->n_hosts; i++)
		load_prepare_host(l, &secret, &l->hosts[i], i);
	regtoken_wipe(&secret);
}

static char *load_body(const struct load *l, const struct load_host *h, bool registering)
{
	struct athenz_request r = { .evidence = (char *)h->token, .csr = h->csr };
	char *body = NULL;

	snprintf(r.provider, sizeof(r.provider), "%s", l->provider);
	snprintf(r.domain, sizeof(r.domain), "%s", l->domain);
	snprintf(r.service, sizeof(r.service), "%s", l->service);
	errno = -athenz_encode_request(&r, registering, &body);
	if (!body)
		load_die("athenz_encode_request");
	return body;
}

static char *load_request(const struct load *l, const struct load_host *h, int kind)
{
	char *body = load_body(l, h, kind == LOAD_REGISTER);
	char path[1024] = "";
	char *text = NULL;

	if (kind == LOAD_REFRESH)
		snprintf(path, sizeof(path), "/%s/%s/%s/%s", l->provider, l->domain, l->service,
			 h->id);
	if (asprintf(&text,
		     "POST /zts/v1/instance%s HTTP/1.1\r\nHost: localhost\r\n"
		     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		     path, strlen(body), body) < 0)
		load_die("asprintf");
	free(body);
	return text;
}

/* ---- one client ----------------------------------------------------------------------------- */

static int load_connect(const struct load *l, const struct sockaddr_in6 *to)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	/* Without it the request waits for an ACK of the handshake, and the server for work. */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void load_use_cert(SSL *ssl, const struct load *l, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	if (!cert || SSL_use_certificate(ssl, cert) != 1 || SSL_use_PrivateKey(ssl, l->key) != 1)
		load_die("client certificate");
	X509_free(cert);
	BIO_free(bio);
}

static size_t load_talk(SSL *ssl, const char *text, char *ret, size_t cap)
{
	size_t got = 0, n;

	if (SSL_connect(ssl) != 1 || SSL_write_ex(ssl, text, strlen(text), &n) != 1)
		return 0;
	while (got < cap - 1 && SSL_read_ex(ssl, ret + got, cap - 1 - got, &n) == 1)
		got += n;
	SSL_shutdown(ssl);
	ret[got] = '\0';
	return got;
}

/* Takes the certificate out of an answer; the raw server's has none. */
static void load_take(struct load_host *h, const char *answer)
{
	const char *body = strstr(answer, "\r\n\r\n");
	struct athenz_identity id = { 0 };

	if (!body || athenz_decode_identity(body + 4, strlen(body + 4), &id) != 0)
		return;
	free(h->cert);
	h->cert = strdup(id.cert);
	athenz_identity_release(&id);
}

static void load_ask(const struct load *l, const struct sockaddr_in6 *to, struct load_host *h,
		     int kind, struct load_tally *tally)
{
	static char answer[LOAD_ANSWER_MAX];
	char *text = load_request(l, h, kind);
	int fd = load_connect(l, to);
	SSL *ssl = SSL_new(l->tls);
	bool ok;

	SSL_set_fd(ssl, fd);
	if (kind == LOAD_REFRESH)
		load_use_cert(ssl, l, h->cert);
	ok = fd >= 0 && load_talk(ssl, text, answer, sizeof(answer)) > 12;
	tally->last_status = ok ? (unsigned int)strtoul(answer + 9, NULL, 10) : 0;
	if (tally->last_status == 200 || tally->last_status == 201) {
		tally->done++;
		load_take(h, answer);
	} else {
		tally->failed++;
	}
	SSL_free(ssl);
	close(fd);
	free(text);
}

/* ---- the raw server ------------------------------------------------------------------------- */

struct load_raw {
	SSL_CTX *tls;
	X509_REQ *req; /* NULL, or what it also checks for each: the signature of a request */
	char *bundle;  /* goes out with each certificate, as from the issuer */
	X509 *cert;
	EVP_PKEY *ca_key;
	int listen_fd;
};

/* Everything of the certificate but what changes from one to the next: the raw cost is that of the
 * signature, not of putting names together. */
static X509 *load_make_template(const struct load *l, const X509 *ca)
{
	static const char *const ext[][2] = {
		{ "basicConstraints", "critical,CA:FALSE" },
		{ "keyUsage", "critical,digitalSignature" },
		{ "extendedKeyUsage", "clientAuth,serverAuth" },
		{ "subjectAltName", "DNS:tenant-host.vespa-tenant-acme.athenz.example,"
				    "URI:athenz://instanceid/lab/i-00000000000000000" },
	};
	X509 *cert = X509_new();

	X509_set_version(cert, X509_VERSION_3);
	X509_set_issuer_name(cert, X509_get_subject_name(ca));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", V_ASN1_UTF8STRING,
				   (const unsigned char *)l->service, -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, l->key);
	for (size_t i = 0; i < ARRAY_SIZE(ext); i++) {
		X509_EXTENSION *e = X509V3_EXT_conf(NULL, NULL, ext[i][0], ext[i][1]);

		X509_add_ext(cert, e, -1);
		X509_EXTENSION_free(e);
	}
	return cert;
}

/* The signature alone. */
static char *load_sign(const struct load_raw *raw)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem, *copy;
	long n;

	ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw->cert), clk_now_ns());
	if (!X509_sign(raw->cert, raw->ca_key, EVP_sha256()) || !PEM_write_bio_X509(bio, raw->cert))
		load_die("raw signature");
	n = BIO_get_mem_data(bio, &pem);
	copy = strndup(pem, (size_t)n);
	BIO_free(bio);
	return copy;
}

/* Whether the request is complete: its head, and as many bytes behind it as the head says. */
static bool load_complete(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);
	const char *at = end ? memmem(text, len, "Content-Length: ", 16) : NULL;

	return at && (size_t)(text + len - end - 4) >= strtoul(at + 16, NULL, 10);
}

static void load_raw_serve(const struct load_raw *raw)
{
	static char text[LOAD_ANSWER_MAX];
	int fd = accept4(raw->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	SSL *ssl = SSL_new(raw->tls);
	size_t got = 0, n = 0;
	char *pem, *answer;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		while (!load_complete(text, got) && got < sizeof(text) &&
		       SSL_read_ex(ssl, text + got, sizeof(text) - got, &n) == 1)
			got += n;
		if (raw->req && X509_REQ_verify(raw->req, X509_REQ_get0_pubkey(raw->req)) != 1)
			load_die("raw request");
		pem = load_sign(raw);
		if (asprintf(&answer, "HTTP/1.1 201 Created\r\n\r\n%s%s", pem, raw->bundle) < 0)
			load_die("asprintf");
		/* no close_notify behind it, as of the issuer */
		SSL_write_ex(ssl, answer, strlen(answer), &n);
		free(answer);
		free(pem);
	}
	SSL_free(ssl);
	close(fd);
}

static void load_read_pem(const struct load *l, const char *name, X509 **cert, EVP_PKEY **key)
{
	char path[FILES_PATH_MAX];
	BIO *bio;

	snprintf(path, sizeof(path), "%s/%s", l->pki, name);
	bio = BIO_new_file(path, "r");
	if (!bio)
		load_die(path);
	if (cert)
		*cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (key)
		*key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
}

static void load_raw_open(const struct load *l, struct load_raw *raw)
{
	char cert[FILES_PATH_MAX], key[FILES_PATH_MAX];
	struct tlsserver_files files = {
		.cert = cert, .key = key, .ca = l->ca, .client_optional = true
	};
	size_t bundle_len;
	const char *what;
	X509 *ca = NULL;

	snprintf(cert, sizeof(cert), "%s/server.cert.pem", l->pki);
	snprintf(key, sizeof(key), "%s/server.key.pem", l->pki);
	if (tlsserver_open(&files, &raw->tls, &what) < 0)
		load_die(what);
	load_read_pem(l, "ca.cert.pem", &ca, NULL);
	load_read_pem(l, "ca.key.pem", NULL, &raw->ca_key);
	raw->cert = load_make_template(l, ca);
	if (files_read(l->ca, KEYPAIR_CA_MAX, (uint8_t **)&raw->bundle, &bundle_len) < 0)
		load_die(l->ca);
	X509_free(ca);
}

static void load_raw_listen(struct load_raw *raw, struct sockaddr_in6 *ret_at)
{
	socklen_t len = sizeof(*ret_at);

	*ret_at = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	raw->listen_fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(raw->listen_fd, (struct sockaddr *)ret_at, sizeof(*ret_at)) < 0 ||
	    listen(raw->listen_fd, 128) < 0 ||
	    getsockname(raw->listen_fd, (struct sockaddr *)ret_at, &len) < 0)
		load_die("raw server");
}

/* ---- phases --------------------------------------------------------------------------------- */

/* CPU time of all threads of a process, ns. Source: Documentation/scheduler/sched-stats.rst. */
static uint64_t load_cpu_ns(long pid)
{
	char pattern[64], line[128];
	uint64_t sum = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/proc/%ld/task/*/schedstat", pid);
	if (glob(pattern, 0, NULL, &found) != 0)
		load_die(pattern);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "re");

		if (file && fgets(line, sizeof(line), file))
			sum += strtoull(line, NULL, 10);
		if (file)
			fclose(file);
	}
	globfree(&found);
	return sum;
}

/* One phase is one kind of request to one server, once for each host. */
struct load_phase {
	const char *who;
	const struct sockaddr_in6 *to;
	long server; /* pid */
	int kind;
};

/* A client waits to be told, does its share of a phase, reports, until its parent is gone. */
static void load_client(struct load *l, const struct load_phase *phases, size_t at, int fd,
			struct load_tally *tally)
{
	unsigned char n;

	load_pin(1);
	while (read(fd, &n, 1) == 1) {
		*tally = (struct load_tally){ 0 };
		for (size_t i = at; i < l->n_hosts; i += l->n_clients)
			load_ask(l, phases[n].to, &l->hosts[i], phases[n].kind, tally);
		if (write(fd, "d", 1) != 1)
			break;
	}
	_exit(0);
}

static void load_fork_clients(struct load *l, const struct load_phase *phases)
{
	int pair[2];

	for (size_t i = 0; i < l->n_clients; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			load_die("socketpair");
		if (fork() == 0) {
			/* or the clients would keep each other's sockets open */
			for (size_t k = 0; k < i; k++)
				close(l->fds[k]);
			close(pair[0]);
			load_client(l, phases, i, pair[1], &l->tallies[i]);
		}
		close(pair[1]);
		l->fds[i] = pair[0];
	}
}

static void load_tell(const struct load *l, unsigned char phase)
{
	char c;

	for (size_t i = 0; i < l->n_clients; i++)
		if (write(l->fds[i], &phase, 1) != 1)
			load_die("a client is gone");
	for (size_t i = 0; i < l->n_clients; i++)
		if (read(l->fds[i], &c, 1) != 1)
			load_die("a client died");
}

/* Prints: who, kind, done, failed, CPU us of the server for each, done per second. */
static void load_run_phase(const struct load *l, const struct load_phase *p, unsigned char n)
{
	uint64_t cpu = load_cpu_ns(p->server), wall = clk_now_ns();
	unsigned long done = 0, failed = 0;
	unsigned int status = 0;

	load_tell(l, n);
	cpu = load_cpu_ns(p->server) - cpu;
	wall = clk_now_ns() - wall;
	for (size_t i = 0; i < l->n_clients; i++) {
		done += l->tallies[i].done;
		failed += l->tallies[i].failed;
		status = l->tallies[i].failed ? l->tallies[i].last_status : status;
	}
	if (failed)
		fprintf(stderr, "issuerload: %s: %lu of %zu failed, the last with HTTP status %u\n",
			p->who, failed, l->n_hosts, status);
	printf("%s %s %lu %lu %.1f %.1f\n", p->who,
	       p->kind == LOAD_REGISTER ? "register" : "refresh", done, failed,
	       (double)cpu / 1e3 / (double)l->n_hosts, (double)done * 1e9 / (double)wall);
	fflush(stdout);
}

static pid_t load_fork_raw(const struct load_raw *raw)
{
	pid_t pid = fork();

	if (pid < 0)
		load_die("fork");
	if (pid > 0)
		return pid;
	load_pin(0);
	for (;;)
		load_raw_serve(raw);
}

/* The two servers beside the issuer: the second checks the signature of a request each time. */
static void load_start_raws(const struct load *l, struct sockaddr_in6 ret_at[static 2],
			    pid_t ret_pid[static 2])
{
	struct load_raw raw = { .req = NULL };
	BIO *bio = BIO_new_mem_buf(l->hosts[0].csr, -1);

	load_raw_open(l, &raw);
	for (size_t i = 0; i < 2; i++) {
		load_raw_listen(&raw, &ret_at[i]);
		ret_pid[i] = load_fork_raw(&raw);
		close(raw.listen_fd);
		raw.req = i ? raw.req : PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	}
	BIO_free(bio);
	if (!raw.req)
		load_die("raw request");
}

static void load_client_tls(struct load *l)
{
	l->tls = SSL_CTX_new(TLS_client_method());
	if (!l->tls || SSL_CTX_load_verify_file(l->tls, l->ca) != 1)
		load_die(l->ca);
	SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
}

static uint64_t load_number(const char *text, uint64_t max)
{
	uint64_t n = 0;

	if (conf_parse_u64(text, 1, max, &n) < 0) {
		fprintf(stderr, "issuerload: %s: not in 1...%" PRIu64 "\n", text, max);
		exit(64);
	}
	return n;
}

static void load_read_args(struct load *l, char **argv)
{
	static char ca[FILES_PATH_MAX];

	l->to = (struct sockaddr_in6){ .sin6_family = AF_INET6,
				       .sin6_addr = in6addr_loopback,
				       .sin6_port = htons((uint16_t)load_number(argv[1], 65535)) };
	l->issuer = (long)load_number(argv[2], INT32_MAX);
	l->n_hosts = load_number(argv[3], LOAD_HOSTS_MAX);
	l->n_clients = load_number(argv[4], LOAD_CLIENTS_MAX);
	l->pki = argv[5];
	l->key_file = argv[6];
	l->provider = argv[7];
	l->domain = argv[8];
	l->service = argv[9];
	l->suffix = argv[10];
	snprintf(ca, sizeof(ca), "%s/ca.cert.pem", l->pki);
	l->ca = ca;
}

int main(int argc, char **argv)
{
	static struct load l;
	struct sockaddr_in6 raw_at[2];
	pid_t raw_pid[2];

	if (argc != 12 && argc != 13) {
		fputs("usage: issuerload PORT PID HOSTS CLIENTS PKI-DIR TOKEN-KEY PROVIDER DOMAIN"
		      " SERVICE SUFFIX RUNS [alone]\n"
		      "alone: the issuer's registrations only\n",
		      stderr);
		return 64;
	}
	load_read_args(&l, argv);
	signal(SIGPIPE, SIG_IGN);
	l.hosts = calloc(l.n_hosts, sizeof(*l.hosts));
	l.tallies = mmap(NULL, l.n_clients * sizeof(*l.tallies), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!l.hosts || l.tallies == MAP_FAILED || keypair_generate(CERTCONF_EC_P256, &l.key) < 0)
		load_die("preparation");
	load_prepare(&l);
	load_client_tls(&l);
	load_start_raws(&l, raw_at, raw_pid);
	const struct load_phase phases[] = {
		{ "issuer", &l.to, l.issuer, LOAD_REGISTER },
		{ "raw", &raw_at[0], raw_pid[0], LOAD_REGISTER },
		{ "raw+csr", &raw_at[1], raw_pid[1], LOAD_REGISTER },
		{ "issuer", &l.to, l.issuer, LOAD_REFRESH },
		{ "raw", &raw_at[0], raw_pid[0], LOAD_REFRESH },
		{ "raw+csr", &raw_at[1], raw_pid[1], LOAD_REFRESH },
	};
	const unsigned char n_phases = argc == 13 ? 1 : ARRAY_SIZE(phases);
	load_fork_clients(&l, phases);
	for (uint64_t run = 0, runs = load_number(argv[11], 1000); run < runs; run++)
		for (unsigned char n = 0; n < n_phases; n++)
			load_run_phase(&l, &phases[n], n);
	kill(raw_pid[0], SIGKILL);
	kill(raw_pid[1], SIGKILL);
	return 0;
}
