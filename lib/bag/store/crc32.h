/* SPDX-License-Identifier: MIT */
/* The CRC of Ethernet, gzip and x-amz-crc32: reflected, polynomial 0x04c11db7. */
#ifndef KEEL_BAG_STORE_CRC32_H
#define KEEL_BAG_STORE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* before: 0, or that of the bytes before these. */
uint32_t keel_crc32(uint32_t before, const void *bytes, size_t length);

#endif
