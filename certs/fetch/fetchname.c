/* SPDX-License-Identifier: MIT */
#include "certs/fetch/fetchname.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fetchname_url_freep(CURLU **p)
{
	curl_url_cleanup(*p);
}

static void fetchname_text_freep(char **p)
{
	curl_free(*p);
}

static int fetchname_url_error(CURLUcode code)
{
	return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

int fetchname_split(const char *url, char ret_host[static FETCHNAME_HOST_MAX],
		    unsigned int *ret_port)
{
	_cleanup_(fetchname_url_freep) CURLU *u = curl_url();
	_cleanup_(fetchname_text_freep) char *host = NULL;
	_cleanup_(fetchname_text_freep) char *port = NULL;
	CURLUcode r;

	if (!u)
		return -ENOMEM;
	r = curl_url_set(u, CURLUPART_URL, url, 0);
	if (r == CURLUE_OK)
		r = curl_url_get(u, CURLUPART_HOST, &host, 0);
	if (r == CURLUE_OK)
		r = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	if (r != CURLUE_OK)
		return fetchname_url_error(r);
	if (strlen(host) >= FETCHNAME_HOST_MAX)
		return -EINVAL;
	snprintf(ret_host, FETCHNAME_HOST_MAX, "%s", host);
	*ret_port = (unsigned int)strtoul(port, NULL, 10); /* libcurl has checked it */
	return 0;
}

static bool fetchname_is_literal(const char *host)
{
	struct in_addr v4;

	return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

static void fetchname_list_freep(struct addrinfo **p)
{
	if (*p)
		freeaddrinfo(*p);
}

/* Appends "address" or "[address]" of @ai, and a comma before it unless it is the first. */
static int fetchname_add(struct fetchname *n, const struct addrinfo *ai, bool is_first)
{
	char text[IP6_ADDR_TEXT]; /* one with a zone does not fit, and is of no use */
	size_t len = strlen(n->resolve);
	bool is_v6 = ai->ai_family == AF_INET6;

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST))
		return -EHOSTUNREACH;
	snprintf(n->resolve + len, sizeof(n->resolve) - len, "%s%s%s%s", is_first ? "" : ",",
		 is_v6 ? "[" : "", text, is_v6 ? "]" : "");
	return 0;
}

static int fetchname_ask(const char *host, unsigned int port, struct fetchname *ret,
			 char ret_why[static FETCHNAME_WHY_MAX])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	_cleanup_(fetchname_list_freep) struct addrinfo *list = NULL;
	struct fetchname name = { 0 };
	size_t n = 0;
	int r;

	/* An answer that takes longer than this is as bad as none. */
	if (setenv("RES_OPTIONS", "timeout:2 attempts:2", 0) < 0)
		return -ENOMEM;
	r = getaddrinfo(host, NULL, &hints, &list);
	if (r == EAI_MEMORY)
		return -ENOMEM;
	if (r != 0) {
		snprintf(ret_why, FETCHNAME_WHY_MAX, "the name %.80s: %s", host, gai_strerror(r));
		return -EHOSTUNREACH;
	}
	snprintf(name.resolve, sizeof(name.resolve), "%s:%u:", host, port);
	for (const struct addrinfo *ai = list; ai && n < FETCHNAME_ADDRESSES_MAX; ai = ai->ai_next)
		if (fetchname_add(&name, ai, n == 0) == 0)
			n++;
	if (n == 0) {
		snprintf(ret_why, FETCHNAME_WHY_MAX, "the name %.80s has no usable address", host);
		return -EHOSTUNREACH;
	}
	*ret = name;
	return 0;
}

int fetchname_find(const char *url, const struct ip6_endpoint *address, struct fetchname *ret,
		   char ret_why[static FETCHNAME_WHY_MAX])
{
	char host[FETCHNAME_HOST_MAX], text[IP6_ENDPOINT_TEXT];
	unsigned int port;
	int r = fetchname_split(url, host, &port);

	if (r == -EINVAL)
		snprintf(ret_why, FETCHNAME_WHY_MAX, "not a URL: %.100s", url);
	if (r < 0)
		return r;
	if (address->port) {
		*ret = (struct fetchname){ 0 };
		snprintf(ret->connect_to, sizeof(ret->connect_to), "::%s",
			 ip6_format_endpoint(address, text));
		return 0;
	}
	if (!fetchname_is_literal(host))
		return fetchname_ask(host, port, ret, ret_why);
	*ret = (struct fetchname){ 0 };
	return 0;
}
