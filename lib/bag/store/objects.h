/* SPDX-License-Identifier: MIT */
/*
 * A store of objects with ETags, each of which is an item in an envelope: what S3 and a
 * plain HTTP server have in common. They differ in how a request is made and what a
 * refusal means.
 */
#ifndef KEEL_BAG_STORE_OBJECTS_H
#define KEEL_BAG_STORE_OBJECTS_H

#include <stdatomic.h>

#include "bag/store/aws.h"
#include "bag/store/object_name.h"

/* Whether the server looks at conditions; those of the option `conditions`. */
typedef enum keel_objects_conditions {
    KEEL_CONDITIONS_PROBE,  /* it is tried when they are first needed */
    KEEL_CONDITIONS_TRUST,  /* it does */
    KEEL_CONDITIONS_OFF,    /* it does not */
    KEEL_CONDITIONS_IGNORED /* it was tried: it does not */
} keel_objects_conditions;

/* clang-format off */
#define KEEL_OBJECTS_OPTION_ROW                                                        \
    { .name = "conditions",                                                            \
      .type = KEEL_BAG_WORD,                                                           \
      .words = "probe|trust|off",                                                      \
      .standard = "probe",                                                             \
      .meaning = "Whether the server heeds If-Match and If-None-Match, without which " \
                 "there is no add and no cas: probe tries it when they are first "     \
                 "needed." }
/* clang-format on */

enum { KEEL_OBJECT_PATH_SIZE = 3 * KEEL_OBJECT_NAME_SIZE }; /* escaped twice */

/* if_match: an ETag with its quotes; NULL: none */
typedef struct keel_object_request {
    const char *method;
    const char *name;
    const char *if_match;
    bool if_none_match; /* "*" */
    bool only_envelope; /* of a GET: no more is needed than the first bytes */
    keel_bytes body;
} keel_object_request;

/* Where a request lies while it is on its way: aws.web, and what that points to. */
typedef struct keel_object_room {
    keel_aws_request aws;
    char path[KEEL_OBJECT_PATH_SIZE];
    char range[32];
} keel_object_room;

typedef struct keel_objects keel_objects;

/*
 * write     writes the request; false: it cannot be made
 * is_none   of a 404: it is the object that is missing, and not where it would be
 * refuse    says what any other answer means
 * deletes_if_match  the server is one that has conditions of DELETE, too
 * tells_delete      and says whether there was what it deletes
 */
typedef struct keel_objects_kind {
    bool (*write)(const keel_objects *o, const keel_object_request *r,
                  keel_object_room *room);
    bool (*is_none)(const keel_web_answer *answer);
    keel_status (*refuse)(const keel_objects *o, const keel_web_answer *answer,
                          bool writes, keel_detail *why);
    bool deletes_if_match;
    bool tells_delete;
} keel_objects_kind;

/* First in the structure of whoever has one. */
struct keel_objects {
    keel_runtime *runtime;
    const char *path;
    const keel_objects_kind *kind;
    keel_web web;
    _Atomic keel_objects_conditions conditions;
};

enum { KEEL_OBJECT_VALUE_MAX = 64 << 20 };

/* Of the answer to a request with that method. */
size_t keel_objects_answer_max(const char *method);

/* conditions, web: their options' values. As keel_web_init. */
keel_status keel_objects_init(keel_objects *o, const keel_bag_setup *setup,
                              const keel_objects_kind *kind,
                              const keel_bag_value *conditions,
                              const keel_bag_value *web, keel_detail *why);
void keel_objects_cleanup(keel_objects *o);

/* For tables of stores; state is a keel_objects. */
void keel_objects_look(void *state, keel_bag_abilities *abilities);
keel_status keel_objects_get(void *state, const keel_bag_op *op, keel_bytes key,
                             keel_bag_item *item, keel_detail *why);
void keel_objects_get_many(void *state, const keel_bag_op *op, const keel_bytes keys[],
                           keel_bag_item items[], keel_status statuses[], size_t count,
                           keel_detail *why);
keel_status keel_objects_store(void *state, const keel_bag_op *op, keel_bytes key,
                               const keel_bag_put *put, keel_bag_token *fresh,
                               keel_detail *why);
keel_status keel_objects_remove(void *state, const keel_bag_op *op, keel_bytes key,
                                const keel_bag_token *expected, keel_detail *why);
keel_status keel_objects_health(void *state, const keel_bag_op *op, keel_detail *why);

/* Deletes without looking first. */
keel_status keel_objects_delete(keel_objects *o, const keel_bag_op *op,
                                const char *name, const char *if_match,
                                keel_detail *why);

/* Whether conditions are heeded, tried if need be. KEEL_OK: they are. */
keel_status keel_objects_probe(keel_objects *o, const keel_bag_op *op,
                               keel_detail *why);

#endif
