/* SPDX-License-Identifier: MIT */
/*
 * The demonstration has three parts: what a service feels of an HTTP server that fails, of
 * a store that fails, and of a region that is cut off. scripts/demo builds and runs this.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"
#include "http.h"
#include "regions.h"
#include "storage.h"

typedef struct programme {
    bool has_http, has_storage, has_regions;
    const char *picture;
    schedule http, storage, regions;
} programme;

static void print_help(FILE *out)
{
    fputs("usage: keel-demo [http] [--picture FILE] [--seconds N,N,N,N,N,N,N]\n"
          "       keel-demo storage [--seconds N,N,N,N,N,N,N]\n"
          "       keel-demo regions [--seconds N,N,N,N,N,N,N]\n"
          "\n"
          "http     what the callers of a service feel while the server it depends on "
          "is\n"
          "         healthy, killed, back, 2 s slow, fast, answering 30 % errors, and "
          "back\n"
          "storage  what a service that keeps its sessions in Redis feels while Redis "
          "is\n"
          "         healthy, killed, back, frozen, back, starved, and back\n"
          "regions  what the callers of a service feel whose dependency lives in two\n"
          "         regions while both are healthy, the near one is frozen, back, "
          "killed,\n"
          "         and back, and while one endpoint is slow, and another one fails\n"
          "\n"
          "without keel and with it, at the same time. All are played where none is "
          "named.\n"
          "\n"
          "  --picture FILE  where the picture (SVG) of http goes; default: "
          "keel-demo.svg\n"
          "  --seconds LIST  how long each of the part's seven phases lasts, 0 leaves "
          "it\n"
          "                  out; default: 8,8,10,22,10,12,6, 2,4,3,4,3,3,3 and\n"
          "                  2,6,3,3,4,4,3\n"
          "\n"
          "KEEL_PAYMENTS='timeout=500ms' in the environment changes the settings\n"
          "of http, as it does for any service. NO_COLOR switches colours off.\n",
          out);
}

/* Takes a part's name, if there is one. */
static char **read_part(programme *p, char **words)
{
    bool is_http = *words && !strcmp(*words, "http");
    bool is_storage = *words && !strcmp(*words, "storage");
    bool is_regions = *words && !strcmp(*words, "regions");

    p->has_http = !is_storage && !is_regions;
    p->has_storage = !is_http && !is_regions;
    p->has_regions = !is_http && !is_storage;
    return words + (is_http || is_storage || is_regions);
}

/* Takes an option and its value; NULL: that is none. */
static char **read_option(programme *p, char **words)
{
    schedule *s = p->has_http ? &p->http : p->has_storage ? &p->storage : &p->regions;

    if (!words[1])
        return NULL;
    if (!strcmp(words[0], "--picture") && p->has_http)
        p->picture = words[1];
    else if (strcmp(words[0], "--seconds") != 0 || !schedule_parse(s, words[1]))
        return NULL;
    return words + 2;
}

/* False: there is nothing to play; *rc is what to exit with. */
static bool parse(programme *p, char **words, int *rc)
{
    for (words = read_part(p, words); words && *words;) {
        if (!strcmp(*words, "--help") || !strcmp(*words, "-h")) {
            print_help(stdout);
            *rc = EXIT_SUCCESS;
            return false;
        }
        words = read_option(p, words);
    }
    if (words)
        return true;
    print_help(stderr);
    *rc = EXIT_FAILURE;
    return false;
}

static int play(const programme *p)
{
    int rc = EXIT_SUCCESS;

    if (p->has_http)
        rc = http_perform(&p->http, p->picture);
    if (p->has_http && p->has_storage && rc == EXIT_SUCCESS)
        puts("");
    if (p->has_storage && rc == EXIT_SUCCESS)
        rc = storage_perform(&p->storage);
    if (p->has_storage && p->has_regions && rc == EXIT_SUCCESS)
        puts("");
    if (p->has_regions && rc == EXIT_SUCCESS)
        rc = regions_perform(&p->regions);
    return rc;
}

int main(int argc, char **argv)
{
    static programme p = { .picture = "keel-demo.svg" };
    int rc;

    (void)argc;
    schedule_init(&p.http, schedule_http);
    schedule_init(&p.storage, schedule_storage);
    schedule_init(&p.regions, schedule_regions);
    if (!parse(&p, argv + 1, &rc))
        return rc;
    demo_catch_signals();
    return play(&p);
}
