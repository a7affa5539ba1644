/* SPDX-License-Identifier: MIT */
/*
 * The Lua scripts of the fleet protocol, as they are sent to Redis. Their text is made
 * from scripts/<name>.lua when keel is built; scripts/README.md says what they keep and
 * answer. Their SHA1 is known beforehand, so that EVALSHA needs no round trip first.
 * Not for their arguments and replies (wire.h).
 */
#ifndef KEEL_SHARE_SCRIPTS_H
#define KEEL_SHARE_SCRIPTS_H

#include <stddef.h>

typedef enum keel_script_id {
    KEEL_SCRIPT_BEAT,
    KEEL_SCRIPT_SYNC,
    KEEL_SCRIPT_CLAIM,
    KEEL_SCRIPT_RESULT,
    KEEL_SCRIPT_LOCK,
    KEEL_SCRIPT_READ,
    KEEL_SCRIPT_RATE,
    KEEL_SCRIPT_PLACES,
    KEEL_SCRIPT_COUNT
} keel_script_id;

typedef struct keel_script {
    const char *name;
    const char *sha1; /* 40 hexadecimal digits */
    size_t length;    /* of body */
    const char *body;
} keel_script;

extern const keel_script keel_scripts[KEEL_SCRIPT_COUNT];

#endif
