/* SPDX-License-Identifier: MIT */
/* The grammar of specs: what is read, and what is said of what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag/spec.h"
#include "support/suite.h"

static keel_spec spec;

static bool is(keel_text text, const char *wanted)
{
    return keel_text_is(text, wanted);
}

static void read_spec(const char *text)
{
    keel_detail why = KEEL_DETAIL_INIT;

    ck_assert_msg(keel_spec_read(&spec, text, &why) == KEEL_OK, "%s", why.text);
}

START_TEST(a_store_is_its_url)
{
    read_spec("  redis://u@h:1/0?a=b&c=%2C \n");
    ck_assert_uint_eq(spec.node_count, 1);
    ck_assert_int_eq(spec.nodes[0].kind, KEEL_SPEC_STORE);
    ck_assert(is(spec.nodes[0].name, "redis"));
    ck_assert(is(spec.nodes[0].url, "redis://u@h:1/0?a=b&c=%2C"));
    ck_assert_uint_eq(spec.nodes[0].column, 3);
}
END_TEST

START_TEST(between_angle_brackets_a_url_may_hold_what_ends_it_elsewhere)
{
    read_spec("x(<mysql://h/kv?a,b) c>, $ORDERS)");
    ck_assert_uint_eq(spec.nodes[0].child_count, 2);
    ck_assert(is(spec.nodes[1].url, "mysql://h/kv?a,b) c"));
    ck_assert_int_eq(spec.nodes[2].kind, KEEL_SPEC_REFERENCE);
    ck_assert(is(spec.nodes[2].name, "ORDERS"));
}
END_TEST

START_TEST(a_decorator_has_options_and_children_with_roles)
{
    const keel_spec_node *child;

    read_spec("cache { ttl = 60s ; stale=10m; } ( memory://?max=64m , source = "
              "failover(primary=$A,standby=file:///s) )");
    ck_assert(is(spec.nodes[0].name, "cache"));
    ck_assert_uint_eq(spec.nodes[0].option_count, 2);
    ck_assert(is(spec.options[0].key, "ttl") && is(spec.options[0].value, "60s"));
    ck_assert(is(spec.options[1].key, "stale") && is(spec.options[1].value, "10m"));
    child = &spec.nodes[spec.nodes[0].first_child];
    ck_assert_uint_eq(child->role.length, 0);
    child = &spec.nodes[child->next];
    ck_assert(is(child->role, "source") && is(child->name, "failover"));
    ck_assert_uint_eq(child->next, 0);
    child = &spec.nodes[child->first_child];
    ck_assert(is(child->role, "primary") && is(child->name, "A"));
    ck_assert(is(spec.nodes[child->next].url, "file:///s"));
}
END_TEST

START_TEST(a_quoted_value_may_hold_anything)
{
    char value[64];

    read_spec("x{a=\"b;c}d\\\"e\\\\\"}(memory://)");
    ck_assert(keel_spec_value(&spec.options[0], value, sizeof value));
    ck_assert_str_eq(value, "b;c}d\"e\\");
    ck_assert(!keel_spec_value(&spec.options[0], value, 8));
    ck_assert(keel_spec_value(&spec.options[0], value, 10));
}
END_TEST

static const struct {
    const char *why;
    const char *text;
    const char *said;
} wrong[] = {
    { "nothing", "",
      "column 1: expected a store (redis://…), a decorator or $NAME, but "
      "it ends here" },
    { "blanks only", " \n ", "column 4: " },
    { "a word alone", "memory", "column 7: expected \"(\"" },
    { "no children", "x()", "column 3: expected a store" },
    { "an open list", "x(memory://",
      "column 12: expected \",\" or \")\", but it ends" },
    { "an empty place", "x(memory://,)", "column 13: expected a store" },
    { "something behind it", "memory:// x", "column 11: expected the end, not \"x\"" },
    { "a comma behind it", "memory://,", "column 10: expected the end" },
    { "no name", "$", "column 2: expected a bag's name" },
    { "no value's sign", "x{a}(memory://)", "column 4: expected \"=\"" },
    { "no option's name", "x{=1}(memory://)", "column 3: expected an option" },
    { "an open quotation", "x{a=\"b}(memory://)", "column 5: the quotation mark" },
    { "an escape at the end", "x{a=\"b\\", "column 5: the quotation mark" },
    { "two values", "x{a=\"b\" c=d}(memory://)", "column 9: expected \";\" or \"}\"" },
    { "open options", "x{a=b", "column 6: expected \";\" or \"}\"" },
    { "an open bracket", "<redis://h", "column 1: the angle bracket" },
    { "no URL in it", "<redis>", "column 1: a URL needs a scheme" },
    { "no scheme", "<://h>", "column 1: a URL needs a scheme" },
    { "a role without a store", "x(a=)", "column 5: expected a store" },
    { "a password behind half a URL", "x(redis:/:s3cret@h)",
      "column 8: expected \"(\" and what it decorates, or \"://\" here" },
    { "one with a comma", "redis://:s3,cret@h", "column 12: expected the end here" },
    { "one with a comma, in a list", "x(redis://:s3,cret pw@h)",
      "column 20: expected \"(\" and what it decorates, or \"://\" here" },
    { "one with a bracket", "x(redis://:s3)cret@h)",
      "column 15: expected the end here" },
    { "other bytes", "\x01", "column 1: expected a store" },
};

START_TEST(what_is_wrong_is_said_with_its_place)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char said[320];

    ck_assert_int_eq(keel_spec_read(&spec, wrong[_i].text, &why), KEEL_E_CONFIG);
    snprintf(said, sizeof said, "column %zu: %s", spec.wrong_column, why.text);
    ck_assert_msg(strncmp(said, wrong[_i].said, strlen(wrong[_i].said)) == 0, "%s",
                  said);
    ck_assert_msg(!strstr(said, "cret"), "%s", said);
}
END_TEST

/* depth decorators around a store */
static char *nested(unsigned depth)
{
    char *text = calloc(1, 3 * (size_t)depth + 16);

    ck_assert_ptr_nonnull(text);
    for (unsigned i = 0; i < depth; i++)
        strcat(text, "x(");
    strcat(text, "m://");
    for (unsigned i = 0; i < depth; i++)
        strcat(text, ")");
    return text;
}

START_TEST(a_spec_is_no_deeper_than_may_be)
{
    char *fits = nested(KEEL_SPEC_DEPTH - 1), *too_deep = nested(KEEL_SPEC_DEPTH);
    keel_detail why = KEEL_DETAIL_INIT;

    read_spec(fits);
    ck_assert_int_eq(keel_spec_read(&spec, too_deep, &why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "32 parts deep"));
    free(fits);
    free(too_deep);
}
END_TEST

START_TEST(a_spec_has_no_more_parts_and_options_than_may_be)
{
    static char parts[1024] = "x(m://", options[4096] = "x{a=1";
    keel_detail why = KEEL_DETAIL_INIT;

    for (unsigned i = 0; i < KEEL_SPEC_NODES; i++)
        strcat(parts, ",m://");
    for (unsigned i = 0; i < KEEL_SPEC_OPTIONS; i++)
        strcat(options, ";a=1");
    ck_assert_int_eq(keel_spec_read(&spec, parts, &why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "64 parts at most"));
    ck_assert_int_eq(keel_spec_read(&spec, options, &why), KEEL_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(why.text, "256 options at most"));
}
END_TEST

SUITE("bag/spec", 10, ONE(a_store_is_its_url),
      ONE(between_angle_brackets_a_url_may_hold_what_ends_it_elsewhere),
      ONE(a_decorator_has_options_and_children_with_roles),
      ONE(a_quoted_value_may_hold_anything),
      ROWS(what_is_wrong_is_said_with_its_place, wrong),
      ONE(a_spec_is_no_deeper_than_may_be),
      ONE(a_spec_has_no_more_parts_and_options_than_may_be))
