/* SPDX-License-Identifier: MIT */
/*
 * Servers that run on node, for one test: a DynamoDB and an S3 of others, which lie where
 * TEST_NODE_SERVERS says (scripts/check installs them), and one of objects of our own.
 */
#ifndef KEEL_TESTS_SUPPORT_NODE_SERVER_H
#define KEEL_TESTS_SUPPORT_NODE_SERVER_H

#include <stdint.h>

#include "support/spawned.h"

typedef enum node_server_kind {
    NODE_DYNALITE,
    NODE_S3RVER,     /* with a bucket "keel-test"; key and secret: S3RVER */
    NODE_OBJECTS,    /* plain HTTP */
    NODE_OBJECTS_S3, /* the same as S3, with a "bucket"; key: id, secret: secret */
} node_server_kind;

typedef struct node_server {
    spawned process;
    node_server_kind kind;
    uint16_t port;
} node_server;

/* A test program without its server exits with 77. */
bool node_server_is_installed(node_server_kind kind);

/* Returns when it answers; false, after telling stderr why. */
bool node_server_start(node_server *n, node_server_kind kind);

/* Kills it, in the midst of whatever it does; start_again: on its old port. */
void node_server_stop(node_server *n);
bool node_server_start_again(node_server *n);

/* Stops its time, with all connections open, and lets it run on. */
void node_server_freeze(const node_server *n);
void node_server_thaw(const node_server *n);

/* Kills it and removes its directory. All zero is fine. */
void node_server_cleanup(node_server *n);

/* Posts to it; headers: NULL-ended lines, or NULL. The answer's status; 0: none. */
long node_server_post(const node_server *n, const char *path,
                      const char *const headers[], const char *body, char *answer,
                      size_t size);

/* A file in its directory that holds a text, for secret_file=. */
bool node_server_write(const node_server *n, const char *name, const char *text,
                       char path[SPAWNED_PATH_SIZE]);

#endif
