/* SPDX-License-Identifier: MIT */
/*
 * The Lua scripts of the Redis store; their text is made from redis_scripts/ when keel is
 * built. Each says there what it is given and answers.
 */
#ifndef KEEL_BAG_STORE_REDIS_SCRIPTS_H
#define KEEL_BAG_STORE_REDIS_SCRIPTS_H

#include "share/scripts.h"

typedef enum keel_redis_script_id {
    KEEL_REDIS_SCRIPT_ADD,
    KEEL_REDIS_SCRIPT_JOIN,
    KEEL_REDIS_SCRIPT_PUT,
    KEEL_REDIS_SCRIPT_READ,
    KEEL_REDIS_SCRIPT_REMOVE,
    KEEL_REDIS_SCRIPT_TOUCH,
    KEEL_REDIS_SCRIPT_COUNT
} keel_redis_script_id;

extern const keel_script keel_redis_scripts[KEEL_REDIS_SCRIPT_COUNT];

#endif
