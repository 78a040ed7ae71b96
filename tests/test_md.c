/* Markdown as rows: what each construct looks like, a whole card and a whole answer against
 * goldens at 80, 40 and 20 cells, and what holds for any bytes: no row wider than the width,
 * nothing unsafe, linear time, a grown text laid like a whole one.
 *
 * NB_GOLDEN=write build/tests/plain md writes the goldens anew. */
#include "tests/check.h"
#include "tests/md.h"
#include "tests/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- constructs ------------------------------------------------------------------------------ */

typedef struct sample {
    const char *text, *want;
} sample;

static void look_like(const sample *rows, size_t n, const ui_md_look *look)
{
    nb_str s = {0};
    for (size_t i = 0; i < n; i++) {
        md_text(rows[i].text, strlen(rows[i].text), look, false, &s);
        check(strcmp(nb_str_c(&s), rows[i].want) == 0, "%s\nlooks like\n%swanted\n%s", rows[i].text,
              nb_str_c(&s), rows[i].want);
    }
    nb_str_free(&s);
}

CHECK_TEST(md, blocks_look_like_this)
{
    static const sample rows[] = {
        {"", ""},
        {"\n \n\t\n", ""},
        {"one\ntwo\n\nthree", "one two\n\nthree\n"},
        {"# A\ntext\n## B ##\n####### no", "# A\ntext\n\n## B\n####### no\n"},
        {"A\nb\n===\nC\n---", "# A b\n\n## C\n"},
        {"- a\n- b\n  c\n\n  d\n* e", "• a\n• b c\n\n  d\n• e\n"},
        {"1. a\n1. b\n   1) c\n9. d", "1. a\n2. b\n   1. c\n3. d\n"},
        {"-\n- a\n-", "•\n• a\n•\n"},
        {"- [ ] a\n- [x] b\n- [X] c\n- [y] d", "[ ] a\n[x] b\n[x] c\n• [y] d\n"},
        {"- a\n  - b\n    - c\nlazy", "• a\n  • b\n    • c lazy\n"},
        {"> a\nb\n>\n> > c\n> - d", "│ a b\n│\n│ │ c\n│ • d\n"},
        {"> a\n\n> b", "│ a\n\n│ b\n"},
        {"```c\nint  x;\n\n\ty\n```\nz", "  int  x;\n\n      y\nz\n"},
        {"~~~\n```\n~~~~\n- ```\n  a\n  ```", "  ```\n•   a\n"},
        {"    a\n\n      b\n\nc", "  a\n\n    b\n\nc\n"},
        {"```\nnever closed", "  never closed\n"},
        {"a\n\n---\nb\n* * *", "a\n\n────────────────────\nb\n────────────────────\n"},
        {"[a]: /x\n[b]:\n  /y 'title'\n\n[a] [b][] [t][B] [c]", "a (/x) b (/y) t (/y)\n[c]\n"},
        {"a\r\nb\r\n\r\n# c\r\n", "a b\n\n# c\n"},
        {"\xef\xbb\xbf# bom", "# bom\n"},
        {"> 1. a\n>    > b", "│ 1. a\n│    │ b\n"},
        {"1234567890. no\n123456789. yes", "1234567890. no\n123456789. yes\n"},
    };
    ui_md_look look = {.width = 20};
    look_like(rows, countof(rows), &look);
}

CHECK_TEST(md, text_looks_like_this)
{
    static const sample rows[] = {
        {"a **b** _c_ ***d*** __e__ snake_case_word 2*3*4", "a b c d e snake_case_word 234\n"},
        {"* a ** b", "• a ** b\n"},
        {"**not closed, *but this*", "**not closed, but this\n"},
        {"~~gone~~ ~one~ ~~~three~~~", "~~gone~~ ~~one~~ ~~~three~~~\n"},
        {"`a  *b*` ``c`d`` `open", "`a  *b*` `c`d` `open\n"},
        {"[text](https://x.org) [x](#here) [](<a b>)", "text (https://x.org) x (a b)\n"},
        {"[https://x.org](https://x.org) <https://y.org>", "https://x.org https://y.org\n"},
        {"[a](x_(y)) [b](z \"t\") [c](no space) [d]", "a (x_(y)) b (z) [c](no space) [d]\n"},
        {"[a](x\\_y?a=1&amp;b=2)", "a (x_y?a=1&b=2)\n"},
        {"[a [b](c) d](e)", "[a b (c) d](e)\n"},
        {"![alt *x*](a.png) ![](p/q.png?raw) ![](data:x)",
         "[image: alt x] [image: q.png] [image]\n"},
        {"[![badge](b.svg)](t)", "[image: badge] (t)\n"},
        {"see https://x.org/a_b_c. (http://y.org/(z))",
         "see https://x.org/a_b_c. (http://y.org/(z))\n"},
        {"a\\*b\\* \\# \\q", "a*b* # \\q\n"},
        {"hard  \nbreak\\\nbreak<br>end", "hard\nbreak\nbreak\nend\n"},
        {"&amp;&lt;&#65;&#x42;&hellip;&nope;&#0; & x", "&<AB…&nope;� & x\n"},
        {"<b>b</b> <span style='x>y'>s</span> <!-- c --> 1<2", "b s  1<2\n"},
        {"<a href=\"https://x.org\">x</a> <a name=y>z</a>", "x (https://x.org) z\n"},
        {"<img src='a/b.png'> <img alt=\"A\" src=c>", "[image: b.png] [image: A]\n"},
        {"<kbd>Ctrl</kbd> <s>x</s>", "Ctrl ~~x~~\n"},
        {"*a `b* c`", "*a `b* c`\n"},
        {"\x1b[31m\xe2\x80\xae\xff", "⟨U+001B⟩[31m⟨U+202E⟩�\n"},
    };
    ui_md_look look = {.width = 60};
    look_like(rows, countof(rows), &look);
}

CHECK_TEST(md, html_blocks_look_like_this)
{
    static const sample rows[] = {
        {"<div>\n  <p>a</p>\n  b <b>c</b>\n</div>", "a\n\nb c\n"},
        {"<h2>T</h2>\ntext", "## T\n\ntext\n"},
        {"<ul><li>a<li>b<ul><li>c</ul></ul>", "• a\n• b\n  • c\n"},
        {"<ol>\n<li>a</li>\n<li>b</li>\n</ol>", "1. a\n2. b\n"},
        {"<blockquote>q</blockquote>\n", "│ q\n"},
        {"<!-- a\n\nb -->\nc", "c\n"},
        {"<style>\np { x }\n</style>\n<script>y</script>", ""},
        {"<pre>\n a  b\n  c\n</pre>", " a  b\n  c\n"},
        {"<details>\n<summary>S</summary>\n\n**x**\n\n</details>", "S\n\nx\n"},
        {"a\n<hr>\nb", "a\n────────────────────\nb\n"},
        {"<table><tr><th>A<th>B<tr><td>1<td>2</table>", "A │ B\n──┼──\n1 │ 2\n"},
        {"<table><tr><td rowspan=2>A<td>B<tr><td>C</table>", "A │ B\n  │ C\n"},
        {"<table><tr><td colspan=2>A<td>B<tr><td>1<td>2<td>3", "A │   │ B\n1 │ 2 │ 3\n"},
        {"> <div>\n> a\n> </div>", "│ a\n"},
        {"<custom-tag>\na", "a\n"},
        {"<http:", "<http:\n"},
    };
    ui_md_look look = {.width = 20};
    look_like(rows, countof(rows), &look);
}

CHECK_TEST(md, tables_look_like_this)
{
    static const sample rows[] = {
        {"|a|b|\n|-|-|\n|1|2|\n|3|4|", "a │ b\n──┼──\n1 │ 2\n3 │ 4\n"},
        {"x | y\n:-: | -:\n1 | 2\nlong | long",
         " x   │    y\n─────┼─────\n 1   │    2\nlong │ long\n"},
        {"a | b\n-|-\n1 | one two three", "a │ b\n──┼──────────────\n1 │ one two three\n"},
        {"a | b\n-|-\n1 | one two three four five\n2 |",
         "a │ b\n──┼─────────────────\n1 │ one two three\n  │ four five\n──┼─────────────────\n2 "
         "│\n"},
        {"a | b | c | d\n-|-|-|-\none | two | three | four", "a: one\nb: two\nc: three\nd: four\n"},
        {"left | right\n-|-\na long cell | another long one\nb | c | d",
         "left      │ right\n──────────┼─────────\na long    │ another\ncell      │ long one\n"
         "──────────┼─────────\nb         │ c\n"},
        {"text\na | b\n-|-\n\nend", "text\na │ b\n\nend\n"},
        {"a | b\n-|\n", "a | b -|\n"},
        {"|a\\|b|`c\\|d`|\n|-|-|", "a|b │ `c|d`\n"},
        {"<b>c</b> | b\n-|-\nc<br>d | e", "c │ b\n──┼──\nc │ e\nd │\n"},
    };
    ui_md_look look = {.width = 20};
    look_like(rows, countof(rows), &look);
}

/* A table's links carry numbers; what they lead to stands beneath it, table by table. */
CHECK_TEST(md, links_in_tables_are_noted_beneath)
{
    static const sample rows[] = {
        {"[a](x) | b\n-|-\n[c](y&amp;\\_z) | d",
         "a [1] │ b\n──────┼──\nc [2] │ d\n[1] x\n[2] y&_z\n"},
        {"a|b\n-|-\n[c](x)|d\n\n[e](y)\n\na|b\n-|-\n||[f](z)\n",
         "a     │ b\n──────┼──\nc [1] │ d\n[1] x\n\ne (y)\n\na │ b\n──┼──────\n  │ f [1]\n[1] z\n"},
        {"a|b\n-|-\n[c](#d)|<https://x.y>\nhttps://z.y|[](w)",
         "a           │ b\n────────────┼────────────\nc           │ https://x.y\n"
         "https://z.y │  [1]\n[1] w\n"},
        {"a|b\n-|-\n[r]|[![i](p.png)][r]\n\n[r]: /t",
         "a     │ b\n──────┼───────────────\nr [1] │ [image: i] [2]\n[1] /t\n[2] /t\n"},
        {"> - a|b\n>   -|-\n>   1|[2](https://a.example/a/long/one)",
         "│ • a │ b\n│   ──┼──────\n│   1 │ 2 [1]\n│   [1]\n│   https://a.example/a/lo\n│   "
         "ng/one\n"},
        {"<table><tr><td><a href='/u'>A</a><td>B</table>", "A [1] │ B\n[1] /u\n"},
        {"a|b|c|d\n-|-|-|-\nsome|more|words|[5](x)\nxxxxxx|xxxxxx|xxxxxx|xxxxxx",
         "a: some\nb: more\nc: words\nd: 5 [1]\n\na: xxxxxx\nb: xxxxxx\nc: xxxxxx\nd: xxxxxx\n"
         "[1] x\n"},
    };
    ui_md_look look = {.width = 26};
    look_like(rows, countof(rows), &look);
}

/* One row of cells: "one two" with the roles and attributes of its letters. */
CHECK_TEST(md, styles_are_roles_and_attributes)
{
    static const struct {
        const char *text;
        char letter;
        ui_role role;
        unsigned attrs;
    } rows[] = {
        {"**x**", 'x', UI_TEXT, UI_A_BOLD},
        {"*x*", 'x', UI_TEXT, UI_A_ITALIC},
        {"***x***", 'x', UI_TEXT, UI_A_BOLD | UI_A_ITALIC},
        {"~~x~~", 'x', UI_DIM, 0},
        {"`x`", 'x', UI_MD_CODE, 0},
        {"    x", 'x', UI_MD_CODE, 0},
        {"# x", 'x', UI_MD_H, 0},
        {"[x](y)", 'x', UI_MD_LINK, 0},
        {"[x](y)", 'y', UI_DIM, 0},
        {"https://x.org", 'x', UI_MD_LINK, 0},
        {"![x](y)", 'x', UI_DIM, 0},
        {"- x", 'x', UI_TEXT, 0},
        {"x|y\n-|-\nz|", 'x', UI_TEXT, UI_A_BOLD},
        {"x|y\n-|-\nz|", 'z', UI_TEXT, 0},
        {"[x](z)|y\n-|-\n", 'x', UI_MD_LINK, UI_A_BOLD},
        {"[x](z)|y\n-|-\n", '1', UI_DIM, 0},
        {"[x](z)|y\n-|-\n", 'z', UI_DIM, 0},
        {"**a [x](y)**", 'x', UI_MD_LINK, UI_A_BOLD},
        {"**`x`**", 'x', UI_MD_CODE, UI_A_BOLD},
    };
    ui_md_look look = {.width = 30};
    for (size_t i = 0; i < countof(rows); i++) {
        ui_md *m = md_lay(rows[i].text, strlen(rows[i].text), &look);
        ui_canvas c = md_drawn(m, &look);
        const ui_cell *k = c.cell;
        while (k < c.cell + c.w * c.h && (k->text[0] != rows[i].letter || k->text[1]))
            k++;
        check(k < c.cell + c.w * c.h, "%s: no %c", rows[i].text, rows[i].letter);
        check(k->role == rows[i].role && k->attrs == rows[i].attrs, "%s: %c has role %d, attrs %d",
              rows[i].text, rows[i].letter, k->role, k->attrs);
        ui_canvas_free(&c);
        ui_md_close(&m);
    }
}

CHECK_TEST(md, a_chat_keeps_its_lines_and_dashes)
{
    static const sample rows[] = {
        {"one\ntwo", "one\ntwo\n"},
        {"---\nx: y\n---", "────────────────────\n\n## x: y\n"},
        {"- a\n  b", "• a\n  b\n"},
    };
    ui_md_look look = {.width = 20, .chat = true};
    look_like(rows, countof(rows), &look);
}

CHECK_TEST(md, front_matter_is_skipped_and_given)
{
    static const struct {
        const char *text, *front, *want;
    } rows[] = {
        {"---\na: b\nc: d\n---\n# x", "a: b\nc: d\n", "# x\n"},
        {"---\r\na: b\r\n---\r\nx", "a: b\r\n", "x\n"},
        {"\xef\xbb\xbf---\na: b\n...\nx", "a: b\n", "x\n"},
        {"---\n---\nx", "", "x\n"},
        {"---\na: b\nx", NULL, "────────────────────\na: b x\n"},
        {"x\n---\na\n---", NULL, "## x\n\n## a\n"},
        {"----\na\n---", NULL, "────────────────────\n\n## a\n"},
        {"", NULL, ""},
    };
    ui_md_look look = {.width = 20};
    nb_str s = {0};
    for (size_t i = 0; i < countof(rows); i++) {
        size_t at = 0, len = 0, n = strlen(rows[i].text);
        bool found = ui_md_front(rows[i].text, n, &at, &len);
        check(found == (rows[i].front != NULL), "%zu: found %d", i, found);
        check(!found || (len == strlen(rows[i].front) &&
                         memcmp(rows[i].text + at, rows[i].front, len) == 0),
              "%zu: %zu bytes at %zu", i, len, at);
        md_text(rows[i].text, n, &look, false, &s);
        check(strcmp(nb_str_c(&s), rows[i].want) == 0, "%zu looks like\n%s", i, nb_str_c(&s));
    }
    nb_str_free(&s);
}

/* tui 6 */
CHECK_TEST(md, ascii_mode_is_ascii)
{
    static const sample rows[] = {
        {"- a\n> b\n\n---\nx|y\n-|-\n1|2",
         "- a\n| b\n\n--------------------\nx | y\n--+--\n1 | 2\n"},
        {"日本 ± … é", "???? +- ~ ?\n"},
        {"```\nabcdefghijklmnopqrstuvwxyz\n```", "  abcdefghijklmnopqr\n~ stuvwxyz\n"},
    };
    ui_md_look look = {.width = 20, .ascii = true};
    look_like(rows, countof(rows), &look);
}

/* --- goldens --------------------------------------------------------------------------------- */

static char *read_sample(const char *name, size_t *n)
{
    char path[64];
    snprintf(path, sizeof path, "md/%s.md", name);
    char *text = test_slurp(test_data(path), n);
    check(text, "%s", path);
    return text;
}

static void golden(const char *name, const ui_md_look *look, bool roles)
{
    char path[1024];
    size_t n, m = 0;
    nb_str got = {0};
    char *text = read_sample(name, &n);
    md_text(text, n, look, roles, &got);
    snprintf(path, sizeof path, "%s/tests/golden/md-%s-%d%s.screen", NB_TEST_ROOT, name,
             look->width,
             look->ascii ? "-ascii"
             : roles     ? "-roles"
                         : "");
    const char *mode = getenv("NB_GOLDEN");
    if (mode && strcmp(mode, "write") == 0)
        test_spit(path, got.at, got.len);
    char *want = test_slurp(path, &m);
    bool same = want && m == got.len && memcmp(want, got.at, m) == 0;
    check(same, "%s differs; it is now\n%s", path, nb_str_c(&got));
    free(want);
    free(text);
    nb_str_free(&got);
}

CHECK_TEST(md, a_card_matches_its_goldens)
{
    static const int widths[] = {80, 40, 20};
    for (size_t i = 0; i < countof(widths); i++)
        golden("card", &(ui_md_look){.width = widths[i]}, false);
    golden("card", &(ui_md_look){.width = 80, .ascii = true}, false);
}

CHECK_TEST(md, an_answer_matches_its_goldens)
{
    static const int widths[] = {80, 40, 20};
    for (size_t i = 0; i < countof(widths); i++)
        golden("answer", &(ui_md_look){.width = widths[i], .chat = true}, false);
    golden("answer", &(ui_md_look){.width = 40, .chat = true}, true);
}

/* --- what holds for any text ----------------------------------------------------------------- */

CHECK_TEST(md, no_row_is_wider_than_the_width)
{
    static const char *const names[] = {"card", "answer"};
    for (size_t i = 0; i < countof(names); i++) {
        size_t n;
        char *text = read_sample(names[i], &n);
        for (int w = 1; w <= 200; w++)
            for (int kind = 0; kind < 4; kind++) {
                ui_md_look look = {.width = w, .ascii = kind & 1, .chat = kind & 2};
                ui_md *m = md_lay(text, n, &look);
                check(ui_md_rows(m) > 0, "no rows at %d", w);
                md_keeps_its_width(m, &look, names[i]);
                ui_md_close(&m);
            }
        free(text);
    }
}

static void add_dense(nb_str *out, const char *s)
{
    for (; *s; s++)
        if (*s != ' ' && *s != '\n')
            nb_str_addn(out, s, 1);
}

/* Wrapping moves words, it loses none. */
CHECK_TEST(md, every_width_shows_all_of_the_text)
{
    static const char text[] = "# Title and *more*\n\nA paragraph with `code`, **bold words**, "
                               "日本語 and a [link](https://example.org/long/path?query=1).\n"
                               "Second line averyveryverylongword.";
    nb_str want = {0}, got = {0}, s = {0};
    for (int w = 200; w >= 2; w--) {
        ui_md_look look = {.width = w};
        md_text(text, sizeof text - 1, &look, false, &s);
        nb_str_clear(&got);
        add_dense(&got, nb_str_c(&s));
        if (w == 200)
            nb_str_add(&want, nb_str_c(&got));
        check(strcmp(nb_str_c(&want), nb_str_c(&got)) == 0, "at %d: %s", w, nb_str_c(&got));
    }
    nb_str_free(&want);
    nb_str_free(&got);
    nb_str_free(&s);
}

CHECK_TEST(md, a_slice_is_part_of_the_whole)
{
    size_t n;
    char *text = read_sample("card", &n);
    ui_md_look look = {.width = 50};
    ui_md *m = md_lay(text, n, &look);
    ui_canvas whole = md_drawn(m, &look);
    for (size_t top = 0; top < ui_md_rows(m) + 3; top++) {
        ui_canvas c = {0};
        check(ui_canvas_resize(&c, 60, 7, NULL) == NB_OK, "memory");
        ui_md_draw(m, &c, (ui_rect){5, 2, 50, 3}, top);
        for (int y = 0; y < 7; y++)
            for (int x = 0; x < 50; x++) {
                size_t from = top + (size_t)y - 2;
                bool in = y >= 2 && y < 5 && from < ui_md_rows(m);
                const char *want = in ? whole.cell[from * 50 + (size_t)x].text : " ";
                check(strcmp(c.cell[y * 60 + 5 + x].text, want) == 0, "top %zu: %d,%d", top, x, y);
            }
        ui_canvas_free(&c);
    }
    ui_canvas_free(&whole);
    ui_md_close(&m);
    free(text);
}

/* --- growing --------------------------------------------------------------------------------- */

static void same_rows(const ui_md *a, const ui_md *b, const ui_md_look *look, const char *what)
{
    check(ui_md_rows(a) == ui_md_rows(b), "%s: %zu rows grown, %zu whole", what, ui_md_rows(a),
          ui_md_rows(b));
    ui_canvas x = md_drawn(a, look), y = md_drawn(b, look);
    check(ui_canvas_equal(&x, &y), "%s: a grown text looks different", what);
    ui_canvas_free(&x);
    ui_canvas_free(&y);
}

static void grows_like_whole(test_rng *rng, const char *text, size_t n, ui_md_look look)
{
    ui_md *m = NULL;
    for (size_t at = 0; at < n;) {
        at += 1 + test_below(rng, 40);
        at = at < n ? at : n;
        check(ui_md_lay(&m, text, at, &look, NULL) == NB_OK, "memory");
        ui_md *whole = md_lay(text, at, &look);
        same_rows(m, whole, &look, text);
        ui_md_close(&whole);
    }
    ui_md_close(&m);
}

CHECK_TEST(md, a_growing_text_is_laid_like_a_whole_one)
{
    static const char *const bits[] = {"a",
                                       "b ",
                                       "\n",
                                       "\n\n",
                                       "- ",
                                       "  ",
                                       "> ",
                                       "1. ",
                                       "```\n",
                                       "**",
                                       "`",
                                       "# ",
                                       "---",
                                       "|",
                                       "|-|-|\n",
                                       "[x]",
                                       "[x]: y\n",
                                       "<p>",
                                       "</p>",
                                       "<!--",
                                       "-->",
                                       "    ",
                                       "\n===\n",
                                       "日",
                                       "e\xcc\x81",
                                       "[ ] ",
                                       "~~",
                                       "https://a.b ",
                                       "\\",
                                       "&amp;",
                                       "<table><tr><td>"};
    test_rng rng = test_rng_make(41);
    for (int round = 0; round < 300; round++) {
        nb_str s = {0};
        for (int i = 0; i < 60; i++)
            nb_str_add(&s, bits[test_below(&rng, countof(bits))]);
        ui_md_look look = {.width = 1 + (int)test_below(&rng, 30),
                           .chat = round & 1,
                           .mark = round & 2,
                           .mark_at = test_below(&rng, (uint32_t)s.len),
                           .mark_len = test_below(&rng, 5)};
        grows_like_whole(&rng, s.at, s.len, look);
        nb_str_free(&s);
    }
    for (int kind = 0; kind < 2; kind++) {
        size_t n;
        char *text = read_sample(kind ? "card" : "answer", &n);
        grows_like_whole(&rng, text, n, (ui_md_look){.width = 33, .chat = !kind});
        free(text);
    }
}

CHECK_TEST(md, a_definition_that_comes_late_makes_links_above)
{
    static const char text[] = "see [x]\n\n- a\n\n[x]: https://example.org\n";
    ui_md *m = NULL;
    ui_md_look look = {.width = 40};
    for (size_t n = 0; n < sizeof text; n++) {
        check(ui_md_lay(&m, text, n, &look, NULL) == NB_OK, "memory");
        ui_md *whole = md_lay(text, n, &look);
        same_rows(m, whole, &look, "definition");
        ui_md_close(&whole);
    }
    ui_canvas c = md_drawn(m, &look);
    nb_str s = {0};
    ui_canvas_text(&c, &s, false);
    check(strcmp(nb_str_c(&s), "see x (https://example.org)\n\n• a\n") == 0, "%s", nb_str_c(&s));
    nb_str_free(&s);
    ui_canvas_free(&c);
    ui_md_close(&m);
}

/* --- the marker ------------------------------------------------------------------------------ */

static int count_of(const char *s, const char *what)
{
    int n = 0;
    for (; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

/* tui 27: wherever the first difference is, also in what Markdown hides, its marker shows once,
 * and later for a later place. */
CHECK_TEST(md, tui_27_the_marker_is_shown_wherever_it_is)
{
    size_t n;
    char *text = read_sample("answer", &n);
    size_t before = 0;
    nb_str s = {0};
    for (size_t at = 0; at <= n; at++) {
        ui_md_look look = {
            .width = 40, .chat = true, .mark = true, .mark_at = at, .mark_len = at < n};
        md_text(text, n, &look, false, &s);
        check(count_of(nb_str_c(&s), "÷") == 1, "%d marks for byte %zu in\n%s",
              count_of(nb_str_c(&s), "÷"), at, nb_str_c(&s));
        size_t place = (size_t)(strstr(s.at, "÷") - s.at);
        check(place + 80 >= before, "byte %zu is marked at %zu, the one before at %zu", at, place,
              before);
        before = place;
    }
    nb_str_free(&s);
    free(text);
}

CHECK_TEST(md, tui_27_the_marker_stands_before_its_token)
{
    static const struct {
        const char *text, *token, *want;
    } rows[] = {
        {"one two three", "two", "one ÷two three\n"},
        {"one **two** three", "**", "one ÷two three\n"},
        {"# Head\n\nbody", "body", "# Head\n\n÷body\n"},
        {"- a\n- b", "- b", "• a\n• ÷b\n"},
        {"a\n\n    code", "code", "a\n\n  ÷code\n"},
        {"a|b\n-|-\n1|2", "2", "a │ b\n──┼───\n1 │ ÷2\n"},
        {"[t](u) end", "u", "t (÷u) end\n"},
        {"one two", "", "÷one two\n"},
    };
    nb_str s = {0};
    for (size_t i = 0; i < countof(rows); i++) {
        size_t at = (size_t)(strstr(rows[i].text, rows[i].token) - rows[i].text);
        ui_md_look look = {.width = 20,
                           .chat = true,
                           .mark = true,
                           .mark_at = at,
                           .mark_len = strlen(rows[i].token)};
        md_text(rows[i].text, strlen(rows[i].text), &look, false, &s);
        check(strcmp(nb_str_c(&s), rows[i].want) == 0, "%s looks like\n%s", rows[i].text,
              nb_str_c(&s));
    }
    ui_md_look end = {.width = 20, .chat = true, .mark = true, .mark_at = 3};
    md_text("one", 3, &end, false, &s);
    check(strcmp(nb_str_c(&s), "one÷\n") == 0, "%s", nb_str_c(&s));
    end.width = 3;
    md_text("one", 3, &end, false, &s);
    check(strcmp(nb_str_c(&s), "one\n÷\n") == 0, "%s", nb_str_c(&s));
    nb_str_free(&s);
}
