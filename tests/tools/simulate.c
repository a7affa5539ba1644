/* SPDX-License-Identifier: MIT */
/* Running `./keel simulate`. Not for what is expected of it. */
#include "tools/simulate.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void simulation_init(simulation *s)
{
    snprintf(s->dir, sizeof s->dir, "/tmp/keel-simulate-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->script, sizeof s->script, "%s/in", s->dir);
    snprintf(s->out, sizeof s->out, "%s/out", s->dir);
    snprintf(s->err, sizeof s->err, "%s/err", s->dir);
}

void simulation_cleanup(simulation *s)
{
    unlink(s->script);
    unlink(s->out);
    unlink(s->err);
    rmdir(s->dir);
}

int simulate(const simulation *s, const char *arguments)
{
    char command[512];
    int status;

    snprintf(command, sizeof command, "./keel simulate %s >%s 2>%s", arguments, s->out,
             s->err);
    status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

char *simulation_read(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    ck_assert_ptr_nonnull(file);
    if (getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    fclose(file);
    return text;
}
