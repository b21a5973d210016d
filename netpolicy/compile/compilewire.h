/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What crosses the socket between netpolicy and its unprivileged child netpolicy-compile: one
 * reply for each request. The parent believes nothing of a reply: the batch is checked by
 * netpolicy/apply/batch. Encoding and decoding are pure; common/parcel sends.
 */
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/parcel.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/kdump.h"

#define COMPILEWIRE_TEXT_MAX (24 * 1024 * 1024) /* bytes of nft text */
#define COMPILEWIRE_DEVICES_MAX 16
#define COMPILEWIRE_ERROR_MAX 4096 /* bytes of a message with the NUL */
#define COMPILEWIRE_REQUEST_MAX (COMPILEWIRE_TEXT_MAX + 1024)
#define COMPILEWIRE_REPLY_MAX (BATCH_BYTES_MAX + KDUMP_BYTES_MAX + 8192)

enum compilewire_mode {
	COMPILEWIRE_USERNS = 1, /* no privilege at all: user and network namespace of its own */
	COMPILEWIRE_NETNS = 2,  /* CAP_NET_ADMIN, but in a network namespace of its own */
};

struct compilewire_request {
	uint8_t n_devices;
	char devices[COMPILEWIRE_DEVICES_MAX][IFNAMSIZ]; /* stand-ins to make */
	char *text;                                      /* owned; NUL behind text_len bytes */
	size_t text_len;
};

struct compilewire_reply {
	int result; /* 0 or -errno */
	uint8_t mode;
	char error[COMPILEWIRE_ERROR_MAX]; /* words for people; control characters are gone */
	uint8_t *batch;                    /* owned */
	size_t batch_len;
	struct kdump expected; /* owned */
};

/* Encode. Give *ret. Errors: 0; -EFBIG; -ENOMEM. */
int compilewire_put_request(const struct compilewire_request *q, struct parcel *ret) _warn_unused_;
/* As compilewire_put_request(). */
int compilewire_put_reply(const struct compilewire_reply *p, struct parcel *ret) _warn_unused_;

/* Decode. @ret needs no value before and is released by the caller also
 * after an error. Errors: 0; -EBADMSG; -ENOMEM. */
int compilewire_get_request(const void *bytes, size_t len,
			    struct compilewire_request *ret) _warn_unused_;
/* As compilewire_get_request(). */
int compilewire_get_reply(const void *bytes, size_t len,
			  struct compilewire_reply *ret) _warn_unused_;

/* Release. For _cleanup_(). */
void compilewire_release_request(struct compilewire_request *q);
/* As compilewire_release_request(). */
void compilewire_release_reply(struct compilewire_reply *p);
