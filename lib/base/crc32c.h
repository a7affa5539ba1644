/* SPDX-License-Identifier: MIT */
/*
 * CRC32C, Castagnoli's polynomial (RFC 3720, appendix B.4), to see that bytes on a disk
 * are those that were written. Not against somebody who changes them on purpose.
 */
#ifndef KEEL_BASE_CRC32C_H
#define KEEL_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: of the bytes before these; 0: there are none. */
uint32_t keel_crc32c(uint32_t crc, const void *bytes, size_t length);

/* The same on every machine; for tests of the one above. */
uint32_t keel_crc32c_by_table(uint32_t crc, const void *bytes, size_t length);

#endif
