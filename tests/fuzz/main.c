/* Replays files through fuzz targets without libFuzzer (gcc, valgrind, a debugger):
 * replay [TARGET [FILE|FOLDER]...]; without files its corpus, without target all of them. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/util.h"

int main(int argc, char **argv)
{
    size_t files = 0;
    for (const fuzz_row *t = fuzz_rows; t; t = t->next) {
        if (argc > 1 && strcmp(argv[1], t->name) != 0)
            continue;
        char corpus[64];
        snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s", t->name);
        if (argc <= 2)
            files += fuzz_replay(t, corpus);
        for (int i = 2; i < argc; i++)
            files += fuzz_replay(t, argv[i]);
    }
    printf("%zu files replayed\n", files);
    return files ? 0 : 1;
}
