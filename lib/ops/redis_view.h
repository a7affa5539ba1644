/* SPDX-License-Identifier: MIT */
/*
 * What a fleet's Redis says of every breaker in it, by the index; nothing is written.
 * Whatever comes from there is distrusted: names that are none are passed over, numbers
 * and texts are made fit to be shown.
 */
#ifndef KEEL_OPS_REDIS_VIEW_H
#define KEEL_OPS_REDIS_VIEW_H

#include "ops/redis_client.h"
#include "ops/view.h"

/*
 * All that can be read within five seconds.
 *
 * Returns KEEL_OK, KEEL_E_NOMEM, or as keel_redis_client_ask, and *view is empty
 */
keel_status keel_redis_view(keel_redis_client *client, keel_view *view,
                            keel_detail *why);

/* One breaker. lock_number: of the lock that stands or stood last, whose actor and reason
 * the view has in both cases; 0: none is known */
keel_status keel_redis_look(keel_redis_client *client, const char *name,
                            keel_pipeline_view *view, uint64_t *lock_number,
                            keel_detail *why);

/* Whether the index has a name. */
keel_status keel_redis_is_listed(keel_redis_client *client, const char *name,
                                 bool *is_listed, keel_detail *why);

#endif
