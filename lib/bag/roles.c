/* SPDX-License-Identifier: MIT */
/* Giving children their places: first those with a role, then those without. */
#include "bag/roles.h"

#include <string.h>

#include "base/detail.h"
#include "base/name.h"

/*
 * fixed     that ops->roles names; is_open: and any number more
 * children  numbers of nodes, as they are written; 0: it has its place already
 * places    the same, in the order of the roles; 0: nobody has it yet
 */
typedef struct binding {
    keel_spec *spec;
    keel_spec_node *decorator;
    const keel_bag_ops *ops;
    keel_detail *why;
    size_t fixed;
    bool is_open;
    uint16_t children[KEEL_SPEC_NODES];
    uint16_t places[KEEL_SPEC_NODES];
} binding;

/* ---- the roles that there are -------------------------------------------------------- */

/* Of that place; empty: it is past those that are named. */
static keel_text role_at(const binding *b, size_t place)
{
    keel_text rest = keel_text_of(b->ops->roles), one;

    while (place < b->fixed && keel_text_next(&rest, "|", &one))
        if (!place--)
            return one;
    return (keel_text){ "", 0 };
}

static bool is_same(keel_text a, keel_text b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* b->fixed: there is none of that name. */
static size_t place_of(const binding *b, keel_text role)
{
    size_t place = 0;

    while (place < b->fixed && !is_same(role, role_at(b, place)))
        place++;
    return place;
}

static void count_roles(binding *b)
{
    keel_text rest = keel_text_of(b->ops->roles), one;

    while (keel_text_next(&rest, "|", &one)) {
        if (keel_text_is(one, "*"))
            b->is_open = true;
        else
            b->fixed++;
    }
}

/* ---- what is wrong ------------------------------------------------------------------- */

static keel_status refuse_count(const binding *b)
{
    b->spec->wrong_column = b->decorator->column;
    return keel_failf(b->why, KEEL_E_CONFIG, "%s is made of %zu%s: %s", b->ops->name,
                      b->fixed, b->is_open ? " or more" : "", b->ops->roles);
}

/* Without a role it is its name that stands there. */
static size_t column_of(const binding *b, const keel_spec_node *child)
{
    return child->role.length ? keel_spec_column(b->spec, child->role.at)
                              : child->column;
}

static keel_status refuse_twice(const binding *b, const keel_spec_node *child)
{
    char quoted[KEEL_QUOTE_SIZE];

    b->spec->wrong_column = column_of(b, child);
    return keel_failf(
        b->why, KEEL_E_CONFIG, "another child has the role %s, too",
        keel_quote(quoted, child->role.length ? child->role : child->name));
}

static keel_status refuse_length(const binding *b, const keel_spec_node *child)
{
    b->spec->wrong_column = column_of(b, child);
    return keel_fail(b->why, KEEL_E_CONFIG, "a role has 64 bytes at most");
}

/* The place that was meant; b->fixed: none is near. */
static size_t nearest(const binding *b, keel_text role)
{
    size_t place = 0;

    while (place < b->fixed && !keel_name_is_near(role, role_at(b, place)))
        place++;
    return place;
}

static keel_status refuse_role(const binding *b, const keel_spec_node *child)
{
    size_t meant = nearest(b, child->role);
    keel_text near = role_at(b, meant);
    char quoted[KEEL_QUOTE_SIZE];
    bool is_near = meant < b->fixed;

    b->spec->wrong_column = column_of(b, child);
    return keel_failf(b->why, KEEL_E_CONFIG,
                      "expected one of the roles of %s (%s), not %s%s%.*s%s",
                      b->ops->name, b->ops->roles, keel_quote(quoted, child->role),
                      is_near ? "; did you mean \"" : "", (int)near.length, near.at,
                      is_near ? "\"?" : "");
}

/* ---- places -------------------------------------------------------------------------- */

static keel_status seat_named(binding *b)
{
    for (size_t i = 0; i < b->decorator->child_count; i++) {
        const keel_spec_node *child = &b->spec->nodes[b->children[i]];
        size_t place = place_of(b, child->role);

        if (!child->role.length)
            continue;
        if (child->role.length > KEEL_NAME_MAX)
            return refuse_length(b, child);
        if (place == b->fixed && !b->is_open)
            return refuse_role(b, child);
        if (place == b->fixed)
            continue;
        if (b->places[place])
            return refuse_twice(b, child);
        b->places[place] = b->children[i];
        b->children[i] = 0;
    }
    return KEEL_OK;
}

static void seat_unnamed(binding *b)
{
    size_t place = 0;

    for (size_t i = 0; i < b->decorator->child_count; i++) {
        if (!b->children[i] || b->spec->nodes[b->children[i]].role.length)
            continue;
        while (place < b->fixed && b->places[place])
            place++;
        if (place == b->fixed)
            return;
        b->places[place] = b->children[i];
        b->children[i] = 0;
    }
}

/* One that would be one more, while nobody has a role that there must be. */
static keel_status refuse_instead(const binding *b, size_t missing,
                                  const keel_spec_node *child)
{
    keel_text role = role_at(b, missing);
    bool is_near = keel_name_is_near(child->role, role);
    char quoted[KEEL_QUOTE_SIZE];

    b->spec->wrong_column = column_of(b, child);
    return keel_failf(b->why, KEEL_E_CONFIG,
                      "expected the role \"%.*s\" (%s is made of %s), not %s%s%.*s%s",
                      (int)role.length, role.at, b->ops->name, b->ops->roles,
                      keel_quote(quoted, child->role),
                      is_near ? "; did you mean \"" : "",
                      is_near ? (int)role.length : 0, role.at, is_near ? "\"?" : "");
}

/* Who is more than the named roles take; each has to be there first. */
static keel_status seat_rest(binding *b)
{
    size_t place = b->fixed, missing = 0;

    while (missing < b->fixed && b->places[missing])
        missing++;
    for (size_t i = 0; i < b->decorator->child_count; i++) {
        if (!b->children[i])
            continue;
        if (missing < b->fixed)
            return refuse_instead(b, missing, &b->spec->nodes[b->children[i]]);
        b->places[place++] = b->children[i];
    }
    return KEEL_OK;
}

/* Links the children as they are placed, and gives each its role. */
static keel_status settle(const binding *b)
{
    uint16_t *link = &b->decorator->first_child;

    for (size_t i = 0; i < b->decorator->child_count; i++) {
        keel_spec_node *child = &b->spec->nodes[b->places[i]];
        keel_text role = i < b->fixed         ? role_at(b, i)
                         : child->role.length ? child->role
                                              : child->name;

        if (role.length > KEEL_NAME_MAX)
            return refuse_length(b, child);
        for (size_t j = 0; j < i; j++)
            if (is_same(role, b->spec->nodes[b->places[j]].role))
                return refuse_twice(b, child);
        child->role = role;
        *link = b->places[i];
        link = &child->next;
    }
    *link = 0;
    return KEEL_OK;
}

keel_status keel_bag_roles_bind(keel_spec *spec, keel_spec_node *decorator,
                                const keel_bag_ops *ops, keel_detail *why)
{
    binding b = { .spec = spec, .decorator = decorator, .ops = ops, .why = why };
    uint16_t number = decorator->first_child;
    keel_status status;

    count_roles(&b);
    if (decorator->child_count < b.fixed ||
        (decorator->child_count > b.fixed && !b.is_open))
        return refuse_count(&b);
    for (size_t i = 0; i < decorator->child_count; i++) {
        b.children[i] = number;
        number = spec->nodes[number].next;
    }
    status = seat_named(&b);
    if (status != KEEL_OK)
        return status;
    seat_unnamed(&b);
    status = seat_rest(&b);
    return status == KEEL_OK ? settle(&b) : status;
}
