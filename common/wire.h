/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Bounded little-endian encoder and decoder for bytes that cross a process border. Errors stick:
 * do all the puts or gets, then ask once with wire_done(). A failed decoder yields zeros, so a
 * caller that forgets to ask acts on nothing rather than on leftovers.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

struct wire {
	uint8_t *bytes; /* borrowed from the caller */
	size_t len;     /* capacity when writing, size when reading */
	size_t pos;
	bool reading;
	bool failed;
};

/* Starts writing into @bytes, at most @cap of them. Keeps @bytes. */
struct wire wire_writer(void *bytes, size_t cap);

/* Starts reading the @len bytes at @bytes. Keeps @bytes; never writes to them. */
struct wire wire_reader(const void *bytes, size_t len);

/* Appends one unsigned number, little-endian. Sticks on overflow. */
void wire_put_u8(struct wire *w, uint8_t v);
/* As wire_put_u8(), 2 bytes. */
void wire_put_u16(struct wire *w, uint16_t v);
/* As wire_put_u8(), 4 bytes. */
void wire_put_u32(struct wire *w, uint32_t v);
/* As wire_put_u8(), 8 bytes. */
void wire_put_u64(struct wire *w, uint64_t v);
/* Appends @len raw bytes. Borrows @p. */
void wire_put_bytes(struct wire *w, const void *p, size_t len);
/* Appends a string of at most 65535 bytes as u16 length + bytes, without NUL. Borrows @s. */
void wire_put_str(struct wire *w, const char *s);

/* Takes one unsigned number; 0 after the end. */
uint8_t wire_get_u8(struct wire *w);
/* As wire_get_u8(), 2 bytes. */
uint16_t wire_get_u16(struct wire *w);
/* As wire_get_u8(), 4 bytes. */
uint32_t wire_get_u32(struct wire *w);
/* As wire_get_u8(), 8 bytes. */
uint64_t wire_get_u64(struct wire *w);
/* Takes a byte that must be 0 or 1; anything else sticks as an error. */
bool wire_get_bool(struct wire *w);
/* Takes @len raw bytes into @ret, which is zeroed on failure. */
void wire_get_bytes(struct wire *w, void *ret, size_t len);
/* Takes a string written by wire_put_str() into @ret (@cap bytes with the NUL).
 * Errors: sticks when it does not fit or holds a NUL or a control character. */
void wire_get_str(struct wire *w, char *ret, size_t cap);
/* As wire_get_str(), of printable ASCII only: for what ends in log lines, in JSON, on terminals. */
void wire_get_ascii(struct wire *w, char *ret, size_t cap);

/* Takes @len raw bytes into memory of their own, with a NUL behind them. Gives *ret (free() it).
 * Errors: 0; -EBADMSG when that many are not there, which sticks; -ENOMEM. */
int wire_get_blob(struct wire *w, size_t len, uint8_t **ret) _warn_unused_;

/* Marks the message as bad: for a caller that found a value out of its range. */
void wire_fail(struct wire *w);

/* Errors: 0 when nothing failed and, for a reader, every byte was taken; else -EBADMSG. */
int wire_done(const struct wire *w) _warn_unused_;
