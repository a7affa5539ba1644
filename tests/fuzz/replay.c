/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target once over each file of its corpus, so that what libFuzzer once
 * found stays found with any compiler. The directory is the argument.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

/* In a block of exactly its size, so that a read beyond it is seen. */
static void replay(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);

    if (!exact)
        return;
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int replay_file(const char *path)
{
    static uint8_t input[INPUT_MAX];
    FILE *file = fopen(path, "re");

    if (!file)
        return 0;
    replay(input, fread(input, 1, sizeof input, file));
    fclose(file);
    return 1;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    char path[4096];
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    int replayed = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        replayed += replay_file(path);
    }
    closedir(dir);
    printf("%d inputs replayed\n", replayed);
    return replayed == 0;
}
