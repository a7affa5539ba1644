/* SPDX-License-Identifier: MIT */
/* The subcommands of keel(1); each gets its own arguments, argv[0] being its name. */
#ifndef KEEL_TOOLS_KEEL_H
#define KEEL_TOOLS_KEEL_H

/* What every subcommand may come to, beside 0. */
enum {
    KEEL_EXIT_USAGE = 2,
    KEEL_EXIT_LINT = 3,
    KEEL_EXIT_CONFLICT = 4,
    KEEL_EXIT_UNAVAILABLE = 69, /* as EX_UNAVAILABLE of sysexits(3) */
    KEEL_EXIT_SYSTEM = 71,      /* as EX_OSERR */
    KEEL_EXIT_REJECTED = 75,    /* as EX_TEMPFAIL */
    KEEL_EXIT_CONFIG = 78       /* as EX_CONFIG */
};

int keel_tool_bag(int argc, char **argv);
int keel_tool_config(int argc, char **argv);
int keel_tool_events(int argc, char **argv);
int keel_tool_exec(int argc, char **argv);
int keel_tool_lock(int argc, char **argv);
int keel_tool_serve(int argc, char **argv);
int keel_tool_simulate(int argc, char **argv);
int keel_tool_status(int argc, char **argv);
int keel_tool_unlock(int argc, char **argv);

#endif
