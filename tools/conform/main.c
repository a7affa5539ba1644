/* SPDX-License-Identifier: MIT */
/*
 * keel-conform: holds a bag against what keel_bag(3) promises of every bag. For those who
 * write stores and decorators; keel's own pass through the same.
 */
#include "conform/conform.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EXIT_USAGE = 64, EXIT_CONFIG = 78 };

static const conform_check *const groups[] = { conform_values,  conform_conditions,
                                               conform_numbers, conform_times,
                                               conform_all,     conform_doubts,
                                               conform_races };

enum { GROUPS = sizeof groups / sizeof(const conform_check *) };

typedef struct counts {
    unsigned passed, failed, inapplicable;
} counts;

static const char usage[] =
    "usage: keel-conform [--only=TEXT] [--quiet] SPEC\n"
    "       keel-conform --list\n"
    "\n"
    "Checks a bag against what keel promises of every bag. It writes items whose keys\n"
    "begin with \"conform:\", and reads and deletes no others, except that a bag with\n"
    "allow_flush=on is flushed.\n"
    "\n"
    "  --only=TEXT  only the checks whose name holds this\n"
    "  --quiet      only what failed, and the sum\n"
    "  --list       the checks, and what they need\n"
    "\n"
    "Exits with 0 if all that apply have passed, 1 if one has not, 78 if there is no "
    "such\n"
    "bag.\n";

/* ---- one check ----------------------------------------------------------------------- */

/* The first ability that is missing; NULL: it can be run. */
static const char *missing(const conform *c, const conform_check *check)
{
    uint32_t lacks = check->needs & ~c->abilities.effective;

    for (unsigned bit = 0; bit < 31; bit++)
        if (lacks & (uint32_t)1 << bit)
            return keel_bag_ability_name((keel_bag_ability)(1 << bit));
    return NULL;
}

/* Most checks use few keys; those that use more delete them. */
static void clean_up(conform *c)
{
    for (unsigned i = 0; i < 8; i++)
        (void)keel_bag_delete(c->bag, key_of(c, i), NULL, NULL);
}

static void run_check(conform *c, const conform_check *check, bool quiet, counts *sum)
{
    const char *lacks = missing(c, check);

    c->check++;
    c->said[0] = '\0';
    if (lacks) {
        sum->inapplicable++;
        if (!quiet)
            printf("SKIP %s: it cannot %s\n", check->name, lacks);
        return;
    }
    check->run(c);
    clean_up(c);
    if (c->said[0]) {
        sum->failed++;
        printf("FAIL %s: %s\n", check->name, c->said);
    } else {
        sum->passed++;
        if (!quiet)
            printf("PASS %s\n", check->name);
    }
    fflush(stdout);
}

/* ---- all of them --------------------------------------------------------------------- */

static int run_all(conform *c, const char *only, bool quiet)
{
    counts sum = { 0, 0, 0 };

    for (size_t g = 0; g < GROUPS; g++)
        for (const conform_check *check = groups[g]; check->name; check++)
            if (!only || strstr(check->name, only))
                run_check(c, check, quiet, &sum);
    printf("%u passed, %u failed, %u do not apply\n", sum.passed, sum.failed,
           sum.inapplicable);
    return sum.failed || !sum.passed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int list_all(void)
{
    for (size_t g = 0; g < GROUPS; g++)
        for (const conform_check *check = groups[g]; check->name; check++) {
            printf("%s", check->name);
            for (unsigned bit = 0; bit < 31; bit++)
                if (check->needs & (uint32_t)1 << bit)
                    printf(" %s", keel_bag_ability_name((keel_bag_ability)(1 << bit)));
            putchar('\n');
        }
    return EXIT_SUCCESS;
}

/* In a tree with faults of its own, the runtime that allows ours would let those loose. */
static void leave_faults_alone(conform *c)
{
    char text[4096];

    keel_bag_describe(c->bag, text, sizeof text);
    if (strstr(text, "fault"))
        c->abilities.effective &= ~(uint32_t)KEEL_HAS_NONCE;
}

static int conform_to(const char *spec, const char *only, bool quiet)
{
    static conform c;
    struct timespec now;
    int code;

    c.why = (keel_detail)KEEL_DETAIL_INIT;
    clock_gettime(CLOCK_REALTIME, &now);
    c.run = (uint64_t)now.tv_sec << 20 | (uint64_t)now.tv_nsec >> 10;
    c.spec = getenv("KEEL_BAG_CONFORM") ? "$CONFORM" : spec;
    c.abilities.size = sizeof c.abilities;
    if (keel_open(&c.runtime, NULL, &c.why) != KEEL_OK ||
        keel_bag_open(&c.bag, c.runtime, "conform", spec, &c.why) != KEEL_OK ||
        keel_bag_look(c.bag, &c.abilities) != KEEL_OK) {
        fprintf(stderr, "keel-conform: %s\n", c.why.text);
        code = EXIT_CONFIG;
    } else {
        leave_faults_alone(&c);
        code = run_all(&c, only, quiet);
    }
    keel_bag_close(c.bag);
    keel_close(c.runtime, CONFORM_CLOSE_NS);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "only", required_argument, NULL, 'o' },
                                             { "quiet", no_argument, NULL, 'q' },
                                             { "list", no_argument, NULL, 'l' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    const char *only = NULL;
    bool quiet = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o')
            only = optarg;
        else if (option == 'q')
            quiet = true;
        else if (option == 'l')
            return list_all();
        else
            return fputs(usage, option == 'h' ? stdout : stderr),
                   option == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
    }
    if (optind + 1 != argc)
        return fputs(usage, stderr), EXIT_USAGE;
    return conform_to(argv[optind], only, quiet);
}
