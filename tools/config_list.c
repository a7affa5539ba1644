/* SPDX-License-Identifier: MIT */
/*
 * `keel config list`: the tables of settings and of process-wide variables for a
 * terminal, for programs, and as the manual page. keel-settings(5) is never edited by hand.
 */
#include "config_list.h"

#include <string.h>

#include "output.h"
#include "settings/keys.h"

/* The process-wide variables; settings/config_process.c reads them. */
typedef struct variable {
    const char *name;
    const char *allowed;
    const char *standard;
    const char *meaning;
    const char *more; /* in mdoc, for the page alone; NULL: nothing */
} variable;

static const char log_levels[] =
    ".Bl -tag -width warning -compact\n"
    ".It Cm error\n"
    "that a fleet is kept by a later keel, which this one cannot follow;\n"
    ".It Cm warning\n"
    "what is wrong in settings, a reload that failed, that\n"
    ".Ev KEEL_DISABLED\n"
    "is on, that a board cannot be used or the fleet not be reached, and, once for\n"
    "each pipeline, what a program should know of its own calls, as why none is\n"
    "retried;\n"
    ".It Cm info\n"
    "each change of a breaker\\(aqs state, that one would have opened under an "
    "observe\n"
    "lock, that endpoints are ejected or back, what an operator did: locks, overrides, "
    "the end\n"
    "of either, reloads; and what is heard of the fleet, and found by active checks;\n"
    ".It Cm debug\n"
    "each retry and its wait, each refusal and its reason, slow calls, fallbacks, and "
    "outcomes\nthat came too late.\n"
    ".El\n"
    "Any other word is a mistake and means warning, so that it is told of.\n";

static const char redis_forms[] =
    "In full:\n"
    ".Li redis://cache:6379/0 ,\n"
    ".Li rediss://cache:6379/0\n"
    "for TLS,\n"
    ".Li unix:/run/redis.sock ,\n"
    ".Li redis+sentinel://a:26379,b:26379/main\n"
    "with the name of the master, and\n"
    ".Li redis+cluster://a:6379,b:6379 .\n"
    "A password in there works and is warned of, since an environment has many "
    "readers;\nnothing prints it; see\n"
    ".Xr keel-security 7 .\n";

static const variable variables[] = {
    { "KEEL_CONFIG_FILE", "a path", "none",
      "A file of settings, for what is too long for an environment, or is to change "
      "while the program runs.",
      NULL },
    { "KEEL_LOG", "error, warning, info or debug, in any case", "none",
      "Messages up to this level go to standard error, or to the log of the program if "
      "it has one; without it keel writes nothing to standard error.",
      log_levels },
    { "KEEL_STRICT", "on or off", "off",
      "Whether a mistake in settings is an error when a runtime or a pipeline is "
      "opened, and on reload.",
      NULL },
    { "KEEL_DISABLED", "on or off", "off", "Whether every wrapper is the plain call.",
      NULL },
    { "KEEL_CHAOS", "allow", "none", "Whether the keys of chaos may be used.", NULL },
    { "KEEL_BOARD", "a path that begins with /", "none",
      "The file by which the processes of a host share their breakers, and places and "
      "tokens where bulkhead.scope and rate.scope say so.",
      NULL },
    { "KEEL_REDIS",
      "the address of a Redis: redis://, rediss://, unix:, redis+sentinel:// or "
      "redis+cluster://",
      "none",
      "The Redis by which the processes of a fleet share what those of a host share by "
      "the board.",
      redis_forms },
    { "KEEL_REDIS_PASSWORD_FILE", "a path", "none",
      "A file that holds the password for that Redis.", NULL },
    { "KEEL_REDIS__TIMEOUT", "a duration, 10ms to 10s", "100ms",
      "How long that Redis may take to answer; no call ever waits for it.", NULL },
    { "KEEL_NAMESPACE",
      "letters and digits, and behind the first also \".\", \"_\" and \"-\"; 64 at "
      "most",
      "default", "The fleet this process belongs to: only its members share.", NULL },
    { "KEEL_PLUGIN_PATH", "paths that begin with /, cut by \":\"", "none",
      "Where plugins of bags are looked for, before the folder that keel was installed "
      "with.",
      ".Xr keel-plugin 3\n"
      "says which files are refused.\n" },
};

enum { VARIABLES = sizeof variables / sizeof *variables };

static const char *default_of(const keel_key *key)
{
    return key->computed ? key->computed : key->standard;
}

static void text_entry(FILE *out, const char *name, const char *meaning,
                       const char *allowed, const char *standard)
{
    fprintf(out, "%s\n    %s\n    allowed: %s\n    default: %s\n", name, meaning,
            allowed, standard);
}

void keel_config_list_text(FILE *out)
{
    char allowed[KEEL_ALLOWED_SIZE];

    for (size_t i = 0; i < KEEL_KEYS; i++)
        text_entry(out, keel_keys[i].name, keel_keys[i].meaning,
                   keel_key_allowed(&keel_keys[i], allowed), default_of(&keel_keys[i]));
    fputs("\npresets\n", out);
    for (size_t i = 0; i < KEEL_PRESETS; i++)
        fprintf(out, "%s\n    %s\n%s%s%s", keel_presets[i].name,
                keel_presets[i].meaning, *keel_presets[i].settings ? "    " : "",
                keel_presets[i].settings, *keel_presets[i].settings ? "\n" : "");
    fputs("\nvariables for all pipelines\n", out);
    for (size_t i = 0; i < VARIABLES; i++)
        text_entry(out, variables[i].name, variables[i].meaning, variables[i].allowed,
                   variables[i].standard);
}

/* `first`: no comma before it. */
static void json_entry(FILE *out, bool first, const char *what, const char *name,
                       const char *meaning, const char *allowed, const char *standard)
{
    keel_print_json_text(out, first ? "\n{" : ",\n{", what, name);
    keel_print_json_text(out, ",", "allowed", allowed);
    keel_print_json_text(out, ",", "default", standard);
    keel_print_json_text(out, ",", "meaning", meaning);
    fputc('}', out);
}

void keel_config_list_json(FILE *out)
{
    char allowed[KEEL_ALLOWED_SIZE];

    fputs("{\"keys\":[", out);
    for (size_t i = 0; i < KEEL_KEYS; i++)
        json_entry(out, !i, "key", keel_keys[i].name, keel_keys[i].meaning,
                   keel_key_allowed(&keel_keys[i], allowed), default_of(&keel_keys[i]));
    fputs("\n],\"presets\":[", out);
    for (size_t i = 0; i < KEEL_PRESETS; i++) {
        keel_print_json_text(out, i ? ",\n{" : "\n{", "preset", keel_presets[i].name);
        keel_print_json_text(out, ",", "settings", keel_presets[i].settings);
        keel_print_json_text(out, ",", "meaning", keel_presets[i].meaning);
        fputc('}', out);
    }
    fputs("\n],\"variables\":[", out);
    for (size_t i = 0; i < VARIABLES; i++)
        json_entry(out, !i, "variable", variables[i].name, variables[i].meaning,
                   variables[i].allowed, variables[i].standard);
    fputs("\n]}\n", out);
}

/* ---- the manual page -------------------------------------------------------------- */

/* Each sentence on a line of its own, as mdoc wants it. */
static void mdoc_sentences(FILE *out, const char *text)
{
    for (; *text; text++) {
        fputc(*text, out);
        if (text[0] == '.' && text[1] == ' ' && text[2] >= 'A' && text[2] <= 'Z') {
            fputc('\n', out);
            text++;
        }
    }
    fputc('\n', out);
}

static const char head[] =
    ".\\\" SPDX-License-Identifier: MIT\n"
    ".\\\" Printed by keel config list --mdoc; change lib/settings/keys.c instead.\n"
    ".Dd November 21, 2026\n"
    ".Dt KEEL-SETTINGS 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm keel-settings\n"
    ".Nd how the policies of keel are set\n"
    ".Sh DESCRIPTION\n"
    "A pipeline is set by text, which is the same in a program, in the environment, in "
    "a file\nand on the command line:\n"
    ".Bd -literal -offset indent\n"
    "KEEL_PAYMENTS=\"careful; timeout=800ms; retry.attempts=2\"\n"
    "KEEL_PAYMENTS__BREAKER_OPEN=10s\n"
    ".Ed\n"
    ".Pp\n"
    "It may begin with the name of a preset; without one,\n"
    ".Cm standard\n"
    "is meant.\n"
    "After it come settings of the form\n"
    ".Ar key Ns = Ns Ar value ,\n"
    "separated by a semicolon or a newline.\n";

static const char rules[] =
    ".Ss Values\n"
    ".Bl -tag -width \"duration\"\n"
    ".It duration\n"
    "Digits, with decimals if need be, and a unit: ns, us, ms, s, m or h.\n"
    "1.5s is one, and 1m30s: several are joined.\n"
    "Only 0 needs no unit.\n"
    ".It span\n"
    "Two durations, as in 50ms..2s.\n"
    ".It ratio\n"
    "50% or 0.5, with at most six decimals.\n"
    ".It rate\n"
    "100/s, 6/m or 1/h: so many in a second, a minute or an hour.\n"
    ".It size\n"
    "64KiB or 10MB: bytes, with a unit of 1024 or of 1000.\n"
    ".It quantile\n"
    "p50 or p99.9: what so many per cent stay within, with at most four decimals.\n"
    ".It count\n"
    "Digits.\n"
    ".It number\n"
    "Digits, with at most six decimals.\n"
    ".It endpoints\n"
    "A list, with commas between: see\n"
    ".Xr keel-endpoints 7 .\n"
    ".El\n"
    ".Pp\n"
    "There are no signs, no blanks within a value but that of endpoints, no quotation "
    "marks and\nno other units.\n"
    "Keys and words are lower case; blanks around\n"
    ".Ql =\n"
    "and\n"
    ".Ql \\&;\n"
    "are free.\n"
    ".Ss The file\n"
    "The file that\n"
    ".Ev KEEL_CONFIG_FILE\n"
    "names is read line by line:\n"
    ".Bd -literal -offset indent\n"
    "line     = [ NAME \"=\" settings ] [ \"#\" comment ]\n"
    "settings = [ preset | setting ] { \";\" setting }\n"
    "setting  = key \"=\" value\n"
    ".Ed\n"
    ".Pp\n"
    ".Ar NAME\n"
    "is a pipeline\\(aqs name without KEEL_, or\n"
    ".Cm DEFAULT\n"
    "for all of them.\n"
    "Its case makes no difference, nor does which of\n"
    ".Ql - ,\n"
    ".Ql \\&.\n"
    "and\n"
    ".Ql _\n"
    "it has.\n"
    "A line ends where it ends: there is no sign that continues it.\n"
    "Several lines of one name are one text, in which the later of two equal keys "
    "holds; "
    "it is\nsaid that there are several.\n"
    "An example:\n"
    ".Bd -literal -offset indent\n"
    "# everybody gives up after five seconds\n"
    "DEFAULT  = deadline=5s; timeout=1.5s\n"
    "payments = careful; timeout=800ms       # writes\n"
    "payments = breaker.open=3s..60s         # goes with the line above\n"
    "search   = timeout=150ms; bulkhead=32; bulkhead.queue=20; bulkhead.wait=50ms\n"
    ".Ed\n"
    ".Pp\n"
    "The file has at most 1 MiB, and is read again on reload.\n"
    ".Ss Layers\n"
    "From low to high: built-in values, the preset, the text in code, the\n"
    ".Cm DEFAULT\n"
    "line of the file, the pipeline's line of the file,\n"
    ".Ev KEEL_DEFAULT ,\n"
    ".Ev KEEL_DEFAULT__KEY ,\n"
    ".Ev KEEL_NAME ,\n"
    ".Ev KEEL_NAME__KEY ,\n"
    "and an override made at run time.\n"
    "The preset is the one that the highest layer names, and fills its own layer "
    "only.\n"
    "A text in code may also hold fences, as in\n"
    ".Ql timeout<=3s ,\n"
    "which bind every layer.\n"
    ".Ss Switches\n"
    "A policy is on when the highest layer that names its switch says so.\n"
    "The switches are deadline, timeout, retry.attempts (1 is off), breaker, bulkhead, "
    "rate,\nadaptive, throttle, hedge, share, chaos.rate, endpoints and eject.\n"
    "Any other key of a policy that is off turns it on, from the layer of the switch "
    "or "
    "above,\nbut never from a default for all pipelines.\n"
    "It cannot turn on rate, chaos.rate and endpoints, which have no value but the one "
    "that somebody\nsets, nor retries where somebody has set a single attempt, nor "
    "share where "
    "neither\n"
    ".Ev KEEL_REDIS\n"
    "nor\n"
    ".Ev KEEL_BOARD\n"
    "is set.\n"
    ".Ss Mistakes\n"
    "A mistake never stops a service, unless\n"
    ".Ev KEEL_STRICT\n"
    "is on.\n"
    "What is wrong is reported with its place, what is allowed and the nearest name or "
    "value\nthat keel knows, and the value of the layer below holds.\n"
    "On reload too: that need not be the value from before.\n"
    "A variable or a line that belongs to no pipeline is reported by its name, never "
    "by "
    "its\nvalue; see\n"
    ".Fn keel_runtime_verify\n"
    "in\n"
    ".Xr keel_open 3 .\n"
    "One that is nearly one of the variables below is reported at once, unless its "
    "value "
    "reads\nlike the settings of a pipeline of that name.\n"
    ".Pp\n"
    "With\n"
    ".Ev KEEL_STRICT\n"
    "these are errors:\n"
    ".Bl -bullet -compact\n"
    ".It\n"
    "a preset, a key or a variable that keel does not know, and a variable of keel "
    "that "
    "is not\nupper case;\n"
    ".It\n"
    "a value that is not understood or out of range;\n"
    ".It\n"
    "a value beyond a fence, and a fence that does not stand in code;\n"
    ".It\n"
    "a key of chaos without\n"
    ".Ev KEEL_CHAOS ,\n"
    "and a deadline that is off without the preset none;\n"
    ".It\n"
    "timeout.connect that is not below timeout, and breaker.half_open_failures not "
    "below\nbreaker.half_open_permits;\n"
    ".It\n"
    "a file that cannot be read, and a line that is none;\n"
    ".It\n"
    "when a runtime is opened and\n"
    ".Ev KEEL_DISABLED\n"
    "is off: a\n"
    ".Ev KEEL_BOARD\n"
    "that can be neither opened nor made, a\n"
    ".Ev KEEL_REDIS\n"
    "that is no address of one, and a\n"
    ".Ev KEEL_REDIS_PASSWORD_FILE\n"
    "that cannot be read; a server that does not answer is no mistake;\n"
    ".It\n"
    "where\n"
    ".Fn keel_runtime_verify\n"
    "is called, what belongs to no pipeline.\n"
    ".El\n"
    ".Pp\n"
    "Never an error, but reported, is what is right by itself and makes no sense "
    "together:\n"
    ".Bl -bullet -compact\n"
    ".It\n"
    "a key twice in one text, a name twice in the file, a policy that one text turns "
    "off and on\nagain, a key of a policy that nothing turns on;\n"
    ".It\n"
    "timeout, breaker.open or bulkhead.wait longer than the deadline, and attempts for "
    "which\nthe deadline leaves no time;\n"
    ".It\n"
    "a bulkhead.queue without bulkhead.wait, and the other way round;\n"
    ".It\n"
    "an adaptive.limit that reaches above the bulkhead, or without the "
    "adaptive.initial;\n"
    "a breaker.ramp_up longer than breaker.stable;\n"
    ".It\n"
    "an endpoints.zone that no endpoint is in, and an eject.share of less than one;\n"
    ".It\n"
    "share, bulkhead.scope or rate.scope of fleet without\n"
    ".Ev KEEL_REDIS ,\n"
    "for which host holds if there is a\n"
    ".Ev KEEL_BOARD ;\n"
    "and of host without\n"
    ".Ev KEEL_BOARD :\n"
    "then nothing is shared;\n"
    ".It\n"
    "a password in\n"
    ".Ev KEEL_REDIS .\n"
    ".El\n";

static const char variables_begin[] =
    ".Sh ENVIRONMENT\n"
    ".Bl -tag -width Ds\n"
    ".It Ev KEEL_NAME\n"
    "Settings of the pipeline of that name: in upper case, with an underscore for "
    "every\n"
    "character that is neither a letter nor a digit.\n"
    ".It Ev KEEL_NAME__KEY\n"
    "One setting of it; a dot in the key becomes an underscore.\n"
    ".It Ev KEEL_DEFAULT , Ev KEEL_DEFAULT__KEY\n"
    "The same for every pipeline.\n"
    ".It Ev KEEL_BAG_NAME\n"
    "What the bag of that name is made of, in the place of what stands in code; no "
    "settings\nbut a spec, see\n"
    ".Xr keel-bag-spec 5 .\n";

static const char variables_end[] =
    ".El\n"
    ".Pp\n"
    "Other words, as in\n"
    ".Li KEEL_DISABLED=1\n"
    "or\n"
    ".Li KEEL_STRICT=yes ,\n"
    "are mistakes and switch nothing.\n"
    "Of several equal names the first holds.\n"
    "The environment is read once, when a runtime is opened.\n"
    "An empty variable counts as unset.\n"
    "Kubernetes sets variables of its own beside a service whose name begins with "
    "keel:\n"
    ".Ev KEEL_SERVICE_HOST ,\n"
    ".Ev KEEL_PORT ,\n"
    ".Ev KEEL_X_SERVICE_PORT\n"
    "and others that go on from these.\n"
    "Variables of such names whose value is a port, an address or a protocol are left\n"
    "alone, unless a pipeline of that name is opened.\n";

static const char tail[] = ".Sh EXAMPLES\n"
                           "What holds for a pipeline, and who said so:\n"
                           ".Pp\n"
                           ".Dl $ KEEL_PAYMENTS=patient keel config explain payments\n"
                           ".Sh SEE ALSO\n"
                           ".Xr keel-config 1 ,\n"
                           ".Xr keel_open 3 ,\n"
                           ".Xr keel_pipeline_open 3 ,\n"
                           ".Xr keel-board 5 ,\n"
                           ".Xr keel-breaker 7 ,\n"
                           ".Xr keel-bulkhead 7 ,\n"
                           ".Xr keel-deadline 7 ,\n"
                           ".Xr keel-fleet 7 ,\n"
                           ".Xr keel-overload 7 ,\n"
                           ".Xr keel-retry 7 ,\n"
                           ".Xr keel-security 7\n"
                           ".Sh HISTORY\n"
                           "These settings appeared in keel 0.1.0.\n";

/* All keys at a glance; the words for what is computed are with the key itself. */
static void mdoc_summary(FILE *out)
{
    fputs(
        ".Ss Summary\n"
        "The keys and what holds where nothing is said; what each means stands below.\n"
        ".Bl -column -compact \"breaker.half_open_after_wait\" \"50ms..2s\"\n"
        ".It Sy Key Ta Sy Default\n",
        out);
    for (size_t i = 0; i < KEEL_KEYS; i++)
        fprintf(out, ".It %s Ta %s\n", keel_keys[i].name,
                keel_keys[i].computed ? "from others" : keel_keys[i].standard);
    fputs(".El\n", out);
}

static void mdoc_entry(FILE *out, const char *macro, const char *name,
                       const char *meaning, const char *allowed, const char *standard)
{
    fprintf(out, ".It %s %s\n", macro, name);
    mdoc_sentences(out, meaning);
    fprintf(out, "Allowed: %s.\nDefault: %s.\n", allowed, standard);
}

static void mdoc_keys(FILE *out)
{
    char allowed[KEEL_ALLOWED_SIZE];

    fputs(".Ss Keys\n.Bl -tag -width Ds\n", out);
    for (size_t i = 0; i < KEEL_KEYS; i++)
        mdoc_entry(out, "Cm", keel_keys[i].name, keel_keys[i].meaning,
                   keel_key_allowed(&keel_keys[i], allowed), default_of(&keel_keys[i]));
    fputs(".El\n", out);
}

static void mdoc_variables(FILE *out)
{
    fputs(variables_begin, out);
    for (size_t i = 0; i < VARIABLES; i++) {
        mdoc_entry(out, "Ev", variables[i].name, variables[i].meaning,
                   variables[i].allowed, variables[i].standard);
        fputs(variables[i].more ? variables[i].more : "", out);
    }
    fputs(variables_end, out);
}

static void mdoc_presets(FILE *out)
{
    fputs(".Ss Presets\n.Bl -tag -width standard\n", out);
    for (size_t i = 0; i < KEEL_PRESETS; i++) {
        fprintf(out, ".It Cm %s\n", keel_presets[i].name);
        mdoc_sentences(out, keel_presets[i].meaning);
        if (*keel_presets[i].settings)
            fprintf(out, "It is short for: %s.\n", keel_presets[i].settings);
    }
    fputs(".El\n", out);
}

void keel_config_list_mdoc(FILE *out)
{
    fputs(head, out);
    mdoc_summary(out);
    fputs(rules, out);
    mdoc_presets(out);
    mdoc_keys(out);
    mdoc_variables(out);
    fputs(tail, out);
}
