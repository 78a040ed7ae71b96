/* Bytes of a terminal become keys, whole or in pieces; what is unknown never becomes text (tui.md
 * 5). */
#include "tests/check.h"
#include "tests/util.h"
#include "tui/term_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of all keys in bytes, joined by spaces; fed `step` bytes at a time. */
static void names(const char *bytes, size_t n, size_t step, char *out, size_t cap)
{
    ui_decode *d = calloc(1, sizeof *d);
    ui_key k;
    char name[16];
    out[0] = '\0';
    for (size_t i = 0; i <= n; i += step) {
        bool late = i >= n;
        if (!late)
            ui_decode_feed(d, bytes + i, n - i < step ? n - i : step, 1);
        if (!late && i + step >= n) /* the last piece: then nothing more comes */
            late = true;
        while (ui_decode_key(d, false, 1, &k) || (late && ui_decode_key(d, true, 1, &k))) {
            size_t at = strlen(out);
            if (k.code == UI_K_PASTE)
                snprintf(name, sizeof name, "<%.*s>", (int)k.paste_len, k.paste);
            else if (k.code == UI_K_MOUSE)
                snprintf(name, sizeof name, "@%d,%d:%d", k.x, k.y, k.button);
            else if (k.code == UI_K_FOCUS_IN || k.code == UI_K_FOCUS_OUT)
                snprintf(name, sizeof name, "focus");
            else
                ui_key_name(&k, name);
            snprintf(out + at, cap - at, "%s%s", at ? " " : "", name);
        }
    }
    ui_decode_free(d);
    free(d);
}

static const struct {
    const char *bytes, *keys;
} cases[] = {
    {"abc", "a b c"},
    {"\r", "Enter"},
    {"\n", "C-j"}, /* Ctrl-J stays apart from Enter (tui 17) */
    {"\033\r", "M-Enter"},
    {"\t\033[Z", "Tab S-Tab"},
    {"\177\b", "Bksp Bksp"},
    {"\001\032\033x", "C-a C-z M-x"},
    {"\033[A\033[B\033[C\033[D", "Up Down Right Left"},
    {"\033OA\033OH\033OP", "Up Home F1"},
    {"\033[1~\033[4~\033[3~\033[5~\033[6~\033[7~\033[8~", "Home End Del PgUp PgDn Home End"},
    {"\033[1;5C\033[1;3A", "C-Right M-Up"},
    {"\033[[A\033[11~", "F1 F1"},
    {"\033[13;2u\033[97;5u", "Enter C-a"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x99\x82"},
    {"\033\xc3\xa4", "M-\xc3\xa4"},
    {"\xff"
     "a",
     "a"},
    {"\033", "Esc"},
    {"\033\033", "Esc Esc"},
    {"\033[200~two\rlines\033[201~x", "<two\rlines> x"},
    {"\033[200~\033[31mq\033[201~", "<\033[31mq>"}, /* no key is triggered inside (tui 16) */
    {"\033[<0;5;7M\033[<0;5;7m\033[<64;1;1M\033[<65;1;1M", "@4,6:1 @0,0:4 @0,0:5"},
    {"\033[<0;5;7M\033[<0;5;7M", "@4,6:1 @4,6:2"},
    {"\033[<35;5;7M\033[<2;1;1M", ""},
    {"\033[I\033[O", "focus focus"},
    /* late replies: colours, cursor, modes, versions */
    {"\033]11;rgb:0000/0000/0000\033\\a", "a"},
    {"\033]11;rgb:ffff/ffff/ffff\aa", "a"},
    {"\033[12;40Ra\033[?2026;2$yb\033[>1;95;0cd", "a b d"},
    {"\033P>|xterm(390)\033\\a", "a"},
    {"\033[M !!a", "a"},
    {"\033[99~\033[1;1X", ""},
};

CHECK_TEST(term_input, keys_whole_and_in_pieces)
{
    char out[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t step = 64; step; step /= 2) {
            names(cases[i].bytes, strlen(cases[i].bytes), step, out, sizeof out);
            check(strcmp(out, cases[i].keys) == 0, "case %zu by %zu: \"%s\"", i, step, out);
        }
}

/* What a terminal answers about itself, in the forms they use. */
CHECK_TEST(term_input, replies_are_noted)
{
    static const struct {
        const char *bytes;
        int32_t background; /* -1 = none told */
        int sync;           /* -1 = not told */
    } replies[] = {
        {"\033]11;rgb:ffff/8080/0000\033\\", 0xff8000, -1},
        {"\033]11;rgb:FF/80/00\a", 0xff8000, -1},
        {"\033]11;rgb:f/0/8\a", 0xff0088, -1},
        {"\033]11;rgba:1c1c/1c1c/1c1c/ffff\a", 0x1c1c1c, -1},
        {"\033]11;rgb:12/34\a", -1, -1},
        {"\033]11;rgb:/34/56\a", -1, -1},
        {"\033]11;#123456\a", -1, -1},
        {"\033]11;\a", -1, -1},
        {"\033]10;rgb:ffff/8080/0000\a", -1, -1},
        {"\033[?2026;2$y", -1, 1},
        {"\033[?2026;1$y\033]11;rgb:00/00/00\a", 0, 1},
        {"\033[?2026;3$y", -1, 1},
        {"\033[?2026;0$y", -1, 0},
        {"\033[?2026;4$y", -1, 0},
        {"\033[?2027;2$y", -1, -1},
        {"\033[?2026;22$y", -1, -1},
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        ui_decode *d = calloc(1, sizeof *d);
        ui_key k;
        ui_decode_feed(d, replies[i].bytes, strlen(replies[i].bytes), 7);
        check(!ui_decode_key(d, true, 7, &k) && d->n == 0, "row %zu is a key", i);
        const ui_replies *r = &d->replies;
        check((r->background_at > 0) == (replies[i].background >= 0), "row %zu: told", i);
        check(r->background_at <= 0 || r->background == replies[i].background, "row %zu: %06x", i,
              (unsigned)r->background);
        check((r->sync_at > 0) == (replies[i].sync >= 0), "row %zu: told", i);
        check(r->sync_at <= 0 || r->sync == (replies[i].sync == 1), "row %zu: %d", i, r->sync);
        ui_decode_free(d);
        free(d);
    }
}

/* Cut anywhere and the rest so late that nobody waits any more: no part of it is a key, what comes
 * behind is. Only ESC alone is Esc, and then what follows was typed. */
CHECK_TEST(term_input, the_end_of_a_cut_sequence_is_no_key)
{
    static const char *const bytes[] = {"\033]11;rgb:ffff/8080/0000\033\\", "\033]11;rgb:f/f/f\a",
                                        "\033[?2026;2$y", "\033[<0;12;34M",
                                        "\033P>|xterm(1)\033\\"};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        for (size_t cut = 3; cut < strlen(bytes[i]); cut++) {
            ui_decode *d = calloc(1, sizeof *d);
            ui_key k;
            ui_decode_feed(d, bytes[i], cut, 1);
            check(!ui_decode_key(d, false, 1, &k) && !ui_decode_key(d, true, 1.03, &k),
                  "%zu cut at %zu: a key", i, cut);
            for (const char *s = bytes[i] + cut; *s; s++) { /* byte by byte */
                ui_decode_feed(d, s, 1, 1.5);
                check(!ui_decode_key(d, false, 1.5, &k), "%zu cut at %zu: %c is a key", i, cut, *s);
            }
            ui_decode_feed(d, "q", 1, 1.6);
            check(ui_decode_key(d, false, 1.6, &k) && k.ch == 'q', "%zu cut at %zu: q is none", i,
                  cut);
            ui_decode_free(d);
            free(d);
        }
    ui_decode *d = calloc(1, sizeof *d);
    ui_key k;
    ui_decode_feed(d, "\033]11;rg", 8, 1);
    check(!ui_decode_key(d, true, 1.03, &k), "cut");
    ui_decode_feed(d, "\033", 1, 1.2); /* Esc in its place */
    check(!ui_decode_key(d, false, 1.2, &k) && ui_decode_partial(d), "it may end the reply");
    check(ui_decode_key(d, true, 1.23, &k) && k.code == UI_K_ESC, "it does not");
    ui_decode_feed(d, "\033]11;rg", 8, 2);
    check(!ui_decode_key(d, true, 2.03, &k), "cut");
    ui_decode_feed(d, "q", 1, 3.1);
    check(ui_decode_key(d, false, 3.1, &k) && k.ch == 'q', "a second later nobody waits for it");
    ui_decode_free(d);
    free(d);
}

/* A lone ESC waits for what may follow it, and is Esc when nothing does (tui 8). */
CHECK_TEST(term_input, lone_escape_waits)
{
    ui_decode *d = calloc(1, sizeof *d);
    ui_key k;
    ui_decode_feed(d, "\033", 1, 1);
    check(!ui_decode_key(d, false, 1, &k) && ui_decode_partial(d), "it waits");
    ui_decode_feed(d, "[A", 2, 1.01);
    check(ui_decode_key(d, false, 1.01, &k) && k.code == UI_K_UP, "an arrow");
    ui_decode_feed(d, "\033", 1, 2);
    check(ui_decode_key(d, true, 2.03, &k) && k.code == UI_K_ESC && !ui_decode_partial(d), "Esc");
    ui_decode_free(d);
    free(d);
}

/* A paste that never ends is over after two silent seconds, and never grows past its cap. */
CHECK_TEST(term_input, endless_paste_ends)
{
    ui_decode *d = calloc(1, sizeof *d);
    char block[1024];
    ui_key k;
    memset(block, 'x', sizeof block);
    ui_decode_feed(d, "\033[200~", 6, 1);
    for (int i = 0; i < 2000; i++) {
        check(!ui_decode_key(d, false, 1, &k), "block %d: not over", i);
        ui_decode_feed(d, block, sizeof block, 1);
    }
    check(ui_decode_key(d, true, 3.1, &k) && k.code == UI_K_PASTE, "over");
    check(k.paste_len == UI_PASTE_MAX, "%zu bytes", k.paste_len);
    ui_decode_free(d);
    free(d);
}

/* Any bytes: no key is lost in a loop, nothing is read past the end. */
CHECK_TEST(term_input, survives_noise)
{
    static const char pool[] = "\033[<;?0129~MmAOP]\\u\a\xc3\xa4\xe2 q";
    test_rng r = test_rng_make(7);
    ui_decode *d = calloc(1, sizeof *d);
    ui_key k;
    double now = 1;
    for (int round = 0; round < 20000; round++) {
        char c = pool[test_below(&r, sizeof pool - 1)];
        ui_decode_feed(d, &c, 1, now);
        now += 0.001;
        for (int i = 0; ui_decode_key(d, test_below(&r, 8) == 0, now, &k); i++)
            check(i < 4096, "keys come without bytes");
    }
    ui_decode_free(d);
    free(d);
}

/* 24-bit colours on what terminals have: the cube and its greys are met exactly, eight-colour
 * terminals get the hue and leave greys to the user's own text colour. */
CHECK_TEST(term_input, colors_map_to_the_terminal)
{
    static const struct {
        int32_t rgb;
        int have, index;
    } colors[] = {{-1, 256, -1},       {0x000000, 256, 16},  {0xffffff, 256, 231},
                  {0x5f87af, 256, 67}, {0x767676, 256, 243}, {0xff0000, 256, 196},
                  {0xe12b2b, 8, 1},    {0x13873a, 8, 2},     {0x996d16, 8, 3},
                  {0x2472e0, 8, 4},    {0xa347e5, 16, 5},    {0x158095, 8, 6},
                  {0x757575, 8, -1},   {0xff0000, 0, -1}};
    for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
        int got = ui_term_color_index(colors[i].rgb, colors[i].have);
        check(got == colors[i].index, "%06x of %d: %d", (unsigned)colors[i].rgb, colors[i].have,
              got);
    }
}
