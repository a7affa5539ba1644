/* SPDX-License-Identifier: MIT */
/* Lines for the eye; the numbers themselves are in regions_story. */
#include "regions_lines.h"

#include "demo.h"
#include "paper.h"

static paper to;
static unsigned ejections_told;

/* ---- the timeline ------------------------------------------------------------------------ */

void regions_lines_begin(FILE *out)
{
    paper_init(&to, out);
    fprintf(
        to.file,
        "Each line is a second: how many of the requests that ended in it were\n"
        "answered (ok) or failed, and the longest of them; with keel also how many\n"
        "took another attempt (retry), which region answered, and how many of the\n"
        "four endpoints are out (ejected) at its end.\n\n");
    paper_ink(&to, INK_BOLD);
    fprintf(to.file,
            "  s |   one address    |   all in turns   |             with keel\n"
            "    |  ok fail longest |  ok fail longest |"
            "  ok fail retry eu-1 eu-2 longest out\n");
    paper_end_ink(&to);
}

void regions_lines_phase(const regions_story *s, int at)
{
    paper_ink(&to, INK_BOLD);
    fprintf(to.file, "----+- %s\n", s->schedule->phases[at].story);
    paper_end_ink(&to);
}

static void put_ejections(const regions_story *s)
{
    for (; ejections_told < s->ejection_count; ejections_told++) {
        const ejection *e = &s->ejections[ejections_told];

        paper_ink(&to, INK_DIM);
        fprintf(to.file,
                "    |                  |                  |"
                "  %.1f s: %s is ejected for %.1f s\n",
                (double)(e->at_ns - s->begun_ns) / 1e9, e->endpoint,
                (double)e->for_ns / 1e9);
        paper_end_ink(&to);
    }
}

static void put_plain(const felt *f)
{
    paper_count(&to, 4, f->answered, INK_GOOD);
    paper_count(&to, 5, f->failed, INK_BAD);
    fputc(' ', to.file);
    paper_wait(&to, f->longest_ns);
    fprintf(to.file, " |");
}

static void put_keel(const felt *f, unsigned out)
{
    paper_count(&to, 4, f->answered, INK_GOOD);
    paper_count(&to, 5, f->failed, INK_BAD);
    paper_count(&to, 6, f->retried, INK_WARN);
    paper_count(&to, 5, f->near, INK_PLAIN);
    paper_count(&to, 5, f->far, INK_PLAIN);
    fputc(' ', to.file);
    paper_wait(&to, f->longest_ns);
    paper_count(&to, 4, out, INK_WARN);
}

void regions_lines_second(const regions_story *s)
{
    unsigned i = s->seconds - 1;

    put_ejections(s);
    fprintf(to.file, "%3u |", s->seconds);
    put_plain(&s->felt[ONE][i]);
    put_plain(&s->felt[TURNS][i]);
    put_keel(&s->felt[KEPT][i], s->out[i]);
    fputc('\n', to.file);
    fflush(to.file);
}

/* ---- the table at the end ---------------------------------------------------------------- */

typedef char cell[16];

static const char *number(cell c, unsigned value)
{
    snprintf(c, sizeof(cell), "%u", value);
    return c;
}

/* at_ns 0: it has not come. */
static const char *after(cell c, uint64_t from_ns, uint64_t at_ns, const char *never)
{
    if (!at_ns || at_ns < from_ns)
        return never;
    snprintf(c, sizeof(cell), "%.2f s", (double)(at_ns - from_ns) / 1e9);
    return c;
}

static void row(const char *what, const char *one, const char *turns, const char *kept)
{
    fprintf(to.file, "  %-41s%12s%12s%12s\n", what, one, turns, kept);
}

static void put_instants(const cut *one, const cut *turns, const cut *kept)
{
    cell a, b, c;

    row("  the last one failed after", after(a, one->begun_ns, one->error_ns, "none"),
        after(b, turns->begun_ns, turns->error_ns, "none"),
        after(c, kept->begun_ns, kept->error_ns, "none"));
    row("  RTO: the last one failed or late after",
        after(a, one->begun_ns, one->trouble_ns, "none"),
        after(b, turns->begun_ns, turns->trouble_ns, "none"),
        after(c, kept->begun_ns, kept->trouble_ns, "none"));
    row("  eu-2 answers all, at once, after", "never", "never",
        after(c, kept->begun_ns, kept->detour_ns, "0.00 s"));
    row("  eu-1 answers again after its return",
        after(a, one->ended_ns, one->home_ns, "never"),
        after(b, turns->ended_ns, turns->home_ns, "never"),
        after(c, kept->ended_ns, kept->home_ns, "never"));
}

static void put_cut(const regions_story *s, int at)
{
    const cut *one = &s->cuts[ONE][at], *turns = &s->cuts[TURNS][at];
    const cut *kept = &s->cuts[KEPT][at];
    cell a, b, c;

    fprintf(to.file, "\n  eu-1 is cut off, %s, for %.1f s\n",
            s->schedule->phases[at].name,
            (double)(kept->ended_ns - kept->begun_ns) / 1e9);
    row("  requests that failed", number(a, one->failed), number(b, turns->failed),
        number(c, kept->failed));
    row("  requests late, by more than 0.25 s", number(a, one->late),
        number(b, turns->late), number(c, kept->late));
    put_instants(one, turns, kept);
}

static felt sum_of(const regions_story *s, way how)
{
    felt sum = { .answered = 0 };

    for (unsigned i = 0; i < s->seconds; i++) {
        const felt *f = &s->felt[how][i];

        sum.answered += f->answered;
        sum.failed += f->failed;
        if (f->longest_ns > sum.longest_ns)
            sum.longest_ns = f->longest_ns;
    }
    return sum;
}

void regions_lines_end(const regions_story *s)
{
    const felt one = sum_of(s, ONE), turns = sum_of(s, TURNS), kept = sum_of(s, KEPT);
    cell a, b, c;

    fputc('\n', to.file);
    row("", "one address", "in turns", "with keel");
    row("requests answered, all phases", number(a, one.answered),
        number(b, turns.answered), number(c, kept.answered));
    row("requests failed, all phases", number(a, one.failed), number(b, turns.failed),
        number(c, kept.failed));
    for (int i = 0; i < PHASES; i++)
        if (s->cuts[KEPT][i].begun_ns && s->cuts[KEPT][i].ended_ns)
            put_cut(s, i);
    fprintf(
        to.file,
        "\n"
        "A request that hangs costs its caller the 2 s of one attempt, by default,\n"
        "and as long again if the next endpoint hangs, too. Five failures in a row\n"
        "take an endpoint out: from then on nobody waits for it. Nobody has to bring\n"
        "it back: when its time is over it gets its share again, and is out again if\n"
        "it still fails.\n");
}
