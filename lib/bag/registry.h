/* SPDX-License-Identifier: MIT */
/* The stores and decorators there are, by name: keel's own, and plugins'. */
#ifndef KEEL_BAG_REGISTRY_H
#define KEEL_BAG_REGISTRY_H

#include <keel/bag_plugin.h>

#include "base/text.h"

extern const keel_bag_ops keel_store_file;
extern const keel_bag_ops keel_store_memcached;
extern const keel_bag_ops keel_store_dynamodb;
extern const keel_bag_ops keel_store_http;
extern const keel_bag_ops keel_store_https;
extern const keel_bag_ops keel_store_memory;
extern const keel_bag_ops keel_store_redis, keel_store_rediss,
    keel_store_redis_sentinel, keel_store_redis_cluster;
extern const keel_bag_ops keel_store_s3;

extern const keel_bag_ops keel_wrap_cache;
extern const keel_bag_ops keel_wrap_failover;
extern const keel_bag_ops keel_wrap_fault;
extern const keel_bag_ops keel_wrap_hedge;
extern const keel_bag_ops keel_wrap_log;
extern const keel_bag_ops keel_wrap_readonly;
extern const keel_bag_ops keel_wrap_resilient;

/* NULL: keel has none of that name. */
const keel_bag_ops *keel_bag_builtin(keel_text name);

/* Each of keel's own, from 0 on; NULL: there are no more. */
const keel_bag_ops *keel_bag_builtin_at(size_t number);

/* The nearest name of keel's own of one kind; NULL: none is near. */
const char *keel_bag_nearest(keel_text name, bool is_store);

#endif
