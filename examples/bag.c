/* SPDX-License-Identifier: MIT */
/*
 * The shortest start: a directory of files keeps what there is to keep, without a server.
 * KEEL_BAG_NOTES puts it elsewhere, and nothing here changes.
 */
#include <keel/keel.h>
#include <stdio.h>

static keel_status keep_and_look(keel_bag *notes, keel_detail *why)
{
    char text[64];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = text,
                           .capacity = sizeof text };
    keel_status status = keel_bag_set(notes, "greeting", "hello", 5, NULL, why);

    if (status == KEEL_OK)
        status = keel_bag_get(notes, "greeting", &item, NULL, why);
    if (status == KEEL_OK)
        printf("%.*s\n", (int)item.length, text);
    return status;
}

int main(void)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_runtime *rt;
    keel_bag *notes;
    keel_status status;

    if (keel_open(&rt, NULL, NULL) != KEEL_OK)
        return 1;
    status = keel_bag_open(&notes, rt, "notes", "file:///var/tmp/keel-notes", &why);
    if (status == KEEL_OK) {
        status = keep_and_look(notes, &why);
        keel_bag_close(notes);
    }
    if (status != KEEL_OK)
        fprintf(stderr, "notes: %s\n", why.text);
    keel_close(rt, 0);
    return status == KEEL_OK ? 0 : 1;
}
