/* SPDX-License-Identifier: MIT */
/* The invariants, one function each, over all lines in the order of time. */
#include "share/check_logs.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS ((uint64_t)1000000)
#define SLACK_NS (150 * MS) /* between what the server did and who writes of it */
#define RACE_NS (50 * MS)   /* between what two threads of a member write */

enum { FILES_MAX = 4096, NAME_SIZE = 64, STATE_SIZE = 16 };

typedef enum line_kind {
    OTHER,
    STATE,
    LENT,
    PROBE,
    DOWN,
    UP,
    MOVED,
    LOST,
    STOP,
    CONT,
    ALIVE
} line_kind;

typedef struct line {
    char *text;
    unsigned file;
    size_t number; /* in the order of reading */
    line_kind kind;
    uint64_t at, epoch, data, left_ms;
    unsigned lent, generation;
    bool is_renewal;
    char pipeline[NAME_SIZE]; /* of torment: the file */
    char state[STATE_SIZE];   /* of a move: the one it came to */
} line;

typedef struct logs {
    char names[FILES_MAX][NAME_SIZE];
    unsigned files;
    line *lines;
    size_t count, size;
    const check_rules *rules;
    FILE *out;
    int wrong;
} logs;

/* ---- reading ------------------------------------------------------------------------ */

static bool read_fleet(line *l, const char *message)
{
    char what[STATE_SIZE];

    if (strncmp(message, "fleet=lost", 10) == 0)
        l->kind = DOWN;
    else if (strncmp(message, "fleet=joined", 12) == 0)
        l->kind = UP;
    else if (sscanf(message,
                    "pipeline=%63s epoch=%" SCNu64 " state=%15s left_ms=%" SCNu64
                    " data=%" SCNx64,
                    l->pipeline, &l->epoch, l->state, &l->left_ms, &l->data) == 5)
        l->kind = STATE;
    else if (sscanf(message, "pipeline=%63s epoch=%" SCNu64 " lent=%u", l->pipeline,
                    &l->epoch, &l->lent) == 3)
        l->kind = LENT;
    else if (sscanf(message, "pipeline=%63s epoch=%" SCNu64 " probe=%15s", l->pipeline,
                    &l->epoch, what) == 3)
        l->kind = PROBE;
    l->is_renewal = l->kind == PROBE && strcmp(what, "renewed") == 0;
    return l->kind != OTHER;
}

static bool read_torment(line *l, const char *message)
{
    static const struct {
        const char *word;
        line_kind kind;
    } words[] = { { "stop=", STOP }, { "cont=", CONT }, { "alive=", ALIVE } };

    if (strcmp(message, "lost") == 0)
        l->kind = LOST;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(message, words[i].word, strlen(words[i].word)) == 0 &&
            sscanf(message + strlen(words[i].word), "%63s", l->pipeline) == 1)
            l->kind = words[i].kind;
    return l->kind != OTHER;
}

static bool read_line(line *l, const char *text)
{
    char subsystem[STATE_SIZE];
    int skip = 0;

    if (sscanf(text, "%" SCNu64 " %15s %n", &l->at, subsystem, &skip) < 2 || !skip)
        return false;
    if (strcmp(subsystem, "fleet") == 0)
        return read_fleet(l, text + skip);
    if (strcmp(subsystem, "torment") == 0)
        return read_torment(l, text + skip);
    if (strcmp(subsystem, "breaker") == 0 &&
        sscanf(text + skip, "pipeline=%63s from=%*s to=%15s cause=%*s generation=%u",
               l->pipeline, l->state, &l->generation) == 3)
        l->kind = MOVED;
    return l->kind != OTHER;
}

static bool add_line(logs *g, const char *text)
{
    line l = { .file = g->files, .number = g->count };
    line *more;

    if (!read_line(&l, text))
        return true;
    if (g->count == g->size) {
        more = realloc(g->lines, (2 * g->size + 64) * sizeof *more);
        if (!more)
            return false;
        g->lines = more;
        g->size = 2 * g->size + 64;
    }
    l.text = strdup(text);
    g->lines[g->count++] = l;
    return l.text != NULL;
}

static bool read_file(logs *g, const char *directory, const char *name)
{
    char path[512], text[512];
    bool is_read = true;
    FILE *file;

    if (g->files == FILES_MAX || strlen(name) >= NAME_SIZE)
        return false;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "re");
    if (!file)
        return false;
    snprintf(g->names[g->files], NAME_SIZE, "%s", name);
    while (is_read && fgets(text, sizeof text, file)) {
        text[strcspn(text, "\n")] = '\0';
        is_read = add_line(g, text);
    }
    fclose(file);
    g->files++;
    return is_read;
}

static int by_time(const void *a, const void *b)
{
    const line *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Lines of one file are in order already, and stay so where instants are equal. */
static bool read_all(logs *g, const char *directory)
{
    DIR *d = opendir(directory);
    const struct dirent *entry;
    bool is_read = d != NULL;

    while (is_read && (entry = readdir(d)))
        if (entry->d_name[0] != '.' && strstr(entry->d_name, ".log"))
            is_read = read_file(g, directory, entry->d_name);
    if (d)
        closedir(d);
    if (is_read && g->count)
        qsort(g->lines, g->count, sizeof *g->lines, by_time);
    return is_read;
}

static void forget(logs *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->lines[i].text);
    free(g->lines);
    free(g);
}

/* ---- saying ------------------------------------------------------------------------- */

static void show(const logs *g, const line *l)
{
    if (l)
        fprintf(g->out, "    %s: %s\n", g->names[l->file], l->text);
}

static void blame(logs *g, const char *invariant, const line *a, const line *b)
{
    g->wrong++;
    fprintf(g->out, "%s\n", invariant);
    show(g, a);
    show(g, b);
}

/* ---- what stands before and after a line -------------------------------------------- */

static bool is_state(const line *l, const char *state)
{
    return l->kind == STATE && strcmp(l->state, state) == 0;
}

/* The state that the same file told of before. */
static const line *before(const logs *g, const line *l)
{
    for (const line *b = l; b-- > g->lines;)
        if (b->kind == STATE && b->file == l->file && !strcmp(b->pipeline, l->pipeline))
            return b;
    return NULL;
}

/* ---- invariants --------------------------------------------------------------------- */

static void epochs_do_not_decrease(logs *g, const line *l)
{
    const line *b = l->kind == STATE ? before(g, l) : NULL;

    if (b && l->epoch < b->epoch)
        blame(g, "I1: an epoch went back", b, l);
}

static void an_epoch_has_one_state(logs *g, const line *l)
{
    if (l->kind != STATE || !l->data)
        return;
    for (const line *b = l; b-- > g->lines;)
        if (b->kind == STATE && b->epoch == l->epoch && b->data == l->data &&
            strcmp(b->pipeline, l->pipeline) == 0 && strcmp(b->state, l->state) != 0) {
            blame(g, "I2: an epoch has two states", b, l);
            return;
        }
}

/* When a lease surely was still there, as far as its holder's file shows. */
static bool is_live(const logs *g, const line *lent, uint64_t at)
{
    const line *end = g->lines + g->count;
    uint64_t last = lent->at;
    unsigned ended = 0;

    if (at > lent->at + g->rules->lease_ms * MS - SLACK_NS)
        return false;
    for (const line *l = lent + 1; l < end; l++) {
        if (l->kind == STOP && strcmp(l->pipeline, g->names[lent->file]) == 0 &&
            l->at <= at)
            return false;
        if (l->file != lent->file)
            continue;
        last = l->at;
        if (l->at > at + SLACK_NS)
            break;
        if (l->kind == DOWN || l->kind == STATE)
            return false;
        ended += l->kind == PROBE && !l->is_renewal && l->epoch == lent->epoch;
    }
    return ended < lent->lent && last >= at;
}

/*
 * It wrote late, as its time stood still, or had until then: who lets it go on notes that a
 * moment after it has.
 */
static bool was_stopped(const logs *g, const line *l)
{
    for (const line *b = l; b-- > g->lines;)
        if ((b->kind == STOP || b->kind == CONT) &&
            strcmp(b->pipeline, g->names[l->file]) == 0)
            return b->kind == STOP || b->at + 1000 * MS > l->at;
    return false;
}

/* When it was news: who was stopped reads afterwards what came meanwhile. */
static uint64_t happened_at(const logs *g, const line *l)
{
    if (was_stopped(g, l))
        for (const line *b = l; b-- > g->lines;)
            if (b->kind == STOP && strcmp(b->pipeline, g->names[l->file]) == 0)
                return b->at;
    return l->at;
}

static unsigned losses_before(const logs *g, const line *l)
{
    unsigned losses = 0;

    for (const line *b = l; b-- > g->lines;)
        losses += b->kind == LOST && b->at + 2 * g->rules->lease_ms * MS > l->at;
    return losses;
}

static void leases_are_few(logs *g, const line *l)
{
    unsigned live = 0;

    if (l->kind != LENT || was_stopped(g, l))
        return;
    for (const line *b = l; b >= g->lines; b--)
        if (b->kind == LENT && b->epoch == l->epoch && !was_stopped(g, b) &&
            strcmp(b->pipeline, l->pipeline) == 0 && (b == l || is_live(g, b, l->at)))
            live += b->lent;
    if (live > g->rules->permits * (1 + losses_before(g, l)))
        blame(g, "I3: more leases than there are places", l, NULL);
}

/* Whether there was the round that a closing ends, not before `since`. */
static bool was_half_open(const logs *g, const line *closed, uint64_t since)
{
    for (const line *b = g->lines; b < g->lines + g->count; b++)
        if (is_state(b, "half_open") && b->epoch + 1 == closed->epoch &&
            strcmp(b->pipeline, closed->pipeline) == 0 && b->at + RACE_NS > since)
            return true;
    return false;
}

/*
 * The first one of all is closed from its birth. After data was lost the numbers of one
 * history say nothing of another's: there has to be a later round, in either, or in one
 * between them, as data that was lost is made anew from what members had.
 */
static void only_probes_close(logs *g, const line *l)
{
    const line *b;
    bool is_anothers;

    if (!is_state(l, "closed") || l->epoch <= 1)
        return;
    b = before(g, l);
    is_anothers = b && is_state(b, "open") && b->data != l->data;
    if (b && is_state(b, "open") && !is_anothers && l->epoch < b->epoch + 2)
        blame(g, "I5: closed without a half-open round", b, l);
    else if (b && is_state(b, "half_open") && l->epoch < b->epoch + 1)
        blame(g, "I5: closed in the epoch of its round", b, l);
    else if (!was_half_open(g, l, is_anothers ? happened_at(g, b) : 0))
        blame(g, "I5: closed, and nobody was half-open before", l, NULL);
}

/* Of two threads that move it one after the other the first may write last. */
static bool is_overtaken(const logs *g, const line *move)
{
    for (const line *b = move; b-- > g->lines;)
        if (b->kind == MOVED && b->file == move->file &&
            strcmp(b->pipeline, move->pipeline) == 0 &&
            b->generation > move->generation)
            return true;
    return false;
}

/* Whatever the fleet last said to be open for a while is open that long. */
static void open_is_kept(logs *g, const line *l)
{
    const line *b =
        l->kind == MOVED && !strcmp(l->state, "closed") ? before(g, l) : NULL;

    if (b && is_state(b, "open") && !is_overtaken(g, l) && l->at > b->at + RACE_NS &&
        l->at + RACE_NS < b->at + b->left_ms * MS)
        blame(g, "I6: closed here while the fleet is open", b, l);
}

static void open_ends(logs *g, const line *l)
{
    if (is_state(l, "open") && l->left_ms > g->rules->open_most_ms)
        blame(g, "I10: open for longer than allowed", l, NULL);
}

/* The last line of a kind that a file has. */
static const line *last_of(const logs *g, const char *file, line_kind kind)
{
    const line *last = NULL;

    for (const line *l = g->lines; l < g->lines + g->count; l++)
        if (l->kind == kind && strcmp(g->names[l->file], file) == 0 &&
            !(kind == MOVED && is_overtaken(g, l)))
            last = l;
    return last;
}

/* What is not well with a member as of its last lines, and the one that shows it, if there
 * is one; NULL: nothing. */
static const char *what_ails(const logs *g, const char *file, const line **sign)
{
    const line *state = last_of(g, file, STATE), *move = last_of(g, file, MOVED);
    const line *down = last_of(g, file, DOWN), *up = last_of(g, file, UP);

    *sign = state;
    if (!state || !is_state(state, "closed"))
        return "L1: not closed in the end";
    *sign = move;
    if (move && strcmp(move->state, "closed") != 0)
        return "L1: not closed here in the end";
    *sign = down;
    if (down && (!up || up < down))
        return "L1: without the fleet in the end";
    return NULL;
}

/* Who is alive at the end, with nothing wrong any more, is well, and all agree. */
static void the_living_agree(logs *g, const line *alive)
{
    const line *last, *others, *sign;
    const char *ailing;

    if (alive->kind != ALIVE)
        return;
    last = last_of(g, alive->pipeline, STATE);
    ailing = what_ails(g, alive->pipeline, &sign);
    if (ailing)
        blame(g, ailing, alive, sign);
    for (const line *b = g->lines; last && b < alive; b++) {
        others = b->kind == ALIVE ? last_of(g, b->pipeline, STATE) : NULL;
        if (others && others->epoch != last->epoch)
            blame(g, "L2: two epochs in the end", others, last);
    }
}

int check_logs(const char *directory, const check_rules *rules, FILE *out)
{
    static void (*const invariants[])(logs *, const line *) = {
        epochs_do_not_decrease, an_epoch_has_one_state, leases_are_few,
        only_probes_close,      open_is_kept,           open_ends,
        the_living_agree
    };
    logs *g = calloc(1, sizeof *g);
    int wrong = -1;

    if (!g)
        return -1;
    g->rules = rules;
    g->out = out;
    if (read_all(g, directory)) {
        for (size_t i = 0; i < g->count; i++)
            for (size_t n = 0; n < sizeof invariants / sizeof invariants[0]; n++)
                invariants[n](g, &g->lines[i]);
        wrong = g->wrong;
    }
    forget(g);
    return wrong;
}

uint64_t check_well_epoch(const char *directory, const char *file)
{
    logs *g = calloc(1, sizeof *g);
    uint64_t epoch = 0;
    const line *sign;

    if (g && read_file(g, directory, file) && !what_ails(g, file, &sign))
        epoch = last_of(g, file, STATE)->epoch;
    if (g)
        forget(g);
    return epoch;
}
