/* SPDX-License-Identifier: MIT */
#include "operator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keel.h"

keel_source *keel_operator_source(const char *command, const char *board, int *code)
{
    const char *path = board ? board : getenv("KEEL_BOARD");
    keel_detail why = KEEL_DETAIL_INIT;
    keel_source *source;

    if (!path || !*path) {
        fprintf(stderr,
                "keel %s: which board? Give --board FILE, or set KEEL_BOARD as the "
                "service has it\n",
                command);
        *code = KEEL_EXIT_USAGE;
        return NULL;
    }
    if (keel_board_source_open(&source, path, &why) == KEEL_OK)
        return source;
    fprintf(stderr, "keel %s: %s\n", command, why.text);
    *code = why.code == KEEL_E_NOMEM ? KEEL_EXIT_SYSTEM : KEEL_EXIT_UNAVAILABLE;
    return NULL;
}

const keel_pipeline_view *keel_operator_find(const keel_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++)
        if (!strcmp(view->pipelines[i].name, name))
            return &view->pipelines[i];
    return NULL;
}

static const char *nearest(const keel_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++)
        if (keel_name_is_near(keel_text_of(name),
                              keel_text_of(view->pipelines[i].name)))
            return view->pipelines[i].name;
    return NULL;
}

int keel_operator_unknown(const char *command, const keel_source *source,
                          const keel_view *view, const char *name)
{
    const char *meant = nearest(view, name);
    char quoted[KEEL_QUOTE_SIZE];

    fprintf(stderr, "keel %s: no process has opened a pipeline %s on %s", command,
            keel_quote(quoted, keel_text_of(name)), source->name);
    if (meant)
        fprintf(stderr, ", did you mean \"%s\"?", meant);
    fputs(view->count ? "\nthere are:" : "\nthere are none yet", stderr);
    for (size_t i = 0; i < view->count; i++)
        fprintf(stderr, " %s", view->pipelines[i].name);
    fputs("\n", stderr);
    return KEEL_EXIT_USAGE;
}
