/* SPDX-License-Identifier: MIT */
/*
 * Exchanges without a pause, each on a connection of its own: "exchanges PORT DIR NAME LOG". Writes
 * a line for each to LOG, "ok SERIAL" with the serial of the server's certificate, or "failed
 * STATUS". Ends when its standard input does, with 0 when none failed.
 */
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tunneld/gateway/client.h"
#include "tunneld/gateway/gwserve.h"

static const char exchanges_body[] =
	"{\"version\":1,\"public_key\":\"CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
	"\"hostname\":\"h1\",\"software\":\"t/1\","
	"\"boot_id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}";

/* The server's serial, "" when there is none. Static. */
static const char *exchanges_serial(const struct client *c)
{
	static char text[80];
	X509 *cert = c->ssl ? SSL_get0_peer_certificate(c->ssl) : NULL;
	BIGNUM *n = cert ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL) : NULL;
	char *hex = n ? BN_bn2hex(n) : NULL;

	snprintf(text, sizeof(text), "%s", hex ? hex : "");
	OPENSSL_free(hex);
	BN_free(n);
	return text;
}

/* Gives the HTTP status, 0 when there was none. */
static int exchanges_do(uint16_t port, char **argv, FILE *log)
{
	struct client_reply reply = { .status = 0 };
	struct client c = { .fd = -1 };
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "POST " GWSERVE_PATH " HTTP/1.1\r\nHost: x\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 sizeof(exchanges_body) - 1, exchanges_body);

	if (client_connect(&c, port) && client_shake(&c, argv[2], argv[3], TLS1_3_VERSION) &&
	    client_write(&c, text, (size_t)n))
		reply = client_read(&c);
	if (reply.status == 200)
		fprintf(log, "ok %s\n", exchanges_serial(&c));
	else
		fprintf(log, "failed %d\n", reply.status);
	(void)fflush(log);
	client_close(&c);
	return reply.status;
}

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	unsigned int n_failed = 0;
	FILE *log;

	if (argc != 5)
		return 64;
	log = fopen(argv[4], "we");
	if (!log)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	while (poll(&in, 1, 0) == 0)
		n_failed += exchanges_do((uint16_t)strtoul(argv[1], NULL, 10), argv, log) != 200;
	return fclose(log) == 0 && n_failed == 0 ? 0 : 1;
}
