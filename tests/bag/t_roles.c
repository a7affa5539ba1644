/* SPDX-License-Identifier: MIT */
/* Which child of a decorator has which place, and what is said of one that has none. */
#include <stdio.h>
#include <string.h>

#include "bag/roles.h"
#include "support/suite.h"

static keel_spec spec;

static keel_status bind(const char *text, const char *roles, keel_detail *why)
{
    const keel_bag_ops ops = { .name = "x", .roles = roles };

    ck_assert_msg(keel_spec_read(&spec, text, why) == KEEL_OK, "%s", why->text);
    return keel_bag_roles_bind(&spec, &spec.nodes[0], &ops, why);
}

/* "role=name" of each child, in the order of their places. */
static void show(char *to, size_t size)
{
    uint16_t number = spec.nodes[0].first_child;

    *to = '\0';
    for (; number; number = spec.nodes[number].next) {
        const keel_spec_node *child = &spec.nodes[number];
        size_t used = strlen(to);

        snprintf(to + used, size - used, "%s%.*s=%.*s", used ? " " : "",
                 (int)child->role.length, child->role.at, (int)child->name.length,
                 child->name.at);
    }
}

static const struct {
    const char *why;
    const char *roles;
    const char *text;
    const char *shown;
} bound[] = {
    { "by place", "cache|source", "x($A, $B)", "cache=A source=B" },
    { "by name", "cache|source", "x(cache=$A, source=$B)", "cache=A source=B" },
    { "by name, the other way round", "cache|source", "x(source=$A, cache=$B)",
      "cache=B source=A" },
    { "one has a name, the other what is left", "cache|source", "x(source=$A, $B)",
      "cache=B source=A" },
    { "and before it, too", "cache|source", "x($A, cache=$B)", "cache=B source=A" },
    { "an only one", "source", "x(source=$A)", "source=A" },
    { "any more follow as they are written", "primary|standby|*",
      "x(third=$C, standby=$B, fourth=$D, primary=$A)",
      "primary=A standby=B third=C fourth=D" },
    { "those without a role by their names", "primary|standby|*",
      "x($A, $B, third=$C, $D)", "primary=A standby=B third=C D=D" },
    { "what is left is filled before that", "primary|standby|*",
      "x($A, third=$C, $B, primary=$D)", "primary=D standby=A third=C B=B" },
    { "none but roles of their own", "*", "x(here=$A, $B)", "here=A B=B" },
};

START_TEST(a_child_has_the_place_of_its_role_or_what_is_left)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char shown[128];

    ck_assert_msg(bind(bound[_i].text, bound[_i].roles, &why) == KEEL_OK, "%s",
                  why.text);
    show(shown, sizeof shown);
    ck_assert_str_eq(shown, bound[_i].shown);
}
END_TEST

static const struct {
    const char *why;
    const char *roles;
    const char *text;
    const char *said;
} refused[] = {
    { "a slip", "cache|source", "x(cache=$A, sorce=$B)",
      "column 13: expected one of the roles of x (cache|source), not \"sorce\"; did "
      "you "
      "mean \"source\"?" },
    { "far from any", "cache|source", "x(cache=$A, other=$B)",
      "column 13: expected one of the roles of x (cache|source), not \"other\"" },
    { "an only one's", "source", "x(sorce=$A)",
      "column 3: expected one of the roles of x (source), not \"sorce\"; did you mean "
      "\"source\"?" },
    { "where others may follow", "primary|standby|*", "x(standby=$A, primry=$B)",
      "column 15: expected the role \"primary\" (x is made of primary|standby|*), not "
      "\"primry\"; did you mean \"primary\"?" },
    { "roles of their own only", "primary|standby|*", "x(a=$A, b=$B)",
      "column 3: expected the role \"primary\" (x is made of primary|standby|*), not "
      "\"a\"" },
    { "twice", "cache|source", "x(source=$A, source=$B)",
      "column 14: another child has the role \"source\", too" },
    { "twice, and none of ours", "primary|standby|*", "x($A, $B, c=$C, c=$D)",
      "column 17: another child has the role \"c\", too" },
    { "a name that is another's role", "primary|standby|*", "x($A, $B, $primary)",
      "column 11: another child has the role \"primary\", too" },
    { "too few", "cache|source", "x(source=$A)",
      "column 1: x is made of 2: cache|source" },
    { "too many", "source", "x($A, $B)", "column 1: x is made of 1: source" },
    { "too few where others may follow", "primary|standby|*", "x($A)",
      "column 1: x is made of 2 or more: primary|standby|*" },
};

START_TEST(what_has_no_place_is_refused_with_its_own)
{
    keel_detail why = KEEL_DETAIL_INIT;
    char said[320];

    ck_assert_int_eq(bind(refused[_i].text, refused[_i].roles, &why), KEEL_E_CONFIG);
    snprintf(said, sizeof said, "column %zu: %s", spec.wrong_column, why.text);
    ck_assert_str_eq(said, refused[_i].said);
}
END_TEST

SUITE("bag/roles", 10, ROWS(a_child_has_the_place_of_its_role_or_what_is_left, bound),
      ROWS(what_has_no_place_is_refused_with_its_own, refused))
