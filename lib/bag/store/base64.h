/* SPDX-License-Identifier: MIT */
/* Bytes as letters and back: RFC 4648's base64, with its padding; of up to 1 GiB. */
#ifndef KEEL_BAG_STORE_BASE64_H
#define KEEL_BAG_STORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* How many letters so many bytes become. */
size_t keel_base64_size(size_t length);

/* Writes keel_base64_size(length) letters, and a NUL. */
void keel_base64_write(char *to, const void *from, size_t length);

/* How many bytes so many letters stand for; false: they cannot be base64. */
bool keel_base64_length(const char *text, size_t size, size_t *length);

/* False: they are not base64. to: as much room as keel_base64_length says. */
bool keel_base64_read(void *to, const char *text, size_t size);

#endif
