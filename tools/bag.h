/* SPDX-License-Identifier: MIT */
/* What the verbs of `keel bag` have in common. */
#ifndef KEEL_TOOLS_BAG_H
#define KEEL_TOOLS_BAG_H

#include <keel/keel.h>

/* The store has answered, and not what was hoped for: there is none, or there is one. */
enum { KEEL_BAG_EXIT_NO = 1 };

/* token: "": none was given. bag: NULL where it is only checked. The arguments that follow
 * SPEC. */
typedef struct keel_bag_request {
    const char *verb;
    keel_runtime *runtime;
    const char *spec;
    keel_bag *bag;
    keel_bag_options options;
    keel_bag_token token;
    bool has_ttl;
    bool json, zero, only_new;
    const char *prefix;
    int count;
    char **arguments;
} keel_bag_request;

/* The name of a bag of the command line. */
#define KEEL_BAG_TOOL_NAME "keel-bag"

/* Prints one for a person; before: what it is about, or "". */
void keel_bag_tool_say(const char *before, const char *text);

/* A bag of the command line. False: it has been said why, and *code is what to exit with. */
bool keel_bag_tool_open(keel_bag **bag, keel_runtime *runtime, const char *spec,
                        int *code);

/* Says how a verb has ended, where it is not KEEL_OK. Returns what to exit with. */
int keel_bag_tool_ended(keel_status status, const char *key, const keel_detail *why);

/* A bag's token in hexadecimal digits. */
enum { KEEL_BAG_TOKEN_TEXT = 2 * KEEL_BAG_TOKEN_MAX + 1 };
void keel_bag_token_write(char to[KEEL_BAG_TOKEN_TEXT], const keel_bag_token *token);
bool keel_bag_token_read(const char *text, keel_bag_token *token);

/*
 * Reads an item into memory of its own, which the caller frees: item->buffer, NULL where
 * there is none.
 */
keel_status keel_bag_read_whole(keel_bag *bag, const char *key, keel_bag_item *item,
                                const keel_bag_options *options, keel_detail *why);

/* Each returns what to exit with. */
int keel_bag_tool_get(const keel_bag_request *request);
int keel_bag_tool_store(const keel_bag_request *request);
int keel_bag_tool_count(const keel_bag_request *request);
int keel_bag_tool_touch(const keel_bag_request *request);
int keel_bag_tool_delete(const keel_bag_request *request);
int keel_bag_tool_flush(const keel_bag_request *request);
int keel_bag_tool_scan(const keel_bag_request *request);
int keel_bag_tool_check(const keel_bag_request *request);
int keel_bag_tool_copy(const keel_bag_request *request);
int keel_bag_tool_describe(const keel_bag_request *request);

#endif
