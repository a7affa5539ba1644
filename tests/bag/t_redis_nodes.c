/* SPDX-License-Identifier: MIT */
/* The servers of a cluster that come and go. Nobody is connected to. */
#include <stdio.h>

#include "bag/store/redis_nodes.h"
#include "support/suite.h"
#include "support/vclock.h"

enum { RESTARTS = 1000, SLOT = 7, HELD_SLOT = 9 };

static keel_redis_nodes nodes;

static keel_redis_node *node_at(unsigned number)
{
    keel_redis_host at = { .port = 6379 };

    snprintf(at.name, sizeof at.name, "10.0.%u.%u", number >> 8, number & 255);
    return keel_redis_nodes_at(&nodes, &at);
}

START_TEST(a_cluster_may_change_its_addresses_for_ever)
{
    vclock clock;
    keel_redis_terms terms = { .clock = &clock.clock, .connections = 1 };
    keel_redis_node *held, *owner;

    vclock_init(&clock);
    terms.url.kind = KEEL_REDIS_CLUSTER;
    terms.url.host_count = 1;
    ck_assert_int_eq(keel_redis_nodes_init(&nodes, &terms), KEEL_OK);
    held = node_at(0);
    owner = node_at(1);
    keel_redis_nodes_learn(&nodes, HELD_SLOT, owner);
    keel_redis_nodes_leave(&nodes, owner);
    for (unsigned i = 2; i < RESTARTS; i++) {
        keel_redis_node *node = node_at(i);

        ck_assert_msg(node && node != held && node != owner, "restart %u", i);
        keel_redis_nodes_learn(&nodes, SLOT, node);
        keel_redis_nodes_leave(&nodes, node);
    }
    ck_assert_str_eq(held->at.name, "10.0.0.0");
    ck_assert_str_eq(owner->at.name, "10.0.0.1");
    keel_redis_nodes_leave(&nodes, held);
    keel_redis_nodes_cleanup(&nodes);
    vclock_cleanup(&clock);
}
END_TEST

SUITE("bag/redis_nodes", 10, ONE(a_cluster_may_change_its_addresses_for_ever))
