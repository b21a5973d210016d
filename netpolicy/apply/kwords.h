/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Words for people out of netlink attributes: the comment of a rule, the hook and policy of a
 * chain, the address or name that an element stands for. Pure.
 */
#include <linux/netlink.h>
#include <stddef.h>

/* Writes a label for an object of @kind (enum kdump_kind) whose attributes are sorted in @tb by
 * number (32 of them). Never holds a control character. */
void kwords_label(int kind, const struct nlattr *const *tb, char *ret, size_t cap);
