/* SPDX-License-Identifier: MIT */
/*
 * What the flat-file store adds to a durable write: a set beside the same bytes written by
 * hand, as the store writes them, into a directory beside it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <keel/keel.h>

#include "report.h"

/* A session's worth; the record's head and key are in what is written by hand, too. */
enum { VALUE = 1000, BY_HAND = VALUE + 64 + 7 };

static char root[] = "/tmp/keel-bench-XXXXXX";
static char bytes[BY_HAND];

static void fail(const char *why)
{
    fprintf(stderr, "bag_file: %s\n", why);
    exit(1);
}

static void set(uint64_t n, void *ctx)
{
    keel_detail why = KEEL_DETAIL_INIT;

    for (uint64_t i = 0; i < n; i++)
        if (keel_bag_set(ctx, "user:17", bytes, VALUE, NULL, &why) != KEEL_OK)
            fail(why.text);
}

/* Where, and whether it is to last. */
typedef struct hand {
    const char *directory;
    bool is_durable;
} hand;

/* Temporary, fsync, rename, and fsync of the directory. */
static bool write_by_hand(const hand *h)
{
    char fresh[64], place[64];
    int fd, dir;
    bool done;

    snprintf(fresh, sizeof fresh, "%s/new", h->directory);
    snprintf(place, sizeof place, "%s/place", h->directory);
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    done = write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes &&
           (!h->is_durable || fsync(fd) == 0);
    close(fd);
    done = done && rename(fresh, place) == 0;
    if (!h->is_durable)
        return done;
    dir = open(h->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    done = done && dir >= 0 && fsync(dir) == 0;
    close(dir);
    return done;
}

static void by_hand(uint64_t n, void *ctx)
{
    for (uint64_t i = 0; i < n; i++)
        if (!write_by_hand(ctx))
            fail("cannot write by hand");
}

static void read_by_hand(uint64_t n, void *ctx)
{
    const hand *h = ctx;
    char place[64], value[BY_HAND];

    snprintf(place, sizeof place, "%s/place", h->directory);
    for (uint64_t i = 0; i < n; i++) {
        int fd = open(place, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, value, sizeof value) != BY_HAND)
            fail("cannot read by hand");
        close(fd);
    }
}

static keel_bag *open_bag(keel_runtime *rt, const char *sync)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char spec[96];
    keel_bag *bag;

    snprintf(spec, sizeof spec, "file://%s/%s?sync=%s", root, sync, sync);
    if (keel_bag_open(&bag, rt, "bench", spec, &why) != KEEL_OK)
        fail(why.text);
    return bag;
}

static void get(uint64_t n, void *ctx)
{
    char value[VALUE];
    keel_bag_item item = { .size = sizeof item,
                           .buffer = value,
                           .capacity = sizeof value };

    for (uint64_t i = 0; i < n; i++)
        if (keel_bag_get(ctx, "user:17", &item, NULL, NULL) != KEEL_OK)
            fail("what was set is not there");
}

static void compare(keel_runtime *rt)
{
    keel_bag *full = open_bag(rt, "full"), *none = open_bag(rt, "none");
    static hand lasting = { root, true }, passing = { root, false };
    const bench_figure figures[] = {
        { "set, sync=full", BENCH_WALL, 1.15, "by hand", BENCH_ONE(set, full),
          BENCH_ONE(by_hand, &lasting) },
        { "set, sync=none", BENCH_WALL, 0, "by hand, no fsync", BENCH_ONE(set, none),
          BENCH_ONE(by_hand, &passing) },
        { "get", BENCH_WALL, 0, "by hand", BENCH_ONE(get, full),
          BENCH_ONE(read_by_hand, &passing) },
    };

    set(1, full);
    by_hand(1, &passing);
    bench_report_begin("flat file");
    bench_report_all(figures, sizeof figures / sizeof figures[0]);
    bench_report_end();
    keel_bag_close(full);
    keel_bag_close(none);
}

int main(void)
{
    const keel_options options = { .size = sizeof options };
    char command[64];
    keel_runtime *rt;

    if (!mkdtemp(root) || !bench_open() || keel_open(&rt, &options, NULL) != KEEL_OK)
        return 1;
    compare(rt);
    keel_close(rt, 0);
    bench_close();
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0;
}
