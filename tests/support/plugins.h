/* SPDX-License-Identifier: MIT */
/* A folder of plugins of a test's own, which keel's demands on one are met by. */
#ifndef KEEL_TESTS_SUPPORT_PLUGINS_H
#define KEEL_TESTS_SUPPORT_PLUGINS_H

#include <sys/types.h>

#include "support/spawned.h"

/* Copies a file, with that mode whatever the umask is; fails the test if it cannot. */
void plugins_copy(const char *from, const char *to, mode_t mode);

/* Copies a shared object of the build into the folder as keel_bag_NAME.so. */
void plugins_add(const spawned *folder, const char *from, const char *name);

#endif
