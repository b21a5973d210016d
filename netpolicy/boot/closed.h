/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The closed policy as a recorded batch, made from closed.nft by "ninja regen-closed".
 */
#include <stddef.h>
#include <stdint.h>

extern const uint8_t closed_batch[]; /* aligned as a netlink message */
extern const size_t closed_batch_len;
