/* SPDX-License-Identifier: MIT */
/* Verdicts are computed from the numbers beside them, for better and for worse. */
#include "summary.h"

typedef enum better { MORE_IS_BETTER, LESS_IS_BETTER } better;

/* A difference below a twentieth is no difference. */
static const char *verdict(better kind, double plain, double keel)
{
    double larger = plain > keel ? plain : keel;
    double difference = kind == MORE_IS_BETTER ? keel - plain : plain - keel;

    if (difference > larger / 20)
        return "better";
    if (difference < -larger / 20)
        return "worse";
    return "equal";
}

static void row(FILE *out, const char *what, better kind, double plain, double keel,
                const char *unit)
{
    int digits = *unit ? 1 : 0;

    fprintf(out, "  %-46s%9.*f%s%9.*f%s  %s\n", what, digits, plain, unit, digits, keel,
            unit, verdict(kind, plain, keel));
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static unsigned asked(const tally *t)
{
    return t->answered + t->failed + t->refused;
}

static double share(const tally *t)
{
    return asked(t) ? 100.0 * t->answered / asked(t) : 0;
}

static void print_phases(FILE *out, const story *s)
{
    fprintf(out,
            "\n  phase           answered        of all asked    callers stuck   sent\n"
            "                  without keel    without keel    without keel    without "
            "keel\n");
    for (int i = 0; i < PHASES; i++) {
        const phase *p = &s->schedule->phases[i];
        tally plain = story_sum(s, PLAIN, p->begins, p->begins + p->seconds);
        tally keel = story_sum(s, KEEL, p->begins, p->begins + p->seconds);

        if (p->seconds == 0)
            continue;
        fprintf(out, "  %-15s%8u%6u%9.0f%%%5.0f%%%10.1f%6.1f%9u%5u\n", p->name,
                plain.answered, keel.answered, share(&plain), share(&keel),
                plain.stuck / p->seconds, keel.stuck / p->seconds, plain.attempts,
                keel.attempts);
    }
}

/* Requests that went out while the server was dead, slow or flaky. */
static double sent_to_sick(const story *s, int service)
{
    unsigned sent = 0;

    for (int i = 0; i < PHASES; i++) {
        const phase *p = &s->schedule->phases[i];

        if (p->mood != MOOD_WELL)
            sent += story_sum(s, service, p->begins, p->begins + p->seconds).attempts;
    }
    return sent;
}

/* Negative: no answer came in this phase. */
static double recovery(const story *s, int service, int at)
{
    uint64_t at_ns = s->first_answer_ns[service][at];

    return at_ns ? seconds(at_ns - s->phase_began_ns[at]) : -1;
}

/* The first answer after a phase in which there could be none. */
static void print_recoveries(FILE *out, const story *s)
{
    static const char *const what[] = { [MOOD_DEAD] = "first answer after it was back",
                                        [MOOD_SLOW] =
                                            "first answer after it was fast" };

    for (int i = 1; i < PHASES; i++) {
        mood before = s->schedule->phases[i - 1].mood;
        double plain = recovery(s, PLAIN, i), keel = recovery(s, KEEL, i);

        if ((before != MOOD_DEAD && before != MOOD_SLOW) ||
            !s->schedule->phases[i - 1].seconds || !s->schedule->phases[i].seconds)
            continue;
        if (plain < 0 || keel < 0)
            fprintf(out, "  %s: never, in this phase\n", what[before]);
        else
            row(out, what[before], LESS_IS_BETTER, plain, keel, " s");
    }
}

static void print_rows(FILE *out, const story *s)
{
    tally plain = story_sum(s, PLAIN, 0, s->seconds);
    tally keel = story_sum(s, KEEL, 0, s->seconds);

    fprintf(out, "\n  %-46s%9s%11s\n", "all phases", "without", "with keel");
    row(out, "requests answered", MORE_IS_BETTER, plain.answered, keel.answered, "");
    row(out, "requests that failed after trying", LESS_IS_BETTER, plain.failed,
        keel.failed, "");
    row(out, "requests refused by keel, nothing sent", LESS_IS_BETTER, plain.refused,
        keel.refused, "");
    row(out, "callers' time lost in requests without answer", LESS_IS_BETTER,
        seconds(plain.lost_ns), seconds(keel.lost_ns), " s");
    row(out, "requests that took more than 1 s", LESS_IS_BETTER, plain.hung, keel.hung,
        "");
    row(out, "longest request", LESS_IS_BETTER, seconds(plain.longest_ns),
        seconds(keel.longest_ns), " s");
    row(out, "sent to the server while it was sick", LESS_IS_BETTER,
        sent_to_sick(s, PLAIN), sent_to_sick(s, KEEL), "");
    print_recoveries(out, s);
}

void summary_print(FILE *out, const story *s)
{
    print_phases(out, s);
    print_rows(out, s);
    fprintf(
        out,
        "\n"
        "A refused request has no answer either, but it did not wait for the sick\n"
        "server: the service can take a fallback or a stale copy, and its threads "
        "stay\n"
        "free. Refusals come at once; only a retry whose 2 s reach to the next probe\n"
        "waits for it. The price is paid when the server is well again: keel stays\n"
        "away until the next probe, by default 5 s after the breaker opened, and\n"
        "twice as long each time the probes fail.\n");
}
