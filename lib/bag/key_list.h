/* SPDX-License-Identifier: MIT */
/*
 * Keys that were copied under a lock, to be said in their order without it: whoever has
 * heard enough of them goes on, another time, behind the last that he heard.
 */
#ifndef KEEL_BAG_KEY_LIST_H
#define KEEL_BAG_KEY_LIST_H

#include <keel/bag_plugin.h>

/* at: the keys, each with a NUL behind it in bytes */
typedef struct keel_key_list {
    const keel_allocator *memory;
    const char **at;
    char *bytes;
    size_t count, used;
} keel_key_list;

/* Room for so many, which have so many bytes in all. False: no memory. */
bool keel_key_list_init(keel_key_list *l, const keel_allocator *memory, size_t count,
                        size_t bytes);
void keel_key_list_cleanup(keel_key_list *l);

void keel_key_list_add(keel_key_list *l, const char *key, size_t length);

/*
 * Says those behind a key ("": all), in the order of their bytes. Returns the one after
 * which fn had enough, NULL: there are no more.
 */
const char *keel_key_list_say(keel_key_list *l, const char *behind,
                              keel_bag_scan_fn *fn, void *ctx);

/* The key in a cursor, behind the byte that it begins with; false: it is too long. */
bool keel_key_list_place_read(char key[KEEL_BAG_KEY_MAX + 1],
                              const keel_bag_cursor *cursor);

/* That byte, and the key behind it; NULL: none. */
void keel_key_list_place_write(keel_bag_cursor *cursor, uint8_t first, const char *key);

#endif
