/* Expressions over tensor names, as std::regex reads them: what matches, what is refused, and that
 * no pattern takes long. */
#include "tests/check.h"
#include "tests/util.h"

#include <string.h>
#include <time.h>

#include "core/base/regex.h"

static bool matches(const char *pattern, const char *text)
{
    nb_regex *re = NULL;
    nb_err err = {0};
    check(nb_regex_open(&re, pattern, &err) == NB_OK, "%s", err.msg);
    bool hit = nb_regex_search(re, text);
    nb_regex_close(&re);
    return hit;
}

CHECK_TEST(regex, finds_what_std_regex_finds)
{
    static const char name[] = "blk.12.ffn_down_exps.weight";
    static const struct {
        const char *pattern;
        bool hit;
    } row[] = {
        {"ffn_down", true},
        {"^blk", true},
        {"^ffn", false},
        {"weight$", true},
        {"down$", false},
        {"blk.(1[0-9]|2).ffn", true},
        {"blk\\.([0-9]|1[01])\\.", false},
        {"blk\\.\\d+\\.ffn_(up|gate|down)_exps", true},
        {"^blk\\.\\d{2}\\.", true},
        {"^blk\\.\\d{3,}\\.", false},
        {"^blk\\.\\d{1,3}\\.[^a]", true},
        {"(ffn_up|attn_.*)", false},
        {"f{2}n", true},
        {"f{3}n", false},
        {"x*", true},
        {"z+", false},
        {"", true},
        {"attn|", true},
        {"ffn_down(?=_exps)", true},
        {"ffn_down(?!_exps)", false},
        {"\\bffn", true},
        {"\\bdown", false},
        {"\\Bdown", true},
        {"[[:digit:]]+\\.[[:alpha:]_]+", true},
        {"[\\d.]{4}", true},
        {"[\\W]ffn", true},
        {"blk\\x2e", true},
        {".{27}", true},
        {".{28}", false},
        {"[h-]", true},
        {"^(?:b|l|k)*?\\.", true},
    };
    for (size_t i = 0; i < countof(row); i++)
        check(matches(row[i].pattern, name) == row[i].hit, "/%s/ of %s", row[i].pattern, name);
    check(!matches("^$", "a") && matches("^$", "") && !matches(".", ""), "nothing at all");
}

CHECK_TEST(regex, says_what_is_wrong_and_where)
{
    static const struct {
        const char *pattern, *says;
    } row[] = {
        {"a(b", "a \"(\" too many"},
        {"a)b", "a \")\" too many at byte 3"},
        {"*a", "nothing to repeat at byte 2"},
        {"a|+", "nothing to repeat"},
        {"[ab", "a class without end"},
        {"[]", "an empty class"},
        {"[b-a]", "runs backwards"},
        {"[[:nope:]]", "no such class"},
        {"a{2,1}", "makes no sense"},
        {"a{x}", "without a number"},
        {"a{1001}", "more than 1000"},
        {"(a)\\1", "back references are not supported"},
        {"a\\", "a backslash ends it"},
        {"(?<n>a)", "unknown kind of group"},
        {"\\xg0", "not the number of a byte"},
        {"((((a|b)c|d)e|f)g|h)", NULL},
        {"a|(b|(c|(d|(e|(f|(g|(h|(i|(j|(k|(l|(m|(n|(o|(p|(q|(r|(s|(t|(u|(v|(w|(x|(y|(z|a)))))))))))"
         "))"
         "))))))))))))",
         "nested too deeply"},
    };
    for (size_t i = 0; i < countof(row); i++) {
        nb_regex *re = NULL;
        nb_err err = {0};
        nb_status st = nb_regex_open(&re, row[i].pattern, &err);
        check((st == NB_OK) == (row[i].says == NULL), "/%s/: %s", row[i].pattern, err.msg);
        check(!row[i].says || (st == NB_USAGE && strstr(err.msg, row[i].says)), "/%s/: %s",
              row[i].pattern, err.msg);
        nb_regex_close(&re);
    }
}

CHECK_TEST(regex, no_pattern_is_catastrophic)
{
    static const char *const pattern[] = {
        "(a*)*b",
        "(a|a)*b",
        "(a|aa)+$b",
        "((((a*)*)*)*)*b",
        "(.*)(.*)(.*)(.*)(.*)(.*)x",
        "(((a{0,1000}){0,1000}){0,1000}){0,1000}b",
    };
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    clock_t begin = clock();
    for (size_t i = 0; i < countof(pattern); i++)
        check(!matches(pattern[i], text), "%s", pattern[i]);
    double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
    check(took < test_within(1), "%.2f s", took);
    check(!matches("a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
          "64 bytes are no tensor's name");
}
