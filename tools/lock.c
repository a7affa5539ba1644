/* SPDX-License-Identifier: MIT */
/* keel lock, keel unlock: an operator's hand on a breaker of a running service. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "keel.h"
#include "operator.h"
#include "output.h"

static const char lock_usage[] =
    "usage: keel lock [--board FILE | --redis[=URL]] [--for LENGTH] [--reason TEXT]\n"
    "                 [--actor NAME] [--replace] NAME open|closed|disabled|observe\n"
    "           holds a breaker, until it is unlocked or LENGTH (10m) is over\n";
static const char unlock_usage[] =
    "usage: keel unlock [--board FILE | --redis[=URL]] [--actor NAME]\n"
    "                   [--if-version VERSION] NAME\n"
    "           lifts the lock; VERSION: only the one that keel status --json showed\n";

/* An order as it was given. lock: KEEL_LOCK_NONE, unlock */
typedef struct order {
    const char *command;
    keel_operator_place place;
    const char *name;
    keel_lock lock;
    keel_lock_options options;
} order;

/* ---- what comes of it -------------------------------------------------------------- */

static void print_lock(FILE *out, const char *name, const char *how,
                       const keel_lock_state *lock)
{
    char text[KEEL_OUTPUT_TEXT_SIZE];

    fprintf(out, "%s: %s %s by %s", name, how, keel_lock_name(lock->lock),
            *lock->actor ? lock->actor : "somebody");
    if (lock->set_s)
        fprintf(out, " at %s", keel_output_instant(text, lock->set_s * 1000, 0));
    if (lock->left_ns)
        fprintf(out, " for %s", keel_output_length(text, lock->left_ns));
    fprintf(out, "%s%s\n", *lock->reason ? ": " : "", lock->reason);
}

static int say_conflict(const order *o, const keel_lock_state *standing)
{
    fprintf(stderr, "keel %s: not done, ", o->command);
    if (standing->size)
        print_lock(stderr, o->name, "locked", standing);
    else
        fprintf(stderr, "%s: not locked any more\n", o->name);
    if (o->lock)
        fputs("--replace takes its place\n", stderr);
    return KEEL_EXIT_CONFLICT;
}

static int say_unknown(const order *o, keel_source *source)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_view view;
    int code;

    if (source->look(source, &view, &why) != KEEL_OK)
        return keel_operator_failed(o->command, source, &why);
    code = keel_operator_unknown(o->command, source, &view, o->name);
    keel_view_cleanup(&view);
    return code;
}

/* An order whose answer is lost may have been obeyed. */
static int say_failure(const order *o, const keel_source *source,
                       const keel_detail *why)
{
    int code = keel_operator_failed(o->command, source, why);

    if (why->applied == KEEL_APPLIED_UNKNOWN)
        fprintf(stderr, "whether it was done is not known: see keel status %s\n",
                o->name);
    else if (why->applied == KEEL_APPLIED_YES)
        fputs("it was done\n", stderr);
    return code;
}

/* Whoever takes somebody else's lock away sees what he had to say. */
static int say_done(const order *o, const keel_lock_state *standing,
                    const keel_lock_state *replaced)
{
    if (standing->size)
        print_lock(stdout, o->name, "locked", standing);
    else
        printf("%s: not locked\n", o->name);
    if (replaced->size)
        print_lock(stdout, o->name, "was locked", replaced);
    return 0;
}

static int obey(const order *o, keel_source *source)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_lock_state standing, replaced;

    switch (source->lock(source, o->name, o->lock, &o->options, &standing, &replaced,
                         &why)) {
    case KEEL_OK:
        return say_done(o, &standing, &replaced);
    case KEEL_E_CONFLICT:
        return say_conflict(o, &standing);
    case KEEL_E_ARGUMENT:
        return say_unknown(o, source);
    case KEEL_E_STATE:
        fprintf(stderr, "keel %s: %s has no breaker that is shared\n", o->command,
                o->name);
        return KEEL_EXIT_USAGE;
    default:
        return say_failure(o, source, &why);
    }
}

static int give(const order *o)
{
    int code;
    keel_source *source = keel_operator_source(o->command, &o->place, &code);

    if (!source)
        return code;
    code = obey(o, source);
    source->close(source);
    return keel_output_end(o->command, code);
}

/* ---- who --------------------------------------------------------------------------- */

/* Whoever became root is still the one who acts. */
static const char *default_actor(void)
{
    const char *sudo_user = getenv("SUDO_USER");
    const char *login = sudo_user && *sudo_user ? sudo_user : getlogin();
    const struct passwd *user = login ? NULL : getpwuid(getuid());

    if (login)
        return login;
    return user ? user->pw_name : "somebody";
}

/* ---- arguments --------------------------------------------------------------------- */

static bool read_lock(const char *word, keel_lock *lock)
{
    for (keel_lock l = KEEL_LOCK_OPEN; l <= KEEL_LOCK_OBSERVE; l++)
        if (!strcmp(word, keel_lock_name(l))) {
            *lock = l;
            return true;
        }
    return false;
}

static bool is_too_long(const char *text, size_t size)
{
    return text && strlen(text) >= size;
}

/* One option. What is wrong with it; NULL: nothing. */
static const char *take_option(void *to, int option, const char *argument)
{
    order *o = to;
    uint64_t version;

    switch (option) {
    case 'a':
        o->options.actor = argument;
        return NULL;
    case 'r':
        o->options.reason = argument;
        return NULL;
    case 'x':
        o->options.any_version = true;
        return NULL;
    case 'f':
        if (keel_parse_duration(keel_text_of(argument), &o->options.for_ns) ||
            !o->options.for_ns)
            return "--for takes a length of time with its unit, such as 10m";
        return NULL;
    case 'v':
        if (keel_parse_count(keel_text_of(argument), &version) || !version)
            return "--if-version takes the version that keel status --json shows";
        o->options.version = version;
        o->options.any_version = false;
        return NULL;
    default:
        return NULL;
    }
}

static const char *check_texts(order *o)
{
    if (!o->options.actor)
        o->options.actor = default_actor();
    if (is_too_long(o->options.actor, sizeof((keel_lock_state *)NULL)->actor))
        return "the name of --actor has more than 47 bytes";
    if (is_too_long(o->options.reason, sizeof((keel_lock_state *)NULL)->reason))
        return "the text of --reason has more than 183 bytes";
    return NULL;
}

/* -1: go on; else what to exit with. */
static int take_options(order *o, const keel_operator_command *command, int argc,
                        char **argv)
{
    const char *wrong;
    int code = keel_operator_read(command, &o->place, o, argc, argv);

    if (code >= 0)
        return code;
    wrong = check_texts(o);
    return wrong ? keel_operator_wrong(command, wrong) : -1;
}

int keel_tool_lock(int argc, char **argv)
{
    static const struct option options[] = {
        KEEL_OPERATOR_OPTIONS,
        { "for", required_argument, NULL, 'f' },
        { "reason", required_argument, NULL, 'r' },
        { "actor", required_argument, NULL, 'a' },
        { "replace", no_argument, NULL, 'x' },
        { NULL, 0, NULL, 0 },
    };
    const keel_operator_command command = { "lock", lock_usage, options, take_option };
    order o = { .command = "lock", .options = { .size = sizeof o.options } };
    int code = take_options(&o, &command, argc, argv);

    if (code >= 0)
        return code;
    if (argc - optind != 2)
        return keel_operator_wrong(
            &command, "which NAME, and open, closed, disabled or observe?");
    o.name = argv[optind];
    if (!read_lock(argv[optind + 1], &o.lock))
        return keel_operator_wrong(&command,
                                   "a lock is open, closed, disabled or observe");
    return give(&o);
}

int keel_tool_unlock(int argc, char **argv)
{
    static const struct option options[] = {
        KEEL_OPERATOR_OPTIONS,
        { "actor", required_argument, NULL, 'a' },
        { "if-version", required_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    const keel_operator_command command = { "unlock", unlock_usage, options,
                                            take_option };
    order o = { .command = "unlock",
                .options = { .size = sizeof o.options, .any_version = true } };
    int code = take_options(&o, &command, argc, argv);

    if (code >= 0)
        return code;
    if (argc - optind != 1)
        return keel_operator_wrong(&command, "which NAME?");
    o.name = argv[optind];
    return give(&o);
}
