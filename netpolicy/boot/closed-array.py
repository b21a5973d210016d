#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes netpolicy/boot/closed.c from a file of "netpolicy compile": the batch as a C array.

Usage: closed-array.py BATCH-FILE CLOSED.C. With --check it only compares and says so."""

import struct
import sys
from pathlib import Path

HEADER = struct.Struct("<8sIIIIIIQQ")  # netpolicy/apply/batchfile.h


def read_batch(path):
    data = Path(path).read_bytes()
    magic, version, front, length = HEADER.unpack_from(data)[:4]
    if magic != b"PSTNBAT1" or version != 2:
        sys.exit(f"{path}: not a batch file")
    end = HEADER.size + front
    return data[end - length:end]


def c_text(batch):
    lines = ["/* SPDX-License-Identifier: MIT */",
             '/* Made from closed.nft by "ninja regen-closed". */',
             '#include "netpolicy/boot/closed.h"', "", "/* clang-format off */",
             "const uint8_t closed_batch[] __attribute__((aligned(8))) = {"]
    for at in range(0, len(batch), 12):
        lines.append("\t" + " ".join(f"0x{byte:02x}," for byte in batch[at:at + 12]))
    lines += ["};", "/* clang-format on */", "",
              "const size_t closed_batch_len = sizeof(closed_batch);", ""]
    return "\n".join(lines)


def main(argv):
    check = "--check" in argv
    paths = [arg for arg in argv[1:] if arg != "--check"]
    text = c_text(read_batch(paths[0]))
    target = Path(paths[1])
    if not check:
        target.write_text(text)
    elif target.read_text() != text:
        sys.exit(f"{target} is not what closed.nft gives; run 'ninja regen-closed'")


main(sys.argv)
