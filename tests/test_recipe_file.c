/* Recipes as text and by name: what is printed is read as the same, a wrong line is named, a taken
 * name stays (A13, A35). */
#include "tests/check.h"
#include "tests/util.h"

#include "core/base/file.h"
#include "core/quant/recipe_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char whole[] = "preset Q4_K_M\npure\nleave-output-tensor\noutput-tensor-type q6_K\n"
                            "token-embedding-type q4_K\nrule ffn_down@first/8,more=q6_K\n"
                            "rule attn_v=q8_0\n";

static nb_config config(const char *name)
{
    nb_config c = {.writable = true};
    snprintf(c.data_dir, sizeof c.data_dir, "%s", test_path(test_tmpdir(), name));
    return c;
}

static nb_recipe parsed(const char *text)
{
    nb_recipe r;
    nb_err err = {0};
    check(nb_recipe_parse(&r, text, strlen(text), "text", &err) == NB_OK, "%s", err.msg);
    return r;
}

static void check_prints(const nb_recipe *r, const char *want)
{
    nb_str text = {0};
    nb_recipe_print(r, &text);
    check(strcmp(nb_str_c(&text), want) == 0, "%s", nb_str_c(&text));
    nb_str_free(&text);
}

CHECK_TEST(recipe_file, what_is_printed_is_read_as_the_same)
{
    nb_recipe r = parsed(whole);
    check(r.pure && r.leave_output && r.n_rules == 2, "flags and rules");
    check_prints(&r, whole);
    r = parsed("\n  # a comment\r\n\t preset\t Q8_0 \r\n\n"); /* blanks and CRLF */
    check(!r.pure && !r.leave_output && r.output_type < 0 && r.embd_type < 0, "nothing else");
    check_prints(&r, "preset Q8_0\n");
    r = parsed("pure\npreset Q4_0"); /* no end of line */
    check_prints(&r, "preset Q4_0\npure\n");
}

CHECK_TEST(recipe_file, a_wrong_line_is_named_with_its_word)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no line says \"preset\""},
        {"pure\n", "no line says \"preset\""},
        {"preset\n", "line 1: preset: no preset \"\""},
        {"preset Q4_K_M\npreset Q9_X\n", "line 2: preset: no preset \"Q9_X\""},
        {"preset Q8_0\npure yes\n", "line 2: pure: takes no value, found \"yes\""},
        {"preset Q8_0\nleave-output-tensor 1\n", "line 2: leave-output-tensor: takes no value"},
        {"\npreset Q8_0\noutput-tensor-type q99\n", "line 3: output-tensor-type: "},
        {"token-embedding-type\n", "line 1: token-embedding-type: "},
        {"rule ffn_down\n", "line 1: rule: "},
        {"rule\n", "line 1: rule: "},
        {"speed 9\n", "line 1: speed: an unknown word"},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        nb_recipe r = {.n_rules = 77};
        nb_err err = {0};
        nb_status st = nb_recipe_parse(&r, bad[i].text, strlen(bad[i].text), "mine", &err);
        check(st == NB_FORMAT && strncmp(err.msg, "mine: ", 6) == 0 && strstr(err.msg, bad[i].says),
              "%s: %d, %s", bad[i].text, st, err.msg);
        check(r.n_rules == 77, "%s wrote its output", bad[i].text);
    }
}

CHECK_TEST(recipe_file, what_is_no_text_is_refused)
{
    nb_recipe r;
    nb_err err = {0};
    char *big = malloc(1 << 17);
    check(big, "memory");
    memset(big, '\n', 1 << 17);
    check(nb_recipe_parse(&r, big, 1 << 17, "big", &err) == NB_FORMAT &&
              strstr(err.msg, "too long"),
          "%s", err.msg);
    free(big);
    check(nb_recipe_parse(&r, "preset\0Q8_0", 11, "nul", &err) == NB_FORMAT &&
              strstr(err.msg, "NUL byte"),
          "%s", err.msg);
}

CHECK_TEST(recipe_file, names_are_no_paths)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      ".hidden",
                                      "a/b",
                                      "a b",
                                      "a\n",
                                      "\xc3\xa9",
                                      "0123456789012345678901234567890123456789012345678901234567"
                                      "8901234"};
    nb_config c = config("names");
    nb_recipe r = parsed("preset Q8_0\n");
    char path[1200];
    for (size_t i = 0; i < countof(bad); i++) {
        nb_err err = {0};
        check(!nb_recipe_name_ok(bad[i]), "%s", bad[i]);
        check(nb_recipe_path(path, sizeof path, &c, bad[i], &err) == NB_USAGE &&
                  strstr(err.msg, "is no name for a recipe"),
              "%s: %s", bad[i], err.msg);
        check(nb_recipe_save(&r, &c, bad[i], true, &err) == NB_USAGE, "%s is saved", bad[i]);
    }
    check(nb_recipe_name_ok("a") && nb_recipe_name_ok("My-recipe_2.b"), "sound names");
    nb_err err = {0};
    check(nb_recipe_path(path, 10, &c, "mine", &err) == NB_IO && strstr(err.msg, "too long"), "%s",
          err.msg);
}

CHECK_TEST(recipe_file, a_saved_one_comes_back_and_is_replaced_only_by_force)
{
    nb_config c = config("saved");
    nb_recipe r = parsed(whole), back, other = parsed("preset Q8_0\n");
    nb_err err = {0};
    check(nb_recipe_load(&back, &c, "mine", &err) == NB_NOTFOUND &&
              strstr(err.msg, "no recipe and no file \"mine\""),
          "%s", err.msg);
    check(nb_recipe_save(&r, &c, "mine", false, &err) == NB_OK, "%s", err.msg);
    check(nb_recipe_load(&back, &c, "mine", &err) == NB_OK, "%s", err.msg);
    check_prints(&back, whole);
    check(nb_recipe_save(&other, &c, "mine", false, &err) == NB_REFUSED &&
              strstr(err.msg, "exists already"),
          "%s", err.msg);
    check(nb_recipe_load(&back, &c, "mine", &err) == NB_OK && back.n_rules == 2, "it changed");
    check(nb_recipe_save(&other, &c, "mine", true, &err) == NB_OK, "%s", err.msg);
    check(nb_recipe_load(&back, &c, "mine", &err) == NB_OK && back.n_rules == 0, "it stayed");
    const char *path = test_path(test_tmpdir(), "any.txt"); /* a file by its path */
    test_spit(path, whole, sizeof whole - 1);
    check(nb_recipe_load(&back, &c, path, &err) == NB_OK && back.n_rules == 2, "%s", err.msg);
    test_spit(path, "nonsense\n", 9);
    check(nb_recipe_load(&back, &c, path, &err) == NB_FORMAT && strstr(err.msg, "any.txt: line 1"),
          "%s", err.msg);
    check(nb_recipe_load(&back, &c, test_tmpdir(), &err) != NB_OK, "a folder is no recipe");
}

static void join(void *ud, const char *name)
{
    nb_str_addf(ud, "%s ", name);
}

CHECK_TEST(recipe_file, the_list_is_in_order_and_only_of_recipes)
{
    nb_config c = config("listed");
    nb_recipe r = parsed("preset Q8_0\n");
    nb_str names = {0};
    nb_err err = {0};
    check(nb_recipe_each(&c, join, &names, &err) == NB_OK && names.len == 0, "no folder: %s",
          err.msg);
    static const char *const saved[] = {"b", "a.2", "a"};
    for (size_t i = 0; i < countof(saved); i++)
        check(nb_recipe_save(&r, &c, saved[i], false, &err) == NB_OK, "%s", err.msg);
    static const char *const others[] = {
        "recipes/notes.txt", "recipes/.recipe", "recipes/a b.recipe",
        "recipes/0123456789012345678901234567890123456789012345678901234567890123456.recipe"};
    for (size_t i = 0; i < countof(others); i++)
        test_spit(test_path(c.data_dir, others[i]), "x", 1);
    check(nb_recipe_each(&c, join, &names, &err) == NB_OK, "%s", err.msg);
    check(strcmp(nb_str_c(&names), "a a.2 b ") == 0, "%s", nb_str_c(&names));
    nb_str_free(&names);
    c = config("nofolder");
    check(nb_mkdirs(c.data_dir, &err) == NB_OK, "%s", err.msg);
    test_spit(test_path(c.data_dir, "recipes"), "x", 1);
    check(nb_recipe_each(&c, join, &names, &err) == NB_IO && strstr(err.msg, "recipes"), "%s",
          err.msg);
    check(nb_recipe_save(&r, &c, "mine", false, &err) != NB_OK && err.msg[0], "a file in the way");
}
