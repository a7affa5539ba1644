/* SPDX-License-Identifier: MIT */
/* The table of keel's own stores and decorators. */
#include "bag/registry.h"

#include "base/name.h"

/* One a line. */
/* clang-format off */
static const keel_bag_ops *const builtins[] = {
    &keel_store_file,
    &keel_store_memcached,
    &keel_store_dynamodb,
    &keel_store_http,
    &keel_store_https,
    &keel_store_memory,
    &keel_store_redis,
    &keel_store_rediss,
    &keel_store_redis_cluster,
    &keel_store_redis_sentinel,
    &keel_store_s3,
    &keel_wrap_cache,
    &keel_wrap_failover,
    &keel_wrap_fault,
    &keel_wrap_hedge,
    &keel_wrap_log,
    &keel_wrap_readonly,
    &keel_wrap_resilient,
};
/* clang-format on */

enum { BUILTINS = sizeof builtins / sizeof(const keel_bag_ops *) };

const keel_bag_ops *keel_bag_builtin_at(size_t number)
{
    return number < BUILTINS ? builtins[number] : NULL;
}

const keel_bag_ops *keel_bag_builtin(keel_text name)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (keel_text_is(name, builtins[i]->name))
            return builtins[i];
    return NULL;
}

const char *keel_bag_nearest(keel_text name, bool is_store)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (!builtins[i]->roles == is_store &&
            keel_name_is_near(name, keel_text_of(builtins[i]->name)))
            return builtins[i]->name;
    return NULL;
}
