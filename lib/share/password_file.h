/* SPDX-License-Identifier: MIT */
/* The file that KEEL_REDIS_PASSWORD_FILE names. */
#ifndef KEEL_SHARE_PASSWORD_FILE_H
#define KEEL_SHARE_PASSWORD_FILE_H

#include <stddef.h>

#include <keel/status.h>

/*
 * Reads its first line; the caller wipes it. KEEL_E_CONFIG: it cannot be read, or the line
 * does not fit; why does not tell the path, which is the password itself where somebody
 * took the variable for that.
 */
keel_status keel_password_file_read(const char *path, char *to, size_t size,
                                    keel_detail *why);

#endif
