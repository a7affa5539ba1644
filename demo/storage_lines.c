/* SPDX-License-Identifier: MIT */
/* Lines for the eye; the numbers themselves are in storage_story. */
#include "storage_lines.h"

#include "demo.h"
#include "paper.h"

static paper to;
static unsigned transitions_told;

/* ---- the timeline ---------------------------------------------------------------- */

void storage_lines_begin(FILE *out)
{
    paper_init(&to, out);
    fprintf(
        to.file,
        "Each line is a second. Of the reads, with keel: how many were answered (ok),\n"
        "of these with what is past its time in the cache (stale) or by the standby\n"
        "(stby), and how many failed. Of the writes: how many were acknowledged (ok),\n"
        "failed and certainly not done (no), failed and nobody can tell (?).\n\n");
    paper_ink(&to, INK_BOLD);
    fprintf(to.file, "  s |        without keel         |"
                     "                with keel\n"
                     "    |   reads     writes          |"
                     "         reads           writes\n"
                     "    |  ok fail    ok fail longest |"
                     "  ok stale stby fail   ok   no   ? longest\n");
    paper_end_ink(&to);
}

void storage_lines_phase(const storage_story *s, int at)
{
    paper_ink(&to, INK_BOLD);
    fprintf(to.file, "----+- %s\n", s->schedule->phases[at].story);
    paper_end_ink(&to);
}

static void put_transitions(const storage_story *s)
{
    for (; transitions_told < s->transition_count; transitions_told++) {
        const transition *t = &s->transitions[transitions_told];

        if (t->to == KEEL_BREAKER_HALF_OPEN || t->from == t->to ||
            t->cause == KEEL_CAUSE_PROBES_FAILED)
            continue; /* once a second: too much to be read */
        paper_ink(&to, INK_DIM);
        fprintf(to.file, "    |                             | %.1f s: %s -> %s, %s\n",
                (double)(t->at_ns - s->begun_ns) / 1e9,
                keel_breaker_state_name(t->from), keel_breaker_state_name(t->to),
                story_cause(t->cause));
        paper_end_ink(&to);
    }
}

static unsigned changed(const load *l, ending how)
{
    return l->writes[how] + l->visits[how];
}

static void put_plain(const load *l)
{
    paper_count(&to, 4, l->reads, INK_GOOD);
    paper_count(&to, 5, l->unread, INK_BAD);
    paper_count(&to, 6, changed(l, ENDED_WELL), INK_GOOD);
    paper_count(&to, 5, changed(l, ENDED_IN_DOUBT), INK_BAD);
    fputc(' ', to.file);
    paper_wait(&to, l->longest_ns);
}

static void put_keel(const load *l)
{
    paper_count(&to, 4, l->reads, INK_GOOD);
    paper_count(&to, 6, l->stale, INK_WARN);
    paper_count(&to, 5, l->standby, INK_WARN);
    paper_count(&to, 5, l->unread, INK_BAD);
    paper_count(&to, 5, changed(l, ENDED_WELL), INK_GOOD);
    paper_count(&to, 5, changed(l, ENDED_NOT_DONE), INK_WARN);
    paper_count(&to, 4, changed(l, ENDED_IN_DOUBT), INK_BAD);
    fputc(' ', to.file);
    paper_wait(&to, l->longest_ns);
}

void storage_lines_second(const storage_story *s)
{
    unsigned i = s->seconds - 1;

    put_transitions(s);
    fprintf(to.file, "%3u |", s->seconds);
    put_plain(&s->felt[PLAIN][i]);
    fprintf(to.file, " |");
    put_keel(&s->felt[KEEL][i]);
    fputc('\n', to.file);
    fflush(to.file);
}

/* ---- adding up ------------------------------------------------------------------- */

static void add_endings(unsigned sum[ENDINGS], const unsigned more[ENDINGS])
{
    for (int i = 0; i < ENDINGS; i++)
        sum[i] += more[i];
}

load storage_sum(const storage_story *s, int service)
{
    load sum = { .reads = 0 };

    for (unsigned i = 0; i < s->seconds; i++) {
        const load *l = &s->felt[service][i];

        sum.reads += l->reads;
        sum.stale += l->stale;
        sum.standby += l->standby;
        sum.unread += l->unread;
        sum.old += l->old;
        sum.unmarked += l->unmarked;
        add_endings(sum.writes, l->writes);
        add_endings(sum.visits, l->visits);
        if (l->longest_ns > sum.longest_ns)
            sum.longest_ns = l->longest_ns;
    }
    return sum;
}

bool storage_is_whole(const storage_story *s, int service)
{
    const audit *a = &s->audit[service];
    load sum = storage_sum(s, service);
    unsigned least = sum.visits[ENDED_WELL];

    return a->lost == 0 && a->visits >= least &&
           a->visits <= least + sum.visits[ENDED_IN_DOUBT];
}

/* ---- the table at the end -------------------------------------------------------- */

typedef char cell[16];

static const char *number(cell c, unsigned value)
{
    snprintf(c, sizeof(cell), "%u", value);
    return c;
}

static const char *seconds(cell c, uint64_t ns)
{
    snprintf(c, sizeof(cell), "%.2f s", (double)ns / 1e9);
    return c;
}

/* at_ns 0: it has not come. */
static const char *after(cell c, uint64_t began_ns, uint64_t at_ns)
{
    return at_ns ? seconds(c, at_ns - began_ns) : "never";
}

static void row(const char *what, const char *plain, const char *keel)
{
    fprintf(to.file, "  %-50s%10s%12s\n", what, plain, keel);
}

static void put_reads(const load *plain, const load *keel)
{
    cell a, b;

    row("reads answered", number(a, plain->reads), number(b, keel->reads));
    row("  past its time, from the cache, and marked so", "-", number(b, keel->stale));
    row("  from the standby, and marked so", "-", number(b, keel->standby));
    row("  older than what had been acknowledged", number(a, plain->old),
        number(b, keel->old));
    row("  and without a mark", number(a, plain->unmarked), number(b, keel->unmarked));
    row("reads failed", number(a, plain->unread), number(b, keel->unread));
}

static void put_writes(const char *what, const unsigned plain[ENDINGS],
                       const unsigned keel[ENDINGS])
{
    cell a, b;

    row(what, number(a, plain[ENDED_WELL]), number(b, keel[ENDED_WELL]));
    row("  failed, certainly not done", "-", number(b, keel[ENDED_NOT_DONE]));
    row("  failed, and nobody can tell", number(a, plain[ENDED_IN_DOUBT]),
        number(b, keel[ENDED_IN_DOUBT]));
}

static void put_sick(const storage_story *s, int i)
{
    uint64_t began_ns = s->phase_began_ns[i];
    const moments *plain = &s->moments[PLAIN][i], *keel = &s->moments[KEEL][i];
    char what[64];
    cell a, b;

    snprintf(what, sizeof what, "%s: first read answered after",
             s->schedule->phases[i].name);
    row(what, after(a, began_ns, plain->read_ns), after(b, began_ns, keel->read_ns));
    snprintf(what, sizeof what, "%s: first session stored after",
             s->schedule->phases[i].name);
    row(what, after(a, began_ns, plain->write_ns), after(b, began_ns, keel->write_ns));
    snprintf(what, sizeof what, "%s: first answer of the standby after",
             s->schedule->phases[i].name);
    row(what, "-", after(b, began_ns, keel->standby_ns));
}

/* With keel: none that was stale or the standby's came later. */
static void put_back(const storage_story *s, int i)
{
    uint64_t began_ns = s->phase_began_ns[i];
    const moments *plain = &s->moments[PLAIN][i], *keel = &s->moments[KEEL][i];
    char what[64];
    cell a, b;

    snprintf(what, sizeof what, "back after %s: all by Redis again after",
             s->schedule->phases[i - 1].name);
    row(what, after(a, began_ns, plain->read_ns),
        seconds(b, keel->away_ns ? keel->away_ns - began_ns : 0));
}

static void put_moments(const storage_story *s)
{
    for (int i = 1; i < PHASES; i++) {
        const phase *p = &s->schedule->phases[i];

        if (p->seconds && p->mood != MOOD_WELL)
            put_sick(s, i);
        else if (p->seconds && s->schedule->phases[i - 1].seconds)
            put_back(s, i);
    }
}

static void put_audit(const storage_story *s)
{
    const audit *plain = &s->audit[PLAIN], *keel = &s->audit[KEEL];
    cell a, b;

    row("read back from Redis alone, in the end: sessions", number(a, plain->sessions),
        number(b, keel->sessions));
    row("  acknowledged writes lost", number(a, plain->lost), number(b, keel->lost));
    row("  failed writes that are there all the same", number(a, plain->late),
        number(b, keel->late));
    row("  visits counted", number(a, plain->visits), number(b, keel->visits));
}

static void put_verdict(const storage_story *s)
{
    load keel = storage_sum(s, KEEL);

    fprintf(to.file,
            "\nNothing that keel acknowledged is lost: %s. The counter has %u visits,\n"
            "between the %u acknowledged and these with the %u in doubt: %s.\n",
            s->audit[KEEL].lost ? "WRONG" : "right", s->audit[KEEL].visits,
            keel.visits[ENDED_WELL], keel.visits[ENDED_IN_DOUBT],
            storage_is_whole(s, KEEL) ? "right" : "WRONG");
}

void storage_lines_end(const storage_story *s)
{
    const load plain = storage_sum(s, PLAIN), keel = storage_sum(s, KEEL);
    cell a, b;

    fprintf(to.file, "\n  %-50s%10s%12s\n", "all phases", "without", "with keel");
    put_reads(&plain, &keel);
    put_writes("sessions stored", plain.writes, keel.writes);
    put_writes("visits counted, which have no standby", plain.visits, keel.visits);
    row("longest wait of all", seconds(a, plain.longest_ns),
        seconds(b, keel.longest_ns));
    put_moments(s);
    put_audit(s);
    fputs("\nA visit that is certainly not done was not sent, and its caller did not "
          "wait.\n"
          "The price is paid when Redis is well again: keel stays away until the next "
          "probe\n"
          "(breaker.open, hold), and carries back what was written meanwhile.\n",
          to.file);
    put_verdict(s);
}
