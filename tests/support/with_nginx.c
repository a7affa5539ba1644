/* SPDX-License-Identifier: MIT */
/*
 * with_nginx CONFIG COMMAND...: runs a command with the URL of a private nginx as its
 * last argument, and stops the server when it ends. For checks written in shell.
 * Exits with the command's status, 77 where nginx is missing, 125 when it cannot start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/server.h"

enum { NO_SERVER = 77, CANNOT_START = 125 };

static int run(char **command)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return CANNOT_START;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t length;

    if (!file)
        return false;
    length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    fclose(file);
    return length > 0;
}

static int run_with_url(const test_server *s, char **words, int count)
{
    char url[64];
    char **command = calloc((size_t)count + 2, sizeof *command);
    int rc;

    if (!command)
        return CANNOT_START;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", s->port);
    memcpy(command, words, (size_t)count * sizeof *command);
    command[count] = url;
    rc = run(command);
    free(command);
    return rc;
}

int main(int argc, char **argv)
{
    static char config[16384];
    test_server s = { 0 };
    int rc = CANNOT_START;

    if (argc < 3 || !read_file(argv[1], config, sizeof config)) {
        fprintf(stderr, "usage: with_nginx CONFIG COMMAND...\n");
        return CANNOT_START;
    }
    if (!test_server_is_installed())
        return NO_SERVER;
    if (test_server_start(&s, config))
        rc = run_with_url(&s, argv + 2, argc - 2);
    test_server_cleanup(&s);
    return rc;
}
