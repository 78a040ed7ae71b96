#include "tests/check.h"
#include "tests/util.h"

#include <string.h>

#include "tui/keys.h"

static ui_keymap *open_map(const char *conf, nb_str *warnings)
{
    ui_keymap *m;
    nb_err err = {0};
    size_t n = conf ? strlen(conf) : 0;
    /* exactly n readable bytes: keys.conf arrives with a length, not a NUL */
    char *copy = conf ? test_guard(n, 1) : NULL;
    if (conf)
        memcpy(copy, conf, n);
    check(ui_keymap_open(&m, copy, n, warnings, &err) == NB_OK, "%s", err.msg);
    if (copy)
        test_guard_free(copy);
    return m;
}

/* Types the keys of one word ("gg", "C-d") in Keys mode. */
static ui_action press(const ui_keymap *m, ui_scope scope, bool text, const char *word)
{
    ui_key k;
    uint32_t pending = 0;
    check(ui_key_parse(word, &k), "no key %s", word);
    ui_action a = ui_keymap_find(m, scope, text, &k, &pending);
    if (a == UI_ACT_NONE && pending && k.code == UI_K_CHAR && strlen(word) == 2) {
        k.ch = (uint8_t)word[1];
        a = ui_keymap_find(m, scope, text, &k, &pending);
        check(pending == 0, "%s leaves a prefix behind", word);
    }
    return a;
}

static bool next_word(const char **s, char out[24])
{
    *s += strspn(*s, " ");
    size_t n = strcspn(*s, " ");
    check(n < 24, "a word of %zu bytes", n);
    memcpy(out, *s, n);
    out[n] = '\0';
    *s += n;
    return n > 0;
}

/* tui.md 4.4: no key means two things in one place. */
CHECK_TEST(keys, the_default_table_has_no_clash)
{
    nb_str warnings = {0};
    ui_keymap *m = open_map(NULL, &warnings);
    check(warnings.len == 0, "%s", nb_str_c(&warnings));
    ui_keymap_close(&m);
    nb_str_free(&warnings);
}

CHECK_TEST(keys, movement_keys_move_and_nothing_else)
{
    static const struct {
        const char *key;
        ui_action action;
    } fixed[] = {
        {"h", UI_ACT_ANY_LEFT},       {"j", UI_ACT_ANY_DOWN},       {"k", UI_ACT_ANY_UP},
        {"l", UI_ACT_ANY_RIGHT},      {"gg", UI_ACT_ANY_FIRST},     {"G", UI_ACT_ANY_LAST},
        {"n", UI_ACT_ANY_NEXT_MATCH}, {"N", UI_ACT_ANY_PREV_MATCH}, {"/", UI_ACT_ANY_FILTER}};
    ui_keymap *m = open_map(NULL, NULL);
    for (int scope = UI_MODELS; scope < UI_SCOPES; scope++)
        for (size_t i = 0; i < countof(fixed); i++)
            check(press(m, (ui_scope)scope, false, fixed[i].key) == fixed[i].action,
                  "%s in scope %d", fixed[i].key, scope);
    ui_keymap_close(&m);
}

CHECK_TEST(keys, every_bound_key_of_every_row_reaches_its_action)
{
    size_t n;
    const ui_keyrow *rows = ui_keyrows(&n);
    ui_keymap *m = open_map(NULL, NULL);
    check(n + 1 == UI_ACT_COUNT, "%zu rows, %d actions", n, UI_ACT_COUNT);
    for (size_t i = 0; i < n; i++) {
        const char *s = rows[i].keys;
        char word[24];
        check(ui_keyrow_of(rows[i].action) == &rows[i], "%s", rows[i].verb);
        check(*rows[i].help && *rows[i].verb, "row %zu has no words", i);
        check(strcmp(ui_keymap_keys(m, rows[i].action), rows[i].keys) == 0, "%s", rows[i].verb);
        while (next_word(&s, word))
            for (int scope = UI_MODELS; scope < UI_SCOPES; scope++)
                if (rows[i].scope == UI_ANY || rows[i].scope == (ui_scope)scope)
                    check(press(m, (ui_scope)scope, false, word) == rows[i].action,
                          "%s does not reach %s in scope %d", word, rows[i].verb, scope);
    }
    check(!ui_keyrow_of(UI_ACT_NONE) && !ui_keyrow_of(UI_ACT_COUNT), "no row for no action");
    ui_keymap_close(&m);
}

CHECK_TEST(keys, verbs_are_unique_within_a_scope)
{
    size_t n;
    const ui_keyrow *r = ui_keyrows(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            check(strcmp(r[i].verb, r[j].verb) != 0 ||
                      (r[i].scope != r[j].scope && r[i].scope != UI_ANY && r[j].scope != UI_ANY),
                  "verb %s means two actions in one place", r[i].verb);
}

CHECK_TEST(keys, names_read_back_as_the_same_key)
{
    static const char *const names[] = {
        "Enter", "Esc",  "Tab", "S-Tab", "Space",   "Up", "Down", "Left",  "Right", "PgUp",
        "PgDn",  "Home", "End", "Del",   "Bksp",    "F1", "C-d",  "M-1",   "M-x",   "a",
        "?",     ":",    "÷",   "日",    "M-Enter", "-",  "=",    "M-C-a",
    };
    for (size_t i = 0; i < countof(names); i++) {
        ui_key k, again;
        char out[16];
        check(ui_key_parse(names[i], &k), "%s", names[i]);
        ui_key_name(&k, out);
        check(strcmp(out, names[i]) == 0, "%s is named %s", names[i], out);
        check(ui_key_parse(out, &again) && again.code == k.code && again.ch == k.ch &&
                  again.ctrl == k.ctrl && again.alt == k.alt,
              "%s", names[i]);
    }
    ui_key k;
    check(!ui_key_parse("", &k) && !ui_key_parse("\x1b", &k) && !ui_key_parse("\xff", &k),
          "no keys");
}

/* tui.md 4.2: letters type while an input has focus. */
CHECK_TEST(keys, in_text_mode_letters_type_and_chords_act)
{
    ui_keymap *m = open_map(NULL, NULL);
    for (char ch = ' '; ch < 0x7f; ch++) {
        ui_key k = {.code = UI_K_CHAR, .ch = (uint32_t)ch};
        uint32_t pending = 0;
        check(ui_keymap_find(m, UI_CHAT, true, &k, &pending) == UI_ACT_NONE && !pending,
              "'%c' acts in Text mode", ch);
    }
    check(press(m, UI_CHAT, true, "M-1") == UI_ACT_ANY_SCREEN_1, "M-1");
    check(press(m, UI_CHAT, true, "C-q") == UI_ACT_ANY_QUIT, "C-q");
    check(press(m, UI_CHAT, true, "Esc") == UI_ACT_ANY_ESCAPE, "Esc");
    check(press(m, UI_CHAT, true, "C-c") == UI_ACT_CHAT_STOP, "C-c");
    ui_keymap_close(&m);
}

CHECK_TEST(keys, a_prefix_waits_once_and_is_forgotten)
{
    ui_keymap *m = open_map(NULL, NULL);
    ui_key g = {.code = UI_K_CHAR, .ch = 'g'}, j = {.code = UI_K_CHAR, .ch = 'j'};
    uint32_t pending = 0;
    check(ui_keymap_find(m, UI_MODELS, false, &g, &pending) == UI_ACT_NONE && pending == 'g',
          "g waits");
    check(ui_keymap_find(m, UI_MODELS, false, &j, &pending) == UI_ACT_NONE && !pending,
          "gj is nothing");
    check(ui_keymap_find(m, UI_MODELS, false, &j, &pending) == UI_ACT_ANY_DOWN, "then j is down");
    check(press(m, UI_INSPECT, false, "gb") == UI_ACT_INSPECT_GOTO_BLOCK, "gb in Inspect");
    check(press(m, UI_MODELS, false, "gb") == UI_ACT_NONE, "gb elsewhere");
    ui_keymap_close(&m);
}

CHECK_TEST(keys, conf_lines_remap_unbind_and_restore)
{
    ui_keymap *m = open_map("# mine\n\nany.mark = F1x\nany.jobs = C-o\n  models.rescan =\t\n"
                            "models.kv = \nany.errors=%\r\nany.undo =",
                            NULL);
    check(press(m, UI_MODELS, false, "C-o") == UI_ACT_ANY_JOBS, "C-o shows jobs");
    check(press(m, UI_MODELS, false, "J") == UI_ACT_NONE, "J is free");
    check(strcmp(ui_keymap_keys(m, UI_ACT_ANY_JOBS), "C-o") == 0, "help names the new key");
    check(press(m, UI_MODELS, false, "%") == UI_ACT_ANY_ERRORS, "without spaces");
    check(press(m, UI_MODELS, false, "r") == UI_ACT_NONE, "r is unbound");
    check(press(m, UI_MODELS, false, "V") == UI_ACT_NONE, "V is unbound");
    check(press(m, UI_MODELS, false, "z") == UI_ACT_NONE, "z is unbound");
    check(*ui_keymap_keys(m, UI_ACT_ANY_UNDO) == '\0', "and shown so");
    ui_keymap_close(&m);
}

CHECK_TEST(keys, bad_conf_lines_are_named_and_change_nothing)
{
    static const struct {
        const char *conf, *says;
    } bad[] = {
        {"any.jobs", "line 1"},
        {"\nmodels.nothing = x\n", "line 2"},
        {"any.jobs = \x1b", "line 1"},
        {"=", "line 1"},
        {"any.jobs = C-verylongkeynamewithoutanyend", "line 1"},
        {"any.jobs = E", "errors"},
        {"models.kv = E\n", "models.kv"},
        {"\tany.jobs = \x1f \r\n", "key \"\x1f\": no such key"},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        nb_str w = {0};
        ui_keymap *m = open_map(bad[i].conf, &w);
        check(strstr(nb_str_c(&w), bad[i].says) != NULL, "%zu says \"%s\"", i, nb_str_c(&w));
        check(press(m, UI_MODELS, false, "j") == UI_ACT_ANY_DOWN, "%zu broke j", i);
        if (i < 5)
            check(press(m, UI_MODELS, false, "J") == UI_ACT_ANY_JOBS, "%zu unbound J", i);
        ui_keymap_close(&m);
        m = open_map(bad[i].conf, NULL); /* nobody asks for warnings */
        check(press(m, UI_MODELS, false, "j") == UI_ACT_ANY_DOWN, "%zu broke j", i);
        ui_keymap_close(&m);
        nb_str_free(&w);
    }
}

/* What a key is called that is none, and that a name of too many letters is. */
CHECK_TEST(keys, what_is_no_key_is_refused)
{
    static const char *const bad[] = {"", "\x1f", "\xff", "M-\x01"};
    static const struct {
        const char *name;
        ui_key key;
    } good[] = {{"M-", {.code = UI_K_CHAR, .ch = 'M'}},
                {"C-", {.code = UI_K_CHAR, .ch = 'C'}},
                {"C-ab", {.code = UI_K_CHAR, .ch = 'C'}}, /* as the first of a sequence */
                {"M-C-x", {.code = UI_K_CHAR, .ch = 'x', .ctrl = true, .alt = true}},
                {"M-Space", {.code = UI_K_CHAR, .ch = ' ', .alt = true}},
                {"M-Enter", {.code = UI_K_ENTER, .alt = true}}};
    ui_key k;
    for (size_t i = 0; i < countof(bad); i++)
        check(!ui_key_parse(bad[i], &k), "%zu is a key", i);
    for (size_t i = 0; i < countof(good); i++)
        check(ui_key_parse(good[i].name, &k) && k.code == good[i].key.code &&
                  k.ch == good[i].key.ch && k.ctrl == good[i].key.ctrl && k.alt == good[i].key.alt,
              "%s", good[i].name);
    check(!ui_keyrow_of(UI_ACT_NONE) && !ui_keyrow_of(UI_ACT_COUNT), "rows of no action");
    char name[16];
    ui_key_name(&(ui_key){.code = UI_K_MOUSE}, name);
    check(strcmp(name, "?") == 0, "%s", name);
}

CHECK_TEST(keys, any_bytes_are_a_keys_conf)
{
    test_rng rng = test_rng_make(44);
    static const char bits[] = "any.models.jobs = C-x M-Enter gg \n\r\t#=\x1b\xc3\xff z";
    for (int round = 0; round < 400; round++) {
        char conf[65];
        uint32_t n = test_below(&rng, 64);
        for (uint32_t i = 0; i < n; i++)
            conf[i] = bits[test_below(&rng, sizeof bits - 1)];
        conf[n] = '\0';
        nb_str w = {0};
        ui_keymap *m = open_map(n ? conf : NULL, &w);
        ui_keymap_close(&m);
        nb_str_free(&w);
    }
}

CHECK_TEST(keys, taken_keys_name_what_they_do)
{
    static const struct {
        ui_action a;
        const char *key;
        ui_action other;
    } rows[] = {{UI_ACT_QUANTIZE_DRY_RUN, "x", UI_ACT_QUANTIZE_CANCEL},
                {UI_ACT_QUANTIZE_DRY_RUN, "j", UI_ACT_ANY_DOWN},
                {UI_ACT_QUANTIZE_DRY_RUN, "g", UI_ACT_ANY_FIRST}, /* begins "gg" */
                {UI_ACT_QUANTIZE_DRY_RUN, "D", UI_ACT_QUANTIZE_DRY_RUN},
                {UI_ACT_QUANTIZE_DRY_RUN, "u", UI_ACT_NONE},
                {UI_ACT_QUANTIZE_DRY_RUN, "m", UI_ACT_NONE}, /* of other screens */
                {UI_ACT_ANY_JOBS, "m", UI_ACT_COMPARE_MEASURE}};
    ui_keymap *m = open_map(NULL, NULL);
    for (size_t i = 0; i < countof(rows); i++) {
        ui_key k;
        check(ui_key_parse(rows[i].key, &k), "%s", rows[i].key);
        const ui_keyrow *r = ui_keymap_taken(m, rows[i].a, &k);
        check((r ? r->action : UI_ACT_NONE) == rows[i].other, "%s: %s", rows[i].key,
              r ? r->verb : "free");
    }
    ui_keymap_close(&m);
}

CHECK_TEST(keys, a_conf_changes_in_one_line_only)
{
    static const struct {
        const char *before, *after;
    } rows[] = {
        {"", "quantize.quantize.dry = D u\n"},
        {"# mine\n\nany.jobs = F1\r\n# quantize.quantize.dry = x\nnonsense",
         "# mine\n\nany.jobs = F1\r\n# quantize.quantize.dry = x\nnonsense\n"
         "quantize.quantize.dry = D u\n"},
        {" \tquantize.quantize.dry=\nany.jobs = K\nquantize.quantize.dry = D\nquantize.rule.add = "
         "=\n",
         "quantize.quantize.dry = D u\nany.jobs = K\nquantize.rule.add = =\n"},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        nb_str out = {0};
        ui_keymap_edit(&out, rows[i].before, strlen(rows[i].before), UI_ACT_QUANTIZE_DRY_RUN,
                       "D u");
        check(strcmp(nb_str_c(&out), rows[i].after) == 0, "row %zu: %s", i, nb_str_c(&out));
        nb_str again = {0};
        ui_keymap_edit(&again, out.at, out.len, UI_ACT_QUANTIZE_DRY_RUN, "D u");
        check(strcmp(again.at, out.at) == 0, "row %zu: not the same again", i);
        nb_str_free(&out);
        nb_str_free(&again);
    }
}
