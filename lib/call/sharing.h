/* SPDX-License-Identifier: MIT */
/*
 * What the settings name to share by, looked at before it is used: for KEEL_STRICT and for
 * `keel config check`. It stands in lib/share, which knows the board as well as Redis; here
 * is the name by which keel_open calls it.
 */
#ifndef KEEL_CALL_SHARING_H
#define KEEL_CALL_SHARING_H

#include "settings/config.h"

/*
 * Reports a board that cannot be opened or made, a URL of a Redis that is none, and a file
 * of its password that cannot be read. Makes nothing and connects to nobody.
 */
keel_process_check_fn keel_sharing_check;

#endif
