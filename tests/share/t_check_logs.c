/* SPDX-License-Identifier: MIT */
/* That the checker of chaos can fail: forged logs, each of which breaks one invariant,
 * and sound ones that come near to it. */
#include "share/check_logs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/suite.h"

/* An instant in milliseconds, as the logs have them. */
#define AT(ms) #ms "000000 "
#define IS_OF(data, ms, number, state, left)                                           \
    AT(ms)                                                                             \
    "fleet pipeline=p epoch=" #number " state=" state " left_ms=" #left                \
    " data=00000000000000" #data "\n"
#define IS(ms, number, state, left) IS_OF(aa, ms, number, state, left)
#define LENT(ms, number, count)                                                        \
    AT(ms) "fleet pipeline=p epoch=" #number " lent=" #count "\n"
#define PROBE(ms, number, end)                                                         \
    AT(ms) "fleet pipeline=p epoch=" #number " probe=" end " answer=0\n"
#define MOVED_TO(number, ms, to)                                                       \
    AT(ms) "breaker pipeline=p from=x to=" to " cause=fleet generation=" #number "\n"
#define MOVED(ms, to) MOVED_TO(3, ms, to)
#define FLEET(ms, what) AT(ms) "fleet fleet=" what "\n"
#define TORMENT(ms, what) AT(ms) "torment " what "\n"

static const check_rules rules = { .permits = 2,
                                   .lease_ms = 1000,
                                   .open_most_ms = 600 };

typedef struct forgery {
    const char *why;
    const char *says; /* NULL: nothing is wrong */
    const char *a, *b, *torment;
} forgery;

#define ROUND                                                                          \
    IS(1000, 1, "closed", 0)                                                           \
    IS(2000, 2, "open", 300) IS(2400, 3, "half_open", 0) LENT(2401, 3, 1)

static const forgery forgeries[] = {
    { "nothing is wrong", NULL, ROUND PROBE(2410, 3, "good") IS(2420, 4, "closed", 0),
      IS(2001, 2, "open", 299) IS(2421, 4, "closed", 0),
      TORMENT(9000, "alive=a.log") TORMENT(9000, "alive=b.log") },
    { "an epoch goes back", "I1:", IS(1000, 5, "open", 1) IS(1001, 4, "half_open", 0),
      "", "" },
    { "of another pipeline", NULL,
      IS(1000, 5, "open", 1) "1001000000 fleet pipeline=q epoch=4 state=open "
                             "left_ms=1 data=00000000000000aa\n",
      "", "" },
    { "one epoch, two states", "I2:", IS(1000, 5, "open", 1),
      IS(1500, 5, "half_open", 0), "" },
    { "one epoch, two states, of two data", NULL, IS(1000, 5, "open", 1),
      "1500000000 fleet pipeline=p epoch=5 state=half_open left_ms=0 "
      "data=00000000000000bb\n",
      "" },
    { "three leases of two", "I3:", ROUND LENT(2402, 3, 1) IS(3000, 4, "open", 1),
      LENT(2500, 3, 1), "" },
    { "three, after one has ended", NULL,
      ROUND PROBE(2402, 3, "unused") LENT(2403, 3, 1) IS(3000, 4, "open", 1),
      LENT(2500, 3, 1), "" },
    { "three, one of which was renewed",
      "I3:", ROUND PROBE(2402, 3, "renewed") LENT(2403, 3, 1) IS(3000, 4, "open", 1),
      LENT(2500, 3, 1), "" },
    { "three, when two have run out", NULL,
      ROUND LENT(2402, 3, 1) IS(4000, 4, "open", 1), LENT(3900, 3, 1), "" },
    { "three, as the data was lost", NULL,
      ROUND LENT(2402, 3, 1) IS(3000, 4, "open", 1), LENT(2500, 3, 1),
      TORMENT(2450, "lost") },
    { "three, told late by who was stopped", NULL,
      ROUND LENT(2402, 3, 1) IS(3000, 4, "open", 1), LENT(2500, 3, 1),
      TORMENT(2480, "cont=b.log") },
    { "closed right after open", "I5:", IS(1000, 2, "open", 1) IS(1100, 3, "closed", 0),
      IS(1000, 2, "half_open", 0), "" },
    { "closed, and no probe was ever lent",
      "I5:", IS(1000, 2, "open", 1) IS(1100, 4, "closed", 0), "", "" },
    { "closed by a round of another history's, later", NULL,
      IS(1000, 7, "open", 1) IS_OF(bb, 2000, 8, "closed", 0),
      IS_OF(bb, 1500, 7, "half_open", 0), "" },
    { "by one of its own, whose end the other has from members", NULL,
      IS(1000, 6, "open", 1) IS_OF(bb, 3000, 10, "closed", 0),
      IS(1500, 9, "half_open", 0), "" },
    { "by one of a third history, between the two", NULL,
      IS(1000, 6, "open", 1) IS_OF(bb, 3000, 10, "closed", 0),
      IS_OF(cc, 1500, 9, "half_open", 0) IS_OF(cc, 1900, 10, "closed", 0), "" },
    { "by one of its own that was over before the trouble",
      "I5:", IS(1600, 7, "open", 1) IS_OF(bb, 2000, 8, "closed", 0),
      IS(1500, 7, "half_open", 0), "" },
    { "by one that was over before the trouble",
      "I5:", IS(1600, 7, "open", 1) IS_OF(bb, 2000, 8, "closed", 0),
      IS_OF(bb, 1500, 7, "half_open", 0), "" },
    { "by one that was over before the trouble was told, by who was stopped", NULL,
      IS(1600, 7, "open", 1) IS_OF(bb, 2000, 8, "closed", 0),
      IS_OF(bb, 1500, 7, "half_open", 0),
      TORMENT(1400, "stop=a.log") TORMENT(1590, "cont=a.log") },
    { "the same, stopped for long, who told before it was noted that he goes on", NULL,
      IS(3600, 7, "open", 1) IS_OF(bb, 4000, 8, "closed", 0),
      IS_OF(bb, 1500, 7, "half_open", 0),
      TORMENT(1400, "stop=a.log") TORMENT(3601, "cont=a.log") },
    { "by one that was over before who told of the trouble was stopped",
      "I5:", IS(1600, 7, "open", 1) IS_OF(bb, 2000, 8, "closed", 0),
      IS_OF(bb, 1300, 7, "half_open", 0),
      TORMENT(1400, "stop=a.log") TORMENT(1590, "cont=a.log") },
    { "closed in the epoch of its round",
      "I5:", IS(1000, 2, "half_open", 1) IS(1100, 2, "closed", 0), "", "" },
    { "closed here while the fleet is open",
      "I6:", IS(1000, 2, "open", 500) MOVED(1200, "closed"), "", "" },
    { "closed here when the open time is over", NULL,
      IS(1000, 2, "open", 500) MOVED(1501, "closed"), "", "" },
    { "closed here before that, told after it was open here", NULL,
      IS(1000, 2, "open", 500) MOVED_TO(5, 1001, "open") MOVED_TO(4, 1200, "closed"),
      "", "" },
    { "closed here, and another pipeline has moved more often", "I6:",
      IS(1000, 2, "open", 500)
          AT(1001) "breaker pipeline=q from=closed to=open "
                   "cause=fleet generation=5\n" MOVED(1200, "closed"),
      "", "" },
    { "open for too long", "I10:", IS(1000, 2, "open", 601), "", "" },
    { "open in the end", "L1:", IS(1000, 2, "open", 300), "",
      TORMENT(9000, "alive=a.log") },
    { "silent until the end", "L1:", "", "", TORMENT(9000, "alive=a.log") },
    { "open here in the end", "L1:", IS(1000, 1, "closed", 0) MOVED(1001, "open"), "",
      TORMENT(9000, "alive=a.log") },
    { "without the fleet in the end", "L1:",
      IS(1000, 1, "closed", 0) FLEET(1001, "joined member=m") FLEET(1002, "lost"), "",
      TORMENT(9000, "alive=a.log") },
    { "back in the fleet in the end", NULL,
      IS(1000, 1, "closed", 0) FLEET(1001, "lost") FLEET(1002, "joined member=m"), "",
      TORMENT(9000, "alive=a.log") },
    { "of two minds in the end", "L2:", ROUND IS(2420, 4, "closed", 0),
      IS(1000, 1, "closed", 0),
      TORMENT(9000, "alive=a.log") TORMENT(9000, "alive=b.log") },
};

static void write_log(const char *directory, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void remove_logs(const char *directory)
{
    static const char *const names[] = { "a.log", "b.log", "torment.log" };
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

START_TEST(each_invariant_is_seen_to_be_broken)
{
    const forgery *f = &forgeries[_i];
    char directory[] = "/tmp/keel-logs-XXXXXX", *said = NULL;
    size_t size;
    FILE *out = open_memstream(&said, &size);
    int wrong;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    write_log(directory, "a.log", f->a);
    write_log(directory, "b.log", f->b);
    write_log(directory, "torment.log", f->torment);
    wrong = check_logs(directory, &rules, out);
    fclose(out);
    remove_logs(directory);
    ck_assert_msg((wrong > 0) == (f->says != NULL), "%s: %d\n%s", f->why, wrong, said);
    ck_assert_msg(!f->says || strstr(said, f->says), "%s: %s", f->why, said);
    free(said);
}
END_TEST

static const struct {
    const char *why, *log;
    uint64_t epoch;
} members[] = {
    { "silent", "", 0 },
    { "closed", IS(1000, 2, "half_open", 0) IS(1001, 3, "closed", 0), 3 },
    { "open", IS(1000, 3, "closed", 0) IS(1001, 4, "open", 100), 0 },
    { "open here", IS(1000, 3, "closed", 0) MOVED(1001, "open"), 0 },
    { "half-open here", IS(1000, 3, "closed", 0) MOVED(1001, "half_open"), 0 },
    { "closed here, told by who came first after who came last",
      IS(1000, 3, "closed", 0) MOVED_TO(5, 1001, "closed")
          MOVED_TO(4, 1002, "half_open"),
      3 },
    { "closed here", IS(1000, 3, "closed", 0) MOVED(1, "open") MOVED(2, "closed"), 3 },
    { "without the fleet", IS(1000, 3, "closed", 0) FLEET(1001, "lost"), 0 },
    { "back in it", IS(1, 3, "closed", 0) FLEET(2, "lost") FLEET(3, "joined"), 3 },
};

START_TEST(a_member_is_well_in_an_epoch)
{
    char directory[] = "/tmp/keel-logs-XXXXXX";
    uint64_t epoch;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    write_log(directory, "a.log", members[_i].log);
    epoch = check_well_epoch(directory, "a.log");
    remove_logs(directory);
    ck_assert_msg(epoch == members[_i].epoch, "%s: %llu", members[_i].why,
                  (unsigned long long)epoch);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_right)
{
    ck_assert_int_eq(check_logs("/nonexistent", &rules, stderr), -1);
    ck_assert_uint_eq(check_well_epoch("/nonexistent", "a.log"), 0);
}
END_TEST

SUITE("check_logs", 10, ROWS(each_invariant_is_seen_to_be_broken, forgeries),
      ROWS(a_member_is_well_in_an_epoch, members),
      ONE(what_cannot_be_read_is_not_right))
