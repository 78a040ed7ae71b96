#ifndef NIBBLE_THEME_H
#define NIBBLE_THEME_H
typedef struct ui_theme_file {
    const char *name, *text;
} ui_theme_file;
extern const ui_theme_file ui_theme_files[];
#endif
