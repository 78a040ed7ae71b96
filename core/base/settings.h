/* The settings table and the text of the settings file, apart from where it lies. A file is lines
 * of `key = value`; blank lines and lines that start with # are comments; the last of equal keys
 * wins. Private to core/base and its tests. */
#ifndef NIBBLE_SETTINGS_H
#define NIBBLE_SETTINGS_H

#include "core/base/config.h"
#include "core/base/str.h"

enum { NB_SETTINGS_MAX = 1 << 20 }; /* bytes of a settings file */

/* All settings to their defaults. */
void nb_settings_reset(nb_config *c);
/* Sets one setting from text; NB_USAGE names what is allowed, and c is as before. */
nb_status nb_settings_apply(nb_config *c, const char *name, const char *value, nb_err *err);
/* Applies every sound line; returns the first problem with its line number, path naming the file.
 */
nb_status nb_settings_read(nb_config *c, const char *text, size_t n, const char *path, nb_err *err);
/* Appends text to out with name's line replaced, or added at the end; the rest stays byte for
 * byte, later duplicates of name go. */
void nb_settings_edit(nb_str *out, const char *text, size_t n, const char *name, const char *value);

#endif
