#include "tests/pty/pty.h"
const pty_test pty_words_tests[] = {{0}};
