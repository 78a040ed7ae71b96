/* What comes back at the next start: screen, marks, theme, drafts. One JSON object of texts and
 * text lists in state_dir/workspace.json, replaced atomically; one writer, held by flock on
 * workspace.lock beside it: a second workbench reads what is there, keeps its own changes in memory
 * and says so (tui.md 4.13). Unknown keys are kept. A broken file is set aside as workspace.bad and
 * the workbench starts fresh. */
#ifndef NIBBLE_WORKSPACE_H
#define NIBBLE_WORKSPACE_H

#include "core/base/str.h"

typedef struct ui_workspace ui_workspace;

/* dir NULL or "": memory only. Never fails but for memory: *err tells what could not be read or
 * locked, with NB_OK. */
nb_status ui_workspace_open(ui_workspace **out, const char *dir, nb_err *err);
/* Saves, unlocks, frees. */
void ui_workspace_close(ui_workspace **w);
/* Another workbench holds the lock (or nothing can be written): changes stay in memory. */
bool ui_workspace_foreign(const ui_workspace *w);

/* NULL = never set; borrowed until the key is set again. */
const char *ui_workspace_get(const ui_workspace *w, const char *key);
void ui_workspace_set(ui_workspace *w, const char *key, const char *value);
/* Lists: number of entries; one entry, NULL out of range. */
size_t ui_workspace_count(const ui_workspace *w, const char *key);
const char *ui_workspace_item(const ui_workspace *w, const char *key, size_t i);
void ui_workspace_clear(ui_workspace *w, const char *key);
void ui_workspace_add(ui_workspace *w, const char *key, const char *item);

/* Writes if something changed since; does nothing when foreign. */
nb_status ui_workspace_save(ui_workspace *w, nb_err *err);

#endif
