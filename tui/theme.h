/* Themes: text files that say how each role looks. `key = fg bg attrs`, `[palette]` names, name,
 * inherits, mode (tui.md 4.16). Built-in files travel inside the binary; user files in
 * config/themes win. Colours are 24-bit or palette names; the terminal layer maps them to what the
 * terminal has. */
#ifndef NIBBLE_THEME_H
#define NIBBLE_THEME_H

#include "kernels/nb.h"

enum { UI_A_BOLD = 1, UI_A_DIM = 2, UI_A_UNDERLINE = 4, UI_A_REVERSE = 8, UI_A_ITALIC = 16 };

typedef enum ui_role {
#define UI_ROLE(sym, key, mono) UI_##sym,
#include "tui/roles.def"
#undef UI_ROLE
    UI_ROLE_COUNT
} ui_role;

/* -1 = the terminal's default; else 0xRRGGBB. */
typedef struct ui_style {
    int32_t fg, bg;
    uint8_t attrs;
    uint8_t mono; /* attributes when colours are off */
} ui_style;

typedef struct ui_theme {
    char name[32];
    bool light;
    ui_style role[UI_ROLE_COUNT];
} ui_theme;

/* Built-in files, NULL-terminated (generated at build from themes/). */
typedef struct ui_theme_file {
    const char *name, *text;
} ui_theme_file;
extern const ui_theme_file ui_theme_files[];

/* Parses a theme; inherits are looked up among the built-ins. Errors name line and key. */
nb_status ui_theme_parse(ui_theme *out, const char *text, size_t n, const char *name, nb_err *err);
/* Built-in or user theme (dir may be NULL) by name. */
nb_status ui_theme_load(ui_theme *out, const char *name, const char *user_dir, nb_err *err);
/* WCAG contrast of role against its background (or, for default colours, against the worse of black
 * and white); 0 when both are the terminal's own. */
double ui_theme_contrast(const ui_theme *t, ui_role role);
/* Dark text reads better on it than light text. */
bool ui_color_is_light(int32_t rgb);
/* The style's colours as a person with a colour vision deficiency sees them (Machado 2009):
 * 0 protanopia, 1 deuteranopia, 2 tritanopia. */
int32_t ui_color_simulate(int32_t rgb, int deficiency);
const char *ui_role_key(ui_role role);

#endif
