/* SPDX-License-Identifier: MIT */
/* keel serve: what its command line says. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "keel.h"
#include "output.h"
#include "serve_run.h"

static const char usage[] =
    "usage: keel serve SPEC [--listen ADDRESS]... [option ...]\n"
    "           a bag behind memcached's text protocol, until SIGTERM or SIGINT\n"
    "\n"
    "  --listen ADDRESS     HOST:PORT, [ADDRESS]:PORT, :PORT or unix:PATH, once or "
    "often;\n"
    "                       standard 127.0.0.1:11211\n"
    "  --threads NUMBER     4; each answers one request at a time\n"
    "  --connections NUMBER 1024; whoever comes then is turned away\n"
    "  --max-value SIZE     1MiB; larger ones are refused\n"
    "  --max-line SIZE      256KiB; of a command, which may be a get of many keys\n"
    "  --idle LENGTH        0: a silent client stays\n"
    "  --timeout LENGTH     of one request; 0: the bag's own\n"
    "  --grace LENGTH       5s; at a stop, for what is under way\n"
    "  --socket-mode MODE   0700; of unix sockets\n"
    "See keel-serve(1).\n";

static int wrong_usage(const char *what)
{
    fprintf(stderr, "keel serve: %s\n%s", what, usage);
    return KEEL_EXIT_USAGE;
}

/* ---- options ------------------------------------------------------------------------- */

typedef enum kind { LISTEN, NUMBER, SIZE, LENGTH, MODE, HELP } kind;

/* where: of the plan. */
typedef struct choice {
    const char *name;
    kind kind;
    size_t where;
    uint64_t min, max;
    const char *takes;
} choice;

#define AT(field) offsetof(keel_serve_plan, field)
#define YEAR_NS (UINT64_C(365) * 24 * KEEL_HOUR)

static const choice choices[] = {
    { "listen", LISTEN, 0, 0, 0, "16 addresses at most" },
    { "threads", NUMBER, AT(threads), 1, KEEL_SERVE_THREADS, "a number, 1 to 256" },
    { "connections", NUMBER, AT(connections), 1, 1000000, "a number, 1 to 1000000" },
    { "max-value", SIZE, AT(value_max), 1, 1 << 30,
      "a size with its unit, 1B to 1GiB" },
    { "max-line", SIZE, AT(line_max), 1024, 64 << 20,
      "a size with its unit, 1KiB to 64MiB" },
    { "idle", LENGTH, AT(idle_ns), 0, YEAR_NS, "a length of time, such as 5m" },
    { "timeout", LENGTH, AT(timeout_ns), 0, YEAR_NS, "a length of time, such as 2s" },
    { "grace", LENGTH, AT(grace_ns), 0, YEAR_NS, "a length of time, such as 5s" },
    { "socket-mode", MODE, 0, 0, 0, "a mode in octal digits, such as 0770" },
    { "help", HELP, 0, 0, 0, NULL },
};

enum { CHOICES = sizeof choices / sizeof *choices };

static bool take_mode(keel_serve_plan *plan, const char *text)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);

    if (*text < '0' || *text > '7' || *end || mode > 0777)
        return false;
    plan->socket_mode = (mode_t)mode;
    return true;
}

static bool take_number(keel_serve_plan *plan, const choice *c, const char *text)
{
    uint64_t number = 0;
    keel_text t = keel_text_of(text);
    keel_parse parsed = c->kind == NUMBER ? keel_parse_count(t, &number)
                        : c->kind == SIZE ? keel_parse_size(t, &number)
                                          : keel_parse_duration(t, &number);

    if (parsed != KEEL_PARSE_OK || number < c->min || number > c->max)
        return false;
    memcpy((char *)plan + c->where, &number, sizeof number);
    return true;
}

static bool take_choice(keel_serve_plan *plan, const choice *c, const char *text)
{
    if (c->kind == MODE)
        return take_mode(plan, text);
    if (c->kind != LISTEN)
        return take_number(plan, c, text);
    if (plan->address_count == KEEL_SERVE_LISTENERS)
        return false;
    plan->addresses[plan->address_count++] = text;
    return true;
}

static void list_options(struct option options[CHOICES + 1])
{
    for (int i = 0; i < CHOICES; i++)
        options[i] =
            (struct option){ choices[i].name,
                             choices[i].kind == HELP ? no_argument : required_argument,
                             NULL, i };
    options[CHOICES] = (struct option){ 0 };
}

static int wrong_choice(const choice *c)
{
    char what[128];

    snprintf(what, sizeof what, "--%s takes %s", c->name, c->takes);
    return wrong_usage(what);
}

/* -1: go on; else what to exit with. */
static int take_options(keel_serve_plan *plan, int argc, char **argv)
{
    struct option options[CHOICES + 1];
    int option;

    list_options(options);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h' || (option < CHOICES && choices[option].kind == HELP)) {
            fputs(usage, stdout);
            return keel_output_end("serve", 0);
        }
        if (option == '?') {
            fputs(usage, stderr);
            return KEEL_EXIT_USAGE;
        }
        if (!take_choice(plan, &choices[option], optarg))
            return wrong_choice(&choices[option]);
    }
    return -1;
}

int keel_tool_serve(int argc, char **argv)
{
    static char own_name[] = "keel serve";
    keel_serve_plan plan = { .socket_mode = 0700,
                             .threads = 4,
                             .connections = 1024,
                             .value_max = 1 << 20,
                             .line_max = 256 << 10,
                             .grace_ns = 5 * KEEL_SECOND };
    int code;

    argv[0] = own_name; /* getopt's complaints begin with it */
    code = take_options(&plan, argc, argv);
    if (code >= 0)
        return code;
    if (argc - optind != 1)
        return wrong_usage("one SPEC");
    plan.spec = argv[optind];
    if (!plan.address_count)
        plan.addresses[plan.address_count++] = "127.0.0.1:11211";
    return keel_serve_run(&plan);
}
