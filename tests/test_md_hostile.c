/* Markdown that means harm: linear time, bounded rows, no depth, any bytes. */
#include "tests/check.h"
#include "tests/md.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- hostile texts --------------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* n bytes: head, unit again and again. */
static char *filled(const char *head, const char *unit, size_t n)
{
    char *text = malloc(n + 1);
    size_t at = strlen(head), len = strlen(unit);
    check(text, "memory");
    memcpy(text, head, at);
    for (size_t i = 0; at < n; i++)
        text[at++] = unit[i % len];
    text[n] = '\0';
    return text;
}

static double time_of(const char *text, size_t n, const ui_md_look *look)
{
    double from = cpu_seconds();
    ui_md *m = md_lay(text, n, look);
    double took = cpu_seconds() - from;
    md_keeps_its_width(m, look, "hostile text");
    ui_md_close(&m);
    return took;
}

/* A table of 10,000 columns whose rows have one cell each, which renderers fill up. */
static char *wide_table(size_t n)
{
    char *text = malloc(n + 1);
    check(text, "memory");
    size_t at = 0, cols = 10000;
    for (size_t i = 0; i < 2 * cols && at + 1 < n; i++) {
        memcpy(text + at, i < cols ? "x|" : "-|", 2);
        at += 2;
        if (i + 1 == cols || i + 1 == 2 * cols)
            text[at++] = '\n';
    }
    for (size_t i = 0; at < n; i++)
        text[at++] = "x|\n"[i % 3];
    text[n] = '\0';
    return text;
}

/* A definition and N times the same number of brackets around nothing. */
static char *brackets(size_t n)
{
    char *text = filled("[x]: /y\n\n", "[", n);
    memset(text + n / 2, ']', n - n / 2);
    return text;
}

static const struct {
    const char *head, *unit;
    char *(*make)(size_t n);
} hostile[] = {
    {"", "[", NULL},
    {"", "*", NULL},
    {"", "**a ", NULL},
    {"", "*_", NULL},
    {"", "*a_", NULL},
    {"", ">", NULL},
    {"", "> ", NULL},
    {"", "`a``", NULL},
    {"", "<", NULL},
    {"", "<a b=\"", NULL},
    {"", "a <!--", NULL},
    {"", "a <![CDATA[", NULL},
    {"", "](", NULL},
    {"", "[a](", NULL},
    {"", "]([\n", NULL},
    {"", "![](<", NULL},
    {"", "[a](b \"", NULL},
    {"", "|", NULL},
    {"", "- ", NULL},
    {"", "-\n", NULL},
    {"", "* a\n\n", NULL},
    {"", "1. ", NULL},
    {"", "\\", NULL},
    {"", "&a;", NULL},
    {"", "~~a", NULL},
    {"", "http://a(", NULL},
    {"", "x\n", NULL},
    {"", "# a\n", NULL},
    {"", "\t", NULL},
    {"    a", "\ta", NULL},
    {"", "a\n===\n", NULL},
    {"", "```\n", NULL},
    {"", "<div>\n", NULL},
    {"", "<td>", NULL},
    {"", "<ul><li>a", NULL},
    {"", "</", NULL},
    {"", "[a]: b\n", NULL},
    {"[x]: y\n\n", "[x]", NULL},
    {"", "[a]: '\n", NULL},
    {"", "|a|\n|-|\n", NULL},
    {"|a|\n|-|\n", "|[](x)", NULL},
    {"|a|\n|-|\n", "[](x)\n", NULL},
    {"[x]: y\n\n|a|\n|-|\n", "[x]\n", NULL},
    {"|a|\n|-|\n", "[x][", NULL},
    {"<table>", "<td><a href=x>a</a>", NULL},
    {"", "\xe4\xb8\xad", NULL},
    {"", "\xcc\x81", NULL},
    {"", "- - - - - - - a\n\n", NULL},
    {"", ">>>>>>>>>>>>>>a\n\n", NULL},
    {"", "", wide_table},
    {"", "", brackets},
};

/* A megabyte in less than 100 ms, twice the bytes in no more than 3.5 times as long: on a calm
 * machine (see test_within), for other programs share the caches. Quadratic work would take
 * minutes, which no machine hides. CPU time, the best of several tries. */
CHECK_TEST(md, hostile_texts_take_linear_time)
{
    enum { MIB = 1 << 20, TRIES = 12 };
    double worst = 0;
    for (size_t i = 0; i < countof(hostile); i++) {
        ui_md_look look = {.width = i % 2 ? 80 : 24};
        char *whole =
            hostile[i].make ? hostile[i].make(MIB) : filled(hostile[i].head, hostile[i].unit, MIB);
        char *half = hostile[i].make ? hostile[i].make(MIB / 2)
                                     : filled(hostile[i].head, hostile[i].unit, MIB / 2);
        double two = 1e9, one = 1e9;
        bool good = false;
        for (int try = 0; try < TRIES && !good; try++) {
            double b = time_of(whole, MIB, &look), a = time_of(half, MIB / 2, &look);
            two = b < two ? b : two;
            one = a < one ? a : one;
            good =
                two < test_within(.1) && (two < test_within(.005) || two <= test_within(3.5) * one);
        }
        worst = two > worst ? two : worst;
        check(good, "%zu \"%s\": %.1f ms a MiB, %.1f ms half of it", i, hostile[i].unit, 1e3 * two,
              1e3 * one);
        free(whole);
        free(half);
    }
    fprintf(stderr, "hostile Markdown: at most %.1f ms a MiB\n", 1e3 * worst);
}

/* Cells that are not there are not made: 10,000 columns of a one-cell row are one row. */
CHECK_TEST(md, short_rows_of_a_wide_table_stay_short)
{
    char *text = wide_table(200000);
    ui_md_look look = {.width = 80};
    ui_md *m = md_lay(text, 200000, &look);
    check(ui_md_rows(m) < 2 * 160000 / 3, "%zu rows", ui_md_rows(m));
    ui_md_close(&m);
    free(text);
}

/* [x] again and again shows a long target no more often than the text has bytes. */
CHECK_TEST(md, targets_do_not_multiply)
{
    nb_str s = {0};
    nb_str_add(&s, "[x]: ");
    for (int i = 0; i < 5000; i++)
        nb_str_add(&s, "x");
    nb_str_add(&s, "\n\n");
    for (int i = 0; i < 5000; i++)
        nb_str_add(&s, "[x] ");
    ui_md_look look = {.width = 100};
    ui_md *m = md_lay(s.at, s.len, &look);
    check(ui_md_rows(m) < 2 * s.len / 100 + 100, "%zu rows of %zu bytes", ui_md_rows(m), s.len);
    ui_md_close(&m);
    nb_str_free(&s);
}

CHECK_TEST(md, what_is_too_long_is_cut_and_says_so)
{
    size_t n = UI_MD_MAX + 100;
    char *text = filled("", "a b\n\n", n);
    ui_md_look look = {.width = 20};
    ui_md *m = md_lay(text, n, &look);
    size_t rows = ui_md_rows(m);
    check(rows <= UI_MD_ROWS, "%zu rows", rows);
    ui_canvas c = {0};
    check(ui_canvas_resize(&c, 40, 1, NULL) == NB_OK, "memory");
    ui_md_draw(m, &c, (ui_rect){0, 0, 40, 1}, rows - 1);
    check(strcmp(c.cell[0].text, "[") == 0 && strcmp(c.cell[1].text, "t") == 0, "last row");
    ui_canvas_free(&c);
    ui_md_close(&m);
    free(text);
}

CHECK_TEST(md, deep_nesting_is_shown_flat)
{
    nb_str s = {0}, out = {0};
    for (int i = 0; i < 1000; i++)
        nb_str_add(&s, "> ");
    nb_str_add(&s, "deep\n\n");
    for (int i = 0; i < 1000; i++)
        nb_str_addf(&s, "%*s- x\n", 2 * i, "");
    for (int w = 1; w < 120; w += 7) {
        ui_md_look look = {.width = w};
        md_text(s.at, s.len, &look, false, &out);
        check(w < 40 || strstr(nb_str_c(&out), "deep"), "at %d: the text is gone", w);
    }
    nb_str_free(&s);
    nb_str_free(&out);
}

CHECK_TEST(md, random_bytes_do_no_harm)
{
    static const char marks[] = "*_`[]()<>!#-|~\\&;: \n\n\tab1.x=\"'/";
    test_rng rng = test_rng_make(43);
    char text[400];
    for (int round = 0; round < 4000; round++) {
        size_t n = test_below(&rng, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = round % 4 ? marks[test_below(&rng, sizeof marks - 1)] : (char)test_u64(&rng);
        ui_md_look look = {.width = 1 + (int)test_below(&rng, 100),
                           .ascii = test_below(&rng, 2),
                           .chat = test_below(&rng, 2)};
        ui_md *m = md_lay(text, n, &look);
        md_keeps_its_width(m, &look, "random bytes");
        ui_md_close(&m);
    }
}
