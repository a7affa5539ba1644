/* SPDX-License-Identifier: MIT */
/* Printing the table of settings. */
#ifndef KEEL_TOOLS_CONFIG_LIST_H
#define KEEL_TOOLS_CONFIG_LIST_H

#include <stdio.h>

void keel_config_list_text(FILE *out);
void keel_config_list_json(FILE *out);
void keel_config_list_mdoc(FILE *out); /* keel-settings(5), whole */

#endif
